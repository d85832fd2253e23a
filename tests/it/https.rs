//! HTTPS remotes with real TLS: who is trusted, which way requests go, what refusals mean; and the whole program over it.

mod authority;
mod events;
mod front;
mod program;
mod refusals;
mod vault;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use appferry::domain::{FailureClass, ObjectId};
use appferry::git::remote::{TimeLimits, Token, Web};
use appferry::ports::{RefOutcome, RefUpdate, Remote, RemoteTip};

use crate::wire::double::{Pair, noise};
use crate::wire::http::Site;
use authority::{Authority, Issued};
use front::Server;

/// A server that shows `issued`, in front of the pair's repository.
async fn serve(pair: &Pair, issued: &Issued) -> Server {
    front::tls(Site::new(&pair.server, true).router(), issued).await
}

fn token() -> Token {
    Token::Value("s3cret".into())
}

fn trusting(authority: &Authority) -> Web {
    Web { authorities: vec![authority.der()], proxy: None }
}

fn open(pair: &Pair, url: &str, web: Web) -> Arc<dyn Remote> {
    pair.https(url, token(), web, TimeLimits::default())
}

fn update(expected: Option<ObjectId>, new: ObjectId) -> RefUpdate {
    RefUpdate { name: "refs/heads/main".into(), expected, new }
}

/// That the server is refused as untrusted, in words that hold `wanted`, and that nothing got through to it.
async fn assert_untrusted(pair: &Pair, url: &str, web: Web, wanted: &[&str]) {
    let remote = open(pair, url, web);
    let failure = remote.poll().await.expect_err("not trusted");
    assert_eq!(failure.class, FailureClass::HostKey, "{failure}");
    for part in wanted {
        assert!(failure.to_string().contains(part), "{part:?} is not in: {failure}");
    }
    let first = pair.commit(None, &[("a", b"1")]);
    remote.push(&[update(None, first)]).await.expect_err("not pushed either");
    assert_eq!(remote.check_write().await.map_err(|failure| failure.class), Err(FailureClass::HostKey));
}

#[tokio::test]
async fn a_server_of_an_authority_that_the_file_names_is_polled_fetched_from_and_pushed_to() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.for_this_host()).await;
    for url in [server.url(), server.url().replace("localhost", "127.0.0.1")] {
        let remote = open(&pair, &url, trusting(&authority));
        remote.poll().await.expect("it answers");
        remote.check_write().await.expect("may push");
    }
    let remote = open(&pair, &server.url(), trusting(&authority));
    let first = pair.commit(None, &[("App/A/x.json", b"{}")]);
    assert_eq!(remote.push(&[update(None, first)]).await, Ok(vec![RefOutcome::Accepted]));
    let theirs = pair.server_commit(Some(first), &[("b", &noise(200_000))], "refs/heads/main");
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(theirs)));
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(theirs)));
    let big = pair.commit(Some(theirs), &[("c", &noise(3 << 20))]);
    assert_eq!(remote.push(&[update(Some(theirs), big)]).await, Ok(vec![RefOutcome::Accepted]));
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(big)));
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.for_this_host()).await;
    let wanted = ["an authority that is not trusted here", "APPFERRY_CA_FILE", "localhost:"];
    assert_untrusted(&pair, &server.url(), Web::default(), &wanted).await;
    let namesake = Authority::new().expect("made before");
    let wanted = ["another authority than the one of that name", "APPFERRY_CA_FILE"];
    assert_untrusted(&pair, &server.url(), trusting(&namesake), &wanted).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let server = serve(&pair, &authority.issue("DNS:git.example.org", &[])).await;
    let wanted = ["is for another name", "git.example.org", "into the URL"];
    assert_untrusted(&pair, &server.url(), trusting(&authority), &wanted).await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    let Some(authority) = Authority::new() else { return };
    let pair = Pair::new();
    let old = authority.issue("DNS:localhost", &["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]);
    let server = serve(&pair, &old).await;
    assert_untrusted(&pair, &server.url(), trusting(&authority), &["has expired", "renew it", "clock"]).await;
    let future = authority.issue("DNS:localhost", &["-startdate", "20980101000000Z", "-enddate", "20990101000000Z"]);
    let server = serve(&pair, &future).await;
    assert_untrusted(&pair, &server.url(), trusting(&authority), &["is not valid yet", "clock"]).await;
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_refused_with_a_way_out() {
    let Some(authority) = Authority::new() else { return };
    let (pair, folder) = (Pair::new(), tempfile::tempdir().expect("a folder"));
    let own = authority::self_signed(folder.path());
    let server = serve(&pair, &own).await;
    let der = authority.der_of(&own.certificate);
    for web in [trusting(&authority), Web { authorities: vec![der], proxy: None }] {
        let wanted = ["that of an authority, not of a server", "without `CA:TRUE`"];
        assert_untrusted(&pair, &server.url(), web, &wanted).await;
    }
}

/// Short limits, for servers that do not answer.
fn impatient() -> TimeLimits {
    let soon = Duration::from_millis(700);
    TimeLimits { poll: soon, idle: soon, ..TimeLimits::default() }
}
