use super::*;
use crate::domain::event::Change;

fn pushed(app: &str, origin: &str) -> NewEvent {
    let repository =
        EventRepository { name: "one".into(), url: "u".into(), branch: "main".into(), prefix: "App".into() };
    let what = What::Pushed { commit: "ab".into(), change: Change::Changed, published: false };
    NewEvent {
        origin: Some(origin.into()),
        time: "2026-01-02T03:04:05Z".into(),
        repository,
        app: Some(app.into()),
        what,
    }
}

fn state(app: &str, from: AppState, to: AppState) -> NewEvent {
    NewEvent { origin: None, what: What::AppState { from, to: Some(to), reason: None }, ..pushed(app, "") }
}

async fn open(dir: &Path, targets: &[&str], kinds: &[&str]) -> EventStore {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    EventStore::open(dir, "dev", targets, kinds.iter().map(|kind| (*kind).to_owned()).collect()).await.unwrap()
}

async fn ids(store: &EventStore, target: &str) -> Vec<u64> {
    store.waiting(target, 0, 100).await.unwrap().into_iter().map(|waiting| waiting.id).collect()
}

#[tokio::test]
async fn events_wait_for_each_target_until_it_has_them_and_what_is_told_twice_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &["a", "b"], &[]).await;
    store.append(vec![pushed("One", "1"), pushed("Two", "2")]).await.unwrap();
    store.append(vec![pushed("Two", "2"), pushed("Two", "3")]).await.unwrap();
    let third = *store.newest().borrow(); // what was left out may have taken a number
    assert_eq!((ids(&store, "a").await, ids(&store, "b").await), (vec![1, 2, third], vec![1, 2, third]));
    store.settled("a", 2).await.unwrap();
    let lanes: Vec<String> = store.waiting("b", 1, 2).await.unwrap().into_iter().map(|waiting| waiting.lane).collect();
    assert!(lanes[0] == lanes[1] && lanes[0].ends_with("Two"), "{lanes:?}");
    drop(store);

    let store = open(dir.path(), &["a", "c"], &["published"]).await;
    assert_eq!(
        (ids(&store, "a").await, ids(&store, "b").await, ids(&store, "c").await),
        (vec![1, third], vec![], vec![])
    );
    store.append(vec![pushed("One", "4")]).await.unwrap();
    assert_eq!(ids(&store, "c").await, Vec::<u64>::new(), "the filter");
    let events = store.after(2, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [third, *store.newest().borrow()]);
    assert_eq!(events[0].instance, "dev");
}

#[tokio::test]
async fn what_is_too_old_goes_also_from_the_queues_and_its_id_is_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &["a"], &[]).await;
    store.append(vec![pushed("One", "1"), pushed("One", "2")]).await.unwrap();
    let long_ago = now_ms() - i64::try_from(KEPT.as_millis()).unwrap() - 1;
    sqlx::query("UPDATE events SET at_ms = $1").bind(long_ago).execute(&store.pool).await.unwrap();
    store.prune().await.unwrap();
    assert_eq!((ids(&store, "a").await, store.after(0, 9).await.unwrap()), (vec![], vec![]));
    assert_eq!(store.event(1).await.unwrap(), None);
    drop(store);
    let store = open(dir.path(), &["a"], &[]).await;
    store.append(vec![pushed("One", "3")]).await.unwrap();
    assert_eq!(ids(&store, "a").await, [3]);
}

#[tokio::test]
async fn only_states_that_are_not_in_sync_are_remembered() {
    use AppState::{Conflict, Held, InSync};
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &[], &[]).await;
    store
        .append(vec![state("One", InSync, Held), state("Two", InSync, Held), state("One", Held, Conflict)])
        .await
        .unwrap();
    store.append(vec![state("Two", Held, InSync)]).await.unwrap();
    let states = store.states(&pushed("One", "").repository).await.unwrap();
    assert_eq!(states.into_iter().collect::<Vec<_>>(), [("One".to_owned(), "conflict".to_owned())]);
    assert_eq!(store.states(&EventRepository::default()).await.unwrap(), BTreeMap::new());
}

#[tokio::test]
async fn a_failure_is_remembered_until_the_repository_is_well_again() {
    use crate::domain::FailureClass;
    use crate::domain::status::RepositoryState::{InSync, Offline};
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &[], &[]).await;
    let told = |what| NewEvent { origin: None, app: None, what, ..pushed("One", "") };
    let state = |to| told(What::RepositoryState { from: None, to, summary: String::new() });
    let class = FailureClass::Connect;
    let failure = told(What::Failure { class, message: String::new(), remedy: String::new() });
    let repository = failure.repository.clone();
    store.append(vec![failure, state(Offline)]).await.unwrap();
    let known = store.states(&repository).await.unwrap();
    assert_eq!(known.get(STANDING_FAILURE).map(String::as_str), Some("connect"));
    let other = EventRepository { name: "two".into(), ..repository.clone() };
    assert_eq!(store.states(&other).await.unwrap(), BTreeMap::new(), "the same remote under another name");
    store.append(vec![state(InSync)]).await.unwrap();
    let known = store.states(&repository).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [(String::new(), "in_sync".to_owned())]);
}
