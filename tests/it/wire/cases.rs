//! What must hold for every server: each case is told how to reach one. `hosts` lists the servers.

use std::sync::Arc;

use appferry::domain::FailureClass;
use appferry::ports::{RefOutcome, RefUpdate, RemoteTip, SessionClass};
use appferry::ssh::{Sessions, Settings};

use super::door::{Door, REPOSITORY};
use super::double::{git, noise};
use super::{accepted, assert_sound, update};
use crate::support::sshd::{KeyPair, TestKeyring};

pub(super) async fn a_poll_finds_the_branch(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    assert_eq!(remote.poll().await, Ok(RemoteTip::Unborn));
    let first = pair.server_commit(None, &[("a", b"1")], "refs/heads/main");
    pair.server_commit(None, &[("b", b"1")], "refs/heads/main2");
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(first)));
    let absent = door.remote("mai");
    assert_eq!(absent.poll().await, Ok(RemoteTip::Absent(vec!["main".into(), "main2".into()])));
    assert_eq!(absent.fetch().await, Ok(RemoteTip::Absent(vec!["main".into(), "main2".into()])));
}

pub(super) async fn a_fetch_brings_all_objects_and_moves_no_ref(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    assert_eq!(remote.fetch().await, Ok(RemoteTip::Unborn));
    let first = pair.server_commit(None, &[("App/A/x.json", b"{}")], "refs/heads/main");
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(first)));
    assert_eq!(git(&pair.local, &["for-each-ref"]), "");
    git(&pair.local, &["update-ref", "refs/remotes/origin/main", &first.to_string()]);
    let text = "a line of text that is long enough for a delta\n".repeat(200);
    let second = pair.server_commit(Some(first), &[("App/A/y.json", text.as_bytes())], "refs/heads/main");
    let third =
        pair.server_commit(Some(second), &[("App/A/y.json", format!("{text}more").as_bytes())], "refs/heads/main");
    git(&pair.server, &["gc", "-q"]);
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(third)));
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(third)));
    git(&pair.local, &["fsck", "--strict", third.to_string().as_str()]);
    assert_eq!(git(&pair.local, &["rev-list", "--objects", "--count", &third.to_string()]), "15");
    // What was here already was not sent again.
    let packed = git(&pair.local, &["count-objects", "-v"]);
    assert!(packed.contains("in-pack: 15") || packed.contains("in-pack: 16"), "{packed}");
}

pub(super) async fn a_thin_pack_is_completed_from_what_is_here(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let text = noise(4000);
    let first = pair.server_commit(None, &[("a", &text)], "refs/heads/main");
    remote.fetch().await.expect("the first");
    git(&pair.local, &["update-ref", "refs/remotes/origin/main", &first.to_string()]);
    let second = pair.server_commit(Some(first), &[("a", &[&text[..], b"more"].concat())], "refs/heads/main");
    git(&pair.server, &["repack", "-adq"]);
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(second)));
    git(&pair.local, &["fsck", "--strict", &second.to_string()]);
}

pub(super) async fn the_first_push_makes_the_branch_and_the_next_moves_it(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("App/A/x.json", b"{}"), ("README.md", b"hello")]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    assert_sound(pair, first);
    let second = pair.commit(Some(first), &[("App/A/x.json", b"{\"a\":1}")]);
    assert_eq!(door.push(&remote, &[update(Some(first), second)]).await, Ok(accepted()));
    assert_sound(pair, second);
    assert_eq!(pair.flushes(), 2);
    // The same again, as after a lost report.
    assert_eq!(door.push(&remote, &[update(Some(first), second)]).await, Ok(accepted()));
}

pub(super) async fn a_prepared_push_is_accepted(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("a", b"1")]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    remote.prepare_push().await;
    let second = pair.commit(Some(first), &[("a", b"2")]);
    assert_eq!(door.push(&remote, &[update(Some(first), second)]).await, Ok(accepted()));
    assert_sound(pair, second);
}

pub(super) async fn a_lost_race_is_moved_and_changes_nothing(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("a", b"1")]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    let theirs = pair.server_commit(Some(first), &[("b", b"2")], "refs/heads/main");
    let ours = pair.commit(Some(first), &[("a", b"2")]);
    assert_eq!(door.push(&remote, &[update(Some(first), ours)]).await, Ok(vec![RefOutcome::Moved]));
    assert_eq!(door.push(&remote, &[update(None, ours)]).await, Ok(vec![RefOutcome::Moved]));
    assert_sound(pair, theirs);
}

