//! What every store must do. Each case gets an empty one.

use std::future::Future;
use std::pin::Pin;

use appferry::ports::{
    AuditFilter, AuditLog as _, AuditRow, Canary, Changed, GitService, HostTrust as _, Keep, KeyRecords as _, NewKey,
    TrustedHostKey, TunnelRecords as _, TunnelRow, WrappedDataKey,
};
use appferry::store::Store;
use tempfile::TempDir;

use super::{add, material, name, used};
use crate::support::postgres::Postgres;

type Case = fn(Store) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($case), |store| Box::pin($case(store)))),*];
    };
}

cases![
    a_name_is_taken_once_and_compared_exactly,
    what_is_stored_comes_back_byte_for_byte,
    a_used_key_is_neither_deleted_nor_renamed,
    a_claim_counts_from_when_a_key_has_the_name,
    a_user_has_the_keys_it_claims_last,
    a_rotation_keeps_the_pair_before_until_it_is_confirmed,
    a_rotation_can_be_taken_back,
    a_rotation_ends_when_both_services_have_answered_for_all_that_uses_the_key,
    answers_without_a_rotation_or_for_an_old_pair_change_nothing,
    a_user_that_is_gone_is_released,
    the_first_login_with_a_pair_is_kept,
    a_pair_is_sealed_anew_only_over_what_it_was,
    data_keys_are_wrapped_anew_one_by_one,
    a_canary_gives_way_only_when_nothing_needs_its_master_key,
    host_keys_are_trusted_replaced_and_forgotten,
    of_two_first_host_keys_at_once_one_is_trusted,
    a_changed_host_key_is_noted_once,
    the_audit_log_is_filtered_and_in_order,
    the_audit_log_says_who,
    of_two_that_add_a_name_at_once_one_wins,
    a_claim_and_a_new_name_at_once_do_not_miss_each_other,
    a_claim_and_the_end_of_a_key_at_once_agree,
    tunnels_are_kept_by_instance_and_use_their_keys,
];

#[tokio::test]
async fn sqlite_fulfils_the_contract() {
    for (case, run) in CASES {
        eprintln!("case {case}");
        let folder = TempDir::new().unwrap();
        run(Store::open(folder.path(), "jo@host").await.unwrap()).await;
    }
}

#[tokio::test]
async fn postgres_fulfils_the_contract() {
    let Some(server) = Postgres::start() else { return };
    for (number, (case, run)) in CASES.iter().enumerate() {
        eprintln!("case {case}");
        let url = server.database(&format!("case{number}"));
        run(Store::open_postgres(&url, "jo@host").await.unwrap()).await;
    }
}

async fn a_name_is_taken_once_and_compared_exactly(store: Store) {
    assert_eq!(add(&store, "key").await, Changed::Done);
    assert_eq!(add(&store, "key").await, Changed::NameTaken);
    for other in ["KEY", "Key", "a", "Z", "key2"] {
        assert_eq!(add(&store, other).await, Changed::Done);
    }
    let names: Vec<String> = store.rows(None).await.unwrap().into_iter().map(|row| row.name.to_string()).collect();
    assert_eq!(names, ["KEY", "Key", "Z", "a", "key", "key2"], "sorted by their bytes");
    assert!(store.rows(Some(&name("kEy"))).await.unwrap().is_empty());
    assert!(store.sealed(&name("kEy")).await.unwrap().is_none());
}

async fn what_is_stored_comes_back_byte_for_byte(store: Store) {
    let mut given = material("p", "m1");
    given.encrypted = true;
    given.sealed_passphrase = Some((0..=255).collect());
    given.bits = 8192;
    let key = NewKey { id: "i".into(), name: name("k"), created_ms: 7, material: given.clone(), origin: "imported" };
    store.add(key).await.unwrap();
    let sealed = store.sealed(&name("k")).await.unwrap().unwrap();
    assert_eq!((sealed.id.as_str(), sealed.generation), ("i", 1));
    assert!(sealed.previous.is_none());
    let back = sealed.current;
    assert_eq!((back.sealed_passphrase, back.sealed_private), (given.sealed_passphrase, given.sealed_private));
    assert_eq!((back.wrapped_data_key, back.bits, back.encrypted), (given.wrapped_data_key, 8192, true));
    let row = store.rows(Some(&name("k"))).await.unwrap().remove(0);
    assert_eq!((row.created_ms, row.last_used), (7, None));
    assert!(row.current.encrypted && row.current.remembered);
    assert_eq!(row.current.fingerprint, "SHA256:p");
}

