//! The whole program against every server there is: a save goes to the remote, and what somebody else did comes to the disk.

use appferry::domain::FailureClass;

use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write_app};
use crate::support::gitolite::{Gitolite, May};
use crate::support::host::{Host, Kind};
use crate::support::world::{KEY, stranger};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

fn there_and_back(kind: Kind, key_type: &str) {
    let Some(host) = kind.start() else { return };
    let host = host.as_ref();
    let repo = host.repository("apps");
    let mut dev = stranger("dev", &host.url_text("apps"), &host.known_hosts());
    host.authorize(&dev.generate_key_of(KEY, key_type));
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(repo.subjects(), ["'PO App' App added to git"]);

    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "the save at the remote", || {
        repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    repo.somebody_commits("Widen", |tree| set(&tree.join("App").join(SCREEN), "width", 13));
    dev.wait(PATIENCE, "the change on disk", || value(&dev.apps.join(SCREEN), "width") == Some(13.into()));
    dev.wait_until_in_sync();
    assert_eq!(repo.snapshot("main"), snapshot(&dev.apps));
    dev.stop();
    repo.fsck();
    dev.fsck();
}

macro_rules! servers {
    ($($server:ident $kind:expr;)*) => { $(
        mod $server {
            use super::*;

            #[test]
            fn a_save_goes_there_and_a_change_comes_back_with_an_ed25519_key() {
                there_and_back($kind, "ed25519");
            }

            #[test]
            fn a_save_goes_there_and_a_change_comes_back_with_an_rsa_key() {
                there_and_back($kind, "rsa");
            }
        }
    )* };
}

servers! {
    openssh Kind::OpenSsh;
    dropbear Kind::Dropbear;
    asyncssh Kind::Asyncssh;
    gitolite Kind::Gitolite;
}

#[test]
fn a_repository_that_gitolite_hides_from_the_key_is_shown_in_gitolites_words() {
    let Some(gitolite) = Gitolite::start() else { return };
    gitolite.repository("apps");
    let host: &dyn Host = &gitolite;
    let mut dev = stranger("dev", &host.url_text("apps"), &host.known_hosts());
    gitolite.let_in(&dev.generate_key(KEY), May::Nothing);
    write_app(&dev.apps, "PO App");
    dev.start();
    let repository = dev.wait_until("an error", |repository| repository.last_error.is_some());
    let failure = repository.last_error.expect("an error").failure;
    assert_eq!(failure.class, FailureClass::RepositoryAbsent, "{failure}");
    assert!(failure.message.contains("R any apps stranger DENIED by fallthru"), "{failure}");
}
