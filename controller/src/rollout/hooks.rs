//! Hooks of the Compose file: `post_start` in what has been started, `pre_stop` in what is about to be stopped.
//!
//! That a container's `post_start` is due is on record from before its start until all of it has run, so that a crash in between
//! loses none: it runs at least once for each start that evenkeel makes. What the engine starts again by itself has none run, as with
//! Compose.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::compose::{DEFAULT_GRACE, Service, ServiceHook};
use evenkeel_core::container::label;
use evenkeel_core::name::ContainerId;
use evenkeel_core::observed::Container;
use evenkeel_core::plan::Subject;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;

use super::database::{redacted, redacted_of};
use super::run::{Run, fact, newest};
use super::{Context, Failure};
use crate::engine::{EngineError, Exec};
use crate::verify::{Within, tail, within, words};

/// How long one `post_start` command may take, and one of `rollout.onTakeover`: nobody else would ever end the wait for it.
pub(super) const LONGEST: Duration = Duration::from_secs(300);
/// How long all `pre_stop` commands of a container may take together, where its grace time is not longer.
const LONGEST_STOP: Duration = Duration::from_secs(60);

/// The containers whose `post_start` has not run to its end since they were started.
pub(super) fn due(context: &Context) -> Result<BTreeSet<ContainerId>, Failure> {
    newest(context, fact::POST_START_DUE)
}

/// A hook is not waited for any more.
pub(super) fn going_down() -> Failure {
    Failure::Cancelled("evenkeel is going down; the hooks run again when it is back".to_owned())
}

/// The program alone: its arguments may hold secrets.
fn program(hook: &ServiceHook) -> &str {
    hook.command.first().map_or("", String::as_str)
}

