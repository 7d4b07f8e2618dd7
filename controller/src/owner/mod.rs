//! Whose a Compose project is: of several evenkeels on one engine, each with a data directory of its own, one alone touches it.
//!
//! `record at the engine, which outlives everybody → lock on this host, which ends with its process → may be touched`. Looked at
//! before a pass does anything, before a rollout begins and while it goes on. Only an operator gives a project to another.

mod error;
mod lock;
mod surroundings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::container::label;
use evenkeel_core::name::{AppName, InstanceId, ProjectName};
use jiff::Timestamp;
use tokio::sync::OnceCell;

pub(crate) use error::OwnerError;
pub(crate) use surroundings::Surroundings;

use crate::engine::{Engine, Owner};
use crate::ledger::{Ledger, LedgerError};
use lock::{HostLock, NoLock};

/// How long another's record that is gone is waited for: its owner makes it again at its next look, if it still lives.
const MISSING: Duration = Duration::from_secs(90);

/// What this process knows of whose projects are.
pub(crate) struct Ownership {
    id: InstanceId,
    host: String,
    data_dir: PathBuf,
    /// Where the lock may be; the first that can be used is.
    places: Vec<PathBuf>,
    ledger: Ledger,
    engine_id: OnceCell<String>,
    held: Mutex<BTreeMap<ProjectName, HostLock>>,
    /// Projects that were seen to be another's: since when that record is gone, once it is.
    others: Mutex<BTreeMap<ProjectName, Option<Timestamp>>>,
}

/// An application, and its project on the engine: what is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    /// The engine.
    pub(crate) engine: &'a dyn Engine,
    /// The application, for what an operator is told to type.
    pub(crate) app: &'a AppName,
    /// Its project.
    pub(crate) project: &'a ProjectName,
}

impl Ownership {
    /// Of an installation: its ledger, its data directory, and where it runs.
    pub(crate) fn new(
        ledger: Ledger,
        data_dir: PathBuf,
        surroundings: Surroundings,
    ) -> Result<Self, LedgerError> {
        let Surroundings { host, lock_places: places } = surroundings;
        Ok(Self {
            id: ledger.instance()?,
            host,
            data_dir,
            places,
            ledger,
            engine_id: OnceCell::new(),
            held: Mutex::default(),
            others: Mutex::default(),
        })
    }

    /// Makes sure that the project is this evenkeel's, and becomes its owner where it has none. Costs one read of the engine once
    /// that is so.
    ///
    /// # Errors
    /// [`OwnerError::Elsewhere`] if it is another's or nobody is meant to touch it, which an operator can change; the others pass.
    pub(crate) async fn check(&self, of: Of<'_>) -> Result<(), OwnerError> {
        let on_record = of.engine.owner(of.project).await?;
        if self.ledger.has_let_go(of.project)? {
            self.release(of.project);
            return Err(OwnerError::let_go(of, on_record.as_ref().filter(|owner| owner.id != self.id)));
        }
        match on_record {
            Some(owner) if owner.id == self.id => self.hold(of).await,
            Some(owner) => Err(self.refuse(of, &owner)),
            None => {
                self.wait_for_its_owner(of)?;
                self.put_on_record(of).await
            }
        }
    }

    /// Takes the project over at an operator's word: from the owner that he names, or from nobody. What was done, in words.
    ///
    /// # Errors
    /// [`OwnerError::Elsewhere`] if another is on record than the one that was named, or its process lives on this host.
    pub(crate) async fn take_over(
        &self,
        of: Of<'_>,
        from: Option<&InstanceId>,
    ) -> Result<String, OwnerError> {
        let done = match of.engine.owner(of.project).await? {
            Some(owner) if owner.id == self.id => {
                self.hold(of).await?;
                format!("project {} was its own already", of.project)
            }
            Some(owner) if from == Some(&owner.id) => {
                self.hold(of).await?;
                of.engine.disown(of.project, &owner).await?;
                self.put_on_record(of).await?;
                format!("project {} is taken over from {}", of.project, introduced(&owner))
            }
            Some(owner) => return Err(self.refuse(of, &owner)),
            None => {
                self.put_on_record(of).await?;
                format!("project {} had no owner, and is its own now", of.project)
            }
        };
        self.others().remove(of.project);
        self.ledger.set_let_go(of.project, false)?;
        Ok(done)
    }

