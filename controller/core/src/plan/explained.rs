//! Which releases of the past explain where the schema stands: who has its scripts, and what the rehearsals of its way up have shown.

use std::collections::BTreeSet;

use super::Direction;
use crate::name::{ReleaseDigest, SchemaRevision};

type Revisions = BTreeSet<SchemaRevision>;

/// A move of the schema that evenkeel made.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// The release whose image had the script.
    pub release: &'a ReleaseDigest,
    /// Which way.
    pub direction: Direction,
    /// Where the schema stood.
    pub from: &'a Revisions,
    /// Where it stood afterwards.
    pub to: &'a Revisions,
}

/// The releases that no way down from where the schema stands can do without: that of the last move, where it led there, and where
/// the schema has been kept above the heads of what is `live`, those of the moves up that led there from these.
///
/// `moves`: the oldest first.
pub fn explain<'a>(
    moves: &[Move<'a>],
    schema: &Revisions,
    live: Option<&Revisions>,
) -> BTreeSet<&'a ReleaseDigest> {
    let Some((last, earlier)) = moves.split_last().filter(|(last, _)| last.to == schema) else {
        return BTreeSet::new();
    };
    let mut releases = BTreeSet::from([last.release]);
    let mut at = if last.direction == Direction::Up { last.from } else { last.to };
    // What lies below that is no question of this schema any more.
    let is_live = |at: &Revisions| live.is_none_or(|heads| heads == at || heads == schema);
    for step in earlier.iter().rev().filter(|step| step.direction == Direction::Up) {
        if is_live(at) {
            break;
        }
        if step.to == at {
            releases.insert(step.release);
            at = step.from;
        }
    }
    releases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who explains a schema, of moves such as `b a b`: the release, from, to.
    fn who(moves: &[(&str, Direction, &str, &str)], schema: &str, live: Option<&str>) -> Vec<String> {
        let at = |name: &str| BTreeSet::from([SchemaRevision::new(name)]);
        let moves: Vec<_> = moves
            .iter()
            .map(|(release, direction, from, to)| {
                (ReleaseDigest::new(*release), *direction, at(from), at(to))
            })
            .collect();
        let moves: Vec<_> = moves
            .iter()
            .map(|(release, direction, from, to)| Move { release, direction: *direction, from, to })
            .collect();
        let releases = explain(&moves, &at(schema), live.map(at).as_ref());
        releases.into_iter().map(ToString::to_string).collect()
    }

    use Direction::{Down, Up};

    #[test]
    fn the_release_of_the_last_move() {
        let moves = [("A", Up, "0", "a"), ("B", Up, "a", "b")];
        // It is live, or releases at its head are; what it rehearsed is known of no other.
        assert_eq!(who(&moves, "b", Some("b")), ["B"]);
        // Its schema was kept.
        assert_eq!(who(&moves, "b", Some("a")), ["B"]);
        assert_eq!(who(&moves, "b", None), ["B"]);
        assert_eq!(who(&[], "b", Some("a")), [""; 0]);
    }

    #[test]
    fn a_schema_that_somebody_else_moved_is_explained_by_nobody() {
        assert_eq!(who(&[("A", Up, "0", "a"), ("B", Up, "a", "b")], "x", Some("a")), [""; 0]);
        assert_eq!(who(&[("A", Up, "0", "a"), ("B", Up, "a", "b")], "a", Some("a")), [""; 0]);
    }

    #[test]
    fn a_schema_kept_over_several_moves_needs_all_of_them() {
        let moves = [("A", Up, "0", "a"), ("B", Up, "a", "b"), ("C", Up, "b", "c")];
        assert_eq!(who(&moves, "c", Some("a")), ["B", "C"]);
        assert_eq!(who(&moves, "c", Some("b")), ["C"]);
        // Taken down part of the way.
        let moves = [("A", Up, "0", "a"), ("B", Up, "a", "b"), ("C", Up, "b", "c"), ("C", Down, "c", "b")];
        assert_eq!(who(&moves, "b", Some("a")), ["B", "C"]);
        assert_eq!(who(&moves, "b", Some("b")), ["C"]);
    }
}
