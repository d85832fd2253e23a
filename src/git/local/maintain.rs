//! Melts packs and loose objects together, since libgit2 cannot.
//!
//! Small packs are melted among themselves as long as the next larger one is at least twice as heavy as all of them
//! (as `git repack --geometric=2` does), so that an object is written again only a logarithmic number of times. When
//! that reaches the largest pack, everything is walked, and what nothing needs any more is left out.
//!
//! A crash at any step leaves a valid repository: the new pack is on the disk for good and in its place before the
//! first file is deleted.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::PackBuilder;

use super::graph::Walk;
use super::packs::{self, Loose, Pack};
use super::{LocalRepo, State, durable, index, loose, objects, open, pack};
use crate::domain::{Failure, ObjectId};

const MAX_LOOSE: usize = 2_000;
const MAX_PACKS: usize = 20;
/// As many packs may stay beside a new one: few enough that it is not soon done again.
const KEPT_PACKS: usize = 10;
/// Unreachable objects younger than this are kept: somebody may be about to refer to them.
const YOUNG: Duration = Duration::from_hours(1);
/// What a loose object weighs, beside packs by their bytes.
const LOOSE_WEIGHT: u64 = 1_024;

/// Does it if there is much to do, and answers whether it did.
pub(super) fn run(repo: &LocalRepo) -> Result<bool, Failure> {
    let folder = repo.packs_folder();
    let objects_folder = repo.path.join("objects");
    let found = packs::loose(&objects_folder)?;
    if found.len() <= MAX_LOOSE && packs::names(&folder)?.len() <= MAX_PACKS {
        return Ok(false);
    }
    let (melted, whole) = choose(packs::melting(&folder)?, found.len());
    if melted.len() < 2 && found.len() <= MAX_LOOSE {
        return Ok(false); // the rest is marked with `.keep`
    }
    for object in &found {
        loose::read(&objects_folder, object.id)?; // libgit2 must not see a damaged one
    }
    let old = Old::read(melted, found)?;
    let git = open::handle(&repo.path)?;
    let odb = git.odb().map_err(|e| objects::failure("the object store cannot be opened", &e))?;
    let mut walk = Walk { odb, folder: &objects_folder, found: HashSet::new() };
    let mut builder = git.packbuilder().map_err(|e| objects::failure("no pack can be begun", &e))?;
    builder.set_threads(1); // the rest of the machine belongs to others
    let mut settled = HashSet::new();
    if whole {
        settled = gather_needed(repo, &old, &mut walk, &mut builder)?;
    } else {
        old.objects.iter().try_for_each(|id| insert(&mut builder, *id, None))?;
    }
    let written = write(&mut builder, &repo.path, &folder)?;
    let mut state = repo.lock();
    if whole {
        // What came into use while the pack was written.
        let refs = repo.refs.list("refs/")?;
        walk.follow(refs.into_iter().map(|(_, id)| id), false, |_, _| Ok(()))?;
        walk.follow(state.in_use.iter().copied(), false, |_, _| Ok(()))?;
    }
    delete_covered(&old, &written, whole.then_some(&walk.found))?;
    state.in_use.retain(|id| !settled.contains(id));
    reopen(&mut state, repo, written)?;
    Ok(true)
}

/// What is to be melted.
struct Old {
    packs: Vec<(Pack, Vec<ObjectId>)>,
    loose: Vec<Loose>,
    objects: HashSet<ObjectId>,
}

impl Old {
    fn read(packs: Vec<Pack>, loose: Vec<Loose>) -> Result<Self, Failure> {
        let named = packs.into_iter().map(|pack| {
            let names = index::names(&pack.path.with_extension("idx"))?;
            Ok((pack, names))
        });
        let packs: Vec<_> = named.collect::<Result<_, Failure>>()?;
        let objects = packs.iter().flat_map(|(_, names)| names).copied().chain(loose.iter().map(|l| l.id)).collect();
        Ok(Self { packs, loose, objects })
    }

    /// Objects that may be needed although nothing refers to them yet.
    fn young(&self) -> HashSet<ObjectId> {
        let packs = self.packs.iter().filter(|(pack, _)| packs::is_young(Ok(pack.modified), YOUNG));
        let loose = self
            .loose
            .iter()
            .filter(|loose| packs::is_young(loose.path.metadata().and_then(|found| found.modified()), YOUNG));
        packs.flat_map(|(_, names)| names).copied().chain(loose.map(|loose| loose.id)).collect()
    }
}

