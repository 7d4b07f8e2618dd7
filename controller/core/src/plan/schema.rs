//! What has to happen to the schema, decided from its revision, the scripts that are known, and the rehearsal.

use std::collections::BTreeSet;

use super::way_down::{WayDown, is_above_what_is_live, way_down};
use super::{Blocked, Facts, Strategy, revisions};
use crate::database::SchemaWord;
use crate::manifest::{Mode, OnRevert};
use crate::name::{ReleaseDigest, SchemaRevision};
use crate::status::Reason;

/// The move that a plan makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaMove {
    /// None.
    Stay,
    /// None, though the release would have another schema; why that is right.
    Keep(String),
    /// Not yet known: the database, or the scripts, cannot be read yet.
    Unknown,
    /// `upgrade`.
    Up {
        /// From.
        from: BTreeSet<SchemaRevision>,
        /// To.
        to: BTreeSet<SchemaRevision>,
        /// How.
        strategy: Strategy,
        /// Whether a rehearsal of exactly this is recorded.
        rehearsed: bool,
    },
    /// `downgrade`, with the image of a release that has the script.
    Down {
        /// Whose image.
        with: ReleaseDigest,
        /// From.
        from: BTreeSet<SchemaRevision>,
        /// To.
        to: BTreeSet<SchemaRevision>,
        /// How.
        strategy: Strategy,
    },
    /// The backup taken behind this rollout's fence goes back.
    Restore {
        /// The revisions it holds.
        to: BTreeSet<SchemaRevision>,
    },
    /// Left-overs of a failed online migration go; its additions stay.
    Sweep {
        /// Invalid indexes.
        indexes: Vec<String>,
        /// What stays, in words.
        note: String,
    },
    /// Nothing may be done.
    Blocked(Reason, String),
}

impl SchemaMove {
    /// Whether something is done to the database.
    pub fn moves(&self) -> bool {
        matches!(self, Self::Up { .. } | Self::Down { .. } | Self::Restore { .. } | Self::Sweep { .. })
    }
}

/// Decides the move.
pub fn schema_move(facts: &Facts<'_>) -> SchemaMove {
    let Some(database) = facts.database else { return SchemaMove::Stay };
    if let Some((reason, message)) = &database.blocked {
        return SchemaMove::Blocked(*reason, message.clone());
    }
    let (Some(current), Some(scripts)) = (&database.current, &facts.outputs.scripts) else {
        return SchemaMove::Unknown;
    };
    let heads = &scripts.heads;
    if heads.len() > 1 {
        return SchemaMove::Blocked(
            Reason::MigrationFailed,
            format!(
                "the image has several migration heads ({}); merge them with `alembic merge`",
                revisions(heads)
            ),
        );
    }
    if let Some(mended) = mend(facts) {
        return mended;
    }
    if current == heads {
        return SchemaMove::Stay;
    }
    if current.iter().all(|revision| scripts.contains(revision)) {
        // What a downgrade has taken away, no upgrade brings back.
        return match restorable(facts).filter(|held| *held == heads) {
            Some(held) => SchemaMove::Restore { to: held.clone() },
            None => up(facts, current, heads),
        };
    }
    down(facts, current, heads)
}

/// A migration that stopped midway is mended first, wherever it began.
pub(super) fn mend(facts: &Facts<'_>) -> Option<SchemaMove> {
    let database = facts.database?;
    let half = database.half_done.as_ref()?;
    if !facts.hints.reverting {
        return None;
    }
    if let Some(held) = restorable(facts) {
        return Some(SchemaMove::Restore { to: held.clone() });
    }
    if half.additive {
        // Once its invalid indexes are gone, nothing of it is left to do.
        let wanted = facts.outputs.scripts.as_ref().map(|scripts| &scripts.heads);
        if half.invalid_indexes.is_empty() && wanted != database.current.as_ref() {
            return None;
        }
        let note = format!(
            "{} additions of the failed migration stay; the old code runs on them",
            half.differences.len()
        );
        return Some(SchemaMove::Sweep { indexes: half.invalid_indexes.clone(), note });
    }
    let shown: Vec<String> = half.differences.iter().take(10).map(ToString::to_string).collect();
    Some(SchemaMove::Blocked(
        Reason::RevertFailed,
        format!("the failed migration left differences that are not additions: {}", shown.join("; ")),
    ))
}

