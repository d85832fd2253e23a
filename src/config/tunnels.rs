//! Tunnels in variables `APPFERRY_TUNNEL_<NAME>` and in the file of `APPFERRY_CONFIG`.

use std::time::Duration;

use super::environment::Environment;
use super::near::ends_as_service_link;
use super::reader::Findings;
use super::variables::Setting;
use crate::domain::tunnel::{AllowedTargets, Given, Source, Tunnel};

/// A variable of this beginning is a tunnel; what follows is its name.
pub(super) const PREFIX: &str = "APPFERRY_TUNNEL_";

const KEYS: &str = "listen, bastion, key, target, jump, eager, idle_close, limit";

/// A tunnel of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// As it is written.
    pub given: Given,
    /// The same, checked.
    pub tunnel: Tunnel,
    /// The file, or the environment.
    pub source: Source,
}

/// A time with its unit, such as `10m`.
#[must_use]
pub fn parse_time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

/// Where tunnels may lead to.
pub(super) fn allowed(setting: &Setting, findings: &mut Findings) -> AllowedTargets {
    AllowedTargets::parse(setting.text().unwrap_or_default()).unwrap_or_else(|problems| {
        for problem in problems {
            findings.error(setting.name, problem);
        }
        AllowedTargets::default()
    })
}

/// The tunnels of the environment.
pub(super) fn of_environment(
    environment: &Environment,
    allowed: &AllowedTargets,
    findings: &mut Findings,
) -> Vec<TunnelConfig> {
    let mut tunnels: Vec<TunnelConfig> = Vec::new();
    for name in environment.unreadable.iter().filter(|name| name.starts_with(PREFIX)) {
        findings.error(name.as_str(), "its value is not UTF-8; write it as UTF-8 text");
    }
    let mut variables: Vec<&(String, String)> = environment
        .variables
        .iter()
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.trim().is_empty())
        // A service that is called `appferry-tunnel-…` puts its own into each pod of Kubernetes.
        .filter(|(name, value)| value.contains('=') || !ends_as_service_link(name))
        .collect();
    variables.sort();
    for (variable, value) in variables {
        let name = variable.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let mut given = Given { name, ..Given::default() };
        let mut right = true;
        let mut keys: Vec<&str> = vec!["name"]; // what follows the prefix
        for part in value.trim().trim_matches(['"', '\'']).split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let set = match part.split_once('=') {
                Some((key, _)) if keys.contains(&key.trim()) => {
                    Err(format!("{} is given already; give it once", key.trim()))
                }
                Some((key, text)) => {
                    keys.push(key.trim());
                    set(&mut given, key.trim(), &[text.trim().to_owned()])
                }
                None => Err(format!("{part:?} has no `=`; write `key=value`, separated by `;`")),
            };
            if let Err(problem) = set {
                findings.error(variable.as_str(), problem);
                right = false;
            }
        }
        let say = |field: &str, problem: String| (variable.clone(), format!("{field}: {problem}"));
        tunnels.extend(checked(given, Source::Environment, allowed, say, findings).filter(|_| right));
    }
    clashes(&tunnels, |tunnel| format!("{PREFIX}{}", tunnel.name), findings);
    tunnels
}

/// Sets one key; a text of `jump` may hold several hops.
pub(super) fn set(given: &mut Given, key: &str, texts: &[String]) -> Result<(), String> {
    let one = || {
        texts
            .first()
            .cloned()
            .filter(|_| texts.len() == 1)
            .ok_or_else(|| "it takes a single value; give it one".to_owned())
    };
    match key {
        "name" => given.name = one()?,
        "listen" => given.listen = one()?,
        "bastion" => given.bastion = one()?,
        "key" => given.key = one()?,
        "target" => given.target = one()?,
        "idle_close" => given.idle_close = Some(one()?),
        "jump" => {
            let hops = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|hop| !hop.is_empty());
            given.jump = hops.map(str::to_owned).collect();
        }
        "eager" => {
            given.eager = match one()?.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => true,
                "false" | "0" | "no" | "off" => false,
                other => return Err(format!("eager: {other:?} is neither true nor false; write one of the two")),
            }
        }
        "limit" => {
            let text = one()?;
            given.limit = Some(
                text.parse().map_err(|_| format!("limit: {text:?} is not a whole number; write one such as `100`"))?,
            );
        }
        _ => return Err(format!("there is no key {key:?}; there are: {KEYS}")),
    }
    Ok(())
}

/// The tunnel, unless it is wrong; then `say` puts place and words together.
pub(super) fn checked(
    given: Given,
    source: Source,
    allowed: &AllowedTargets,
    say: impl Fn(&str, String) -> (String, String),
    findings: &mut Findings,
) -> Option<TunnelConfig> {
    match given.check(parse_time) {
        Ok(tunnel) if allowed.allow(&tunnel.target) => Some(TunnelConfig { given, tunnel, source }),
        Ok(tunnel) => {
            let problem = not_allowed(&tunnel, allowed);
            let (place, problem) = say("target", problem);
            findings.error(place, problem);
            None
        }
        Err(errors) => {
            for error in errors {
                let (place, problem) = say(error.field, error.problem);
                findings.error(place, problem);
            }
            None
        }
    }
}

/// That `APPFERRY_TUNNELS_ALLOWED` does not let a tunnel lead there.
#[must_use]
pub fn not_allowed(tunnel: &Tunnel, allowed: &AllowedTargets) -> String {
    format!("{} is not allowed; APPFERRY_TUNNELS_ALLOWED allows: {}", tunnel.target, allowed.shown())
}

