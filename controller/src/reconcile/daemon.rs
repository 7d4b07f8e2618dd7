//! The daemon: sources, workers, watches and the engine's events, tied together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use evenkeel_core::manifest::OnRemoval;
use evenkeel_core::name::{AppName, Revision};
use evenkeel_core::release::DigestKey;
use evenkeel_core::status::Condition;
use tokio::sync::{Notify, broadcast};

use super::app::{Handle, Start, Tip, work};
use super::pulse::Pulse;
use crate::api::{Control, ProgressLine};
use crate::config::{self, Config, SecretError};
use crate::database::Postgres;
use crate::engine::{Engine, EngineError};
use crate::ledger::{AppRecord, Ledger, LedgerError};
use crate::life::Life;
use crate::metrics::Metrics;
use crate::owner::{Ownership, Surroundings};
use crate::rollout::{Context, Helpers, Live};
use crate::source::{Changed, Credentials, Source, SourceConfig, SourceError, Target, Watches};
use crate::verify::Sockets;

/// How long files have to be quiet before a change is told.
const QUIET: Duration = Duration::from_millis(200);
/// How often files are looked at that the system grants no watch for.
const UNWATCHED: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine's address makes no sense.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A source cannot work.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is nothing to follow.
    #[error("there is no repository to follow: give `--repo URL`, or `sources` in the configuration file")]
    NoSource,
}

/// A source, and who waits for it.
pub(super) struct Followed {
    pub(super) source: Arc<Source>,
    pub(super) poll: Duration,
    pub(super) nudge: Notify,
    pub(super) conditions: Mutex<Vec<Condition>>,
    /// Counts its polls, for whoever waits for the next one.
    pub(super) polls: tokio::sync::watch::Sender<u64>,
}

/// All of it.
pub(crate) struct Daemon {
    pub(super) ledger: Ledger,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) life: Life,
    pub(super) sources: Vec<Arc<Followed>>,
    pub(super) apps: RwLock<BTreeMap<AppName, Arc<Handle>>>,
    /// Sources of which it is known what they name.
    told: Mutex<BTreeSet<String>>,
    pub(super) progress: broadcast::Sender<ProgressLine>,
    pub(super) pulse: Arc<Pulse>,
    watches: Arc<Watches>,
    ownership: Arc<Ownership>,
    key: DigestKey,
    data_dir: PathBuf,
}

impl Daemon {
    /// Opens the ledger, and starts following.
    pub(crate) async fn start(
        config: Arc<Config>,
        surroundings: Surroundings,
        metrics: Arc<Metrics>,
        life: Life,
    ) -> Result<Arc<dyn Control>, StartError> {
        if config.sources.is_empty() {
            return Err(StartError::NoSource);
        }
        let ledger = Ledger::open(&config.data_dir)?;
        let engine: Arc<dyn Engine> = Arc::new(
            crate::engine::connect(config.engine.endpoint.as_deref())?
                .with_credentials(config.engine.registry_credentials.as_deref()),
        );
        let (watches, changes) = Watches::new(QUIET, UNWATCHED);
        let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
        let mut sources = Vec::new();
        for source in &config.sources {
            sources.push(Arc::new(followed(source, &data_dir)?));
        }
        let ownership = Ownership::new(ledger.clone(), data_dir.clone(), surroundings)?;
        let daemon = Arc::new(Self {
            key: ledger.digest_key()?,
            ownership: Arc::new(ownership),
            ledger,
            engine,
            metrics,
            life,
            sources,
            apps: RwLock::default(),
            told: Mutex::default(),
            progress: broadcast::Sender::new(1024),
            pulse: Arc::default(),
            watches: Arc::new(watches),
            data_dir,
        });
        daemon.spawn(changes);
        Ok(daemon)
    }

    fn spawn(self: &Arc<Self>, changes: tokio::sync::mpsc::Receiver<Changed>) {
        for followed in &self.sources {
            if let Some(directory) = followed.source.local_directory() {
                self.watches.watch(Target::Repository(directory));
            }
            self.life.tasks.spawn(super::follow::follow(Arc::clone(self), Arc::clone(followed)));
        }
        self.life.tasks.spawn(super::events::name_engine(Arc::clone(&self.engine)));
        self.life.tasks.spawn(super::events::engine_events(Arc::clone(self)));
        self.life.tasks.spawn(super::pulse::pulse(Arc::clone(self)));
        self.life.tasks.spawn(super::events::file_changes(Arc::clone(self), changes));
    }