async fn a_used_key_is_neither_deleted_nor_renamed(store: Store) {
    add(&store, "key").await;
    for user in ["tunnel db", "environment of prod"] {
        store.claim(user, &[name("key")]).await.unwrap();
    }
    let users = Changed::InUse(vec!["environment of prod".into(), "tunnel db".into()]);
    assert_eq!(store.delete(&name("key")).await.unwrap(), users);
    assert_eq!(store.rename(&name("key"), &name("other"), false).await.unwrap(), users);
    assert!(events(&store).await.iter().all(|event| event == "ssh_key_added"), "what was refused leaves no row");

    assert_eq!(store.rename(&name("key"), &name("other"), true).await.unwrap(), Changed::Done);
    assert_eq!(store.rows(Some(&name("other"))).await.unwrap()[0].used_by, [""; 0]);
    assert_eq!(store.delete(&name("other")).await.unwrap(), Changed::Done);
    assert_eq!(store.delete(&name("other")).await.unwrap(), Changed::Absent);
    assert_eq!(store.rename(&name("other"), &name("x"), true).await.unwrap(), Changed::Absent);
    add(&store, "one").await;
    add(&store, "two").await;
    assert_eq!(store.rename(&name("one"), &name("two"), true).await.unwrap(), Changed::NameTaken);
    assert_eq!(store.rename(&name("one"), &name("one"), false).await.unwrap(), Changed::Done);
    assert_eq!(events(&store).await[1..3], ["ssh_key_updated", "ssh_key_deleted"]);
}

async fn a_claim_counts_from_when_a_key_has_the_name(store: Store) {
    store.claim("environment of prod", &[name("made"), name("renamed")]).await.unwrap();
    add(&store, "made").await;
    add(&store, "other").await;
    store.rename(&name("other"), &name("renamed"), false).await.unwrap();
    for key in ["made", "renamed"] {
        assert_eq!(store.rows(Some(&name(key))).await.unwrap()[0].used_by, ["environment of prod"], "{key}");
    }
}

async fn a_user_has_the_keys_it_claims_last(store: Store) {
    add(&store, "a").await;
    add(&store, "b").await;
    store.claim("u", &[name("a"), name("a"), name("absent")]).await.unwrap();
    store.claim("v", &[name("a")]).await.unwrap();
    store.claim("u", &[name("b")]).await.unwrap();
    let users: Vec<Vec<String>> = store.rows(None).await.unwrap().into_iter().map(|row| row.used_by).collect();
    assert_eq!(users, [["v"], ["u"]]);
    store.claim("u", &[]).await.unwrap();
    assert_eq!(store.delete(&name("b")).await.unwrap(), Changed::Done);
}

async fn a_rotation_keeps_the_pair_before_until_it_is_confirmed(store: Store) {
    add(&store, "k").await;
    let key = name("k");
    let rotate = async |from, id: &str| store.rotate(&key, from, material(id, "m1"), 2_000, "generated").await.unwrap();
    assert_eq!(rotate(2, "x").await, Changed::Stale);
    assert_eq!(store.end_rotation(&key, Keep::Current).await.unwrap(), Changed::Stale);
    assert_eq!(rotate(1, "new").await, Changed::Done);
    assert_eq!(rotate(2, "newer").await, Changed::Rotating);
    let sealed = store.sealed(&key).await.unwrap().unwrap();
    assert_eq!((sealed.generation, sealed.current.fingerprint.as_str()), (2, "SHA256:new"));
    let (generation, previous) = sealed.previous.unwrap();
    assert_eq!((generation, previous.fingerprint.as_str()), (1, "SHA256:pair of k"));
    let row = store.rows(Some(&key)).await.unwrap().remove(0);
    assert_eq!((row.current.generation, row.current.created_ms, row.created_ms), (2, 2_000, 1_000));
    assert_eq!(row.previous.unwrap().fingerprint, "SHA256:pair of k");

    assert_eq!(store.end_rotation(&key, Keep::Current).await.unwrap(), Changed::Done);
    let sealed = store.sealed(&key).await.unwrap().unwrap();
    assert!(sealed.previous.is_none() && sealed.current.fingerprint == "SHA256:new");
    assert_eq!(rotate(2, "newer").await, Changed::Done);
    assert_eq!(store.delete(&key).await.unwrap(), Changed::Done, "a rotation under way is no use");
}

