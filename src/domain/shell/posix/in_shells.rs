//! Hostile values through real shells.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::*;
use crate::domain::shell::template::slots;

pub(super) const SHELLS: [&[&str]; 5] = [&["sh"], &["dash"], &["bash", "--norc"], &["zsh"], &["busybox", "sh"]];

/// What would show that a value was run, and what shells are known to stumble over.
fn hostile() -> Vec<Vec<u8>> {
    let pieces: [&[u8]; 44] = [
        b"'",
        b"\"",
        b"\\",
        b"`touch PWNED`",
        b"$(touch PWNED)",
        b"${IFS}",
        b"$HOME",
        b"\n",
        b"\r",
        b"\t",
        b" ",
        b";",
        b"touch PWNED",
        b"&",
        b"|",
        b">PWNED",
        b"<",
        b"*",
        b"?",
        b"[a-z]",
        b"~",
        b"-",
        b"--",
        b"-n",
        b"-e",
        b"{a,b}",
        b"}",
        b"{",
        b"exit",
        b"'\\''",
        b"!",
        b"#",
        b"%s",
        b"\\n",
        b"\x01",
        b"\x7f",
        b"\x80",
        b"\x81",
        b"\x88",
        b"\xff\xfe",
        b"\xc3",
        "ü€😀".as_bytes(),
        b"EOF",
        b"$((1+1))",
    ];
    let mut values: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    values.extend((1..=255_u8).map(|byte| vec![byte]));
    values.extend((1..=255_u8).map(|byte| vec![byte, byte, b'\'', byte]));
    values.push(Vec::new());
    values.push(b"\n\n".to_vec());
    let mut seed = 1_u64;
    while values.len() < 3_000 {
        let mut value = Vec::new();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..=(seed >> 60) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value.extend_from_slice(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
        }
        values.push(value);
    }
    values
}

#[test]
fn thousands_of_hostile_values_come_back_byte_for_byte_and_never_run() {
    let values = hostile();
    for shell in SHELLS {
        let Some(folder) = there(shell) else { continue };
        for portion in values.chunks(250) {
            let names: Vec<String> = (0..portion.len()).map(|number| format!("v{number}")).collect();
            let given: Vec<(&str, &[u8])> =
                names.iter().map(String::as_str).zip(portion.iter().map(Vec::as_slice)).collect();
            let lines: Vec<String> = names.iter().map(|name| script_of(name)).collect();
            let script = lines.concat();
            assert!(super::check(&script, &slots(&script), &[]).is_empty());
            let came = run(shell, folder.path(), &render(&script, &given));
            let expected: Vec<u8> = portion
                .iter()
                .flat_map(|value| [value, b"\0".as_slice(), value, b"\0a", value, b"b\0", value, b"\0"].concat())
                .collect();
            if came != expected {
                let came: Vec<&[u8]> = came.split(|byte| *byte == 0).collect();
                let expected: Vec<&[u8]> = expected.split(|byte| *byte == 0).collect();
                let first = came.iter().zip(&expected).position(|(a, b)| a != b);
                panic!(
                    "{shell:?}: {first:?} {:?}",
                    first.map(|n| (came[n].escape_ascii().to_string(), expected[n].escape_ascii().to_string()))
                );
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{shell:?} ran a value");
        }
    }
}

#[test]
fn a_script_that_is_cut_off_anywhere_runs_nothing() {
    let whole = render("touch PWNED\ntouch {{x}}", &[("x", b"PWNED\ntouch PWNED\n'x".as_slice())]);
    let end = whole.len() - " </dev/null; exit\n".len();
    for shell in SHELLS {
        let Some(folder) = there(shell) else { continue };
        for cut in (0..end).step_by(3) {
            run(shell, folder.path(), &whole[..cut]);
            assert_eq!(
                std::fs::read_dir(folder.path()).unwrap().count(),
                0,
                "{shell:?} ran {:?}",
                whole[..cut].escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn a_command_cannot_read_the_rest_of_the_script() {
    for shell in SHELLS {
        let Some(folder) = there(shell) else { continue };
        assert_eq!(run(shell, folder.path(), &render("cat; echo after", &[])), b"after\n", "{shell:?}");
    }
}

/// With another word around it, in a substitution, through an assignment, and as the value itself.
fn script_of(name: &str) -> String {
    let slot = format!("{{{{{name}}}}}");
    format!("printf '%s\\0' {slot}; v={slot}; printf '%s\\0' \"$v\" a{slot}b $(printf %s x >&2){slot}\n")
}

/// A folder to run it in, if the shell is here; in CI it must be.
pub(super) fn there(shell: &[&str]) -> Option<tempfile::TempDir> {
    let found = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg("exit 0").stdin(Stdio::null()).status();
    if found.is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{shell:?} is missing: CI must have it");
        eprintln!("skipped: {shell:?} is not installed");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

pub(super) fn run(shell: &[&str], folder: &std::path::Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let mut came = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut came).unwrap();
    feeding.join().unwrap();
    child.wait().unwrap();
    came
}
