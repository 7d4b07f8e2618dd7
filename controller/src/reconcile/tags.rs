//! Tags that move at their registries: asked for now and then, so that a moved one makes a new release of the same commit.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use evenkeel_core::release::Release;
use evenkeel_core::tags::{Pins, polled, user_of};
use jiff::Timestamp;

use super::app::{Handle, Next};
use super::registries::{Question, ask};
use crate::ledger::TagRecord;
use crate::rollout::Failure;

/// How long after it did not answer a registry is asked again; twice as long each time, and not longer than usual.
const AGAIN: Duration = Duration::from_secs(60);

/// Tags whose registries did not answer: how often in a row, and when they are asked again. In memory only: a new process asks at once.
#[derive(Default)]
pub(super) struct Unanswered(BTreeMap<String, (u32, Timestamp)>);

impl Unanswered {
    fn answered(&mut self, reference: &str) {
        self.0.remove(reference);
    }

    fn failed(&mut self, reference: &str, every: Duration, now: Timestamp) {
        let times = self.times(reference);
        let wait = AGAIN.saturating_mul(1 << times.min(16)).min(every);
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        self.0.insert(reference.to_owned(), (times + 1, until));
    }

    fn times(&self, reference: &str) -> u32 {
        self.0.get(reference).map_or(0, |(times, _)| *times)
    }

    /// When a tag is to be asked for; `None` for at once.
    fn due(&self, known: &[TagRecord], reference: &str, every: Duration) -> Option<Timestamp> {
        if let Some((_, until)) = self.0.get(reference) {
            return Some(*until);
        }
        let known = known.iter().find(|tag| tag.reference == reference)?;
        known.asked_at.checked_add(every).ok()
    }
}

