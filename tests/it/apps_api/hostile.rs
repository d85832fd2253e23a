//! What must not be written is refused before anything is touched.

use std::io::{Read as _, Write as _};

use serde_json::json;

use super::ask::{JSON, TAR, ZIP, ask, get, put, tar_of, zip_of};
use crate::support::apps::snapshot;
use crate::support::world::World;

#[test]
fn hostile_and_half_content_changes_nothing() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"}));
    let before = snapshot(&dev.apps);
    let refused = |kind: (&str, &str), body: &[u8], status: u16, word: &str| {
        for name in ["Stock", "New"] {
            let answer = ask(&dev, "PUT", &format!("/api/v1/apps/{name}?wait=committed"), &[kind], body);
            assert_eq!(answer.status, status, "{word}: {}", answer.text());
            assert!(answer.text().contains(word) && answer.class() == "content", "{}", answer.text());
        }
    };
    for path in ["../Other/x", "/etc/x", "a/../../x", ".git/config", "a\\..\\x", "a\u{7}"] {
        refused(JSON, json!({"meta.json": "{}", path: ""}).to_string().as_bytes(), 422, "refused");
    }
    refused(JSON, json!({"a.json": "{}", "A.JSON": "{}"}).to_string().as_bytes(), 422, "same name");
    refused(JSON, json!({"\u{fc}": "", "u\u{308}": ""}).to_string().as_bytes(), 422, "same name");
    refused(
        JSON,
        json!({"meta.json": "{\n  \"a\": "}).to_string().as_bytes(),
        422,
        "meta.json is not valid JSON (line 2",
    );
    refused(JSON, json!({"meta.json": ""}).to_string().as_bytes(), 422, "empty");
    refused(JSON, b"{}", 422, "no file");
    refused(JSON, b"{\"a\": \"b\"", 400, "JSON map");
    let whole = tar_of(&[("a", false, b"x"), ("b", false, &[b'y'; 2000])]);
    refused(TAR, &whole[..1500], 400, "tar");
    refused(TAR, &whole[..1024], 400, "cut off");
    refused(TAR, b"no tar at all", 400, "tar");
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "screens/x", "/etc/passwd").expect("pack");
    refused(TAR, &link.into_inner().expect("a tar"), 422, "symbolic link");
    let zipped = zip_of(&[("a", false, b"x")]);
    refused(ZIP, &zipped[..zipped.len() - 30], 400, "zip");
    refused(ZIP, &zip_of(&[("zeros", false, &vec![0; 26 << 20])]), 413, "25 MB");
    let many: Vec<String> = (0..50_001).map(|n| format!("f{n}")).collect();
    let many: Vec<super::ask::File<'_>> = many.iter().map(|name| (name.as_str(), false, b"".as_slice())).collect();
    refused(TAR, &tar_of(&many), 413, "50000");

    let wrong = ask(&dev, "PUT", "/api/v1/apps/Stock", &[("Content-Type", "text/plain")], b"x");
    assert_eq!((wrong.status, wrong.class().as_str()), (415, "request"));
    let huge = ask(&dev, "PUT", "/api/v1/apps/Stock", &[JSON, ("X-Padding", "x")], b"");
    assert_eq!(huge.status, 400, "an empty body is no app");
    for name in ["..%2FOther", ".git", "%2e%2e", "a%2fb", ".appferry"] {
        let answer = put(&dev, name, &[], &json!({"meta.json": "{}"}));
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.text());
    }
    assert_eq!(get(&dev, "Stock", &[("Accept", "text/html")]).status, 406);
    assert_eq!(put(&dev, "Stock?wait=forever", &[], &json!({"a": "b"})).class(), "request");
    assert_eq!(put(&dev, "Stock?author=Jane", &[], &json!({"a": "b"})).class(), "request");

    assert_eq!(snapshot(&dev.apps), before);
    assert_eq!(get(&dev, "Stock", &[]).etag(), saved.etag());
    assert_eq!(world.repo.subjects().len(), 1);
    let left = std::fs::read_dir(dev.data.join("uploads")).expect("the folder").count();
    assert_eq!(left, 0, "nothing is left of what came");
}

#[test]
fn without_the_token_no_app_is_read_or_written() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    for path in ["/api/v1/apps", "/api/v1/apps/Stock", "/api/v1/apps/Stock/lock"] {
        assert_eq!(dev.http_get(path, false).expect("an answer").0, 401, "{path}");
    }
}

#[test]
fn a_body_that_breaks_off_changes_nothing() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let body = json!({"meta.json": "{}"}).to_string();
    let token = std::fs::read_to_string(dev.data.join("api.token")).expect("the token");
    let address = std::fs::read_to_string(dev.data.join("api.addr")).expect("the address");
    for length in [body.len() + 1, 1 << 20] {
        let mut stream = std::net::TcpStream::connect(address.trim()).expect("connect");
        write!(
            stream,
            "PUT /api/v1/apps/New HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            token.trim()
        )
        .expect("send");
        stream.shutdown(std::net::Shutdown::Write).expect("break off");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(get(&dev, "New", &[]).class(), "absent");
    let mut stream = std::net::TcpStream::connect(address.trim()).expect("connect");
    write!(
        stream,
        "PUT /api/v1/apps/New HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
        token.trim()
    )
    .expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer before the body");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
