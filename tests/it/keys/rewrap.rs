//! The way to another master key.

use sqlx::Row;

use super::*;

/// More than are read at once.
const KEYS: i64 = 120;

/// Lets whoever moves keys come so far, and then be busy for hours with the next one.
const STALL: &str = "CREATE TRIGGER stall BEFORE UPDATE ON key_material
    WHEN (SELECT count(*) FROM key_material WHERE master_key_id = NEW.master_key_id) >= 110
    BEGIN
        SELECT count(*) FROM key_material a, key_material b, key_material c, key_material d, key_material e, key_material f;
    END";

/// Files of a new and of the old master key.
struct Masters {
    _dir: TempDir,
    new: PathBuf,
    old: PathBuf,
}

impl Masters {
    fn new(data: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let new = dir.path().join("new");
        fs::write(&new, [5; 32]).unwrap();
        Self { new, old: data.join(MASTER_KEY), _dir: dir }
    }
}

async fn count(pool: &SqlitePool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn payloads(pool: &SqlitePool) -> Vec<(String, Vec<u8>)> {
    let rows = sqlx::query("SELECT id, sealed_private FROM key_material ORDER BY id").fetch_all(pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn rewrap_command(data: &Path, masters: &[&Path]) -> Command {
    let paths: Vec<String> = masters.iter().map(|path| path.display().to_string()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_appferry"));
    command.args(["keys", "rewrap"]).env_clear().env("APPFERRY_DATA_DIR", data);
    command.env("APPFERRY_MASTER_KEY_FILE", paths.join(":")).stdin(Stdio::null());
    command
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_and_in_the_end_the_old_master_key_is_not_needed() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    for n in 0..KEYS {
        made(&service, &format!("key{n}")).await;
    }
    service.close().await;
    let masters = Masters::new(data.path());
    let pool = raw(data.path()).await;
    let before = payloads(&pool).await;
    let old_id: String = sqlx::query_scalar("SELECT master_key_id FROM canary").fetch_one(&pool).await.unwrap();
    let wrappings = "SELECT count(DISTINCT master_key_id) FROM key_material";

    execute(&pool, STALL).await.unwrap();
    let mut child = rewrap_command(data.path(), &[&masters.new, &masters.old]).stdout(Stdio::null()).spawn().unwrap();
    while count(&pool, wrappings).await < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    execute(&pool, "DROP TRIGGER stall").await.unwrap();
    assert_eq!(count(&pool, wrappings).await, 2, "some are moved, some are not");
    let (both, _) = open_with(data.path(), &files(&[&masters.new, &masters.old])).await.unwrap();
    for n in [0, KEYS / 2, KEYS - 1] {
        both.resolve(&name(&format!("key{n}"))).await.unwrap();
    }
    both.close().await;

    let done = rewrap_command(data.path(), &[&masters.new, &masters.old]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("the others can be taken out"), "{said}");
    assert_eq!(payloads(&pool).await, before, "what is sealed was not touched");
    let canary: String = sqlx::query_scalar("SELECT master_key_id FROM canary").fetch_one(&pool).await.unwrap();
    assert_ne!(canary, old_id);
    fs::remove_file(&masters.old).unwrap();
    let (alone, _) = open_with(data.path(), &files(&[&masters.new])).await.unwrap();
    for n in 0..KEYS {
        alone.resolve(&name(&format!("key{n}"))).await.unwrap();
    }
    let again = alone.rewrap().await.unwrap();
    assert_eq!((again.moved, again.left.len(), again.damaged.len()), (0, 0, 0));
}

#[tokio::test]
async fn a_master_key_that_is_missing_is_named_with_how_many_need_it() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    made(&service, "a").await;
    let pool = raw(data.path()).await;
    let old_id: String = sqlx::query_scalar("SELECT master_key_id FROM canary").fetch_one(&pool).await.unwrap();
    let masters = Masters::new(data.path());

    // A start without it is refused, and says which.
    let refused = rewrap_command(data.path(), &[&masters.new]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains(&old_id), "{said}");

    // One that was there before somebody came with a third one counts what it cannot move.
    let third = masters.new.with_file_name("third");
    fs::write(&third, [7; 32]).unwrap();
    let (early, _) = open_with(data.path(), &files(&[&masters.new, &masters.old])).await.unwrap();
    let (other, _) = open_with(data.path(), &files(&[&third, &masters.old])).await.unwrap();
    for key in ["b", "c"] {
        made(&other, key).await;
    }
    let done = early.rewrap().await.unwrap();
    assert_eq!((done.moved, done.left.values().sum::<usize>(), done.left.len()), (1, 2, 1));
    early.resolve(&name("a")).await.unwrap();
    other.resolve(&name("c")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_reported_and_the_others_are_moved() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    for key in ["a", "b"] {
        made(&service, key).await;
    }
    let pool = raw(data.path()).await;
    let damage = "UPDATE key_material SET wrapped_data_key = zeroblob(length(wrapped_data_key))
                  WHERE key_id = (SELECT id FROM keys WHERE name = 'a')";
    execute(&pool, damage).await.unwrap();
    let masters = Masters::new(data.path());
    let done = rewrap_command(data.path(), &[&masters.new, &masters.old]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.code() == Some(1) && said.contains("1 key pairs were moved"), "{said}");
    assert!(said.contains("altered or damaged") && !said.contains("can be taken out"), "{said}");
    let (service, _) = open_with(data.path(), &files(&[&masters.new, &masters.old])).await.unwrap();
    service.resolve(&name("b")).await.unwrap();
}
