//! Apps in the layout that real exports have, and what a builder does to them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Writes an app with two screens, a data query, a connector, configuration and an icon.
pub fn write_app(apps: &Path, name: &str) -> PathBuf {
    let app = apps.join(name);
    let files: [(&str, &str); 14] = [
        ("__export_meta.json", EXPORT_META),
        ("meta.json", "{\n  \"template_name\": \"purchase\",\n  \"description\": \"Orders\"\n}\n"),
        ("configuration/page_config.json", "{\n  \"pages\": [\"Screen 1\", \"Screen 2\"]\n}\n"),
        ("configuration/menu_config.json", "{\n  \"menu\": []\n}\n"),
        ("configuration/custom_javascript/JSOBJECTS.js", "export default {};\n"),
        ("connectors/acct/apis/vendors/meta.json", "{\n  \"name\": \"vendors\"\n}\n"),
        ("connectors/acct/apis/vendors/schema.json", "{\n  \"fields\": []\n}\n"),
        ("data_query/POid/meta.json", "{\n  \"query\": \"select 1\"\n}\n"),
        ("data_query/POid/output_value.json", "{\n  \"rows\": []\n}\n"),
        ("screens/Screen 1/meta.json", "{\n  \"title\": \"Orders\",\n  \"color\": \"red\",\n  \"width\": 12\n}\n"),
        ("screens/Screen 1/controls/main_control/text1/meta.json", "{\n  \"label\": \"Name\"\n}\n"),
        ("screens/Screen 1/controls/main_control/text1/bind_data.js", "return 1;\n"),
        ("screens/Screen 2/meta.json", "{\n  \"title\": \"Details\"\n}\n"),
        ("icon/appIcon.png", "\u{89}PNG\r\n\u{1a}\n not a picture"),
    ];
    for (path, content) in files {
        write(&app.join(path), content);
    }
    app
}

const EXPORT_META: &str = "{\n  \"updated_time\": \"27-03-2025 06:23:08\",\n  \"onprem_version\": \"3.5.7-edge\",\n  \"engine\": \"1.0.0\"\n}\n";

/// Writes an app of the older kind: one file.
pub fn write_old_app(apps: &Path, name: &str) -> PathBuf {
    let path = apps.join(name).join(format!("{name}.json"));
    write(&path, "{\n  \"app\": \"old\"\n}\n");
    path
}

/// Writes a file as a builder does, in place, with the folders above it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
    fs::write(path, content).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
}

/// Sets one top-level key of a JSON file.
pub fn set(path: &Path, key: &str, value: impl Into<Value>) {
    write(path, changed(path, key, value.into()));
}

/// As [`set`], but the file changes all at once, as a careful builder does it. `aside` is on the same file system.
pub fn set_at_once(path: &Path, key: &str, value: impl Into<Value>, aside: &Path) {
    let staged = aside.join("staged");
    write(&staged, changed(path, key, value.into()));
    fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
    fs::rename(&staged, path).expect("move the file into place");
}

fn changed(path: &Path, key: &str, value: Value) -> String {
    let mut json: Value = fs::read(path)
        .ok()
        .map_or_else(|| Value::Object(serde_json::Map::new()), |bytes| serde_json::from_slice(&bytes).expect("JSON"));
    json.as_object_mut().expect("an object").insert(key.to_owned(), value);
    serde_json::to_string_pretty(&json).expect("JSON") + "\n"
}

/// The value of a top-level key, if the file is there and holds it.
pub fn value(path: &Path, key: &str) -> Option<Value> {
    let json: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    json.get(key).cloned()
}

/// The names of the apps that lie in the folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the apps folder").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".appferry");
    names.sort();
    names
}

/// All files below `folder`: path and content, sorted; without our own `.appferry` (what is staged, and the volume's id).
pub fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if folder == root && entry.file_name() == ".appferry" {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            found.push((name, fs::read(&path).unwrap_or_default()));
        }
    }
}
