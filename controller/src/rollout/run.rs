//! One rollout from its first plan to its end, and the way back.

use std::collections::BTreeSet;

use evenkeel_core::database::Backup;
use evenkeel_core::name::{RolloutId, ServiceName};
use evenkeel_core::plan::{
    Before, Direction, Effect, Hints, Plan, Stage, Strategy, Subject, adopted, before, inherited, make,
    unnoted, unrecorded, vetted,
};
use evenkeel_core::release::Release;
use evenkeel_core::status::{Outcome, Reason};
use serde::de::IgnoredAny;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clear_away::degraded;
use super::database::{CONNECT_AGAIN, CONNECT_TRIES};
use super::revert::{Verdict, revert};
use super::{Context, Failure, Gathered, leads_back};
use crate::database::Held;
use crate::ledger::Ledger;

/// Facts of a rollout that its journal keeps beside the steps.
pub(super) mod fact {
    /// The new code has served users.
    pub(crate) const TAKEN_OVER: &str = "takenOver";
    /// What was stopped and started has worked on the schema that was moved.
    pub(crate) const WRITTEN: &str = "written";
    /// The migration was fenced.
    pub(crate) const FENCED: &str = "fenced";
    /// Why the release is put back: the condition's word, and whether the release is at fault.
    pub(crate) const VERDICT: &str = "verdict";
    /// The older code cannot run on the newer schema.
    pub(crate) const FORCE_FENCED: &str = "forceFenced";
    /// The id of the backup to go back to.
    pub(crate) const BACKUP: &str = "backup";
    /// Whether that was taken behind the fence.
    pub(crate) const BACKED_UP_BEHIND_FENCE: &str = "backedUpBehindFence";
    /// The fingerprint before the migration.
    pub(crate) const FINGERPRINT: &str = "fingerprint";
    /// The migration that was begun last.
    pub(crate) const MIGRATING: &str = "migrating";
    /// The move that a restored backup takes back.
    pub(crate) const RESTORING: &str = "restoring";
    /// When what writes was stopped, Unix milliseconds.
    pub(crate) const PAUSED_AT: &str = "pausedAt";
    /// For how long it was, in milliseconds.
    pub(crate) const PAUSED_FOR: &str = "pausedFor";
    /// What stood before.
    pub(crate) const BEFORE: &str = "before";
    /// The old container of every service that was taken over.
    pub(crate) const OLD: &str = "old";
    /// The volumes of whatever was replaced, by service: the container, and each volume's place in it; the newest rollout's word counts.
    pub(crate) const ANONYMOUS_VOLUMES: &str = "anonymousVolumes";
    /// When the release began to serve, Unix seconds, by service.
    pub(crate) const SERVES_SINCE: &str = "servesSince";
    /// The containers whose `post_start` has not run to its end since they were started; the newest rollout's word counts.
    pub(crate) const POST_START_DUE: &str = "postStartDue";
    /// The services that have yet to be restarted with what they depend on; the newest rollout's word counts.
    pub(crate) const RESTARTS_DUE: &str = "restartsDue";
    /// Whom `onTakeover` has yet to tell; the newest rollout's word counts.
    pub(crate) const UNTOLD: &str = "untold";
}

/// What the newest rollout that says anything of it has put on record: what one leaves, the next one does.
pub(super) fn newest<T: serde::de::DeserializeOwned + Default>(
    context: &Context,
    key: &str,
) -> Result<T, Failure> {
    let newest = context.ledger.newest_fact(&context.app, key)?;
    Ok(newest.map(|(_, value)| value).unwrap_or_default())
}

