//! The proof: containers have to show that they work, without a break, before anybody depends on them.

use std::time::Duration;

use evenkeel_core::manifest::{Probe, Rollout};
use evenkeel_core::observed::{Container, HealthStatus};
use evenkeel_core::verdict::{Judgement, Limits, Sample, Verdict};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::probe::{Reach, probe_once};
use super::{VerifyError, Within, within};
use crate::engine::{EngineError, Exec, ExecOutcome};

/// A container to be proven.
pub(crate) struct ProofSubject {
    /// Its id.
    pub(crate) id: String,
    /// Its name, for people.
    pub(crate) name: String,
    /// What shows that it works.
    pub(crate) probe: Option<Probe>,
    /// It runs to its end: exit code 0 proves it.
    pub(crate) one_shot: Option<OneShot>,
}

/// What runs to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OneShot {
    /// How long it may take where users wait for it; however long it takes where this is `None`.
    pub(crate) limit: Option<Duration>,
}

/// How long the engine may be away during a proof.
pub(super) const ENGINE_PATIENCE: Duration = Duration::from_secs(120);
/// How often a healthcheck's command is run before the engine runs it.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Waits until every container is proven. `said` hears what is still missing.
///
/// Cancel-safe: it only reads.
pub(crate) async fn prove(
    reach: &Reach<'_>,
    subjects: &[ProofSubject],
    rollout: &Rollout,
    cancel: &CancellationToken,
    said: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), VerifyError> {
    let proofs = subjects.iter().map(|subject| prove_one(reach, subject, rollout, cancel, said));
    futures_util::future::try_join_all(proofs).await.map(|_| ())
}

/// The limits for one container.
pub(crate) fn limits(probe: Option<&Probe>, min_healthy: Duration) -> Limits {
    match probe {
        Some(probe) => Limits {
            successes: probe.success_threshold,
            failures: probe.failure_threshold,
            start_timeout: probe.start_timeout,
            min_healthy,
        },
        None => Limits { successes: 1, failures: 3, start_timeout: Duration::from_secs(120), min_healthy },
    }
}

async fn prove_one(
    reach: &Reach<'_>,
    subject: &ProofSubject,
    rollout: &Rollout,
    cancel: &CancellationToken,
    said: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), VerifyError> {
    if let Some(one_shot) = subject.one_shot {
        return run_to_end(reach, subject, one_shot, cancel).await;
    }
    let mut judgement = Judgement::new(limits(subject.probe.as_ref(), rollout.min_healthy));
    let interval = subject.probe.as_ref().map_or(Duration::from_millis(500), |probe| probe.interval);
    let began = Instant::now();
    let mut away: Option<Instant> = None;
    let mut ahead = Ahead::default();
    loop {
        match sample(reach, subject, &mut judgement, &mut ahead, began).await {
            Ok(Verdict::Healthy) => return Ok(()),
            Ok(Verdict::Failed(why)) => return Err(failed(reach, subject, &why).await),
            Ok(Verdict::Gone) => {
                let why = format!("{}: its container is gone, somebody has removed it", subject.name);
                return Err(VerifyError::Gone(why));
            }
            Ok(Verdict::Wait(why)) => {
                away = None;
                said(&format!("{}: {why}", subject.name));
            }
            Ok(Verdict::Inconclusive(why)) => {
                judgement.engine_restarted();
                if away.get_or_insert_with(Instant::now).elapsed() > ENGINE_PATIENCE {
                    return Err(VerifyError::Unreachable(why));
                }
            }
            Err(error) => {
                judgement.engine_restarted();
                if away.get_or_insert_with(Instant::now).elapsed() > ENGINE_PATIENCE {
                    return Err(unseen(&subject.name, &error));
                }
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(VerifyError::Cancelled("something newer is wanted".to_owned())),
            // Whether it stays exited is seen soon, however seldom its probe is.
            () = tokio::time::sleep(if judgement.is_down() { interval.min(CHECK_EVERY) } else { interval }) => {}
        }
    }
}

async fn sample(
    reach: &Reach<'_>,
    subject: &ProofSubject,
    judgement: &mut Judgement,
    ahead: &mut Ahead,
    began: Instant,
) -> Result<Verdict, EngineError> {
    let container = reach.engine.container(&subject.id).await?;
    let probe = async {
        match (&subject.probe, &container) {
            (Some(probe), Some(container)) if container.running() => {
                probe_once(reach, container, probe).await.map(Some)
            }
            (Some(_), _) => Ok(Some(Err("it is not running yet".to_owned()))),
            (None, _) => Ok(None),
        }
    };
    let (probe, check) = tokio::join!(probe, ahead.check(reach, container.as_ref()));
    let probe = probe?;
    Ok(judgement.sample(&Sample { container: container.as_ref(), probe, check, at: began.elapsed() }))
}

/// The engine runs a healthcheck for the first time when its `interval` has passed: half a minute, where nothing else is said.
/// Until then its command is run here, so that nobody waits for the engine's next turn.
#[derive(Default)]
struct Ahead {
    last: Option<(Instant, Result<(), String>)>,
    /// It took too long once. The engine has no way to end it, so no other is begun.
    hung: bool,
}

impl Ahead {
    /// What the command says, or said a moment ago. `None` once the engine itself has an opinion.
    async fn check(
        &mut self,
        reach: &Reach<'_>,
        container: Option<&Container>,
    ) -> Option<Result<(), String>> {
        let container = container.filter(|container| container.running())?;
        let health = container.health.as_ref().filter(|health| health.status == HealthStatus::Starting)?;
        let recent = self.last.as_ref().filter(|(at, _)| at.elapsed() < CHECK_EVERY || self.hung);
        if let Some((_, said)) = recent {
            return Some(said.clone());
        }
        let command: Vec<String> = health.command.iter().map(|word| word.expose().to_owned()).collect();
        if command.is_empty() {
            return None;
        }
        let run = reach.engine.exec(container.id.as_str(), Exec { command, ..Exec::default() });
        let said = match tokio::time::timeout(health.timeout, run).await {
            Ok(Ok(outcome)) if outcome.exit_code == 0 => Ok(()),
            Ok(Ok(outcome)) => Err(words(&outcome)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                self.hung = true;
                Err(format!("it took longer than {} s", health.timeout.as_secs_f32()))
            }
        };
        self.last = Some((Instant::now(), said.clone()));
        Some(said)
    }
}

/// The end of what a command that failed had to say.
pub(crate) fn words(outcome: &ExecOutcome) -> String {
    let output = String::from_utf8_lossy(&outcome.stdout);
    let said = format!("{}\n{}", output.trim(), outcome.stderr.trim());
    let last: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).rev().take(5).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    if said.is_empty() { format!("it exited with {}", outcome.exit_code) } else { said }
}

