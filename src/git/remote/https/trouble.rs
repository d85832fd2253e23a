//! What goes wrong on the way to a server, before it answers: names, connections, proxies, certificates.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as Tls};

use super::super::words;
use crate::domain::{Failure, FailureClass};

/// Where requests go, as it may be shown.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The server's name, and its port if the URL has one.
    pub(super) server: String,
    /// The proxy for HTTPS, without its password; whether a request went through it is not known before it fails.
    pub(super) proxy: Option<String>,
}

/// The failure in an error of reqwest, before there was any response.
pub(super) fn not_sent(error: &reqwest::Error, way: &Way) -> Failure {
    let said = causes(error);
    let lower = said.to_lowercase();
    // The words of hyper's tunnels; only the way to a proxy, or what it answers, is put like that.
    let proxy = way.proxy.as_ref().filter(|_| lower.contains("tunnel error") || lower.contains("socks"));
    let (peer, subject) = match proxy {
        Some(proxy) => (proxy, format!("the proxy {proxy}")),
        None => (&way.server, format!("the server {}", way.server)),
    };
    if error.is_timeout() {
        return Failure::new(
            FailureClass::TimeOut,
            format!("{subject} did not answer in time: {said}"),
            "check the network, the firewall and the proxy variables",
        );
    }
    if let Some(tls) = tls_error(error) {
        return tls_failure(tls, peer, &subject, way);
    }
    if lower.contains("proxy authorization required") {
        return Failure::new(
            FailureClass::Authentication,
            format!("{subject} wants a user name and password, or does not accept those it got (HTTP 407)"),
            "write them into the proxy's variable, `http://user:password@host:port`, and restart",
        );
    }
    if lower.contains("dns error") || lower.contains("failed to lookup") {
        return Failure::new(
            FailureClass::NameLookup,
            format!("the name of {subject} was not found: {said}"),
            "check its spelling and the name server",
        );
    }
    match proxy {
        Some(_) => Failure::new(
            FailureClass::Connect,
            format!("{subject} gives no connection to {}: {said}", way.server),
            "let the proxy reach this host, or name the host in NO_PROXY; the proxy's own log says more",
        ),
        None if error.is_connect() => Failure::new(
            FailureClass::Connect,
            format!("no connection to {subject}: {said}"),
            "check the network, the firewall and the proxy variables",
        ),
        None => Failure::new(
            FailureClass::ConnectionLost,
            format!("the connection to {subject} was lost: {said}"),
            "it is tried again by itself",
        ),
    }
}

/// A client that could not be made.
pub(super) fn no_client(error: &reqwest::Error) -> Failure {
    match tls_error(error) {
        Some(Tls::General(words)) if words.contains("No CA certificates") => Failure::new(
            FailureClass::HostKey,
            "this machine has no list of trusted certificate authorities",
            "install one (Debian's package `ca-certificates`), or name a PEM file in APPFERRY_CA_FILE",
        ),
        _ => Failure::internal(format!("no HTTP client: {}", causes(error))),
    }
}

/// The error and what caused it, without the URL.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let said: Vec<String> = chain(error).map(ToString::to_string).collect();
    if said.is_empty() { "request failed".to_owned() } else { words::clean(said.join(": ").as_bytes()) }
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

fn tls_error(error: &reqwest::Error) -> Option<&Tls> {
    chain(error).find_map(tls_inside)
}

/// An error that travels inside an `io::Error`, or in one inside another, is not in its chain of sources.
fn tls_inside<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a Tls> {
    match cause.downcast_ref::<io::Error>() {
        Some(outer) => tls_inside(outer.get_ref()?),
        None => cause.downcast_ref(),
    }
}

fn tls_failure(error: &Tls, peer: &str, subject: &str, way: &Way) -> Failure {
    match error {
        Tls::InvalidCertificate(problem) => certificate_failure(problem, peer, subject, way),
        Tls::NoCertificatesPresented => untrusted(
            format!("{subject} shows no certificate"),
            "give the server one; a connection without it is not made",
        ),
        Tls::AlertReceived(AlertDescription::CertificateRequired) => Failure::new(
            FailureClass::Authentication,
            format!("{subject} wants a client certificate, which is not supported"),
            "let it accept the access token alone, or use SSH",
        ),
        Tls::InvalidMessage(_) => Failure::new(
            FailureClass::Connect,
            format!("{subject} does not speak TLS at this port"),
            "correct the port in the URL; plain http:// is no way out, as the token would go out unencrypted",
        ),
        other => Failure::new(
            FailureClass::Connect,
            format!("{subject} and this program did not agree on TLS: {other}"),
            "TLS 1.2 or 1.3 with a modern cipher is needed; update the server or the proxy before it",
        ),
    }
}

fn certificate_failure(problem: &CertificateError, peer: &str, subject: &str, way: &Way) -> Failure {
    let of = format!("the certificate of {subject}");
    let inspected = match &way.proxy {
        Some(proxy) if proxy != peer => format!(" (if {proxy} looks into TLS, that authority is the proxy's)"),
        _ => String::new(),
    };
    let trust_it =
        format!("put that authority's certificate into a PEM file{inspected}, name it in APPFERRY_CA_FILE and restart");
    match problem {
        CertificateError::UnknownIssuer => {
            untrusted(format!("{of} comes from an authority that is not trusted here"), trust_it)
        }
        CertificateError::BadSignature => {
            untrusted(format!("{of} comes from another authority than the one of that name trusted here"), trust_it)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => untrusted(
            format!("{of} is for another name: {problem}"),
            "write the name of the certificate into the URL, or give the server a certificate for this name",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => untrusted(
            format!("{of} has expired: {problem}"),
            "renew it on the server; if it is not expired there, set this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => untrusted(
            format!("{of} is not valid yet: {problem}"),
            "set the clock of this machine, or of the one that issued it",
        ),
        CertificateError::Revoked => untrusted(format!("{of} was revoked"), "give the server a new one"),
        other if other.to_string().contains("CaUsedAsEndEntity") => untrusted(
            format!("{of} is that of an authority, not of a server"),
            "issue the server a certificate of its own, without `CA:TRUE`, and name the authority's in APPFERRY_CA_FILE",
        ),
        other => untrusted(
            format!("{of} cannot be accepted: {other}"),
            "give the server a certificate that is in order (RFC 5280, with the host as a subject alternative name)",
        ),
    }
}

fn untrusted(message: String, remedy: impl Into<String>) -> Failure {
    Failure::new(FailureClass::HostKey, message, remedy)
}
