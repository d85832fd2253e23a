//! `{"meta.json": "{…}", "icon.png": {"base64": "…"}, "run.sh": {"text": "…", "executable": true}}`

use std::fmt;
use std::io::{BufReader, BufWriter, Read, Write};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::gather::{Gather, refused};
use super::metered::{Allowance, Metered};
use super::{ArchiveError, Load, unwritten};
use crate::domain::input::size::FileSize;
use crate::domain::{AppFile, EntryKind};

const FORM: &str = "JSON map of paths";

/// Bytes that stand for one in a text, at most: `\u0001`.
const ESCAPED: u64 = 6;
/// Room for a path, for spaces, and for what is read ahead.
const BESIDE: u64 = 64 << 10;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What stands for the content of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    executable: bool,
}

pub(super) fn read(source: impl Read, gather: &mut Gather<'_>) -> Result<(), ArchiveError> {
    let mut refusal = None;
    let limit = gather.limits().file;
    let most = limit.saturating_mul(ESCAPED).saturating_add(BESIDE);
    let allowance = Allowance::of(most);
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(Metered::new(source, &allowance)));
    let files = Files { gather, refusal: &mut refusal, allowance: (&allowance, most) };
    let read = reader.deserialize_map(files).and_then(|()| reader.end());
    match (refusal, read) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(_)) if allowance.is_used_up() => {
            Err(ArchiveError::TooLarge(format!("a file of it is larger than {}", FileSize(limit))))
        }
        (None, Err(error)) => Err(ArchiveError::Broken { form: FORM, problem: error.to_string() }),
        (None, Ok(())) => Ok(()),
    }
}

/// Takes one file after the other, so that never two are in memory.
struct Files<'g, 's> {
    gather: &'g mut Gather<'s>,
    /// serde carries only text.
    refusal: &'g mut Option<ArchiveError>,
    /// What may be read until the next file is there: a text is in memory as a whole before its length is known.
    allowance: (&'g Allowance, u64),
}

impl<'de> Visitor<'de> for Files<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a path for each key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(path) = map.next_key::<String>()? {
            let content: Content = map.next_value()?;
            if let Err(error) = take(self.gather, &path, content.0) {
                *self.refusal = Some(error);
                return Err(A::Error::custom("refused"));
            }
            self.allowance.0.set(self.allowance.1);
        }
        Ok(())
    }
}

fn take(gather: &mut Gather<'_>, path: &str, content: Wrapped) -> Result<(), ArchiveError> {
    let bytes = match (content.text, content.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            BASE64.decode(text).map_err(|error| refused(path, format!("its content is no base64: {error}")))?
        }
        _ => return Err(refused(path, "give its content either as `text` or as `base64`")),
    };
    gather.file((FORM, path), content.executable, bytes.as_slice())
}

struct Content(Wrapped);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the content of a file: a string, or an object with `base64`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Content, E> {
        Ok(Content(Wrapped { text: Some(text), base64: None, executable: false }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
        Wrapped::deserialize(MapAccessDeserializer::new(map)).map(Content)
    }
}

pub(super) fn write(files: &[AppFile], load: Load<'_>, target: impl Write) -> Result<(), ArchiveError> {
    let mut target = BufWriter::new(target);
    let mut before = "{\n  ";
    for file in files {
        target.write_all(before.as_bytes()).map_err(unwritten)?;
        before = ",\n  ";
        serde_json::to_writer(&mut target, &file.path).map_err(unwritten)?;
        target.write_all(b": ").map_err(unwritten)?;
        let executable = file.kind == EntryKind::Executable;
        let content = match String::from_utf8(load(file.id)?) {
            Ok(text) if !executable => {
                serde_json::to_writer(&mut target, &text).map_err(unwritten)?;
                continue;
            }
            Ok(text) => Wrapped { text: Some(text), base64: None, executable },
            Err(bytes) => Wrapped { text: None, base64: Some(BASE64.encode(bytes.as_bytes())), executable },
        };
        serde_json::to_writer(&mut target, &content).map_err(unwritten)?;
    }
    let end: &[u8] = if files.is_empty() { b"{}\n" } else { b"\n}\n" };
    target.write_all(end).and_then(|()| target.flush()).map_err(unwritten)
}
