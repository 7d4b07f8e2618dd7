//! Opening, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::sample::{app, open, release, revision};
use crate::ledger::{Ledger, LedgerError};
use crate::space::testing::SmallDisk;

fn refusal(dir: &std::path::Path) -> LedgerError {
    match Ledger::open(dir) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_second_evenkeel_is_refused_and_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = refusal(dir.path()).to_string();
    assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    let clone = first.clone();
    drop(first);
    assert!(matches!(refusal(dir.path()), LedgerError::Locked { .. }), "a clone still holds it");
    drop(clone);
    open(dir.path());
}

#[test]
fn everything_is_there_after_reopening_and_the_key_stays() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let key = ledger.digest_key().unwrap().digest(&"x");
    ledger.put_release(&release('a')).unwrap();
    ledger.set_attempted(&app(), &revision('a')).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.digest_key().unwrap().digest(&"x"), key);
    assert_eq!(ledger.release(&app(), &release('a').digest).unwrap(), Some(release('a')));
    assert_eq!(ledger.app(&app()).unwrap().attempted_revision, Some(revision('a')));
}

#[test]
fn two_installations_have_two_keys() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = |dir: &tempfile::TempDir| open(dir.path()).digest_key().unwrap().digest(&"x");
    assert_ne!(digest(&one), digest(&two));
}

#[test]
fn an_installation_has_a_name_of_its_own_that_stays() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let id = open(one.path()).instance().unwrap();
    assert_eq!(id.as_str().len(), 16);
    assert_eq!(open(one.path()).instance().unwrap(), id);
    assert_ne!(open(two.path()).instance().unwrap(), id);
}

#[test]
fn a_ledger_from_before_there_were_names_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.connection().execute("DELETE FROM meta WHERE key = 'instance_id'", []).unwrap();
    let key = ledger.digest_key().unwrap().digest(&"x");
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.instance().unwrap().as_str().len(), 16);
    assert_eq!(ledger.digest_key().unwrap().digest(&"x"), key);
}

#[test]
fn nobody_else_can_read_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let ledger = open(&dir);
    ledger.app(&app()).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_directory_of_other_things_keeps_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("somebody's"), "").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    open(dir.path());
    assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o7777, 0o1777);
}

#[test]
fn the_settings_that_durability_rests_on_are_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let connection = ledger.connection();
    let text: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((text.as_str(), number("synchronous"), number("foreign_keys")), ("wal", 2, 1));
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let file = dir.path().join("ledger.db");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, LedgerError::NewerVersion { found: 99, known: 2, .. }), "{error}");
    let version: i64 =
        Connection::open(&file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

/// What an earlier evenkeel left is brought up to date, with all that is in it.
#[test]
fn a_ledger_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("ledger.db")).unwrap();
    old.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute("INSERT INTO apps (name) VALUES (?1)", [app().as_str()]).unwrap();
    let container = "INSERT INTO containers VALUES ('1111', ?1, 'api', 'api', NULL, 'adopted', 0)";
    old.execute(container, [app().as_str()]).unwrap();
    drop(old);
    let ledger = open(dir.path());
    let containers = ledger.containers(&app()).unwrap();
    assert_eq!(containers.iter().map(|it| it.config.clone()).collect::<Vec<_>>(), [None]);
}

