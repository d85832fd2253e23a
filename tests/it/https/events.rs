//! Webhooks over HTTPS: whom they trust, and which way they take.

use std::sync::{Arc, Mutex};

use appferry::domain::event::Event;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;

use super::authority::Authority;
use super::front::{self, Server};
use crate::support::PATIENCE;
use crate::support::apps::write_app;
use crate::support::instance::Instance;
use crate::support::remote::RemoteRepo;

const SECRET_PATH: &str = "/hook/T0K3N";

type Came = Arc<Mutex<Vec<Event>>>;

/// A receiver behind TLS.
async fn receiver(authority: &Authority) -> (Server, Came) {
    let came = Came::default();
    let kept = Arc::clone(&came);
    let take = post(async move |body: Bytes| {
        kept.lock().expect("not poisoned").extend(serde_json::from_slice::<Event>(&body));
    });
    (front::tls(Router::new().route(SECRET_PATH, take), &authority.for_this_host()).await, came)
}

fn instance(server: &Server) -> Instance {
    let mut instance = Instance::new("told");
    let remote = RemoteRepo::init(instance.aside().join("apps.git"));
    instance
        .set("GIT_SYNC", "true")
        .set("APPFERRY_ALLOW_PATH_REMOTE", "true")
        .set("GIT_SYNC_REPOSITORY_URL", remote.path().display().to_string())
        .set("GIT_SYNC_BRANCH_NAME", "main")
        .set("GIT_SYNC_AUTO_SAVE", "true")
        .set("GIT_SYNC_AUTO_ADD_NEW_RESOURCES", "true")
        .set("APPFERRY_EVENTS", "pushed")
        .set("APPFERRY_WEBHOOK_SECRET", "a secret of this test")
        .set("APPFERRY_WEBHOOK_URL", format!("https://localhost:{}{SECRET_PATH}", server.address.port()));
    write_app(&instance.apps, "PO App");
    instance
}

#[test]
fn events_reach_a_receiver_of_ones_own_authority_and_no_other() {
    let Some(authority) = Authority::new() else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, came) = runtime.block_on(receiver(&authority));
    let mut instance = instance(&server);
    instance.start();
    instance.wait(PATIENCE, "the complaint", || instance.whole_log().contains("events cannot be delivered"));
    assert!(came.lock().expect("not poisoned").is_empty(), "nothing got through to somebody who is not trusted");
    instance.stop();
    instance.set("APPFERRY_CA_FILE", authority.file().display().to_string());
    instance.start();
    instance.wait(PATIENCE, "the event", || !came.lock().expect("not poisoned").is_empty());
    instance.stop();
    let told = came.lock().expect("not poisoned").clone();
    assert_eq!((told[0].what.kind(), told[0].repository.name.as_str()), ("pushed", "global"));
    assert!(!instance.whole_log().contains("T0K3N"), "an address may hold a secret");
}

#[test]
fn events_go_through_the_proxy_of_the_environment() {
    let Some(authority) = Authority::new() else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, came) = runtime.block_on(receiver(&authority));
    let proxy = runtime.block_on(front::proxy());
    let mut instance = instance(&server);
    instance
        .set("APPFERRY_CA_FILE", authority.file().display().to_string())
        .set("HTTPS_PROXY", format!("http://jo:pr0xy-f3e1@{}", proxy.address));
    instance.start();
    instance.wait(PATIENCE, "the event", || !came.lock().expect("not poisoned").is_empty());
    assert_eq!(
        proxy.asked().first().map(String::as_str),
        Some(&*format!("CONNECT localhost:{} HTTP/1.1", server.address.port()))
    );
    instance.stop();
    assert!(!instance.whole_log().contains("pr0xy-f3e1"));
}
