//! PowerShell: where a placeholder may stand, and what is sent.
//!
//! Script and values travel as base64 in one line, so that neither the console's encoding nor a quote of any script can
//! change them, and a line that is cut off does not parse.

mod danger;
mod groups;
mod places;
mod statement;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::places::{What, places};
use self::statement::{Reached, Statements};
use super::template::{Misplaced, Slot, replace};

const ALONE: &str = "put it outside, as a word of its own; or write `$v = {{…}}` on a line before, and use $v here";

/// Everything that is wrong with the placeholders.
pub(super) fn check(script: &str, slots: &[Slot]) -> Vec<Misplaced> {
    let mut wrong = Vec::new();
    let places = places(script, slots);
    let statements = Statements::of(script, &places);
    for slot in slots {
        let misplaced = |message: &str, remedy: &str| {
            Misplaced::at(script, slot.start, format!("`{{{{{}}}}}` {message}", slot.name), remedy)
        };
        let before = places.partition_point(|place| place.range.end <= slot.start);
        let place = places.get(before).filter(|place| place.range.contains(&slot.start));
        if let Some(place) = place.filter(|place| place.what != What::Placeholder) {
            wrong.push(misplaced(&format!("stands in {}", place.what.words()), ALONE));
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
        match statements.reached(slot.start) {
            Some(Reached::Program) => {
                wrong.push(misplaced("would choose the program to run", "write the program's name itself"));
            }
            Some(Reached::Member) => wrong.push(misplaced("would name a member", "write its name itself")),
            Some(Reached::Source(source)) => {
                let message = format!("is in one statement with `{source}`, which takes text for source");
                wrong.push(misplaced(&message, "call what you need without it"));
            }
            None => {}
        }
    }
    wrong
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
            "if ($a) {\n  iex $fixed\n\n  f {{x}}\n}\nelse {\n  iex $fixed\n}\niex $fixed",
            "foreach ($i in 1..3)\n{\n  f {{x}}\n}\niex $fixed",
            "try {\n f {{x}}\n} catch {\n Start-Process $log\n}",
            "f $(\n iex $fixed\n {{x}}\n)",
            "f -Path:({{x}}) # not iex",
            "f -Action 'start' {{x}} \"cmd\"",
            "& $tool {{x}}; & { f {{x}} }",
            "gci | % { f {{x}} }; gci | ForEach-Object { f {{x}} }; $a % {{x}}",
            "python fixed.py {{x}}; docker exec web perl fixed.pl {{x}}; f $env:PATH {{x}}; $env:NAME = {{x}}",
            "schtasks /query /tn {{x}}",
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
            ("iex (\n\n  {{x}}\n)", "source"),
            ("iex (\n  # the one of today\n  {{x}}\n)", "source"),
            ("iex (\n  'a' +\n  'b' +\n\n  {{x}}\n)", "source"),
            ("iex ('a' -join\n\n  {{x}})", "source"),
            ("iex $(\n  $a = 1\n  if ($a) {\n    f\n    {{x}}\n  }\n)", "source"),
            ("iex <# a\n b #> {{x}}", "source"),
            ("'a' +\n # b\n {{x}} |\n\n  f |\n\n  iex", "source"),
            ("{{x}}\n\n # b\n | iex", "source"),
            ("& {\n  f\n  {{x}}\n} | ForEach-Object {\n  g\n  iex $_\n}", "source"),
            ("foreach ($i in {{x}}) {\n  f\n  iex $i\n}", "source"),
            ("[scriptblock]::Create(\n\n  {{x}}\n)", "source"),
            ("& 'iex' {{x}}", "source"),
            ("& \"C:\\a b\\cmd.exe\" /c {{x}}", "source"),
            ("i`ex {{x}}", "source"),
            ("& ({{x}})", "choose"),
            ("& `\n  {{x}}", "choose"),
            ("f | & $({{x}}) a", "choose"),
            (". (\n  {{x}}\n)", "choose"),
            ("& (Join-Path $bin {{x}})", "choose"),
            ("$o.({{x}})", "member"),
            ("[IO.File]::{{x}}", "member"),
            ("python3 -c {{x}}", "source"),
            ("docker exec web python.exe -c {{x}}", "source"),
            ("node -e {{x}}", "source"),
            ("perl -ne {{x}}", "source"),
            ("zsh -c {{x}}", "source"),
            ("ipmo {{x}}", "source"),
            ("nal a {{x}}", "source"),
            ("$function:f = {{x}}; f", "source"),
            ("${function:f} = {{x}}; f", "source"),
            ("Set-Item function:f {{x}}", "source"),
            ("New-Item -Path 'function:' -Name f -Value {{x}}", "source"),
            ("gci | ForEach-Object {{x}}", "member"),
            ("gci | % {{x}}", "member"),
            ("gci | % -MemberName {{x}}", "member"),
            ("[powershell]::Create().AddCommand({{x}}).Invoke()", "source"),
            ("(New-Object -ComObject WScript.Shell).Run({{x}})", "source"),
            ("$shell.Run({{x}})", "source"),
            ("wmic process call create {{x}}", "source"),
            ("Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{CommandLine={{x}}}", "source"),
            ("schtasks /create /tn a /tr {{x}}", "source"),
            ("forfiles /c {{x}}", "source"),
            ("$env:PATH = {{x}}", "source"),
            ("$env:Path += {{x}}", "source"),
            ("[System.Reflection.Assembly]::LoadFile({{x}})", "source"),
        ] {
            assert!(messages(bad).iter().any(|message| message.contains(what)), "{bad}: {:?}", messages(bad));
        }
    }

    #[test]
    fn no_script_makes_the_check_panic_or_hang() {
        let pieces = [
            "{{x}}", "'", "\"", "`", "$(", ")", "@(", "[", "]", "}", "{", "\n", "@'\n", "\n'@", "#", "<#", "#>", ";",
            "iex ", "& ", ". ", "|", "-join", "if ", "else", "ü", "\u{2019}", ",", " ", "::",
        ];
        for piece in
            pieces.iter().flat_map(|one| [(*one).to_owned(), format!("{one}{{{{x}}}}"), format!("{{{{x}}}} {one}f ")])
        {
            messages(&piece.repeat((16 << 10) / piece.len()));
        }
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut script = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                script.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            messages(&script);
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
