//! For people.

use std::fmt::Write as _;

use super::one_line;
use crate::cli::output::{plain, table};
use crate::domain::shell::{HowEnded, Output, RunReport, ShellHost};
use crate::keys::shown_time;
use crate::ports::RunRow;
use crate::shell::JudgedCommand;

/// How long such a run took is not known.
const WITHOUT_END: [HowEnded; 2] = [HowEnded::Running, HowEnded::NotKnown];

pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

pub(super) fn hosts(hosts: &[ShellHost]) -> String {
    if hosts.is_empty() {
        return "There are no hosts; add one with `appferry shell hosts add`.\n".to_owned();
    }
    let row = |host: &ShellHost| [host.name.to_string(), host.place(), format!("key {}", host.key), word(&host.shell)];
    table(&hosts.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn commands(commands: &[JudgedCommand]) -> String {
    if commands.is_empty() {
        return "There are no saved commands; add one with `appferry shell commands add`.\n".to_owned();
    }
    let row = |JudgedCommand { command, refused }: &JudgedCommand| {
        let names: Vec<&str> = command.variables.iter().map(|variable| variable.name.as_str()).collect();
        let refused = refused.as_deref().map(|reason| format!("refused: {}", one_line(reason))).unwrap_or_default();
        [command.name.to_string(), format!("on {}", command.host), names.join(", "), refused]
    };
    table(&commands.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn command(JudgedCommand { command, refused }: &JudgedCommand) -> String {
    let mut text = format!(
        "{} on {}, at most {} s, rows: {}\n",
        command.name,
        command.host,
        command.timeout_s,
        command.rows.shown()
    );
    for variable in &command.variables {
        let _infallible = writeln!(text, "  {}: {}", variable.name, plain(&variable.kind.wanted()));
    }
    let fail = serde_json::to_string(&command.fail).unwrap_or_default();
    if fail != "{}" {
        let _infallible = writeln!(text, "  fails: {}", plain(&fail));
    }
    if let Some(reason) = refused {
        let _infallible = write!(text, "  refused when it is run: {}", lines(reason));
        let _infallible =
            writeln!(text, "  change it with `appferry shell commands edit {} --script-file FILE`", command.name);
    }
    text + "\n" + &lines(&command.script)
}

pub(super) fn runs(runs: &[RunRow]) -> String {
    let row = |run: &RunRow| {
        let what = run.command.clone().unwrap_or_else(|| "(not saved)".to_owned());
        let reason = run.reason.as_deref().map(one_line).unwrap_or_default();
        let ended = run.ended.replace('_', " ");
        let took = if WITHOUT_END.map(HowEnded::words).contains(&ended.as_str()) {
            String::new()
        } else {
            format!("{} ms", run.duration_ms)
        };
        [run.id.to_string(), shown_time(run.at_ms), what, run.host.clone(), ended, took, reason]
    };
    table(&runs.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn report(report: &RunReport) -> String {
    let what = report.command.as_deref().unwrap_or("(not saved)");
    let mut text = format!("{what}, {}, asked by {}\n{}\n", report.started, report.by, end(report));
    for (name, output) in [("standard output", &report.stdout), ("standard error", &report.stderr)] {
        if output.bytes > 0 {
            let _infallible = write!(text, "--- {name}{}\n{}", cut(output), lines(&output.text));
        }
    }
    text
}

/// How a run ended, in a line.
pub(super) fn end(report: &RunReport) -> String {
    let mut text = format!("{}: {}", report.host, report.ended.words());
    if let Some(reason) = &report.reason {
        let _infallible = write!(text, ": {}", one_line(reason));
    }
    if let Some(failure) = report.failure.as_ref().filter(|failure| !failure.remedy.is_empty()) {
        let _infallible = write!(text, "; {}", one_line(&failure.remedy));
    }
    if !WITHOUT_END.contains(&report.ended) {
        let _infallible = write!(text, " ({} ms)", report.duration_ms);
    }
    if report.id.is_none() {
        text.push_str("; it could not be written down among the past runs yet");
    }
    for (name, output) in [("standard output", &report.stdout), ("standard error", &report.stderr)] {
        if output.cut_at.is_some() {
            let _infallible = write!(text, "; {name}{}", cut(output));
        }
    }
    text
}

fn cut(output: &Output) -> String {
    output.cut_at.map(|at| format!(" was cut: {at} of {} bytes are here", output.bytes)).unwrap_or_default()
}

/// Lines as they are, without what could steer the terminal.
fn lines(text: &str) -> String {
    text.lines().map(|line| line.split('\t').map(plain).collect::<Vec<_>>().join("\t") + "\n").collect()
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
