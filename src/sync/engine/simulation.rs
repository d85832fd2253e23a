//! The engine against a world in memory: instances, a builder that saves at any moment, and a remote that compares and swaps.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::status::AppState;
use crate::domain::{EntryKind, TreeEntry};
use crate::ports::{AppOnDisk, Commit, FolderOnDisk, Installed, RefEdit, RefOutcome, RemoteTip};
use crate::sync::trees::app_trees;

/// Objects are shared by all instances; each has refs of its own.
#[derive(Default)]
struct Objects {
    trees: HashMap<ObjectId, Vec<TreeEntry>>,
    blobs: HashMap<ObjectId, Vec<u8>>,
    commits: HashMap<ObjectId, Commit>,
}

#[derive(Clone, Default)]
struct MemoryRepository {
    objects: Arc<Mutex<Objects>>,
    refs: Arc<Mutex<BTreeMap<String, ObjectId>>>,
    /// Writes until one fails, as on a full disk; 0: none fails.
    writes_to_failure: Arc<AtomicU32>,
}

fn id_of(content: &impl std::fmt::Debug) -> ObjectId {
    let digest = Sha256::digest(format!("{content:?}").as_bytes());
    ObjectId::from_bytes(digest[..20].try_into().unwrap())
}

impl MemoryRepository {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    fn beside(&self) -> Self {
        Self { objects: Arc::clone(&self.objects), ..Self::default() }
    }

    /// The same repository, in which no write fails.
    fn reliable(&self) -> Self {
        Self { writes_to_failure: Arc::default(), ..self.clone() }
    }

    fn may_write(&self) -> Result<(), Failure> {
        let left = self.writes_to_failure.load(Ordering::Relaxed);
        self.writes_to_failure.store(left.saturating_sub(1), Ordering::Relaxed);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        if left == 1 { Err(Failure::disk("writing", &full)) } else { Ok(()) }
    }

    fn ancestors(&self, of: ObjectId) -> Vec<ObjectId> {
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
}

/// An apps folder: for each app its files.
type Files = BTreeMap<String, String>;
#[derive(Clone)]
struct MemoryFolder {
    repo: MemoryRepository,
    apps: Arc<Mutex<BTreeMap<AppName, Files>>>,
}

impl MemoryFolder {
    fn store(&self, files: &Files) -> ObjectId {
        let entries: Vec<TreeEntry> = (files.iter())
            .map(|(name, text)| TreeEntry {
                name: name.clone().into_bytes(),
                kind: EntryKind::File,
                id: self.repo.write_blob(text.as_bytes()).unwrap(),
            })
            .collect();
        self.repo.write_tree(&entries).unwrap()
    }

