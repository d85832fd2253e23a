//! Webhooks: the event is posted as JSON, signed over the bytes that are sent.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Certificate, NoProxy, Proxy, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::{Outcome, Sink};
use crate::config::{WebConfig, WebhookConfig};
use crate::domain::Failure;
use crate::domain::event::Event;

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
/// A receiver that asks for more patience than this gets this.
const LONGEST_WISH: Duration = Duration::from_mins(15);

/// Where events are posted to.
pub(super) struct Webhook {
    http: reqwest::Client,
    url: SecretString,
    shown: String,
    secret: Option<SecretString>,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig, secret: Option<SecretString>, web: &WebConfig) -> Result<Self, Failure> {
        let http = client(web).map_err(|error| Failure::internal(format!("no HTTP client: {}", cause(error))))?;
        Ok(Self { http, url: config.url.clone(), shown: config.shown.clone(), secret })
    }

    /// The whole URL, for a digest.
    pub(super) fn address(&self) -> &str {
        self.url.expose_secret()
    }
}

#[async_trait]
impl Sink for Webhook {
    async fn deliver(&self, event: &Event) -> Outcome {
        let body = match serde_json::to_vec(event) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let mut request = self.http.post(self.url.expose_secret());
        request = request
            .header(CONTENT_TYPE, "application/json")
            .header("X-Appferry-Event", event.what.kind())
            .header("X-Appferry-Delivery", event.id.to_string());
        if let Some(secret) = &self.secret {
            request = request.header("X-Appferry-Signature-256", signature(secret, &body));
        }
        match request.body(body).send().await {
            Ok(response) => judge(&response),
            Err(error) => Outcome::Down(cause(error), None),
        }
    }

    fn shown(&self) -> &str {
        &self.shown
    }
}

/// `sha256=` and the HMAC in hex.
fn signature(secret: &SecretString, body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    // HMAC takes keys of any length.
    if let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) {
        for byte in mac.chain_update(body).finalize().into_bytes() {
            let _infallible = write!(text, "{byte:02x}");
        }
    }
    text
}

fn judge(response: &Response) -> Outcome {
    let status = response.status();
    let said = format!("it answered {status}");
    match status {
        _ if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Outcome::Down(said, asked_wait(response)),
        _ if status.is_redirection() => Outcome::Refused(format!("{said}, and redirects are not followed")),
        _ if status.is_server_error() => Outcome::Failed(said),
        _ => Outcome::Refused(said),
    }
}

fn asked_wait(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WISH))
}

/// What went wrong, without the URL: there may be a secret in it.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        said.push(inner.to_string());
        source = inner.source();
    }
    said.dedup();
    said.join(": ")
}

fn client(web: &WebConfig) -> reqwest::Result<reqwest::Client> {
    let authorities = web.authorities.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .tls_certs_merge(authorities)
        // The environment was read and checked already.
        .no_proxy()
        .user_agent(concat!("appferry/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &web.proxy {
        let except = NoProxy::from_string(&proxy.except);
        builder = builder.proxy(Proxy::https(proxy.url.expose_secret())?.no_proxy(except));
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_published_example() {
        // docs.github.com, "Validating webhook deliveries": the same scheme.
        let secret = SecretString::from("It's a Secret to Everybody");
        assert_eq!(
            signature(&secret, b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
