//! Which of the apps that appeared are ones that vanished, under a new name: told by how much of them is the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::LocalRepository;

use super::trees::changed_files;

/// An app under a name: what vanished, or what appeared.
pub type Named = (AppName, ObjectId);

/// As much of an app's files must be the same: what Git asks of a renamed file.
const ALIKE: f64 = 0.5;
/// An app that appeared is compared with so many of those that vanished: the ones with which it has most files in common.
const MOST_COMPARED: usize = 5;
/// A file that is in more of the vanished apps than this tells nothing: it comes with every app.
const COMMONPLACE: usize = 20;
/// Contents are compared up to this many bytes a pair of apps.
const MOST_READ: usize = 8 * 1024 * 1024;
/// So many answers are remembered: planning asks the same again and again.
const REMEMBERED: usize = 4;

/// Finds renamed apps; remembers its last answers, which depend on nothing but what was asked.
#[derive(Debug, Default)]
pub struct Kinship {
    answers: VecDeque<Answer>,
}

#[derive(Debug)]
struct Answer {
    vanished: Vec<Named>,
    appeared: Vec<Named>,
    pairs: BTreeMap<AppName, AppName>,
}

impl Kinship {
    /// The apps among `vanished` that are among `appeared` under another name: old name to new name. Equal trees first, then
    /// the most alike. Cheap for thousands of apps: only those with files in common are compared.
    ///
    /// # Errors
    /// As the repository.
    pub fn pair_up(
        &mut self,
        repo: &dyn LocalRepository,
        vanished: &[Named],
        appeared: &[Named],
    ) -> Result<BTreeMap<AppName, AppName>, Failure> {
        if vanished.is_empty() || appeared.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked = |answer: &&Answer| answer.vanished == vanished && answer.appeared == appeared;
        if let Some(answer) = self.answers.iter().find(asked) {
            return Ok(answer.pairs.clone());
        }
        let pairs = find_pairs(repo, vanished, appeared)?;
        self.answers.truncate(REMEMBERED - 1);
        self.answers.push_front(Answer {
            vanished: vanished.to_vec(),
            appeared: appeared.to_vec(),
            pairs: pairs.clone(),
        });
        Ok(pairs)
    }
}

fn find_pairs(
    repo: &dyn LocalRepository,
    vanished: &[Named],
    appeared: &[Named],
) -> Result<BTreeMap<AppName, AppName>, Failure> {
    let mut pairs = BTreeMap::new();
    let mut by_tree: HashMap<ObjectId, Vec<&AppName>> = HashMap::new();
    for (app, tree) in vanished.iter().rev() {
        by_tree.entry(*tree).or_default().push(app);
    }
    let mut rest = Vec::new();
    for (app, tree) in appeared {
        match by_tree.get_mut(tree).and_then(Vec::pop) {
            Some(old) => drop(pairs.insert(old.clone(), app.clone())),
            None => rest.push((app, *tree)),
        }
    }
    let left: Vec<(&AppName, ObjectId)> =
        vanished.iter().filter(|(app, _)| !pairs.contains_key(app)).map(|(app, tree)| (app, *tree)).collect();
    if !left.is_empty() && !rest.is_empty() {
        pair_similar(repo, &left, &rest, &mut pairs)?;
    }
    Ok(pairs)
}

fn pair_similar(
    repo: &dyn LocalRepository,
    vanished: &[(&AppName, ObjectId)],
    appeared: &[(&AppName, ObjectId)],
    pairs: &mut BTreeMap<AppName, AppName>,
) -> Result<(), Failure> {
    let old: Vec<Files> = vanished.iter().map(|(app, tree)| Files::of(repo, app, *tree)).collect::<Result<_, _>>()?;
    let mut holders: HashMap<ObjectId, Vec<usize>> = HashMap::new();
    for (position, files) in old.iter().enumerate() {
        for id in files.ids.keys() {
            holders.entry(*id).or_default().push(position);
        }
    }
    let mut alike = Vec::new();
    for (new_at, (app, tree)) in appeared.iter().enumerate() {
        let new = Files::of(repo, app, *tree)?;
        for old_at in candidates(&new, &holders, old.len()) {
            let Some(files) = old.get(old_at) else { continue };
            let share = share(repo, files, &new)?;
            if share >= ALIKE {
                alike.push((share, old_at, new_at));
            }
        }
    }
    // Best first; of equals the first by name, so that the answer is the same everywhere.
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let (mut taken_old, mut taken_new) = (HashSet::new(), HashSet::new());
    for (_, old_at, new_at) in alike {
        if taken_old.contains(&old_at) || taken_new.contains(&new_at) {
            continue;
        }
        taken_old.insert(old_at);
        taken_new.insert(new_at);
        if let (Some((old, _)), Some((new, _))) = (vanished.get(old_at), appeared.get(new_at)) {
            pairs.insert((*old).clone(), (*new).clone());
        }
    }
    Ok(())
}