    fn files_of(&self, tree: ObjectId) -> Files {
        let read = |id| String::from_utf8(self.repo.blob(id).unwrap()).unwrap();
        (self.repo.tree(tree).unwrap().into_iter())
            .map(|entry| (String::from_utf8(entry.name).unwrap(), read(entry.id)))
            .collect()
    }
}

impl Workspace for MemoryFolder {
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure> {
        let apps = self.apps.lock().unwrap().clone();
        let apps = apps.iter().map(|(app, files)| (app.clone(), AppOnDisk::Settled(self.store(files)))).collect();
        Ok(FolderOnDisk::Apps { apps, refused: Vec::new() })
    }
    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure> {
        let files = self.apps.lock().unwrap().get(app).cloned();
        Ok(files.map_or(AppOnDisk::Absent, |files| AppOnDisk::Settled(self.store(&files))))
    }
    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        let now = self.apps.lock().unwrap().get(app).cloned();
        if now.map(|files| self.store(&files)) != from {
            return Ok(Installed::Disturbed);
        }
        match to.map(|tree| self.files_of(tree)) {
            Some(files) => self.apps.lock().unwrap().insert(app.clone(), files),
            None => self.apps.lock().unwrap().remove(app),
        };
        Ok(Installed::Done)
    }
    fn recover(&mut self) -> Result<Vec<AppName>, Failure> {
        Ok(Vec::new())
    }
    fn save_cache(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The remote's refs; its objects are everybody's.
type RemoteRefs = Arc<Mutex<BTreeMap<String, ObjectId>>>;

struct Instance {
    engine: Option<Engine>,
    settings: Settings,
    repo: MemoryRepository,
    folder: MemoryFolder,
    remote: RemoteRefs,
    now: Now,
    /// The remote refuses updates of the branch whose commit changes an app of this name.
    refused_app: Option<String>,
}

impl Instance {
    fn new(name: &str, world: &MemoryRepository, remote: &RemoteRefs, mode: Mode) -> Self {
        let repo = world.beside();
        let folder = MemoryFolder { repo: repo.reliable(), apps: Arc::default() };
        let settings = Settings {
            mode,
            branch: BranchName::new("main").unwrap(),
            prefix: "App".to_owned(),
            instance: name.to_owned(),
            author_name: "appferry".to_owned(),
            author_email: format!("appferry@{name}"),
            debounce: Duration::ZERO,
            volatile_keys: VolatileKeys::default(),
            kept_days: 90,
        };
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let mut instance =
            Self { engine: None, settings, repo, folder, remote: Arc::clone(remote), now, refused_app: None };
        instance.start();
        instance
    }

    /// Starts it, or starts it again as after a kill.
    fn start(&mut self) {
        let repo: Arc<dyn LocalRepository> = Arc::new(self.repo.clone());
        let engine = Engine::open(repo, Box::new(self.folder.clone()), self.settings.clone());
        self.engine = Some(engine.unwrap());
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    fn save(&self, app: &str, file: &str, text: &str) {
        let mut apps = self.folder.apps.lock().unwrap();
        apps.entry(AppName::new(app).unwrap()).or_default().insert(file.to_owned(), text.to_owned());
    }

    fn delete(&self, app: &str) {
        self.folder.apps.lock().unwrap().remove(&AppName::new(app).unwrap());
    }

    fn apps(&self) -> BTreeMap<AppName, Files> {
        self.folder.apps.lock().unwrap().clone()
    }

    fn text(&self, app: &str, file: &str) -> Option<String> {
        self.apps().get(&AppName::new(app).unwrap())?.get(file).cloned()
    }

    fn state(&mut self, app: &str) -> (AppState, String) {
        let report = self.engine().report();
        let status = report.apps.into_iter().find(|status| status.name == app).unwrap();
        (status.state, status.reason.unwrap_or_default())
    }

    fn fetch(&mut self) {
        let tip = self.remote.lock().unwrap().get("refs/heads/main").copied();
        let tip = tip.map_or(RemoteTip::Unborn, RemoteTip::At);
        let now = self.now;
        self.may_fail(|engine| engine.take_tip(&tip, now).map(|_| ()));
    }

    /// A failure of the disk is all that may happen; the next pass tries again.
    fn may_fail(&mut self, work: impl FnOnce(&mut Engine) -> Result<(), Failure>) -> bool {
        match work(self.engine()) {
            Ok(()) => true,
            Err(failure) => {
                assert_eq!(failure.class, crate::domain::FailureClass::Disk, "{failure}");
                false
            }
        }
    }

    /// A whole pass; `moment` is called before each step, as the world does not wait.
    ///
    /// Answers whether all of it could be saved.
    fn pass(&mut self, online: bool, mut moment: impl FnMut(&Self)) -> bool {
        self.now.instant += Duration::from_secs(10);
        self.now.unix_seconds += 10;
        let now = self.now;
        if online {
            self.fetch();
        }
        self.engine().look(&Look::All, now).unwrap();
        for _ in 0..100 {
            moment(self);
            match self.engine().advance(online, now) {
                Ok(Progress::Rest) => {
                    self.prove_rest(online);
                    break;
                }
                Err(_) => break,
                Ok(Progress::Moved) => {}
                Ok(Progress::Push) => {
                    moment(self);
                    self.push();
                }
            }
        }
        self.may_fail(|engine| engine.save(now))
    }

    /// A rest that the engine relies on is one: planning anew finds the same, also a minute later.
    fn prove_rest(&mut self, online: bool) {
        let mut later = self.now;
        later.instant += Duration::from_mins(1);
        let engine = self.engine();
        if engine.is_at_rest() {
            let found = engine.findings.clone();
            engine.rest = None;
            if let Ok(progress) = engine.advance(online, later) {
                assert_eq!(progress, Progress::Rest);
                assert_eq!(engine.findings, found);
            }
        }
    }

    fn push(&mut self) {
        let now = self.now;
        let outgoing = self.engine().outgoing(now);
        self.engine().prove_fast_forward(&outgoing).unwrap();
        let outcomes: Vec<RefOutcome> = outgoing.updates.iter().map(|update| self.answer(update)).collect();
        match self.engine().take_outcomes(&outgoing, &outcomes, now) {
            Ok(PushEffect::FetchFirst) => self.fetch(),
            Ok(_) => {}
            Err(failure) => assert_eq!(failure.class, crate::domain::FailureClass::Disk, "{failure}"),
        }
    }

    fn answer(&self, update: &crate::ports::RefUpdate) -> RefOutcome {
        let mut refs = self.remote.lock().unwrap();
        if refs.get(&update.name).copied() != update.expected {
            return RefOutcome::Moved;
        }
        if let Some(app) = &self.refused_app {
            let root = self.repo.commit(update.new).unwrap().tree;
            let apps = app_trees(&self.repo, Some(root), "App").unwrap().apps;
            if apps.contains_key(&AppName::new(app.as_str()).unwrap()) {
                return RefOutcome::Refused("policy says no".to_owned());
            }
        }
        refs.insert(update.name.clone(), update.new);
        RefOutcome::Accepted
    }

    /// Subjects of the branch, newest first.
    fn log(&self) -> Vec<String> {
        let tip = self.remote.lock().unwrap()["refs/heads/main"];
        let subject = |id| self.repo.commit(id).unwrap().message.lines().next().unwrap_or_default().to_owned();
        self.repo.ancestors(tip).into_iter().map(subject).collect()
    }
}

const EDITING: Mode = Mode { locked: false, auto_save: true, auto_add: true };
const LOCKED: Mode = Mode { locked: true, auto_save: false, auto_add: false };

fn world(modes: &[Mode]) -> Vec<Instance> {
    let objects = MemoryRepository::default();
    let remote = RemoteRefs::default();
    let name = |number| format!("i{number}");
    modes.iter().enumerate().map(|(i, mode)| Instance::new(&name(i), &objects, &remote, *mode)).collect()
}

fn quiet(_: &Instance) {}

#[test]
fn an_edit_travels_and_a_locked_instance_follows() {
    let mut all = world(&[EDITING, LOCKED]);
    all[0].save("PO App", "meta.json", "{\"a\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[0].apps(), all[1].apps());
    assert_eq!(all[0].log(), ["'PO App' App added to git"]);

    all[1].save("PO App", "meta.json", "{\"a\":\"drift\"}");
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("PO App").0, AppState::Drift);
    all[0].save("PO App", "meta.json", "{\"a\":2}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("PO App", "meta.json").unwrap(), "{\"a\":2}");
    let kept = all[1].engine().kept().unwrap();
    assert_eq!(kept.len(), 1, "what the locked instance had is kept aside");
    assert_eq!(kept[0].app, "PO App");
}

#[test]
fn a_race_is_merged_and_a_clash_keeps_both_sides() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 1\n}\n");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\n  \"left\": 2,\n  \"right\": 1\n}\n");
    all[1].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 2\n}\n");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    let both = "{\n  \"left\": 2,\n  \"right\": 2\n}\n";
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some(both));
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some(both));

    all[0].save("A", "x.json", "{\"left\": 3}");
    all[1].save("A", "x.json", "{\"left\": 4}");
    all[1].save("B", "y.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"left\": 4}"), "the disk stays ours");
    assert!(all[0].log().contains(&"'B' App added to git".to_owned()), "the other app goes on");
    let branches: Vec<String> = all[0].remote.lock().unwrap().keys().cloned().collect();
    assert!(branches.iter().any(|name| name.starts_with("refs/heads/conflict/i1/A/")), "{branches:?}");

    let now = all[1].now;
    all[1].engine().resolve(&AppName::new("A").unwrap(), conflict::Take::Ours, now).unwrap();
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"left\": 4}"));
}

