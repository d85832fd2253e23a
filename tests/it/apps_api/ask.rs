//! Calls of the API, and apps in the forms that it takes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use appferry::http::apps::SaveAnswer;
use serde_json::Value;

use crate::support::instance::Instance;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn etag(&self) -> String {
        self.headers.get("etag").unwrap_or_else(|| panic!("no tag: {self:?}")).clone()
    }

    pub(super) fn saved(&self) -> SaveAnswer {
        assert!(matches!(self.status, 200 | 202), "{} {}", self.status, self.text());
        serde_json::from_slice(&self.body).expect("an answer to a save")
    }

    pub(super) fn class(&self) -> String {
        self.json()["error"]["class"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request and reads the whole answer; `None` if the worker went away meanwhile.
pub(super) fn try_ask(
    instance: &Instance,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let address = fs::read_to_string(instance.data.join("api.addr")).ok()?;
    let token = fs::read_to_string(instance.data.join("api.token")).ok()?;
    let mut stream = TcpStream::connect(address.trim()).ok()?;
    stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
    let more: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
        address.trim(),
        token.trim(),
        body.len(),
        more.concat(),
    );
    stream.write_all(head.as_bytes()).ok()?;
    let _ = stream.write_all(body); // it may be refused before it was read
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // what was refused unread cuts the connection off, after the answer
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer).into_owned();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        body,
    })
}

/// As [`try_ask`], of a worker that stays.
pub(super) fn ask(instance: &Instance, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_ask(instance, method, path, headers, body)
        .unwrap_or_else(|| panic!("no answer to {method} {path}\n{}", instance.log()))
}

pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");
pub(super) const TAR: (&str, &str) = ("Content-Type", "application/x-tar");
pub(super) const ZIP: (&str, &str) = ("Content-Type", "application/zip");

/// Saves a JSON map under `/api/v1/apps/` and `path`.
pub(super) fn put(instance: &Instance, path: &str, headers: &[(&str, &str)], app: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    ask(instance, "PUT", &format!("/api/v1/apps/{path}"), &headers, app.to_string().as_bytes())
}

pub(super) fn get(instance: &Instance, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(instance, "GET", &format!("/api/v1/apps/{path}"), headers, b"")
}

/// Path, whether it is executable, content.
pub(super) type File<'a> = (&'a str, bool, &'a [u8]);

pub(super) fn tar_of(files: &[File<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, executable, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if *executable { 0o755 } else { 0o644 });
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).expect("pack");
    }
    builder.into_inner().expect("a tar")
}

pub(super) fn zip_of(files: &[File<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, executable, content) in files {
        let mode = if *executable { 0o755 } else { 0o644 };
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
        writer.start_file(*path, options).expect("pack");
        writer.write_all(content).expect("pack");
    }
    writer.finish().expect("a zip").into_inner()
}
