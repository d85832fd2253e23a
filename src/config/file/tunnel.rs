//! `[[tunnel]]`: from a table of the file to a tunnel.

use super::super::reader::Findings;
use super::super::tunnels::{self, TunnelConfig};
use super::ConfigFile;
use super::node::{Entry, Node, Value};
use crate::domain::tunnel::{Given, Source};

/// Reads the tunnels of the file; what is wrong with them is noted.
pub(super) fn read(file: &ConfigFile, list: Vec<Node>, findings: &mut Findings) -> Vec<TunnelConfig> {
    let mut found = file.tunnels.clone(); // those of the environment: no two may clash
    let of_environment = found.len();
    let mut lines = Vec::new();
    for (number, node) in (1..).zip(list) {
        let Value::Table(table) = node.value else {
            findings.error(file.at(node.line, &[]), format!("a tunnel is a table, and this is {}", node.value.kind()));
            continue;
        };
        if let Some(tunnel) = one(file, (number, node.line), table, findings) {
            lines.push((tunnel.given.name.clone(), node.line));
            found.push(tunnel);
        }
    }
    let place = |tunnel: &crate::domain::tunnel::Tunnel| {
        let line = lines.iter().rev().find(|(name, _)| name == tunnel.name.as_str()).map_or(1, |(_, line)| *line);
        file.at(line, &[&format!("tunnel \"{}\"", tunnel.name)])
    };
    tunnels::clashes(&found, place, findings);
    found.split_off(of_environment)
}

fn one(
    file: &ConfigFile,
    (number, line): (usize, usize),
    table: Vec<Entry>,
    findings: &mut Findings,
) -> Option<TunnelConfig> {
    let called = table.iter().find_map(|entry| match (&*entry.key, &entry.node.value) {
        ("name", Value::Text(name)) => Some(format!("tunnel {name:?}")),
        _ => None,
    });
    let called = called.unwrap_or_else(|| format!("tunnel {number}"));
    let mut given = Given::default();
    let before = findings.errors.len();
    for Entry { key, line, node } in table {
        let set = texts(node).and_then(|texts| tunnels::set(&mut given, &key, &texts));
        if let Err(problem) = set {
            findings.error(file.at(line, &[&called, &key]), problem);
        }
    }
    let say = |field: &str, problem| (file.at(line, &[&called, field]), problem);
    let tunnel = tunnels::checked(given, Source::File, &file.allowed, say, findings);
    tunnel.filter(|_| findings.errors.len() == before)
}

fn texts(node: Node) -> Result<Vec<String>, String> {
    match node.value {
        Value::Text(text) => Ok(vec![text]),
        Value::List(items) => items.into_iter().map(|item| texts(item).map(|texts| texts.concat())).collect(),
        other => Err(format!("it is {}; give it a value, or leave it out", other.kind())),
    }
}
