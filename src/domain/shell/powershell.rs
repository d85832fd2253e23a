//! PowerShell: where a placeholder may stand, and what is sent.
//!
//! Script and values travel as base64 in one line, so that neither the console's encoding nor a quote of any script can
//! change them, and a line that is cut off does not parse.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::template::{Misplaced, Slot, replace};

const ALONE: &str = "put it outside, as a word of its own; or write `$v = {{…}}` on a line before, and use $v here";

/// What takes text for source, in small letters.
const SOURCE: [&str; 25] = [
    "add-type",
    "bash",
    "cmd",
    "cscript",
    "icm",
    "iex",
    "ii",
    "import-module",
    "invoke-command",
    "invoke-expression",
    "invoke-item",
    "mshta",
    "new-alias",
    "powershell",
    "pwsh",
    "rundll32",
    "sal",
    "saps",
    "set-alias",
    "sh",
    "ssh",
    "start",
    "start-process",
    "wscript",
    "wsl",
];

/// The same, as methods and types.
const METHODS: [&str; 5] = ["addscript", "expandstring", "invokescript", "newscriptblock", "scriptblock]"];

/// Everything that is wrong with the placeholders.
pub(super) fn check(script: &str, slots: &[Slot]) -> Vec<Misplaced> {
    let mut wrong = Vec::new();
    let places = quoted(script);
    for slot in slots {
        let misplaced = |message: &str, remedy: &str| {
            Misplaced::at(script, slot.start, format!("`{{{{{}}}}}` {message}", slot.name), remedy)
        };
        if let Some((_, _, what)) = places.iter().find(|(start, end, _)| slot.start >= *start && slot.start < *end) {
            wrong.push(misplaced(&format!("stands in {what}"), ALONE));
            continue;
        }
        let before = script.get(..slot.start).unwrap_or_default();
        let after = script.get(slot.end..).unwrap_or_default();
        let free = |c: Option<char>, also: &str| c.is_none_or(|c| c.is_whitespace() || also.contains(c));
        if before.ends_with("::") {
            wrong.push(misplaced("would name a member of a type", "write its name itself"));
            continue;
        }
        if !free(before.chars().next_back(), "(,;=|{:") || !free(after.chars().next(), "),;|}") {
            wrong.push(misplaced("touches another word", "put spaces around it, or join texts with -f or -join"));
            continue;
        }
        let statement = before.rsplit(['\n', ';', '|', '{', '(']).next().unwrap_or_default().trim();
        if statement == "&" || statement == "." || statement.ends_with(" &") {
            wrong.push(misplaced("would choose the program to run", "write the program's name itself"));
            continue;
        }
        let line = statement_around(script, slot).to_lowercase();
        let words = line.split(|c: char| c.is_whitespace() || "(){};|&,=[".contains(c));
        let bare = |word: &str| word.rsplit(['.', ':', '/', '\\']).next().unwrap_or_default().to_owned();
        let mut found = words.flat_map(|word| [word.to_owned(), bare(word), word.trim_end_matches(".exe").to_owned()]);
        let method = METHODS.into_iter().find(|method| line.contains(method)).map(str::to_owned);
        let command = found.find(|word| SOURCE.contains(&word.as_str()));
        if let Some(source) = command.or(method) {
            let message = format!("is in one statement with `{source}`, which takes text for source");
            wrong.push(misplaced(&message, "call what you need without it"));
        }
    }
    wrong
}

/// The line of a placeholder, with those before and behind that are the same statement or pipeline.
fn statement_around<'s>(script: &'s str, slot: &Slot) -> &'s str {
    let goes_on = |line: &str| line.trim_end().ends_with(['`', '|', ',', '(', '{', '=', '&']);
    let goes_back = |line: &str| line.trim_start().starts_with(['|', '.', ')', '}', '&']);
    let line_at = |at: usize| script.get(at..).unwrap_or_default().split('\n').next().unwrap_or_default();
    let start_of = |at: usize| script.get(..at).unwrap_or_default().rfind('\n').map_or(0, |newline| newline + 1);
    let mut start = start_of(slot.start);
    while start > 0 && (goes_on(line_at(start_of(start - 1))) || goes_back(line_at(start))) {
        start = start_of(start - 1);
    }
    let mut last = start_of(slot.start);
    loop {
        let next = last + line_at(last).len() + 1;
        if next > script.len() || !(goes_on(line_at(last)) || goes_back(line_at(next))) {
            break;
        }
        last = next;
    }
    script.get(start..last + line_at(last).len()).unwrap_or_default()
}

