//! A conflict as a person sees it: file by file, made anew from the three snapshots that clashed.

mod authors;

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::conflict_view::{
    Budget, ClashKind, ConflictSide, ConflictView, FileFacts, FileInConflict, MOST_FILES, MOST_MERGED, MergedFile,
    OurSide, TheirSide,
};
use crate::domain::merge::{Clash, FileMerge};
use crate::domain::{AppName, EntryKind, Failure, FailureClass, ObjectId};

use super::Engine;
use super::finding::Sides;
use super::renames::trees_under_one_name;
use crate::sync::state::ConflictNote;
use crate::sync::trees::{FileChange, changed_files};

type Content = Option<(EntryKind, ObjectId)>;

/// One file on the three sides.
struct ThreeWays {
    path: String,
    base: Content,
    ours: Content,
    theirs: Content,
}

impl Engine {
    /// The conflict of an app, as data.
    ///
    /// # Errors
    /// That the app is in none; disk.
    pub fn conflict_view(&self, app: &AppName) -> Result<ConflictView, Failure> {
        let note = self.state.notes.conflicts.get(app).ok_or_else(|| {
            let message = format!("the app {:?} is in no conflict", app.as_str());
            Failure::new(FailureClass::Refused, message, "`appferry status` shows which apps are")
        })?;
        let (here, there) = (note.renamed_here.as_ref(), note.renamed_there.as_ref());
        let sides = Sides { base: note.base, local: note.ours, remote: note.theirs };
        let trees = trees_under_one_name(&*self.repo, app, here, there, sides)?;
        let mut found = Found::default();
        for file in self.changed_on_either_side(trees)? {
            self.look_at_file(file, &mut found)?;
        }
        let mut authors = self.authors(app, note, found.files.iter().map(|file| file.path.as_str()))?;
        for file in &mut found.files {
            file.changed_by = authors.files.remove(&file.path);
        }
        Ok(ConflictView {
            app: app.to_string(),
            renamed_here: here.map(ToString::to_string),
            renamed_there: there.map(ToString::to_string),
            deleted_by: deleted_by(note.ours, note.theirs),
            clashes: note.clashes.clone(),
            ours: our_side(note),
            theirs: TheirSide { branch: self.settings.branch.as_str().to_owned(), changed_by: authors.app },
            files: found.files,
            more_files: found.more_files,
            merged: found.merged,
        })
    }

    fn changed_on_either_side(&self, [base, ours, theirs]: [Option<ObjectId>; 3]) -> Result<Vec<ThreeWays>, Failure> {
        let by_path = |changes: Vec<FileChange>| -> BTreeMap<String, FileChange> {
            changes.into_iter().map(|change| (change.path.clone(), change)).collect()
        };
        let ours = by_path(changed_files(&*self.repo, base, ours)?);
        let theirs = by_path(changed_files(&*self.repo, base, theirs)?);
        let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let three_ways = |path: &String| {
            let (ours, theirs) = (ours.get(path), theirs.get(path));
            let base = ours.or(theirs).and_then(|change| change.old);
            let side = |change: Option<&FileChange>| change.map_or(base, |change| change.new);
            ThreeWays { path: path.clone(), base, ours: side(ours), theirs: side(theirs) }
        };
        Ok(paths.into_iter().map(three_ways).collect())
    }

