//! What is known of the way from one schema down to an earlier one: whose image has the scripts, and what rehearsals have shown.
//!
//! A rehearsal belongs to the move that it made, and not to the release that happened to need it first: a release that finds the
//! schema where it wants it has none of its own, and one whose move failed has one of another move.

use std::collections::BTreeSet;

use super::{Facts, KnownScripts};
use crate::name::{ReleaseDigest, SchemaRevision};
use crate::release::RehearsedFrom;

type Revisions = BTreeSet<SchemaRevision>;

/// A way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WayDown<'a> {
    /// The release whose image goes it.
    pub(super) with: &'a ReleaseDigest,
    /// Whether everything above is additions only, as far as rehearsals have shown.
    pub(super) additive: bool,
    /// Whether it leads back exactly, as far as rehearsals have shown.
    pub(super) exact: bool,
}

/// The way, if the ledger itself has moved the schema to where it stands, and a release has the scripts.
///
/// What it is like is put together of rehearsals that follow each other, each of a migration from where it began to the head of
/// a release, and of what has shown itself where one stopped between two scripts. Of one that goes on below the end, or ended above the
/// place, it is assumed that a part leads back as exactly as the whole.
pub(super) fn way_down<'a>(facts: &Facts<'a>, from: &Revisions, to: &Revisions) -> Option<WayDown<'a>> {
    if !facts.hints.applied.contains(from) {
        return None;
    }
    let known = facts.known_scripts;
    let carrier = known.iter().find(|known| known.scripts.lead_down(from, to))?;
    let mut way: Option<WayDown<'_>> = None;
    let mut at = from;
    // Every hop leads further down; releases that contradict each other do not make it endless.
    for _ in known.iter().flat_map(|known| &known.rehearsals) {
        let Some((hop, end)) = hop(known, at, to) else { break };
        let before = way.unwrap_or(WayDown { additive: true, exact: true, ..hop });
        let both = WayDown {
            with: before.with,
            additive: before.additive && hop.additive,
            exact: before.exact && hop.exact,
        };
        if end == to || known.iter().any(|known| known.scripts.lead_down(to, end)) {
            return Some(both);
        }
        way = Some(both);
        at = end;
    }
    Some(WayDown { with: way.map_or(&carrier.release, |way| way.with), additive: false, exact: false })
}

/// One rehearsed migration that leads through a place, and where it began. Best is one that ended at the place, then one that began
/// where the way is to end.
fn hop<'a>(
    known: &'a [KnownScripts],
    at: &Revisions,
    to: &Revisions,
) -> Option<(WayDown<'a>, &'a Revisions)> {
    let rehearsals =
        known.iter().flat_map(|known| known.rehearsals.iter().map(move |rehearsed| (known, rehearsed)));
    let hops = rehearsals.filter_map(|(known, RehearsedFrom { from, to: end, rehearsal, .. })| {
        // What stopped on its way says nothing of where it did not come.
        let stopped_elsewhere = end.as_ref().is_some_and(|end| end != at);
        if !rehearsal.runs || from == at || stopped_elsewhere || !known.scripts.lead_down(at, from) {
            return None;
        }
        // Of a part nothing says that it only adds: one script may take away what another one added.
        let ended_here = end.as_ref().unwrap_or(&known.scripts.heads) == at;
        let whole = ended_here && (from == to || !known.scripts.lead_down(to, from));
        let additive = rehearsal.additive && whole;
        let way = WayDown { with: &known.release, additive, exact: rehearsal.exact };
        Some(((!ended_here, from != to), way, from))
    });
    hops.min_by_key(|(worse, ..)| *worse).map(|(_, way, end)| (way, end))
}

/// Whether the ledger itself has moved the schema to where it stands, by scripts that no release has any more, and what is live runs
/// on it though its own heads are where the way is to end, or above: then that is below where the schema stands. Of a branch beside it
/// nothing could be told.
pub(super) fn is_above_what_is_live(facts: &Facts<'_>, from: &Revisions, to: &Revisions) -> bool {
    let has = |known: &KnownScripts| from.iter().any(|revision| known.scripts.contains(revision));
    let live =
        facts.known_scripts.iter().find(|known| facts.live.is_some_and(|it| it.digest == known.release));
    facts.hints.applied.contains(from)
        && !facts.known_scripts.iter().any(has)
        && live
            .is_some_and(|live| live.scripts.heads == *to || live.scripts.lead_down(&live.scripts.heads, to))
}
