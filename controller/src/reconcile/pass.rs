//! One pass over one application.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evenkeel_core::database::Backup;
use evenkeel_core::name::{Revision, RolloutId, ServiceName};
use evenkeel_core::plan::{Hints, Plan, make};
use evenkeel_core::release::Release;
use evenkeel_core::status::{Condition, Outcome, Phase, Reason};
use tokio_util::sync::CancellationToken;

use super::app::{Handle, LOOK_EVERY, Next};
use super::choose::Chosen;
use super::drift::{Look, notice};
use super::{desired, kept, unfinished};
use crate::ledger::OpenRollout;
use crate::rollout::{End, Failure, Gathered, Order, leads_back, outcome, remarks, run, sweep};

/// When what was put right is looked at again.
const AFTER_REPAIR: Duration = Duration::from_secs(1);

/// source → manifest → desired, observed → plan → execute → verify → record.
pub(super) async fn reconcile(handle: &Arc<Handle>, reason: &str) -> Next {
    handle.begin_pass();
    let next = match pass(handle, reason).await {
        Ok(next) => next,
        Err(Failure::Blocked { reason: Reason::OwnedElsewhere, message }) => stand_aside(handle, &message),
        Err(failure) => {
            tracing::warn!(app = %handle.name, error = %failure, "the pass did not come to its end");
            if let Failure::Transient { reason, message }
            | Failure::Blocked { reason, message }
            | Failure::Release { reason, message } = &failure
            {
                handle.condition(*reason, message);
            }
            Next::Retry(Duration::from_secs(5))
        }
    };
    handle.forget_passing_conditions();
    next
}

/// Another evenkeel's project is looked at now and then: whose it is may change.
fn stand_aside(handle: &Handle, message: &str) -> Next {
    if let Err(error) = handle.stand_aside(message) {
        tracing::error!(app = %handle.name, %error, "the ledger cannot be written");
    }
    handle.context.say(Phase::Idle, "");
    Next::LookAt(handle.context.ledger.now() + LOOK_EVERY)
}

async fn pass(handle: &Arc<Handle>, reason: &str) -> Result<Next, Failure> {
    let context = &handle.context;
    let ledger = &context.ledger;
    if let Some(next) = unfinished::finish(handle).await? {
        return Ok(next);
    }
    if handle.is_let_go_of().await? {
        return Ok(Next::Again);
    }
    let revision = handle.tip.borrow().revision.clone();
    let live = live(handle)?;
    let Some(desired) = desired_release(handle, live.as_ref()).await? else {
        let asked = Asked { revision: &revision, release: None };
        return kept::instead_of_unreadable(handle, &asked, live.as_ref(), reason).await;
    };
    ledger.put_release(&desired)?;
    handle.watch([&desired].into_iter().chain(&live));
    let chosen = handle.choose(&desired, live.as_ref())?;
    handle.saw(&desired, &chosen.conditions);
    handle.owns(chosen.target.unwrap_or(&desired)).await?;
    let asked = Asked { revision: &desired.revision, release: Some(&desired) };
    if chosen.quarantined {
        return kept::instead_of_quarantined(handle, &asked, live.as_ref(), reason).await;
    }
    let next = go(handle, &asked, &chosen, reason).await;
    if let (Some(live), Some(target)) = (&live, chosen.target)
        && live.digest != target.digest
    {
        let next = kept::beside(handle, &asked, live, next, reason).await?;
        return handle.follow_tags(&desired, Some(live), next).await;
    }
    // What runs is put right before anybody is asked whether there is something newer.
    handle.follow_tags(&desired, live.as_ref(), next?).await
}

/// What the branch asks for.
pub(super) struct Asked<'a> {
    /// Its tip.
    pub(super) revision: &'a Revision,
    /// What that means; `None` where it cannot be read.
    pub(super) release: Option<&'a Release>,
}

