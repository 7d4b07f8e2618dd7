use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use evenkeel_core::database::{Level, Reason};

use super::*;
use crate::database::Target;
use crate::database::observe::observe;
use crate::database::testing::{Docker, Stack};
use crate::space::testing::SmallDisk;

const ROWS: &str = "CREATE TABLE public.alembic_version (version_num text); INSERT INTO public.alembic_version VALUES ('a1'); \
    CREATE SCHEMA \"Odd one\"; CREATE TABLE \"Odd one\".\"t\"\"\" (x text); \
    INSERT INTO \"Odd one\".\"t\"\"\" SELECT md5(i::text) FROM generate_series(1, 50000) i; \
    CREATE ROLE reader; GRANT CONNECT ON DATABASE shop TO reader; REVOKE CONNECT ON DATABASE shop FROM PUBLIC; \
    ALTER DATABASE shop SET search_path TO \"$user\", public, \"Odd one\"; \
    ALTER DATABASE shop SET \"my.setting\" TO 'it''s'; ALTER ROLE reader IN DATABASE shop SET work_mem TO '8MB'";

fn request(second: i64) -> Request {
    Request { reason: Reason::Manual, image: None, now: Timestamp::from_second(second).unwrap() }
}

struct Fixture {
    stack: Stack,
    store: Store,
    directory: tempfile::TempDir,
}

async fn fixture(name: &str) -> Option<Fixture> {
    let stack = Stack::start(name).await?;
    stack.target.connect().await.unwrap().batch_execute(ROWS).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    Some(Fixture { stack, store: Store::new(directory.path().join("shop")), directory })
}

impl Fixture {
    async fn backup(&self, second: i64) -> Backup {
        self.store.create(&Docker, &self.stack.target, request(second)).await.unwrap()
    }

