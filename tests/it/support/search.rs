//! A search for secrets in whatever the program leaves or shows, in the forms that bytes take on the way.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use ssh_key::private::KeypairData;

/// Long secrets are looked for piece by piece: base64 and PEM break them into lines, and a part is bad enough.
const PIECE: usize = 24;
/// What is shorter may be there by chance.
const LEAST: usize = 12;
/// Every form of a piece is longer than this.
const HEAD: usize = 8;

/// Secrets, and where each form of them begins.
#[derive(Default)]
pub struct Secrets {
    forms: HashMap<[u8; HEAD], Vec<Form>>,
}

struct Form {
    bytes: Vec<u8>,
    what: String,
}

impl Secrets {
    /// Looks for these bytes from now on.
    pub fn add(&mut self, what: &str, secret: &[u8]) {
        self.add_but(what, secret, "");
    }

    /// Looks for a private key: its secret numbers, and the lines of its PEM but for what the public line shows, too.
    pub fn add_key(&mut self, what: &str, pem: &str, public_line: &str) {
        for line in pem.lines().filter(|line| !line.starts_with("-----")) {
            self.add_but(&format!("a PEM line of {what}"), line.as_bytes(), public_line);
        }
        let key = ssh_key::PrivateKey::from_openssh(pem).expect("an OpenSSH key");
        match key.key_data() {
            KeypairData::Ed25519(pair) => self.add(&format!("the seed of {what}"), &pair.private.to_bytes()),
            KeypairData::Rsa(pair) => {
                for (name, number) in [("d", pair.private().d()), ("p", pair.private().p()), ("q", pair.private().q())]
                {
                    self.add(&format!("{name} of {what}"), number.as_bytes());
                }
            }
            _ => panic!("{what} is of a kind that the search does not know"),
        }
    }

    fn add_but(&mut self, what: &str, secret: &[u8], public: &str) {
        for piece in secret.chunks(PIECE).filter(|piece| piece.len() >= LEAST || piece.len() == secret.len()) {
            if public.is_empty() || !holds(public.as_bytes(), piece) {
                for (form, bytes) in forms(piece) {
                    let head = bytes[..HEAD].try_into().expect("long enough");
                    let form = Form { bytes, what: format!("{what} ({form})") };
                    self.forms.entry(head).or_default().push(form);
                }
            }
        }
    }

    /// The secrets in `content`.
    pub fn in_bytes(&self, content: &[u8]) -> BTreeSet<&str> {
        let mut first_two = vec![false; 1 << 16]; // most places are ruled out without hashing
        for head in self.forms.keys() {
            first_two[usize::from(u16::from_be_bytes([head[0], head[1]]))] = true;
        }
        let mut found = BTreeSet::new();
        for (at, head) in content.windows(HEAD).enumerate() {
            if !first_two[usize::from(u16::from_be_bytes([head[0], head[1]]))] {
                continue;
            }
            for form in self.forms.get(head).into_iter().flatten() {
                if content[at..].starts_with(&form.bytes) {
                    found.insert(form.what.as_str());
                }
            }
        }
        found
    }

    /// As [`in_bytes`](Self::in_bytes), also where lines are broken at other places.
    pub fn in_text(&self, content: &[u8]) -> BTreeSet<&str> {
        let joined: Vec<u8> = content.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
        let mut found = self.in_bytes(content);
        found.extend(self.in_bytes(&joined));
        found
    }

    /// The secrets in files, each with its path; a file that is gone by now holds none.
    pub fn in_files(&self, files: &[PathBuf]) -> Vec<String> {
        let found = |path: &PathBuf| {
            let content = fs::read(path).unwrap_or_default();
            let name = path.to_string_lossy();
            let found = self.in_text(&content).into_iter().chain(self.in_bytes(name.as_bytes()));
            let found: BTreeSet<&str> = found.collect();
            (!found.is_empty()).then(|| format!("{}: {found:?}", path.display()))
        };
        files.iter().filter_map(found).collect()
    }
}

/// Each form that the bytes may have been written in.
fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("raw", bytes.to_vec())];
    forms.push(("hex", hex(bytes).into_bytes()));
    forms.push(("HEX", hex(bytes).to_uppercase().into_bytes()));
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    forms.push(("numbers, as Debug shows them", numbers.join(", ").into_bytes()));
    for before in 0..3 {
        let shifted = [&[0; 2][..before], bytes].concat();
        // The digits at either end depend on what stands beside the secret.
        let (start, end) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for (form, engine) in [("base64", BASE64_STANDARD_NO_PAD), ("base64url", BASE64_URL_SAFE_NO_PAD)] {
            forms.push((form, engine.encode(&shifted).as_bytes()[start..end].to_vec()));
        }
    }
    forms
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string");
        hex
    })
}

/// Whether `needle` is somewhere in `haystack`.
pub fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// All files below `folder`, but not those named.
pub fn files_below(folder: &Path, but: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && !but.contains(&entry.path()) => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Our own files directly in the machine's folders for temporary files, changed after `since` (seconds).
pub fn temporary_files(since: i64) -> Vec<PathBuf> {
    let ours = rustix::process::geteuid().as_raw();
    let entries = ["/tmp", "/var/tmp", "/dev/shm"].into_iter().flat_map(fs::read_dir).flatten().flatten();
    let fresh = entries.filter(|entry| {
        entry.metadata().is_ok_and(|found| found.is_file() && found.uid() == ours && found.mtime() >= since)
    });
    fresh.map(|entry| entry.path()).collect()
}
