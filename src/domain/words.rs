//! The words of the commits, as teams read them in their Git host.

use std::collections::{BTreeMap, BTreeSet};

use super::AppName;

/// More lines than these are not written into the body of a commit.
const MAX_LINES: usize = 200;

/// The longest name, in bytes, that a subject or a line shows whole.
const MAX_NAME_LEN: usize = 120;

/// The copy of an app as it was last published.
pub const RELEASE: &str = "last_release";

/// What happened to one file or one thing of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathChangeKind {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// Its content changed.
    Modified,
}

/// One changed file of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Its path inside the app's folder, with `/`.
    pub path: String,
    /// What happened to it.
    pub kind: PathChangeKind,
}

/// The two states that a change lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The state before the change.
    Before,
    /// The state after it.
    After,
}

/// The message for an app that came: `'App_7' App added to git`.
#[must_use]
pub fn app_added(app: &AppName) -> String {
    format!("'{}' App added to git", harmless(app.as_str()))
}

/// The message for an app that went: `'App_7' App removed from git`.
#[must_use]
pub fn app_removed(app: &AppName) -> String {
    format!("'{}' App removed from git", harmless(app.as_str()))
}

/// The message for an app with a new name: `App renamed 'App_7' to 'Git_Sync'`.
#[must_use]
pub fn app_renamed(from: &AppName, to: &AppName) -> String {
    format!("App renamed '{}' to '{}'", harmless(from.as_str()), harmless(to.as_str()))
}

/// The message for a changed app: `Git_Sync:: Minor app update`, or `PO App:: App published` when `last_release/` changed,
/// and in the body a line for each thing that changed. A merge of what two sides changed is worded alike. Where `last_release/`
/// went, nothing was published: that is a change like any other.
///
/// `folder_exists` tells whether a folder of the app is there on a side, so that a control that got a second file is
/// *modified* and not *added*.
#[must_use]
pub fn app_changed(app: &AppName, changes: &[PathChange], folder_exists: impl Fn(Side, &str) -> bool) -> String {
    let (released, edited): (Vec<_>, Vec<_>) = changes.iter().partition(|change| is_in(&change.path, RELEASE));
    let is_published = !released.is_empty() && folder_exists(Side::After, RELEASE);
    let what = if is_published { "App published" } else { "Minor app update" };
    let subject = format!("{}:: {what}", harmless(app.as_str()));
    let mut lines = lines(&edited, folder_exists);
    if !released.is_empty() && !is_published {
        lines.push(Thing::Other(RELEASE).line(PathChangeKind::Removed));
    }
    with_body(subject, lines)
}

/// One message for many apps that changed in one pass, from the first line of the message that each would have had.
#[must_use]
pub fn bulk(messages: &[String]) -> String {
    let lines = messages.iter().filter_map(|message| message.lines().next()).map(str::to_owned).collect();
    with_body_of(format!("{} apps updated", messages.len()), lines, usize::MAX)
}

/// `message` with the trailer that names the instance that made the commit. It joins the trailers that a person's
/// message ends with (git-interpret-trailers(1)), and is a paragraph of its own otherwise.
#[must_use]
pub fn with_trailer(message: &str, instance: &str) -> String {
    let message: String = message.trim().chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    let break_before = if ends_with_trailers(&message) { "\n" } else { "\n\n" };
    format!("{message}{break_before}Appferry-Instance: {}\n", harmless(instance))
}

fn ends_with_trailers(message: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_trailer = |line: &str| line.split_once(": ").is_some_and(|(token, _)| is_token(token));
    message.rsplit_once("\n\n").is_some_and(|(_, last)| last.lines().all(is_trailer))
}

