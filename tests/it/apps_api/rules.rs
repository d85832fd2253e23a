//! The rules for what comes in hold for what comes through the API, too.

use serde_json::json;

use super::ask::{TAR, ZIP, ask, get, put, tar_of, zip_of};
use crate::support::apps::snapshot;
use crate::support::world::World;

#[test]
fn how_large_a_file_may_be_is_what_the_setting_says() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_MAX_FILE_SIZE", "2kB");
    dev.start();
    dev.wait_until_in_sync();
    let with = |size: usize| zip_of(&[("meta.json", false, b"{}"), ("icon.png", false, &vec![7; size])]);
    let refused = ask(&dev, "PUT", "/api/v1/apps/Stock", &[ZIP], &with(2001));
    assert_eq!((refused.status, refused.class().as_str()), (413, "content"), "{}", refused.text());
    assert!(refused.text().contains("2 kB") && refused.text().contains("APPFERRY_MAX_FILE_SIZE"), "{}", refused.text());
    assert_eq!(ask(&dev, "PUT", "/api/v1/apps/Stock?wait=pushed", &[ZIP], &with(2000)).status, 200);
    dev.stop();
    dev.set("APPFERRY_MAX_FILE_SIZE", "40MiB");
    dev.start();
    dev.wait_until_in_sync();
    let saved = ask(&dev, "PUT", "/api/v1/apps/Stock?wait=pushed", &[ZIP], &with(26 << 20));
    assert_eq!(saved.status, 200, "{}", saved.text());
    dev.stop();
}

#[test]
fn what_is_ignored_is_left_out_of_a_save_and_named() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_IGNORE", "cache/");
    dev.start();
    dev.wait_until_in_sync();
    let app =
        json!({"meta.json": "{}", "meta.json~": "{", ".DS_Store": "x", "cache/a/b.json": "{", "screens/x.js": "1"});
    let saved = put(&dev, "Stock?wait=pushed", &[], &app);
    assert_eq!(saved.status, 200, "{}", saved.text());
    let answer = saved.saved();
    assert_eq!(answer.ignored, [".DS_Store", "cache/a/b.json", "meta.json~"]);
    assert!(answer.message.contains("\".DS_Store\" and 2 more were left out"), "{}", answer.message);
    let kept: Vec<String> = get(&dev, "Stock", &[]).json().as_object().expect("a map").keys().cloned().collect();
    assert_eq!(kept, ["meta.json", "screens/x.js"]);
    assert_eq!(get(&dev, "Stock", &[]).etag(), saved.etag());
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    // The same once more, as desktops pack it.
    let again = tar_of(&[("screens/x.js", false, b"1"), ("meta.json", false, b"{}"), ("Thumbs.db", false, b"\0")]);
    let again = ask(&dev, "PUT", "/api/v1/apps/Stock?wait=pushed", &[TAR, ("If-Match", &saved.etag())], &again);
    assert_eq!((again.status, again.saved().ignored), (200, vec!["Thumbs.db".to_owned()]), "{}", again.text());
    assert_eq!(again.etag(), saved.etag());
    let nothing = put(&dev, "Stock", &[], &json!({"meta.json~": "{}"}));
    assert_eq!((nothing.status, nothing.class().as_str()), (422, "content"), "{}", nothing.text());
    assert_eq!(world.repo.subjects().len(), 1);
    dev.stop();
}
