//! HTTP requests with the credential, and their refusals in words. The token is in no URL, log line or error.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Certificate, Method, NoProxy, Proxy, RequestBuilder, Response, Url};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::super::error::{Asking, stalled};
use super::super::pkt_line::PacketReader;
use super::super::{Access, TimeLimits, Web, words};
use super::refusal::{asked_wait, bad_url, redirect_failure, refused};
use super::token::{self, user_for};
use super::trouble::{Way, causes, no_client, not_sent};
use crate::domain::{Failure, FailureClass};

/// Redirects followed for one request, within the host.
const REDIRECTS: usize = 5;
/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(15);
/// How much of a refusal's text is read, in bytes.
const REFUSAL: usize = 4096;

/// A body as a stream of packets.
pub(super) type Answer = PacketReader<Pin<Box<dyn AsyncRead + Send>>>;

/// One repository behind HTTP.
pub(super) struct Client {
    http: reqwest::Client,
    /// Moves when the server redirects within the host.
    base: Mutex<String>,
    access: Access,
    limits: TimeLimits,
    way: Way,
    /// Until when the server wants to be left alone, and what it said.
    quiet: Mutex<Option<(Instant, Failure)>>,
}

impl Client {
    /// A client for the repository at `url`.
    ///
    /// # Errors
    /// The URL is not one, or plain HTTP to another machine.
    pub(super) fn new(url: &str, access: Access, limits: TimeLimits, web: &Web) -> Result<Self, Failure> {
        let parsed = Url::parse(url).map_err(|error| bad_url(&error.to_string()))?;
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_loopback(&parsed)) {
            return Err(bad_url("a token only goes out encrypted"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(bad_url("it holds a user name or password"));
        }
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        let server = format!("{}{port}", parsed.host_str().unwrap_or_default());
        let way = Way { server, proxy: web.proxy.as_ref().map(|proxy| proxy.shown.clone()) };
        let base = Mutex::new(url.trim_end_matches('/').to_owned());
        let http = http_client(web).map_err(|error| no_client(&error))?;
        Ok(Self { http, base, access, limits, way, quiet: Mutex::default() })
    }

    /// The failure in an error that came instead of a response.
    pub(super) fn not_sent(&self, error: &reqwest::Error) -> Failure {
        not_sent(error, &self.way)
    }

    /// Asks for the advertisement of a service.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    pub(super) async fn advertisement(&self, asking: Asking) -> Result<Answer, Failure> {
        let query = format!("/info/refs?service={}", asking.service());
        for _ in 0..=REDIRECTS {
            let request = self.request(Method::GET, &query, asking).await?;
            let response = self.within_idle(asking, request.send()).await?;
            match redirected(&response)? {
                Some(target) => self.move_base(&target, &query)?,
                None => return self.answer(response, asking, "advertisement").await,
            }
        }
        Err(redirect_failure("more than five times"))
    }

