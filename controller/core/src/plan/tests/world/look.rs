//! What is seen of it at one moment, as the planner is told.

use super::{Books, Code, World};
use crate::database::{Current, classify};
use crate::name::RolloutId;
use crate::plan::{DatabaseFacts, Facts, Hints, KnownScripts, Observed, backstage};
use crate::release::{Outputs, Release};

/// Everything seen at one moment.
pub(in crate::plan::tests) struct Seen {
    outputs: Outputs,
    observed: Observed,
    database: Option<DatabaseFacts>,
    known_scripts: Vec<KnownScripts>,
    books: Books,
    hints: Hints,
    live: Option<Release>,
}

impl Seen {
    pub(in crate::plan::tests) fn facts<'a>(&'a self, desired: &'a Release, rollout: RolloutId) -> Facts<'a> {
        Facts {
            desired,
            outputs: &self.outputs,
            live: self.live.as_ref(),
            observed: &self.observed,
            database: self.database.as_ref(),
            known_scripts: &self.known_scripts,
            rollout,
            known: &self.books.known,
            vetted: &self.books.vetted,
            serving: &self.books.serving,
            hints: &self.hints,
        }
    }
}

impl World {
    /// A release becomes known, with the code that it has.
    pub(in crate::plan::tests) fn knows(&mut self, release: &Release, code: Code) {
        self.releases.retain(|known| known.digest != release.digest);
        self.releases.insert(0, release.clone());
        self.code.insert(release.digest.clone(), code);
    }

    pub(in crate::plan::tests) fn look(&mut self, desired: &Release, reverting: bool) -> Seen {
        let outputs = self.outputs(desired);
        self.books.outputs.insert(desired.digest.clone(), outputs.clone());
        let hints = Hints {
            reverting,
            force_fenced: self.notes.force_fenced,
            taken_over: self.notes.taken_over,
            written: self.notes.written,
            was_fenced: self.notes.fenced,
            began_at: self.notes.began_at.clone(),
            applied: self.books.applied.clone().into_iter().collect(),
            post_start_due: self.books.post_start_due.clone(),
            restarts_due: self.books.due.clone(),
            untold: self.books.untold.clone(),
            held: self.held.clone(),
        };
        let mut observed = self.observed.clone();
        observed.materialised = self.materialised.contains(&desired.digest);
        let live =
            self.releases.iter().find(|release| Some(&release.digest) == self.books.live.as_ref()).cloned();
        let database = self.database_facts(desired, &outputs, &hints);
        Seen {
            database,
            known_scripts: self.known_scripts(),
            books: self.books.clone(),
            outputs,
            observed,
            hints,
            live,
        }
    }

    /// Images that are there already are outputs too.
    pub(super) fn outputs(&self, release: &Release) -> Outputs {
        let mut outputs = self.books.outputs.get(&release.digest).cloned().unwrap_or_default();
        for (service, source) in &release.images {
            if let (None, Some(image)) =
                (outputs.images.get(service), self.observed.images.get(source.reference()))
            {
                outputs.images.insert(service.clone(), image.id.clone());
            }
        }
        outputs
    }

    pub(super) fn database_facts(
        &self,
        release: &Release,
        outputs: &Outputs,
        hints: &Hints,
    ) -> Option<DatabaseFacts> {
        let service = release.database_service()?;
        let backstage = backstage(&release.project.name);
        let runs = self.of(service).any(|it| it.running() && it.networks.contains_key(&backstage));
        if !runs || self.unreachable.is_some() {
            return Some(DatabaseFacts { unreachable: self.unreachable.clone(), ..DatabaseFacts::default() });
        }
        let known: Vec<_> =
            self.books.outputs.values().filter_map(|outputs| outputs.scripts.as_ref()).collect();
        let current = Current { revisions: self.schema.clone(), tables: !self.schema.is_empty() };
        let word = outputs
            .scripts
            .as_ref()
            .map(|desired| classify(&current, desired, &known, self.books.schema.as_ref()));
        Some(DatabaseFacts {
            current: Some(self.schema.clone()),
            word,
            server_major: self.server_major,
            fingerprint: self.fingerprint(),
            half_done: self.half_done.clone(),
            fenced_backup: self.notes.backup.clone().filter(|_| hints.was_fenced),
            ..DatabaseFacts::default()
        })
    }

    pub(in crate::plan::tests) fn fingerprint(&self) -> String {
        format!("of {}", crate::plan::revisions(&self.schema))
    }

    pub(super) fn known_scripts(&self) -> Vec<KnownScripts> {
        let known = self.releases.iter().filter_map(|release| {
            let outputs = self.books.outputs.get(&release.digest)?;
            let (release, rehearsals) = (release.digest.clone(), outputs.rehearsals().cloned().collect());
            Some(KnownScripts { release, scripts: outputs.scripts.clone()?, rehearsals })
        });
        known.collect()
    }
}
