//! Webhooks of Git hosts that come in.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{hmac_hex, post};
use crate::support::PATIENCE;
use crate::support::apps::write_app;
use crate::support::instance::Instance;
use crate::support::world::World;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Headers = Vec<(&'static str, String)>;

/// How each host proves itself for a body.
fn proofs(body: &str, delivery: &str) -> Vec<(&'static str, Headers)> {
    let hex = hmac_hex(SECRET, body.as_bytes());
    let prefixed = format!("sha256={hex}");
    let id = delivery.to_owned();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().to_string();
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("base64");
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key").chain_update(format!("{id}.{now}.{body}"));
    let standard = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{SECRET}")));
    vec![
        ("github", vec![("X-Hub-Signature-256", prefixed.clone()), ("X-GitHub-Delivery", id.clone())]),
        ("gitlab", vec![("X-Gitlab-Token", SECRET.to_owned()), ("Idempotency-Key", id.clone())]),
        ("gitlab", vec![("webhook-signature", standard), ("webhook-timestamp", now), ("webhook-id", id.clone())]),
        ("bitbucket", vec![("X-Hub-Signature", prefixed.clone()), ("X-Request-UUID", id.clone())]),
        ("bitbucket-server", vec![("X-Hub-Signature", prefixed), ("X-Request-Id", id.clone())]),
        ("gitea", vec![("X-Gitea-Signature", hex.clone()), ("X-Gitea-Delivery", id.clone())]),
        ("forgejo", vec![("X-Forgejo-Signature", hex), ("X-Forgejo-Delivery", format!("{id}-f"))]),
        ("azure", vec![("Authorization", basic)]),
    ]
}

fn send(instance: &Instance, provider: &str, headers: &Headers, body: &str) -> (u16, String) {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(instance, &format!("/hooks/{provider}"), &headers, body.as_bytes())
}

fn hooked(world: &World) -> Instance {
    let mut instance = world.instance("dev");
    instance.set("APPFERRY_POLL_INTERVAL", "1h").set("APPFERRY_HOOK_SECRET", SECRET);
    instance.start();
    instance.wait_until_in_sync();
    instance
}

#[test]
fn each_host_causes_a_poll_at_once_although_the_interval_is_an_hour() {
    let Some(world) = World::new() else { return };
    let dev = hooked(&world);
    for number in 0..proofs("", "").len() {
        let app = format!("App {number}");
        let tip = world.repo.somebody_commits("Somebody's work", |tree| {
            write_app(&tree.join("App"), &app);
        });
        let body = format!(r#"{{"after":"{tip}","repository":{{"full_name":"team/apps"}}}}"#);
        let (provider, headers) = proofs(&body, &format!("delivery-{number}")).swap_remove(number);
        let (code, answer) = send(&dev, provider, &headers, &body);
        assert_eq!((code, answer.as_str()), (202, r#"{"seen":false,"polled":1}"#), "{provider}");
        dev.wait(PATIENCE, provider, || dev.repository().remote_tip.as_deref() == Some(tip.as_str()));
        let (code, answer) = send(&dev, provider, &headers, &body);
        assert_eq!((code, answer.as_str()), (200, r#"{"seen":true,"polled":0}"#), "{provider}, replayed");
    }
}

#[test]
fn what_is_not_proved_is_refused_and_causes_nothing() {
    let Some(world) = World::new() else { return };
    let dev = hooked(&world);
    let tip = dev.repository().remote_tip;
    world.repo.somebody_commits("Somebody's work", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let body = r#"{"repository":{"full_name":"team/apps"}}"#;
    for (provider, right) in proofs(body, "one") {
        let (code, answer) = send(&dev, provider, &Vec::new(), body);
        assert_eq!(code, 403, "{provider}, nothing: {answer}");
        let mut wrong = right.clone();
        wrong[0].1 = wrong[0].1.replace(|c: char| c.is_ascii_alphanumeric(), "0");
        assert_eq!(send(&dev, provider, &wrong, body).0, 403, "{provider}, wrong");
        if !["azure"].contains(&provider) && right[0].0 != "X-Gitlab-Token" {
            let (code, answer) = send(&dev, provider, &right, &body.replace("team", "tean"));
            assert_eq!(code, 403, "{provider}, another body: {answer}");
            assert!(answer.contains("\"signature\""), "{answer}");
        }
    }
    let (_, right) = proofs(body, "one").swap_remove(0);
    assert_eq!(send(&dev, "sourceforge", &right, body).0, 404);
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(send(&dev, "github", &proofs(&large, "two").swap_remove(0).1, &large).0, 413);
    let other = r#"{"repository":{"full_name":"team/others"}}"#;
    let (code, answer) = send(&dev, "github", &proofs(other, "three").swap_remove(0).1, other);
    assert_eq!((code, answer.as_str()), (202, r#"{"seen":false,"polled":0}"#), "it is about another repository");
    assert_eq!(dev.repository().remote_tip, tip, "nobody asked the remote");
    assert!(!dev.whole_log().contains(SECRET));
}

#[test]
fn without_a_secret_hooks_are_refused_with_what_to_do() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    let (code, answer) = send(&dev, "github", &proofs("{}", "one").swap_remove(0).1, "{}");
    assert_eq!(code, 503);
    assert!(answer.contains("APPFERRY_HOOK_SECRET"), "{answer}");
    let (code, body) = dev.http_get("/hooks/github", false).expect("an answer");
    assert!(code == 405 && String::from_utf8_lossy(&body).contains("another method"), "{code}");
    let (code, answer) = post(&dev, "/api/v1/sync/push", &[], b"{}");
    assert_eq!(code, 421, "the rest is not for foreign host names: {answer}");
}
