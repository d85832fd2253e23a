//! What an admin's login finds out about an account, and the script that asks.

use std::collections::BTreeMap;

use crate::setup::script::posix_quoted;

const TEXT: &str = include_str!("facts.sh");

/// Owner, group and mode of a folder or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
    pub(super) is_folder: bool,
    pub(super) path: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    single: BTreeMap<String, String>,
    sshd: BTreeMap<String, Vec<String>>,
    pub(super) places: Vec<Place>,
    /// The files that sshd reads and that are there.
    pub(super) files: Vec<String>,
    /// What the account cannot enter or read on its way to one of them.
    pub(super) closed: Vec<Place>,
    /// What stands where a file should, and is none.
    pub(super) odd: Vec<String>,
    /// The lines with the key, in the files that the account can read.
    pub(super) lines: Vec<String>,
}

/// The script for this account and key. An address that is known here need not be found out there.
pub(super) fn script(user: &str, blob: &str, address: &str) -> String {
    TEXT.replace("@USER@", &posix_quoted(user))
        .replace("@BLOB@", &posix_quoted(blob))
        .replace("@ADDRESS@", &posix_quoted(address))
}

impl Facts {
    /// Reads what the script printed; `None` if it did not come to its end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut facts = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "sshd" => {
                    let (setting, value) = value.split_once(' ').unwrap_or((value, ""));
                    facts.sshd.entry(setting.to_owned()).or_default().push(value.to_owned());
                }
                "path" => facts.places.extend(place(value)),
                "file" => facts.files.push(value.to_owned()),
                "closed" => facts.closed.extend(place(value)),
                "odd" => facts.odd.push(value.to_owned()),
                "line" => facts.lines.push(value.to_owned()),
                _ => drop(facts.single.insert(name.to_owned(), value.to_owned())),
            }
        }
        facts.places.dedup();
        facts.of("end").is_some().then_some(facts)
    }

    pub(super) fn of(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    /// The words of a setting of sshd, over all its lines.
    pub(super) fn setting(&self, name: &str) -> Vec<&str> {
        self.sshd.get(name).into_iter().flatten().flat_map(|value| value.split_ascii_whitespace()).collect()
    }

    pub(super) fn is_set(&self, name: &str, value: &str) -> bool {
        self.setting(name) == [value]
    }
}

fn place(text: &str) -> Option<Place> {
    let mut words = text.splitn(5, ' ');
    Some(Place {
        owner: words.next()?.parse().ok()?,
        group: words.next()?.parse().ok()?,
        mode: u32::from_str_radix(words.next()?, 8).ok()?,
        is_folder: words.next()? == "directory",
        path: words.next()?.to_owned(),
    })
}
