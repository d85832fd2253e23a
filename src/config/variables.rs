//! Every environment variable there is: one table that the reader, the hints and the documentation share.

use std::fmt::Write as _;

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds when it is not set; empty when nothing does.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A variable as it was found; the value is as given, but never empty.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: Option<String>,
}

/// Declares, from one list: the documentation table, the flat struct that envy fills, and the settings by field.
macro_rules! variables {
    ($($name:ident as $field:ident, $default:literal, $meaning:literal;)*) => {
        /// All variables, in the order of the documentation.
        pub const VARIABLES: &[Variable] =
            &[$(Variable { name: stringify!($name), default: $default, meaning: $meaning }),*];

        /// What envy reads: every variable as text, nothing checked.
        #[derive(serde::Deserialize)]
        struct Flat { $($field: Option<String>,)* }

        /// Every variable under its field.
        pub(super) struct Settings { $(pub(super) $field: Setting,)* }

        impl From<Flat> for Settings {
            fn from(flat: Flat) -> Self {
                Self { $($field: Setting { name: stringify!($name), value: flat.$field },)* }
            }
        }
    };
}

variables! {
    GIT_SYNC_IS_GLOBAL as git_sync_is_global, "`false`", "Git Sync on or off (older name)";
    GIT_SYNC as git_sync, "`false`", "Git Sync on or off (newer name)";
    GIT_SYNC_SSH_REPO_URL as git_sync_ssh_repo_url, "", "the repository (older name); mandatory when on";
    GIT_SYNC_REPOSITORY_URL as git_sync_repository_url, "", "the repository (newer name); mandatory when on";
    GIT_SYNC_BRANCH_NAME as git_sync_branch_name, "", "the branch this instance follows; mandatory when on";
    GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME as git_sync_auth_ssh_key_friendly_name, "", "the name of the stored key that opens an SSH URL";
    GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE as git_sync_auth_ssh_key_passphrase, "", "the passphrase of that key, when the store does not remember it";
    GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE as git_sync_auth_ssh_key_passphrase_file, "", "a file with that passphrase";
    GIT_SYNC_PERSONAL_ACCESS_TOKEN as git_sync_personal_access_token, "", "the access token that opens an HTTPS URL";
    GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE as git_sync_personal_access_token_file, "", "a file with that token; read again at each attempt";
    GIT_SYNC_IS_AUTO_SAVE as git_sync_is_auto_save, "`false`", "every local change is committed and pushed by itself (older name)";
    GIT_SYNC_AUTO_SAVE as git_sync_auto_save, "`false`", "every local change is committed and pushed by itself (newer name)";
    GIT_SYNC_IS_LOCK_APP_EDIT as git_sync_is_lock_app_edit, "`false`", "apps that are in Git are read-only on this instance (older name)";
    GIT_SYNC_ALLOW_EDIT as git_sync_allow_edit, "`true`", "`false`: apps that are in Git are read-only on this instance (newer name)";
    GIT_SYNC_CREATE_REPO_ON_APP_ADD as git_sync_create_repo_on_app_add, "`false`", "a new app is added to Git by itself (older name)";
    GIT_SYNC_AUTO_ADD_NEW_RESOURCES as git_sync_auto_add_new_resources, "`false`", "a new app is added to Git by itself (newer name)";
    GIT_PROVIDER as git_provider, "from the host", "`GITHUB`, `GITLAB` or `BITBUCKET`: chooses the HTTPS user name and the hints";
    APPFERRY_DATA_DIR as appferry_data_dir, "`/var/lib/appferry` as root, else `~/.local/share/appferry`", "key store, local repository, caches and journal";
    APPFERRY_APPS_DIR as appferry_apps_dir, "", "the folder of the apps, shared with the builder; mandatory when Git Sync is on";
    APPFERRY_CONFIG as appferry_config, "", "a file with more repositories, `….toml` or `….yaml`; read again when it changes";
    APPFERRY_PREFIX as appferry_prefix, "`App`", "the folder of the apps in the repository; `.` for its root";
    APPFERRY_INSTANCE as appferry_instance, "the host's name at the first start", "the name of this instance in commits and conflict branches";
    APPFERRY_LISTEN as appferry_listen, "`127.0.0.1:7420`", "where the API listens; port `0` takes any free one";
    APPFERRY_KNOWN_HOSTS as appferry_known_hosts, "", "a `known_hosts` file to trust beside the built-in keys";
    APPFERRY_HOST_KEYS as appferry_host_keys, "`strict`", "`strict`: an unknown host is refused until its key is trusted; `accept-new`: its first key is trusted by itself";
    APPFERRY_CA_FILE as appferry_ca_file, "", "certificate authorities (PEM) that HTTPS remotes, webhooks and the Vault may have beside those of the system; read at the start";
    APPFERRY_LOG_FORMAT as appferry_log_format, "`human`", "`human` or `json`, one object a line";
    APPFERRY_MASTER_KEY_FILE as appferry_master_key_file, "made in the data folder", "files with a master key each, separated by `:`; the first encrypts, all decrypt";
    APPFERRY_MASTER_KEY as appferry_master_key, "", "a master key as hex or base64; a file is safer";
    APPFERRY_DATABASE_URL as appferry_database_url, "the store in the data folder", "a PostgreSQL database for the key store, `postgres://user:password@host:5432/database`; several instances may share it";
    APPFERRY_DATABASE_URL_FILE as appferry_database_url_file, "", "a file with that URL";
    APPFERRY_KEYS_DIR as appferry_keys_dir, "`/run/secrets` if it is there", "a folder with one private key a file, named as the key";
    APPFERRY_VAULT_ADDR as appferry_vault_addr, "", "a HashiCorp Vault or OpenBao with more keys, `https://…`";
    APPFERRY_VAULT_TOKEN as appferry_vault_token, "", "the token that reads them; a file is safer";
    APPFERRY_VAULT_TOKEN_FILE as appferry_vault_token_file, "", "a file with that token; read again at each use";
    APPFERRY_VAULT_MOUNT as appferry_vault_mount, "`secret`", "where its KV engine of version 2 is mounted";
    APPFERRY_VAULT_PATH as appferry_vault_path, "`appferry/keys`", "the folder in that engine; below it, a secret a key";
    APPFERRY_VAULT_NAMESPACE as appferry_vault_namespace, "", "the namespace, where there are several";
    APPFERRY_POLL_INTERVAL as appferry_poll_interval, "`10s`", "how often the branch is asked for (`100ms` to `1day`)";
    APPFERRY_DEBOUNCE as appferry_debounce, "`1s`", "how long a file must have been quiet before it is committed (`10ms` to `10m`)";
    APPFERRY_FILE_MODE as appferry_file_mode, "`0644`", "the mode of new files, octal";
    APPFERRY_DIR_MODE as appferry_dir_mode, "`0755`", "the mode of new folders, octal";
    APPFERRY_AUTHOR_NAME as appferry_author_name, "`appferry`", "the author of commits";
    APPFERRY_AUTHOR_EMAIL as appferry_author_email, "`appferry@` and the instance's name", "the author's address";
    APPFERRY_VOLATILE_KEYS as appferry_volatile_keys, "`updated_time`", "top-level JSON keys that count as no change, separated by `,`";
    APPFERRY_IDENTITY_FIELDS as appferry_identity_fields, "`id,_id,uid,uuid,key,field_id,fieldId,control_id,unique_id,name,path`", "fields that may name the elements of a JSON array, separated by `,`; the first that every element has, each with a value of its own, is taken in a merge";
    APPFERRY_SKIP_VOLATILE_SAVES as appferry_skip_volatile_saves, "`true`", "a save that changes only those waits for the next real change; `false`: it is pushed";
    APPFERRY_MAX_FILE_SIZE as appferry_max_file_size, "`25MB`", "a new file above this holds its app (`1kB` to `256MiB`; `MB` is 1,000,000 bytes, `MiB` and `M` are 1,048,576)";
    APPFERRY_IGNORE as appferry_ignore, "", "more files in apps that are not synced unless Git has them: patterns as in `.gitignore`, separated by `,`";
    APPFERRY_ALLOW_SECRETS as appferry_allow_secrets, "", "files that may hold secrets: such patterns for `app/path`, as in `PO App/configuration/*.json`";
    APPFERRY_KEPT_DAYS as appferry_kept_days, "`90`", "days after which content that was kept aside expires";
    APPFERRY_WEBHOOK_URL as appferry_webhook_url, "", "where events are posted to: one address or several, separated by spaces or `,`";
    APPFERRY_WEBHOOK_SECRET as appferry_webhook_secret, "", "signs them (HMAC-SHA256), so that the receiver can tell them from forged ones";
    APPFERRY_WEBHOOK_SECRET_FILE as appferry_webhook_secret_file, "", "a file with that secret";
    APPFERRY_EVENT_COMMAND as appferry_event_command, "", "a program, and its arguments, that is run for each event, with the event as JSON on standard input";
    APPFERRY_EVENT_TIMEOUT as appferry_event_timeout, "`30s`", "after so long it is killed, with all that it started (`100ms` to `1h`)";
    APPFERRY_EVENTS as appferry_events, "all", "the kinds of events that webhooks and the program get, separated by `,`";
    APPFERRY_HOOK_SECRET as appferry_hook_secret, "", "the secret of webhooks that a Git host sends to `/hooks/…`; without it they are refused";
    APPFERRY_HOOK_SECRET_FILE as appferry_hook_secret_file, "", "a file with that secret";
    APPFERRY_ON_PROTECTED as appferry_on_protected, "`hold`", "when the server refuses to move the branch: `hold` the apps, or put them on a `branch` of their own, `appferry/<instance>`, to be merged";
    APPFERRY_UPLOAD_LIMIT as appferry_upload_limit, "`256`", "the largest app that the API takes as a whole, in MiB (`1` to `4096`)";
    APPFERRY_AUTO_PULL as appferry_auto_pull, "`always`", "`always`: what arrives from Git is installed by itself; `locked`: only on a locked instance; `never`: it waits for `appferry sync update`";
    APPFERRY_TUNNELS_ALLOWED as appferry_tunnels_allowed, "every target", "where tunnels may lead to: `host:port` or the path of a socket, with `*` for any text, separated by `,`";
    APPFERRY_SHELL_RUNS_DAYS as appferry_shell_runs_days, "`30`", "days after which past runs of shell commands are forgotten";
    APPFERRY_SHELL_RUNS_KEPT as appferry_shell_runs_kept, "`10000`", "so many of the newest past runs are kept at most (`1` to `1000000`)";
    APPFERRY_ALLOW_PATH_REMOTE as appferry_allow_path_remote, "`false`", "lets the repository be a path on this machine (tests, demonstrations)";
}