impl Run<'_> {
    /// A container is about to be started.
    pub(super) fn begins(&self, container: &Container) -> Result<(), Failure> {
        let has_hooks = self.made_from(container)?.is_some_and(|service| !service.post_start.is_empty());
        self.set_due(&container.id, has_hooks)
    }

    /// What is gone has nothing to be run in any more.
    pub(super) fn is_gone(&self, container: &Container) -> Result<(), Failure> {
        self.set_due(&container.id, false)
    }

    fn set_due(&self, id: &ContainerId, is_due: bool) -> Result<(), Failure> {
        let before = due(self.context)?;
        let mut now = before.clone();
        if is_due {
            now.insert(id.clone())
        } else {
            now.remove(id)
        };
        if now == before { Ok(()) } else { self.set_fact(fact::POST_START_DUE, &now) }
    }

    /// Runs them one after the other; off the record only once all have ended well.
    pub(super) async fn post_start(&self, subject: &Subject) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        self.run_post_start(&container).await?;
        self.set_due(&container.id, false)?;
        Ok(None)
    }

    pub(super) async fn run_post_start(&self, container: &Container) -> Result<(), Failure> {
        let Some(service) = self.made_from(container)? else { return Ok(()) };
        for hook in &service.post_start {
            match within(Some(LONGEST), &self.parked, self.run_hook(container, hook)).await {
                Within::Ended(Ok(())) => {}
                Within::Ended(Err(Ended::Away(error))) => return Err(error.into()),
                Within::Ended(Err(Ended::Failed(why))) => {
                    return Err(self.failed(container, hook, &why).await?);
                }
                Within::Cancelled => return Err(going_down()),
                Within::Late => {
                    let why = format!("it took longer than {} s", LONGEST.as_secs());
                    return Err(self.failed(container, hook, &why).await?);
                }
            }
        }
        Ok(())
    }

    /// Where nothing can be put on record, what serves again has its hooks run all the same.
    pub(super) async fn hooks_without_a_record(&self, id: &ContainerId) {
        let run = async {
            match self.context.engine.container(id.as_str()).await? {
                Some(container) => self.run_post_start(&container).await,
                None => Ok(()),
            }
        };
        if let Err(failure) = run.await {
            let failure = failure.redacted(self.target);
            tracing::warn!(app = %self.context.app, %failure, "it serves again without its hooks");
        }
    }

    /// A hook cannot run in what has ended: then that is the news, and the container's last lines.
    async fn failed(&self, container: &Container, hook: &ServiceHook, why: &str) -> Result<Failure, Failure> {
        let now = self.context.engine.container(container.id.as_str()).await?;
        let mut message = format!("post_start `{}` in {}: {why}", program(hook), container.name);
        if let Some(ended) = now.filter(|now| !now.running()) {
            let tail = tail(self.context.engine.as_ref(), container.id.as_str()).await;
            message = format!("{message}\nthe container itself has ended with {}{tail}", ended.exit_code);
        }
        Ok(Failure::release(Reason::ProbeFailed, message))
    }

    /// Before a container that runs is stopped. What fails does not keep it from being stopped; it is told.
    pub(super) async fn pre_stop(&self, container: &Container) -> Result<Option<String>, Failure> {
        let hooks = self.before_stopping(container)?;
        let Some(service) = hooks.filter(|service| !service.pre_stop.is_empty() && container.running())
        else {
            return Ok(None);
        };
        let limit = LONGEST_STOP.max(service.stop_grace_period.unwrap_or(DEFAULT_GRACE));
        let all = async {
            for hook in &service.pre_stop {
                let command = program(hook);
                self.run_hook(container, hook).await.map_err(|ended| match ended {
                    Ended::Failed(why) => format!("pre_stop `{command}`: {why}"),
                    Ended::Away(error) => format!("pre_stop `{command}`: {error}"),
                })?;
            }
            Ok(())
        };
        let ended = tokio::time::timeout(limit, all).await;
        let late = || Err(format!("pre_stop took longer than {} s", limit.as_secs()));
        let Err(why) = ended.unwrap_or_else(|_| late()) else { return Ok(None) };
        let why = redacted_of([&service].into_iter(), &redacted(self.target, &why));
        tracing::warn!(app = %self.context.app, container = container.name, why, "it is stopped all the same");
        Ok(Some(why))
    }

    async fn run_hook(&self, container: &Container, hook: &ServiceHook) -> Result<(), Ended> {
        let environment = hook.environment.iter().map(|(name, value)| format!("{name}={}", value.expose()));
        let exec = Exec {
            command: hook.command.clone(),
            environment: environment.collect(),
            user: hook.user.clone(),
            working_dir: hook.working_dir.clone(),
            privileged: hook.privileged,
            ..Exec::default()
        };
        match self.context.engine.exec(container.id.as_str(), exec).await {
            Ok(outcome) if outcome.exit_code == 0 => Ok(()),
            Ok(outcome) => {
                Err(Ended::Failed(format!("it exited with {}: {}", outcome.exit_code, words(&outcome))))
            }
            Err(error @ EngineError::Refused { .. }) if !error.is_gone() => {
                Err(Ended::Failed(error.to_string()))
            }
            Err(error) => Err(Ended::Away(error)),
        }
    }

    /// The service that a container was made from, as the planner sees it: the target's, or the live release's.
    fn made_from(&self, container: &Container) -> Result<Option<Service>, Failure> {
        if let Some(service) = service_of(self.target, container) {
            return Ok(Some(service.clone()));
        }
        let (ledger, app) = (&self.context.ledger, &self.context.app);
        let Some(live) = ledger.app(app)?.live_release else { return Ok(None) };
        let live = ledger.release(app, &live)?;
        Ok(live.and_then(|live| service_of(&live, container).cloned()))
    }

    /// The hooks of whichever release made it; of what Compose made nobody knows them, and the release that replaces it is the best
    /// there is, as Compose itself would do.
    fn before_stopping(&self, container: &Container) -> Result<Option<Service>, Failure> {
        if let Some(service) = self.made_from(container)? {
            return Ok(Some(service));
        }
        let (ledger, app) = (&self.context.ledger, &self.context.app);
        if container.label(label::CONFIG).is_none() {
            let name = container.instance(&self.target.project);
            return Ok(name.and_then(|name| self.target.project.services.get(&name).cloned()));
        }
        for (digest, ..) in ledger.releases(app)? {
            let release = ledger.release(app, &digest)?;
            if let Some(service) = release.and_then(|release| service_of(&release, container).cloned()) {
                return Ok(Some(service));
            }
        }
        Ok(None)
    }
}

/// How a hook came to no good end.
enum Ended {
    /// It is at fault, or its container.
    Failed(String),
    /// The engine is.
    Away(EngineError),
}

/// A release's service, where it is the one that a container was made from.
fn service_of<'r>(release: &'r Release, container: &Container) -> Option<&'r Service> {
    let name = container.instance(&release.project)?;
    let service = release.project.services.get(&name)?;
    (container.label(label::CONFIG) == Some(release.config(&name))).then_some(service)
}
