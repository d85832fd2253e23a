//! Values for variables, from the command line and from files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The longest file, in bytes.
const LONGEST: u64 = 8 << 20;

/// The values by their names; those of files lose nothing (rule 20).
pub(super) fn read(vars: &[String], files: &[String]) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    let mut put = |name: &str, value: Value| {
        if values.insert(name.to_owned(), value).is_some() {
            bail!("the variable `{name}` has two values; leave one out");
        }
        Ok(())
    };
    for text in vars {
        let Some((name, value)) = text.split_once('=') else { bail!("a value is missing; write --var NAME=VALUE") };
        put(name, Value::from(value))?;
    }
    if files.iter().filter(|text| text.ends_with("=-")).count() > 1 {
        bail!("standard input can be the value of one variable only; give the others from files");
    }
    for text in files {
        let Some((name, file)) = text.split_once('=') else {
            bail!("{text:?} names no file; write --var-file NAME=FILE")
        };
        put(name, json!({ "base64": STANDARD.encode(content(Path::new(file))?) }))?;
    }
    Ok(values)
}

/// The content of a file, or of standard input for `-`. Blocks.
pub(super) fn content(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
    };
    let length = read.with_context(|| format!("the file {} cannot be read", path.display()))?;
    if length as u64 > LONGEST {
        bail!("the file {} is larger than 8 MiB; is that the right one?", path.display());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_stands_behind_the_first_equals_sign_or_in_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xff\n").unwrap();
        let from = format!("f={}", file.path().display());
        let values = read(&["a=b=c ".into(), "e=".into()], &[from]).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"{"a":"b=c ","e":"","f":{"base64":"/wo="}}"#);
        assert!(read(&["a".into()], &[]).is_err());
        assert!(!read(&["s3cret".into()], &[]).unwrap_err().to_string().contains("s3cret"));
        assert!(read(&["a=1".into(), "a=2".into()], &[]).is_err());
        assert!(read(&[], &["a=/no/such".into()]).is_err());
        assert!(read(&[], &["a=-".into(), "b=-".into()]).unwrap_err().to_string().contains("one variable only"));
    }
}
