//! What two people changed in one file, and in what was published.

use super::{meet, two, wait_until_equal};
use crate::support::apps::{set, value, write};
use crate::support::instance::Instance;
use crate::support::world::World;

#[test]
fn both_published_and_only_their_times_differ_in_the_same_files() {
    let Some(world) = World::new() else { return };
    let (mut dev, mut qa) = two(&world);
    // The three saves of each are to be one commit, also where the second comes late.
    dev.stop();
    dev.set("APPFERRY_DEBOUNCE", "1s").start();
    qa.set("APPFERRY_DEBOUNCE", "1s");
    let publish = |time: &'static str, screen: &'static str| {
        move |instance: &Instance| {
            let release = instance.apps.join("PO App/last_release");
            set(&release.join("release_meta.json"), "updated_time", time);
            set(&release.join(format!("screens/{screen}/meta.json")), "title", screen);
            set(&instance.apps.join("PO App/__export_meta.json"), "updated_time", time);
        }
    };
    let (earlier, later) = ("01-04-2025 10:00:00", "2025-04-02T10:00:00Z");
    meet(&world, &dev, &mut qa, publish(later, "Screen 1"), publish(earlier, "Screen 2"));
    wait_until_equal(&world, &dev, &qa);
    let release = dev.apps.join("PO App/last_release");
    for file in [release.join("release_meta.json"), dev.apps.join("PO App/__export_meta.json")] {
        assert_eq!(value(&file, "updated_time"), Some(later.into()), "the newest time");
    }
    for screen in ["Screen 1", "Screen 2"] {
        assert_eq!(value(&release.join(format!("screens/{screen}/meta.json")), "title"), Some(screen.into()));
    }
    assert_eq!(world.repo.subjects()[..2], ["PO App:: App published", "PO App:: App published"]);
}

#[test]
fn elements_merge_by_the_field_that_is_set_and_scripts_by_lines_and_each_file_keeps_its_layout() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    qa.set("APPFERRY_IDENTITY_FIELDS", "slot");
    let (list, script) = ("PO App/configuration/menu_config.json", "PO App/data_query/POid/bind_data.js");
    let lists = |first: u32, last: u32| {
        format!("{{\n\t\"menu\" : [\n\t\t{{\"slot\": 1, \"v\": {first}}},\n\t\t{{\"slot\": 2, \"v\": {last}}}\n\t]\n}}")
    };
    let scripts = |first: &str, last: &str| format!("{first}\r\n\r\n\r\n{last}");
    let save = |first: u32, last: u32, lines: [&'static str; 2]| {
        move |instance: &Instance| {
            write(&instance.apps.join(list), lists(first, last));
            write(&instance.apps.join(script), scripts(lines[0], lines[1]));
        }
    };
    meet(&world, &dev, &mut qa, save(1, 1, ["a", "b"]), |_| {});
    wait_until_equal(&world, &dev, &qa);
    qa.stop();
    let moved = "{\n\t\"menu\" : [\n\t\t{\"slot\": 2, \"v\": 1},\n\t\t{\"slot\": 1, \"v\": 1}\n\t]\n}";
    let move_and_edit = |qa: &Instance| {
        write(&qa.apps.join(list), moved);
        write(&qa.apps.join(script), scripts("a", "B"));
    };
    meet(&world, &dev, &mut qa, save(1, 9, ["A", "b"]), move_and_edit);
    wait_until_equal(&world, &dev, &qa);
    let read = |file: &str| std::fs::read_to_string(dev.apps.join(file)).expect("a file");
    assert_eq!(read(list), moved.replacen("\"v\": 1", "\"v\": 9", 1));
    assert_eq!(read(script), scripts("A", "B"));
}
