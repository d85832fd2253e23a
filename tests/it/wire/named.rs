//! Other branches, tags and commits than the branch that is followed.

use std::sync::Arc;

use appferry::domain::FailureClass;
use appferry::ports::{FoundCommit, Remote};

use super::double::{Pair, git};
use super::http;

/// What must hold for every way to a repository.
pub(super) async fn all_refs_are_listed_and_any_is_fetched(pair: &Pair, remote: Arc<dyn Remote>) {
    assert_eq!(remote.refs().await, Ok(Vec::new()));
    let first = pair.server_commit(None, &[("App/A/x.json", b"{}")], "refs/heads/main");
    let second = pair.server_commit(Some(first), &[("App/A/x.json", b"{\"a\":1}")], "refs/heads/main");
    let third = pair.server_commit(Some(first), &[("App/B/y.json", b"{}")], "refs/heads/team/dev");
    let server =
        |arguments: &[&str]| git(&pair.server, &[&["-c", "user.name=x", "-c", "user.email=x@y"], arguments].concat());
    server(&["tag", "light", &first.to_string()]);
    server(&["tag", "-a", "-m", "Released", "v1.0", &third.to_string()]);
    server(&["update-ref", "refs/pull/1/head", &second.to_string()]);
    let on_no_branch = server(&["commit-tree", "-m", "Alone", &format!("{first}^{{tree}}")]);

    let refs = remote.refs().await.expect("the refs");
    let names: Vec<&str> = refs.iter().map(|known| known.name.as_str()).collect();
    assert_eq!(names, ["refs/heads/main", "refs/heads/team/dev", "refs/tags/light", "refs/tags/v1.0"]);
    assert_eq!(refs[2].id, first);
    assert_eq!(refs[3].id.to_string(), server(&["rev-parse", "refs/tags/v1.0"]), "the tag itself");

    let of_ref = |name: &str, commit| Ok(FoundCommit { name: Some(name.to_owned()), commit });
    assert_eq!(remote.fetch_ref("light").await, of_ref("refs/tags/light", first));
    assert!(remote.fetch_ref("dev").await.is_err());
    assert_eq!(remote.fetch_ref("v1.0").await, of_ref("refs/tags/v1.0", third), "the commit that the tag names");
    assert_eq!(remote.fetch_ref("team/dev").await, of_ref("refs/heads/team/dev", third));
    git(&pair.local, &["fsck", "--strict", &third.to_string()]);
    let by_id = |commit| Ok(FoundCommit { name: None, commit });
    assert_eq!(remote.fetch_ref(&second.to_string()).await, by_id(second));
    assert_eq!(remote.fetch_ref(&third.to_string()[..10]).await, by_id(third));
    git(&pair.local, &["fsck", "--strict", &second.to_string()]);
    assert_eq!(git(&pair.local, &["for-each-ref"]), "", "no ref of ours moves");

    let failure = remote.fetch_ref(&on_no_branch).await.expect_err("on no branch");
    assert_eq!(failure.class, FailureClass::Refused);
    assert!(failure.message.contains("no branch and no tag of the remote reaches"), "{failure}");
    let failure = remote.fetch_ref("mian").await.expect_err("absent");
    assert!(failure.message.ends_with("there are: main, team/dev, light, v1.0"), "{failure}");
}

#[tokio::test]
async fn over_a_path() {
    let pair = Pair::new();
    all_refs_are_listed_and_any_is_fetched(&pair, pair.path("main")).await;
}

#[tokio::test]
async fn over_http_in_both_versions() {
    for version_2 in [true, false] {
        let pair = Pair::new();
        let server = http::serve(&pair.server, version_2).await;
        all_refs_are_listed_and_any_is_fetched(&pair, pair.http(&server.url("repo.git"), "s3cret")).await;
    }
}