/// What is asked for.
pub(crate) struct Order<'a> {
    /// The application's surroundings.
    pub(crate) context: &'a Context,
    /// The release.
    pub(crate) release: &'a Release,
    /// The rollout, already begun in the ledger.
    pub(crate) id: RolloutId,
    /// The release to fall back to.
    pub(crate) previous: Option<Release>,
    /// What is live is put right; there is nothing to go back to.
    pub(crate) repair: bool,
    /// Services that a repair leaves as they are.
    pub(crate) held: BTreeSet<ServiceName>,
    /// Cancelled when a newer release is wanted.
    pub(crate) cancel: CancellationToken,
    /// Cancelled when the process goes down, or when the project is another's by now.
    pub(crate) parked: CancellationToken,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The release is live.
    Succeeded,
    /// Everything is as before.
    Reverted {
        /// The word.
        reason: Reason,
        /// The evidence.
        message: String,
        /// Whether the release is at fault; not, when the older one fails too.
        at_fault: bool,
    },
    /// It could not be put back.
    RevertFailed(String),
    /// Something newer is wanted.
    Cancelled(String),
    /// What is live could not be put right.
    Degraded(String),
    /// Left open, to go on later.
    Parked(String),
    /// The way back cannot go on for now: left open, to be tried again as long as nothing newer is wanted.
    Waits {
        /// The word.
        reason: Reason,
        /// Why the release is put back, and what is in the way.
        message: String,
    },
    /// Left open, to be tried again.
    Transient {
        /// The word.
        reason: Reason,
        /// What.
        message: String,
    },
    /// Nothing was done, and nothing can be.
    Blocked {
        /// The word.
        reason: Reason,
        /// What, and what to do.
        message: String,
    },
}

/// A rollout in progress.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) id: RolloutId,
    /// The release that the steps lead to: the new one, or while reverting the previous one.
    pub(super) target: &'a Release,
    pub(super) cancel: CancellationToken,
    pub(super) parked: CancellationToken,
    reverting: bool,
    pub(super) held: BTreeSet<ServiceName>,
    /// Held from the first look at the database for changing it until the rollout ends.
    pub(super) lock: Mutex<Option<Box<dyn Held>>>,
}

impl<'a> Run<'a> {
    /// The way to an order's release.
    pub(super) fn new(order: &Order<'a>) -> Self {
        Self {
            context: order.context,
            id: order.id,
            target: order.release,
            cancel: order.cancel.clone(),
            parked: order.parked.clone(),
            reverting: false,
            held: order.held.clone(),
            lock: Mutex::new(None),
        }
    }

    /// The way back: nothing newer cancels it.
    pub(super) fn back(order: &'a Order<'a>, lock: Option<Box<dyn Held>>) -> Self {
        Self {
            target: order.previous.as_ref().unwrap_or(order.release),
            cancel: CancellationToken::new(),
            reverting: true,
            held: BTreeSet::new(),
            lock: Mutex::new(lock),
            ..Self::new(order)
        }
    }
}

