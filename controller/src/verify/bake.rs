//! The bake: after the take-over the new release is watched for a while, and the old one is still there to go back to.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::manifest::{Probe, UrlProbe};
use evenkeel_core::name::ServiceName;
use evenkeel_core::verdict::{Judgement, Occurrence, Sample, Verdict, count_patterns, log_failure};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::VerifyError;
use super::probe::{Reach, probe_once, url_once};
use super::prove::{limits, tail};

/// A container that is watched.
pub(crate) struct BakeSubject {
    /// Its service.
    pub(crate) service: ServiceName,
    /// Its id.
    pub(crate) id: String,
    /// What shows that it works.
    pub(crate) probe: Option<Probe>,
    /// The one it replaced, where that still exists: its log is the measure.
    pub(crate) old: Option<String>,
    /// Whether this rollout made it. The logs of others are not read.
    pub(crate) new: bool,
}

/// What a bake goes by.
pub(crate) struct Baking<'a> {
    /// The containers.
    pub(crate) subjects: &'a [BakeSubject],
    /// Probes from outside.
    pub(crate) urls: &'a [UrlProbe],
    /// Texts that fail it.
    pub(crate) patterns: &'a [String],
    /// How long.
    pub(crate) window: Duration,
    /// The time of the take-over, Unix seconds.
    pub(crate) since: i64,
}

/// How often each pattern stood in the old release's logs, by service.
type Old = BTreeMap<String, BTreeMap<String, Occurrence>>;

const LOOK_EVERY: Duration = Duration::from_secs(1);
const URL_FAILURES: u32 = 3;