/// A tag that is asked for again: only one that leads elsewhere than at first stands for something else.
#[test]
fn a_tag_is_pinned_once_it_has_moved() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.tag_asked(&app(), "redis:7", "sha256:1", "sha256:1").unwrap();
    assert!(ledger.pins(&app()).unwrap().is_empty());
    ledger.tag_asked(&app(), "redis:7", "sha256:2", "sha256:2").unwrap();
    assert_eq!(ledger.pins(&app()).unwrap()["redis:7"], "redis@sha256:2");
    ledger.tag_asked(&app(), "redis:7", "sha256:2", "sha256:1").unwrap();
    assert!(ledger.pins(&app()).unwrap().is_empty());
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ledger.db");
    let text = "this is a shopping list\n".repeat(200);
    fs::write(&file, &text).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("ledger.db") && error.to_string().contains("away"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_damaged_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..50).for_each(|_| ledger.record_event(None, "poll", &"x".repeat(500)).unwrap());
    drop(ledger);
    let file = dir.path().join("ledger.db");
    let mut bytes = fs::read(&file).unwrap();
    let size = bytes.len();
    bytes[4096..size].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_apart_and_pass() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let pages: i64 = ledger.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    ledger.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let error = ledger.record_event(None, "poll", &"x".repeat(100_000)).unwrap_err();
    assert!(matches!(error, LedgerError::NoSpace { .. }), "{error:?}");
    ledger.connection().pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
    ledger.record_event(None, "poll", &"x".repeat(100_000)).unwrap();
    ledger.connection().pragma_update(None, "query_only", true).unwrap();
    let error = ledger.record_event(None, "poll", "y").unwrap_err();
    assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn a_record_of_another_version_is_named_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.put_release(&release('a')).unwrap();
    ledger.connection().execute("UPDATE releases SET body = '{\"later\": true}'", []).unwrap();
    let error = ledger.release(&app(), &release('a').digest).unwrap_err();
    assert!(matches!(error, LedgerError::Unreadable { .. }), "{error:?}");
}

/// A ledger with a good many entries, closed; what was in it.
fn filled(dir: &std::path::Path) -> Vec<Vec<String>> {
    let ledger = open(dir);
    ledger.put_release(&release('a')).unwrap();
    let id = ledger.begin_rollout(&app(), &release('a').digest, &revision('a'), "test", None).unwrap();
    (0..40).for_each(|count| ledger.set_fact(id, &format!("fact{count}"), &"x".repeat(300)).unwrap());
    (0..40).for_each(|_| ledger.record_event(None, "poll", &"y".repeat(300)).unwrap());
    dump(&ledger.connection())
}

/// Every value of every table, as text.
fn dump(connection: &Connection) -> Vec<Vec<String>> {
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |table: &String| {
        let mut all = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")).unwrap();
        let columns = all.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            Ok((0..columns).map(|it| format!("{:?}", row.get_ref(it).unwrap())).collect())
        };
        all.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<Vec<String>>>()
    };
    tables.iter().flat_map(rows).collect()
}

/// The files as a process that was killed left them: its log has not gone into the ledger.
fn killed(dir: &std::path::Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    let ledger = open(dir);
    (0..20).for_each(|_| ledger.record_event(None, "poll", &"z".repeat(300)).unwrap());
    for name in ["ledger.db", "ledger.db-wal", "ledger.mark"] {
        fs::copy(dir.join(name), left.path().join(name)).unwrap();
    }
    left
}

#[test]
fn a_ledger_that_was_cut_off_is_refused_wherever_that_was() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let file = dir.path().join("ledger.db");
    let whole = fs::read(&file).unwrap();
    for length in (0..whole.len()).step_by(1_000).chain([1, 99, whole.len() - 1]) {
        fs::write(&file, &whole[..length]).unwrap();
        let error = refusal(dir.path()).to_string();
        assert!(error.contains("ledger.db") && error.contains("Keep a copy"), "{length}: {error}");
        assert!(fs::read(&file).unwrap() == whole[..length], "{length}: it was changed");
    }
    fs::remove_file(&file).unwrap();
    assert!(refusal(dir.path()).to_string().contains("there was one"));
    assert!(!file.exists(), "none was begun");
}

