//! What is saved is in Git and in the folder, and is given back as it was.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::ask::{File, JSON, TAR, ZIP, ask, get, put, tar_of, zip_of};
use crate::support::apps::{set, snapshot, write_app};
use crate::support::world::World;
use crate::support::{PATIENCE, git};

const FILES: [File<'_>; 6] = [
    ("__export_meta.json", false, b"{\r\n  \"updated_time\": \"27-03-2025 06:23:08\"}"),
    ("empty", false, b""),
    ("icon/appIcon.png", false, &[0, 1, 0xfe, 0xff, b'\n', 0]),
    ("screens/Screen 1/meta.json", false, b"{}\n"),
    ("screens/Screen 1/\u{dc}bersicht \u{4e2d}\u{6587}/bind \"data\".js", false, b"return 1;\n"),
    ("tools/run.sh", true, b"#!/bin/sh\n"),
];

#[test]
fn every_form_goes_there_and_back_byte_for_byte() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let mut tags = Vec::new();
    for (number, (kind, body)) in [(TAR, tar_of(&FILES)), (ZIP, zip_of(&FILES))].into_iter().enumerate() {
        let path = format!("/api/v1/apps/App%20%C3%9C{number}");
        let saved = ask(&dev, "PUT", &format!("{path}?wait=pushed"), &[kind], &body);
        assert!(saved.saved().pushed.is_some(), "{saved:?}");
        tags.push(saved.etag());
        for (accept, wanted) in [
            ("application/x-tar", tar_files as fn(&[u8]) -> Vec<(String, bool, Vec<u8>)>),
            ("application/zip", zip_files),
        ] {
            let given = ask(&dev, "GET", &path, &[("Accept", accept)], b"");
            assert_eq!((given.status, given.headers["content-type"].as_str()), (200, accept));
            assert_eq!(given.etag(), saved.etag());
            assert_eq!(wanted(&given.body), owned(&FILES));
        }
        let given = ask(&dev, "GET", &path, &[], b"");
        let copy = ask(&dev, "PUT", &format!("/api/v1/apps/Copy{number}?wait=pushed"), &[JSON], &given.body);
        assert_eq!((copy.saved().tree, copy.etag()), (saved.saved().tree, saved.etag()), "the JSON holds all of it");
        let here = dev.apps.join(format!("App Ü{number}"));
        assert_eq!(in_git(&world, &format!("App Ü{number}")), snapshot(&here));
        let mode = std::fs::metadata(here.join("tools/run.sh")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "executable");
    }
    assert_eq!(tags[0], tags[1], "the form makes no difference");
    let unchanged = get(&dev, "Copy0", &[("If-None-Match", &tags[0])]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let list = get(&dev, "", &[]);
    assert_eq!(list.status, 404, "a name is not empty");
    let list = ask(&dev, "GET", "/api/v1/apps", &[], b"").json();
    assert_eq!(list.as_array().expect("a list").len(), 4);
    assert_eq!(list[0]["etag"], tags[0]);
    dev.stop();
    dev.fsck();
    world.repo.fsck();
}

fn in_git(world: &World, app: &str) -> Vec<(String, Vec<u8>)> {
    let inside =
        |(path, content): (String, Vec<u8>)| Some((path.strip_prefix(&format!("{app}/"))?.to_owned(), content));
    world.repo.snapshot("main").into_iter().filter_map(inside).collect()
}

fn owned(files: &[File<'_>]) -> Vec<(String, bool, Vec<u8>)> {
    files.iter().map(|(path, executable, content)| ((*path).to_owned(), *executable, content.to_vec())).collect()
}

fn tar_files(bytes: &[u8]) -> Vec<(String, bool, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("UTF-8");
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).expect("its content");
        (path, entry.header().mode().expect("a mode") & 0o100 != 0, content)
    };
    archive.entries().expect("a tar").map(read).collect()
}

fn zip_files(bytes: &[u8]) -> Vec<(String, bool, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
    let count = archive.len();
    let read = |index| {
        let mut entry = archive.by_index(index).expect("an entry");
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).expect("its content");
        let path = entry.name().expect("a name").into_owned();
        (path, entry.unix_mode().expect("a mode") & 0o100 != 0, content)
    };
    (0..count).map(read).collect()
}

