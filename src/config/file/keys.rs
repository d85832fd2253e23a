//! The keys of an entry. Most mean what a variable means, and are read by the same reader.

use super::super::near::edit_distance;

/// Keys that name a variable: what it means, its form and its default are that variable's.
pub(super) const LIKE_VARIABLES: &[(&str, &str)] = &[
    ("url", "GIT_SYNC_REPOSITORY_URL"),
    ("branch", "GIT_SYNC_BRANCH_NAME"),
    ("key", "GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME"),
    ("passphrase_file", "GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE"),
    ("token_file", "GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE"),
    ("auto_save", "GIT_SYNC_AUTO_SAVE"),
    ("locked", "GIT_SYNC_IS_LOCK_APP_EDIT"),
    ("auto_add", "GIT_SYNC_AUTO_ADD_NEW_RESOURCES"),
    ("provider", "GIT_PROVIDER"),
    ("apps_dir", "APPFERRY_APPS_DIR"),
    ("prefix", "APPFERRY_PREFIX"),
    ("poll_interval", "APPFERRY_POLL_INTERVAL"),
    ("debounce", "APPFERRY_DEBOUNCE"),
    ("file_mode", "APPFERRY_FILE_MODE"),
    ("dir_mode", "APPFERRY_DIR_MODE"),
    ("author_name", "APPFERRY_AUTHOR_NAME"),
    ("author_email", "APPFERRY_AUTHOR_EMAIL"),
    ("volatile_keys", "APPFERRY_VOLATILE_KEYS"),
    ("identity_fields", "APPFERRY_IDENTITY_FIELDS"),
    ("skip_volatile_saves", "APPFERRY_SKIP_VOLATILE_SAVES"),
    ("max_file_size", "APPFERRY_MAX_FILE_SIZE"),
    ("ignore", "APPFERRY_IGNORE"),
    ("allow_secrets", "APPFERRY_ALLOW_SECRETS"),
    ("kept_days", "APPFERRY_KEPT_DAYS"),
    ("on_protected", "APPFERRY_ON_PROTECTED"),
    ("auto_pull", "APPFERRY_AUTO_PULL"),
];

/// Keys that no variable has.
const OWN: [&str; 5] = ["name", "layout", "app", "include", "exclude"];

/// Keys that take several values.
const LISTS: [&str; 6] = ["volatile_keys", "identity_fields", "ignore", "allow_secrets", "include", "exclude"];

/// Keys whose value is a path of this machine.
pub(super) const PATHS: [&str; 3] = ["apps_dir", "passphrase_file", "token_file"];

/// Keys that would be the same for all.
const NOT_FOR_ALL: [&str; 4] = ["name", "url", "apps_dir", "app"];

/// What some would write a secret into.
const SECRETS: [&str; 8] =
    ["token", "access_token", "personal_access_token", "password", "passphrase", "private_key", "ssh_key", "secret"];

/// The variable that a key is read like.
pub(super) fn variable(key: &str) -> Option<&'static str> {
    LIKE_VARIABLES.iter().find(|(known, _)| *known == key).map(|(_, variable)| *variable)
}

/// The key that is read like a variable.
pub(super) fn of_variable(variable: &str) -> Option<&'static str> {
    LIKE_VARIABLES.iter().find(|(_, known)| *known == variable).map(|(key, _)| *key)
}

/// Variables that hold for every entry that says nothing else: those of this program, but for the apps folder.
pub(super) fn is_inherited(variable: &str) -> bool {
    variable.starts_with("APPFERRY_") && variable != "APPFERRY_APPS_DIR" && of_variable(variable).is_some()
}

pub(super) fn takes_list(key: &str) -> bool {
    LISTS.contains(&key)
}

/// The key as this program knows it, or what is wrong with it.
pub(super) fn known(key: &str, in_defaults: bool) -> Result<&'static str, String> {
    let found = all().find(|known| *known == key);
    match found {
        Some(found) if in_defaults && NOT_FOR_ALL.contains(&found) => {
            Err("it differs from one repository to the next; write it into each".to_owned())
        }
        Some(found) => Ok(found),
        None if SECRETS.contains(&key.to_ascii_lowercase().as_str()) => Err(
            "a secret does not belong into this file; put it into a file of its own and name that in `token_file` or `passphrase_file`"
                .to_owned(),
        ),
        None => Err(format!("there is no such key; {}", meant(key))),
    }
}

