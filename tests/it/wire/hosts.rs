//! The cases, run against every server there is; and what is true of one kind of server only.

use appferry::ports::{RemoteTip, SessionClass};
use tokio::io::AsyncReadExt as _;

use super::door::Door;
use crate::support::host::Kind;
use crate::support::sshd::KeyPair;

macro_rules! run {
    ($door:expr; $($case:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let Some(door) = $door else { return };
            crate::wire::cases::$case(door).await;
        }
    )* };
}

/// Login, poll, fetch, push.
macro_rules! main_cases {
    ($door:expr) => {
        run! { $door;
            a_poll_finds_the_branch
            a_fetch_brings_all_objects_and_moves_no_ref
            the_first_push_makes_the_branch_and_the_next_moves_it
            write_access_is_checked_without_pushing
        }
    };
}

macro_rules! all_cases {
    ($door:expr) => {
        main_cases! { $door }
        run! { $door;
            a_thin_pack_is_completed_from_what_is_here
            a_prepared_push_is_accepted
            a_lost_race_is_moved_and_changes_nothing
            each_ref_of_a_push_has_its_own_outcome
            the_words_of_a_hook_come_through
            a_large_blob_goes_there_and_back
            five_thousand_objects_go_there_and_back
            an_absent_repository_says_so
            all_refs_are_listed_and_any_is_fetched
        }
    };
}

/// What must hold for every real server beside.
macro_rules! real_cases {
    ($kind:expr) => {
        #[allow(unused_imports, reason = "each server has the same")]
        use super::*;

        all_cases! { Door::real($kind, KeyPair::ed25519("deploy")) }

        mod with_an_rsa_key {
            use super::*;
            main_cases! { Door::real($kind, KeyPair::rsa("deploy")) }
        }

        run! { Door::real($kind, KeyPair::ed25519("deploy"));
            a_command_dropped_at_once_does_not_harm_the_next
            a_key_that_is_not_let_in_is_an_authentication_failure
        }
    };
}

mod stand_in_version_2 {
    use super::Door;
    all_cases! { Some(Door::stand_in(true)) }
}

mod stand_in_version_0 {
    use super::Door;
    all_cases! { Some(Door::stand_in(false)) }
}

mod openssh {
    real_cases! { Kind::OpenSsh }
    run! { Door::real(Kind::OpenSsh, KeyPair::ed25519("deploy")); a_command_dropped_at_once_leaves_its_connection_whole }
}

/// dropbear may end a connection when one command begins while another ends; then the next one gets a new connection.
mod dropbear {
    real_cases! { Kind::Dropbear }
}

mod asyncssh {
    real_cases! { Kind::Asyncssh }
    run! { Door::real(Kind::Asyncssh, KeyPair::ed25519("deploy")); a_command_dropped_at_once_leaves_its_connection_whole }
}

mod gitolite {
    real_cases! { Kind::Gitolite }
    run! { Door::real(Kind::Gitolite, KeyPair::ed25519("deploy")); a_command_dropped_at_once_leaves_its_connection_whole }
}

async fn protocol_seen_by_a_command(door: &Door) -> String {
    let (host, sessions, key) = door.reality();
    let env = [("GIT_PROTOCOL", "version=2")];
    let command = "echo \"<$GIT_PROTOCOL>\"";
    let mut process = sessions.exec(&host.target(key), SessionClass::Control, command, &env).await.expect("a session");
    let mut said = String::new();
    process.stdout.read_to_string(&mut said).await.expect("the output");
    said
}

#[tokio::test]
async fn dropbear_ignores_the_environment_and_is_polled_in_version_0() {
    let Some(door) = Door::real(Kind::Dropbear, KeyPair::ed25519("deploy")) else { return };
    assert_eq!(protocol_seen_by_a_command(&door).await, "<>\n");
    let first = door.pair.server_commit(None, &[("a", b"1")], "refs/heads/main");
    let remote = door.remote("main");
    for _ in 0..3 {
        assert_eq!(remote.poll().await, Ok(RemoteTip::At(first)));
    }
    assert_eq!(door.reality().0.logins(), 1);
}

#[tokio::test]
async fn asyncssh_takes_the_environment() {
    let Some(door) = Door::real(Kind::Asyncssh, KeyPair::ed25519("deploy")) else { return };
    assert_eq!(protocol_seen_by_a_command(&door).await, "<version=2>\n");
}
