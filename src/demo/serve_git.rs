//! One channel of the demo's Git server: from the command that the client sends to the exit status of the program.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio_util::sync::CancellationToken;

use super::server::{NO_GIT, git_command};
use crate::domain::app_name::broken_component_rule;

/// The environment variables that a client may set.
pub(super) const ENVIRONMENT: [&str; 1] = ["GIT_PROTOCOL"];

/// SSH's number for standard error (RFC 4254 section 5.2).
const STDERR: u32 = 1;

/// How long a program may go on after its client left: a push whose pack is here is finished.
const GRACE: Duration = Duration::from_secs(10);

/// The folder whose bare repositories are served.
pub(super) struct Repositories {
    root: PathBuf,
}

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// `upload-pack` or `receive-pack`.
    service: &'static str,
    repository: PathBuf,
}

impl Repositories {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Reads `git-upload-pack '/apps.git'`, as Git clients send it, or the same with a space after `git`.
    fn understand(&self, command: &[u8]) -> Result<Request, String> {
        let text = std::str::from_utf8(command).map_err(|_| "the command is not UTF-8".to_owned())?;
        let rest = text.strip_prefix("git").and_then(|rest| rest.strip_prefix(['-', ' ']));
        let (service, path) = rest
            .and_then(|rest| ["upload-pack", "receive-pack"].iter().find_map(|s| Some((*s, rest.strip_prefix(s)?))))
            .and_then(|(service, argument)| Some((service, unquote(argument.strip_prefix(' ')?.trim())?)))
            .ok_or("this server runs only git-upload-pack and git-receive-pack")?;
        let relative = path.trim_start_matches('/').trim_end_matches('/');
        let is_inside = relative.split('/').all(|part| broken_component_rule(part).is_none());
        let repository = self.root.join(relative);
        if is_inside && repository.join("HEAD").is_file() {
            Ok(Request { service, repository })
        } else {
            Err(format!("{path:?} does not appear to be a git repository"))
        }
    }
}

/// Undoes the quoting of a shell word in the forms that Git clients use: `'a'\''b'`, or no quotes at all.
fn unquote(word: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => loop {
                match chars.next()? {
                    '\'' => break,
                    c => out.push(c),
                }
            },
            '\\' => out.push(chars.next()?),
            ' ' | '\t' | '"' | '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '\n' => return None,
            c => out.push(c),
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Serves one channel until its program ended, the client left, or `stop` fires.
pub(super) async fn serve(channel: Channel<Msg>, repositories: &Repositories, stop: &CancellationToken) {
    let (mut reader, writer) = channel.split();
    let asked = tokio::select! {
        () = stop.cancelled() => return,
        asked = wait_for_command(&mut reader) => asked,
    };
    let Some((command, environment)) = asked else { return };
    let child = match repositories.understand(&command) {
        Ok(request) => start(&request, &environment),
        Err(refusal) => Err(refusal),
    };
    let code = match child {
        Ok(child) => run(child, reader, &writer, stop).await,
        Err(message) => {
            let mut stderr = writer.make_writer_ext(Some(STDERR));
            let _ = stderr.write_all(format!("fatal: {message}\n").as_bytes()).await;
            Some(128)
        }
    };
    if let Some(code) = code {
        let _ = writer.exit_status(code).await;
        let _ = writer.eof().await;
    }
    let _ = writer.close().await;
}

/// The command, and the variables set before it. `None` if the client left, or wants a shell.
async fn wait_for_command(reader: &mut ChannelReadHalf) -> Option<(Vec<u8>, Vec<(String, String)>)> {
    let mut environment = Vec::new();
    loop {
        match reader.wait().await? {
            ChannelMsg::SetEnv { variable_name, variable_value, .. }
                if ENVIRONMENT.contains(&variable_name.as_str()) && environment.len() < ENVIRONMENT.len() =>
            {
                environment.push((variable_name, variable_value));
            }
            ChannelMsg::Exec { command, .. } => return Some((command, environment)),
            ChannelMsg::RequestShell { .. } => return Some((Vec::new(), environment)),
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

fn start(request: &Request, environment: &[(String, String)]) -> Result<Child, String> {
    git_command()
        .arg(request.service)
        .arg(&request.repository)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => NO_GIT.to_owned(),
            _ => format!("the server cannot run git: {error}"),
        })
}

/// Bridges the program and the channel. The channel's window slows the program down, and its pipe the client, so that no
/// more than a few packets are ever held. Answers the exit code, unless the client left or the server stops.
async fn run(
    mut child: Child,
    mut reader: ChannelReadHalf,
    writer: &ChannelWriteHalf<Msg>,
    stop: &CancellationToken,
) -> Option<u32> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take()?, child.stderr.take()?);
    let ended = {
        let out = forward(stdout, writer, None);
        let err = forward(stderr, writer, Some(STDERR));
        let exit = async {
            tokio::join!(out, err);
            child.wait().await
        };
        tokio::select! {
            () = stop.cancelled() => return None, // dropping the child kills it
            () = feed(&mut reader, stdin) => None,
            status = exit => Some(status),
        }
    };
    match ended {
        Some(Ok(status)) => Some(status.code().and_then(|code| u32::try_from(code).ok()).unwrap_or(255)),
        Some(Err(_)) => Some(255),
        None => {
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            None
        }
    }
}

/// Gives the program what the client sends, until the client closes the channel. When the program stops listening, the
/// rest is read all the same: an unread channel would stall the others of its connection.
async fn feed(reader: &mut ChannelReadHalf, mut stdin: Option<ChildStdin>) {
    loop {
        match reader.wait().await {
            Some(ChannelMsg::Data { data }) => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            Some(ChannelMsg::Eof) => stdin = None,
            Some(ChannelMsg::Close) | None => return,
            Some(_) => {}
        }
    }
}

/// Sends all that comes out of a pipe. When the client does not want it any more, the pipe is closed, and the program ends.
async fn forward(mut pipe: impl tokio::io::AsyncRead + Unpin, writer: &ChannelWriteHalf<Msg>, stream: Option<u32>) {
    let mut buffer = bytes::BytesMut::with_capacity(32 * 1024);
    while let Ok(1..) = pipe.read_buf(&mut buffer).await {
        let chunk = buffer.split().freeze();
        let sent = match stream {
            Some(stream) => writer.extended_data_bytes(stream, chunk).await,
            None => writer.data_bytes(chunk).await,
        };
        if sent.is_err() {
            return;
        }
        buffer.reserve(32 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_services_and_repositories_below_the_folder_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["apps.git", "it's.git"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        let served = Repositories::new(folder.path().join("apps.git").parent().unwrap().to_owned());
        for good in ["git-upload-pack '/apps.git'", "git upload-pack 'apps.git'", "git-upload-pack apps.git/"] {
            let request = served.understand(good.as_bytes());
            assert_eq!(
                request,
                Ok(Request { service: "upload-pack", repository: folder.path().join("apps.git") }),
                "{good}"
            );
        }
        assert!(served.understand(br"git-receive-pack '/it'\''s.git'").is_ok());
        for bad in [
            "",
            "ls",
            "git-upload-archive 'apps.git'",
            "git-upload-pack 'apps.git'; ls",
            "git-upload-pack $HOME",
            "git-upload-pack '/../apps.git'",
            "git-upload-pack 'no.git'",
            "git-upload-pack 'apps.git",
            "git-upload-pack ''",
        ] {
            assert!(served.understand(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(served.understand(b"git-upload-pack '\xff'").is_err());
    }
}