async fn a_rotation_can_be_taken_back(store: Store) {
    add(&store, "k").await;
    store.rotate(&name("k"), 1, material("new", "m1"), 2_000, "generated").await.unwrap();
    assert_eq!(store.end_rotation(&name("k"), Keep::Previous).await.unwrap(), Changed::Done);
    let sealed = store.sealed(&name("k")).await.unwrap().unwrap();
    assert_eq!((sealed.generation, sealed.current.fingerprint.as_str()), (1, "SHA256:pair of k"));
    assert!(sealed.previous.is_none());
}

async fn a_rotation_ends_when_both_services_have_answered_for_all_that_uses_the_key(store: Store) {
    use GitService::{Read, Write};
    add(&store, "k").await;
    let key = name("k");
    store.claim("one", std::slice::from_ref(&key)).await.unwrap();
    store.claim("two", std::slice::from_ref(&key)).await.unwrap();
    store.rotate(&key, 1, material("new", "m1"), 2_000, "generated").await.unwrap();
    let answer = async |user, service| store.note_answer(&key, "SHA256:new", user, service).await.unwrap();
    for (user, service) in [("one", Read), ("one", Write), ("one", Read), ("two", Write), ("three", Read)] {
        assert!(!answer(user, service).await, "{user} {service:?}");
    }
    assert!(store.rows(Some(&key)).await.unwrap()[0].previous.is_some());
    assert!(answer("two", Read).await);
    assert!(store.rows(Some(&key)).await.unwrap()[0].previous.is_none());
    let last = rows(&store).await.pop().unwrap();
    assert_eq!(last.event, "ssh_key_updated");
    assert!(last.detail.unwrap().contains("SHA256:new was seen to work"));
    assert!(!answer("two", Read).await, "once");
}

async fn answers_without_a_rotation_or_for_an_old_pair_change_nothing(store: Store) {
    add(&store, "k").await;
    let key = name("k");
    let answer = async |pair: &str, service| store.note_answer(&key, pair, "one", service).await.unwrap();
    let old = "SHA256:pair of k";
    assert!(!answer(old, GitService::Read).await && !answer(old, GitService::Write).await);
    store.rotate(&key, 1, material("first", "m1"), 2_000, "generated").await.unwrap();
    assert!(!answer(old, GitService::Read).await && !answer(old, GitService::Write).await);
    assert!(!store.note_answer(&name("absent"), old, "one", GitService::Read).await.unwrap());
    assert!(!answer("SHA256:first", GitService::Read).await);
    // Taken back: the next pair has the same generation, and owes nothing to the one before.
    store.end_rotation(&key, Keep::Previous).await.unwrap();
    store.rotate(&key, 1, material("second", "m1"), 2_000, "generated").await.unwrap();
    assert!(!answer("SHA256:first", GitService::Write).await && !answer("SHA256:second", GitService::Read).await);
    assert!(answer("SHA256:second", GitService::Write).await, "whoever answers counts as using it");
}