/// Goes to what was chosen, if anything has to be done for it.
///
/// # Errors
/// [`Failure::Blocked`] where that is refused: before anything was begun, or by its rollout, which is closed then.
pub(super) async fn go(
    handle: &Arc<Handle>,
    asked: &Asked<'_>,
    chosen: &Chosen<'_>,
    reason: &str,
) -> Result<Next, Failure> {
    let ledger = &handle.context.ledger;
    let idle = || chosen.look_again.map_or(Next::Settled, Next::LookAt);
    let open = ledger.open_rollout(&handle.name)?;
    let Some(target) = chosen.target else {
        if let Some(desired) = asked.release {
            handle.look(desired).await?;
        }
        return Ok(idle());
    };
    let is_own = open.as_ref().is_some_and(|open| open.release == target.digest);
    let (open, other) = if is_own { (open, None) } else { (None, open) };
    if let Some(open) = &open {
        ledger.interrupt_steps(open.id)?;
    }
    // Whoever goes back to what is live ends what was begun for something else; it may be what is in the way.
    let is_back = ledger.app(&handle.name)?.live_release.as_ref() == Some(&target.digest);
    let other = if is_back { supersede(handle, asked, other).map(|()| None)? } else { other };
    sweep(&handle.context, target).await?;
    let mut gathered =
        Gathered::look(&handle.context, target, Hints::default(), open.as_ref().map(|open| open.id)).await?;
    handle.observed(target, &gathered);
    let id = open.as_ref().map_or(RolloutId(0), |open| open.id);
    let mut plan = make(&gathered.facts(target, id));
    // Its rollout begins with putting back what is live.
    let goes_back = match (&plan, &gathered.live) {
        (Err(blocked), Some(live)) if blocked.reason == Reason::DatabaseDiverged => {
            leads_back(&handle.context, live).await?
        }
        _ => false,
    };
    // Where it is refused, what was begun for the release that is live, or for where its tags lead, goes on.
    if plan.is_ok() || goes_back || gathered.live.is_none() {
        supersede(handle, asked, other)?;
    }
    let is_live = gathered.live.as_ref().is_some_and(|live| live.digest == target.digest);
    if is_live {
        let whole = plan.as_ref().ok();
        let begun = open.as_ref().map(|open| open.id);
        let looked = notice(handle, target, &mut gathered, &Look { begun, whole, reason });
        match (looked.until, looked.others) {
            (Some(until), None) => return Ok(Next::Held(until)),
            (Some(_), Some(others)) => plan = Ok(others),
            (None, _) => {}
        }
    }
    let repair = plan.as_ref().ok().filter(|_| is_live).cloned();
    let plan = if goes_back { None } else { Some(plan?) };
    if plan.as_ref().is_some_and(Plan::is_empty) && open.is_none() {
        return settled(handle, asked, target).await.map(|()| idle());
    }
    is_of_the_same_project(target, gathered.live.as_ref())?;
    handle.owns(target).await?;
    handle.forget_passing_conditions();
    let began = std::time::Instant::now();
    let held = std::mem::take(&mut gathered.hints.held);
    let wanted = Wanted { target, read: asked.revision, held };
    let next = rollout(handle, &wanted, open, gathered.live.clone(), &why(reason, repair.as_ref())).await;
    *handle.rolling.lock().unwrap_or_else(PoisonError::into_inner) += began.elapsed();
    Ok(match next? {
        Next::Settled => Next::Again,
        next => next,
    })
}

/// Another project would be another stack, with volumes of its own, beside the one that runs and that nobody looked after any more.
fn is_of_the_same_project(target: &Release, live: Option<&Release>) -> Result<(), Failure> {
    let (name, before) = (&target.project.name, live.map(|live| &live.project.name));
    match before.filter(|before| *before != name) {
        None => Ok(()),
        Some(before) => Err(Failure::Blocked {
            reason: Reason::PreflightFailed,
            message: format!(
                "the commit names the Compose project {name}, and what runs is project {before}, with its volumes. Write \
                 `projectName: {before}` in `spec.compose` of the manifest; a stack of another name is another application, with a \
                 `metadata.name` of its own"
            ),
        }),
    }
}