/// The packs to melt, and whether these are all.
fn choose(mut packs: Vec<Pack>, loose: usize) -> (Vec<Pack>, bool) {
    packs.sort_by_key(|pack| pack.weight);
    let mut melted_weight = loose as u64 * LOOSE_WEIGHT;
    let mut count = packs.len();
    for (position, pack) in packs.iter().enumerate() {
        if packs.len() - position <= KEPT_PACKS && pack.weight >= melted_weight.saturating_mul(2) {
            count = position;
            break;
        }
        melted_weight += pack.weight;
    }
    let whole = count == packs.len();
    packs.truncate(count);
    (packs, whole)
}

/// Puts into the pack what refs reach, what is in use here, and what is young, with all that these reach. Answers which
/// objects in use are reached by refs: these need no other protection from now on.
fn gather_needed(
    repo: &LocalRepo,
    old: &Old,
    walk: &mut Walk<'_>,
    builder: &mut PackBuilder<'_>,
) -> Result<HashSet<ObjectId>, Failure> {
    let mut take = |id: ObjectId, name: &[u8]| {
        if old.objects.contains(&id) { insert(builder, id, std::str::from_utf8(name).ok()) } else { Ok(()) }
    };
    // First what is in use, then the refs: what gets its ref in between is found by one of the two.
    let in_use: Vec<ObjectId> = repo.lock().in_use.iter().copied().collect();
    let refs = repo.refs.list("refs/")?;
    walk.follow(refs.into_iter().map(|(_, id)| id), true, &mut take)?;
    let settled = in_use.iter().filter(|id| walk.found.contains(id)).copied().collect();
    walk.follow(in_use, false, &mut take)?;
    walk.follow(old.young(), false, &mut take)?;
    Ok(settled)
}

fn insert(builder: &mut PackBuilder<'_>, id: ObjectId, name: Option<&str>) -> Result<(), Failure> {
    // A NUL cannot be passed on; the name only helps to find similar objects.
    let name = name.filter(|name| !name.contains('\0'));
    builder.insert_object(objects::oid(id)?, name).map_err(|e| objects::unreadable(id, &e))
}

/// What was written: the pack's path, and its objects.
#[derive(Default)]
struct Written {
    path: PathBuf,
    objects: HashSet<ObjectId>,
}

/// Writes the pack beside the others, secures it, then moves it in.
fn write(builder: &mut PackBuilder<'_>, repository: &Path, folder: &Path) -> Result<Written, Failure> {
    if builder.object_count() == 0 {
        return Ok(Written::default()); // nothing of all that is needed
    }
    let staging = open::staging(repository);
    let written = write_staged(builder, &staging, folder);
    let _ = std::fs::remove_dir_all(&staging); // what stays is cleared at the next start
    written
}

fn write_staged(builder: &mut PackBuilder<'_>, staging: &Path, folder: &Path) -> Result<Written, Failure> {
    std::fs::create_dir_all(staging).map_err(|e| durable::disk("cannot make", staging, &e))?;
    builder.write(staging, 0o444).map_err(|e| objects::failure("a pack cannot be written", &e))?;
    let Some(new) = packs::names(staging)?.pop() else {
        return Err(Failure::internal("libgit2 wrote no pack"));
    };
    let new_index = new.with_extension("idx");
    durable::sync(&new)?;
    durable::sync(&new_index)?;
    let objects = index::names(&new_index)?.into_iter().collect();
    let path = folder.join(new.file_name().unwrap_or_default());
    pack::place(&new, &new_index, &path)?;
    Ok(Written { path, objects })
}

/// Deletes what the new pack holds. With `needed`, also what is neither there nor needed.
fn delete_covered(old: &Old, new: &Written, needed: Option<&HashSet<ObjectId>>) -> Result<(), Failure> {
    let covered = |id: &ObjectId| new.objects.contains(id) || needed.is_some_and(|needed| !needed.contains(id));
    for loose in old.loose.iter().filter(|loose| covered(&loose.id)) {
        durable::remove(&loose.path)?;
    }
    for (pack, names) in &old.packs {
        // The same objects make a pack of the same name.
        if pack.path != new.path && names.iter().all(covered) {
            packs::delete(&pack.path)?;
        }
    }
    Ok(())
}

/// libgit2 would keep the deleted packs open.
fn reopen(state: &mut State, repo: &LocalRepo, written: Written) -> Result<(), Failure> {
    state.git = open::handle(&repo.path)?;
    state.durable.retain(|path| path.exists());
    if !written.objects.is_empty() {
        state.durable.insert(written.path);
    }
    Ok(())
}