async fn a_user_that_is_gone_is_released(store: Store) {
    add(&store, "k").await;
    let key = name("k");
    store.claim("gone", std::slice::from_ref(&key)).await.unwrap();
    store.claim("here", std::slice::from_ref(&key)).await.unwrap();
    assert!(!store.release(&key, "nobody").await.unwrap() && !store.release(&name("absent"), "gone").await.unwrap());
    assert!(store.release(&key, "gone").await.unwrap());
    assert_eq!(store.rows(Some(&key)).await.unwrap()[0].used_by, ["here"]);
    assert_eq!(store.claimants(&key).await.unwrap(), ["here"]);
    assert_eq!(rows(&store).await.pop().unwrap().detail.unwrap(), "released from gone");
    store.rename(&key, &name("other"), true).await.unwrap();
    store.rename(&name("other"), &key, false).await.unwrap();
    assert_eq!(store.rows(Some(&key)).await.unwrap()[0].used_by, ["here"], "its claim does not come back");
}

async fn the_first_login_with_a_pair_is_kept(store: Store) {
    add(&store, "k").await;
    let key = name("k");
    store.rotate(&key, 1, material("new", "m1"), 2_000, "generated").await.unwrap();
    store.note_use(&key, &used("SHA256:new", "authentication")).await.unwrap();
    let row = store.rows(Some(&key)).await.unwrap().remove(0);
    assert_eq!((row.last_used, row.current.first_login_ms), (None, None), "a refused login is no use");
    store.note_use(&key, &used("SHA256:pair of k", "ok")).await.unwrap();
    let row = store.rows(Some(&key)).await.unwrap().remove(0);
    assert!(row.current.first_login_ms.is_none() && row.previous.unwrap().first_login_ms.is_some());
    assert_eq!(row.last_used.unwrap().1, "git git@host:22");
    store.note_use(&key, &used("SHA256:new", "ok")).await.unwrap();
    let first = store.rows(Some(&key)).await.unwrap().remove(0).current.first_login_ms;
    assert!(first.is_some());
    store.note_use(&key, &used("SHA256:new", "ok")).await.unwrap();
    assert_eq!(store.rows(Some(&key)).await.unwrap()[0].current.first_login_ms, first);
    store.note_use(&name("gone"), &used("SHA256:x", "ok")).await.unwrap();
    assert_eq!(rows(&store).await.pop().unwrap().key.as_deref(), Some("gone"), "a row needs no key");
}

async fn a_pair_is_sealed_anew_only_over_what_it_was(store: Store) {
    add(&store, "k").await;
    let key = name("k");
    let was = store.sealed(&key).await.unwrap().unwrap().current;
    let mut now = was.clone();
    (now.encrypted, now.wrapped_data_key, now.sealed_passphrase) = (true, b"other".to_vec(), Some(b"p".to_vec()));
    assert_eq!(store.reseal(&key, b"not this", now.clone()).await.unwrap(), Changed::Stale);
    assert_eq!(store.reseal(&name("absent"), &was.wrapped_data_key, now.clone()).await.unwrap(), Changed::Absent);
    assert_eq!(store.reseal(&key, &was.wrapped_data_key, now).await.unwrap(), Changed::Done);
    let back = store.sealed(&key).await.unwrap().unwrap();
    assert_eq!((back.generation, back.current.wrapped_data_key.as_slice()), (1, b"other".as_slice()));
    assert!(back.current.encrypted);
    assert_eq!(rows(&store).await.pop().unwrap().detail.unwrap(), "the passphrase was changed, and is remembered");
}

