//! A pure world: what the engine, the database and the ledger would come to show after each effect.

mod check;
mod containers;
mod effects;
mod look;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use super::releases::scripts;
use crate::container::label;
use crate::name::{ContainerId, ReleaseDigest, RolloutId, SchemaRevision, ServiceName};
use crate::observed::Container;
use crate::plan::{Before, HalfDone, Observed, Subject};
use crate::release::{Outputs, Release};

type Revisions = BTreeSet<SchemaRevision>;

/// What the code of a release is like.
#[derive(Clone, Default)]
pub(super) struct Code {
    /// Its migrations, in a row.
    pub(super) scripts: &'static str,
    /// The last of them only adds.
    pub(super) additive: bool,
    /// The last of them leads back exactly.
    pub(super) exact: bool,
    /// It fails every proof.
    pub(super) broken: bool,
    /// It runs on its own schema only, not on one with additions.
    pub(super) picky: bool,
}

/// What the ledger keeps.
#[derive(Clone, Default)]
pub(super) struct Books {
    pub(super) known: BTreeSet<ContainerId>,
    pub(super) vetted: BTreeMap<ContainerId, String>,
    pub(super) serving: BTreeMap<ServiceName, ContainerId>,
    pub(super) outputs: BTreeMap<ReleaseDigest, Outputs>,
    pub(super) live: Option<ReleaseDigest>,
    pub(super) applied: Option<Revisions>,
    pub(super) schema: Option<Revisions>,
    /// Services that have yet to be restarted with what they depend on.
    pub(super) due: BTreeSet<ServiceName>,
    /// Whom `onTakeover` has yet to tell.
    pub(super) untold: BTreeSet<ServiceName>,
    /// Containers whose `post_start` has yet to run.
    pub(super) post_start_due: BTreeSet<ContainerId>,
}

/// What the ledger keeps of one rollout.
#[derive(Clone, Default)]
pub(super) struct Notes {
    pub(super) taken_over: bool,
    pub(super) migrating: bool,
    pub(super) began_at: Option<Revisions>,
    pub(super) written: bool,
    pub(super) fenced: bool,
    pub(super) force_fenced: bool,
    pub(super) backup: Option<Revisions>,
    pub(super) before: Option<Vec<Before>>,
}

#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) observed: Observed,
    pub(super) materialised: BTreeSet<ReleaseDigest>,
    pub(super) schema: Revisions,
    pub(super) half_done: Option<HalfDone>,
    /// Why the database cannot be looked at, though it runs.
    pub(super) unreachable: Option<String>,
    /// Services that are left alone.
    pub(super) held: BTreeSet<ServiceName>,
    /// The major version of the server that runs, where it is told.
    pub(super) server_major: Option<u32>,
    pub(super) books: Books,
    pub(super) notes: Notes,
    /// Releases that the ledger has, the newest first.
    pub(super) releases: Vec<Release>,
    pub(super) code: BTreeMap<ReleaseDigest, Code>,
    /// Containers whose `post_start` has run since they were started.
    pub(super) hooked: BTreeSet<ContainerId>,
    made: u32,
}

impl World {
    pub(super) fn of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a Container> {
        let number = service.number().to_string();
        self.observed.containers.iter().filter(move |container| {
            container.label(label::COMPOSE_SERVICE) == Some(service.base())
                && container.label(label::COMPOSE_NUMBER) == Some(&number)
        })
    }

    pub(super) fn code_of(&self, container: &Container) -> Option<(&Release, &Code)> {
        let short = container.label(label::RELEASE)?;
        let release = self.releases.iter().find(|release| release.digest.short() == short)?;
        // Whatever is pulled does not care for the schema.
        let image = release.images.get(&container.service()?)?.reference();
        image.contains("shop-api").then_some((release, self.code.get(&release.digest)?))
    }

    /// Whether code can run on the schema as it is now.
    pub(super) fn runs_on_schema(&self, release: &Release, code: &Code) -> bool {
        if release.database_service().is_none() || code.scripts.is_empty() {
            return true;
        }
        let own = scripts(code.scripts);
        if self.schema == own.heads {
            return true;
        }
        // What is there beyond its own has to be additions.
        let at_head = self.code.values().find(|code| scripts(code.scripts).heads == self.schema);
        let has = |code: &&Code| self.schema.iter().all(|it| scripts(code.scripts).contains(it));
        let newer = at_head.or_else(|| self.code.values().find(has));
        !code.picky
            && newer.is_some_and(|newer| {
                newer.additive && own.heads.iter().all(|it| scripts(newer.scripts).contains(it))
            })
    }

    fn find(&self, subject: &Subject, rollout: RolloutId) -> Option<usize> {
        let rollout = rollout.to_string();
        self.observed.containers.iter().position(|container| match &subject.id {
            Some(id) => container.id == *id,
            None => container.name == subject.name && container.label(label::ROLLOUT) == Some(&rollout),
        })
    }

    fn get(&mut self, subject: &Subject, rollout: RolloutId) -> Result<&mut Container, String> {
        let place = self.find(subject, rollout).ok_or_else(|| format!("{} is gone", subject.name))?;
        Ok(&mut self.observed.containers[place])
    }
}