impl Handle {
    /// After all that had to be done: registries are asked for the tags that are due, and one that leads elsewhere has the commit read
    /// again. Where nothing is due, or nothing moved, `next` stays, but for the time of the next tag.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn follow_tags(
        &self,
        desired: &Release,
        live: Option<&Release>,
        next: Next,
    ) -> Result<Next, Failure> {
        if !matches!(next, Next::Settled | Next::SettledUntil(_) | Next::LookAt(_) | Next::Held(_)) {
            return Ok(next);
        }
        if self.have_tags_moved(desired, live).await? {
            return Ok(Next::Again);
        }
        let asked = self.tags_asked(desired, live)?.into_iter();
        Ok(match (next, asked.map(|(_, _, due)| due.unwrap_or(Timestamp::MIN)).min()) {
            (Next::Settled, Some(due)) => Next::SettledUntil(due),
            (Next::SettledUntil(until), Some(due)) => Next::SettledUntil(until.min(due)),
            (Next::Held(until), Some(due)) => Next::Held(until.min(due)),
            (next, _) => next,
        })
    }

    /// The tags that are asked for, how often, and when the next time. None before a release is live, nor while a rollout goes on.
    fn tags_asked(
        &self,
        desired: &Release,
        live: Option<&Release>,
    ) -> Result<Vec<(String, Duration, Option<Timestamp>)>, Failure> {
        let ledger = &self.context.ledger;
        let Some(live) = live else { return Ok(Vec::new()) };
        if ledger.open_rollout(&self.name)?.is_some() {
            return Ok(Vec::new());
        }
        let known = ledger.tags(&self.name)?;
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        // Of what has not run yet, the rollout takes what there is then.
        let asked = polled(desired).into_iter().filter(|(reference, _)| user_of(live, reference).is_some());
        let due = |(reference, every): (String, Duration)| {
            let due = unanswered.due(&known, &reference, every);
            (reference, every, due)
        };
        Ok(asked.map(due).collect())
    }

    /// Asks for the tags that are due; whether one leads elsewhere now. A registry that does not answer is asked again soon, and later
    /// and later.
    async fn have_tags_moved(&self, desired: &Release, live: Option<&Release>) -> Result<bool, Failure> {
        let ledger = &self.context.ledger;
        let Some(live) = live else { return Ok(false) };
        let before = ledger.pins(&self.name)?;
        let now = ledger.now();
        let asked = self.tags_asked(desired, Some(live))?.into_iter();
        let due = asked.filter(|(.., due)| due.is_none_or(|due| due <= now));
        self.ask(due.map(|(reference, every, _)| (reference, every)).collect(), Some(live)).await?;
        for reference in self.pins_changed(&before)? {
            self.trigger(&format!("tag {reference} moved"));
        }
        Ok(ledger.pins(&self.name)? != before)
    }

    /// The tags that lead elsewhere than before, with an event of each.
    fn pins_changed(&self, before: &Pins) -> Result<Vec<String>, Failure> {
        let ledger = &self.context.ledger;
        let now = ledger.pins(&self.name)?.into_iter();
        let moved: Vec<_> = now.filter(|(reference, pin)| before.get(reference) != Some(pin)).collect();
        for (reference, pin) in &moved {
            let said = format!("the tag {reference} has moved: {pin}");
            ledger.record_event(Some(&self.name), "tag-moved", &said)?;
        }
        Ok(moved.into_iter().map(|(reference, _)| reference).collect())
    }

    /// Before a release is gone to: nobody has asked for the tags that the live release does not use since one did. Where such a tag led
    /// then is asked for again, or forgotten where nobody wants it asked for; whether that changes what the release is. Where its
    /// registry does not answer it counts, because going back to what ran before must not wait for a registry.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn renew_tags(
        &self,
        desired: &Release,
        live: Option<&Release>,
    ) -> Result<bool, Failure> {
        let ledger = &self.context.ledger;
        let (known, before) = (ledger.tags(&self.name)?, ledger.pins(&self.name)?);
        let is_unused = |reference: &str| live.is_none_or(|live| user_of(live, reference).is_none());
        let old = known
            .iter()
            .filter(|tag| is_unused(&tag.reference) && user_of(desired, &tag.reference).is_some());
        let old: Vec<&TagRecord> = old.collect();
        // What goes on goes on with what it began with.
        if old.is_empty() || ledger.open_rollout(&self.name)?.is_some() {
            return Ok(false);
        }
        let (polled, now) = (polled(desired), ledger.now());
        let mut again = Vec::new();
        for TagRecord { reference, .. } in old {
            match polled.get(reference).filter(|_| before.contains_key(reference)) {
                Some(every) => again.push((reference.clone(), *every)),
                None => ledger.forget_tag(&self.name, reference)?,
            }
        }
        {
            let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            again.retain(|(reference, every)| {
                unanswered.due(&known, reference, *every).is_none_or(|due| due <= now)
            });
        }
        self.ask(again, live).await?;
        self.pins_changed(&before)?;
        Ok(ledger.pins(&self.name)? != before)
    }

    /// Asks where tags lead, and puts the answers on record.
    async fn ask(&self, tags: Vec<(String, Duration)>, live: Option<&Release>) -> Result<(), Failure> {
        let questions = {
            let known = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            let question = |(reference, every): (String, Duration)| Question {
                unanswered: known.times(&reference),
                reference,
                every,
            };
            tags.into_iter().map(question).collect()
        };
        for (Question { reference, every, .. }, answer) in ask(self.context.engine.as_ref(), questions).await
        {
            self.tag_answered(&reference, every, answer, live)?;
        }
        Ok(())
    }

    fn tag_answered(
        &self,
        reference: &str,
        every: Duration,
        answer: Result<String, String>,
        live: Option<&Release>,
    ) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(digest) => {
                unanswered.answered(reference);
                let runs = self.digest_that_runs(reference, live)?.unwrap_or_else(|| digest.clone());
                Ok(ledger.tag_asked(&self.name, reference, &runs, &digest)?)
            }
            Err(error) => {
                unanswered.failed(reference, every, ledger.now());
                tracing::warn!(app = %self.name, reference, error, "the registry does not say where the tag leads; it is asked again");
                Ok(())
            }
        }
    }

    /// The digest under which the registry gave the image that runs, where it came from there.
    fn digest_that_runs(&self, reference: &str, live: Option<&Release>) -> Result<Option<String>, Failure> {
        let using = live.and_then(|live| Some((live, user_of(live, reference)?)));
        let Some((live, service)) = using else { return Ok(None) };
        let outputs = self.context.ledger.outputs(&self.name, &live.digest)?;
        let digest = outputs.digests.get(service).and_then(|digest| digest.split_once('@'));
        Ok(digest.map(|(_, digest)| digest.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_registry_that_does_not_answer_is_asked_sooner_and_then_later_and_later() {
        let (mut unanswered, every) = (Unanswered::default(), Duration::from_secs(300));
        let record = TagRecord { reference: "redis:7".to_owned(), base: None, digest: None, asked_at: at(0) };
        let known = [record];
        assert_eq!(unanswered.due(&[], "redis:7", every), None);
        assert_eq!(unanswered.due(&known, "redis:7", every), Some(at(300)));
        let mut waits = Vec::new();
        for _ in 0..6 {
            unanswered.failed("redis:7", every, at(300));
            waits.push(unanswered.due(&known, "redis:7", every).unwrap().as_second() - at(300).as_second());
        }
        assert_eq!(waits, [60, 120, 240, 300, 300, 300]);
        unanswered.answered("redis:7");
        assert_eq!(unanswered.due(&known, "redis:7", every), Some(at(300)));
    }
}
