//! Opening, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::sample::{app, open, release, revision};
use crate::ledger::{Ledger, LedgerError};

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
    assert!(matches!(error, LedgerError::NewerVersion { found: 99, known: 1, .. }), "{error}");
    let version: i64 =
        Connection::open(&file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ledger.db");
    let text = "this is a shopping list\n".repeat(200);
    fs::write(&file, &text).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("ledger.db") && error.to_string().contains("move it away"), "{error}");
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