async fn run_to_end(
    reach: &Reach<'_>,
    subject: &ProofSubject,
    one_shot: OneShot,
    cancel: &CancellationToken,
) -> Result<(), VerifyError> {
    match within(one_shot.limit, cancel, reach.engine.wait(&subject.id)).await {
        Within::Cancelled => Err(VerifyError::Cancelled("something newer is wanted".to_owned())),
        Within::Late => Err(failed(reach, subject, &too_long(one_shot)).await),
        Within::Ended(Ok(0)) => Ok(()),
        Within::Ended(Ok(code)) => Err(failed(reach, subject, &format!("it exited with code {code}")).await),
        Within::Ended(Err(error)) => Err(unknown(&subject.name, &error)),
    }
}

fn too_long(one_shot: OneShot) -> String {
    format!(
        "it has not ended within {} s, and users wait for it: look what it waits for, such as a lock; where it needs longer, say so with \
         a `probe.startTimeout` of the service in the manifest",
        one_shot.limit.unwrap_or_default().as_secs()
    )
}

/// Why nobody could see how something does, for as long as that is waited for.
pub(super) fn unseen(name: &str, error: &EngineError) -> VerifyError {
    let why = format!("{name}: {error}");
    match error {
        EngineError::Unreachable { .. } | EngineError::Timeout { .. } | EngineError::Refused { .. } => {
            VerifyError::Unreachable(why)
        }
        _ => VerifyError::Hindered(why),
    }
}

/// Why it is not known how a container has ended.
fn unknown(name: &str, error: &EngineError) -> VerifyError {
    let why = format!("{name}: {error}");
    match error {
        gone if gone.is_gone() => VerifyError::Gone(why),
        EngineError::Unreachable { .. } | EngineError::Timeout { .. } => VerifyError::Unreachable(why),
        EngineError::Refused { .. } => VerifyError::Failed(why),
        _ => VerifyError::Hindered(why),
    }
}

/// The evidence: what was seen, and the container's last lines.
async fn failed(reach: &Reach<'_>, subject: &ProofSubject, why: &str) -> VerifyError {
    VerifyError::Failed(format!("{}: {why}{}", subject.name, tail(reach.engine, &subject.id).await))
}

/// A container's last lines, as an appendix to an error.
pub(crate) async fn tail(engine: &dyn crate::engine::Engine, id: &str) -> String {
    let lines = engine.logs(id, 0, Some(15)).await.unwrap_or_default();
    if lines.is_empty() {
        return String::new();
    }
    let text: Vec<String> = lines.into_iter().map(|line| format!("  | {}", line.text)).collect();
    format!("\nits last lines:\n{}", text.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_something_ended_is_blamed_on_it_only_where_the_engine_says_no_to_it() {
        let action = || "wait for container seed".to_owned();
        let refused =
            |status, reason: &str| EngineError::Refused { action: action(), status, reason: reason.into() };
        let is = |error: EngineError| unknown("seed", &error);
        assert!(matches!(is(refused(404, "No such container: seed")), VerifyError::Gone(_)));
        assert!(matches!(is(refused(500, "it is broken")), VerifyError::Failed(_)));
        let after = Duration::from_secs(120);
        assert!(matches!(is(EngineError::Timeout { action: action(), after }), VerifyError::Unreachable(_)));
        let deadline = EngineError::Hindered { action: action(), reason: "context deadline exceeded".into() };
        assert!(matches!(is(deadline), VerifyError::Hindered(_)));
    }

    #[test]
    fn what_could_not_be_seen_is_told_as_what_it_is() {
        let action = || "run true in api".to_owned();
        let after = Duration::from_secs(60);
        let late = unseen("api", &EngineError::Timeout { action: action(), after });
        assert!(matches!(late, VerifyError::Unreachable(_)));
        let hindered = EngineError::Hindered { action: action(), reason: "context deadline exceeded".into() };
        let VerifyError::Hindered(why) = unseen("api", &hindered) else { panic!("{hindered}") };
        assert_eq!(why, format!("api: {hindered}"));
    }

    #[test]
    fn what_takes_too_long_is_told_with_its_limit_and_what_to_do() {
        let told = too_long(OneShot { limit: Some(Duration::from_secs(600)) });
        assert!(told.contains("within 600 s") && told.contains("`probe.startTimeout`"), "{told}");
    }
}