/// What is garbage is refused, unless it stands where nothing is: then all that was on record is there.
#[test]
fn garbage_in_the_middle_of_a_page_is_refused_or_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let file = dir.path().join("ledger.db");
    let whole = fs::read(&file).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for at in (20..whole.len() - 40).step_by(331) {
        let mut torn = whole.clone();
        torn[at..at + 40].fill_with(|| fastrand::u8(..));
        fs::write(&file, &torn).unwrap();
        match Ledger::open_with_clock(dir.path(), super::sample::tick) {
            Err(error) => {
                refused += 1;
                assert!(!matches!(error, LedgerError::Conflict { .. }), "{at}: {error}");
            }
            Ok(ledger) => {
                harmless += 1;
                assert!(dump(&ledger.connection()) == before, "at {at}: it holds something else");
            }
        }
        for name in ["ledger.db-wal", "ledger.db-shm"] {
            drop(fs::remove_file(dir.path().join(name)));
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 50, "{refused} refused, {harmless} harmless");
}

/// SQLite takes what is left of its log for all there was.
#[test]
fn a_log_that_was_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let left = killed(dir.path());
    let log = left.path().join("ledger.db-wal");
    let whole = fs::read(&log).unwrap();
    let ledger = fs::read(left.path().join("ledger.db")).unwrap();
    for length in (0..whole.len() - 4_200).step_by(1_500) {
        fs::write(left.path().join("ledger.db"), &ledger).unwrap();
        fs::write(&log, &whole[..length]).unwrap();
        drop(fs::remove_file(left.path().join("ledger.db-shm")));
        let error = refusal(left.path());
        assert!(matches!(error, LedgerError::Short { .. }), "{length} of {}: {error:?}", whole.len());
        assert!(
            error.to_string().contains("was cut off") && error.to_string().contains("ledger.mark"),
            "{error}"
        );
    }
}

#[test]
fn garbage_in_the_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let left = killed(dir.path());
    let log = left.path().join("ledger.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xa5);
    fs::write(&log, bytes).unwrap();
    assert!(matches!(refusal(left.path()), LedgerError::Short { .. }));
}

/// A frame that is half written when the process is killed was on nobody's record.
#[test]
fn what_a_crash_leaves_of_a_write_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let left = killed(dir.path());
    let log = left.path().join("ledger.db-wal");
    let whole = fs::read(&log).unwrap();
    let half = [whole.as_slice(), &whole[32..2_000]].concat();
    fs::write(&log, half).unwrap();
    assert_eq!(dump(&open(left.path()).connection()).len(), dump(&open(dir.path()).connection()).len());
}

/// As the message says: an older state that is wanted needs one file removed.
#[test]
fn an_older_copy_is_refused_until_it_is_said_to_be_wanted() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let file = dir.path().join("ledger.db");
    let older = fs::read(&file).unwrap();
    let ledger = open(dir.path());
    (0..3).for_each(|_| ledger.record_event(None, "poll", "x").unwrap());
    drop(ledger);
    fs::write(&file, older).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, LedgerError::Short { lost: 3, .. }), "{error:?}");
    fs::remove_file(dir.path().join("ledger.mark")).unwrap();
    open(dir.path());
}

/// The reserve is given up for what has begun, nothing new is begun without one, and it is made again by itself.
#[test]
fn on_a_full_disk_what_has_begun_goes_on_record_and_nothing_new_begins() {
    let Some(disk) = SmallDisk::mount(24 * 1024) else { return };
    let ledger = Ledger::open(disk.path()).unwrap();
    ledger.room().unwrap();
    disk.fill();
    ledger.room().expect("it was not needed yet");
    (0..200).for_each(|_| ledger.record_event(None, "poll", &"x".repeat(5_000)).unwrap());
    let error = ledger.room().unwrap_err();
    assert!(matches!(error, LedgerError::NoReserve { .. }), "{error:?}");
    for word in ["no space left in ", disk.path().to_str().unwrap(), "needed", "goes on by itself"] {
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
    }
    drop(ledger);
    let ledger = Ledger::open(disk.path()).expect("evenkeel starts on a full disk");
    assert!(ledger.room().is_err());
    disk.relieve();
    ledger.room().unwrap();
}