/// The vanished apps worth comparing with: those with the most files in common; when there are few, all of them.
fn candidates(new: &Files, holders: &HashMap<ObjectId, Vec<usize>>, vanished: usize) -> Vec<usize> {
    let mut common: HashMap<usize, usize> = HashMap::new();
    for id in new.ids.keys() {
        let of_this = holders.get(id).filter(|of_this| of_this.len() <= COMMONPLACE);
        of_this.into_iter().flatten().for_each(|position| *common.entry(*position).or_default() += 1);
    }
    if vanished <= MOST_COMPARED {
        return (0..vanished).collect();
    }
    let mut ranked: Vec<(usize, usize)> = common.into_iter().collect();
    ranked.sort_by_key(|(position, count)| (Reverse(*count), *position));
    ranked.into_iter().take(MOST_COMPARED).map(|(position, _)| position).collect()
}

/// The files of one app.
struct Files {
    /// How often each content is there, wherever it lies.
    ids: HashMap<ObjectId, usize>,
    /// By path; a file of the app's own name (as older exports have) goes by none.
    paths: BTreeMap<String, ObjectId>,
}

impl Files {
    fn of(repo: &dyn LocalRepository, app: &AppName, tree: ObjectId) -> Result<Self, Failure> {
        let own = own_file(app);
        let mut files = Self { ids: HashMap::new(), paths: BTreeMap::new() };
        for file in changed_files(repo, None, Some(tree))? {
            let Some((_, id)) = file.new else { continue };
            *files.ids.entry(id).or_default() += 1;
            files.paths.insert(if file.path == own { String::new() } else { file.path }, id);
        }
        Ok(files)
    }
}

/// The one file of an older export.
#[must_use]
pub fn own_file(app: &AppName) -> String {
    format!("{app}.json")
}

/// The share of files, `0.0` to `1.0`, that are the same; one that changed counts by how much of it is the same.
fn share(repo: &dyn LocalRepository, old: &Files, new: &Files) -> Result<f64, Failure> {
    let count = |files: &Files| files.paths.len();
    let most = as_share(count(old).max(count(new)).max(1));
    let common: usize = old.ids.iter().filter_map(|(id, count)| Some(*count.min(new.ids.get(id)?))).sum();
    let mut same = as_share(common);
    let mut left = MOST_READ;
    for (path, id) in &old.paths {
        if same / most >= ALIKE || left == 0 {
            break;
        }
        let Some(other) = new.paths.get(path).filter(|other| !old.ids.contains_key(other) && !new.ids.contains_key(id))
        else {
            continue;
        };
        let (before, after) = (repo.blob(*id)?, repo.blob(*other)?);
        left = left.saturating_sub(before.len() + after.len());
        same += content_share(&before, &after);
    }
    Ok(same / most)
}

/// The share of bytes that two files have in common, counted in pieces as Git does, but cut at commas too: JSON is often
/// one line.
fn content_share(a: &[u8], b: &[u8]) -> f64 {
    let mut pieces: HashMap<&[u8], usize> = HashMap::new();
    for piece in pieces_of(a) {
        *pieces.entry(piece).or_default() += 1;
    }
    let mut common = 0;
    for piece in pieces_of(b) {
        if let Some(count) = pieces.get_mut(piece).filter(|count| **count > 0) {
            *count -= 1;
            common += piece.len();
        }
    }
    as_share(common) / as_share(a.len().max(b.len()).max(1))
}

fn pieces_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| matches!(byte, b'\n' | b',')).flat_map(|line| line.chunks(64))
}

fn as_share(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_alike_by_the_bytes_they_share() {
        assert!((content_share(b"{\"a\":1,\"b\":2}", b"{\"a\":1,\"b\":2}") - 1.0).abs() < 1e-9);
        assert!(content_share(b"{\"a\":1,\"b\":2,\"c\":3}", b"{\"a\":1,\"b\":9,\"c\":3}") > 0.5);
        assert!(content_share(b"{\"a\":1}", b"[2]") < 0.1);
        assert!(content_share(b"", b"") < 0.1);
    }
}