#[test]
fn a_save_is_committed_at_once_in_the_callers_words_and_name() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_DEBOUNCE", "10m");
    dev.start();
    dev.wait_until_in_sync();
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"}));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let headers =
        [("X-Appferry-Author", "J%C3%BCrgen M <jm@example.org>"), ("X-Appferry-Message", "Count again%0A%0ABecause.")];
    let saved = put(&dev, "Stock?wait=pushed", &headers, &json!({"meta.json": "{\"a\": 1}"}));
    let commit = saved.saved().commit.expect("a commit");
    assert_eq!(world.repo.subjects(), ["Count again", "'Stock' App added to git"]);
    let shown = git(world.repo.path(), &["show", "-s", "--format=%an <%ae>|%cn|%B", &commit]);
    assert!(shown.starts_with("Jürgen M <jm@example.org>|appferry|Count again\n\nBecause."), "{shown}");
    assert!(shown.contains("Appferry-Instance: dev"), "{shown}");
    let before = git(world.repo.path(), &["rev-parse", "main^"]);
    let given = get(&dev, &format!("Stock?at={before}"), &[]).json();
    assert_eq!(given, json!({"meta.json": "{}"}));
    assert_eq!(get(&dev, &format!("Stock?at={}", "1".repeat(40)), &[]).class(), "absent");
    let again = put(&dev, "Stock?wait=pushed&message=Nothing", &[], &json!({"meta.json": "{\"a\": 1}"}));
    assert_eq!((again.status, again.saved().commit), (200, Some(commit)), "it is there already");
    assert_eq!(world.repo.subjects().len(), 2);
}

#[test]
fn where_saving_is_not_automatic_a_save_stays_here_unless_it_is_asked_for() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_IS_AUTO_SAVE", "false").set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "false");
    dev.start();
    dev.wait_until_in_sync();
    let saved = put(&dev, "Stock", &[], &json!({"meta.json": "{}"})).saved();
    assert_eq!((saved.commit, saved.message.contains("not committed")), (None, true), "{}", saved.message);
    assert!(dev.apps.join("Stock/meta.json").exists());
    let saved = put(&dev, "Stock?message=First", &[], &json!({"meta.json": "{}"})).saved();
    assert!(saved.commit.is_some(), "{saved:?}");
    dev.wait(PATIENCE, "the push", || world.repo.subjects() == ["First"]);
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "[]"})).saved();
    assert_eq!(saved.pushed.expect("pushed").name, "refs/heads/main");
    assert_eq!(world.repo.subjects()[0], "Stock:: Minor app update");
}

#[test]
fn what_comes_from_git_can_be_read_and_saved_on_top() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until("the app", |repository| repository.apps.len() == 1);
    dev.wait_until_in_sync();
    let given = get(&dev, "PO%20App", &[]);
    let mut app = given.json();
    app["screens/Screen 2/meta.json"] = "{\"title\": \"New\"}".into();
    let saved = put(&dev, "PO%20App?wait=pushed", &[("If-Match", &given.etag())], &app);
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    world.repo.somebody_commits("Elsewhere", |tree| set(&tree.join("App/PO App/meta.json"), "description", "More"));
    dev.wait(PATIENCE, "the other's work", || get(&dev, "PO%20App", &[]).text().contains("More"));
}

#[test]
fn an_app_of_ten_thousand_files_is_saved_and_given_back() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let names: Vec<String> = (0..10_000).map(|n| format!("data_query/q{:02}/f{n}.json", n % 100)).collect();
    let files: Vec<File<'_>> = names.iter().map(|name| (name.as_str(), false, b"{}\n".as_slice())).collect();
    let began = std::time::Instant::now();
    let saved = ask(&dev, "PUT", "/api/v1/apps/Wide?wait=pushed", &[TAR], &tar_of(&files));
    assert!(matches!(saved.status, 200 | 202), "{}", saved.text());
    eprintln!("10,000 files saved after {:?}: {}\n{}", began.elapsed(), saved.status, dev.log());
    dev.wait_until_in_sync();
    let began = std::time::Instant::now();
    let given = get(&dev, "Wide", &[]);
    eprintln!("given back after {:?}", began.elapsed());
    assert_eq!(given.json().as_object().expect("a map").len(), 10_000);
    assert_eq!(world.repo.snapshot("main").len(), 10_000);
}
