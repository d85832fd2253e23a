//! One changed file among 100,000: what the commit alone costs, durable on disk.

use std::time::Instant;

use appferry::domain::{EntryKind, ObjectId, TreeEntry};
use appferry::git::local::LocalRepo;
use appferry::ports::{Commit, LocalRepository, RefEdit, Signature};

use crate::Size;
use crate::peer;
use crate::place::{Place, run};
use crate::table::Table;

const FILES: usize = 100;

/// Ours: blob, trees, commit and two refs, written and secured. Git's: `git add -A && git commit`, without securing.
pub(crate) fn one_change_among_many(place: &Place, size: Size, table: &mut Table) {
    let clone = place.path("many");
    run(place.git(std::path::Path::new("/"), place.port).args(["init", "-q", "-b", "main"]).arg(&clone));
    peer::write_apps(&clone.join("App"), size.large_apps, FILES);
    peer::commit(place, &clone);
    let repo = LocalRepo::open_or_create(&place.path("many_local.git")).unwrap();
    let mut tip = first_commit(&repo, size.large_apps);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=size.rounds {
        let app = (round * 13) % size.large_apps;
        let content = peer::content(app, 0, round);
        let begun = Instant::now();
        tip = change(&repo, tip, app, &content);
        ours.push(begun.elapsed());
        std::fs::write(clone.join("App").join(peer::file_path(app, 0)), content).unwrap();
        let begun = Instant::now();
        peer::commit(place, &clone);
        theirs.push(begun.elapsed());
    }
    let what = format!("commit of one changed file among {}; `git add -A && git commit`", size.large_apps * FILES);
    table.times(&what, &ours, &theirs);
}

fn first_commit(repo: &LocalRepo, apps: usize) -> ObjectId {
    let apps: Vec<_> = (0..apps)
        .map(|app| {
            let file = |file| {
                let blob = repo.write_blob(peer::content(app, file, 0).as_bytes()).unwrap();
                entry(&format!("meta_{file}.json"), EntryKind::File, blob)
            };
            let files: Vec<_> = (0..FILES).map(file).collect();
            entry(&format!("App_{app:04}"), EntryKind::Tree, repo.write_tree(&files).unwrap())
        })
        .collect();
    commit(repo, &apps, None)
}

/// Reads the trees of the tip, as the program does; nothing is remembered from the round before.
fn change(repo: &LocalRepo, tip: ObjectId, app: usize, content: &str) -> ObjectId {
    let root = repo.tree(repo.commit(tip).unwrap().tree).unwrap();
    let mut apps = repo.tree(root[0].id).unwrap();
    let mut files = repo.tree(apps[app].id).unwrap();
    files[0].id = repo.write_blob(content.as_bytes()).unwrap();
    apps[app].id = repo.write_tree(&files).unwrap();
    commit(repo, &apps, Some(tip))
}

fn commit(repo: &LocalRepo, apps: &[TreeEntry], parent: Option<ObjectId>) -> ObjectId {
    let folder = repo.write_tree(apps).unwrap();
    let tree = repo.write_tree(&[entry("App", EntryKind::Tree, folder)]).unwrap();
    let author = Signature {
        name: "bench".into(),
        email: "bench@example.org".into(),
        seconds: 1_700_000_000,
        offset_minutes: 0,
    };
    let message = "App_0001:: Minor app update\n".into();
    let parents = parent.into_iter().collect();
    let commit = Commit { tree, parents, committer: author.clone(), author, message };
    let tip = repo.write_commit(&commit).unwrap();
    let edits = ["refs/heads/main", "refs/appferry/base"].map(|name| RefEdit { name: name.into(), to: Some(tip) });
    repo.edit_refs(&edits).unwrap();
    tip
}

fn entry(name: &str, kind: EntryKind, id: ObjectId) -> TreeEntry {
    TreeEntry { name: name.into(), kind, id }
}
