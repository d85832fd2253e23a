//! The store's contract, on both databases; and what only one of them can do wrong.

mod contract;
mod postgres;
mod runs;
mod shell;
mod upgrade;

use appferry::domain::KeyName;
use appferry::ports::{Changed, KeyRecords as _, KeyUse, NewKey, SealedMaterial};
use appferry::store::Store;

fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

/// A key pair of nonsense: the store looks into nothing that is sealed.
fn material(id: &str, master: &str) -> SealedMaterial {
    SealedMaterial {
        id: id.into(),
        kind: "ed25519".into(),
        bits: 256,
        fingerprint: format!("SHA256:{id}"),
        public_key: format!("ssh-ed25519 {id}"),
        encrypted: false,
        envelope: 1,
        master_key_id: master.into(),
        wrapped_data_key: format!("wrapped {id}").into_bytes(),
        sealed_private: vec![0, 255, 1],
        sealed_passphrase: None,
    }
}

async fn add(store: &Store, key: &str) -> Changed {
    let new = NewKey {
        id: format!("id of {key}"),
        name: name(key),
        created_ms: 1_000,
        material: material(&format!("pair of {key}"), "m1"),
        origin: "generated",
    };
    store.add(new).await.unwrap()
}

fn used(fingerprint: &str, outcome: &str) -> KeyUse {
    KeyUse {
        purpose: "git git@host:22".into(),
        fingerprint: fingerprint.into(),
        host_key: Some("SHA256:host".into()),
        outcome: outcome.into(),
        algorithms: Some("kex x".into()),
    }
}