/// Watches for the window.
///
/// Cancel-safe: it only reads.
pub(crate) async fn bake(
    reach: &Reach<'_>,
    baking: &Baking<'_>,
    cancel: &CancellationToken,
    said: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), VerifyError> {
    let mut judgements: BTreeMap<&ServiceName, Judgement> = baking
        .subjects
        .iter()
        .map(|subject| (&subject.service, Judgement::new(limits(subject.probe.as_ref(), Duration::ZERO))))
        .collect();
    let old = old_patterns(reach, baking).await;
    let mut url_failures = vec![0; baking.urls.len()];
    let began = Instant::now();
    let mut held = Duration::ZERO;
    let mut last = Instant::now();
    while began.elapsed().saturating_sub(held) < baking.window {
        tokio::select! {
            () = cancel.cancelled() => return Err(VerifyError::Cancelled("something newer is wanted".to_owned())),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let looked = look(reach, baking, &mut judgements, &old, began).await;
        match looked {
            Ok(()) => urls(reach, baking, &mut url_failures).await?,
            Err(Verdict::Failed(why)) => return Err(VerifyError::Failed(why)),
            Err(Verdict::Gone) => {
                return Err(VerifyError::Gone(
                    "a container that serves is gone: somebody has removed it".to_owned(),
                ));
            }
            Err(Verdict::Inconclusive(why)) => {
                // No data is no reason to fail: the window waits until somebody can look again.
                judgements.values_mut().for_each(Judgement::engine_restarted);
                held += last.elapsed();
                said(&format!("the bake waits: {why}"));
            }
            Err(_) => {}
        }
        last = Instant::now();
        said(&format!("{} of {} s", began.elapsed().saturating_sub(held).as_secs(), baking.window.as_secs()));
    }
    Ok(())
}

async fn look(
    reach: &Reach<'_>,
    baking: &Baking<'_>,
    judgements: &mut BTreeMap<&ServiceName, Judgement>,
    old: &Old,
    began: Instant,
) -> Result<(), Verdict> {
    for subject in baking.subjects {
        let container = reach
            .engine
            .container(&subject.id)
            .await
            .map_err(|error| Verdict::Inconclusive(error.to_string()))?;
        let probe = match (&subject.probe, &container) {
            (Some(probe), Some(container)) if container.running() => {
                Some(probe_once(reach, container, probe).await)
            }
            _ => None,
        };
        let Some(judgement) = judgements.get_mut(&subject.service) else { continue };
        let verdict = judgement.sample(&Sample {
            container: container.as_ref(),
            probe,
            // It passed when it was proven; the engine's own turn may come after the bake.
            check: Some(Ok(())),
            at: began.elapsed(),
        });
        if verdict == Verdict::Gone {
            return Err(verdict);
        }
        if let Verdict::Failed(why) = verdict {
            // The engine going away takes its containers with it: that is no fault of theirs.
            reach.engine.info().await.map_err(|error| Verdict::Inconclusive(error.to_string()))?;
            let tail = tail(reach.engine, &subject.id).await;
            return Err(Verdict::Failed(format!("{}: {why}{tail}", subject.service)));
        }
        if subject.new {
            patterns(reach, baking, subject, old.get(subject.service.base())).await?;
        }
    }
    Ok(())
}

async fn patterns(
    reach: &Reach<'_>,
    baking: &Baking<'_>,
    subject: &BakeSubject,
    old: Option<&BTreeMap<String, Occurrence>>,
) -> Result<(), Verdict> {
    if baking.patterns.is_empty() {
        return Ok(());
    }
    let lines = reach.engine.logs(&subject.id, baking.since, None).await;
    let lines = lines.map_err(|error| Verdict::Inconclusive(error.to_string()))?;
    let new = count_patterns(baking.patterns, lines.iter().map(|line| line.text.as_str()));
    match log_failure(old.unwrap_or(&BTreeMap::new()), &new) {
        Some(why) => Err(Verdict::Failed(format!("{}: {why}", subject.service))),
        None => Ok(()),
    }
}

/// What the old release logged in the same length of time before the take-over, by what the Compose file calls the services: what
/// several containers of one logged together.
async fn old_patterns(reach: &Reach<'_>, baking: &Baking<'_>) -> Old {
    let window = i64::try_from(baking.window.as_secs()).unwrap_or(i64::MAX);
    let mut counts = Old::new();
    for (service, id) in measures(baking.subjects) {
        let lines =
            reach.engine.logs(id, baking.since.saturating_sub(window).max(1), None).await.unwrap_or_default();
        let count = count_patterns(baking.patterns, lines.iter().map(|line| line.text.as_str()));
        let sum = counts.entry(service.to_owned()).or_default();
        for (pattern, found) in count {
            sum.entry(pattern).or_default().count += found.count;
        }
    }
    counts
}

/// The containers whose logs are the measure for new ones: those that were replaced, and those that stay beside a new one. A service that
/// gets one more container logs no more for that.
fn measures(subjects: &[BakeSubject]) -> impl Iterator<Item = (&str, &str)> {
    let grows = |service: &str| subjects.iter().any(|it| it.new && it.service.base() == service);
    subjects.iter().filter(move |it| grows(it.service.base())).filter_map(|it| {
        let stays = (!it.new).then_some(&it.id);
        Some((it.service.base(), it.old.as_ref().or(stays)?.as_str()))
    })
}

async fn urls(reach: &Reach<'_>, baking: &Baking<'_>, failures: &mut [u32]) -> Result<(), VerifyError> {
    for (probe, failures) in baking.urls.iter().zip(failures) {
        match url_once(reach, probe).await {
            Ok(()) => *failures = 0,
            Err(why) => {
                *failures += 1;
                if *failures >= URL_FAILURES {
                    return Err(VerifyError::Failed(format!(
                        "{URL_FAILURES} failures in a row from outside: {why}"
                    )));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(service: &str, id: &str, old: Option<&str>, new: bool) -> BakeSubject {
        let old = old.map(str::to_owned);
        BakeSubject { service: ServiceName::new(service), id: id.to_owned(), probe: None, old, new }
    }

    #[test]
    fn containers_of_one_service_are_measured_together() {
        let subjects = [
            subject("api", "a", None, false),
            subject("api#2", "b", None, false),
            subject("api#3", "c", None, true),
            subject("web", "d", Some("e"), true),
            subject("cache", "f", None, false),
        ];
        let measures: Vec<_> = measures(&subjects).collect();
        assert_eq!(measures, [("api", "a"), ("api", "b"), ("web", "e")]);
    }
}
