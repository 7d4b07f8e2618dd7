//! Where a database stands, seen from a release.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{SchemaWord, Scripts};
use crate::name::SchemaRevision;

/// What the database says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The rows of the revision table; none where there is no such table.
    pub revisions: BTreeSet<SchemaRevision>,
    /// Whether it holds tables beside the revision table.
    pub tables: bool,
}

/// The relation of a database to the scripts of the desired release. `known` are the scripts of the releases in the ledger,
/// `last` the set that the ledger saw last.
pub fn classify(
    current: &Current,
    desired: &Scripts,
    known: &[&Scripts],
    last: Option<&BTreeSet<SchemaRevision>>,
) -> SchemaWord {
    let at = &current.revisions;
    if *at == desired.heads {
        SchemaWord::AtHead
    } else if at.is_empty() {
        if current.tables { SchemaWord::Unversioned } else { SchemaWord::Empty }
    } else if within(desired, at) {
        SchemaWord::Behind
    } else if descends(at, desired, known) || moved_by_hand(at, desired, known, last) {
        SchemaWord::Ahead
    } else {
        SchemaWord::Diverged
    }
}

fn within(scripts: &Scripts, set: &BTreeSet<SchemaRevision>) -> bool {
    set.iter().all(|revision| scripts.contains(revision))
}

/// Another release has the scripts that led from the desired heads to where the database stands.
fn descends(at: &BTreeSet<SchemaRevision>, desired: &Scripts, known: &[&Scripts]) -> bool {
    known.iter().any(|scripts| within(scripts, at) && desired.heads.is_subset(&scripts.applied(at)))
}

/// Nobody knows some of the revisions, and the ledger last saw the database on the desired release's way: somebody with newer
/// scripts upgraded it.
fn moved_by_hand(
    at: &BTreeSet<SchemaRevision>,
    desired: &Scripts,
    known: &[&Scripts],
    last: Option<&BTreeSet<SchemaRevision>>,
) -> bool {
    let unknown = |revision: &&SchemaRevision| {
        !desired.contains(revision) && !known.iter().any(|scripts| scripts.contains(revision))
    };
    at.iter().any(|revision| unknown(&revision)) && last.is_some_and(|last| within(desired, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::history::parse;

    fn set(names: &[&str]) -> BTreeSet<SchemaRevision> {
        names.iter().copied().map(SchemaRevision::from).collect()
    }

    fn at(names: &[&str]) -> Current {
        Current { revisions: set(names), tables: true }
    }

    fn chain(names: &[&str]) -> Scripts {
        let mut text = String::new();
        for (place, name) in names.iter().enumerate() {
            let before = place.checked_sub(1).map_or("<base>", |before| names[before]);
            let head = if place + 1 == names.len() { " (head)" } else { "" };
            text += &format!("{before} -> {name}{head}, x\n");
        }
        parse(&text).unwrap()
    }

    #[test]
    fn on_the_way() {
        let desired = chain(&["a", "b", "c"]);
        assert_eq!(classify(&at(&["c"]), &desired, &[], None), SchemaWord::AtHead);
        assert_eq!(classify(&at(&["a"]), &desired, &[], None), SchemaWord::Behind);
    }

    #[test]
    fn without_a_revision() {
        let desired = chain(&["a"]);
        assert_eq!(classify(&at(&[]), &desired, &[], None), SchemaWord::Unversioned);
        assert_eq!(classify(&Current::default(), &desired, &[], None), SchemaWord::Empty);
        assert_eq!(classify(&at(&[]), &Scripts::default(), &[], None), SchemaWord::AtHead);
    }

    #[test]
    fn ahead_by_a_release_that_the_ledger_knows() {
        let (desired, newer) = (chain(&["a", "b"]), chain(&["a", "b", "c"]));
        assert_eq!(classify(&at(&["c"]), &desired, &[&newer], None), SchemaWord::Ahead);
        assert_eq!(
            classify(&at(&["c"]), &desired, &[&desired, &newer], Some(&set(&["a"]))),
            SchemaWord::Ahead
        );
    }

    #[test]
    fn ahead_by_hand() {
        let desired = chain(&["a", "b"]);
        assert_eq!(classify(&at(&["x"]), &desired, &[&desired], Some(&set(&["a"]))), SchemaWord::Ahead);
        assert_eq!(classify(&at(&["x"]), &desired, &[&desired], Some(&set(&["y"]))), SchemaWord::Diverged);
        assert_eq!(classify(&at(&["x"]), &desired, &[&desired], None), SchemaWord::Diverged);
    }

    #[test]
    fn a_fork_has_diverged_whatever_the_ledger_saw_last() {
        let (desired, fork) = (chain(&["a", "b"]), chain(&["a", "c"]));
        assert_eq!(classify(&at(&["c"]), &desired, &[&fork], Some(&set(&["a"]))), SchemaWord::Diverged);
    }

    #[test]
    fn the_words_are_serialised_as_they_are_written() {
        assert_eq!(serde_json::to_string(&SchemaWord::AtHead).unwrap(), "\"AtHead\"");
    }
}
