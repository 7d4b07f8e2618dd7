//! What every step of one application's rollouts works with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_core::name::AppName;
use evenkeel_core::status::Phase;
use tokio::sync::broadcast;

use super::outside::Helpers;
use crate::api::ProgressLine;
use crate::database::Databases;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::owner::Ownership;
use crate::source::Source;
use crate::verify::Wire;

/// What an application is doing at this moment: shown in status, lost with the process, never decided upon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// The phase.
    pub(crate) phase: Phase,
    /// The last thing that was said about it.
    pub(crate) message: String,
}

/// One application's surroundings.
#[derive(Clone)]
pub(crate) struct Context {
    /// The engine.
    pub(crate) engine: Arc<dyn Engine>,
    /// Database servers.
    pub(crate) databases: Arc<dyn Databases>,
    /// What probes and checks go over.
    pub(crate) wire: Arc<dyn Wire>,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// Whose projects are.
    pub(crate) ownership: Arc<Ownership>,
    /// The repository that the application comes from.
    pub(crate) source: Arc<Source>,
    /// The application.
    pub(crate) app: AppName,
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// Counters and histograms.
    pub(crate) metrics: Arc<Metrics>,
    /// Who watches.
    pub(crate) progress: broadcast::Sender<ProgressLine>,
    /// What it is doing.
    pub(crate) live: Arc<Mutex<Live>>,
    /// The helper with PostgreSQL's client programs, for a database outside the project.
    pub(crate) helpers: Helpers,
}

impl Context {
    /// Says what is being done, to whoever watches.
    pub(crate) fn say(&self, phase: Phase, message: impl Into<String>) {
        let message = message.into();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.phase != phase || live.message != message {
            let line = ProgressLine {
                app: self.app.clone(),
                phase,
                message: message.clone(),
                at: self.ledger.now(),
            };
            // Nobody watching is no error.
            let _ = self.progress.send(line);
        }
        *live = Live { phase, message };
    }

    /// What it is doing.
    pub(crate) fn live(&self) -> Live {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where build contexts are written before they are sent.
    pub(crate) fn build_dir(&self) -> PathBuf {
        self.data_dir.join("builds").join(self.app.as_str())
    }

    /// Where backups stand.
    pub(crate) fn backup_dir(&self) -> PathBuf {
        self.data_dir.join("backups").join(self.app.as_str())
    }
}