    /// Sends a request to a service.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    pub(super) async fn ask(&self, asking: Asking, body: Vec<u8>) -> Result<Answer, Failure> {
        let request = self.post(asking).await?.body(body);
        let response = self.within_idle(asking, request.send()).await?;
        self.answer(response, asking, "result").await
    }

    /// A request to a service, without its body.
    ///
    /// # Errors
    /// The token cannot be read.
    pub(super) async fn post(&self, asking: Asking) -> Result<RequestBuilder, Failure> {
        let request = self.request(Method::POST, &format!("/{}", asking.service()), asking).await?;
        Ok(request.header(CONTENT_TYPE, format!("application/x-{}-request", asking.service())))
    }

    /// The answer in a response, or the refusal.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    pub(super) async fn answer(&self, response: Response, asking: Asking, kind: &str) -> Result<Answer, Failure> {
        if redirected(&response)?.is_some() {
            return Err(redirect_failure("in the middle of an exchange"));
        }
        let status = response.status();
        if !status.is_success() {
            let wait = asked_wait(status, response.headers());
            let said = tokio::time::timeout(self.limits.poll, refusal_text(response)).await.unwrap_or_default();
            let failure = refused(status, asking, &self.without_token(&said).await, wait);
            self.keep_quiet(wait, &failure);
            return Err(failure);
        }
        let wanted = format!("application/x-{}-{kind}", asking.service());
        let got = content_type(response.headers());
        if got != wanted {
            let message = format!("the server answered with {got:?} instead of Git's protocol ({wanted})");
            let remedy =
                "check that the URL is the one for cloning, and that no login page or proxy answers in its place";
            return Err(Failure::new(FailureClass::Protocol, message, remedy));
        }
        let stream = response.bytes_stream().map_err(|error| io::Error::other(causes(&error.without_url())));
        let stream: Pin<Box<dyn AsyncRead + Send>> = Box::pin(StreamReader::new(Box::pin(stream)));
        Ok(PacketReader::new(stream, self.limits.idle))
    }

    async fn within_idle(
        &self,
        asking: Asking,
        sent: impl Future<Output = reqwest::Result<Response>>,
    ) -> Result<Response, Failure> {
        let sent = tokio::time::timeout(self.limits.idle, sent).await;
        sent.map_err(|_| stalled(asking, self.limits.idle))?.map_err(|error| self.not_sent(&error))
    }

    async fn request(&self, method: Method, rest: &str, asking: Asking) -> Result<RequestBuilder, Failure> {
        self.may_ask()?;
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = format!("{base}{rest}");
        let request = self.http.request(method, &url);
        // Pushing is version 0 in all of Git.
        let request = if asking == Asking::Read { request.header("Git-Protocol", "version=2") } else { request };
        let Access::Token { token, user } = &self.access else { return Ok(request) };
        let token = token::read(token).await?;
        let user = user.as_deref().unwrap_or_else(|| user_for(&base));
        Ok(request.basic_auth(user, Some(token.expose_secret())))
    }

    /// A server that repeats what it was sent gives nothing away.
    async fn without_token(&self, said: &str) -> String {
        let Access::Token { token, .. } = &self.access else { return said.to_owned() };
        match token::read(token).await {
            Ok(token) => token::taken_out(said, &token),
            Err(_) => String::new(),
        }
    }

    fn keep_quiet(&self, wait: Option<Duration>, failure: &Failure) {
        let until = wait.and_then(|wait| Instant::now().checked_add(wait));
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = until.map(|until| (until, failure.clone()));
    }

    /// A server that asked for patience is not asked before.
    fn may_ask(&self) -> Result<(), Failure> {
        let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        match &*quiet {
            Some((until, failure)) if Instant::now() < *until => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Follows a redirect if it stays on the host: credentials never leave it.
    fn move_base(&self, target: &str, query: &str) -> Result<(), Failure> {
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let from = Url::parse(&base).map_err(|error| bad_url(&error.to_string()))?;
        let asked = Url::parse(&format!("{base}{query}")).map_err(|error| bad_url(&error.to_string()))?;
        let to = asked.join(target).map_err(|error| bad_url(&error.to_string()))?;
        if from.origin() != to.origin() {
            return Err(redirect_failure(&format!("to {}", to.origin().ascii_serialization())));
        }
        let Some(moved) = to.as_str().strip_suffix(query) else {
            return Err(redirect_failure(&format!("to {}", to.path())));
        };
        moved.clone_into(&mut base);
        Ok(())
    }
}

fn http_client(web: &Web) -> reqwest::Result<reqwest::Client> {
    let authorities = web.authorities.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .tls_certs_merge(authorities)
        // The environment was read and checked already.
        .no_proxy()
        // Servers tell Git from browsers by this name.
        .user_agent(concat!("git/2.47 (appferry/", env!("CARGO_PKG_VERSION"), ")"));
    if let Some(proxy) = &web.proxy {
        let except = NoProxy::from_string(&proxy.except);
        builder = builder.proxy(Proxy::https(proxy.url.expose_secret())?.no_proxy(except));
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn redirected(response: &Response) -> Result<Option<String>, Failure> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    target.map(|target| Some(target.to_owned())).ok_or_else(|| redirect_failure("to nowhere"))
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

async fn refusal_text(mut response: Response) -> String {
    if !content_type(response.headers()).starts_with("text/plain") {
        return String::new();
    }
    let mut text = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        text.extend_from_slice(&piece);
        if text.len() > REFUSAL {
            break;
        }
    }
    words::clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, Failure> {
        Client::new(url, Access::Nothing, TimeLimits::default(), &Web::default())
    }

    #[test]
    fn a_token_does_not_go_out_unencrypted() {
        let open = |url| client(url).map(|_| ()).map_err(|failure| failure.class);
        assert_eq!(open("http://git.example.org/a"), Err(FailureClass::RepositoryAbsent));
        assert_eq!(open("http://127.0.0.1:1/a"), Ok(()));
        assert_eq!(open("https://git.example.org/a"), Ok(()));
        assert_eq!(open("https://user:secret@git.example.org/a"), Err(FailureClass::RepositoryAbsent));
    }

    #[test]
    fn a_redirect_stays_on_its_host() {
        let client = client("https://git.example.org/old").expect("a client");
        let query = "/info/refs?service=git-upload-pack";
        assert!(client.move_base(&format!("https://evil.example.org/old{query}"), query).is_err());
        assert!(client.move_base(&format!("http://git.example.org/old{query}"), query).is_err());
        client.move_base(&format!("/new.git{query}"), query).expect("same host");
        assert_eq!(client.base.lock().expect("not poisoned").as_str(), "https://git.example.org/new.git");
    }
}
