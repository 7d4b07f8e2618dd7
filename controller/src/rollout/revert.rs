//! The way back of a release that failed: to the one before it, or, where there is none, to whatever stood before.

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::name::ServiceName;
use evenkeel_core::observed::Container;
use evenkeel_core::plan::{Before, Direction, Effect, Plan, Stage, Step, undo};
use evenkeel_core::status::{Phase, Reason, StepRecord};
use serde::de::IgnoredAny;

use super::previous::end_of_the_way_back;
use super::run::{PLANS, Run, excused, fact, first_line, kept_of_a_downgrade};
use super::{End, Failure, Gathered, Order};
use crate::database::Held;

/// How often a way back tries to start something whose port somebody else has.
const PORT_TRIES: usize = 5;

/// Why a release is put back.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Verdict {
    pub(super) reason: Reason,
    /// What was put back for another's fault is tried again.
    pub(super) at_fault: bool,
}

/// Goes on with a rollout that was being put back when the process ended.
pub(crate) async fn resume_as_revert(order: &Order<'_>, why: &str) -> End {
    let verdict = match order.context.ledger.fact(order.id, fact::VERDICT) {
        Ok(verdict) => verdict,
        Err(error) => return End::Transient { reason: Reason::ProbeFailed, message: error.to_string() },
    };
    let verdict = verdict.unwrap_or(Verdict { reason: Reason::ProbeFailed, at_fault: true });
    revert(order, None, verdict, why.to_owned()).await
}

/// Puts everything back.
pub(super) async fn revert(
    order: &Order<'_>,
    lock: Option<Box<dyn Held>>,
    verdict: Verdict,
    message: String,
) -> End {
    let context = order.context;
    let reason = verdict.reason;
    tracing::warn!(app = %context.app, rollout = %order.id, reason = ?reason, message, "the release failed; putting everything back");
    context.say(Phase::Reverting, first_line(&message));
    let noted = context.ledger.set_fact(order.id, fact::VERDICT, &verdict);
    if let Err(error) = noted.and_then(|()| context.ledger.set_reverting(order.id, &message)) {
        let message = match start_what_served(order).await {
            Ok(()) => error.to_string(),
            Err(why) => format!("{error}\nwhat served could not be started again: {why}"),
        };
        return End::Transient { reason, message };
    }
    let run = Run::back(order, lock);
    let outages = context.engine.outages();
    let undone = match &order.previous {
        Some(_) => run.advance("revert").await,
        None => run.undo().await,
    };
    match excused(context, outages, undone) {
        Ok(()) => reverted(&run, order, verdict, message).await,
        Err(Failure::Cancelled(why)) => End::Parked(why),
        // One of one's own may have taken the port, and gives it up soon; from a stranger only another commit leads away.
        Err(Failure::Release { reason: Reason::PreflightFailed, message: why })
            if failed_starts(order) >= PORT_TRIES =>
        {
            End::RevertFailed(format!("{message}\nputting it back failed: {why}"))
        }
        // What a preflight misses (a database that is just starting, a network) may come back; a name may be free again.
        Err(
            Failure::Transient { reason: Reason::PreflightFailed, message: why }
            | Failure::Blocked { reason: Reason::PreflightFailed, message: why }
            | Failure::Release { reason: Reason::PreflightFailed, message: why },
        ) => End::Waits { reason, message: format!("{message}\nputting it back waits: {why}") },
        Err(Failure::Transient { message: why, .. }) => {
            End::Transient { reason, message: format!("{message}\nputting it back waits: {why}") }
        }
        Err(Failure::Release { message: why, .. } | Failure::Blocked { message: why, .. }) => {
            End::RevertFailed(format!("{message}\nputting it back failed: {why}"))
        }
    }
}

/// How often a container could not be started on this way back.
fn failed_starts(order: &Order<'_>) -> usize {
    let history = order.context.ledger.history(Some(&order.context.app), 1).unwrap_or_default();
    let steps =
        history.into_iter().filter(|rollout| rollout.id == order.id.0).flat_map(|rollout| rollout.steps);
    let failed = |step: &StepRecord| step.step == "start" && step.outcome.as_deref() == Some("failed");
    steps.filter(|step| step.stage == "revert" && failed(step)).count()
}

/// Without a ledger nothing can be put back on record, and users wait behind the fence. Where the schema has not been touched, what
/// it stopped is started all the same: the next plan sees that it runs.
async fn start_what_served(order: &Order<'_>) -> Result<(), Failure> {
    let (context, ledger) = (order.context, &order.context.ledger);
    let of_rollout = |key| ledger.fact::<IgnoredAny>(order.id, key);
    if of_rollout(fact::PAUSED_AT)?.is_none()
        || of_rollout(fact::PAUSED_FOR)?.is_some()
        || of_rollout(fact::MIGRATING)?.is_some()
    {
        return Ok(());
    }
    let mut started = Vec::new();
    for (service, id) in ledger.serving(&context.app)? {
        let stopped = context.engine.container(id.as_str()).await?.is_some_and(|it| !it.running());
        if stopped {
            tracing::warn!(app = %context.app, %service, "the ledger cannot be written: what the fence stopped is started again");
            context.engine.start(id.as_str()).await?;
            started.push(id);
        }
    }
    // A hook that hangs keeps nobody waiting.
    let run = Run::new(order);
    for id in &started {
        run.hooks_without_a_record(id).await;
    }
    Ok(())
}

