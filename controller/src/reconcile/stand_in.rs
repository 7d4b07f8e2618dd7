//! The reconciler's place until it is there.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use evenkeel_core::located::{Fault, Faults};
use evenkeel_core::name::AppName;
use evenkeel_core::status::{RolloutRecord, Status};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::api::{Control, ControlError, ControlStatus, PlanReport, ProgressLine};
use crate::config::Config;
use crate::ledger::{EventRecord, Ledger, LedgerError};
use crate::life::Life;
use crate::metrics::Metrics;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What `validate` found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ValidateReport {
    /// The applications, by name, each with where its manifest stands.
    pub(crate) applications: Vec<(AppName, String)>,
    /// Things worth knowing that are no faults.
    pub(crate) notes: Vec<String>,
}

/// Reads every manifest under a path, as a rollout would.
pub(crate) fn validate(_path: &Path, _revision: Option<&str>) -> Result<ValidateReport, Faults> {
    Err(Fault::new("this build cannot read manifests yet").into())
}

/// A manifest for the Compose project in a folder.
pub(crate) fn init(_path: &Path) -> Result<String, Faults> {
    Err(Fault::new("this build cannot write manifests yet").into())
}

/// The daemon.
pub(crate) struct Daemon {
    ledger: Ledger,
    progress: broadcast::Sender<ProgressLine>,
}

impl Daemon {
    /// Starts it.
    pub(crate) async fn start(
        config: Arc<Config>,
        _metrics: Arc<Metrics>,
        _life: Life,
    ) -> Result<Arc<dyn Control>, StartError> {
        let ledger = Ledger::open(&config.data_dir)?;
        Ok(Arc::new(Self { ledger, progress: broadcast::Sender::new(256) }))
    }
}

fn not_yet<T>() -> Result<T, ControlError> {
    Err(ControlError::new(ControlStatus::Unavailable, "this build has no reconciler"))
}

fn failed(error: LedgerError) -> ControlError {
    ControlError::new(ControlStatus::Failed, error.to_string())
}

#[async_trait]
impl Control for Daemon {
    async fn status(&self) -> Status {
        Status::default()
    }

    async fn plan(&self, _: Option<AppName>) -> Result<Vec<PlanReport>, ControlError> {
        not_yet()
    }

    async fn history(&self, app: Option<AppName>, limit: usize) -> Result<Vec<RolloutRecord>, ControlError> {
        self.ledger.history(app.as_ref(), limit).map_err(failed)
    }

    async fn events(&self, app: Option<AppName>, limit: usize) -> Result<Vec<EventRecord>, ControlError> {
        self.ledger.events(app.as_ref(), limit).map_err(failed)
    }

    async fn sync(&self, _: AppName, _: bool) -> Result<String, ControlError> {
        not_yet()
    }

    async fn retry(&self, _: AppName) -> Result<String, ControlError> {
        not_yet()
    }

    async fn suspend(&self, _: AppName) -> Result<String, ControlError> {
        not_yet()
    }

    async fn resume(&self, _: AppName) -> Result<String, ControlError> {
        not_yet()
    }

    async fn backups(&self, _: AppName) -> Result<Vec<serde_json::Value>, ControlError> {
        not_yet()
    }

    async fn create_backup(&self, _: AppName) -> Result<String, ControlError> {
        not_yet()
    }

    async fn verify_backup(&self, _: AppName, _: String, _: bool) -> Result<String, ControlError> {
        not_yet()
    }

    async fn restore_backup(&self, _: AppName, _: String) -> Result<String, ControlError> {
        not_yet()
    }

    fn progress(&self) -> broadcast::Receiver<ProgressLine> {
        self.progress.subscribe()
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn webhook(&self, _: Option<&str>) {}
}