fn all() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().chain(LIKE_VARIABLES.iter().map(|(key, _)| *key))
}

/// The key that was probably meant: nearly the same letters, another word for it, or the name of its variable.
fn meant(key: &str) -> String {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    let by_spelling = all()
        .map(|known| (edit_distance(&plain, known), known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, key)| key);
    let by_word = match plain.as_str() {
        "repo" | "repo_url" | "repository_url" | "ssh_repo_url" | "repository" => Some("url"),
        "branch_name" => Some("branch"),
        "ssh_key_name" | "key_name" | "auth_ssh_key_friendly_name" => Some("key"),
        "folder" | "apps_folder" | "path" => Some("apps_dir"),
        "lock" | "is_lock_app_edit" => Some("locked"),
        "poll" | "interval" => Some("poll_interval"),
        _ => of_variable(&key.to_ascii_uppercase()),
    };
    match by_spelling.or(by_word) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("there are: {}", all().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::variables::VARIABLES;
    use super::*;

    /// Settings of the whole program, which no entry has.
    const OF_THE_INSTANCE: [&str; 32] = [
        "APPFERRY_DATA_DIR",
        "APPFERRY_CONFIG",
        "APPFERRY_INSTANCE",
        "APPFERRY_LISTEN",
        "APPFERRY_KNOWN_HOSTS",
        "APPFERRY_HOST_KEYS",
        "APPFERRY_CA_FILE",
        "APPFERRY_LOG_FORMAT",
        "APPFERRY_MASTER_KEY_FILE",
        "APPFERRY_MASTER_KEY",
        "APPFERRY_DATABASE_URL",
        "APPFERRY_DATABASE_URL_FILE",
        "APPFERRY_KEYS_DIR",
        "APPFERRY_VAULT_ADDR",
        "APPFERRY_VAULT_TOKEN",
        "APPFERRY_VAULT_TOKEN_FILE",
        "APPFERRY_VAULT_MOUNT",
        "APPFERRY_VAULT_PATH",
        "APPFERRY_VAULT_NAMESPACE",
        "APPFERRY_WEBHOOK_URL",
        "APPFERRY_WEBHOOK_SECRET",
        "APPFERRY_WEBHOOK_SECRET_FILE",
        "APPFERRY_EVENT_COMMAND",
        "APPFERRY_EVENT_TIMEOUT",
        "APPFERRY_EVENTS",
        "APPFERRY_HOOK_SECRET",
        "APPFERRY_HOOK_SECRET_FILE",
        "APPFERRY_UPLOAD_LIMIT",
        "APPFERRY_TUNNELS_ALLOWED",
        "APPFERRY_SHELL_RUNS_DAYS",
        "APPFERRY_SHELL_RUNS_KEPT",
        "APPFERRY_ALLOW_PATH_REMOTE",
    ];

    #[test]
    fn every_variable_is_of_the_instance_or_has_a_key() {
        for variable in VARIABLES.iter().filter(|variable| variable.name.starts_with("APPFERRY_")) {
            let named = OF_THE_INSTANCE.contains(&variable.name);
            assert!(named != of_variable(variable.name).is_some(), "give {} a row in LIKE_VARIABLES", variable.name);
        }
        for (key, variable) in LIKE_VARIABLES {
            assert!(VARIABLES.iter().any(|known| known.name == *variable), "{key}: there is no {variable}");
        }
    }

    #[test]
    fn a_misspelt_key_is_told_with_the_one_that_was_meant() {
        for (given, meant) in [
            ("auto-save", "auto_save"),
            ("barnch", "branch"),
            ("APPFERRY_POLL_INTERVAL", "poll_interval"),
            ("folder", "apps_dir"),
        ] {
            assert_eq!(known(given, false), Err(format!("there is no such key; did you mean `{meant}`?")), "{given}");
        }
        assert!(known("token", false).is_err_and(|problem| problem.contains("token_file")));
        assert!(known("url", true).is_err() && known("url", false).is_ok() && known("branch", true).is_ok());
    }

    #[test]
    fn every_key_is_documented() {
        let documented = include_str!("../../../docs/configuration.md");
        for key in all() {
            assert!(documented.contains(&format!("| `{key}`")), "docs/configuration.md does not list the key `{key}`");
        }
    }
}
