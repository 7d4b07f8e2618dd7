//! The daemon's answers to the API.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use evenkeel_core::database::Reason as BackupReason;
use evenkeel_core::name::{AppName, InstanceId, ProjectName, RolloutId};
use evenkeel_core::plan::{Hints, Plan, make};
use evenkeel_core::release::Release;
use evenkeel_core::status::{Reason, RolloutRecord, Status};
use tokio::sync::broadcast;

use super::app::Handle;
use super::daemon::Daemon;
use super::desired;
use super::pass::live;
use crate::api::{Control, ControlError, ControlStatus, PlanReport, PlanStep, ProgressLine};
use crate::ledger::{EventRecord, LedgerError};
use crate::rollout::{self, Failure, Gathered};

/// How long a look at an application may take, at most, before it is taken for a rollout.
const LOOK: std::time::Duration = std::time::Duration::from_secs(10);

fn ledger(error: LedgerError) -> ControlError {
    ControlError::new(ControlStatus::Failed, error.to_string())
}

fn failure(error: Failure) -> ControlError {
    let status = match error {
        Failure::Transient { .. } => ControlStatus::Unavailable,
        Failure::Cancelled(_) | Failure::Blocked { reason: Reason::OwnedElsewhere, .. } => {
            ControlStatus::Conflict
        }
        Failure::Release { .. } | Failure::Blocked { .. } => ControlStatus::Failed,
    };
    ControlError::new(status, error.to_string())
}

impl Daemon {
    fn handle(&self, app: &AppName) -> Result<Arc<Handle>, ControlError> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(app).cloned().ok_or_else(|| {
            let known: Vec<&str> = apps.keys().map(AppName::as_str).collect();
            let hint = if known.is_empty() {
                "none is known yet".to_owned()
            } else {
                format!("there is {}", known.join(", "))
            };
            ControlError::new(ControlStatus::NotFound, format!("there is no application {app}")).hint(hint)
        })
    }

    /// Polls the application's source now, and waits for the answer.
    async fn poll_now(&self, handle: &Handle) {
        let Some(followed) =
            self.sources.iter().find(|it| it.source.config().name == handle.source.config().name)
        else {
            return;
        };
        let mut polls = followed.polls.subscribe();
        polls.borrow_and_update();
        followed.nudge.notify_one();
        drop(polls.changed().await);
    }
}

#[async_trait]
impl Control for Daemon {
    async fn status(&self) -> Status {
        let mut applications = Vec::new();
        for handle in self.handles() {
            match handle.status() {
                Ok(status) => applications.push(status),
                Err(error) => tracing::error!(app = %handle.name, %error, "status cannot be read"),
            }
        }
        Status { applications }
    }

    async fn plan(&self, app: Option<AppName>) -> Result<Vec<PlanReport>, ControlError> {
        let handles = match app {
            Some(app) => vec![self.handle(&app)?],
            None => self.handles(),
        };
        let mut reports = Vec::new();
        for handle in handles {
            reports.push(report(&handle).await?);
        }
        Ok(reports)
    }

    async fn history(&self, app: Option<AppName>, limit: usize) -> Result<Vec<RolloutRecord>, ControlError> {
        self.ledger.history(app.as_ref(), limit).map_err(ledger)
    }

    async fn events(&self, app: Option<AppName>, limit: usize) -> Result<Vec<EventRecord>, ControlError> {
        self.ledger.events(app.as_ref(), limit).map_err(ledger)
    }