/// Whether `path` is something inside `folder`.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What a changed file belongs to; the order is that of the lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing<'a> {
    Control { screen: &'a str, name: &'a str },
    Screen(&'a str),
    Query(&'a str),
    Connector { account: &'a str, api: Option<&'a str> },
    Configuration,
    Other(&'a str),
}

fn lines(changes: &[&PathChange], folder_exists: impl Fn(Side, &str) -> bool) -> Vec<String> {
    let mut things: BTreeMap<Thing<'_>, Fates> = BTreeMap::new();
    let fate = |folder: &str| match (folder_exists(Side::Before, folder), folder_exists(Side::After, folder)) {
        (false, true) => PathChangeKind::Added,
        (true, false) => PathChangeKind::Removed,
        _ => PathChangeKind::Modified,
    };
    for change in changes {
        for (thing, folder) in things_of(&change.path) {
            let kind = match (&thing, &folder) {
                (Thing::Configuration, None) => PathChangeKind::Modified, // a part of it came or went
                (_, folder) => folder.as_deref().map_or(change.kind, fate),
            };
            things.entry(thing).or_default().insert((folder.unwrap_or_default(), kind));
        }
    }
    let told = |thing: &Thing<'_>| match thing {
        Thing::Control { screen, .. } => things.get(&Thing::Screen(screen)).is_none_or(|fates| !came_or_went(fates)),
        Thing::Screen(screen) => {
            let of_this = |thing: &Thing<'_>| matches!(thing, Thing::Control { screen: of, .. } if of == screen);
            things.get(thing).is_some_and(came_or_went) || !things.keys().any(of_this)
        }
        _ => true,
    };
    let line = |(thing, fates): (&Thing<'_>, &Fates)| Some(thing.line(common_kind(fates)?));
    things.iter().filter(|(thing, _)| told(thing)).filter_map(line).collect()
}

/// What happened to the folders of one thing.
type Fates = BTreeSet<(String, PathChangeKind)>;

/// A screen that came or went as a whole is told without its controls; one that only changed is told by its controls.
fn came_or_went(fates: &Fates) -> bool {
    common_kind(fates).is_some_and(|kind| kind != PathChangeKind::Modified)
}

/// What happened to a thing of which several folders changed: a control moved to another container is modified.
fn common_kind(fates: &Fates) -> Option<PathChangeKind> {
    let kinds: BTreeSet<_> = fates.iter().map(|(_, kind)| *kind).collect();
    if kinds.len() > 1 { Some(PathChangeKind::Modified) } else { kinds.first().copied() }
}

/// The things that the file at `path` belongs to, with the folder whose being there decides what happened to each.
/// The layout is that of the builder's exports; what is not known is told by its path.
fn things_of(path: &str) -> Vec<(Thing<'_>, Option<String>)> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["screens", screen, rest @ ..] if !rest.is_empty() => screen_things(screen, rest),
        ["data_query", name, _, ..] => vec![(Thing::Query(name), Some(format!("data_query/{name}")))],
        ["connectors", account, "apis", api, _, ..] => {
            let folder = format!("connectors/{account}/apis/{api}");
            vec![(Thing::Connector { account, api: Some(api) }, Some(folder))]
        }
        ["connectors", account, _, ..] => {
            vec![(Thing::Connector { account, api: None }, Some(format!("connectors/{account}")))]
        }
        ["configuration", _, ..] => vec![(Thing::Configuration, Some("configuration".to_owned()))],
        ["icon", ..] | ["meta.json"] => vec![(Thing::Configuration, None)],
        // It changes with every save and says nothing.
        ["__export_meta.json"] => Vec::new(),
        _ => vec![(Thing::Other(path), None)],
    }
}

fn screen_things<'a>(screen: &'a str, rest: &[&'a str]) -> Vec<(Thing<'a>, Option<String>)> {
    let screen_folder = format!("screens/{screen}");
    let mut things = Vec::new();
    if let Some(depth) = control_depth(rest)
        && let Some(name) = rest.get(depth)
    {
        let folder = format!("{screen_folder}/{}", rest.get(..=depth).unwrap_or_default().join("/"));
        things.push((Thing::Control { screen, name }, Some(folder)));
    }
    things.push((Thing::Screen(screen), Some(screen_folder)));
    things
}

/// The position of the innermost control's name in `controls/<container>/<name>/[controls/<container>/<name>/…]file`.
fn control_depth(rest: &[&str]) -> Option<usize> {
    let mut depth = None;
    let mut at = 0;
    // A name counts only when something follows it: the last part is the file.
    while rest.get(at) == Some(&"controls") && at + 3 < rest.len() {
        depth = Some(at + 2);
        at += 3;
    }
    depth
}

impl Thing<'_> {
    fn line(&self, kind: PathChangeKind) -> String {
        let verb = match kind {
            PathChangeKind::Added => "added",
            PathChangeKind::Removed => "removed",
            PathChangeKind::Modified => "modified",
        };
        match self {
            Self::Control { screen, name } => {
                format!("'{}' control {verb} in '{}' screen.", harmless(name), harmless(screen))
            }
            Self::Screen(screen) => format!("'{}' screen {verb}.", harmless(screen)),
            Self::Query(name) => format!("Data query '{}' {verb}", harmless(name)),
            Self::Connector { account, api: Some(api) } => {
                format!("Connector '{}' > '{}' {verb}", harmless(account), harmless(api))
            }
            Self::Connector { account, api: None } => format!("Connector '{}' {verb}", harmless(account)),
            Self::Configuration => format!("App configuration {verb}."),
            Self::Other(path) => format!("'{}' {verb}", harmless(path)),
        }
    }
}

