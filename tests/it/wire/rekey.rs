//! Keys exchanged again in the middle of a large push and a large fetch.

use std::sync::Arc;

use appferry::ports::RemoteTip;
use appferry::ssh::{Sessions, Settings};

use super::double::{Pair, git, noise};
use super::{accepted, assert_sound, update};
use crate::support::host::Host;
use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring};

const BYTES: usize = 24 << 20;
/// After so much of it the server wants new keys.
const LIMIT: &str = "RekeyLimit 2M";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_exchanged_again_during_a_push_and_a_fetch_do_not_disturb_them() {
    let setup = Setup { extra_config: vec![LIMIT.to_owned()], log_level: "DEBUG1", ..Setup::default() };
    let Some(sshd) = Sshd::start_with(setup) else { return };
    let pair = Pair::with_server(Host::repository(&sshd, "apps").path());
    let key = KeyPair::ed25519("deploy");
    sshd.authorize(&key.public_line);
    let host: &dyn Host = &sshd;
    let remote = |pair: &Pair| {
        let sessions = Sessions::new(TestKeyring::with([&key]), host.trust(), Settings::default());
        pair.through_to(Arc::new(sessions), host.url("apps"), "main", &key.name)
    };

    let first = pair.commit(None, &[("big", &noise(BYTES))]);
    assert_eq!(remote(&pair).push(&[update(None, first)]).await, Ok(accepted()));
    assert_sound(&pair, first);
    let during_push = exchanges(&sshd);
    assert!(during_push >= 6, "keys were exchanged {during_push} times during the push");

    let other = pair.with_other_local();
    assert_eq!(remote(&other).fetch().await, Ok(RemoteTip::At(first)));
    git(&other.local, &["fsck", "--strict", &first.to_string()]);
    let during_fetch = exchanges(&sshd) - during_push;
    assert!(during_fetch >= 6, "keys were exchanged {during_fetch} times during the fetch");
}

fn exchanges(sshd: &Sshd) -> usize {
    sshd.log().matches("SSH2_MSG_NEWKEYS received").count()
}