/// A rollout of something else than what is gone to now is over.
pub(super) fn supersede(
    handle: &Handle,
    asked: &Asked<'_>,
    other: Option<OpenRollout>,
) -> Result<(), Failure> {
    let ledger = &handle.context.ledger;
    let Some(other) = other else { return Ok(()) };
    let why = if asked.release.is_some_and(|desired| desired.digest == other.release) {
        "what is live has to be put right first; then it is begun anew"
    } else {
        "something newer is wanted"
    };
    ledger.interrupt_steps(other.id)?;
    ledger.finish_rollout(other.id, Outcome::Cancelled, Some(why))?;
    let seconds = super::view::rollout_seconds(ledger, &handle.name, other.id)?;
    handle.context.metrics.rollout_finished(&handle.name, Outcome::Cancelled, seconds);
    Ok(())
}

/// Nothing to do: what is live is what is wanted; its revision moves on.
async fn settled(handle: &Handle, asked: &Asked<'_>, target: &Release) -> Result<(), Failure> {
    let ledger = &handle.context.ledger;
    if asked.release.is_some_and(|desired| desired.digest == target.digest) {
        handle.release_holds()?;
        // The branch may have moved on while this pass looked, to a commit that nobody has read yet.
        let revision = handle.tip.borrow().revision.clone();
        if *asked.revision == revision && ledger.app(&handle.name)?.live_revision.as_ref() != Some(&revision)
        {
            ledger.set_live(&handle.name, &target.digest, &revision)?;
            ledger.record_event(
                Some(&handle.name),
                "moved",
                &format!("commit {} changes nothing that runs", revision.short()),
            )?;
        }
    }
    handle.context.say(Phase::Idle, "");
    show_backups(handle)?;
    super::retention::retain(handle, target).await
}

/// Backups of an earlier process are in the metrics too.
fn show_backups(handle: &Handle) -> Result<(), Failure> {
    let newest = handle.context.ledger.backups(&handle.name)?.into_iter().next();
    let backup = newest.and_then(|newest| serde_json::from_value::<Backup>(newest.json).ok());
    if let Some(backup) = backup {
        handle.context.metrics.backup(&handle.name, backup.size, backup.created_at, backup.good());
    }
    Ok(())
}

/// What a rollout leads to, and the branch's tip that this was decided at.
struct Wanted<'a> {
    target: &'a Release,
    read: &'a Revision,
    /// Services that a repair leaves as they are.
    held: BTreeSet<ServiceName>,
}

async fn rollout(
    handle: &Arc<Handle>,
    wanted: &Wanted<'_>,
    open: Option<OpenRollout>,
    live: Option<Release>,
    why: &str,
) -> Result<Next, Failure> {
    let ledger = &handle.context.ledger;
    let target = wanted.target;
    let repair = live.as_ref().is_some_and(|live| live.digest == target.digest);
    let id = match &open {
        Some(open) => open.id,
        None => {
            let revision = target.revision.clone();
            if !repair {
                ledger.room()?;
                ledger.set_attempted(&handle.name, &revision)?;
            }
            let previous = live.as_ref().map(|live| &live.digest);
            ledger.begin_rollout(&handle.name, &target.digest, &revision, why, previous)?
        }
    };
    handle
        .source
        .keep(&target.revision)
        .map_err(|error| Failure::transient(Reason::SourceUnreachable, error.to_string()))?;
    let cancel = CancellationToken::new();
    let order = Order {
        context: &handle.context,
        release: target,
        id,
        previous: live.filter(|_| !repair),
        repair,
        held: wanted.held.clone(),
        cancel: cancel.clone(),
        parked: handle.parked.child_token(),
    };
    let watch = futures_util::future::join3(
        super::follow::cancel_when_superseded(handle, wanted.read, target, &cancel),
        handle.keep_looking(target),
        handle.keep_owning(&order),
    );
    let end = watched(Box::pin(run(&order)), watch).await;
    let refused = match &end {
        // Where something is live, that is looked after now.
        End::Blocked { reason, message } if order.previous.is_some() && *reason != Reason::OwnedElsewhere => {
            Some(Failure::Blocked { reason: *reason, message: message.clone() })
        }
        _ => None,
    };
    let next = record(handle, &order, end).await?;
    refused.map_or(Ok(next), Err)
}