    /// Tells applications where the branch is; new ones get a worker, and those whose manifest is gone hear of it.
    pub(super) fn tell(
        self: &Arc<Self>,
        followed: &Arc<Followed>,
        revision: &Revision,
        named: &BTreeMap<AppName, String>,
        duplicates: &BTreeMap<AppName, Vec<String>>,
    ) -> Result<(), LedgerError> {
        let name = &followed.source.config().name;
        for (app, path) in named {
            let known = self.ledger.app(app)?;
            if (known.source.as_deref(), known.manifest_path.as_deref()) != (Some(name), Some(path)) {
                self.ledger.set_origin(app, name, path)?;
            }
        }
        let unfinished = self.unfinished(name, duplicates)?;
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        for (app, path) in named {
            let tip = Tip { revision: revision.clone(), manifest: Some(path.clone()) };
            match apps.get(app) {
                Some(handle) => drop(handle.tip.send_if_modified(|old| replace(old, tip))),
                None => drop(apps.insert(app.clone(), self.worker(followed, app, tip))),
            }
        }
        for app in unfinished {
            let tip = Tip { revision: revision.clone(), manifest: None };
            apps.entry(app.clone()).or_insert_with(|| self.worker(followed, &app, tip));
        }
        for handle in apps.values().filter(|handle| handle.source.config().name == *name) {
            if !named.contains_key(&handle.name) && !duplicates.contains_key(&handle.name) {
                let tip = Tip { revision: revision.clone(), manifest: None };
                handle.tip.send_if_modified(|old| replace(old, tip));
            }
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Ok(())
    }

    /// The other source that an application is followed from: that of its worker, or the one on record as long as nobody knows what it names.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn other_source(&self, app: &AppName, source: &str) -> Result<Option<String>, LedgerError> {
        if let Some(handle) = self.apps.read().unwrap_or_else(PoisonError::into_inner).get(app) {
            let of = &handle.source.config().name;
            return Ok((of != source).then(|| of.clone()));
        }
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |of: &String| {
            of != source && !told.contains(of) && self.sources.iter().any(|it| it.source.config().name == *of)
        };
        Ok(self.ledger.app(app)?.source.filter(is_open))
    }

    /// Applications of a source whose manifest may have gone while evenkeel was down, and that something is left to do for: those that
    /// ask to be let go of then, and those whose users may wait for the end of a rollout.
    fn unfinished(
        &self,
        source: &str,
        duplicates: &BTreeMap<AppName, Vec<String>>,
    ) -> Result<Vec<AppName>, LedgerError> {
        let asks = |record: &AppRecord| {
            let Some(live) = &record.live_release else { return Ok(false) };
            let live = self.ledger.release(&record.name, live)?;
            Ok(live.is_some_and(|live| live.manifest.spec.on_removal == OnRemoval::Release))
        };
        let mut unfinished = Vec::new();
        for record in
            self.ledger.apps()?.into_iter().filter(|record| record.source.as_deref() == Some(source))
        {
            let is_open = self.ledger.open_rollout(&record.name)?.is_some();
            if is_open || !duplicates.contains_key(&record.name) && asks(&record)? {
                unfinished.push(record.name);
            }
        }
        Ok(unfinished)
    }

    fn worker(self: &Arc<Self>, followed: &Followed, app: &AppName, tip: Tip) -> Arc<Handle> {
        let context = Context {
            engine: Arc::clone(&self.engine),
            databases: Arc::new(Postgres),
            wire: Arc::new(Sockets),
            ledger: self.ledger.clone(),
            ownership: Arc::clone(&self.ownership),
            source: Arc::clone(&followed.source),
            app: app.clone(),
            data_dir: self.data_dir.clone(),
            metrics: Arc::clone(&self.metrics),
            progress: self.progress.clone(),
            live: Arc::new(Mutex::new(Live::default())),
            helpers: Helpers::default(),
        };
        let handle = Handle::new(Start {
            name: app.clone(),
            source: Arc::clone(&followed.source),
            context,
            key: self.key.clone(),
            tip,
            watches: Arc::clone(&self.watches),
            parked: self.life.stop.clone(),
            pulse: Arc::clone(&self.pulse),
        });
        self.life.tasks.spawn(work(Arc::clone(&handle)));
        handle
    }

    pub(super) fn handles(&self) -> Vec<Arc<Handle>> {
        self.apps.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What a source says of itself is a condition of each of its applications.
    pub(super) fn source_looked_at(&self, followed: &Followed) {
        let conditions = followed.conditions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for handle in self
            .handles()
            .iter()
            .filter(|handle| handle.source.config().name == followed.source.config().name)
        {
            handle.view.lock().unwrap_or_else(PoisonError::into_inner).source.clone_from(&conditions);
        }
    }
}

fn replace(old: &mut Tip, new: Tip) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}

fn followed(source: &config::Source, data_dir: &std::path::Path) -> Result<Followed, StartError> {
    let mut settings = SourceConfig::new(&source.name, &source.url, &source.branch, data_dir);
    settings.path.clone_from(&source.path);
    settings.credentials = credentials(&source.credentials)?;
    Ok(Followed {
        source: Arc::new(Source::open(settings)?),
        poll: source.poll,
        nudge: Notify::new(),
        conditions: Mutex::default(),
        polls: tokio::sync::watch::Sender::new(0),
    })
}

fn credentials(credentials: &config::Credentials) -> Result<Credentials, SecretError> {
    if let Some(from) = &credentials.token_from {
        return Ok(Credentials::Token { user: credentials.username.clone(), token: from.read()? });
    }
    Ok(match &credentials.ssh_key {
        Some(key) => Credentials::SshKey {
            key: key.clone(),
            passphrase: None,
            known_hosts: credentials.known_hosts.clone(),
        },
        None => Credentials::None,
    })
}
