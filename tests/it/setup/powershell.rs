//! Every text for PowerShell that the program can print or send, read by a grammar of PowerShell: none of it runs here.

use appferry::domain::shell::powershell;
use tree_sitter::{Node, Parser};

use crate::support::instance::Instance;

/// Each option that changes the script, with what is hard to quote.
const OPTIONS: [&[&str]; 8] = [
    &[],
    &["--user", "_svc-1.x"],
    &["--label", "prod"],
    &["--permit-open", "db.internal:5432", "--permit-open", "[2001:db8::1]:*"],
    &["--port-forwarding"],
    &["--from", "10.0.0.0/8,!10.1.0.0/16,*.example.com"],
    &["--expires", "2027-01-31T12:00Z"],
    &["--command", "echo 'a' \"b\" $c `d` \u{411}\u{1f600} \u{2018}e\u{2019} @LINES@ ; # {{f}} <# g"],
];

#[test]
fn every_script_for_windows_is_powershell_with_any_options() {
    let own = Instance::new("grammar");
    own.generate_key_of("Key", "rsa");
    own.cli_text(&["keys", "rotate", "Key"]); // two lines
    let print =
        |options: &[&str]| own.cli_text(&[&["host", "setup", "--for", "windows", "--key", "Key"], options].concat());
    for options in OPTIONS {
        let script = print(options);
        assert_eq!(problems(&script), Vec::<String>::new(), "{options:?}:\n{script}");
        // Without a mark at the start of a file, Windows PowerShell reads it in the code page of the system.
        assert!(script.is_ascii(), "{options:?}:\n{script}");
    }
    let all: Vec<&str> =
        OPTIONS.iter().filter(|options| **options != ["--port-forwarding"]).copied().flatten().copied().collect();
    let whole = print(&all);
    assert_eq!(problems(&whole), Vec::<String>::new(), "{whole}");

    // That the grammar sees what is wrong: a brace, a quote, a bracket less, and a script that was cut off.
    for (old, new) in [
        ("function Confirm-Admission {", "function Confirm-Admission"),
        ("Say 'ok' 'folder'", "Say 'ok 'folder'"),
        ("if (-not $group) { return }", "if (-not $group { return }"),
        ("try { Invoke-Setup }", "try { Invoke-Setup"),
    ] {
        assert!(whole.contains(old), "{old}");
        assert!(!problems(&whole.replace(old, new)).is_empty(), "{new}");
    }
    let cut = whole.rfind("try { Invoke-Setup }").unwrap() + "try { Invoke".len();
    assert!(!problems(&whole[..cut]).is_empty());
}

#[test]
fn what_is_sent_for_shell_commands_is_powershell_whatever_the_values_are() {
    for value in ["", "'; exit 9 #", "\u{2019}\u{201d}`$(x)\n@'\n"] {
        let sent = powershell::render(
            "$a = {{x}}\nGet-Item -Path:$a | ForEach-Object { $_.Name }",
            &[("x", value.as_bytes())],
        );
        let sent = String::from_utf8(sent).unwrap();
        assert_eq!(problems(&sent), Vec::<String>::new(), "{sent}");
    }
}

/// What the grammar does not understand, or misses.
fn problems(script: &str) -> Vec<String> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
    let tree = parser.parse(script, None).unwrap();
    let mut found = Vec::new();
    look_at(tree.root_node(), script, &mut found);
    found
}

fn look_at(node: Node<'_>, script: &str, found: &mut Vec<String>) {
    if node.is_error() || node.is_missing() {
        let text: String = script[node.byte_range()].chars().take(60).collect();
        found.push(format!("line {}: {} {text:?}", node.start_position().row + 1, node.kind()));
        return;
    }
    (0..node.child_count()).filter_map(|at| node.child(at)).for_each(|child| look_at(child, script, found));
}