async fn data_keys_are_wrapped_anew_one_by_one(store: Store) {
    for key in ["a", "b", "c"] {
        add(&store, key).await;
    }
    store.rotate(&name("c"), 1, material("new", "m2"), 2_000, "generated").await.unwrap();
    let first = store.wrapped_by_others("m2", None, 2).await.unwrap();
    assert_eq!(first.len(), 2);
    let rest = store.wrapped_by_others("m2", Some(&first[1].record), 2).await.unwrap();
    assert_eq!(rest.iter().map(|key| key.record.as_str()).collect::<Vec<_>>(), ["pair of c"]);
    for was in first.iter().chain(&rest) {
        let now = WrappedDataKey { master_key_id: "m2".into(), wrapped_data_key: b"anew".to_vec(), ..was.clone() };
        assert!(store.rewrap(was, &now).await.unwrap());
        assert!(!store.rewrap(was, &now).await.unwrap(), "it is not what it was any more");
    }
    assert!(store.wrapped_by_others("m2", None, 9).await.unwrap().is_empty());
    assert_eq!(store.master_keys_in_use().await.unwrap().by_keys, ["m2"]);
    let sealed = store.sealed(&name("a")).await.unwrap().unwrap().current;
    assert_eq!(
        (sealed.wrapped_data_key.as_slice(), sealed.sealed_private.as_slice()),
        (&b"anew"[..], &[0, 255, 1][..])
    );
}

async fn a_canary_gives_way_only_when_nothing_needs_its_master_key(store: Store) {
    let canary =
        |master: &str| Canary { envelope: 1, master_key_id: master.into(), wrapped_data_key: vec![1], sealed: vec![2] };
    assert!(store.master_keys_in_use().await.unwrap().is_empty());
    assert_eq!(store.plant_canary(canary("m1"), None).await.unwrap(), canary("m1"));
    assert_eq!(store.plant_canary(canary("m2"), None).await.unwrap(), canary("m1"));
    add(&store, "k").await;
    assert_eq!(store.plant_canary(canary("m2"), Some("m1")).await.unwrap(), canary("m1"), "a key needs it");
    store.delete(&name("k")).await.unwrap();
    assert_eq!(store.plant_canary(canary("m2"), Some("other")).await.unwrap(), canary("m1"));
    assert_eq!(store.plant_canary(canary("m2"), Some("m1")).await.unwrap(), canary("m2"));
}

fn host_key(host: &str, kind: &str, fingerprint: &str) -> TrustedHostKey {
    TrustedHostKey {
        host: host.into(),
        kind: kind.into(),
        key: "AAAA".into(),
        fingerprint: fingerprint.into(),
        trusted_ms: 5,
        trusted_by: "jo@host".into(),
    }
}

async fn host_keys_are_trusted_replaced_and_forgotten(store: Store) {
    let (ed, ed2) = (host_key("h", "ssh-ed25519", "SHA256:1"), host_key("h", "ssh-ed25519", "SHA256:2"));
    let rsa = host_key("h", "ssh-rsa", "SHA256:3");
    let other = host_key("[h]:2222", "ssh-rsa", "SHA256:3");
    for key in [&ed, &rsa, &other] {
        assert!(store.trust(key, false).await.unwrap().is_empty());
    }
    let again = TrustedHostKey { trusted_by: "somebody else".into(), ..ed.clone() };
    store.trust(&again, false).await.unwrap();
    assert_eq!(store.trusted(Some("h")).await.unwrap(), [ed.clone(), rsa.clone()], "who trusted it first stays");
    assert_eq!(store.trusted(None).await.unwrap(), [other.clone(), ed.clone(), rsa.clone()]);

    assert_eq!(store.trust(&ed2, true).await.unwrap(), [ed]);
    assert_eq!(store.trusted(Some("h")).await.unwrap(), [ed2.clone(), rsa.clone()]);
    assert!(store.forget("h", Some("SHA256:none")).await.unwrap().is_empty());
    assert_eq!(store.forget("h", Some("SHA256:2")).await.unwrap(), [ed2]);
    assert_eq!(store.forget("h", None).await.unwrap(), [rsa]);
    assert_eq!(store.trusted(None).await.unwrap(), [other]);
    let trusted = "host_key_trusted";
    let expected =
        [trusted, trusted, trusted, "host_key_forgotten", trusted, "host_key_forgotten", "host_key_forgotten"];
    assert_eq!(events(&store).await, expected);
}