impl Run<'_> {
    pub(super) fn reverting(&self) -> bool {
        self.reverting
    }

    pub(super) fn fact<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        Ok(self.context.ledger.fact(self.id, key)?)
    }

    pub(super) fn set_fact<T: serde::Serialize>(&self, key: &str, value: &T) -> Result<(), Failure> {
        Ok(self.context.ledger.set_fact(self.id, key, value)?)
    }

    pub(super) fn hints(&self) -> Result<Hints, Failure> {
        Ok(Hints {
            reverting: self.reverting(),
            force_fenced: self.fact(fact::FORCE_FENCED)?.unwrap_or(false),
            taken_over: self.fact(fact::TAKEN_OVER)?.unwrap_or(false),
            written: self.fact(fact::WRITTEN)?.unwrap_or(false),
            was_fenced: self.fact(fact::FENCED)?.unwrap_or(false),
            held: self.held.clone(),
            ..Hints::default()
        })
    }

    /// Whether what writes has been stopped for the schema, and nothing serves in its place yet.
    pub(super) fn fence_is_up(&self) -> Result<bool, Failure> {
        fence_is_up(&self.context.ledger, self.id)
    }

    /// Whether users may be waiting for what serves again: behind a fence, and on a way back.
    pub(super) fn users_wait(&self) -> Result<bool, Failure> {
        Ok(self.reverting() || self.fence_is_up()?)
    }

    /// What ends a step before its time. Behind a fence users wait: a newer commit has to wait too, or they would wait for its build.
    pub(super) fn cancel_unless_users_wait(&self) -> Result<CancellationToken, Failure> {
        Ok(if self.users_wait()? { self.parked.clone() } else { self.cancel.clone() })
    }

    fn is_live(&self) -> Result<bool, Failure> {
        let record = self.context.ledger.app(&self.context.app)?;
        Ok(record.live_release.as_ref() == Some(&self.target.digest))
    }

    pub(super) async fn look(&self) -> Result<Gathered, Failure> {
        let mut gathered = self.look_at_database().await?;
        let (ledger, app) = (&self.context.ledger, &self.context.app);
        for Subject { service, name, id } in unnoted(&gathered.facts(self.target, self.id)) {
            let Some(id) = id else { continue };
            ledger.record_container(app, &service, &id, &name, Some(self.id), "found")?;
            gathered.known.insert(id);
        }
        for Subject { service, name, id } in adopted(&gathered.facts(self.target, self.id)) {
            let Some(id) = id else { continue };
            ledger.record_container(app, &service, &id, &name, None, "adopted")?;
            gathered.known.insert(id);
        }
        for (service, id) in unrecorded(&gathered.facts(self.target, self.id)) {
            // On the way back, say: what stood before may only have to be started again.
            if gathered.serving.contains_key(&service) {
                self.all_have_to_be_told()?;
                gathered.hints.untold = super::on_takeover::untold(self.context)?;
            }
            ledger.set_serving(app, &service, &id)?;
            gathered.serving.insert(service, id);
        }
        for Subject { service, name, id } in inherited(&gathered.facts(self.target, self.id)) {
            let Some(id) = id else { continue };
            ledger.record_container(app, &service, &id, &name, None, "inherited")?;
            gathered.known.insert(id);
        }
        for (Subject { id, .. }, config) in vetted(&gathered.facts(self.target, self.id)) {
            let Some(id) = id else { continue };
            ledger.record_vetted(&id, &config)?;
            gathered.vetted.insert(id, config);
        }
        Ok(gathered)
    }
}

impl Run<'_> {
    /// A database that has just been started, with its host perhaps, takes a moment before it can be looked at.
    async fn look_at_database(&self) -> Result<Gathered, Failure> {
        let deadline = Instant::now() + CONNECT_AGAIN * CONNECT_TRIES;
        loop {
            let gathered = Gathered::look(self.context, self.target, self.hints()?, Some(self.id)).await?;
            let unreachable = gathered.database.as_ref().is_some_and(|it| it.unreachable.is_some());
            if !unreachable || Instant::now() >= deadline || self.parked.is_cancelled() {
                return Ok(gathered);
            }
            tokio::time::sleep(CONNECT_AGAIN).await;
        }
    }
}

/// Whether a rollout has stopped what writes for the schema, and nothing serves in its place yet.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) fn fence_is_up(ledger: &Ledger, id: RolloutId) -> Result<bool, Failure> {
    let is_there = |key: &str| ledger.fact::<IgnoredAny>(id, key).map(|fact| fact.is_some());
    Ok(is_there(fact::PAUSED_AT)? && !is_there(fact::PAUSED_FOR)?)
}

/// Plans that find out nothing new would go round in circles.
pub(super) const PLANS: usize = 16;

/// Takes an application to a release; when that fails, back.
pub(crate) async fn run(order: &Order<'_>) -> End {
    let run = Run::new(order);
    let outages = order.context.engine.outages();
    match excused(order.context, outages, run.advance("deploy").await) {
        Ok(()) => End::Succeeded,
        Err(Failure::Cancelled(why)) if order.parked.is_cancelled() => End::Parked(why),
        Err(Failure::Cancelled(why)) => End::Cancelled(why),
        // Users wait behind the fence: whatever the reason, the old release serves again before another try.
        Err(Failure::Transient { reason, message } | Failure::Blocked { reason, message })
            if run.fence_is_up().unwrap_or(true) && !order.repair && reason != Reason::EngineUnreachable =>
        {
            let lock = run.lock.into_inner();
            revert(order, lock, Verdict { reason, at_fault: false }, message).await
        }
        Err(Failure::Blocked { reason: Reason::DatabaseDiverged, message }) if !order.repair => {
            diverged(order, run.lock.into_inner(), message).await
        }
        Err(Failure::Transient { reason, message }) => End::Transient { reason, message },
        Err(Failure::Blocked { reason, message }) => End::Blocked { reason, message },
        Err(Failure::Release { message, .. }) if order.repair => degraded(order, &run, message).await,
        Err(Failure::Release { reason, message }) => match run.is_live() {
            // What has baked is not put back because its predecessor's remains cannot be removed.
            Ok(true) => End::Degraded(message),
            Ok(false) => {
                let lock = run.lock.into_inner();
                revert(order, lock, Verdict { reason, at_fault: true }, message).await
            }
            Err(why) => End::Transient { reason, message: format!("{message}\n{why}") },
        },
    }
}