    async fn sync(&self, app: AppName, wait: bool) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        self.poll_now(&handle).await;
        let done = handle.trigger_and_wait("operator: sync");
        if !wait {
            return Ok(format!("{app} is looked at now"));
        }
        drop(done.await);
        let status = handle.status().map_err(ledger)?;
        Ok(format!("{app}: {:?}, {:?}; {}", status.sync, status.health, status.next))
    }

    async fn retry(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let lifted = self.ledger.lift_quarantine(&app, None).map_err(ledger)?;
        handle.release_holds().map_err(failure)?;
        handle.trigger("operator: retry");
        drop(handle.trigger_and_wait("operator: retry"));
        Ok(match lifted {
            0 => format!("{app} is tried again; nothing was quarantined"),
            1 => format!("{app} is tried again; one release is no longer quarantined"),
            more => format!("{app} is tried again; {more} releases are no longer quarantined"),
        })
    }

    async fn suspend(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        self.ledger.set_suspended(&app, true).map_err(ledger)?;
        handle.trigger("operator: suspend");
        Ok(format!(
            "{app} is suspended: nothing new is rolled out; the way back of what failed and repairs go on"
        ))
    }

    async fn resume(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        self.ledger.set_suspended(&app, false).map_err(ledger)?;
        handle.trigger("operator: resume");
        Ok(format!("{app} follows its branch again"))
    }

    async fn claim(&self, app: AppName, from: Option<InstanceId>) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let _turn = turn(&handle).await?;
        let done = handle.claim(&project(&handle)?, from.as_ref()).await.map_err(failure)?;
        handle.trigger("operator: claim");
        Ok(done)
    }

    async fn disown(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        if self.ledger.app(&app).map_err(ledger)?.suspended.is_none() {
            let refusal = ControlError::new(ControlStatus::Conflict, format!("{app} is not suspended"));
            return Err(refusal.hint(format!("`evenkeel suspend {app}` first: nothing may be under way")));
        }
        let _turn = turn(&handle).await?;
        handle.disown(&project(&handle)?).await.map_err(failure)?;
        handle.trigger("operator: disown");
        Ok(format!("{app} is let go of: nothing is done to it from here until `evenkeel claim {app}`"))
    }

    async fn release(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let _turn = turn(&handle).await?;
        if self.ledger.open_rollout(&app).map_err(ledger)?.is_some() {
            let refusal =
                ControlError::new(ControlStatus::Conflict, format!("a rollout of {app} has not ended"));
            return Err(refusal.hint("`evenkeel status` says what it waits for"));
        }
        let nothing =
            || ControlError::new(ControlStatus::Conflict, format!("no release of {app} is live yet"));
        let release = handle.live_as_read_now().await.map_err(failure)?.ok_or_else(nothing)?;
        let done = handle.let_go(&release).await.map_err(failure)?;
        handle.trigger("operator: release");
        Ok(done)
    }

    async fn backups(&self, app: AppName) -> Result<Vec<serde_json::Value>, ControlError> {
        self.handle(&app)?;
        Ok(self.ledger.backups(&app).map_err(ledger)?.into_iter().map(|backup| backup.json).collect())
    }

    async fn create_backup(&self, app: AppName) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let release = live_release(&handle)?;
        let _turn = turn(&handle).await?;
        handle.owns(&release).await.map_err(failure)?;
        let backup = rollout::backup_now(&handle.context, &release, None, BackupReason::Manual)
            .await
            .map_err(failure)?;
        Ok(format!("backup {} is made, and was decoded in full", backup.id))
    }

    async fn verify_backup(&self, app: AppName, id: String, restored: bool) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let release = live_release(&handle)?;
        handle.owns(&release).await.map_err(failure)?;
        let backup = rollout::verify_now(&handle.context, &release, &id, restored).await.map_err(failure)?;
        Ok(format!("backup {id} is good: {:?}, {} rows", backup.level, backup.total_rows()))
    }

    async fn restore_backup(&self, app: AppName, id: String) -> Result<String, ControlError> {
        let handle = self.handle(&app)?;
        let release = live_release(&handle)?;
        let _turn = turn(&handle).await?;
        handle.owns(&release).await.map_err(failure)?;
        let kept = rollout::restore_now(&handle.context, &release, &id).await.map_err(failure)?;
        handle.trigger("operator: restore");
        Ok(format!("backup {id} is restored; what was there before is kept as database {kept}"))
    }

    fn progress(&self) -> broadcast::Receiver<ProgressLine> {
        self.progress.subscribe()
    }

    async fn ready(&self) -> Result<(), String> {
        self.engine.info().await.map_err(|error| error.to_string())?;
        self.ledger.apps().map_err(|error| error.to_string())?;
        Ok(())
    }

    fn webhook(&self, source: Option<&str>) {
        for followed in &self.sources {
            if source.is_none_or(|name| name == followed.source.config().name) {
                followed.nudge.notify_one();
            }
        }
    }
}

/// The application's turn: a look is waited for, a rollout is not.
async fn turn(handle: &Handle) -> Result<tokio::sync::MutexGuard<'_, ()>, ControlError> {
    tokio::time::timeout(LOOK, handle.turn.lock()).await.map_err(|_| {
        ControlError::new(ControlStatus::Conflict, format!("{} is being rolled out", handle.name))
            .hint("wait for its end")
    })
}

/// The Compose project of an application, as it was last read.
fn project(handle: &Handle) -> Result<ProjectName, ControlError> {
    let read = handle.project.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let live = || Ok(live(handle).map_err(failure)?.map(|release| release.project.name));
    read.map(ProjectName::new).map_or_else(live, |read| Ok(Some(read)))?.ok_or_else(|| {
        ControlError::new(
            ControlStatus::Conflict,
            format!("the Compose project of {} is not known yet", handle.name),
        )
        .hint("`evenkeel status` says why")
    })
}

fn live_release(handle: &Handle) -> Result<Release, ControlError> {
    live(handle).map_err(failure)?.ok_or_else(|| {
        ControlError::new(ControlStatus::Conflict, format!("no release of {} is live yet", handle.name))
    })
}