fn with_body(subject: String, lines: Vec<String>) -> String {
    with_body_of(subject, lines, MAX_LINES)
}

fn with_body_of(subject: String, mut lines: Vec<String>, most: usize) -> String {
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    if lines.is_empty() { subject } else { format!("{subject}\n\n{}", lines.join("\n")) }
}

/// `name` without what could break a line, hide text or forge a trailer, and not too long.
fn harmless(name: &str) -> String {
    let mut shown: String = name.chars().map(|c| if breaks_lines(c) { '\u{fffd}' } else { c }).collect();
    if shown.len() > MAX_NAME_LEN {
        shown.truncate(shown.floor_char_boundary(MAX_NAME_LEN));
        shown.push('…');
    }
    shown
}

/// Control characters, line and paragraph separators, and the overrides of the writing direction.
fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::PathChangeKind::{Added, Modified, Removed};
    use super::*;

    fn app(name: &str) -> AppName {
        AppName::new(name).unwrap()
    }

    /// The message for changes, where a folder is there on a side if one of the files given for that side is inside.
    fn message(name: &str, changes: &[(&str, PathChangeKind)], unchanged: &[&str]) -> String {
        let on = |side: Side| {
            let there = move |kind| if side == Side::Before { kind != Added } else { kind != Removed };
            changes.iter().filter(move |(_, kind)| there(*kind)).map(|(path, _)| *path).chain(unchanged.iter().copied())
        };
        let list: Vec<_> =
            changes.iter().map(|(path, kind)| PathChange { path: (*path).into(), kind: *kind }).collect();
        app_changed(&app(name), &list, |side, folder| on(side).any(|path| is_in(path, folder)))
    }

    #[test]
    fn apps_that_come_go_and_change_their_name_are_told_in_the_words_teams_know() {
        assert_eq!(app_added(&app("App_7")), "'App_7' App added to git");
        assert_eq!(app_removed(&app("App_7")), "'App_7' App removed from git");
        assert_eq!(app_renamed(&app("App_7"), &app("Git_Sync")), "App renamed 'App_7' to 'Git_Sync'");
    }

    #[test]
    fn a_change_is_told_thing_by_thing() {
        let changes = [
            ("screens/Screen 1/controls/main_control/text1/meta.json", Added),
            ("screens/Screen 1/controls/main_control/text1/bind_data.js", Added),
            ("screens/Screen 1/controls/main_control/querybuilder/events/meta.json", Added),
            ("screens/Screen 1/controls/main_control/panel/controls/inner/old/meta.json", Removed),
            ("screens/Screen 1/field_options.json", Modified),
            ("screens/Screen 2/config.json", Modified),
            ("screens/Tray 4/meta.json", Added),
            ("screens/Tray 4/controls/main_control/label/meta.json", Added),
            ("data_query/POid/meta.json", Added),
            ("data_query/POid/output_value.json", Added),
            ("connectors/acct/apis/getVendors/schema.json", Added),
            ("configuration/page_config.json", Modified),
            ("__export_meta.json", Modified),
        ];
        let unchanged = [
            "screens/Screen 1/meta.json",
            "screens/Screen 1/controls/main_control/querybuilder/meta.json",
            "screens/Screen 1/controls/main_control/panel/meta.json",
        ];
        insta::assert_snapshot!(message("Git_Sync", &changes, &unchanged), @"
        Git_Sync:: Minor app update

        'old' control removed in 'Screen 1' screen.
        'querybuilder' control modified in 'Screen 1' screen.
        'text1' control added in 'Screen 1' screen.
        'Screen 2' screen modified.
        'Tray 4' screen added.
        Data query 'POid' added
        Connector 'acct' > 'getVendors' added
        App configuration modified.
        ");
    }

    #[test]
    fn every_kind_of_thing_is_added_modified_and_removed() {
        let things = [
            ("screens/S/controls/main/c/meta.json", "'c' control", " in 'S' screen.", "screens/S/meta.json"),
            ("screens/T/meta.json", "'T' screen", ".", "meta.json"),
            ("data_query/q/meta.json", "Data query 'q'", "", "meta.json"),
            ("connectors/a/apis/b/meta.json", "Connector 'a' > 'b'", "", "connectors/a/apis/c/meta.json"),
            ("connectors/a/meta.json", "Connector 'a'", "", "meta.json"),
            ("configuration/page_config.json", "App configuration", ".", "meta.json"),
            ("notes.txt", "'notes.txt'", "", "meta.json"),
        ];
        for (path, thing, rest, unchanged) in things {
            for (kind, verb) in [(Added, "added"), (Modified, "modified"), (Removed, "removed")] {
                let told = message("A", &[(path, kind)], &[unchanged]);
                assert_eq!(told, format!("A:: Minor app update\n\n{thing} {verb}{rest}"));
            }
        }
        for (path, kind) in [("icon/appIcon.png", Added), ("meta.json", Removed), ("configuration/menu.json", Removed)]
        {
            let told = message("A", &[(path, kind)], &["configuration/page_config.json"]);
            assert_eq!(told, "A:: Minor app update\n\nApp configuration modified.");
        }
    }

    #[test]
    fn a_publish_has_its_own_subject_and_the_same_body() {
        let release = ("last_release/screens/Screen 1/meta.json", Modified);
        assert_eq!(message("PO App", &[release], &[]), "PO App:: App published");
        assert_eq!(
            message("PO App", &[release, ("data_query/q/meta.json", Modified)], &[]),
            "PO App:: App published\n\nData query 'q' modified"
        );
    }

    #[test]
    fn a_release_that_is_taken_away_is_no_publish() {
        let release = ("last_release/release_meta.json", Removed);
        assert_eq!(message("PO App", &[release], &[]), "PO App:: Minor app update\n\n'last_release' removed");
        assert_eq!(
            message("PO App", &[release, ("data_query/q/meta.json", Modified)], &[]),
            "PO App:: Minor app update\n\nData query 'q' modified\n'last_release' removed"
        );
        assert_eq!(message("PO App", &[release], &["last_release/meta.json"]), "PO App:: App published");
    }

    #[test]
    fn names_cannot_forge_lines_or_trailers_and_a_long_body_is_cut() {
        let name = "x\n\nSigned-off-by: you\u{202e}";
        let path = format!("data_query/{name}/meta.json");
        let told = message("A", &[(&path, Added)], &[]);
        assert_eq!(told.lines().count(), 3, "{told}");
        let paths: Vec<_> = (0..250).map(|n| format!("data_query/q{n:03}/meta.json")).collect();
        let many: Vec<_> = paths.iter().map(|path| (path.as_str(), Modified)).collect();
        let told = message("A", &many, &[]);
        assert_eq!(told.lines().count(), 2 + 201);
        assert!(told.ends_with("\n… and 50 more"));
    }

    #[test]
    fn the_trailer_is_a_trailer_also_after_a_message_of_ones_own() {
        assert_eq!(
            with_trailer("A:: Minor app update", "dev\n1"),
            "A:: Minor app update\n\nAppferry-Instance: dev\u{fffd}1\n"
        );
        assert_eq!(
            with_trailer("Fix\0 it\n\nReviewed-by: Kim\n", "dev"),
            "Fix it\n\nReviewed-by: Kim\nAppferry-Instance: dev\n"
        );
    }

    #[test]
    fn many_apps_in_one_commit_have_a_line_each() {
        let messages = [app_added(&app("A")), "B:: Minor app update\n\n'x' screen added.".to_owned()];
        assert_eq!(bulk(&messages), "2 apps updated\n\n'A' App added to git\nB:: Minor app update");
    }
}
