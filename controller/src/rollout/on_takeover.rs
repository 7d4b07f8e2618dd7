//! `rollout.onTakeover` of the manifest: whoever asks for names seldom is told that they have changed hands.
//!
//! Who has yet to be told is on record from before a container begins to serve until the hook has run there, so that a crash in between
//! loses none, on the way there and on the way back: each runs at least once.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::name::ServiceName;
use evenkeel_core::plan::{Effect, hooks, is_last, told};
use evenkeel_core::status::Reason;

use super::hooks::{LONGEST, going_down};
use super::run::{Run, fact, newest};
use super::{Context, Failure};
use crate::engine::{EngineError, Exec};
use crate::verify::{Within, within};

/// What a hook asks for takes effect a moment after its command has ended: a proxy that is told to reload still sends requests
/// where it did before, until its new workers have begun. What it knows may be stopped only then.
const HOOK_SETTLES: Duration = Duration::from_millis(500);

/// Who has yet to be told.
pub(super) fn untold(context: &Context) -> Result<BTreeSet<ServiceName>, Failure> {
    newest(context, fact::UNTOLD)
}

impl Run<'_> {
    /// A container is about to serve, or to serve at another address, or under another name.
    pub(super) fn all_have_to_be_told(&self) -> Result<(), Failure> {
        self.set_untold(&told(self.target))
    }

    fn set_untold(&self, now: &BTreeSet<ServiceName>) -> Result<(), Failure> {
        if untold(self.context)? == *now { Ok(()) } else { self.set_fact(fact::UNTOLD, now) }
    }

    /// After the way back of a first release nothing is live that would have them told later. What fails here puts nothing back further.
    pub(super) async fn tell_who_is_left(&self) -> Result<(), Failure> {
        let untold = untold(self.context)?;
        let serving = self.context.ledger.serving(&self.context.app)?;
        let project = &self.target.project;
        for (name, effect) in hooks(self.target).into_iter().filter(|(name, _)| untold.contains(name)) {
            let Effect::Hook { index, service, command } = effect else { continue };
            if project.services.contains_key(&name) && !serving.contains_key(&name) {
                continue;
            }
            if let Err(failure) = self.hook(index, &service, &command).await {
                // They stay on record, for when it is back, or the engine.
                if matches!(
                    failure,
                    Failure::Cancelled(_) | Failure::Transient { reason: Reason::EngineUnreachable, .. }
                ) {
                    return Err(failure);
                }
                let failure = failure.redacted(self.target);
                tracing::warn!(app = %self.context.app, service, %failure, "what stood before serves again, and this was not told");
            }
        }
        self.set_untold(&BTreeSet::new())
    }

    /// A hook names a service of the project, or a container of the host.
    pub(super) async fn hook(
        &self,
        index: usize,
        service: &str,
        command: &[String],
    ) -> Result<Option<String>, Failure> {
        // Of a service that the project had once, a container may still be on record.
        let is_own = self.target.project.services.contains_key(service);
        let serving = self.context.ledger.serving(&self.context.app)?;
        let own = serving.get(service).filter(|_| is_own);
        let target = own.map_or_else(|| service.to_owned(), ToString::to_string);
        let exec = Exec { command: command.to_vec(), ..Exec::default() };
        let run = within(Some(LONGEST), &self.parked, self.context.engine.exec(&target, exec));
        let ended = match run.await {
            Within::Ended(ended) => ended,
            Within::Late => return Err(too_long(service, command)),
            Within::Cancelled => return Err(going_down()),
        };
        let outcome = ended.map_err(|error| match error {
            // What the manifest names is no service, and nobody here makes it: it must not wait for that with both sides half way.
            EngineError::Refused { .. } | EngineError::NotLetThrough { .. } if !is_own => Failure::release(
                Reason::ProbeFailed,
                format!("hook `{}` in {service}: {error}", command.join(" ")),
            ),
            error => error.into(),
        })?;
        if outcome.exit_code == 0 {
            tokio::time::sleep(HOOK_SETTLES).await;
            let name = ServiceName::new(service);
            if is_last(self.target, index, &name) {
                let mut left = untold(self.context)?;
                left.remove(&name);
                self.set_untold(&left)?;
            }
            return Ok(None);
        }
        Err(Failure::release(
            Reason::ProbeFailed,
            format!(
                "hook `{}` in {service} exited with {}: {}",
                command.join(" "),
                outcome.exit_code,
                outcome.stderr.trim()
            ),
        ))
    }
}

fn too_long(service: &str, command: &[String]) -> Failure {
    Failure::release(
        Reason::ProbeFailed,
        format!(
            "hook `{}` in {service} took longer than {} s: the command of an `onTakeover` has to end by itself; look in {service} what it \
             waits for. It may still run there, for the engine has no way to end it",
            command.join(" "),
            LONGEST.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_does_not_end_is_told_with_its_service_and_its_limit() {
        let failure = too_long("nginx", &["nginx".to_owned(), "-g".to_owned(), "daemon off;".to_owned()]);
        assert!(matches!(failure, Failure::Release { reason: Reason::ProbeFailed, .. }));
        let told = failure.to_string();
        assert!(told.starts_with("hook `nginx -g daemon off;` in nginx took longer than 300 s"), "{told}");
    }
}