    async fn one(&self, sql: &str) -> String {
        let session = self.stack.target.connect().await.unwrap();
        session.query_one(sql, &[]).await.unwrap().get(0)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.store.directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_backup_holds_what_its_manifest_says() {
    let Some(fixture) = fixture("make").await else { return };
    let backup = fixture.backup(1_700_000_000).await;
    assert!(backup.id.starts_with("20231114t221320z-"), "{}", backup.id);
    assert_eq!((backup.level, backup.good()), (Level::Decoded, true));
    assert_eq!(backup.revisions, BTreeSet::from(["a1".into()]));
    assert_eq!(backup.rows["\"Odd one\".\"t\"\"\""], 50_000);
    assert_eq!(backup.globals_missing, None);
    let globals = std::fs::read_to_string(fixture.store.path(&backup.id, "globals.sql")).unwrap();
    assert!(globals.contains("CREATE ROLE reader") && !globals.contains("PASSWORD"), "{globals}");
    for name in fixture.files() {
        let mode = std::fs::metadata(fixture.store.directory.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fixture.files().len(), 3);
    assert_eq!(fixture.store.list().await.unwrap(), std::slice::from_ref(&backup));
    assert_eq!(fixture.store.get(&backup.id).await.unwrap(), backup);
    assert!(
        fixture.store.get("other").await.unwrap_err().to_string().starts_with("there is no backup other in ")
    );
}

#[tokio::test]
async fn a_backup_is_proven_again_up_to_its_rows() {
    let Some(fixture) = fixture("prove").await else { return };
    let (target, store) = (&fixture.stack.target, &fixture.store);
    let mut backup = fixture.backup(1).await;
    let verify =
        |restored| store.verify(&Docker, target, &backup.id, restored, Timestamp::from_second(2).unwrap());
    assert_eq!(verify(false).await.unwrap().level, Level::Decoded);
    assert_eq!(verify(true).await.unwrap().level, Level::Restored);
    assert_eq!(verify(false).await.unwrap().level, Level::Restored, "what was proven stays proven");
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database";
    assert_eq!(
        fixture.one(databases).await,
        "postgres shop template0 template1",
        "the scratch database is gone"
    );
    let id = backup.id.clone();
    backup.rows.insert("public.gone".to_owned(), 3);
    store.record(&backup).await.unwrap();
    let error =
        store.verify(&Docker, target, &id, true, Timestamp::from_second(3).unwrap()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("public.gone is missing where the backup says that it has 3 rows"),
        "{error}"
    );
    assert!(!store.get(&id).await.unwrap().good());
    assert_eq!(fixture.one(databases).await, "postgres shop template0 template1");
}

#[tokio::test]
async fn damage_is_found_even_when_the_hash_was_made_to_fit() {
    let Some(fixture) = fixture("damage").await else { return };
    let (target, store) = (&fixture.stack.target, &fixture.store);
    let mut backup = fixture.backup(1).await;
    let path = store.dump_path(&backup.id);
    let whole = std::fs::read(&path).unwrap();
    let verify = async |backup: &Backup| {
        store.verify(&Docker, target, &backup.id, false, Timestamp::UNIX_EPOCH).await.unwrap_err().to_string()
    };
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(verify(&backup).await.contains("SHA-256"));
    assert!(!store.get(&backup.id).await.unwrap().good());
    backup.sha256 = file::stream(&whole[..whole.len() / 2], Vec::new()).await.unwrap().sha256;
    store.record(&backup).await.unwrap();
    assert!(verify(&backup).await.contains("cannot be decoded"));
    std::fs::write(&path, whole).unwrap();
}

#[tokio::test]
async fn a_restore_swaps_the_databases_and_keeps_the_old_one() {
    let Some(fixture) = fixture("restore").await else { return };
    let (target, store) = (&fixture.stack.target, &fixture.store);
    let backup = fixture.backup(1).await;
    let user = target.connect().await.unwrap();
    user.batch_execute(
        "DELETE FROM \"Odd one\".\"t\"\"\"; UPDATE public.alembic_version SET version_num = 'b2'",
    )
    .await
    .unwrap();
    let restored = store.restore(&Docker, target, &backup.id, "r7").await.unwrap();
    assert_eq!((restored.kept_as.as_str(), restored.already), ("shop_before_r7", false));
    assert!(user.query_one("SELECT 1", &[]).await.is_err(), "old sessions are ended");
    assert_eq!(observe(target).await.unwrap().current.revisions, backup.revisions);
    assert_eq!(fixture.one("SELECT count(*)::text FROM \"Odd one\".\"t\"\"\"").await, "50000");
    let properties = "SELECT concat_ws(' ', pg_get_userbyid(datdba), (SELECT string_agg(a::text, ',' ORDER BY a::text) \
        FROM unnest(datacl) a), datcollate, (SELECT string_agg(c, ' ' ORDER BY c) FROM pg_db_role_setting, unnest(setconfig) c \
        WHERE setdatabase = d.oid)) FROM pg_database d WHERE datname = ";
    let now = fixture.one(&format!("{properties}'shop'")).await;
    assert_eq!(now, fixture.one(&format!("{properties}'shop_before_r7'")).await);
    assert!(
        now.contains("my.setting=it's") && now.contains("reader=c/app") && now.contains("\"Odd one\""),
        "{now}"
    );
    let again = store.restore(&Docker, target, &backup.id, "r7").await.unwrap();
    assert!(again.already, "the same attempt is not made twice");
}

#[tokio::test]
async fn a_restore_gets_through_among_clients_that_connect_again_and_again() {
    let Some(fixture) = fixture("crowd").await else { return };
    let backup = fixture.backup(1).await;
    let target = fixture.stack.target.clone();
    let crowd = tokio::spawn(async move {
        loop {
            if let Ok(session) = target.connect().await {
                let _ = session.batch_execute("SELECT pg_sleep(5)").await;
            }
        }
    });
    let restored = fixture.store.restore(&Docker, &fixture.stack.target, &backup.id, "r8").await;
    crowd.abort();
    restored.unwrap();
}

#[tokio::test]
async fn a_failed_backup_leaves_nothing() {
    let Some(fixture) = fixture("fail").await else { return };
    let user = fixture.stack.target.connect().await.unwrap();
    user.batch_execute("CREATE TABLE public.secret (x int); ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY; \
        CREATE ROLE plain LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain; GRANT CONNECT ON DATABASE shop TO plain").await.unwrap();
    let plain = Target { user: "plain".to_owned(), ..fixture.stack.target.clone() };
    let plain = Target { password: Some(evenkeel_core::secret::Secret::new("p")), ..plain };
    let error = fixture.store.create(&Docker, &plain, request(1)).await.unwrap_err();
    assert!(
        error.to_string().contains("permission denied") || error.to_string().contains("row-level security"),
        "{error}"
    );
    assert_eq!(fixture.files(), Vec::<String>::new());
    assert!(fixture.directory.path().exists());
}

#[tokio::test]
async fn a_full_disk_is_transient_and_leaves_no_file() {
    let Some(fixture) = fixture("full").await else { return };
    let Some(small) = SmallDisk::mount(256) else { return };
    let target = &fixture.stack.target;
    let store = Store::new(small.path());
    let error = store.create(&Docker, target, request(1)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NoSpace { .. }), "{error}");
    let mut partial = file::Partial::new(small.path()).unwrap();
    let application = "evenkeel-backup-test".to_owned();
    let dump = dump::Dump { engine: &Docker, target, directory: small.path(), application, need: 1 };
    let error = dump.run(&mut partial.file).await.err().unwrap();
    assert!(matches!(error, DatabaseError::NoSpace { .. }), "{error}");
    drop(partial);
    assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn retention_removes_whole_backups_and_never_the_last_good_one() {
    let Some(fixture) = fixture("keep").await else { return };
    let (one, two) = (fixture.backup(1).await, fixture.backup(2).await);
    assert_eq!(
        fixture.store.prune(1, &BTreeSet::from([one.id.clone()])).await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(fixture.store.prune(0, &BTreeSet::new()).await.unwrap(), [one.id]);
    assert_eq!(fixture.store.list().await.unwrap(), [two]);
    assert_eq!(fixture.files().len(), 3);
}