/// Neither leads to the other: where a release that something newer overtook left the schema there, what is live is put back first.
async fn diverged(order: &Order<'_>, lock: Option<Box<dyn Held>>, message: String) -> End {
    let reason = Reason::DatabaseDiverged;
    let way = match &order.previous {
        Some(live) => leads_back(order.context, live).await,
        None => Ok(false),
    };
    match way {
        Ok(true) => revert(order, lock, Verdict { reason, at_fault: false }, message).await,
        Ok(false) => End::Blocked { reason, message },
        Err(why) => End::Transient { reason, message: format!("{message}\n{why}") },
    }
}

/// An engine that goes away takes containers along, and what runs in them: nobody is to blame for what failed meanwhile, and
/// it is tried again.
pub(super) fn excused(context: &Context, outages: u64, result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(Failure::Release { message, .. }) if context.engine.outages() != outages => {
            let message =
                format!("the Docker Engine was away meanwhile, so that it is tried again: {message}");
            Err(Failure::transient(Reason::EngineUnreachable, message))
        }
        result => result,
    }
}

impl Run<'_> {
    /// Plans and carries out until nothing is left to do.
    pub(super) async fn advance(&self, label: &str) -> Result<(), Failure> {
        let mut last: Option<Plan> = None;
        for _ in 0..PLANS {
            let gathered = self.look().await?;
            self.remember_before(&gathered)?;
            let plan = make(&gathered.facts(self.target, self.id))?;
            if plan.is_empty() {
                return Ok(());
            }
            if last.as_ref() == Some(&plan) {
                return Err(Failure::release(
                    Reason::ProbeFailed,
                    format!("step {} changes nothing", plan.steps[0].effect.name()),
                ));
            }
            let stage = if plan.stage == Stage::Prepare && !self.reverting() { "prepare" } else { label };
            match self.carry_out(stage, &plan).await? {
                Then::Finished => return Ok(()),
                Then::PlanAgain => last = Some(plan),
            }
        }
        Err(Failure::release(Reason::ProbeFailed, "planning came to no end"))
    }

    async fn carry_out(&self, stage: &str, plan: &Plan) -> Result<Then, Failure> {
        let moves = |effect: &Effect| match effect {
            Effect::Migrate { direction: Direction::Up, .. } => true,
            // What a way back takes down is no move of its own.
            Effect::Migrate { direction: Direction::Down, .. } => !self.reverting(),
            _ => false,
        };
        if plan.strategy == Strategy::Fenced && plan.steps.iter().any(|step| moves(&step.effect)) {
            self.set_fact(fact::FENCED, &true)?;
        }
        let (outages, mut reached) = (self.context.engine.outages(), 0);
        let result = self.execute_and_tell(stage, plan, &mut reached).await;
        match result {
            Ok(()) if plan.stage == Stage::Deploy => Ok(Then::Finished),
            Ok(()) => Ok(Then::PlanAgain),
            Err(Failure::Release { reason, message }) if self.context.engine.outages() == outages => {
                self.on_newer_schema(plan, reached, Failure::Release { reason, message })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Older code is proven on a newer schema that only adds, before that is taken down. Where it cannot run there, the schema has to
    /// go down first, behind a fence; where it serves already, and the schema cannot be taken down, the additions disturb nobody.
    fn on_newer_schema(&self, plan: &Plan, reached: usize, failure: Failure) -> Result<Then, Failure> {
        let goes_down =
            |effect: &Effect| matches!(effect, Effect::Migrate { direction: Direction::Down, .. });
        if !plan.steps.iter().any(|step| goes_down(&step.effect)) {
            return Err(failure);
        }
        let hints = self.hints()?;
        let restorable = hints.was_fenced && !hints.users_may_have_written();
        if (plan.strategy == Strategy::Online || restorable) && self.leads_nowhere_back(plan, reached)? {
            tracing::warn!(app = %self.context.app, %failure, "the schema cannot be taken down that way");
            return Ok(Then::PlanAgain);
        }
        if plan.strategy != Strategy::Online {
            return Err(failure);
        }
        let failed = plan.steps.get(reached).map(|step| &step.effect);
        let is_proof = |effect: &Effect| {
            matches!(effect, Effect::Start { .. } | Effect::PostStart { .. } | Effect::Prove { .. })
        };
        let forced = self.fact::<bool>(fact::FORCE_FENCED)?.unwrap_or(false);
        let taken_over = self.fact::<bool>(fact::TAKEN_OVER)?.unwrap_or(false) && !self.reverting();
        if !failed.is_some_and(is_proof) || forced || taken_over {
            return Err(failure);
        }
        tracing::warn!(app = %self.context.app, %failure, "the older code cannot run on the newer schema: fencing");
        self.set_fact(fact::FORCE_FENCED, &true)?;
        Ok(Then::PlanAgain)
    }

    /// What stood before the first step, for the way back where no earlier release is known.
    fn remember_before(&self, gathered: &Gathered) -> Result<(), Failure> {
        if self.reverting() || self.fact::<Vec<Before>>(fact::BEFORE)?.is_some() {
            return Ok(());
        }
        self.set_fact(fact::BEFORE, &before(&gathered.facts(self.target, self.id)))
    }
}

enum Then {
    Finished,
    PlanAgain,
}

/// What users noticed, and what is kept of what a downgrade took: said with a success too.
pub(crate) fn remarks(order: &Order<'_>) -> Result<Option<String>, Failure> {
    let ledger = &order.context.ledger;
    let mut remarks = Vec::new();
    if let Some(milliseconds) = ledger.fact::<f64>(order.id, fact::PAUSED_FOR)? {
        remarks.push(format!("what writes was stopped for {:.1} s", milliseconds / 1_000.0));
    }
    remarks.extend(kept_of_a_downgrade(order)?);
    Ok((!remarks.is_empty()).then(|| remarks.join("; ")))
}

/// Where what a downgrade took away is kept.
///
/// # Errors
/// When the ledger cannot be read.
pub(super) fn kept_of_a_downgrade(order: &Order<'_>) -> Result<Option<String>, Failure> {
    let (ledger, app) = (&order.context.ledger, &order.context.app);
    let first = ledger.applied(app)?.into_iter().find(|applied| applied.rollout == order.id);
    let is_restored = ledger.fact::<IgnoredAny>(order.id, fact::RESTORING)?.is_some();
    if is_restored || first.is_none_or(|first| first.direction == Direction::Up) {
        return Ok(None);
    }
    let id: Option<String> = ledger.fact(order.id, fact::BACKUP)?;
    let kept = ledger.backups(app)?.into_iter().find(|backup| Some(&backup.id) == id.as_ref());
    let kept = kept.and_then(|record| serde_json::from_value::<Backup>(record.json).ok());
    Ok(kept.map(|kept| {
        let at = evenkeel_core::plan::revisions(&kept.revisions);
        format!("what only a schema at {at} can hold is kept in backup {}", kept.id)
    }))
}

/// The outcome that the ledger records; `None` while the rollout stays open.
pub(crate) fn outcome(end: &End) -> Option<Outcome> {
    match end {
        End::Succeeded => Some(Outcome::Succeeded),
        End::Reverted { .. } => Some(Outcome::Reverted),
        End::RevertFailed(_) => Some(Outcome::RevertFailed),
        End::Cancelled(_) | End::Blocked { .. } | End::Degraded(_) => Some(Outcome::Cancelled),
        End::Parked(_) | End::Transient { .. } | End::Waits { .. } => None,
    }
}

pub(crate) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}
