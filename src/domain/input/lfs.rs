//! Git LFS pointers: small files that stand in the place of content that is not in the repository.

/// Pointers are smaller than this (git-lfs, `docs/spec.md`).
pub const LARGEST: u64 = 1024;

const VERSIONS: [&[u8]; 2] =
    [b"version https://git-lfs.github.com/spec/v1\n", b"version https://hawser.github.com/spec/v1\n"];

/// Whether this is a pointer: the version first, then lines of a key and a value, `oid` and `size` among them.
#[must_use]
pub fn is_pointer(bytes: &[u8]) -> bool {
    if u64::try_from(bytes.len()).is_ok_and(|length| length >= LARGEST) {
        return false;
    }
    let unix: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    let Some(rest) = VERSIONS.iter().find_map(|version| unix.strip_prefix(*version)) else { return false };
    let Ok(text) = std::str::from_utf8(rest) else { return false };
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    let is_hash = |oid: &str| oid.split_once(':').is_some_and(|(_, hash)| hash.chars().all(|c| c.is_ascii_hexdigit()));
    value("oid").is_some_and(is_hash) && value("size").is_some_and(|size| size.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    #[test]
    fn a_pointer_is_known_and_a_text_about_pointers_is_not() {
        assert!(is_pointer(POINTER.as_bytes()));
        assert!(is_pointer(POINTER.replace('\n', "\r\n").as_bytes()));
        assert!(is_pointer(POINTER.replace("oid", "ext-0-foo sha256:aa\noid").as_bytes()));
        assert!(!is_pointer(format!("// {POINTER}").as_bytes()));
        assert!(!is_pointer(POINTER.replace("size 12345", "").as_bytes()));
        assert!(!is_pointer(POINTER.replace("sha256:4d", "sha256:zz").as_bytes()));
        assert!(!is_pointer((POINTER.to_owned() + &"x".repeat(1024)).as_bytes()));
        assert!(!is_pointer(b""));
    }
}