/// Carries something out while others watch. It is never dropped in the middle: only the watchers are.
pub(super) async fn watched<T, W>(
    mut work: Pin<Box<impl Future<Output = T>>>,
    watch: impl Future<Output = W>,
) -> T {
    tokio::pin!(watch);
    tokio::select! {
        end = &mut work => end,
        _ = &mut watch => work.await,
    }
}

/// Puts the end of a rollout on record, and says what is next.
pub(super) async fn record(handle: &Arc<Handle>, order: &Order<'_>, end: End) -> Result<Next, Failure> {
    let ledger = &handle.context.ledger;
    hold_back(handle, order, &end)?;
    if let Some(outcome) = outcome(&end) {
        let message = match &end {
            End::Succeeded => remarks(order)?,
            end => message(end),
        };
        ledger.finish_rollout(order.id, outcome, message.as_deref())?;
        let seconds = super::view::rollout_seconds(ledger, &handle.name, order.id)?;
        handle.context.metrics.rollout_finished(&handle.name, outcome, seconds);
        let text = message.as_deref().unwrap_or("the release is live");
        ledger.record_event(Some(&handle.name), &format!("{outcome:?}"), text)?;
        tracing::info!(app = %handle.name, rollout = %order.id, outcome = ?outcome, message = text, "rollout ended");
    }
    handle.context.say(Phase::Idle, "");
    let first = order.release.manifest.spec.rollout.retry_delay;
    Ok(match end {
        // What comes undone again is put right later and later.
        End::Succeeded => {
            succeeded(handle, order).await?;
            handle.healed();
            if order.repair { Next::Retry(AFTER_REPAIR) } else { Next::Settled }
        }
        End::Reverted { at_fault, .. } => {
            let seconds = super::view::rollout_seconds(ledger, &handle.name, order.id)?;
            handle.context.metrics.time_to_restore(&handle.name, seconds);
            if at_fault { Next::Settled } else { Next::Retry(first) }
        }
        End::RevertFailed(_) => Next::Settled,
        End::Cancelled(_) => Next::Again,
        End::Parked(_) => Next::Retry(first),
        End::Degraded(message) => {
            handle.hold(Reason::ProbeFailed, &message)?;
            Next::Retry(first)
        }
        End::Transient { reason, message }
        | End::Waits { reason, message }
        | End::Blocked { reason, message } => {
            handle.condition(reason, &message);
            Next::Retry(first)
        }
    })
}

/// On record before the rollout is closed: a crash in between must not let a failed release be tried again.
fn hold_back(handle: &Handle, order: &Order<'_>, end: &End) -> Result<(), Failure> {
    match end {
        End::Reverted { reason, message, at_fault } => {
            if *at_fault {
                let release = order.release;
                handle.context.ledger.quarantine(
                    &handle.name,
                    &release.digest,
                    &release.revision,
                    message,
                )?;
            }
            // What an earlier try was put back for is not why this one was.
            handle.release_holds()?;
            handle.hold(*reason, message)?;
        }
        End::RevertFailed(message) => handle.hold(Reason::RevertFailed, message)?,
        _ => {}
    }
    Ok(())
}

fn message(end: &End) -> Option<String> {
    match end {
        End::Succeeded => None,
        End::Reverted { message, .. }
        | End::Blocked { message, .. }
        | End::Transient { message, .. }
        | End::Waits { message, .. }
        | End::RevertFailed(message)
        | End::Degraded(message)
        | End::Cancelled(message)
        | End::Parked(message) => Some(message.clone()),
    }
}

