//! The table of `docs/architecture.md` is true: what each module uses, by its own source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that only one adapter may know.
const ADAPTER_CRATES: [(&str, &[&str]); 4] =
    [("sqlx", &["store"]), ("git2", &["git"]), ("russh", &["ssh", "demo"]), ("notify", &["watch"])];

#[test]
fn modules_use_only_what_the_table_of_the_architecture_allows() {
    let table = table();
    let mut broken = Vec::new();
    for (module, file, code) in sources() {
        let Some(allowed) = table.get(&module) else {
            broken.push(format!("{module} is not in the table of docs/architecture.md"));
            continue;
        };
        for used in uses(&code, depth(&file)) {
            if used != module && !allowed.contains("everything") && !allowed.contains(&used) {
                broken.push(format!("{} uses {used}, which {module} may not", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_names_no_module_that_is_not_there() {
    let there: BTreeSet<String> = sources().into_iter().map(|(module, _, _)| module).collect();
    let gone: Vec<String> = table().into_keys().filter(|module| !there.contains(module)).collect();
    assert!(gone.is_empty(), "docs/architecture.md names {gone:?}");
}

#[test]
fn the_map_in_the_library_names_every_module() {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for (module, _, _) in sources() {
        assert!(map.contains(&format!("[`{module}`]")), "src/lib.rs does not show {module}");
    }
}

#[test]
fn only_one_adapter_knows_each_foreign_library() {
    let mut broken = Vec::new();
    for (module, file, code) in sources() {
        for (library, homes) in ADAPTER_CRATES {
            if names_crate(&code, library) && !homes.contains(&module.as_str()) {
                broken.push(format!("{} names {library}; only {homes:?} may", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_product_never_runs_git_or_ssh() {
    // The demo's server is a Git host, and a Git host runs `git upload-pack`; it says so when `git` is missing. The exec hook
    // runs the program that its user names.
    for (module, file, code) in sources() {
        if module != "demo" && file != Path::new("events/command.rs") {
            assert!(!code.contains("process::Command"), "{} starts a program", file.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rows such as ``| `store`, `git` | `domain`, `ports` | … |``: each module, and what it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| module | may use |")).skip(2);
    let mut table = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        for module in quoted(cells[0]) {
            table.insert(module, quoted(cells[1]));
        }
    }
    assert!(!table.is_empty(), "docs/architecture.md has no table of modules");
    table
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Top-level module, file, and its code without comments and tests. `lib.rs` and `main.rs` only wire.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let in_crate = |path: PathBuf| path.strip_prefix(root().join("src")).map(Path::to_owned).expect("below src");
    files
        .into_iter()
        .map(in_crate)
        .filter(|file| file.file_stem().is_some_and(|stem| stem != "lib" && stem != "main" && stem != "tests"))
        .map(|file| {
            let first = file.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
            let code = fs::read_to_string(root().join("src").join(&file)).expect("a source file");
            (first, file, product_code(&code))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn product_code(source: &str) -> String {
    let before_tests = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// How many `super::` lead from the file's module to the root of the crate.
fn depth(file: &Path) -> usize {
    let parts = file.iter().count();
    if file.file_stem().is_some_and(|stem| stem == "mod") { parts - 1 } else { parts }
}

/// The top-level modules that the code names, through `crate::…` or enough `super::`.
fn uses(code: &str, depth: usize) -> BTreeSet<String> {
    let to_root = "super::".repeat(depth);
    [String::from("crate::"), to_root]
        .iter()
        .flat_map(|path| code.match_indices(path.as_str()).map(move |(at, _)| (at, at + path.len())))
        .filter(|(start, _)| !code[..*start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
        .flat_map(|(_, end)| first_names(&code[end..]))
        .collect()
}

/// The first name of each path: of `a::b` it is `a`, of `{a::b, c::{d, e}}` they are `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut level, mut names, mut start) = (0_usize, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' | ',' if level == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => level -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn names_crate(code: &str, library: &str) -> bool {
    let path = format!("{library}::");
    code.match_indices(&path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn the_reader_of_use_lines_reads_them_right() {
    let code =
        "use crate::{domain::{A, B}, ports};\nuse super::super::keys::X;\nlet x = crate::git::y();\nmycrate::no();";
    let found: Vec<String> = uses(code, 2).into_iter().collect();
    assert_eq!(found, ["domain", "git", "keys", "ports"]);
    assert_eq!(depth(Path::new("git/remote/mod.rs")), 2);
    assert_eq!(depth(Path::new("git/local.rs")), 2);
    assert!(names_crate("use sqlx::Row;", "sqlx") && !names_crate("use my_sqlx::Row;", "sqlx"));
}
