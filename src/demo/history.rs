//! What the demo sees in the bare repository: new commits, and the files of its newest one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::server::git;

/// At most so many new commits are shown at once.
const MOST_COMMITS: &str = "--max-count=100";

/// One commit, as far as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) short: String,
    pub(super) subject: String,
    /// The lines below the subject, without trailers.
    pub(super) body: Vec<String>,
    /// Which instance made it, by its trailer.
    pub(super) instance: String,
    /// The apps that it changed.
    pub(super) apps: Vec<String>,
}

/// The commit that `main` is at, or `None` before the first one.
pub(super) async fn tip(repository: &Path) -> anyhow::Result<Option<String>> {
    let refs = run(repository, &["for-each-ref", "--format=%(objectname)", "refs/heads/main"]).await?;
    Ok(Some(refs.trim().to_owned()).filter(|id| !id.is_empty()))
}

/// The commits that came after `old`, the oldest first.
pub(super) async fn commits(repository: &Path, old: Option<&str>, new: &str) -> anyhow::Result<Vec<Commit>> {
    let range = old.map_or_else(|| new.to_owned(), |old| format!("{old}..{new}"));
    let listed = run(repository, &["rev-list", "--reverse", MOST_COMMITS, &range]).await?;
    let mut commits = Vec::new();
    for id in listed.lines() {
        commits.push(commit(repository, id).await?);
    }
    Ok(commits)
}

async fn commit(repository: &Path, id: &str) -> anyhow::Result<Commit> {
    let format = "--format=%h%x00%(trailers:key=Appferry-Instance,valueonly)%x00%(trailers:only,unfold)%x00%s%x00%b";
    let text = run(repository, &["show", "--no-patch", format, id]).await?;
    let fields: Vec<&str> = text.splitn(5, '\0').collect();
    let &[short, instance, trailers, subject, body] = fields.as_slice() else {
        anyhow::bail!("git shows commit {id} in an unknown form");
    };
    let is_trailer = |line: &&str| trailers.lines().any(|trailer| trailer == *line);
    let body = body.lines().filter(|line| !line.trim().is_empty() && !is_trailer(line)).map(str::to_owned).collect();
    let paths = run(repository, &["diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", id]).await?;
    let mut apps: Vec<String> = paths.split('\0').filter_map(app_of).map(str::to_owned).collect();
    apps.dedup();
    let (short, instance) = (short.to_owned(), instance.trim().to_owned());
    Ok(Commit { short, subject: subject.to_owned(), body, instance, apps })
}

fn app_of(path: &str) -> Option<&str> {
    path.strip_prefix("App/")?.split_once('/').map(|(app, _)| app)
}

/// The files of every app at `commit`: path inside the app to the name of its blob.
pub(super) async fn files(
    repository: &Path,
    commit: &str,
) -> anyhow::Result<BTreeMap<String, BTreeMap<String, String>>> {
    let listed = run(repository, &["ls-tree", "-r", "-z", "--format=%(objectname) %(path)", commit, "App/"]).await?;
    let mut apps: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for entry in listed.split('\0') {
        let split = || {
            let (blob, path) = entry.split_once(' ')?;
            let (app, inside) = path.strip_prefix("App/")?.split_once('/')?;
            Some((blob.to_owned(), app.to_owned(), inside.to_owned()))
        };
        if let Some((blob, app, inside)) = split() {
            apps.entry(app).or_default().insert(inside, blob);
        }
    }
    Ok(apps)
}

async fn run(repository: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let folder = repository.to_str().context("the repository's path is not UTF-8")?;
    git(&[&["--git-dir", folder], arguments].concat()).await
}
