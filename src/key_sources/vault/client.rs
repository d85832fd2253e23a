//! Questions to a Vault. Source: the HTTP API's pages on the KV engine of version 2, the same in `OpenBao`.

use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::answer::{self, Secret};
use super::refusal::{self, Asking};
use crate::config::{TokenSource, VaultSettings};
use crate::domain::{Failure, KeyName};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 512 * 1024;

/// A Vault, and where in it the keys are.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: TokenSource,
    mount: String,
    path: String,
    namespace: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(settings: &VaultSettings, time_limit: Duration) -> Result<Self, Failure> {
        let base = Url::parse(&settings.address).map_err(|error| refusal::bad_setting("APPFERRY_VAULT_ADDR", error))?;
        let namespace = settings.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|error| refusal::bad_setting("APPFERRY_VAULT_NAMESPACE", error))?;
        let authorities =
            settings.authorities.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
        let authorities = authorities.map_err(|error| refusal::bad_setting("APPFERRY_CA_FILE", error))?;
        let http = reqwest::Client::builder()
            .tls_certs_merge(authorities)
            // The token's header is one that reqwest does not know to be secret: it would go along to another host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(time_limit)
            .user_agent(concat!("appferry/", env!("CARGO_PKG_VERSION")));
        // The proxies of the environment hold for HTTPS, where they see nothing; plain HTTP stays on this machine.
        let http = if base.scheme() == "http" { http.no_proxy() } else { http };
        let http = http.build().map_err(|error| Failure::internal(format!("no HTTP client: {error}")))?;
        let (token, mount, path) = (settings.token.clone(), settings.mount.clone(), settings.path.clone());
        Ok(Self { http, base, token, mount, path, namespace })
    }

    /// The key of this name; `None` if there is none, or its newest version is deleted.
    pub(super) async fn read(&self, name: &KeyName) -> Result<Option<Secret>, Failure> {
        let (mount, path) = (&self.mount, &self.path);
        let api_path = format!("{mount}/data/{path}/{name}");
        let asking = Asking { api_path, policy: self.policy("data", "read"), list: false };
        match self.ask(&asking).await? {
            Some(body) => answer::secret(&body, mount, &format!("{path}/{name}")),
            None => Ok(None),
        }
    }

    /// The names of the keys. A token that may read but not list is common: then none are known.
    pub(super) async fn list(&self) -> Result<Vec<KeyName>, Failure> {
        let (mount, path) = (&self.mount, &self.path);
        let api_path = format!("{mount}/metadata/{path}");
        let asking = Asking { api_path, policy: self.policy("metadata", "list"), list: true };
        match self.ask(&asking).await? {
            Some(body) => answer::names(&body, mount),
            None => Ok(Vec::new()),
        }
    }

    /// The body of the answer; `None` for nothing there.
    async fn ask(&self, asking: &Asking) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(asking.api_path.split('/'));
        }
        if asking.list {
            // The same as the method LIST, which not every proxy lets through.
            url.set_query(Some("list=true"));
        }
        let mut request =
            self.http.get(url).header("X-Vault-Request", "true").header("X-Vault-Token", self.token().await?);
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let response = request.send().await.map_err(|error| refusal::not_sent(&error))?;
        let (status, target) = (response.status(), redirect_target(&self.base, &response));
        if status.is_redirection() {
            return Err(refusal::redirected(target));
        }
        let body = body(response).await?;
        if status.is_success() {
            return Ok((!body.is_empty()).then_some(body));
        }
        refusal::absent_or_refused(status, &refusal::words(&body), asking).map(|()| None)
    }

    async fn token(&self) -> Result<HeaderValue, Failure> {
        let token = match &self.token {
            TokenSource::Value(token) => token.clone(),
            TokenSource::File(path) => read_token(path).await?,
        };
        let mut header = HeaderValue::from_str(token.expose_secret())
            .ok()
            .filter(|header| !header.is_empty())
            .ok_or_else(|| refusal::bad_token("it is empty, or holds a line break"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn policy(&self, part: &str, capability: &str) -> String {
        let (mount, path) = (&self.mount, &self.path);
        format!(r#"path "{mount}/{part}/{path}/*" {{ capabilities = ["{capability}"] }}"#)
    }
}

/// Agents renew tokens by writing the file anew, so it is read at each use.
async fn read_token(path: &Path) -> Result<SecretString, Failure> {
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
    let text =
        text.map_err(|error| refusal::bad_token(&format!("the file {} cannot be read: {error}", path.display())))?;
    Ok(SecretString::from(text.trim_ascii_end()))
}

fn redirect_target(base: &Url, response: &Response) -> Option<String> {
    let target = response.headers().get(reqwest::header::LOCATION)?.to_str().ok()?;
    base.join(target).ok().map(|url| url.origin().ascii_serialization())
}

/// The whole body, which holds a key. Room for it is made before: a buffer that grows leaves copies behind.
async fn body(mut response: Response) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > MAX_ANSWER) {
        return Err(refusal::too_long());
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(MAX_ANSWER)));
    while let Some(piece) = response.chunk().await.map_err(|error| refusal::not_sent(&error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(refusal::too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
