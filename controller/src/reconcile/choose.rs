//! Which release an application is taken to now: what the branch asks for, unless something stands against it.

use evenkeel_core::release::Release;
use evenkeel_core::status::{Condition, Quarantined, Reason};
use jiff::Timestamp;

/// What is known when choosing.
pub(super) struct Choice<'a> {
    /// What the branch asks for.
    pub(super) desired: &'a Release,
    /// What is live.
    pub(super) live: Option<&'a Release>,
    /// Releases that are not tried again.
    pub(super) quarantine: &'a [Quarantined],
    /// Since when it is suspended.
    pub(super) suspended: Option<Timestamp>,
    /// The rollout that could not be put back, by release and message.
    pub(super) stuck: Option<&'a str>,
    /// Now.
    pub(super) now: Timestamp,
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

/// Chooses. Windows and quarantine hold new releases back; what is live is kept in repair all the same.
pub(super) fn choose<'a>(choice: &Choice<'a>) -> Chosen<'a> {
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
    if let Some(until) = evenkeel_core::manifest::denied(windows, choice.now).filter(|_| !is_live) {
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
