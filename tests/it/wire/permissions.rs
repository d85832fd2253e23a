//! gitolite: what each key may do, and the server's own words about it.

use std::sync::Arc;

use appferry::domain::FailureClass;
use appferry::ports::{PushError, RefOutcome, RefUpdate, Remote, RemoteTip};
use appferry::ssh::{Sessions, Settings};

use super::double::Pair;
use super::{accepted, assert_sound, update};
use crate::support::gitolite::{Gitolite, May};
use crate::support::host::Host;
use crate::support::sshd::{KeyPair, TestKeyring};

/// One server with the repository `apps`.
struct Scene {
    gitolite: Gitolite,
    pair: Pair,
}

impl Scene {
    fn new() -> Option<Self> {
        let gitolite = Gitolite::start()?;
        let pair = Pair::with_server(gitolite.repository("apps").path());
        Some(Self { gitolite, pair })
    }

    /// The repository of that name, for somebody with a key of their own.
    fn seen_by(&self, may: May, repository: &str) -> Arc<dyn Remote> {
        let key = KeyPair::ed25519("deploy");
        self.gitolite.let_in(&key.public_line, may);
        let host: &dyn Host = &self.gitolite;
        let sessions = Sessions::new(TestKeyring::with([&key]), host.trust(), Settings::default());
        self.pair.through_to(Arc::new(sessions), host.url(repository), "main", &key.name)
    }
}

#[tokio::test]
async fn a_key_that_may_only_read_polls_and_fetches_and_is_refused_when_it_pushes() {
    let Some(scene) = Scene::new() else { return };
    let reader = scene.seen_by(May::Read, "apps");
    let first = scene.pair.server_commit(None, &[("a", b"1")], "refs/heads/main");
    assert_eq!(reader.poll().await, Ok(RemoteTip::At(first)));
    assert_eq!(reader.fetch().await, Ok(RemoteTip::At(first)));
    let second = scene.pair.commit(Some(first), &[("a", b"2")]);
    let pushed = reader.push(&[update(Some(first), second)]).await;
    let Err(PushError::NotSent(push)) = pushed else { panic!("{pushed:?}") };
    for failure in [push, reader.check_write().await.expect_err("it may only read")] {
        assert_eq!(failure.class, FailureClass::Refused, "{failure}");
        assert!(failure.message.contains("W any apps reader DENIED by fallthru"), "{failure}");
    }
    assert_sound(&scene.pair, first);
}

#[tokio::test]
async fn a_key_that_may_do_nothing_and_a_repository_that_is_not_there_look_the_same_in_gitolites_words() {
    let Some(scene) = Scene::new() else { return };
    let stranger = scene.seen_by(May::Nothing, "apps");
    let absent = scene.seen_by(May::Write, "other");
    for (remote, what) in [(stranger, "any apps stranger"), (absent, "any other writer")] {
        for failure in [remote.poll().await, remote.fetch().await].map(|asked| asked.expect_err("hidden")) {
            assert_eq!(failure.class, FailureClass::RepositoryAbsent, "{failure}");
            assert!(failure.message.contains(&format!("R {what} DENIED by fallthru")), "{failure}");
            assert!(failure.message.contains("(or you mis-spelled the reponame)"), "{failure}");
        }
        let failure = remote.check_write().await.expect_err("hidden");
        assert_eq!(failure.class, FailureClass::Refused, "{failure}");
        assert!(failure.message.contains(&format!("W {what} DENIED by fallthru")), "{failure}");
    }
}

#[tokio::test]
async fn a_branch_that_the_key_may_not_push_to_is_refused_alone() {
    let Some(scene) = Scene::new() else { return };
    let writer = scene.seen_by(May::Write, "apps");
    let first = scene.pair.commit(None, &[("a", b"1")]);
    let protected = RefUpdate { name: "refs/heads/protected".into(), expected: None, new: first };
    let outcomes = writer.push(&[update(None, first), protected]).await.expect("a report");
    assert_eq!(outcomes[..1], accepted());
    let RefOutcome::Refused(words) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(words.contains("W refs/heads/protected apps writer DENIED by refs/heads/protected"), "{words}");
    assert_sound(&scene.pair, first);
}