fn up(facts: &Facts<'_>, from: &BTreeSet<SchemaRevision>, to: &BTreeSet<SchemaRevision>) -> SchemaMove {
    let word = facts.database.and_then(|database| database.word);
    if word == Some(SchemaWord::Unversioned) {
        return SchemaMove::Blocked(
            Reason::DatabaseDiverged,
            "the database has tables but no revision; if its schema is that of a revision, record it once with \
             `alembic stamp REVISION`"
                .to_owned(),
        );
    }
    let rehearsal = facts.outputs.rehearsal.as_ref().filter(|rehearsed| {
        rehearsed.from == *from
            && facts.database.is_none_or(|database| rehearsed.fingerprint == database.fingerprint)
    });
    let strategy = match mode(facts) {
        Mode::Online => Strategy::Online,
        Mode::Fenced => Strategy::Fenced,
        Mode::Auto if rehearsal.is_some_and(|rehearsed| rehearsed.rehearsal.additive) => Strategy::Online,
        Mode::Auto => Strategy::Fenced,
    };
    SchemaMove::Up { from: from.clone(), to: to.clone(), strategy, rehearsed: rehearsal.is_some() }
}

fn mode(facts: &Facts<'_>) -> Mode {
    facts.desired.manifest.spec.database.as_ref().map_or(Mode::Auto, |database| database.migrations.mode)
}

fn down(facts: &Facts<'_>, from: &BTreeSet<SchemaRevision>, to: &BTreeSet<SchemaRevision>) -> SchemaMove {
    let way = way_down(facts, from, to);
    // What stays needs nobody who could take it down.
    if on_revert(facts) == OnRevert::Keep && (way.is_some() || is_above_what_is_live(facts, from, to)) {
        return SchemaMove::Keep(format!("the schema stays at {}: onRevert is keep", revisions(from)));
    }
    let Some(way) = way else { return no_way_down(facts, from, to) };
    let strategy =
        if way.additive && !facts.hints.force_fenced { Strategy::Online } else { Strategy::Fenced };
    if !way.exact {
        return inexact(facts, &way, from);
    }
    SchemaMove::Down { with: way.with.clone(), from: from.clone(), to: to.clone(), strategy }
}

/// No release is known whose scripts lead down.
fn no_way_down(
    facts: &Facts<'_>,
    from: &BTreeSet<SchemaRevision>,
    to: &BTreeSet<SchemaRevision>,
) -> SchemaMove {
    let (at, wanted) = (revisions(from), revisions(to));
    if facts.hints.applied.contains(from) {
        return SchemaMove::Blocked(
            Reason::DatabaseDiverged,
            format!(
                "the database is at {at}, where evenkeel brought it with another release, and nothing that is known leads from \
                 there to {wanted}; nothing is done to it. Put the new migrations on top of {at}, or first deploy a commit whose \
                 head is one that both have in common"
            ),
        );
    }
    SchemaMove::Blocked(
        Reason::DatabaseAhead,
        format!(
            "the database is at {at}, which this release does not know and evenkeel did not apply; nothing is done to it. \
             Bring it back to {wanted} by hand, or merge the commit that has the revision"
        ),
    )
}

/// The downgrade does not lead back exactly.
fn inexact(facts: &Facts<'_>, way: &WayDown<'_>, from: &BTreeSet<SchemaRevision>) -> SchemaMove {
    if way.additive {
        return SchemaMove::Keep(format!(
            "the schema stays at {}: its downgrade does not lead back exactly, and its additions disturb nobody",
            revisions(from)
        ));
    }
    if let Some(held) = restorable(facts).filter(|held| *held != from) {
        return SchemaMove::Restore { to: held.clone() };
    }
    let Blocked { reason, message } = no_way_back(from);
    SchemaMove::Blocked(reason, message)
}

/// Nothing leads down to where the older code could run.
pub(super) fn no_way_back(from: &BTreeSet<SchemaRevision>) -> Blocked {
    let message = format!(
        "the downgrade from {} does not lead back exactly, and the older code cannot run on it; nothing more is done. \
         `evenkeel backup list` shows what can be restored, and from when",
        revisions(from)
    );
    Blocked { reason: Reason::RevertFailed, message }
}

/// What the backup behind this rollout's fence holds, as long as nobody has written since.
pub(super) fn restorable<'a>(facts: &Facts<'a>) -> Option<&'a BTreeSet<SchemaRevision>> {
    let untouched = facts.hints.reverting && !facts.hints.users_may_have_written();
    facts.database.filter(|_| untouched)?.fenced_backup.as_ref()
}

fn on_revert(facts: &Facts<'_>) -> OnRevert {
    facts
        .desired
        .manifest
        .spec
        .database
        .as_ref()
        .map_or(OnRevert::Downgrade, |database| database.migrations.on_revert)
}