/// What would be done now.
async fn report(handle: &Arc<Handle>) -> Result<PlanReport, ControlError> {
    let tip = handle.tip.borrow().clone();
    let mut report = PlanReport {
        app: handle.name.clone(),
        from: handle.context.ledger.app(&handle.name).map_err(ledger)?.live_release,
        to: None,
        revision: Some(tip.revision.clone()),
        stage: String::new(),
        strategy: evenkeel_core::plan::Strategy::None,
        steps: Vec::new(),
        gaps: Vec::new(),
        notes: Vec::new(),
        commits: Vec::new(),
        conditions: handle.status().map_err(ledger)?.conditions.into_iter().map(|it| it.message).collect(),
        empty: true,
    };
    let Some(manifest) = &tip.manifest else { return Ok(report) };
    let pins = handle.context.ledger.pins(&handle.name).map_err(ledger)?;
    let desired = match desired::release(&handle.source, &tip.revision, manifest, &handle.key, &pins).await {
        Ok(desired) => desired,
        Err(faults) => return Err(ControlError::new(ControlStatus::Invalid, faults.to_string())),
    };
    let release = desired.release;
    report.to = Some(release.digest.clone());
    report.notes = desired.warnings;
    let gathered =
        Gathered::look(&handle.context, &release, Hints::default(), None).await.map_err(failure)?;
    if gathered.live.as_ref().is_some_and(|live| live.digest == release.digest) {
        let drifts = evenkeel_core::plan::drift::found(&gathered.facts(&release, RolloutId(0)));
        report.notes.extend(drifts.iter().map(|drift| format!("drift: {drift}")));
    }
    match make(&gathered.facts(&release, RolloutId(0))) {
        Ok(plan) => fill(&mut report, plan, &gathered, &release),
        Err(blocked) => {
            // The last look may have said it already.
            if !report.conditions.iter().any(|said| said.contains(&blocked.message)) {
                report.conditions.push(blocked.message);
            }
            report.notes.extend(drift_beside(handle, &gathered, &release).await?);
        }
    }
    report.commits = commits(handle, &release).await;
    Ok(report)
}

/// What is put right meanwhile of what is live, where that is another release than the one that is asked for.
async fn drift_beside(
    handle: &Handle,
    gathered: &Gathered,
    asked: &Release,
) -> Result<Vec<String>, ControlError> {
    let Some(live) = gathered.live.as_ref().filter(|live| live.digest != asked.digest) else {
        return Ok(Vec::new());
    };
    let gathered = Gathered::look(&handle.context, live, Hints::default(), None).await.map_err(failure)?;
    let drifts = evenkeel_core::plan::drift::found(&gathered.facts(live, RolloutId(0)));
    Ok(drifts.iter().map(|drift| format!("drift: {drift}")).collect())
}

fn fill(report: &mut PlanReport, plan: Plan, gathered: &Gathered, release: &Release) {
    let step = |step: &evenkeel_core::plan::Step| PlanStep {
        step: step.effect.name().to_owned(),
        subject: step.effect.subject().replace("-r0", "-rN"),
        why: step.why.clone(),
    };
    report.empty = plan.is_empty();
    report.stage = serde_json::to_value(plan.stage)
        .ok()
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default();
    report.strategy = plan.strategy;
    report.steps = plan.steps.iter().map(step).collect();
    report.gaps = plan.gaps;
    report.notes.extend(plan.notes);
    if plan.stage == evenkeel_core::plan::Stage::Prepare && !plan.steps.is_empty() {
        report.notes.push("what comes after is planned from what these steps find out; nothing that serves is touched before".to_owned());
        report.notes.extend(reasons(gathered, release));
    }
}

/// Why services will be replaced, as far as it is known already.
fn reasons(gathered: &Gathered, release: &Release) -> Vec<String> {
    let Some(live) = &gathered.live else { return Vec::new() };
    let differences: BTreeMap<_, _> = release
        .project
        .services
        .keys()
        .map(|name| (name, evenkeel_core::plan::differences(live, release, name)))
        .filter(|(_, reasons)| !reasons.is_empty())
        .collect();
    differences.into_iter().map(|(name, reasons)| format!("{name}: {}", reasons.join("; "))).collect()
}

/// The commits between what is live and what is desired.
async fn commits(handle: &Arc<Handle>, release: &Release) -> Vec<String> {
    let live = handle.context.ledger.app(&handle.name).ok().and_then(|record| record.live_revision);
    let (source, revision) = (Arc::clone(&handle.source), release.revision.clone());
    let read = move || {
        let log = source.checkout(&revision).and_then(|checkout| checkout.log(live.as_ref(), &[], 50));
        let lines = log.unwrap_or_default();
        lines.into_iter().map(|line| format!("{} {}", line.revision.short(), line.subject)).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