#[test]
fn many_apps_that_vanish_at_once_are_held_until_confirmed() {
    let mut all = world(&[EDITING]);
    for number in 0..10 {
        all[0].save(&format!("A{number}"), "x.json", &format!("{{\"n\":{number}}}"));
    }
    all[0].pass(true, quiet);
    for number in 0..10 {
        all[0].delete(&format!("A{number}"));
    }
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert!(all[0].engine().report().held_removals);
    assert!(!all[0].log().iter().any(|subject| subject.contains("removed")));
    let now = all[0].now;
    all[0].engine().confirm(None, now).unwrap();
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().iter().filter(|subject| subject.contains("removed from git")).count(), 10);
}

#[test]
fn a_renamed_folder_keeps_its_words() {
    let mut all = world(&[EDITING, EDITING]);
    for app in ["App_7", "Other", "Third"] {
        all[0].save(app, "x.json", &format!("{{\"n\":\"{app}\"}}"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].delete("App_7");
    all[0].save("Git_Sync", "x.json", "{\"n\":\"App_7\"}");
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].log()[0], "App renamed 'App_7' to 'Git_Sync'");
    all[1].pass(true, quiet);
    assert_eq!(all[0].apps(), all[1].apps());
}

#[test]
fn the_app_that_the_remote_refuses_does_not_stop_the_others() {
    let mut all = world(&[EDITING]);
    all[0].save("Good", "x.json", "{}");
    all[0].pass(true, quiet);
    all[0].refused_app = Some("Bad".to_owned());
    all[0].save("Bad", "x.json", "{}");
    all[0].save("Good", "x.json", "{\"a\":1}");
    all[0].save("New", "x.json", "{\"b\":1}");
    all[0].pass(true, quiet);
    let (state, reason) = all[0].state("Bad");
    assert_eq!(state, AppState::Held);
    assert!(reason.contains("policy says no"), "{reason}");
    assert_eq!(all[0].state("Good").0, AppState::InSync);
    assert_eq!(all[0].state("New").0, AppState::InSync);
    assert!(!all[0].engine().one_by_one, "from now on apps that change at once are pushed together again");
}

