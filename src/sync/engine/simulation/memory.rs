//! A repository and an apps folder in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::{AppOnDisk, Arrived, Commit, FolderOnDisk, Installed, LocalRepository, RefEdit, Workspace};

/// Objects are shared by all instances; each has refs of its own.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) trees: HashMap<ObjectId, Vec<TreeEntry>>,
    pub(super) blobs: HashMap<ObjectId, Vec<u8>>,
    pub(super) commits: HashMap<ObjectId, Commit>,
}

#[derive(Clone, Default)]
pub(super) struct MemoryRepository {
    pub(super) objects: Arc<Mutex<Objects>>,
    pub(super) refs: Arc<Mutex<BTreeMap<String, ObjectId>>>,
    /// Writes until one fails, as on a full disk; 0: none fails.
    pub(super) writes_to_failure: Arc<AtomicU32>,
    /// The refs of the one that was set aside, until this one has all of it.
    pub(super) aside: Arc<Mutex<Option<BTreeMap<String, ObjectId>>>>,
}

pub(super) fn id_of(content: &impl std::fmt::Debug) -> ObjectId {
    let digest = Sha256::digest(format!("{content:?}").as_bytes());
    ObjectId::from_bytes(digest[..20].try_into().unwrap())
}

impl MemoryRepository {
    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    pub(super) fn beside(&self) -> Self {
        Self { objects: Arc::clone(&self.objects), ..Self::default() }
    }

    /// The same repository, in which no write fails.
    pub(super) fn reliable(&self) -> Self {
        Self { writes_to_failure: Arc::default(), ..self.clone() }
    }

    pub(super) fn may_write(&self) -> Result<(), Failure> {
        let left = self.writes_to_failure.load(Ordering::Relaxed);
        self.writes_to_failure.store(left.saturating_sub(1), Ordering::Relaxed);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        if left == 1 { Err(Failure::disk("writing", &full)) } else { Ok(()) }
    }

    pub(super) fn ancestors(&self, of: ObjectId) -> Vec<ObjectId> {
        let mut found = vec![of];
        let mut at = 0;
        while at < found.len() {
            for parent in self.commit(found[at]).unwrap().parents {
                if !found.contains(&parent) {
                    found.push(parent);
                }
            }
            at += 1;
        }
        found
    }
}

impl LocalRepository for MemoryRepository {
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure> {
        Ok(self.objects().trees[&id].clone())
    }
    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure> {
        Ok(self.objects().blobs[&id].clone())
    }
    fn commit(&self, id: ObjectId) -> Result<Commit, Failure> {
        Ok(self.objects().commits[&id].clone())
    }
    fn contains(&self, id: ObjectId) -> Result<bool, Failure> {
        let objects = self.objects();
        Ok(objects.trees.contains_key(&id) || objects.blobs.contains_key(&id) || objects.commits.contains_key(&id))
    }
    fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, Failure> {
        self.may_write()?;
        let id = id_of(&("blob", bytes));
        self.objects().blobs.insert(id, bytes.to_vec());
        Ok(id)
    }
    fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, Failure> {
        self.may_write()?;
        let mut entries = entries.to_vec();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(entries.windows(2).all(|pair| pair[0].name != pair[1].name), "a name is given twice");
        let id = id_of(&("tree", &entries));
        self.objects().trees.insert(id, entries);
        Ok(id)
    }
    fn write_commit(&self, commit: &Commit) -> Result<ObjectId, Failure> {
        self.may_write()?;
        let id = id_of(commit);
        self.objects().commits.insert(id, commit.clone());
        Ok(id)
    }
    fn write_tag(&self, tag: &crate::ports::Tag) -> Result<ObjectId, Failure> {
        self.may_write()?;
        Ok(id_of(&("tag", tag.target, &tag.name, &tag.message)))
    }
    fn flush(&self) -> Result<(), Failure> {
        Ok(())
    }
    fn find_ref(&self, name: &str) -> Result<Option<ObjectId>, Failure> {
        Ok(self.refs.lock().unwrap().get(name).copied())
    }
    fn list_refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Failure> {
        let refs = self.refs.lock().unwrap();
        Ok(refs.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(n, id)| (n.clone(), *id)).collect())
    }
    fn edit_refs(&self, edits: &[RefEdit]) -> Result<(), Failure> {
        self.may_write()?;
        let mut refs = self.refs.lock().unwrap();
        for RefEdit { name, to } in edits {
            match to {
                Some(id) => refs.insert(name.clone(), *id),
                None => refs.remove(name),
            };
        }
        Ok(())
    }
    fn descends_from(&self, descendant: ObjectId, ancestor: ObjectId) -> Result<bool, Failure> {
        Ok(self.ancestors(descendant).contains(&ancestor))
    }
    fn maintain(&self) -> Result<bool, Failure> {
        Ok(false)
    }
    fn set_aside(&self, _: &str) -> Result<(), Failure> {
        self.may_write()?;
        self.aside.lock().unwrap().replace(std::mem::take(&mut *self.refs.lock().unwrap()));
        Ok(())
    }
    fn is_mending(&self) -> bool {
        self.aside.lock().unwrap().is_some()
    }
    fn refs_aside(&self) -> Vec<(String, ObjectId)> {
        self.aside.lock().unwrap().iter().flatten().map(|(name, id)| (name.clone(), *id)).collect()
    }
    fn end_mending(&self) -> Result<(), Failure> {
        self.may_write()?;
        self.aside.lock().unwrap().take();
        Ok(())
    }
    fn bring_over(&self, objects: &[ObjectId]) -> Result<Vec<bool>, Failure> {
        objects.iter().map(|id| self.contains(*id)).collect()
    }
}

