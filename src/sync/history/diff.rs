//! What differs between two states of an app, file by file.

use serde::{Deserialize, Serialize};

use crate::domain::unified::unified;
use crate::domain::{AppName, EntryKind, Failure, ObjectId};
use crate::sync::trees::{FileChange, changed_files};

use super::Reader;

/// Larger files are not shown as text, in bytes.
const LARGEST_FILE: usize = 256 << 10;
/// Text of one answer, at most, in bytes.
const MOST_TEXT: usize = 2 << 20;
/// Files of one answer, at most.
const MOST_FILES: usize = 2_000;

/// What differs between two states of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppDiff {
    /// The app.
    pub app: String,
    /// The state before: `git`, or a commit's parent.
    pub from: String,
    /// The state after: `here`, or a commit.
    pub to: String,
    /// The words that a commit of this change has: the subject, and a line each.
    pub words: Vec<String>,
    /// By path.
    pub files: Vec<FileDiff>,
    /// Files that are not listed because there are too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_files: usize,
}

/// One file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Inside the app's folder.
    pub path: String,
    /// What happened to it.
    pub change: FileFate,
    /// The change as `diff -u` shows it; `None` for what is no text, or too much of it.
    pub text: Option<String>,
    /// Why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFate {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// Its content or its executable bit changed.
    Modified,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Reader {
    /// What the commit changed in the app.
    ///
    /// # Errors
    /// As the repository.
    pub fn diff_of_commit(&self, app: &AppName, commit: ObjectId) -> Result<AppDiff, Failure> {
        let (mut old, mut new) = self.sides_of(commit, app)?;
        if (old, new) == (None, None)
            && let Some(name) = self.name_at(app, commit)?
        {
            (old, new) = self.sides_of(commit, &name)?; // it was called so then
        }
        let message = self.repo.commit(commit)?.message;
        let words = message.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("Appferry-Instance:"));
        let words = words.map(str::to_owned).collect();
        let (from, to) = (format!("{}^", commit.short()), commit.short());
        self.diff(app, [(&from, old), (&to, new)], words)
    }

    /// What differs between two states; `words` are those of the change.
    ///
    /// # Errors
    /// As the repository.
    pub fn diff(
        &self,
        app: &AppName,
        [(from, old), (to, new)]: [(&str, Option<ObjectId>); 2],
        words: Vec<String>,
    ) -> Result<AppDiff, Failure> {
        let changes = changed_files(&*self.repo, old, new)?;
        let more_files = changes.len().saturating_sub(MOST_FILES);
        let mut room = MOST_TEXT;
        let mut files = Vec::new();
        for change in changes.into_iter().take(MOST_FILES) {
            files.push(self.file(change, &mut room)?);
        }
        Ok(AppDiff { app: app.to_string(), from: from.to_owned(), to: to.to_owned(), words, files, more_files })
    }

    fn file(&self, change: FileChange, room: &mut usize) -> Result<FileDiff, Failure> {
        let fate = match (change.old, change.new) {
            (None, _) => FileFate::Added,
            (_, None) => FileFate::Removed,
            _ => FileFate::Modified,
        };
        let (text, note) = match self.text(&change)? {
            Ok(text) if text.len() <= *room => {
                *room -= text.len();
                (Some(text), None)
            }
            Ok(_) => (None, Some("the answer holds enough text already; ask for less".to_owned())),
            Err(note) => (None, Some(note)),
        };
        Ok(FileDiff { path: change.path, change: fate, text, note })
    }

    fn text(&self, change: &FileChange) -> Result<Result<String, String>, Failure> {
        let mut sides = [String::new(), String::new()];
        for (side, file) in sides.iter_mut().zip([change.old, change.new]) {
            let Some((kind, id)) = file else { continue };
            if !kind.is_file() {
                return Ok(Err("a link or a submodule".to_owned()));
            }
            let bytes = self.repo.blob(id)?;
            if bytes.len() > LARGEST_FILE {
                return Ok(Err(format!("a file of {} bytes is not shown", bytes.len())));
            }
            match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => *side = text,
                _ => return Ok(Err("not a text".to_owned())),
            }
        }
        let [old, new] = sides;
        let text = unified(&old, &new);
        let is_executable =
            |file: Option<(EntryKind, ObjectId)>| file.is_some_and(|file| file.0 == EntryKind::Executable);
        if text.is_empty() && is_executable(change.old) != is_executable(change.new) {
            return Ok(Err("only whether it may be executed changed".to_owned()));
        }
        Ok(Ok(text))
    }
}
