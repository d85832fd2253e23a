//! Ending a conflict: one side as it is, or a version that a person merged.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::app_name::broken_component_rule;
use crate::domain::merge::json_problem;
use crate::domain::{AppName, EntryKind, Failure, FailureClass, ObjectId};
use crate::sync::action::{Content, MergedFiles, Resolution, Take};
use crate::sync::compare::TreeMerge;
use crate::sync::file_edits::{NewFiles, files_of, with_files};
use crate::sync::state::MergedNote;

use super::{Goal, Until, refuse_with};
use crate::sync::engine::{Engine, Now, conflict};

impl Engine {
    pub(super) fn begin_resolve(
        &mut self,
        app: AppName,
        resolution: &Resolution,
        dry: bool,
        now: Now,
    ) -> Result<Goal, Failure> {
        if !self.state.notes.conflicts.contains_key(&app) {
            return self.resolved_already(app, resolution, now);
        }
        match resolution {
            Resolution::Side(take) => self.take_side(app, *take, dry, now),
            Resolution::Merged(merged) => self.take_merged(app, merged, dry, now),
        }
    }

    /// Whoever takes what both sides have, or gives the same merged version twice, has what they wanted; everything else needs a
    /// conflict.
    fn resolved_already(&mut self, app: AppName, resolution: &Resolution, now: Now) -> Result<Goal, Failure> {
        let local = self.here(&app, now)?;
        let in_git = self.in_git(&app);
        if matches!(resolution, Resolution::Side(_)) && in_git.is_some() && self.settled_as_planned(&app) == in_git {
            let done = "it is in no conflict, and is here as it is in Git".to_owned();
            return Ok(Goal { app, will: done.clone(), done, until: Until::AtOnce });
        }
        if let (Resolution::Merged(merged), true) = (resolution, in_git.is_some()) {
            let files = self.stored(&app, merged, [in_git, local])?;
            if with_files(&*self.repo, in_git, &files)? == in_git {
                let done = "it is in no conflict, and has these files".to_owned();
                return Ok(Goal { app, will: done.clone(), done, until: Until::AtOnce });
            }
        }
        Err(refuse_with(&app, "is in no conflict", "`appferry status` shows which apps are"))
    }

    fn take_side(&mut self, app: AppName, take: Take, dry: bool, now: Now) -> Result<Goal, Failure> {
        let (take, will, done) = match take {
            Take::Ours => {
                (conflict::Take::Ours, "what is here would be committed on top of Git's and pushed", "ours was taken")
            }
            Take::Theirs => (
                conflict::Take::Theirs,
                "what is here would be kept aside and replaced by the state in Git",
                "theirs was taken; ours is kept aside",
            ),
        };
        self.here(&app, now)?;
        if !dry {
            self.resolve(&app, take, now)?;
        }
        Ok(Goal { app, will: will.to_owned(), done: done.to_owned(), until: Until::Settled })
    }

    fn take_merged(&mut self, app: AppName, merged: &MergedFiles, dry: bool, now: Now) -> Result<Goal, Failure> {
        let note = self.state.notes.conflicts.get(&app);
        if note.is_some_and(|note| note.renamed_here.is_some() || note.renamed_there.is_some()) {
            let why = "was renamed, and takes no merged version";
            return Err(refuse_with(&app, why, "take one side, then save the merged version as an edit"));
        }
        let here = self.here(&app, now)?;
        let ours = self.with_release_of_git(&app, here)?;
        let theirs = self.in_git(&app);
        let tree = self.merged_tree(&app, merged, ours, theirs)?;
        if let Some(problem) = self.inspector.problem(&*self.repo, tree)? {
            return Err(refuse_with(&app, format!("may not look like that: {problem}"), "correct the merged version"));
        }
        if !dry {
            self.refused.remove(&app);
            let notes = &mut self.state.notes;
            notes.merged.insert(app.clone(), MergedNote { ours, theirs, tree });
            notes.wanted.insert(app.clone());
            notes.confirmed.insert(app.clone());
            self.end_conflict(&app);
        }
        let will = "the merged version would be committed, pushed and installed here; what is here would be kept aside";
        let done = "the merged version was taken; what was here is kept aside";
        Ok(Goal { app, will: will.to_owned(), done: done.to_owned(), until: Until::Settled })
    }

    /// The given files take the place of both sides; what is not given is merged as usual.
    fn merged_tree(
        &self,
        app: &AppName,
        merged: &MergedFiles,
        ours: Option<ObjectId>,
        theirs: Option<ObjectId>,
    ) -> Result<ObjectId, Failure> {
        let files = self.stored(app, merged, [theirs, ours])?;
        let empty = || refuse_with(app, "would have no file", "to remove it, take the side that deleted it");
        if merged.whole {
            return with_files(&*self.repo, None, &files)?.ok_or_else(empty);
        }
        let base = self.state.bases.get(app).copied();
        let [base, ours, theirs] = [base, ours, theirs].map(|side| with_files(&*self.repo, side, &files));
        match self.comparer.merge(&*self.repo, base?, ours?, theirs?)? {
            TreeMerge::Clean(tree) => tree.ok_or_else(empty),
            TreeMerge::Conflict(clashes) => {
                let why = format!("still clashes: {}", clashes.join("; "));
                Err(refuse_with(app, why, "give these files too"))
            }
        }
    }

    /// Checks the files like a save, and stores them. A file keeps its executable bit.
    fn stored(&self, app: &AppName, merged: &MergedFiles, sides: [Option<ObjectId>; 2]) -> Result<NewFiles, Failure> {
        let refuse = |why: String| refuse_with(app, why, "correct the merged version");
        let mut kinds: BTreeMap<String, EntryKind> = BTreeMap::new();
        for side in sides {
            kinds.extend(files_of(&*self.repo, side)?);
        }
        let mut stored = NewFiles::new();
        for (path, content) in &merged.files {
            if let Some(rule) = path.split('/').find_map(broken_component_rule) {
                return Err(refuse(format!("cannot have a file {path:?}: {rule}")));
            }
            let Some(content) = content else {
                stored.insert(path.clone(), None);
                continue;
            };
            if self.workspace.ignores(app, path) {
                continue; // what lay beside the app in a merged folder
            }
            let bytes = bytes_of(content).map_err(|why| refuse(format!("cannot have {path:?}: {why}")))?;
            let is_json = path.len() >= 5 && path.to_ascii_lowercase().ends_with(".json");
            if let Some(problem) = json_problem(&bytes).filter(|_| is_json) {
                return Err(refuse(format!("cannot have {path:?}: it is not valid JSON ({problem})")));
            }
            let kind = kinds.get(path).copied().filter(|kind| kind.is_file()).unwrap_or(EntryKind::File);
            stored.insert(path.clone(), Some((kind, self.repo.write_blob(&bytes)?)));
        }
        match stored.keys().find(|path| stored.keys().any(|other| other.starts_with(&format!("{path}/")))) {
            Some(path) => Err(refuse(format!("cannot have {path:?} as a file and as a folder"))),
            None if stored.is_empty() => {
                Err(Failure::new(FailureClass::Refused, "no file was given", "give the merged version's files"))
            }
            None => Ok(stored),
        }
    }
}

fn bytes_of(content: &Content) -> Result<Vec<u8>, String> {
    match content {
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Base64 { base64 } => STANDARD.decode(base64).map_err(|error| format!("it is not base64: {error}")),
    }
}
