//! What is live is looked after while the branch asks for what it cannot be taken to: drift is put right, and its tags are followed.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evenkeel_core::name::RolloutId;
use evenkeel_core::plan::{Hints, make, schema_move};
use evenkeel_core::release::Release;
use evenkeel_core::status::{Reason, StepRecord};
use evenkeel_core::tags::{Pins, polled, read_with};
use jiff::Timestamp;

use super::app::{Handle, LOOK_EVERY, Next};
use super::choose::Chosen;
use super::drift::held;
use super::pass::{Asked, go, supersede};
use crate::ledger::OpenRollout;
use crate::rollout::{Failure, Gathered};

/// How the journal calls what is done before anything that serves is touched.
const MAKING_READY: &str = "prepare";
/// The first wait before something is tried again that was refused before anything was begun.
const REFUSED: Duration = Duration::from_secs(5);

/// The branch's tip cannot be read, which is on record as a condition.
///
/// # Errors
/// When something is in the way of what is live.
pub(super) async fn instead_of_unreadable(
    handle: &Arc<Handle>,
    asked: &Asked<'_>,
    live: Option<&Release>,
    reason: &str,
) -> Result<Next, Failure> {
    let Some(live) = live else { return Ok(Next::Settled) };
    handle.watch([live].into_iter());
    // What could not be put back is left as it is until there is a commit that says what is wanted.
    if handle.could_not_put_back()? {
        handle.look(live).await?;
        return Ok(Next::Settled);
    }
    look_after(handle, asked, live, reason).await
}

/// The branch's release has failed before, which is on record as a condition.
///
/// # Errors
/// When something is in the way of what is live.
pub(super) async fn instead_of_quarantined(
    handle: &Arc<Handle>,
    asked: &Asked<'_>,
    live: Option<&Release>,
    reason: &str,
) -> Result<Next, Failure> {
    match (live, asked.release) {
        (Some(live), _) => look_after(handle, asked, live, reason).await,
        (None, Some(desired)) => handle.look(desired).await.map(|()| Next::Settled),
        (None, None) => Ok(Next::Settled),
    }
}

/// After a try of what the branch asks for: where that was refused, or waits for something before it has touched anything, what is live is
/// looked after.
///
/// # Errors
/// When the try failed for another reason, or what is live cannot be looked after.
pub(super) async fn beside(
    handle: &Arc<Handle>,
    asked: &Asked<'_>,
    live: &Release,
    tried: Result<Next, Failure>,
    reason: &str,
) -> Result<Next, Failure> {
    let (word, message) = match tried {
        // The process goes down, or the project is another's: what is open stays so.
        tried if handle.parked.is_cancelled() => return tried,
        Err(Failure::Blocked { reason: word, message }) if word != Reason::OwnedElsewhere => (word, message),
        Ok(Next::Retry(first)) if handle.only_made_ready()? && handle.begun_for_another(asked)?.is_none() => {
            handle.is_refused_no_more();
            // Where even that cannot be told, the try has said why.
            let needs_repair = matches!(handle.needs_repair(live).await, Ok(true));
            let next =
                if needs_repair { look_after(handle, asked, live, reason).await? } else { Next::Settled };
            return Ok(if is_quiet(&next) { Next::Retry(first) } else { next });
        }
        tried => {
            handle.is_refused_no_more();
            return tried;
        }
    };
    let is_untouched = handle.is_untouched(asked, live).await;
    handle.refused(asked, (word, &message), matches!(is_untouched, Ok(true)));
    let next = match is_untouched {
        Ok(true) => look_after(handle, asked, live, reason).await,
        Ok(false) => {
            supersede(handle, asked, handle.begun_for_another(asked)?)?;
            Ok(Next::Settled)
        }
        Err(failure) => Err(failure),
    };
    let next = match next {
        Err(Failure::Blocked { reason: word, message }) if word != Reason::OwnedElsewhere => {
            handle.holds_too(word, &format!("what is live: {message}"));
            Next::Settled
        }
        next => next?,
    };
    Ok(handle.refused_until(asked, next))
}

/// Nothing is under way that a try of something else would be too early for.
fn is_quiet(next: &Next) -> bool {
    matches!(next, Next::Settled | Next::SettledUntil(_) | Next::LookAt(_) | Next::Held(_))
}

/// Puts drift right, and goes to where the tags of the live release lead by now.
async fn look_after(
    handle: &Arc<Handle>,
    asked: &Asked<'_>,
    live: &Release,
    reason: &str,
) -> Result<Next, Failure> {
    let ledger = &handle.context.ledger;
    let followed = handle.where_its_tags_lead(live).await?;
    let wanted = followed.as_ref().unwrap_or(live);
    if followed.is_some() {
        ledger.put_release(wanted)?;
    }
    let chosen = handle.choose(wanted, Some(live))?;
    for condition in &chosen.conditions {
        handle.holds_too(condition.reason, &condition.message);
    }
    let Some(target) = chosen.target else {
        handle.look(live).await?;
        return Ok(Next::Settled);
    };
    handle.owns(target).await?;
    let next = match go(handle, asked, &chosen, reason).await {
        Err(Failure::Blocked { reason: word, message })
            if word != Reason::OwnedElsewhere && target.digest != live.digest =>
        {
            handle.holds_too(word, &message);
            go(handle, asked, &Chosen::of(Some(live)), reason).await?
        }
        next => next?,
    };
    let next = handle.follow_tags(wanted, Some(live), next).await?;
    match asked.release {
        // With a tag that moved it is another release, that may be tried.
        Some(desired) => handle.follow_tags(desired, Some(live), next).await,
        None => Ok(next),
    }
}