#[test]
fn a_confirmation_does_not_outlive_what_it_was_given_for() {
    let mut all = world(&[EDITING]);
    for app in ["A", "B"] {
        all[0].save(app, "x.json", "{}");
    }
    all[0].pass(true, quiet);
    let vanish = |instance: &mut Instance| {
        for app in ["A", "B"] {
            instance.delete(app);
        }
        instance.pass(true, quiet);
        instance.pass(true, quiet);
        instance.engine().report().held_removals
    };
    assert!(vanish(&mut all[0]));
    let now = all[0].now;
    all[0].engine().confirm(None, now).unwrap();
    for app in ["A", "B"] {
        all[0].save(app, "x.json", "{}"); // back before anything was done
    }
    all[0].pass(true, quiet);
    assert!(vanish(&mut all[0]), "it must be confirmed anew");
}

#[test]
fn half_written_json_holds_its_app_alone() {
    let mut all = world(&[EDITING]);
    all[0].save("A", "x.json", "{\"half\":");
    all[0].save("B", "x.json", "{}");
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::Held);
    assert_eq!(all[0].log(), ["'B' App added to git"]);
}

#[test]
fn edits_made_offline_are_committed_and_replayed_after_a_restart() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[1].save("B", "x.json", "{\"b\":1}");
    all[1].pass(true, quiet);
    for n in 2..5 {
        all[0].save("A", "x.json", &format!("{{\"n\":{n}}}"));
        all[0].pass(false, quiet);
        all[0].start();
    }
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().iter().filter(|subject| subject.contains("Minor app update")).count(), 3);
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some("{\"b\":1}"));
}

