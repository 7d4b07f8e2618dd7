//! A backup as data, and which of them may go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::SchemaRevision;

/// How far a backup has been proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// It is on the disk.
    Written,
    /// Every byte of it was read back and decoded.
    Decoded,
    /// It was restored, and every table had its rows.
    Restored,
}

/// Why a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Before the schema moved.
    Migration,
    /// Before a release without a migration.
    Rollout,
    /// Before a downgrade or a restore.
    Revert,
    /// Somebody asked.
    Manual,
}

/// A backup's manifest: what lies beside the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its id: also the beginning of its files' names.
    pub id: String,
    /// When its snapshot was taken.
    pub created_at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// How far it has been proven.
    pub level: Level,
    /// When that was.
    pub verified_at: Option<Timestamp>,
    /// Why the last proof failed; such a backup is not good, whatever its level was.
    pub broken: Option<String>,
    /// The database's name.
    pub database: String,
    /// The server's identity.
    pub system_identifier: String,
    /// The server's version number, such as 150020.
    pub server_version: i32,
    /// The revisions that the schema stood at.
    pub revisions: BTreeSet<SchemaRevision>,
    /// The image that was running, if any.
    pub image: Option<String>,
    /// Size of the dump in bytes.
    pub size: u64,
    /// SHA-256 of the dump, in hexadecimal.
    pub sha256: String,
    /// Rows of every table, by quoted qualified name, in the very snapshot of the dump.
    pub rows: BTreeMap<String, u64>,
    /// Why roles and tablespaces could not be dumped beside it, where they could not.
    pub globals_missing: Option<String>,
}

impl Backup {
    /// Whether one would restore from it without a second thought.
    pub fn good(&self) -> bool {
        self.level >= Level::Decoded && self.broken.is_none()
    }

    /// Rows in all tables.
    pub fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// The ids of the backups that may go, oldest first: all but the newest `keep` good ones, those in `pointed_to`, and always
/// the last good one. A backup that is not good is kept while it is newer than the last good one: it may be all there is.
pub fn expired(backups: &[Backup], keep: usize, pointed_to: &BTreeSet<String>) -> Vec<String> {
    let mut newest: Vec<&Backup> = backups.iter().collect();
    newest.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
    let last_good = newest.iter().position(|backup| backup.good()).unwrap_or(newest.len());
    let kept: BTreeSet<&str> =
        newest.iter().filter(|backup| backup.good()).take(keep.max(1)).map(|b| b.id.as_str()).collect();
    let may_go = |backup: &&&Backup| !kept.contains(backup.id.as_str()) && !pointed_to.contains(&backup.id);
    newest.iter().skip(last_good).filter(may_go).map(|backup| backup.id.clone()).rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(day: i64, level: Level) -> Backup {
        Backup {
            id: format!("b{day}"),
            created_at: Timestamp::from_second(day * 86_400).unwrap(),
            reason: Reason::Manual,
            level,
            verified_at: None,
            broken: None,
            database: "app".to_owned(),
            system_identifier: String::new(),
            server_version: 150_000,
            revisions: BTreeSet::new(),
            image: None,
            size: 1,
            sha256: String::new(),
            rows: BTreeMap::new(),
            globals_missing: None,
        }
    }

    fn pointed(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_newest_good_ones_stay() {
        let all: Vec<Backup> = (1..=5).map(|day| backup(day, Level::Decoded)).collect();
        assert_eq!(expired(&all, 2, &pointed(&[])), ["b1", "b2", "b3"]);
        assert_eq!(expired(&all, 2, &pointed(&["b2"])), ["b1", "b3"]);
        assert_eq!(expired(&all, 9, &pointed(&[])), Vec::<String>::new());
    }

    #[test]
    fn the_last_good_one_stays_even_when_none_is_to_be_kept() {
        let all = [backup(1, Level::Restored), backup(2, Level::Written)];
        assert_eq!(expired(&all, 0, &pointed(&[])), Vec::<String>::new());
    }

    #[test]
    fn unproven_and_broken_ones_do_not_count() {
        let mut broken = backup(3, Level::Decoded);
        broken.broken = Some("cut".to_owned());
        let all = [backup(1, Level::Decoded), backup(2, Level::Written), broken, backup(4, Level::Decoded)];
        assert_eq!(expired(&all, 1, &pointed(&[])), ["b1", "b2", "b3"]);
        assert_eq!(expired(&all[..3], 1, &pointed(&[])), Vec::<String>::new());
        assert_eq!(expired(&all[1..3], 1, &pointed(&[])), Vec::<String>::new(), "they may be all there is");
    }

    proptest::proptest! {
        #[test]
        fn a_good_one_always_remains(levels in proptest::collection::vec(0..3_u8, 0..12), keep in 0..4_usize) {
            let level = |level| [Level::Written, Level::Decoded, Level::Restored][usize::from(level)];
            let all: Vec<Backup> = levels.iter().enumerate().map(|(day, l)| backup(day as i64, level(*l))).collect();
            let gone = expired(&all, keep, &BTreeSet::new());
            let good = |backups: &[&Backup]| backups.iter().filter(|backup| backup.good()).count();
            let left: Vec<&Backup> = all.iter().filter(|backup| !gone.contains(&backup.id)).collect();
            let had = good(&all.iter().collect::<Vec<_>>());
            proptest::prop_assert_eq!(good(&left), had.min(keep.max(1)));
        }
    }
}