/// When the previous release fails too, the fault is not the new one's.
async fn reverted(run: &Run<'_>, order: &Order<'_>, verdict: Verdict, message: String) -> End {
    let outages = run.context.engine.outages();
    let works = match &order.previous {
        Some(_) => run.previous_works(verdict.reason).await,
        None => Ok(()),
    };
    let works = excused(run.context, outages, works);
    let message = match kept_of_a_downgrade(order) {
        Ok(None) => message,
        Ok(Some(kept)) => format!("{message}\n{kept}"),
        Err(error) => {
            format!("{message}\nwhether a backup has more than the schema now is not known: {error}")
        }
    };
    end_of_the_way_back(verdict.reason, verdict.at_fault, message, works)
}

impl Run<'_> {
    /// Whether what failed was a downgrade on a way back, which the tool itself gave up: where there is data, it fails. From then on it counts
    /// as one that does not lead back: what only adds stays, and what was fenced comes from its backup.
    pub(super) fn leads_nowhere_back(&self, plan: &Plan, reached: usize) -> Result<bool, Failure> {
        let failed = plan.steps.get(reached).map(|step| &step.effect);
        let Some(Effect::Migrate { direction: Direction::Down, with, .. }) = failed else { return Ok(false) };
        if !self.reverting() || !self.gave_up()? {
            return Ok(false);
        }
        let (ledger, app) = (&self.context.ledger, &self.context.app);
        let mut outputs = ledger.outputs(app, with)?;
        outputs.leads_nowhere_back();
        ledger.put_outputs(app, with, &outputs)?;
        Ok(true)
    }

    /// Whether a step starts again what has run to its end.
    fn starts_a_job(&self, step: &Step, gathered: &Gathered) -> bool {
        let Effect::Start { container } = &step.effect else { return false };
        let has_ended = |it: &Container| {
            Some(&it.id) == container.id.as_ref() && it.restart == RestartPolicy::No && it.exit_code == 0
        };
        let service = self.target.project.services.get(&container.service);
        service.is_some_and(|service| service.one_shot) || gathered.observed.containers.iter().any(has_ended)
    }

    /// The way back of a first release. Afterwards nobody looks after what stood before: it is left only once it is seen to stand.
    async fn undo(&self) -> Result<(), Failure> {
        let before: Vec<Before> = self.fact(fact::BEFORE)?.unwrap_or_default();
        let mut last: Option<Plan> = None;
        for _ in 0..PLANS {
            let gathered = self.look().await?;
            let mut plan = undo(&gathered.facts(self.target, self.id), &before)?;
            if last.is_some() {
                plan.steps.retain(|step| !self.starts_a_job(step, &gathered));
            }
            // What was started and has ended again was like that before.
            if plan.is_empty() || last.as_ref() == Some(&plan) && plan.stage == Stage::Deploy {
                break;
            }
            if plan.stage == Stage::Prepare && last.as_ref() == Some(&plan) {
                let first = plan.steps.first().map(|step| &step.effect);
                if matches!(first, Some(Effect::Start { .. })) {
                    return Err(Failure::transient(Reason::PreflightFailed, "the database does not stay up"));
                }
                let name = first.map_or("nothing", Effect::name);
                return Err(Failure::release(Reason::RevertFailed, format!("step {name} changes nothing")));
            }
            let (outages, mut reached) = (self.context.engine.outages(), 0);
            match self.execute_and_tell("revert", &plan, &mut reached).await {
                Ok(()) => last = Some(plan),
                Err(failure @ Failure::Release { .. }) if self.context.engine.outages() == outages => {
                    if !self.leads_nowhere_back(&plan, reached)? {
                        return Err(failure);
                    }
                    tracing::warn!(app = %self.context.app, %failure, "the schema cannot be taken down that way");
                }
                Err(failure) => return Err(failure),
            }
        }
        let (ledger, app) = (&self.context.ledger, &self.context.app);
        let database = self.target.database_service();
        let stays = |service: &ServiceName| {
            Some(service) == database || before.iter().any(|was| was.container.service == *service)
        };
        for service in ledger.serving(app)?.keys().filter(|service| !stays(service)) {
            ledger.clear_serving(app, service)?;
        }
        for was in before.iter().filter(|was| was.running) {
            if let Some(id) = &was.container.id {
                ledger.set_serving(app, &was.container.service, id)?;
            }
        }
        self.tell_who_is_left().await
    }
}
