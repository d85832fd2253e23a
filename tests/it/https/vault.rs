//! A Vault whose certificate a private authority issued.

use serde_json::json;

use super::authority::Authority;
use super::front;
use crate::key_sources::vault_server::{TOKEN, router};
use crate::support::instance::Instance;

#[test]
fn a_vault_of_ones_own_authority_is_trusted_when_that_is_named() {
    let Some(authority) = Authority::new() else { return };
    let (vault, inside) = router();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(front::tls(vault, &authority.for_this_host()));
    let mut instance = Instance::new("vaulted");
    let private = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(instance.aside().join("key"))
        .status();
    assert!(private.expect("ssh-keygen runs").success());
    let private = std::fs::read_to_string(instance.aside().join("key")).expect("the key");
    let fields = json!({ "private_key": private });
    inside.lock().expect("not poisoned").secrets.insert("appferry/keys/InVault".to_owned(), (1, Some(fields)));
    instance
        .set("APPFERRY_VAULT_ADDR", format!("https://localhost:{}", server.address.port()))
        .set("APPFERRY_VAULT_TOKEN", TOKEN);
    let refused = instance.cli(&["keys", "public", "InVault"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("certificate") && said.contains("APPFERRY_CA_FILE"), "{said}");
    assert!(!said.contains(TOKEN));
    instance.set("APPFERRY_CA_FILE", authority.file().display().to_string());
    assert!(instance.cli_text(&["keys", "public", "InVault"]).starts_with("ssh-ed25519 "));
    instance.set("APPFERRY_CA_FILE", "/nowhere/ca.pem");
    let missing = instance.cli(&["keys", "public", "InVault"]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("/nowhere/ca.pem") && said.matches("APPFERRY_CA_FILE").count() == 1, "{said}");
}