    /// Lets the project go at an operator's word: from now on this evenkeel does not touch it, and does not become its owner again
    /// by itself.
    ///
    /// # Errors
    /// [`OwnerError::Elsewhere`] if it is another's.
    pub(crate) async fn give_up(&self, of: Of<'_>) -> Result<(), OwnerError> {
        let on_record = of.engine.owner(of.project).await?;
        if let Some(owner) = on_record.as_ref().filter(|owner| owner.id != self.id) {
            return Err(self.refuse(of, owner));
        }
        // First, so that a crash in between leaves nobody who takes it up again.
        self.ledger.set_let_go(of.project, true)?;
        if let Some(owner) = on_record {
            of.engine.disown(of.project, &owner).await?;
        }
        self.release(of.project);
        Ok(())
    }

    /// The lock comes first: whoever has no lock may not become the owner.
    async fn put_on_record(&self, of: Of<'_>) -> Result<(), OwnerError> {
        self.hold(of).await?;
        self.count_on(of).await?;
        let owner = of.engine.claim(of.project, &self.me()).await?;
        if owner.id != self.id {
            return Err(self.refuse(of, &owner));
        }
        tracing::info!(app = %of.app, project = %of.project, owner = %self.id, "this evenkeel looks after the project");
        Ok(())
    }

    /// What another ledger's rollouts left must not pass for this one's: the numbers of its own begin after theirs.
    async fn count_on(&self, of: Of<'_>) -> Result<(), OwnerError> {
        let containers = of.engine.containers(of.project).await?;
        let number = |label: &str| label.trim_start_matches('r').parse::<i64>().ok();
        let highest = containers.iter().filter_map(|it| number(it.label(label::ROLLOUT)?)).max();
        Ok(highest.map_or(Ok(()), |highest| self.ledger.number_rollouts_after(highest))?)
    }

    /// Holds the lock of this host from now on.
    async fn hold(&self, of: Of<'_>) -> Result<(), OwnerError> {
        if self.held().contains_key(of.project) {
            return Ok(());
        }
        let engine =
            self.engine_id.get_or_try_init(|| async { of.engine.info().await.map(|info| info.id) }).await?;
        let mut held = self.held();
        if held.contains_key(of.project) {
            return Ok(());
        }
        match HostLock::take(&self.places, engine, of.project, &self.data_dir) {
            Ok(lock) => {
                held.insert(of.project.clone(), lock);
                Ok(())
            }
            Err(NoLock::Held(holder)) => Err(OwnerError::held(of, &holder)),
            Err(NoLock::NoPlace { path, source }) => Err(OwnerError::NoPlace { path, source }),
        }
    }

    /// Whose it is may change hands while nobody lives: the lock of somebody who does not own it would stand in the way.
    fn refuse(&self, of: Of<'_>, owner: &Owner) -> OwnerError {
        self.release(of.project);
        self.others().insert(of.project.clone(), None);
        OwnerError::owned(of, owner)
    }

    fn release(&self, project: &ProjectName) {
        self.held().remove(project);
    }

    /// A record that somebody swept away is made again by its owner; it is not the first who looks that becomes the next.
    fn wait_for_its_owner(&self, of: Of<'_>) -> Result<(), OwnerError> {
        let now = self.ledger.now();
        let mut others = self.others();
        let Some(gone) = others.get_mut(of.project) else { return Ok(()) };
        let since = *gone.get_or_insert(now);
        if now.duration_since(since).as_secs_f64() < MISSING.as_secs_f64() {
            return Err(OwnerError::missing(of, since));
        }
        others.remove(of.project);
        Ok(())
    }

    fn me(&self) -> Owner {
        Owner {
            id: self.id.clone(),
            host: self.host.clone(),
            data_dir: self.data_dir.display().to_string(),
            since: self.ledger.now(),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<ProjectName, HostLock>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<ProjectName, Option<Timestamp>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An owner, for people.
fn introduced(owner: &Owner) -> String {
    let Owner { id, host, data_dir, since } = owner;
    format!("evenkeel {id} (host {host}, data directory {data_dir}, since {since:.0})")
}