#[test]
fn a_lost_data_folder_finds_its_bases_in_the_history() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    all[1].repo.refs.lock().unwrap().clear();
    all[1].start();
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"n\":2}"), "the older state is known: a plain pull");
    assert!(all[1].engine().kept().unwrap().is_empty());
}

#[test]
fn a_push_whose_note_was_lost_in_a_crash_is_no_conflict_with_what_others_made_of_it() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    let before: BTreeMap<_, _> = all[0].repo.refs.lock().unwrap().clone();
    all[0].save("A", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    *all[0].repo.refs.lock().unwrap() = before;
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", "{\"n\":3}");
    all[1].pass(true, quiet);
    all[0].start();
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::InSync);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":3}"));
}

#[test]
fn a_deliberate_step_back_against_an_edit_of_others_is_a_conflict_and_not_overwritten() {
    let mut all = world(&[EDITING, EDITING]);
    for n in 1..3 {
        all[0].save("A", "x.json", &format!("{{\"n\":{n}}}"));
        all[0].pass(true, quiet);
    }
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", "{\"n\":3}");
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::Conflict);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":1}"));
}

/// One step of a random story.
#[derive(Clone, Debug)]
enum Step {
    Save { who: usize, app: usize, key: usize, value: u32 },
    Delete { who: usize, app: usize },
    Pass { who: usize, online: bool },
    SaveDuringPass { who: usize, app: usize, key: usize, value: u32 },
    Restart { who: usize },
    DiskFillsUp { who: usize, after: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..3_usize;
    let step = prop_oneof![
        5 => (who.clone(), 0..4_usize, 0..3_usize, any::<u32>())
            .prop_map(|(who, app, key, value)| Step::Save { who, app, key, value }),
        1 => (who.clone(), 0..4_usize).prop_map(|(who, app)| Step::Delete { who, app }),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, online)| Step::Pass { who, online }),
        2 => (who.clone(), 0..4_usize, 0..3_usize, any::<u32>())
            .prop_map(|(who, app, key, value)| Step::SaveDuringPass { who, app, key, value }),
        1 => who.clone().prop_map(|who| Step::Restart { who }),
        2 => (who, 1..25_u32).prop_map(|(who, after)| Step::DiskFillsUp { who, after }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Changes one key of the one file of an app and leaves the others as they are.
fn save_key(instance: &Instance, app: usize, key: usize, value: u32) {
    let name = format!("A{app}");
    let old = instance.text(&name, "x.json").unwrap_or_else(|| "{\"k0\":0,\"k1\":0,\"k2\":0}".to_owned());
    let mut json: serde_json::Value = serde_json::from_str(&old).unwrap();
    json[format!("k{key}")] = value.into();
    instance.save(&name, "x.json", &json.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever happens, the instances end equal, but for apps in conflict, and every value that a pass took off a disk, or
    /// said was committed or in sync, is in the history of the branch, on a conflict branch, or kept aside.
    #[test]
    fn replicas_converge_and_lose_nothing(story in steps()) {
        let mut all = world(&[EDITING, EDITING, EDITING]);
        let mut settled: Vec<u32> = Vec::new();
        for instance in &mut all {
            instance.pass(true, quiet); // offline from the very first, nothing can be committed
        }
        for step in story {
            match step {
                Step::Save { who, app, key, value } => save_key(&all[who], app, key, value),
                Step::Delete { who, app } => all[who].delete(&format!("A{app}")),
                Step::Restart { who } => all[who].start(),
                Step::DiskFillsUp { who, after } => all[who].repo.writes_to_failure.store(after, Ordering::Relaxed),
                Step::Pass { who, online } => settled.extend(watched_pass(&mut all[who], online, None)),
                Step::SaveDuringPass { who, app, key, value } => {
                    settled.extend(watched_pass(&mut all[who], true, Some((app, key, value))));
                }
            }
        }
        for instance in &all {
            instance.repo.writes_to_failure.store(0, Ordering::Relaxed);
        }
        for _ in 0..4 {
            for instance in &mut all {
                settled.extend(watched_pass(instance, true, None));
                let now = instance.now;
                instance.engine().confirm(None, now).unwrap();
                settled.extend(watched_pass(instance, true, None));
            }
        }
        let conflicts: Vec<AppName> =
            all.iter().flat_map(|instance| instance.engine.as_ref().unwrap().state.notes.conflicts.keys().cloned()).collect();
        let agreed = |instance: &Instance| {
            let mut apps = instance.apps();
            apps.retain(|app, _| !conflicts.contains(app));
            apps
        };
        prop_assert_eq!(agreed(&all[0]), agreed(&all[1]));
        prop_assert_eq!(agreed(&all[1]), agreed(&all[2]));
        let remembered = remembered(&all);
        for value in settled {
            prop_assert!(remembered.contains(&value), "the value {} was lost", value);
        }
    }
}

/// A pass, with a save in the middle if asked for. Answers the values that must not be lost from now on.
fn watched_pass(instance: &mut Instance, online: bool, save: Option<(usize, usize, u32)>) -> Vec<u32> {
    let before = values(instance);
    let mut saved_over = Vec::new();
    let mut countdown = 2;
    let saved = instance.pass(online, |instance| {
        countdown -= 1;
        if let Some((app, key, value)) = save.filter(|_| countdown == 0) {
            saved_over = values(instance);
            save_key(instance, app, key, value);
        }
    });
    let after = values(instance);
    let taken_off = before.into_iter().filter(|value| !after.contains(value) && !saved_over.contains(value));
    let said = instance.engine().report().apps.into_iter().filter(|status| {
        status.state == AppState::InSync || status.reason.as_deref().is_some_and(|why| why.starts_with("committed"))
    });
    let apps = instance.apps();
    let untouched = said.filter_map(|status| apps.get(&AppName::new(status.name).unwrap()).cloned());
    let texts: Vec<String> = untouched.flat_map(BTreeMap::into_values).collect();
    let looked = (saved && save.is_none()).then(|| texts.iter().flat_map(|text| values_in(text))).into_iter().flatten();
    taken_off.chain(looked).collect()
}

fn values(instance: &Instance) -> Vec<u32> {
    let texts = instance.apps().into_values().flat_map(BTreeMap::into_values).collect::<Vec<_>>();
    texts.iter().flat_map(|text| values_in(text)).collect()
}

fn values_in(text: &str) -> Vec<u32> {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    json.as_object().unwrap().values().map(|value| value.to_string().parse().unwrap()).collect()
}

/// Every value in the history of any ref of the remote, or kept aside by anyone.
fn remembered(all: &[Instance]) -> std::collections::HashSet<u32> {
    let repo = &all[0].repo;
    let mut roots: Vec<ObjectId> = all[0].remote.lock().unwrap().values().copied().collect();
    for instance in all {
        let refs = instance.repo.refs.lock().unwrap();
        roots.extend(refs.iter().filter(|(name, _)| name.contains("/kept/")).map(|(_, id)| *id));
    }
    let mut found = std::collections::HashSet::new();
    for commit in roots.into_iter().flat_map(|root| repo.ancestors(root)) {
        let root = repo.commit(commit).unwrap().tree;
        for tree in app_trees(repo, Some(root), "App").unwrap().apps.into_values() {
            for entry in repo.tree(tree).unwrap() {
                found.extend(values_in(&String::from_utf8(repo.blob(entry.id).unwrap()).unwrap()));
            }
        }
    }
    found
}