    fn look_at_file(&self, file: ThreeWays, found: &mut Found) -> Result<(), Failure> {
        let ThreeWays { path, base, ours, theirs } = file;
        if ours == theirs || ours == base || theirs == base {
            let changed_by = match (ours == base, theirs == base) {
                (true, _) => Some(ConflictSide::Theirs),
                (_, true) => Some(ConflictSide::Ours),
                _ => None,
            };
            found.note_place(&path, ours, theirs);
            found.merged(path, changed_by);
            return Ok(());
        }
        if found.files.len() >= MOST_FILES {
            // Only counted, as if it clashed: whether it does would have to be read.
            found.more_files += 1;
            return Ok(());
        }
        let mut shown = FileInConflict {
            path,
            kind: ClashKind::Deleted,
            reason: None,
            deleted_by: deleted_by(ours, theirs),
            values: Vec::new(),
            lines: Vec::new(),
            base: self.facts(base)?,
            ours: self.facts(ours)?,
            theirs: self.facts(theirs)?,
            changed_by: None,
            candidate: None,
        };
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let blob = |(_, id): (EntryKind, ObjectId)| self.repo.blob(id);
            let base = base.map(blob).transpose()?;
            match self.comparer.merge_file(&shown.path, base.as_deref(), &blob(ours)?, &blob(theirs)?) {
                FileMerge::Merged(_) => {
                    found.merged(shown.path, None);
                    return Ok(());
                }
                FileMerge::Conflict(conflict) => {
                    show_clashes(conflict.clashes, &mut shown, &mut found.budget);
                    shown.candidate = conflict.candidate.and_then(|bytes| found.budget.candidate(&bytes));
                }
            }
        }
        found.files.push(shown);
        Ok(())
    }

    fn facts(&self, content: Content) -> Result<Option<FileFacts>, Failure> {
        let Some((_, id)) = content else { return Ok(None) };
        Ok(Some(FileFacts { id: id.to_string(), bytes: self.repo.blob(id)?.len() }))
    }
}

fn show_clashes(clashes: Vec<Clash>, shown: &mut FileInConflict, budget: &mut Budget) {
    for clash in clashes {
        match clash {
            Clash::Value(clash) => {
                shown.kind = ClashKind::Json;
                shown.values.push(budget.value_clash(clash));
            }
            Clash::Lines(clash) => {
                shown.kind = ClashKind::Text;
                shown.lines.push(budget.lines_clash(&clash));
            }
            Clash::Whole { reason } => {
                shown.kind = ClashKind::Whole;
                shown.reason = Some(reason.to_owned());
            }
        }
    }
}

fn deleted_by<T>(ours: Option<T>, theirs: Option<T>) -> Option<ConflictSide> {
    match (ours, theirs) {
        (None, Some(_)) => Some(ConflictSide::Ours),
        (Some(_), None) => Some(ConflictSide::Theirs),
        _ => None,
    }
}

fn our_side(note: &ConflictNote) -> OurSide {
    OurSide {
        branch: note.branch.clone(),
        commit: note.commit.to_string(),
        pushed: note.pushed == Some(note.commit),
        push_error: note.push_error.clone(),
    }
}

/// What the walk through the files came to.
#[derive(Default)]
struct Found {
    budget: Budget,
    files: Vec<FileInConflict>,
    more_files: usize,
    merged: Vec<MergedFile>,
    /// The files that one side alone has, to see whether the other has a folder in the place of one.
    places: BTreeMap<String, ConflictSide>,
}

impl Found {
    fn merged(&mut self, path: String, changed_by: Option<ConflictSide>) {
        if self.merged.len() < MOST_MERGED {
            self.merged.push(MergedFile { path, changed_by });
        }
    }

    /// Paths come sorted: a folder's files come after a file that is in its place on the other side.
    fn note_place(&mut self, path: &str, ours: Content, theirs: Content) {
        let side = match deleted_by(ours, theirs) {
            Some(ConflictSide::Ours) => ConflictSide::Theirs,
            Some(ConflictSide::Theirs) => ConflictSide::Ours,
            None => return,
        };
        self.places.insert(path.to_owned(), side);
        let mut folders = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        let file_of_other = |folder: &&str| self.places.get(*folder).is_some_and(|of| *of != side);
        let Some(file) = folders.find(file_of_other).map(str::to_owned) else { return };
        let of = if side == ConflictSide::Ours { ConflictSide::Theirs } else { ConflictSide::Ours };
        self.merged.retain(|merged| merged.path != file);
        if self.files.iter().all(|known| known.path != file) {
            self.files.push(file_and_folder(file, of));
        }
    }
}

fn file_and_folder(path: String, file_of: ConflictSide) -> FileInConflict {
    let whose = if file_of == ConflictSide::Ours { ("here", "in Git") } else { ("in Git", "here") };
    FileInConflict {
        path,
        kind: ClashKind::FileAndFolder,
        reason: Some(format!("a file {} and a folder {}", whose.0, whose.1)),
        deleted_by: None,
        values: Vec::new(),
        lines: Vec::new(),
        base: None,
        ours: None,
        theirs: None,
        changed_by: None,
        candidate: None,
    }
}