async fn succeeded(handle: &Arc<Handle>, order: &Order<'_>) -> Result<(), Failure> {
    let ledger = &handle.context.ledger;
    // A repair says nothing of the release that failed; where it is the one that is wanted, the next pass finds nothing to do.
    if order.repair {
        return Ok(());
    }
    handle.release_holds()?;
    // The tip may be a later commit that means the same release.
    let committed = super::follow::committed_at(&handle.source, &order.release.revision).await;
    if let Some(at) = committed {
        let seconds = ledger.now().duration_since(at).as_secs_f64();
        handle.context.metrics.lead_time(&handle.name, seconds.max(0.0));
    }
    ledger.touch_release(&handle.name, &order.release.digest)?;
    Ok(())
}

/// The release of the branch's tip; `None` where it cannot be read, which is on record as a condition.
pub(super) async fn desired_release(
    handle: &Arc<Handle>,
    live: Option<&Release>,
) -> Result<Option<Release>, Failure> {
    let tip = handle.tip.borrow().clone();
    let Some(manifest) = &tip.manifest else {
        handle.condition(
            Reason::ManifestInvalid,
            &format!(
                "commit {} has no manifest of this application any more; what runs is kept",
                tip.revision.short()
            ),
        );
        return Ok(None);
    };
    let read = async || {
        let pins = handle.context.ledger.pins(&handle.name)?;
        Ok::<_, Failure>(desired::release(&handle.source, &tip.revision, manifest, &handle.key, &pins).await)
    };
    let mut desired = read().await?;
    if let Ok(first) = &desired
        && handle.renew_tags(&first.release, live).await?
    {
        desired = read().await?;
    }
    match desired {
        Ok(desired) => {
            for warning in &desired.warnings {
                tracing::warn!(app = %handle.name, "{warning}");
            }
            Ok(Some(desired.release))
        }
        Err(faults) => {
            handle.condition(
                Reason::ManifestInvalid,
                &format!("at commit {}:\n{faults}", tip.revision.short()),
            );
            Ok(None)
        }
    }
}

pub(super) fn live(handle: &Handle) -> Result<Option<Release>, Failure> {
    let ledger = &handle.context.ledger;
    match &ledger.app(&handle.name)?.live_release {
        Some(digest) => Ok(ledger.release(&handle.name, digest)?),
        None => Ok(None),
    }
}

fn why(reason: &str, repair: Option<&Plan>) -> String {
    match repair.and_then(|plan| plan.steps.first()) {
        Some(step) => {
            // The plan was made before the rollout had its number.
            let subject = step.effect.subject().replace("-r0", "");
            format!("drift ({reason}): {} {subject}: {}", step.effect.name(), step.why)
        }
        None => reason.to_owned(),
    }
}

impl Handle {
    /// Something that holds until a pass sees otherwise.
    pub(super) fn condition(&self, reason: Reason, message: &str) {
        let now = self.context.ledger.now();
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let since = view.conditions.iter().find(|it| it.reason == reason).map_or(now, |it| it.since);
        view.hold(Condition { reason, message: message.to_owned(), since });
    }

    /// What the last pass saw goes on being shown until this one has seen otherwise.
    fn begin_pass(&self) {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).seen.clear();
    }

    /// What this pass has not seen again is over.
    fn forget_passing_conditions(&self) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = std::mem::take(&mut view.seen);
        view.conditions.retain(|condition| seen.contains(&condition.reason));
        view.seen = seen;
    }

    /// Something that holds until a release succeeds; it survives the process.
    fn hold(&self, reason: Reason, message: &str) -> Result<(), Failure> {
        let condition = Condition { reason, message: message.to_owned(), since: self.context.ledger.now() };
        Ok(self.context.ledger.set_condition(&self.name, &condition)?)
    }

    pub(super) fn release_holds(&self) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        for condition in ledger.conditions(&self.name)? {
            ledger.clear_condition(&self.name, condition.reason)?;
        }
        Ok(())
    }
}
