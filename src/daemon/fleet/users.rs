//! What uses which key, so that none is deleted by mistake: a user a repository.

use std::collections::BTreeSet;

use super::Common;
use crate::config::RepositoryConfig;
use crate::daemon::parts;
use crate::domain::KeyName;

/// Notes the keys of `wanted`. What was noted before and is not there any more uses nothing.
pub(super) async fn note(common: &Common, wanted: &[RepositoryConfig]) {
    let home = &common.home;
    let uses = |repository: &RepositoryConfig| -> Option<(String, KeyName)> {
        Some((home.key_user(&repository.name), parts::key_name(&repository.sync)?.clone()))
    };
    let now: Vec<(String, KeyName)> = wanted.iter().filter_map(uses).collect();
    let mut noted = home.key_users_before();
    let named: BTreeSet<String> = now.iter().map(|(user, _)| user.clone()).collect();
    let gone: Vec<String> = noted.difference(&named).cloned().collect();
    noted.extend(named);
    // First, so that one that is noted is known to the next start, whatever happens.
    home.keep_key_users(&noted);
    for user in gone {
        if mark(common, &user, &[]).await {
            noted.remove(&user);
        }
    }
    for (user, key) in now {
        if !mark(common, &user, &[key]).await {
            break; // the store does not answer, and said so
        }
    }
    home.keep_key_users(&noted);
}

async fn mark(common: &Common, user: &str, keys: &[KeyName]) -> bool {
    let marked = common.keys.service().mark_used_by(user, keys).await;
    if let Err(error) = &marked {
        tracing::warn!(%error, "could not note which keys the repositories use");
    }
    marked.is_ok()
}
