//! The schema's moves, and the backups before them.

use std::collections::BTreeSet;

use super::super::schema::SchemaMove;
use super::super::service::Work;
use super::super::{Direction, Effect, Strategy};
use super::Deployment;
use crate::name::{ReleaseDigest, SchemaRevision};

type Revisions = BTreeSet<SchemaRevision>;

impl<'a, 'f> Deployment<'a, 'f> {
    /// A database whose own container changes is stopped and started before the schema moves.
    pub(super) fn replace_database(&mut self, schema: &SchemaMove) {
        let Some(service) = self.facts.desired.database_service() else { return };
        let works = self.works;
        let Some(work) = works.iter().find(|work| work.name == *service && work.replaced()) else { return };
        if work.serves() && !matches!(schema, SchemaMove::Unknown) {
            self.backup("the database's own container is replaced");
        }
        self.restart(work);
    }

    fn current_revisions(&self) -> BTreeSet<crate::name::SchemaRevision> {
        self.facts.database.and_then(|database| database.current.clone()).unwrap_or_default()
    }

    fn backup(&mut self, why: &str) {
        let at = self.current_revisions();
        if self
            .facts
            .database
            .is_some_and(|database| database.word != Some(crate::database::SchemaWord::Empty))
        {
            self.push(Effect::Backup { at }, why);
        }
    }

    pub(super) fn move_schema(&mut self, schema: &SchemaMove) {
        match schema {
            SchemaMove::Up { from, to, strategy, .. } => {
                let fenced = *strategy == Strategy::Fenced;
                if fenced && !self.running_writers().is_empty() {
                    self.announce_fence();
                    self.create_candidates();
                    self.fence("the migration is not additive, so nothing may write while it runs");
                }
                self.backup("no migration without a backup that was decoded in full");
                let why = if fenced { "behind the fence" } else { "it only adds: the old code runs on" };
                let with = self.facts.desired.digest.clone();
                self.push(
                    Effect::Migrate { direction: Direction::Up, with, from: from.clone(), to: to.clone() },
                    why,
                );
            }
            SchemaMove::Down { with, from, to, strategy: Strategy::Fenced } => {
                self.announce_fence();
                self.create_candidates();
                self.fence("the older code cannot run on the newer schema");
                self.backup("what was written since goes into it");
                self.take_down(with, from, to, "with the newer image, the only one that has the script");
            }
            SchemaMove::Restore { to } => {
                self.fence("the backup goes back behind it");
                let half_done = self.facts.database.is_some_and(|database| database.half_done.is_some());
                let why = if half_done {
                    "the migration failed halfway, and nobody wrote since the backup"
                } else {
                    "it has the schema and the rows as they were, and nobody wrote since"
                };
                self.push(Effect::Restore { to: to.clone() }, why);
            }
            SchemaMove::Sweep { indexes, note } => {
                if !indexes.is_empty() {
                    let effect = Effect::DropInvalidIndexes { indexes: indexes.clone() };
                    self.push(effect, "the failed migration left them invalid");
                }
                self.notes.push(note.clone());
            }
            SchemaMove::Keep(note) => self.notes.push(note.clone()),
            SchemaMove::Stay | SchemaMove::Unknown | SchemaMove::Down { .. } | SchemaMove::Blocked(..) => {
                if self.facts.hints.reverting || !self.works.iter().any(Work::replaced) {
                    return;
                }
                self.backup_before_rollout();
            }
        }
    }

    fn backup_before_rollout(&mut self) {
        use crate::manifest::BackupBefore;
        let spec = self.facts.desired.manifest.spec.database.as_ref();
        if spec.is_some_and(|database| database.backup.before == BackupBefore::Rollout) {
            self.backup("the manifest wants one before every rollout");
        }
    }

    /// The newer code has stopped: what it wrote is in the backup, then the schema goes down.
    pub(super) fn go_down(&mut self, schema: &SchemaMove) {
        let SchemaMove::Down { with, from, to, strategy } = schema else { return };
        if *strategy == Strategy::Fenced {
            return;
        }
        self.backup("behind the newer code's stop: all that it wrote is in it");
        let why = "the older code serves; the newer image is the only one that has the script";
        self.take_down(with, from, to, why);
    }

    fn take_down(&mut self, with: &ReleaseDigest, from: &Revisions, to: &Revisions, why: &str) {
        let (with, to) = (with.clone(), to.clone());
        let effect = Effect::Migrate { direction: Direction::Down, with, from: from.clone(), to };
        self.push(effect, why);
        self.notes.push(format!(
            "what was written into columns that exist only at {} is kept in the backup",
            super::super::revisions(from)
        ));
    }
}