pub(super) async fn each_ref_of_a_push_has_its_own_outcome(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("a", b"1")]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    pair.server_commit(Some(first), &[("b", b"2")], "refs/heads/main");
    let ours = pair.commit(Some(first), &[("a", b"2")]);
    let kept = RefUpdate { name: "refs/heads/conflict/i/A/1".into(), expected: None, new: ours };
    let outcomes = door.push(&remote, &[update(Some(first), ours), kept]).await;
    assert_eq!(outcomes, Ok(vec![RefOutcome::Moved, RefOutcome::Accepted]));
    git(&pair.server, &["fsck", "--strict"]);
}

pub(super) async fn the_words_of_a_hook_come_through(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("a", b"1")]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    pair.hook("pre-receive", "printf '\\033[31mno pushes on friday\\033[0m\\n' >&2; exit 1");
    let second = pair.commit(Some(first), &[("a", b"2")]);
    let outcome = door.push(&remote, &[update(Some(first), second)]).await.expect("a report");
    let [RefOutcome::Refused(words)] = outcome.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(words, "pre-receive hook declined: no pushes on friday");
    assert_sound(pair, first);
}

pub(super) async fn a_large_blob_goes_there_and_back(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let first = pair.commit(None, &[("big", &noise(door.large_bytes())), ("zeros", &vec![0; 3 << 20])]);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    assert_sound(pair, first);
    let other = door.into_other();
    assert_eq!(other.remote("main").fetch().await, Ok(RemoteTip::At(first)));
    git(&other.pair.local, &["fsck", "--strict", &first.to_string()]);
}

pub(super) async fn five_thousand_objects_go_there_and_back(door: Door) {
    let pair = &door.pair;
    let remote = door.remote("main");
    let files: Vec<(String, Vec<u8>)> = (0..5000)
        .map(|n| (format!("App/App {}/file{n}.json", n % 200), format!("{{\"n\":{n}}}").into_bytes()))
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let first = pair.commit(None, &files);
    assert_eq!(door.push(&remote, &[update(None, first)]).await, Ok(accepted()));
    assert_sound(pair, first);
    let other = door.into_other();
    assert_eq!(other.remote("main").fetch().await, Ok(RemoteTip::At(first)));
    git(&other.pair.local, &["fsck", "--strict", &first.to_string()]);
}

pub(super) async fn an_absent_repository_says_so(door: Door) {
    std::fs::remove_dir_all(&door.pair.server).expect("removed");
    let remote = door.remote("main");
    for failure in [
        remote.poll().await.expect_err("absent"),
        remote.fetch().await.expect_err("absent"),
        remote.check_write().await.expect_err("absent"),
    ] {
        assert!(matches!(failure.class, FailureClass::RepositoryAbsent | FailureClass::Refused), "{failure:?}");
    }
}

pub(super) async fn all_refs_are_listed_and_any_is_fetched(door: Door) {
    super::named::all_refs_are_listed_and_any_is_fetched(&door.pair, door.remote("main")).await;
}

pub(super) async fn write_access_is_checked_without_pushing(door: Door) {
    let remote = door.remote("main");
    assert_eq!(remote.check_write().await, Ok(()));
    assert_eq!(remote.poll().await, Ok(RemoteTip::Unborn));
}

/// asyncssh's `redirect` does not survive end-of-file and close in one breath; others may not, either.
pub(super) async fn a_command_dropped_at_once_leaves_its_connection_whole(door: Door) {
    drop_commands(&door).await;
    assert_eq!(door.remote("main").poll().await, Ok(RemoteTip::Unborn));
    assert_eq!(door.reality().0.logins(), 1);
}

pub(super) async fn a_command_dropped_at_once_does_not_harm_the_next(door: Door) {
    for _ in 0..3 {
        drop_commands(&door).await;
        assert_eq!(door.remote("main").poll().await, Ok(RemoteTip::Unborn));
    }
}

async fn drop_commands(door: &Door) {
    let (host, sessions, key) = door.reality();
    let target = host.target(key);
    let command = format!("git-upload-pack '{}'", host.path_of(REPOSITORY));
    for _ in 0..6 {
        drop(sessions.exec(&target, SessionClass::Control, &command, &[]).await.expect("a session"));
    }
}

pub(super) async fn a_key_that_is_not_let_in_is_an_authentication_failure(door: Door) {
    let stranger = KeyPair::ed25519("stranger");
    let sessions =
        Arc::new(Sessions::new(TestKeyring::with([&stranger]), door.reality().0.trust(), Settings::default()));
    let failure = door.remote_with(sessions, &stranger).poll().await.expect_err("not let in");
    assert_eq!(failure.class, FailureClass::Authentication, "{failure}");
    for part in ["stranger", &stranger.fingerprint] {
        assert!(failure.message.contains(part), "{failure}");
    }
}