impl Handle {
    fn could_not_put_back(&self) -> Result<bool, Failure> {
        let conditions = self.context.ledger.conditions(&self.name)?;
        Ok(conditions.iter().any(|it| it.reason == Reason::RevertFailed))
    }

    /// The open rollout, where that is of another release than the one that is asked for.
    fn begun_for_another(&self, asked: &Asked<'_>) -> Result<Option<OpenRollout>, Failure> {
        let open = self.context.ledger.open_rollout(&self.name)?;
        Ok(open.filter(|open| asked.release.is_none_or(|desired| desired.digest != open.release)))
    }

    /// Whether a rollout is open that has touched nothing that serves.
    fn only_made_ready(&self) -> Result<bool, Failure> {
        let ledger = &self.context.ledger;
        let Some(open) = ledger.open_rollout(&self.name)? else { return Ok(false) };
        let last = ledger.history(Some(&self.name), 1)?.into_iter().next();
        let is_ready_made = |steps: &[StepRecord]| steps.iter().all(|step| step.stage == MAKING_READY);
        Ok(open.reverting.is_none()
            && last.is_some_and(|last| last.id == open.id.0 && is_ready_made(&last.steps)))
    }

    /// Whether what is live can be looked after as if nothing else had been tried: no other rollout has touched what serves and is to go
    /// on, nothing was left that could not be put back, and the schema is the one that it needs. What was begun for where its tags lead
    /// goes on as well, whatever it has done to the schema.
    async fn is_untouched(&self, asked: &Asked<'_>, live: &Release) -> Result<bool, Failure> {
        let is_open = self.context.ledger.open_rollout(&self.name)?.is_some();
        let is_own = is_open && self.begun_for_another(asked)?.is_none();
        if self.could_not_put_back()? || is_own && !self.only_made_ready()? {
            return Ok(false);
        }
        let begun = self.begun_for_another(asked)?;
        if begun.is_some_and(|begun| begun.revision == live.revision && begun.release != live.digest)
            && self.where_its_tags_lead(live).await?.is_some()
        {
            return Ok(true);
        }
        let gathered = Gathered::look(&self.context, live, Hints::default(), None).await?;
        Ok(!schema_move(&gathered.facts(live, RolloutId(0))).moves())
    }

    /// Whether what is live is not as it was left, and something of it can be put right now, without another schema.
    async fn needs_repair(&self, live: &Release) -> Result<bool, Failure> {
        let mut gathered = Gathered::look(&self.context, live, Hints::default(), None).await?;
        let facts = gathered.facts(live, RolloutId(0));
        if schema_move(&facts).moves() {
            return Ok(false);
        }
        let Ok(plan) = make(&facts) else { return Ok(false) };
        gathered.hints.held = held(self, live, &gathered, &plan);
        Ok(make(&gathered.facts(live, RolloutId(0))).is_ok_and(|plan| !plan.is_empty()))
    }

    /// The release of the live commit with where its tags lead by now; `None` where that is the live release itself, or where that commit
    /// says other things by now: files of the host that changed may be meant for the commit that waits.
    async fn where_its_tags_lead(&self, live: &Release) -> Result<Option<Release>, Failure> {
        let (before, known) = (read_with(live), self.context.ledger.pins(&self.name)?);
        let asked = polled(live);
        let mut now: Pins = before.clone();
        now.retain(|reference, _| !asked.contains_key(reference));
        now.extend(known.into_iter().filter(|(reference, _)| asked.contains_key(reference)));
        if now == before {
            return Ok(None);
        }
        let as_it_was = self.live_read_with(live, &before).await?;
        if as_it_was.is_none_or(|it| it.digest != live.digest) {
            tracing::info!(app = %self.name, "the live commit says other things by now, so that its tags wait for the branch");
            return Ok(None);
        }
        self.live_read_with(live, &now).await
    }

    /// What the branch asks for is refused; what status says of it.
    fn refused(&self, asked: &Asked<'_>, (reason, message): (Reason, &str), is_looked_after: bool) {
        let meanwhile = if is_looked_after {
            "what is live is looked after meanwhile"
        } else {
            "what runs is left as it is meanwhile"
        };
        let commit = asked.revision.short();
        self.condition(reason, &format!("{message}; commit {commit} waits for that, and {meanwhile}"));
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let release = asked.release.map(|release| release.digest.clone());
        let next = format!("commit {commit} is tried again by itself, later and later; {meanwhile}");
        view.refused = release.map(|release| (release, next));
    }

    fn is_refused_no_more(&self) {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).refused = None;
    }

    /// Something that holds beside what this pass has seen already under the same word.
    fn holds_too(&self, reason: Reason, message: &str) {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = view.conditions.iter().find(|it| it.reason == reason && view.seen.contains(&reason));
        let message = seen.map_or_else(|| message.to_owned(), |it| format!("{}\n{message}", it.message));
        drop(view);
        self.condition(reason, &message);
    }

    /// When what is refused is tried again: soon where nothing was begun.
    fn refused_until(&self, asked: &Asked<'_>, next: Next) -> Next {
        let was_begun = !self.rolling.lock().unwrap_or_else(PoisonError::into_inner).is_zero();
        let begun = asked.release.filter(|_| was_begun);
        let first = begun.map_or(REFUSED, |release| release.manifest.spec.rollout.retry_delay);
        let soonest = self.context.ledger.now().checked_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        match next {
            Next::Settled => Next::Refused { first, until: None },
            Next::SettledUntil(at) => Next::Refused { first, until: Some(at.max(soonest)) },
            Next::LookAt(at) | Next::Held(at) => Next::Refused { first, until: Some(at) },
            next => next,
        }
    }
}