/// An apps folder: for each app its files.
pub(super) type Files = BTreeMap<String, String>;
#[derive(Clone)]
pub(super) struct MemoryFolder {
    pub(super) repo: MemoryRepository,
    pub(super) apps: Arc<Mutex<BTreeMap<AppName, Files>>>,
    /// What came from the branch and is not noted yet; outlives a crash.
    pub(super) came: Arc<Mutex<BTreeMap<AppName, Arrived>>>,
    /// Of those, the ones that this instance was told of.
    pub(super) told: BTreeSet<AppName>,
    /// The journals of what came cannot be removed.
    pub(super) keeps_journals: Arc<AtomicBool>,
    /// A file that somebody saves in the middle of the next install.
    pub(super) saved_meanwhile: Arc<Mutex<Option<(String, String)>>>,
    /// Counts the apps that were looked at.
    pub(super) looks: Arc<AtomicU32>,
}

impl MemoryFolder {
    pub(super) fn store(&self, files: &Files) -> ObjectId {
        let mut entries = Vec::new();
        let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
        for (path, text) in files {
            if let Some((folder, rest)) = path.split_once('/') {
                folders.entry(folder).or_default().insert(rest.to_owned(), text.clone());
            } else {
                let id = self.repo.write_blob(text.as_bytes()).unwrap();
                entries.push(TreeEntry { name: path.clone().into_bytes(), kind: EntryKind::File, id });
            }
        }
        for (folder, files) in folders {
            let id = self.store(&files);
            entries.push(TreeEntry { name: folder.as_bytes().to_vec(), kind: EntryKind::Tree, id });
        }
        self.repo.write_tree(&entries).unwrap()
    }

    /// Installs `to` if the app is at `from`. Answers the files that were left to whom they were saved by.
    fn put(&self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Option<BTreeSet<String>> {
        let now = self.apps.lock().unwrap().get(app).cloned();
        if now.map(|files| self.store(&files)) != from {
            return None;
        }
        let mut files = to.map(|tree| self.files_of(tree)).unwrap_or_default();
        let saved = self.saved_meanwhile.lock().unwrap().take();
        let left = saved.iter().map(|(file, _)| file.clone()).collect();
        files.extend(saved);
        let mut apps = self.apps.lock().unwrap();
        if files.is_empty() {
            apps.remove(app)
        } else {
            apps.insert(app.clone(), files)
        };
        Some(left)
    }

    pub(super) fn files_of(&self, tree: ObjectId) -> Files {
        let mut files = Files::new();
        for entry in self.repo.tree(tree).unwrap() {
            let name = String::from_utf8(entry.name).unwrap();
            if entry.kind == EntryKind::Tree {
                let inside = self.files_of(entry.id).into_iter();
                files.extend(inside.map(|(path, text)| (format!("{name}/{path}"), text)));
            } else {
                files.insert(name, String::from_utf8(self.repo.blob(entry.id).unwrap()).unwrap());
            }
        }
        files
    }
}

impl Workspace for MemoryFolder {
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure> {
        let apps = self.apps.lock().unwrap().clone();
        self.looks.fetch_add(u32::try_from(apps.len()).unwrap(), Ordering::Relaxed);
        let apps = apps.iter().map(|(app, files)| (app.clone(), AppOnDisk::Settled(self.store(files)))).collect();
        Ok(FolderOnDisk::Apps { apps, refused: Vec::new() })
    }
    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let files = self.apps.lock().unwrap().get(app).cloned();
        Ok(files.map_or(AppOnDisk::Absent, |files| AppOnDisk::Settled(self.store(&files))))
    }
    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        Ok(if self.put(app, from, to).is_some_and(|left| left.is_empty()) {
            Installed::Done
        } else {
            Installed::Disturbed
        })
    }
    fn bring(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        let Some(left) = self.put(app, from, to) else { return Ok(Installed::Disturbed) };
        let installed = if left.is_empty() { Installed::Done } else { Installed::Disturbed };
        let id = format!("{:016x}", rand::random::<u64>());
        self.came.lock().unwrap().insert(app.clone(), Arrived { app: app.clone(), id, tree: to, left });
        self.told.remove(app);
        Ok(installed)
    }
    fn take_arrived(&mut self) -> Vec<Arrived> {
        let came = self.came.lock().unwrap();
        came.values().filter(|arrived| self.told.insert(arrived.app.clone())).cloned().collect()
    }
    fn note_arrived(&mut self) -> Result<(), Failure> {
        if self.keeps_journals.load(Ordering::Relaxed) && !self.told.is_empty() {
            let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            return Err(Failure::disk("removing the install journal", &error));
        }
        self.came.lock().unwrap().retain(|app, _| !self.told.contains(app));
        self.told.clear();
        Ok(())
    }
    fn forget(&mut self) -> Vec<(AppName, ObjectId)> {
        self.told.clear();
        Vec::new()
    }
    fn recover(&mut self) -> Result<Vec<AppName>, Failure> {
        Ok(Vec::new())
    }
    fn follow(&mut self, _: &AppName, _: &[ObjectId]) -> Result<(), Failure> {
        Ok(())
    }
    fn ignores(&self, _: &AppName, _: &str) -> bool {
        false
    }
    fn save_cache(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