impl Settings {
    /// Reads the known variables out of `pairs`. A variable without content is one that is not set.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, envy::Error> {
        let known = pairs.iter().filter(|(name, value)| is_known(name) && !value.trim().is_empty()).cloned();
        envy::from_iter::<_, Flat>(known).map(Self::from)
    }
}

/// Whether `name` is exactly one of ours.
pub(super) fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
}

/// The variables that carry this program's own prefix, as a Markdown table: the one in `docs/configuration.md`.
#[must_use]
pub fn own_variables_table() -> String {
    let mut table = String::from("| variable | meaning | default |\n|---|---|---|\n");
    for Variable { name, default, meaning } in
        VARIABLES.iter().filter(|variable| variable.name.starts_with("APPFERRY_"))
    {
        let default = if default.is_empty() { "–" } else { default };
        let _infallible = writeln!(table, "| `{name}` | {meaning} | {default} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_holds_the_table_as_the_program_knows_it() {
        let documented = include_str!("../../docs/configuration.md");
        let table = own_variables_table();
        assert!(documented.contains(&table), "put this table into docs/configuration.md:\n{table}");
        for Variable { name, .. } in VARIABLES {
            assert!(documented.contains(&format!("`{name}")), "{name} is not in docs/configuration.md");
        }
    }
}