async fn of_two_first_host_keys_at_once_one_is_trusted(store: Store) {
    let other = store.clone();
    for n in 0..20 {
        let host = format!("h{n}");
        let (one, two) = (host_key(&host, "ssh-ed25519", "SHA256:1"), host_key(&host, "ssh-ed25519", "SHA256:2"));
        let (seen, also) = tokio::join!(store.trust_first(&one), other.trust_first(&two));
        let (seen, also) = (seen.unwrap(), also.unwrap());
        assert!(seen == also && seen.len() == 1, "{seen:?} {also:?}");
        assert_eq!(store.trusted(Some(&host)).await.unwrap(), seen);
    }
}

async fn a_changed_host_key_is_noted_once(store: Store) {
    let known = ["SHA256:old".to_owned()];
    for shown in ["SHA256:new", "SHA256:new", "SHA256:other", "SHA256:new"] {
        store.note_changed("h", shown, &known).await.unwrap();
    }
    store.trust(&host_key("h", "ssh-ed25519", "SHA256:new"), false).await.unwrap();
    store.note_changed("h", "SHA256:new", &known).await.unwrap();
    let changed = "host_key_changed";
    assert_eq!(events(&store).await, [changed, changed, changed, "host_key_trusted", changed]);
    let row = rows(&store).await.remove(0);
    assert_eq!((row.purpose.as_deref(), row.host_key.as_deref()), (Some("h"), Some("SHA256:new")));
    assert!(row.detail.unwrap().contains("SHA256:old"));
}

async fn the_audit_log_is_filtered_and_in_order(store: Store) {
    for key in ["a", "b"] {
        add(&store, key).await;
        store.note_use(&name(key), &used("SHA256:x", "ok")).await.unwrap();
    }
    let ask = async |filter: AuditFilter| store.audit(&filter).await.unwrap();
    let all = ask(AuditFilter::default()).await;
    assert!(all.is_sorted_by_key(|row| row.id) && all.len() == 4);
    let of = |row: &AuditRow| (row.event.clone(), row.key.clone().unwrap());
    let about_b = ask(AuditFilter { key: Some("b".into()), ..AuditFilter::default() }).await;
    assert_eq!(about_b.iter().map(of).collect::<Vec<_>>(), all[2..].iter().map(of).collect::<Vec<_>>());
    let uses = ask(AuditFilter { event: Some("ssh_key_used".into()), ..AuditFilter::default() }).await;
    assert_eq!(uses.len(), 2);
    assert_eq!(ask(AuditFilter { last: Some(3), ..AuditFilter::default() }).await, all[1..]);
    assert_eq!(ask(AuditFilter { after: Some(all[1].id), ..AuditFilter::default() }).await, all[2..]);
    assert_eq!(ask(AuditFilter { since_ms: Some(all[0].at_ms), ..AuditFilter::default() }).await.len(), 4);
    assert!(ask(AuditFilter { since_ms: Some(i64::MAX), ..AuditFilter::default() }).await.is_empty());
}

async fn the_audit_log_says_who(store: Store) {
    add(&store, "k").await;
    store.note_use(&name("k"), &used("SHA256:x", "ok")).await.unwrap();
    let rows = rows(&store).await;
    assert!(rows.iter().all(|row| row.actor == "jo@host"));
    let used = rows.last().unwrap();
    assert_eq!((used.outcome.as_str(), used.host_key.as_deref()), ("ok", Some("SHA256:host")));
    assert_eq!(used.detail.as_deref(), Some("SHA256:x; kex x"));
}

async fn of_two_that_add_a_name_at_once_one_wins(store: Store) {
    let other = store.clone();
    for n in 0..10 {
        let key = format!("k{n}");
        let second = async {
            let material = material(&format!("second {n}"), "m1");
            let new = NewKey { id: format!("s{n}"), name: name(&key), created_ms: 1, material, origin: "generated" };
            other.add(new).await.unwrap()
        };
        let (one, two) = tokio::join!(add(&store, &key), second);
        assert!((one == Changed::Done) != (two == Changed::Done), "{one:?} {two:?}");
    }
}

