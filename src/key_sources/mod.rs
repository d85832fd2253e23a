//! Keys that lie elsewhere and are only read: a folder of secrets, and the key-value engine of a Vault or `OpenBao`.

mod folder;
mod private;
mod vault;

use std::sync::Arc;

use crate::config::KeySourcesConfig;
use crate::domain::Failure;
use crate::ports::KeySource;

pub use folder::SecretsFolder;
pub use vault::{VaultSource, VaultTimes};

/// The sources that are configured. A name is looked for in the folder first, then in the store, then in the Vault.
#[derive(Clone, Default)]
pub struct KeySources {
    /// Asked before the store.
    pub folder: Option<Arc<dyn KeySource>>,
    /// Asked after the store.
    pub vault: Option<Arc<dyn KeySource>>,
}

/// Makes the sources that `config` names. Nothing is read or asked yet.
///
/// # Errors
/// [`FailureClass::Key`](crate::domain::FailureClass::Key): the settings of the Vault cannot be used.
pub fn open(config: &KeySourcesConfig) -> Result<KeySources, Failure> {
    let folder = config.folder.as_ref().map(|dir| Arc::new(SecretsFolder::new(dir.clone())) as Arc<dyn KeySource>);
    let vault = match &config.vault {
        Some(settings) => Some(Arc::new(VaultSource::new(settings, VaultTimes::default())?) as Arc<dyn KeySource>),
        None => None,
    };
    Ok(KeySources { folder, vault })
}
