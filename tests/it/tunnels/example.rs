//! `examples/tunnels` is what it says: the stack's tunnel works with a server set up as its bastion is, and the file can be read.

use std::path::{Path, PathBuf};

use appferry::config::{Config, DiskFiles, Environment};

use super::program::{Stage, works};
use crate::support::sshd::{Setup, current_user};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tunnels").join(name)
}

#[test]
fn the_tunnel_of_the_stack_works_through_a_bastion_set_up_as_there() {
    let stack = std::fs::read_to_string(example("compose.yaml")).unwrap();
    for event in granit_parser::Parser::new_from_str(&stack) {
        event.expect("it is YAML");
    }
    let value = |key: &str| {
        let line = stack.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("the stack has no {key}")).trim_matches('"').to_owned()
    };
    let (tunnel, allowed) = (value("APPFERRY_TUNNEL_db"), value("APPFERRY_TUNNELS_ALLOWED"));
    // The bastion's settings as they are; only places and the account are those of this machine.
    let own = ["AuthorizedKeysFile", "AllowUsers"];
    let settings = stack.lines().filter_map(|line| line.trim().strip_prefix("-o "));
    let settings: Vec<String> =
        settings.filter(|line| !own.iter().any(|own| line.starts_with(own))).map(into_line).collect();
    assert!(settings.iter().any(|line| line == "PermitOpen db:5432"), "{settings:?}");
    let target = Stage::echo();
    let here = |text: &str| text.replace("db:5432", &target.to_string());
    let setup = Setup { extra_config: settings.iter().map(|line| here(line)).collect(), ..Setup::default() };
    let Some(mut stage) = Stage::with("tunnel-example", setup, target) else { return };
    let bastion = stage.bastion();
    let place = "127.0.0.1:15432";
    assert!(tunnel.contains(place) && tunnel.contains("dronahq@bastion:22") && tunnel.contains("key=TunnelKey"));
    let tunnel = here(&tunnel).replace(place, "127.0.0.1:0").replace("dronahq@bastion:22", &bastion);
    stage.instance.set("APPFERRY_TUNNEL_db", tunnel.replace("TunnelKey", "Deploy"));
    stage.instance.set("APPFERRY_TUNNELS_ALLOWED", here(&allowed)).start();
    assert!(works(stage.place("db")), "as {}: {}", current_user(), stage.instance.log());
    stage.instance.stop();
}

/// `PermitTTY=no` as a line of `sshd_config`.
fn into_line(option: &str) -> String {
    option.replacen('=', " ", 1)
}

#[test]
fn the_file_of_the_example_holds_two_tunnels() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of([
        ("APPFERRY_DATA_DIR", folder.path().display().to_string()),
        ("APPFERRY_CONFIG", example("appferry.toml").display().to_string()),
        ("APPFERRY_TUNNELS_ALLOWED", "*.internal:*".to_owned()),
    ]);
    let config = Config::from_environment(&environment, &DiskFiles).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<&str> = config.tunnels.iter().map(|one| one.tunnel.name.as_str()).collect();
    assert_eq!((names, config.tunnels[1].tunnel.jumps.len()), (vec!["db", "cache"], 1));
}
