//! Private keys as blocks of text.

/// The label of a PEM block is shorter.
const LONGEST_LABEL: usize = 40;
/// The first line of key material begins within so many bytes, after the headers.
const HEADERS: usize = 600;
/// A shorter run of base64 is not key material.
const LEAST_MATERIAL: usize = 20;
/// A PuTTY file has its private part within so many bytes.
const PUTTY_FILE: usize = 16 * 1024;

/// The length of a private key's block, up to the end of its first line of material, if `rest` begins with one.
pub(super) fn pem(rest: &[u8]) -> Option<usize> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let after = rest.strip_prefix(BEGIN)?;
    let end = position(after.get(..LONGEST_LABEL.min(after.len()))?, b"-----")?;
    let label = after.get(..end)?;
    let is_private = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    if !is_private {
        return None;
    }
    let body_at = BEGIN.len() + end + 5;
    let body = rest.get(body_at..)?;
    let body = body.get(..HEADERS.min(body.len()))?;
    let body = body.get(..position(body, b"-----").unwrap_or(body.len()))?;
    material(body).map(|end| body_at + end)
}

/// The length of a PuTTY key, up to where its private part begins.
pub(super) fn putty(rest: &[u8]) -> Option<usize> {
    const PRIVATE: &[u8] = b"Private-Lines:";
    let file = rest.get(..PUTTY_FILE.min(rest.len()))?;
    position(file, PRIVATE).map(|at| at + PRIVATE.len())
}

/// How many different bytes there are.
pub(super) fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

/// Where the first run of base64 ends that can be part of a key. In a JSON text a line ends with the two letters `\n`.
fn material(body: &[u8]) -> Option<usize> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut from = 0;
    while let Some(rest) = body.get(from..).filter(|rest| !rest.is_empty()) {
        if let [b'\\', b'n' | b'r', ..] = rest {
            from += 2;
            continue;
        }
        let run = rest.iter().take_while(|byte| is_base64(**byte)).count();
        if run >= LEAST_MATERIAL && distinct(rest.get(..run)?) >= 8 {
            return Some(from + run);
        }
        from += run.max(1);
    }
    None
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}
