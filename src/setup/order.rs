//! What is wanted of a server, checked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::authorized::{KeyOptions, OptionError};
use super::login::{Login, LoginError, UserName};
use crate::domain::{KeyName, KeyNameError};
use crate::ports::ResolvedKey;

/// Who logs in when nobody else is named.
pub(super) const DEFAULT_USER: &str = "dronahq";

/// What the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Ubuntu.
    Ubuntu,
    /// Debian.
    Debian,
    /// Red Hat Enterprise Linux and its kin: Rocky, Alma, `CentOS` Stream, Fedora, Amazon Linux.
    Rhel,
    /// Windows Server with `OpenSSH`.
    Windows,
}

impl Platform {
    /// The word on the command line and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ubuntu => "ubuntu",
            Self::Debian => "debian",
            Self::Rhel => "rhel",
            Self::Windows => "windows",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Ubuntu, Self::Debian, Self::Rhel, Self::Windows];
        let found = all.into_iter().find(|platform| platform.word() == text);
        found.ok_or_else(|| format!("{text:?} is not known; use ubuntu, debian, rhel or windows"))
    }
}

/// What a person asks for, as it comes over the command line or the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// What the server runs.
    #[serde(rename = "for")]
    pub platform: Platform,
    /// The account to log in as; `dronahq` when none is named.
    #[serde(default)]
    pub user: Option<String>,
    /// The stored key that shall be let in.
    pub key: String,
    /// Tells this appferry's line from another's with a key of the same name.
    #[serde(default)]
    pub label: Option<String>,
    /// Targets that tunnels may reach, `host:port`.
    #[serde(default)]
    pub permit_open: Vec<String>,
    /// Tunnels to anywhere.
    #[serde(default)]
    pub port_forwarding: bool,
    /// Where the key may come from.
    #[serde(default)]
    pub from: Vec<String>,
    /// What runs instead of what is asked for.
    #[serde(default)]
    pub command: Option<String>,
    /// Until when the key counts.
    #[serde(default)]
    pub expires: Option<String>,
    /// Runs the script at once, over this login.
    #[serde(default)]
    pub run: Option<RunRequest>,
}

/// Whose login runs the script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// `user@host[:port]`: root, or who may use `sudo` without a password; on Windows an administrator.
    pub admin: String,
    /// The admin's stored key.
    pub admin_key: String,
}

/// Why a request cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// An option of the key.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A name or a login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The name of a key.
    #[error(transparent)]
    Key(#[from] KeyNameError),
    /// A label that could be taken for something else.
    #[error("the label {0:?} cannot be used; use 1 to 64 letters, digits, `.`, `_` and `-`")]
    Label(String),
    /// Both at once.
    #[error("tunnels to anywhere and tunnels to named targets exclude each other; leave out `--port-forwarding`")]
    Both,
    /// A key for nobody.
    #[error("`admin_key` goes with `admin`; name the admin's login, or leave the key out")]
    AdminKey,
    /// Windows has names of its own.
    #[error("Windows takes account names of 20 characters at most, and {0:?} is longer; choose a shorter one")]
    WindowsUser(String),
}

/// What is wanted, checked.
#[derive(Clone, Debug)]
pub struct Order {
    /// What the server runs.
    pub platform: Platform,
    /// The account.
    pub user: UserName,
    /// The stored key.
    pub key: KeyName,
    /// What narrows it.
    pub options: KeyOptions,
    /// What is behind the key in its line.
    pub marker: String,
    /// Whose login runs the script, with which key.
    pub run: Option<(Login, KeyName)>,
}

