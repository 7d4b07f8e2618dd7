//! Carries a plan out: for each step the intent is journalled, the effect made, the observation journalled.

use std::time::Instant;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::plan::{Direction, Effect, Plan, Role, Stage, Step, Strategy};
use evenkeel_core::status::Phase;
use serde::de::IgnoredAny;

use super::Failure;
use super::run::{Run, fact};

/// How a step ended, for the journal.
pub(super) enum Made {
    /// It was made now; what it found out.
    Now(Option<String>),
    /// It had been made before.
    Already,
}

impl Run<'_> {
    /// Carries out every step of a plan, or stops at the first that fails.
    pub(super) async fn execute(&self, stage: &str, plan: &Plan) -> Result<(), Failure> {
        self.execute_and_tell(stage, plan, &mut 0).await
    }

    /// The same; the step begun last is the one `reached`, by its place.
    pub(super) async fn execute_and_tell(
        &self,
        stage: &str,
        plan: &Plan,
        reached: &mut usize,
    ) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        self.room_behind_fence(plan).await?;
        let number = ledger.put_plan(self.id, stage, plan)?;
        // The process may have ended between the last start and its record.
        self.pause_ends(plan, &plan.steps)?;
        for (index, step) in plan.steps.iter().enumerate() {
            *reached = index;
            self.interruption(step)?;
            self.room(step)?;
            let phase = if self.reverting() { Phase::Reverting } else { phase(&step.effect) };
            self.context.say(phase, format!("{} {}", step.effect.name(), step.effect.subject()).trim());
            tracing::info!(app = %self.context.app, rollout = %self.id, step = step.effect.name(), subject = step.effect.subject(), why = step.why, "step");
            let began = Instant::now();
            let entry = ledger.begin_step(self.id, number, index, stage, step)?;
            self.pause_begins(plan, step)?;
            let result = self.step(step).await.map_err(|failure| failure.redacted(self.target));
            let (outcome, detail) = journal(&result);
            self.context.metrics.step_finished(step.effect.name(), outcome, began.elapsed().as_secs_f64());
            ledger.finish_step(entry, outcome, detail.as_deref())?;
            self.gap_in_the_fence(plan, step, &result?)?;
            self.pause_ends(plan, &plan.steps[index + 1..])?;
        }
        Ok(())
    }

    /// On a full disk nothing is begun that takes room, or that would have to be put back with what is left; what has taken over
    /// comes to its end, and the way back is always open.
    fn room(&self, step: &Step) -> Result<(), Failure> {
        let begins = matches!(
            step.effect,
            Effect::Materialise
                | Effect::Build { .. }
                | Effect::Pull { .. }
                | Effect::ReadScripts { .. }
                | Effect::Rehearse { .. }
                | Effect::Backup { .. }
                | Effect::Migrate { direction: Direction::Up, .. }
        );
        if begins && !self.reverting() { Ok(self.context.ledger.room()?) } else { Ok(()) }
    }

    /// Users wait behind a fence: whether the backup has room there is seen before it goes up.
    async fn room_behind_fence(&self, plan: &Plan) -> Result<(), Failure> {
        let backs_up = plan.steps.iter().any(|step| matches!(step.effect, Effect::Backup { .. }));
        if plan.strategy != Strategy::Fenced || !backs_up {
            return Ok(());
        }
        let room = self.room_for_backup().await;
        let room = room.and_then(|()| plan.steps.iter().try_for_each(|step| self.room(step)));
        room.map_err(|failure| failure.redacted(self.target))
    }

    /// A fence is a pause that users notice: it is measured from the first stop on, also across a crash.
    fn pause_begins(&self, plan: &Plan, step: &Step) -> Result<(), Failure> {
        let stops =
            matches!(step.effect, Effect::Stop { .. } | Effect::SetRestart { policy: RestartPolicy::No, .. });
        let fences = plan.strategy == Strategy::Fenced && stops;
        if fences && self.fact::<i64>(fact::PAUSED_AT)?.is_none() {
            self.set_fact(fact::PAUSED_AT, &self.context.ledger.now().as_millisecond())?;
        }
        Ok(())
    }

    /// Whoever had to be stopped now may have written since the last backup, after a crash and with somebody's help: what was backed
    /// up before is not what to go back to any more.
    fn gap_in_the_fence(&self, plan: &Plan, step: &Step, made: &Made) -> Result<(), Failure> {
        let stopped = matches!((&step.effect, made), (Effect::Stop { .. }, Made::Now(_)));
        if !stopped || plan.strategy != Strategy::Fenced || self.reverting() {
            return Ok(());
        }
        let backed_up = self.fact::<bool>(fact::BACKED_UP_BEHIND_FENCE)?.unwrap_or(false);
        if backed_up && self.fact::<IgnoredAny>(fact::MIGRATING)?.is_none() {
            self.set_fact(fact::BACKED_UP_BEHIND_FENCE, &false)?;
        }
        Ok(())
    }

    /// It ends when nobody is left who has to be started or to get its name, or who has to hear of it.
    fn pause_ends(&self, plan: &Plan, ahead: &[Step]) -> Result<(), Failure> {
        let serves = |step: &Step| {
            matches!(
                step.effect,
                Effect::Start { .. }
                    | Effect::Join { role: Role::Successor, .. }
                    | Effect::HandOver { .. }
                    | Effect::Rename { .. }
                    | Effect::Hook { .. }
            )
        };
        if plan.stage != Stage::Deploy || ahead.iter().any(serves) || !self.fence_is_up()? {
            return Ok(());
        }
        let Some(began) = self.fact::<i64>(fact::PAUSED_AT)? else { return Ok(()) };
        self.set_fact(fact::PAUSED_FOR, &(self.context.ledger.now().as_millisecond() - began))
    }

    /// What reality already shows is not done again; and an answer that was lost does not make a failure.
    async fn step(&self, step: &Step) -> Result<Made, Failure> {
        if self.done(&step.effect).await? {
            return Ok(Made::Already);
        }
        match self.perform(&step.effect).await {
            Ok(detail) => Ok(Made::Now(detail)),
            Err(failure @ Failure::Cancelled(_)) => Err(failure),
            Err(failure) => match self.done(&step.effect).await {
                Ok(true) => Ok(Made::Now(Some(format!("done, though: {failure}")))),
                _ => Err(failure),
            },
        }
    }

    /// A newer commit ends what can be ended: never in the middle of a take-over, never a migration.
    fn interruption(&self, step: &Step) -> Result<(), Failure> {
        let stoppable = matches!(
            step.effect,
            Effect::Build { .. }
                | Effect::Pull { .. }
                | Effect::Rehearse { .. }
                | Effect::Prove { .. }
                | Effect::Bake { .. }
        );
        if stoppable && !self.reverting() && self.cancel.is_cancelled() && !self.fence_is_up()? {
            return Err(Failure::Cancelled("something newer is wanted".to_owned()));
        }
        if self.parked.is_cancelled() {
            return Err(Failure::Cancelled(
                "evenkeel is going down, or the project is no longer its own; the rollout goes on when that is over"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

fn journal(result: &Result<Made, Failure>) -> (&'static str, Option<String>) {
    match result {
        Ok(Made::Now(detail)) => ("done", detail.clone()),
        Ok(Made::Already) => ("already", None),
        Err(Failure::Cancelled(why)) => ("cancelled", Some(why.clone())),
        Err(failure) => ("failed", Some(failure.to_string())),
    }
}

/// The phase that a step belongs to.
fn phase(effect: &Effect) -> Phase {
    match effect {
        Effect::Materialise
        | Effect::Build { .. }
        | Effect::Pull { .. }
        | Effect::CreateNetwork { .. }
        | Effect::CreateBackstage { .. }
        | Effect::CreateVolume { .. }
        | Effect::ReadScripts { .. }
        | Effect::Rehearse { .. }
        | Effect::Attach { .. } => Phase::Building,
        Effect::Backup { .. } => Phase::BackingUp,
        Effect::Migrate { .. } | Effect::Restore { .. } | Effect::DropInvalidIndexes { .. } => {
            Phase::Migrating
        }
        Effect::Create { .. }
        | Effect::Start { .. }
        | Effect::PostStart { .. }
        | Effect::Unpause { .. }
        | Effect::Prove { .. } => Phase::Proving,
        Effect::Join { .. }
        | Effect::SetRestart { .. }
        | Effect::SetLimits { .. }
        | Effect::Rename { .. }
        | Effect::HandOver { .. }
        | Effect::Restart { .. }
        | Effect::Stop { .. }
        | Effect::Remove { .. }
        | Effect::Tag { .. }
        | Effect::Hook { .. }
        | Effect::MarkLive => Phase::Switching,
        Effect::Smoke | Effect::Bake { .. } => Phase::Baking,
    }
}
