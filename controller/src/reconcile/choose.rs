//! Which release an application is taken to now: what the branch asks for, unless something stands against it.

use evenkeel_core::release::Release;
use evenkeel_core::status::{Condition, Quarantined, Reason};
use jiff::Timestamp;

use super::app::Handle;
use super::view::stuck;
use crate::ledger::LedgerError;

/// What is known when choosing.
struct Choice<'c, 'a> {
    /// What the branch asks for.
    desired: &'a Release,
    /// What is live.
    live: Option<&'a Release>,
    /// Releases that are not tried again.
    quarantine: &'c [Quarantined],
    /// Since when it is suspended.
    suspended: Option<Timestamp>,
    /// The rollout that could not be put back, by release and message.
    stuck: Option<&'c str>,
    /// Whether the desired release has been live before: the branch goes back to it.
    comes_back: bool,
    /// Whether a rollout of it has begun.
    begun: bool,
    /// Now.
    now: Timestamp,
}

/// What to do.
pub(super) struct Chosen<'a> {
    /// The release to go to; `None`: leave everything as it is.
    pub(super) target: Option<&'a Release>,
    /// What stands against the desired one.
    pub(super) conditions: Vec<Condition>,
    /// When to look again, where that is known.
    pub(super) look_again: Option<Timestamp>,
    /// What the branch asks for has failed before.
    pub(super) quarantined: bool,
}

impl Handle {
    /// Chooses between what the branch asks for and what is live, by what is on record.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn choose<'a>(
        &self,
        desired: &'a Release,
        live: Option<&'a Release>,
    ) -> Result<Chosen<'a>, LedgerError> {
        let ledger = &self.context.ledger;
        let stuck = stuck(ledger, &self.name, desired)?;
        Ok(choose(&Choice {
            desired,
            live,
            quarantine: &ledger.quarantined(&self.name)?,
            suspended: ledger.app(&self.name)?.suspended,
            stuck: stuck.as_deref(),
            comes_back: ledger.has_been_live(&self.name, &desired.digest)?,
            begun: ledger.open_rollout(&self.name)?.is_some_and(|open| open.release == desired.digest),
            now: ledger.now(),
        }))
    }
}

/// Chooses. Windows and quarantine hold new releases back; what is live is kept in repair all the same. A window holds nothing back that
/// was live before, and nothing that has begun.
fn choose<'a>(choice: &Choice<'_, 'a>) -> Chosen<'a> {
    let mut chosen = Chosen::of(Some(choice.desired));
    let is_live = choice.live.is_some_and(|live| live.digest == choice.desired.digest);
    if let Some(message) = choice.stuck {
        chosen.condition(Reason::RevertFailed, message.to_owned(), choice.now);
        chosen.target = None;
        return chosen;
    }
    if let Some(since) = choice.suspended {
        chosen.condition(
            Reason::Suspended,
            "suspended by an operator; `evenkeel resume` ends it".to_owned(),
            since,
        );
        chosen.target = choice.live;
        return chosen;
    }
    if let Some(entry) = choice.quarantine.iter().find(|entry| entry.release == choice.desired.digest) {
        chosen.condition(Reason::Quarantined, quarantined(entry), entry.since);
        chosen.target = choice.live;
        chosen.quarantined = true;
        return chosen;
    }
    let windows = &choice.desired.manifest.spec.windows;
    let is_new = !is_live && !choice.comes_back && !choice.begun;
    if let Some(until) = evenkeel_core::manifest::denied(windows, choice.now).filter(|_| is_new) {
        let message = format!("a window of the manifest holds new releases back until {until}");
        chosen.condition(Reason::WindowClosed, message, choice.now);
        chosen.look_again = Some(until);
        chosen.target = choice.live;
    }
    chosen
}

impl<'a> Chosen<'a> {
    /// Nothing stands against it.
    pub(super) fn of(target: Option<&'a Release>) -> Self {
        Self { target, conditions: Vec::new(), look_again: None, quarantined: false }
    }

    fn condition(&mut self, reason: Reason, message: String, since: Timestamp) {
        self.conditions.push(Condition { reason, message, since });
    }
}

fn quarantined(entry: &Quarantined) -> String {
    format!(
        "release {} (commit {}) failed and is not tried again: {}. A new commit, or `evenkeel retry`, ends this",
        entry.release.short(),
        entry.revision.short(),
        entry.reason.lines().next().unwrap_or_default()
    )
}