/// No two of them listen at the same place; a free port is no place.
pub(super) fn clashes(tunnels: &[TunnelConfig], place: impl Fn(&Tunnel) -> String, findings: &mut Findings) {
    for (number, one) in tunnels.iter().enumerate() {
        let before = || tunnels.iter().take(number).map(|other| &other.tunnel);
        if before().any(|other| other.name == one.tunnel.name) {
            findings.error(place(&one.tunnel), "there is another tunnel of this name; give each its own");
        }
        let is_own = |other: &&Tunnel| other.listen == one.tunnel.listen && !other.listen.is_any_port();
        if let Some(other) = before().find(is_own) {
            let problem =
                format!("listen: {} is the place of the tunnel {}, too; give each its own", other.listen, other.name);
            findings.error(place(&one.tunnel), problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], allowed: &str) -> Result<Vec<TunnelConfig>, Vec<String>> {
        let mut findings = Findings::default();
        let environment = Environment::of(variables.iter().copied());
        let tunnels = of_environment(&environment, &AllowedTargets::parse(allowed).unwrap(), &mut findings);
        let errors: Vec<String> = findings.errors.iter().map(ToString::to_string).collect();
        if errors.is_empty() { Ok(tunnels) } else { Err(errors) }
    }

    #[test]
    fn a_variable_is_a_tunnel() {
        let text = "listen=127.0.0.1:15432;bastion=dronahq@bastion:22;key=MyKey;target=db.internal:5432;jump=a@b, c@d:2;eager=no;idle_close=5m";
        let tunnels =
            read(&[("APPFERRY_TUNNEL_db", text), ("APPFERRY_TUNNELS_ALLOWED", "")], "*.internal:5432").unwrap();
        let tunnel = &tunnels[0].tunnel;
        assert_eq!((tunnel.name.as_str(), tunnel.jumps.len(), tunnel.eager), ("db", 2, false));
        assert_eq!(tunnel.idle_close, Some(Duration::from_mins(5)));
    }

    #[test]
    fn what_kubernetes_puts_there_for_a_service_is_no_tunnel() {
        let good = "listen=127.0.0.1:15432;bastion=u@b;key=K;target=db:1";
        let variables = [
            ("APPFERRY_TUNNEL_X_SERVICE_HOST", "10.0.0.1"),
            ("APPFERRY_TUNNEL_X_SERVICE_PORT", "5432"),
            ("APPFERRY_TUNNEL_X_SERVICE_PORT_POSTGRES", "5432"),
            ("APPFERRY_TUNNEL_X_PORT", "tcp://10.0.0.1:5432"),
            ("APPFERRY_TUNNEL_X_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
            ("APPFERRY_TUNNEL_X_PORT_5432_TCP_PROTO", "tcp"),
            ("APPFERRY_TUNNEL_PORT_5432_TCP_ADDR", "10.0.0.1"),
            ("APPFERRY_TUNNEL_SERVICE_HOST", "10.0.0.1"),
            ("APPFERRY_TUNNEL_DB_PORT", good),
        ];
        let tunnels = read(&variables, "").unwrap();
        assert_eq!(tunnels.iter().map(|one| one.given.name.as_str()).collect::<Vec<_>>(), ["DB_PORT"]);
        let errors = read(&[("APPFERRY_TUNNEL_db", "5432"), ("APPFERRY_TUNNEL_REPORTS", "x")], "").unwrap_err();
        assert!(
            errors.iter().any(|e| e.contains("_db")) && errors.iter().any(|e| e.contains("_REPORTS")),
            "{errors:?}"
        );
    }

    #[test]
    fn everything_that_is_wrong_with_all_of_them_is_said_at_once() {
        let good = "listen=127.0.0.1:15432;bastion=u@b;key=K;target=db:1";
        let errors = read(
            &[
                ("APPFERRY_TUNNEL_a", "listen=0.0.0.0:1;bastion=b;port=5"),
                ("APPFERRY_TUNNEL_b", good),
                ("APPFERRY_TUNNEL_c", good),
                ("APPFERRY_TUNNEL_f", "listen=/run/x:0;bastion=u@b;key=K;target=db:1"),
                ("APPFERRY_TUNNEL_g", "listen=/run/x:0;bastion=u@b;key=K;target=db:1"),
                ("APPFERRY_TUNNEL_h", "listen=localhost:15432;bastion=u@b;key=K;target=db:1"),
                ("APPFERRY_TUNNEL_e", "name=x;listen=127.0.0.1:0;listen=127.0.0.1:1;bastion=u@b;key=K;target=db:1"),
                ("APPFERRY_TUNNEL_d", "listen=127.0.0.1:0;bastion=u@b;key=K;target=else:1"),
            ],
            "db:1",
        );
        let errors = errors.unwrap_err();
        for (name, words) in [
            ("a", "no key \"port\""),
            ("a", "listen: "),
            ("a", "bastion: "),
            ("a", "key: it is missing"),
            ("a", "target: it is missing"),
            ("c", "is the place of the tunnel b"),
            ("g", "is the place of the tunnel f"),
            ("h", "is the place of the tunnel b"),
            ("d", "not allowed"),
            ("e", "name is given already"),
            ("e", "listen is given already"),
        ] {
            let found = errors.iter().any(|e| e.starts_with(&format!("APPFERRY_TUNNEL_{name}: ")) && e.contains(words));
            assert!(found, "{name} {words}: {errors:#?}");
        }
    }
}
