//! What an earlier process or pass has begun, and what goes on before anything else is decided.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evenkeel_core::name::RolloutId;
use evenkeel_core::plan::{Hints, make};
use evenkeel_core::release::Release;
use evenkeel_core::status::Outcome;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::app::{Handle, Next};
use super::follow::cancel_when_superseded;
use super::pass::{desired_release, record, watched};
use crate::ledger::OpenRollout;
use crate::rollout::{End, Failure, Gathered, Order, fence_is_up, resume_as_revert, run, sweep};

/// How long a way back that cannot go on keeps a newer commit waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Goes on with a rollout that is being put back, or that keeps users waiting. `None` where there is none: what is wanted decides. So it
/// does over a repair, which has nothing to go back to.
pub(super) async fn finish(handle: &Arc<Handle>) -> Result<Option<Next>, Failure> {
    let Some(open) = handle.context.ledger.open_rollout(&handle.name)? else { return Ok(None) };
    let next = if open.reverting.is_some() {
        finish_revert(handle, &open).await?
    } else if open.previous.as_ref() != Some(&open.release) && fence_is_up(&handle.context.ledger, open.id)? {
        finish_fence(handle, &open).await?
    } else {
        return Ok(None);
    };
    Ok(Some(next))
}

/// Goes on with a rollout behind whose fence users wait, whatever is wanted by now: as the process that put it up would have.
async fn finish_fence(handle: &Arc<Handle>, open: &OpenRollout) -> Result<Next, Failure> {
    let Some(unfinished) = Unfinished::of(handle, open).await? else { return Ok(Next::Again) };
    let order = unfinished.order(handle);
    let watch = futures_util::future::join3(
        cancel_when_superseded(handle, &order.release.revision, order.release, &order.cancel),
        handle.keep_looking(order.release),
        handle.keep_owning(&order),
    );
    let end = watched(Box::pin(run(&order)), watch).await;
    Ok(again(record(handle, &order, end).await?))
}

/// Goes on putting back what a crash interrupted, or what was in the way of that.
async fn finish_revert(handle: &Arc<Handle>, open: &OpenRollout) -> Result<Next, Failure> {
    let Some(unfinished) = Unfinished::of(handle, open).await? else { return Ok(Next::Again) };
    let order = unfinished.order(handle);
    let why = open.reverting.clone().unwrap_or_default();
    let revert = Box::pin(resume_as_revert(&order, &why));
    let end = watched(revert, handle.keep_owning(&order)).await;
    let end = while_nothing_newer_is_wanted(handle, end, &order).await;
    Ok(again(record(handle, &order, end).await?))
}

/// What is in the way of a way back may never go away by itself: then a newer commit is the way out, and is let in after a while.
async fn while_nothing_newer_is_wanted(handle: &Arc<Handle>, end: End, order: &Order<'_>) -> End {
    let End::Waits { message, .. } = &end else {
        handle.waits_no_more();
        return end;
    };
    let waits = handle
        .waits_since
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_with(Instant::now)
        .elapsed();
    let Some(live) = order.previous.as_ref().filter(|_| waits >= LONGEST_WAIT) else { return end };
    let wanted = wanted(handle, live).await.unwrap_or_else(|failure| {
        tracing::warn!(app = %handle.name, %failure, "whether something newer is wanted is not known");
        None
    });
    match wanted.filter(|wanted| wanted.digest != order.release.digest && wanted.digest != live.digest) {
        None => end,
        Some(wanted) => {
            handle.waits_no_more();
            let commit = wanted.revision.short();
            End::RevertFailed(format!(
                "{message}\nThe branch has commit {commit} by now, which is gone to from here."
            ))
        }
    }
}

/// What would be gone to now, and can be; `None` where that is nothing, or cannot be read.
async fn wanted(handle: &Arc<Handle>, live: &Release) -> Result<Option<Release>, Failure> {
    let Some(desired) = desired_release(handle, Some(live)).await? else { return Ok(None) };
    let Some(target) = handle.choose(&desired, Some(live))?.target else { return Ok(None) };
    let gathered = Gathered::look(&handle.context, target, Hints::default(), None).await?;
    let is_possible = make(&gathered.facts(target, RolloutId(0))).is_ok();
    Ok(is_possible.then(|| target.clone()))
}

impl Handle {
    fn waits_no_more(&self) {
        *self.waits_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What is wanted is decided only after it.
fn again(next: Next) -> Next {
    match next {
        Next::Settled => Next::Again,
        next => next,
    }
}

/// A rollout that an earlier process or pass has begun, and that goes on before anything else is decided.
struct Unfinished {
    id: RolloutId,
    release: Release,
    previous: Option<Release>,
}

impl Unfinished {
    /// With what was left under way swept; `None` where it cannot go on, and is closed.
    async fn of(handle: &Handle, open: &OpenRollout) -> Result<Option<Self>, Failure> {
        let ledger = &handle.context.ledger;
        ledger.interrupt_steps(open.id)?;
        let Some(release) = ledger.release(&handle.name, &open.release)? else {
            ledger.finish_rollout(open.id, Outcome::RevertFailed, Some("the ledger has lost the release"))?;
            return Ok(None);
        };
        handle.owns(&release).await?;
        sweep(&handle.context, &release).await?;
        let previous = match &open.previous {
            Some(digest) => ledger.release(&handle.name, digest)?,
            None => None,
        };
        Ok(Some(Self { id: open.id, release, previous }))
    }

    fn order<'a>(&'a self, handle: &'a Handle) -> Order<'a> {
        let previous = self.previous.clone().filter(|previous| previous.digest != self.release.digest);
        Order {
            held: std::collections::BTreeSet::new(),
            context: &handle.context,
            release: &self.release,
            id: self.id,
            repair: previous.is_none() && self.previous.is_some(),
            previous,
            cancel: CancellationToken::new(),
            parked: handle.parked.child_token(),
        }
    }
}
