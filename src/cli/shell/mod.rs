//! `appferry shell …`: hosts, saved commands, runs. What is saved needs no worker; what runs does.

pub(super) mod args;
mod saved;
mod shown;
mod values;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::output::{complain, plain, say};
use crate::client::{Client, ClientError};
use crate::config::{BaseConfig, account_name};
use crate::daemon::INSTANCE_ID;
use crate::domain::shell::{FailRule, HowEnded, Output, RowsAs, RunReport};
use crate::http::{ExecBody, RunBody, ShellEvent};
use crate::keys::KeyService;
use crate::ports::{RunFilter, RunRow};
use crate::shell::ShellService;
use args::{ExecArgs, HostsAction, RunArgs, RunsArgs, ShellAction};

/// Runs one subcommand.
pub(super) async fn run(action: ShellAction, base: &BaseConfig) -> anyhow::Result<ExitCode> {
    match action {
        ShellAction::Hosts { action: HostsAction::Test { name, json } } => {
            let mut runs = Runs::new(json, 1);
            let client = Client::open(&base.data_dir)?;
            client.shell_test(name.as_str(), |event| runs.take(event)).await?;
            runs.end()
        }
        ShellAction::Run(args) => run_saved(args, base).await,
        ShellAction::Exec(args) => exec(args, base).await,
        ShellAction::Hosts { action } => with_store(base, async |shell| saved::hosts(action, shell).await).await,
        ShellAction::Commands { action } => with_store(base, async |shell| saved::commands(action, shell).await).await,
        ShellAction::Runs(args) => with_store(base, async |shell| past(args, shell, base).await).await,
    }
}

async fn with_store(
    base: &BaseConfig,
    answer: impl AsyncFnOnce(&ShellService) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let (keys, notices) = KeyService::open(&base.keys, &account_name()).await?;
    for notice in notices {
        complain(&format!("note: {notice}"));
    }
    let answered = answer(&ShellService::saved(keys.shell_records())).await;
    keys.close().await;
    say(&answered?)?;
    Ok(ExitCode::SUCCESS)
}

async fn past(args: RunsArgs, shell: &ShellService, base: &BaseConfig) -> anyhow::Result<String> {
    if let Some(id) = args.id {
        let report = shell.past_run(id).await?;
        if report.ended == HowEnded::Running {
            let filter = RunFilter { before: id.checked_add(1), limit: Some(1), ..RunFilter::default() };
            note_cut_off(&shell.runs(&filter).await?, base).await;
        }
        return if args.json { shown::json(&report) } else { Ok(shown::report(&report)) };
    }
    let filter = RunFilter { command: args.command, host: args.host, before: None, limit: Some(args.last) };
    let runs = shell.runs(&filter).await?;
    note_cut_off(&runs, base).await;
    if args.json { shown::json(&runs) } else { Ok(shown::runs(&runs)) }
}

/// Says what `running` is worth where nobody runs commands any more. Other instances may share the store.
async fn note_cut_off(runs: &[RunRow], base: &BaseConfig) {
    let ours = std::fs::read_to_string(base.data_dir.join(INSTANCE_ID)).unwrap_or_default();
    let mut running = runs.iter().filter(|run| run.ended == HowEnded::Running.words());
    if !running.any(|run| run.owner.as_deref() == Some(ours.trim())) {
        return;
    }
    let asked = match Client::open(&base.data_dir) {
        Ok(client) => client.ready().await.err(),
        Err(error) => Some(error),
    };
    if matches!(asked, Some(ClientError::NoWorker(_))) {
        complain(
            "note: no appferry runs here, so what it had running goes on without it or has ended: what came of it is not known, \
             and the next start writes that down",
        );
    }
}

async fn run_saved(args: RunArgs, base: &BaseConfig) -> anyhow::Result<ExitCode> {
    let vars = values::read(&args.vars, &args.var_files)?;
    let body = RunBody { vars, hosts: args.hosts, limit: args.limit };
    let mut runs = Runs::new(args.json, body.hosts.len());
    let client = Client::open(&base.data_dir)?;
    client.shell_run(args.name.as_str(), &body, |event| runs.take(event)).await?;
    runs.end()
}

async fn exec(args: ExecArgs, base: &BaseConfig) -> anyhow::Result<ExitCode> {
    let body = ExecBody {
        hosts: args.hosts.split(',').map(str::parse).collect::<Result<_, _>>()?,
        script: args.words.join(" "),
        timeout_s: Some(args.timeout.as_secs().max(1)),
        rows: RowsAs::Text,
        fail: FailRule::default(),
        limit: args.limit,
    };
    let mut runs = Runs::new(args.json, body.hosts.len());
    Client::open(&base.data_dir)?.shell_exec(&body, |event| runs.take(event)).await?;
    runs.end()
}

/// Shows what comes as it comes; of several hosts, what each wrote when it has ended; or gathers all for one JSON.
struct Runs {
    json: bool,
    several: bool,
    ended: Vec<RunReport>,
}

impl Runs {
    const fn new(json: bool, hosts: usize) -> Self {
        Self { json, several: hosts > 1, ended: Vec::new() }
    }

    fn take(&mut self, event: ShellEvent) -> Result<(), ClientError> {
        let write = |bytes: &[u8]| {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).map_err(ClientError::Unwritten)
        };
        match event {
            ShellEvent::Ended { report } => {
                if self.several && !self.json {
                    write(&[format!("==> {} <==\n", report.host).as_bytes(), &whole_lines(&report.stdout)].concat())?;
                    let _unheard = std::io::stderr().lock().write_all(&whole_lines(&report.stderr));
                }
                if !self.json {
                    complain(&shown::end(&report));
                }
                self.ended.push(*report);
            }
            _ if self.json || self.several => {}
            ShellEvent::Stdout { text, base64, .. } => write(&bytes(text, base64))?,
            ShellEvent::Stderr { text, base64, .. } => {
                let _unheard = std::io::stderr().lock().write_all(&bytes(text, base64));
            }
            ShellEvent::Began { .. } => {}
        }
        Ok(())
    }

    /// 0 when nothing failed.
    fn end(self) -> anyhow::Result<ExitCode> {
        if self.ended.is_empty() {
            bail!("the worker did not say how it ended; `appferry shell runs` shows what came of it");
        }
        if self.json {
            say(&shown::json(&self.ended)?)?;
        }
        let is_ok = self.ended.iter().all(RunReport::is_ok);
        Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What a stream wrote, with a line break at its end, so that what comes next begins a line.
fn whole_lines(output: &Output) -> Vec<u8> {
    let mut bytes = output.content();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes
}

fn bytes(text: Option<String>, base64: Option<String>) -> Vec<u8> {
    match (text, base64.and_then(|text| STANDARD.decode(text).ok())) {
        (_, Some(bytes)) => bytes,
        (text, None) => text.unwrap_or_default().into_bytes(),
    }
}

/// In one line, without what could steer the terminal.
fn one_line(text: &str) -> String {
    plain(&text.replace('\n', " "))
}
