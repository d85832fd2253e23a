//! The way there: proxies, ports that speak something else, and servers that fall silent.

use appferry::domain::{Failure, FailureClass};
use appferry::git::remote::{Proxy, Web};
use appferry::ports::RemoteTip;

use super::authority::Authority;
use super::front::{self, Server};
use super::{impatient, open, serve, token, trusting};
use crate::wire::double::Pair;

fn through(mut web: Web, url: String, shown: &str, except: &str) -> Web {
    web.proxy = Some(Proxy { url: url.into(), shown: shown.to_owned(), except: except.to_owned() });
    web
}

/// With a password, which must never be shown.
fn with_password(proxy: &Server) -> String {
    format!("http://jo:pr0xy%40pass@{}", proxy.address)
}

fn assert_silent(failure: &Failure) {
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains("pr0xy") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_proxy_is_used_with_its_password_and_bypassed_for_the_hosts_that_are_excepted() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.for_this_host()).await;
    let proxy = front::proxy().await;
    let web = |except| through(trusting(&authority), with_password(&proxy), "http://the-proxy:1", except);
    assert_eq!(open(&pair, &server.url(), web("example.org")).poll().await, Ok(RemoteTip::Unborn));
    assert_eq!(proxy.asked(), [format!("CONNECT localhost:{} HTTP/1.1", server.address.port())]);
    let head = proxy.heads.lock().expect("not poisoned")[0].to_lowercase();
    assert!(head.contains("proxy-authorization: basic am86chiwehlacgfzcw=="), "{head}"); // jo:pr0xy@pass
    assert!(!head.contains("\r\nauthorization"), "the token is for the server alone: {head}");

    let before = proxy.connected();
    for except in ["localhost", "example.org, localhost", "*"] {
        assert_eq!(open(&pair, &server.url(), web(except)).poll().await, Ok(RemoteTip::Unborn));
    }
    assert_eq!(proxy.connected(), before, "nothing more went through it");
}

#[tokio::test]
async fn a_socks_proxy_looks_the_name_up_itself() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.for_this_host()).await;
    let proxy = front::socks().await;
    let url = format!("socks5h://{}", proxy.address);
    let web = through(trusting(&authority), url.clone(), &url, "");
    assert_eq!(open(&pair, &server.url(), web).poll().await, Ok(RemoteTip::Unborn));
    assert_eq!(proxy.asked(), [format!("localhost:{}", server.address.port())]);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.for_this_host()).await;
    for (status, class, words) in [
        ("407 Proxy Authentication Required", FailureClass::Authentication, "wants a user name and password"),
        ("502 Bad Gateway", FailureClass::Connect, "gives no connection to localhost:"),
        ("403 Forbidden", FailureClass::Connect, "gives no connection to localhost:"),
    ] {
        let proxy = front::canned(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
        let web = through(trusting(&authority), with_password(&proxy), "http://proxy.corp:3128", "");
        let failure = open(&pair, &server.url(), web).poll().await.expect_err(status);
        assert_eq!(failure.class, class, "{failure}");
        assert!(failure.message.starts_with("the proxy http://proxy.corp:3128"), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert_silent(&failure);
    }
    let nobody = "http://jo:pr0xy%40pass@127.0.0.1:9".to_owned();
    let web = through(trusting(&authority), nobody, "http://127.0.0.1:9", "");
    let failure = open(&pair, &server.url(), web).poll().await.expect_err("nobody there");
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    assert!(failure.message.starts_with("the proxy http://127.0.0.1:9"), "{failure}");
    assert_silent(&failure);
}

#[tokio::test]
async fn a_certificate_that_a_proxy_puts_in_its_place_is_refused_with_that_hint() {
    let (Some(authority), Some(inspector)) = (Authority::new(), Authority::new()) else { return };
    let pair = Pair::new();
    let server = serve(&pair, &inspector.for_this_host()).await;
    let proxy = front::proxy().await;
    let web = through(trusting(&authority), with_password(&proxy), "http://proxy.corp:3128", "");
    let failure = open(&pair, &server.url(), web).poll().await.expect_err("not trusted");
    assert_eq!(failure.class, FailureClass::HostKey, "{failure}");
    assert!(failure.remedy.contains("if http://proxy.corp:3128 looks into TLS"), "{failure}");
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_told_apart_from_one_that_is_closed() {
    let pair = Pair::new();
    let plain = front::speaking("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let ssh = front::speaking("SSH-2.0-OpenSSH_9.2\r\n").await;
    for server in [plain, ssh] {
        let failure = open(&pair, &server.url(), Web::default()).poll().await.expect_err("no TLS");
        assert_eq!(failure.class, FailureClass::Connect, "{failure}");
        assert!(failure.message.contains("does not speak TLS at this port"), "{failure}");
    }
    let failure = open(&pair, "https://localhost:9/repo.git", Web::default()).poll().await.expect_err("closed");
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    assert!(failure.message.contains("no connection to the server localhost:9"), "{failure}");
    let failure = open(&pair, "https://git.invalid/repo.git", Web::default()).poll().await.expect_err("no name");
    assert_eq!(failure.class, FailureClass::NameLookup, "{failure}");
}

#[tokio::test]
async fn a_server_that_falls_silent_after_the_handshake_runs_into_the_time_limit() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = front::stalled(&authority.for_this_host()).await;
    let remote = pair.https(&server.url(), token(), trusting(&authority), impatient());
    for failure in [remote.poll().await.expect_err("silent"), remote.check_write().await.expect_err("silent")] {
        assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");
    }
    let first = pair.commit(None, &[("a", b"1")]);
    remote.push(&[super::update(None, first)]).await.expect_err("silent");
}
