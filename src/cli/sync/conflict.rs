//! A conflict, for people: what clashes where, and whose it is.

use std::fmt::Write as _;

use crate::cli::output::plain;
use crate::domain::conflict_view::{
    ChangedBy, ClashKind, ConflictSide, ConflictView, FileInConflict, Lines, LinesClash, ShownValue, ValueClash,
};

/// Longer values are shown by their beginning; `--json` has all that the answer holds.
const MOST_SHOWN: usize = 200;

pub(super) fn text(view: &ConflictView) -> String {
    let mut out = format!("{} is in conflict\n", plain(&view.app));
    let mut fact = |name: &str, value: &str| {
        let _infallible = writeln!(out, "  {name:<7} {}", plain(value));
    };
    let kept = if view.ours.pushed { "" } else { " (not pushed)" };
    fact("ours", &format!("on branch {}{kept}", view.ours.branch));
    let changed_by = view.theirs.changed_by.as_ref().map(by).unwrap_or_default();
    fact("theirs", &format!("on branch {}{changed_by}", view.theirs.branch));
    for (name, side) in [(&view.renamed_here, "here"), (&view.renamed_there, "in Git")] {
        if let Some(name) = name {
            fact("renamed", &format!("to '{name}' {side}"));
        }
    }
    if let Some(side) = view.deleted_by {
        fact("deleted", side_words(side));
    }
    view.files.iter().for_each(|file| out.push_str(&file_text(file)));
    if view.more_files > 0 {
        let _infallible = writeln!(out, "\n… and {} more files", view.more_files);
    }
    if !view.merged.is_empty() {
        let _infallible = writeln!(out, "\n{} more changed files merge by themselves", view.merged.len());
    }
    let app = format!("{:?}", view.app);
    let _infallible = writeln!(out, "\nend it with `appferry sync resolve {} --take ours`, or theirs", plain(&app));
    out
}

fn by(change: &ChangedBy) -> String {
    let short: String = change.commit.chars().take(10).collect();
    format!(", {} by {} at {}", short, change.author, change.time)
}

fn side_words(side: ConflictSide) -> &'static str {
    match side {
        ConflictSide::Ours => "here",
        ConflictSide::Theirs => "in Git",
    }
}

fn file_text(file: &FileInConflict) -> String {
    let changed_by = file.changed_by.as_ref().map(by).unwrap_or_default();
    let mut out = format!("\n{}{}\n", plain(&file.path), plain(&changed_by));
    let mut line = |text: &str| {
        let _infallible = writeln!(out, "  {}", plain(text));
    };
    match (file.kind, file.deleted_by) {
        (ClashKind::Deleted, Some(ConflictSide::Ours)) => line("deleted here, changed in Git"),
        (ClashKind::Deleted, _) => line("changed here, deleted in Git"),
        _ => file.reason.iter().for_each(|reason| line(reason)),
    }
    file.values.iter().flat_map(value_lines).for_each(|text| line(&text));
    file.lines.iter().flat_map(line_lines).for_each(|text| line(&text));
    out
}

fn value_lines(clash: &ValueClash) -> Vec<String> {
    let shown = |value: &Option<ShownValue>| match value {
        None => "(not there)".to_owned(),
        Some(ShownValue::Value(value)) => cut(&value.to_string()),
        Some(ShownValue::Cut(text)) => cut(&text.text),
    };
    let place = if clash.path.is_empty() { "the whole value" } else { &clash.path };
    vec![
        place.to_owned(),
        format!("  base    {}", shown(&clash.base)),
        format!("  ours    {}", shown(&clash.ours)),
        format!("  theirs  {}", shown(&clash.theirs)),
    ]
}

fn line_lines(clash: &LinesClash) -> Vec<String> {
    let heading = |name: &str, lines: &Lines| match lines.count {
        0 => format!("{name}: nothing, before line {}", lines.first),
        1 => format!("{name}: line {}", lines.first),
        count => format!("{name}: lines {} to {}", lines.first, lines.first + count - 1),
    };
    let sides = [("base", &clash.base), ("ours", &clash.ours), ("theirs", &clash.theirs)];
    let told = sides.into_iter().flat_map(|(name, lines)| {
        let text = lines.text.text.lines().map(|line| format!("  {}", cut(line)));
        std::iter::once(heading(name, lines)).chain(text).collect::<Vec<_>>()
    });
    told.collect()
}

fn cut(text: &str) -> String {
    if text.len() <= MOST_SHOWN {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MOST_SHOWN);
    format!("{}…", text.get(..end).unwrap_or_default())
}
