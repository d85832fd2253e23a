//! Who gives the commands, for the audit log.

/// The account, as `jo@host`, or `root for jo@host` under sudo; its number where it has no name.
#[must_use]
pub fn account_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let id = rustix::process::geteuid();
    let fallback = if id.is_root() { "root".to_owned() } else { format!("uid {}", id.as_raw()) };
    let account = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or(fallback);
    match variable("SUDO_USER").filter(|behind| *behind != account) {
        Some(behind) => format!("{account} for {behind}@{host}"),
        None => format!("{account}@{host}"),
    }
}

/// A name, without what could disturb a table.
fn variable(name: &str) -> Option<String> {
    let text = std::env::var(name).ok()?;
    let plain: String = text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(64).collect();
    (!plain.is_empty()).then_some(plain)
}