impl Order {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// An [`OrderError`] that says which part is wrong.
    pub fn of(request: &SetupRequest) -> Result<Self, OrderError> {
        let user: UserName = request.user.as_deref().unwrap_or(DEFAULT_USER).parse()?;
        if request.platform == Platform::Windows && user.as_str().len() > 20 {
            return Err(OrderError::WindowsUser(user.to_string()));
        }
        if request.port_forwarding && !request.permit_open.is_empty() {
            return Err(OrderError::Both);
        }
        let key = KeyName::new(request.key.as_str())?;
        let marker = match &request.label {
            // The rule for labels is that for names of keys.
            Some(label) => {
                let label = KeyName::new(label.as_str()).map_err(|_| OrderError::Label(label.clone()))?;
                format!("appferry:{key}@{label}")
            }
            None => format!("appferry:{key}"),
        };
        let run = request
            .run
            .as_ref()
            .map(|run| Ok::<_, OrderError>((run.admin.parse()?, KeyName::new(run.admin_key.as_str())?)));
        Ok(Self { platform: request.platform, user, key, options: options(request)?, marker, run: run.transpose()? })
    }

    /// The lines for the file: the key's, and that of its pair before while it is being rotated.
    #[must_use]
    pub fn lines(&self, key: &ResolvedKey) -> Vec<String> {
        let line = |public: &str| {
            let mut words = public.split_ascii_whitespace();
            let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            format!("{} {kind} {blob} {}", self.options, self.marker)
        };
        let previous = key.previous.as_ref().map(|previous| line(&previous.public_line));
        std::iter::once(line(&key.public_line)).chain(previous).collect()
    }
}

fn options(request: &SetupRequest) -> Result<KeyOptions, OrderError> {
    let mut options = KeyOptions::commands_only().forwarding(request.port_forwarding).from(&request.from)?;
    for destination in &request.permit_open {
        options = options.permitting(destination.parse()?);
    }
    if request.platform == Platform::Windows {
        options = options.for_old_servers(); // Windows Server 2019 comes with OpenSSH 7.7
    }
    if let Some(command) = &request.command {
        options = options.command(command)?;
    }
    if let Some(end) = &request.expires {
        options = options.expires(end)?;
    }
    Ok(options.checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Order, OrderError> {
        Order::of(&serde_json::from_str(json).unwrap())
    }

    fn key(public: &str, previous: Option<ResolvedKey>) -> ResolvedKey {
        ResolvedKey {
            name: KeyName::new("Key").unwrap(),
            generation: 1,
            private_pem: String::new().into(),
            public_line: public.to_owned(),
            fingerprint: "SHA256:x".into(),
            source: "store",
            previous: previous.map(Box::new),
        }
    }

    #[test]
    fn a_request_becomes_a_line_and_two_while_the_key_is_being_rotated() {
        let order = request(r#"{"for":"debian","key":"Key","permit_open":["db:5432"],"label":"prod"}"#).unwrap();
        assert_eq!(order.user.as_str(), "dronahq");
        let options = "restrict,port-forwarding,permitopen=\"db:5432\",permitlisten=\"localhost:1\"";
        let lines = order.lines(&key("ssh-ed25519 NEW a comment", Some(key("ssh-rsa OLD", None))));
        let line = |kind_and_blob: &str| format!("{options} {kind_and_blob} appferry:Key@prod");
        assert_eq!(lines, [line("ssh-ed25519 NEW"), line("ssh-rsa OLD")]);
        let windows = request(r#"{"for":"windows","key":"Key","port_forwarding":true}"#).unwrap();
        assert_eq!(windows.lines(&key("ssh-rsa B", None)), ["restrict,port-forwarding ssh-rsa B appferry:Key"]);
    }

    #[test]
    fn each_part_that_is_wrong_is_named() {
        for (json, part) in [
            (r#"{"for":"debian","key":"no key"}"#, "no key"),
            (r#"{"for":"debian","key":"K","user":"a b"}"#, "a b"),
            (r#"{"for":"debian","key":"K","label":"a b"}"#, "label"),
            (r#"{"for":"debian","key":"K","port_forwarding":true,"permit_open":["a:1"]}"#, "anywhere"),
            (r#"{"for":"debian","key":"K","permit_open":["a"]}"#, "host:port"),
            (r#"{"for":"debian","key":"K","command":"a\nb"}"#, "line break"),
            (r#"{"for":"debian","key":"K","run":{"admin":"host","admin_key":"K"}}"#, "user@host"),
            (r#"{"for":"windows","key":"K","user":"a-name-that-is-too-long"}"#, "20 characters"),
        ] {
            let error = request(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