async fn a_claim_and_a_new_name_at_once_do_not_miss_each_other(store: Store) {
    for n in 0..30 {
        let (first, second, user) = (format!("k{n}"), format!("r{n}"), format!("u{n}"));
        let names = [name(&first)];
        let (_, claimed) = tokio::join!(add(&store, &first), store.claim(&user, &names));
        claimed.unwrap();
        assert_eq!(store.rows(Some(&names[0])).await.unwrap()[0].used_by, [user.as_str()], "{first}");
        let names = [name(&second)];
        let old = name(&first);
        let (renamed, claimed) = tokio::join!(store.rename(&old, &names[0], true), store.claim(&user, &names));
        assert_eq!((renamed.unwrap(), claimed.is_ok()), (Changed::Done, true));
        assert_eq!(store.rows(Some(&names[0])).await.unwrap()[0].used_by, [user.as_str()], "{second}");
    }
}

async fn a_claim_and_the_end_of_a_key_at_once_agree(store: Store) {
    for n in 0..30 {
        let (key, user) = (name(&format!("k{n}")), format!("u{n}"));
        add(&store, key.as_str()).await;
        let names = [key.clone()];
        let (deleted, claimed) = tokio::join!(store.delete(&key), store.claim(&user, &names));
        claimed.unwrap();
        match deleted.unwrap() {
            Changed::Done => assert!(store.rows(Some(&key)).await.unwrap().is_empty()),
            other => assert_eq!(other, Changed::InUse(vec![user])),
        }
    }
}

async fn rows(store: &Store) -> Vec<AuditRow> {
    store.audit(&AuditFilter::default()).await.unwrap()
}

async fn events(store: &Store) -> Vec<String> {
    rows(store).await.into_iter().map(|row| row.event).collect()
}

async fn tunnels_are_kept_by_instance_and_use_their_keys(store: Store) {
    let row = |name: &str| TunnelRow { name: name.into(), tunnel: r#"{"name":"x"}"#.into(), open: true };
    assert!(store.add_tunnel("one", &row("b")).await.unwrap() && store.add_tunnel("one", &row("a")).await.unwrap());
    assert!(!store.add_tunnel("one", &row("a")).await.unwrap() && store.add_tunnel("two", &row("a")).await.unwrap());
    assert!(store.set_tunnel_open("one", "a", false).await.unwrap());
    assert!(!store.set_tunnel_open("one", "c", false).await.unwrap());
    assert_eq!(store.tunnels("one").await.unwrap(), [TunnelRow { open: false, ..row("a") }, row("b")]);
    assert!(store.remove_tunnel("one", "a").await.unwrap() && !store.remove_tunnel("one", "a").await.unwrap());
    assert_eq!((store.tunnels("one").await.unwrap().len(), store.tunnels("two").await.unwrap().len()), (1, 1));
    let told = store.audit(&AuditFilter::default()).await.unwrap();
    assert!(told.iter().any(|told| told.event == "tunnel_removed" && told.purpose.as_deref() == Some("tunnel a")));

    add(&store, "key").await;
    store.claim("repository apps of one (one)", &[name("key")]).await.unwrap();
    let claims = |user: &str| vec![(user.to_owned(), vec!["key".to_owned(), "later".to_owned()])];
    store.claim_for_tunnels("one", &claims("tunnel b of x (one)")).await.unwrap();
    store.claim_for_tunnels("two", &claims("tunnel a of y (two)")).await.unwrap();
    add(&store, "later").await;
    assert_eq!(store.delete(&name("later")).await.unwrap(), in_use(&["tunnel a of y (two)", "tunnel b of x (one)"]));
    store.claim_for_tunnels("one", &[]).await.unwrap();
    assert_eq!(store.rename(&name("later"), &name("new"), false).await.unwrap(), in_use(&["tunnel a of y (two)"]));
    store.claim_for_tunnels("two", &[]).await.unwrap();
    assert_eq!(store.delete(&name("key")).await.unwrap(), in_use(&["repository apps of one (one)"]));
    assert_eq!(store.delete(&name("later")).await.unwrap(), Changed::Done);
}

fn in_use(users: &[&str]) -> Changed {
    Changed::InUse(users.iter().map(|user| (*user).to_owned()).collect())
}