/// The quotes, here-strings and comments, by their places.
fn quoted(script: &str) -> Vec<(usize, usize, &'static str)> {
    let mut found = Vec::new();
    let mut at = 0;
    let end_of = |from: usize, end: &str| {
        script.get(from..).and_then(|rest| rest.find(end)).map_or(script.len(), |offset| from + offset + end.len())
    };
    while let Some(next) = script.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = script.get(at..).unwrap_or_default();
        let (end, what) = if rest.starts_with("@'") {
            (end_of(at + 2, "\n'@"), "a here-string")
        } else if rest.starts_with("@\"") {
            (end_of(at + 2, "\n\"@"), "a here-string")
        } else if rest.starts_with("<#") {
            (end_of(at + 2, "#>"), "a comment")
        } else if next == '#' {
            (end_of(at, "\n"), "a comment")
        } else if matches!(next, '\'' | '\u{2018}'..='\u{201b}') {
            (end_of_quote(script, at + next.len_utf8(), false), "quotes")
        } else if matches!(next, '"' | '\u{201c}'..='\u{201e}') {
            (end_of_quote(script, at + next.len_utf8(), true), "quotes")
        } else if next == '`' {
            (at + 2, "an escape")
        } else {
            at += next.len_utf8();
            continue;
        };
        found.push((at, end, what));
        at = end;
        while at < script.len() && !script.is_char_boundary(at) {
            at += 1;
        }
    }
    found
}

fn end_of_quote(script: &str, from: usize, double: bool) -> usize {
    let mut characters = script.get(from..).unwrap_or_default().char_indices();
    while let Some((offset, c)) = characters.next() {
        let ends = if double {
            matches!(c, '"' | '\u{201c}'..='\u{201e}')
        } else {
            matches!(c, '\'' | '\u{2018}'..='\u{201b}')
        };
        if double && c == '`' {
            characters.next();
        } else if ends {
            return from + offset + c.len_utf8();
        }
    }
    script.len()
}

/// What goes to PowerShell's standard input: one line.
#[must_use]
pub fn render(script: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
    let decoded = |bytes: &[u8]| {
        format!("[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{}'))", STANDARD.encode(bytes))
    };
    let mut whole = String::from("[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false\n");
    for (name, value) in values {
        let _infallible = writeln!(whole, "$appferry_{name} = {}", decoded(value));
    }
    whole.push_str(&replace(script, |name| format!("$appferry_{name}")));
    whole.push('\n');
    let line = format!(
        "& ([scriptblock]::Create({})); $appferry_ok = $?; if ($LASTEXITCODE) {{ exit $LASTEXITCODE }}; if (-not $appferry_ok) {{ exit 1 }}; exit 0\n",
        decoded(whole.as_bytes())
    );
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::shell::template::slots;

    fn messages(script: &str) -> Vec<String> {
        check(script, &slots(script)).into_iter().map(|one| one.message).collect()
    }

    #[test]
    fn a_placeholder_stands_alone_and_outside_of_quotes() {
        for good in [
            "Get-Item {{x}}",
            "$a = {{x}}",
            "Get-Item -Path:{{x}} | Out-Null",
            "f({{x}},{{y}})",
            "'it''s' ; f {{x}}",
            "\"a`\"\"; f {{x}}",
            "iex $fixed\nf {{x}}\niex $fixed",
        ] {
            assert!(messages(good).is_empty(), "{good}: {:?}", messages(good));
        }
        for (bad, what) in [
            ("f '{{x}}'", "quotes"),
            ("f \"a {{x}}\"", "quotes"),
            ("f \u{2018}{{x}}\u{2019}", "quotes"),
            ("@'\n{{x}}\n'@", "here-string"),
            ("f # {{x}}", "comment"),
            ("<# {{x}} #>", "comment"),
            ("f a{{x}}", "touches"),
            ("f {{x}}.txt", "touches"),
            ("& {{x}}", "choose"),
            (". {{x}}", "choose"),
            ("iex {{x}}", "source"),
            ("f; Invoke-Expression {{x}}", "source"),
            ("[scriptblock]::Create( {{x}} )", "source"),
            ("cmd.exe /c {{x}}", "source"),
            ("Invoke-Expression `\n  {{x}}", "source"),
            ("{{x}} |\n  iex", "source"),
            ("{{x}}\n  | iex", "source"),
            ("iex (\n  {{x}}\n)", "source"),
            ("Start-Process {{x}}", "source"),
            ("[IO.File]::{{x}}", "member"),
        ] {
            assert!(messages(bad).iter().any(|message| message.contains(what)), "{bad}: {:?}", messages(bad));
        }
    }

    #[test]
    fn what_is_sent_is_one_line_of_plain_text_without_the_value() {
        let value = "'; Remove-Item x \u{2019}; \"$(calc)\" `n\n".as_bytes();
        let sent = String::from_utf8(render("Write-Output {{x}}", &[("x", value)])).unwrap();
        assert_eq!(sent.matches('\n').count(), 1);
        assert!(sent.is_ascii() && !sent.contains("Remove-Item") && !sent.contains("calc"));
        let inner = sent.split('\'').nth(1).map(|text| STANDARD.decode(text).unwrap()).unwrap();
        let inner = String::from_utf8(inner).unwrap();
        assert!(inner.contains("Write-Output $appferry_x") && !inner.contains("Remove-Item"), "{inner}");
    }
}
