//! The part of the environment that is about events: who is told, and who may hint.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::environment::Environment;
use super::reader::{Files, Findings};
use super::sync::unused;
use super::variables::{Setting, Settings};
use super::{CommandConfig, EventsConfig, WebConfig, WebhookConfig};
use crate::domain::event::What;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// What a program of somebody else need not see of our environment.
const OURS: [&str; 4] = ["APPFERRY_", "GIT_SYNC", "GIT_PROVIDER", "CREDENTIALS_DIRECTORY"];
/// They may hold a password.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "ftp_proxy"];

pub(super) fn read(
    settings: &Settings,
    environment: &Environment,
    files: &dyn Files,
    findings: &mut Findings,
) -> EventsConfig {
    let webhooks = webhooks(&settings.appferry_webhook_url, findings);
    let secret = (&settings.appferry_webhook_secret, &settings.appferry_webhook_secret_file);
    let hook_secret = (&settings.appferry_hook_secret, &settings.appferry_hook_secret_file);
    let webhook_secret = findings.secret(secret.0, secret.1, files).map(|secret| secret.value);
    if webhooks.is_empty() {
        unused(findings, &[secret.0, secret.1], "APPFERRY_WEBHOOK_URL is not set");
    } else if webhook_secret.is_none() {
        let warning =
            "APPFERRY_WEBHOOK_SECRET is not set: whoever receives our webhooks cannot tell them from forged ones";
        findings.warnings.push(warning.to_owned());
    }
    EventsConfig {
        webhooks,
        webhook_secret,
        command: command(settings, environment, files, findings),
        kinds: kinds(&settings.appferry_events, findings),
        hook_secret: findings.secret(hook_secret.0, hook_secret.1, files).map(|secret| secret.value),
        web: WebConfig::default(),
    }
}

/// Several, separated by spaces or commas. A URL may hold a secret in its path, so that only its host is ever shown.
fn webhooks(setting: &Setting, findings: &mut Findings) -> Vec<WebhookConfig> {
    let text = findings.text(setting).unwrap_or_default();
    let mut found = Vec::new();
    for (number, word) in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()).enumerate() {
        match Url::parse(word) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                found.push(WebhookConfig { url: word.to_owned().into(), shown: url.origin().ascii_serialization() });
            }
            _ => {
                let problem = format!(
                    "number {} is not an address; write one such as `https://chat.example.org/hook`",
                    number + 1
                );
                findings.error(setting.name, problem);
            }
        }
    }
    found
}

fn command(
    settings: &Settings,
    environment: &Environment,
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<CommandConfig> {
    let limits = Duration::from_millis(100)..=Duration::from_hours(1);
    let timeout = findings.duration(&settings.appferry_event_timeout, limits).unwrap_or(DEFAULT_TIMEOUT);
    let setting = &settings.appferry_event_command;
    let Some(text) = findings.text(setting) else {
        unused(findings, &[&settings.appferry_event_timeout], "APPFERRY_EVENT_COMMAND is not set");
        return None;
    };
    let mut words = text.split_whitespace().map(str::to_owned);
    let program = words.next()?;
    if program.contains('/') && !files.exists(&PathBuf::from(&program)) {
        findings.error(
            setting.name,
            format!("there is no program {program}; mount it, or correct the path (no shell reads it: words are separated by spaces)"),
        );
    }
    let names = environment.variables.iter().map(|(name, _)| name).chain(&environment.unreadable);
    let hidden = names.filter(|name| is_hidden(name)).cloned().collect();
    Some(CommandConfig { program, arguments: words.collect(), timeout, hidden })
}

fn is_hidden(name: &str) -> bool {
    OURS.iter().any(|prefix| name.starts_with(prefix)) || PROXIES.contains(&name.to_ascii_lowercase().as_str())
}

fn kinds(setting: &Setting, findings: &mut Findings) -> BTreeSet<String> {
    let text = findings.text(setting).unwrap_or_default();
    let given: BTreeSet<String> =
        text.split([' ', ',']).filter(|kind| !kind.is_empty()).map(str::to_ascii_lowercase).collect();
    for kind in given.iter().filter(|kind| !What::KINDS.contains(&kind.as_str())) {
        let all = What::KINDS.join(", ");
        findings.error(setting.name, format!("{kind:?} is not a kind of event; there are {all}"));
    }
    given
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::Config;
    use super::*;

    struct NoFiles;

    impl Files for NoFiles {
        fn read(&self, _: &std::path::Path) -> std::io::Result<String> {
            Ok("from a file\n".to_owned())
        }
        fn exists(&self, path: &std::path::Path) -> bool {
            path.starts_with("/opt")
        }
    }

    fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_environment(&Environment::of(pairs.iter().copied()), &NoFiles).map_err(|errors| errors.to_string())
    }

    #[test]
    fn several_webhooks_a_filter_and_a_command_are_read() {
        let config = config(&[
            ("APPFERRY_WEBHOOK_URL", "https://a.example/T0K3N, http://b.example:8080/x"),
            ("APPFERRY_WEBHOOK_SECRET_FILE", "/run/s"),
            ("APPFERRY_EVENT_COMMAND", "/opt/hook --quiet"),
            ("APPFERRY_EVENT_TIMEOUT", "2s"),
            ("APPFERRY_EVENTS", "pushed, Published"),
            ("APPFERRY_HOOK_SECRET", "s3cret"),
            ("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "t"),
            ("HTTPS_PROXY", "http://u:p@proxy:1"),
            ("LANG", "C"),
        ])
        .expect("valid");
        let events = config.events;
        let shown: Vec<&str> = events.webhooks.iter().map(|webhook| webhook.shown.as_str()).collect();
        assert_eq!(shown, ["https://a.example", "http://b.example:8080"]);
        assert!(!format!("{events:?}").contains("T0K3N") && !format!("{events:?}").contains("s3cret"));
        assert_eq!(events.webhook_secret.expect("set").expose_secret(), "from a file");
        assert_eq!(events.kinds.into_iter().collect::<Vec<_>>(), ["published", "pushed"]);
        let command = events.command.expect("set");
        assert_eq!((command.program.as_str(), command.timeout), ("/opt/hook", Duration::from_secs(2)));
        assert_eq!(command.arguments, ["--quiet"]);
        assert!(command.hidden.contains(&"GIT_SYNC_PERSONAL_ACCESS_TOKEN".to_owned()), "{:?}", command.hidden);
        assert!(command.hidden.contains(&"APPFERRY_HOOK_SECRET".to_owned()));
        assert!(command.hidden.contains(&"HTTPS_PROXY".to_owned()) && !command.hidden.contains(&"LANG".to_owned()));
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_no_address_is_shown() {
        let said = config(&[
            ("APPFERRY_WEBHOOK_URL", "https://ok.example ftp://T0K3N.example"),
            ("APPFERRY_EVENT_COMMAND", "/nowhere/hook"),
            ("APPFERRY_EVENTS", "pushed,deploys"),
        ])
        .expect_err("wrong");
        assert_eq!(said.lines().count(), 1 + 3, "{said}");
        assert!(said.contains("number 2") && said.contains("\"deploys\"") && !said.contains("T0K3N"), "{said}");
    }
}
