//! The bake: after the take-over the new release is watched for a while, and the old one is still there to go back to.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::logged::{Logged, Occurrence, count_patterns, log_failure};
use evenkeel_core::manifest::{Probe, UrlProbe};
use evenkeel_core::name::ServiceName;
use evenkeel_core::verdict::{Judgement, Sample, Verdict};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::VerifyError;
use super::outside::URL_FAILURES;
use super::probe::{Reach, probe_once, url_once};
use super::prove::{ENGINE_PATIENCE, limits, tail, unseen};
use crate::engine::EngineError;

/// A container that is watched.
pub(crate) struct BakeSubject {
    /// Its service.
    pub(crate) service: ServiceName,
    /// Its id.
    pub(crate) id: String,
    /// What shows that it works.
    pub(crate) probe: Option<Probe>,
    /// Since when it serves, Unix seconds, where this rollout made it.
    pub(crate) new_since: Option<i64>,
}

/// A container that served before.
pub(crate) struct Old {
    /// Its service.
    pub(crate) service: ServiceName,
    /// Its id.
    pub(crate) id: String,
    /// When it ceased to be the one that serves, Unix seconds.
    pub(crate) until: i64,
}

/// What a bake goes by.
pub(crate) struct Baking<'a> {
    /// The containers.
    pub(crate) subjects: &'a [BakeSubject],
    /// Those that they replaced, and those beyond the number that the release asks for, where they still exist: with those that stay
    /// beside a new one, their logs are the measure.
    pub(crate) old: &'a [Old],
    /// Probes from outside.
    pub(crate) urls: &'a [UrlProbe],
    /// Texts that fail it.
    pub(crate) patterns: &'a [String],
    /// How long.
    pub(crate) window: Duration,
    /// The time at which it begins, or goes on, Unix seconds.
    pub(crate) now: i64,
}

/// What is in the logs of each service's containers together, by what the Compose file calls it.
type Logs<'a> = BTreeMap<&'a str, Logged>;

const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let mut saw = true;
    let mut unasked: Option<Instant> = None;
    // What has just ended may begin again, or not, and nobody may be able to look: the window does not close on that.
    while began.elapsed().saturating_sub(held) < baking.window
        || !saw
        || judgements.values().any(Judgement::is_down)
    {
        tokio::select! {
            () = cancel.cancelled() => return Err(VerifyError::Cancelled("something newer is wanted".to_owned())),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let looked = look(reach, baking, &mut judgements, &old, began).await;
        saw = !matches!(looked, Err(Verdict::Inconclusive(_)) | Ok(Some(_)));
        match looked {
            Ok(None) => {
                unasked = None;
                urls(reach, baking, &mut url_failures).await?;
            }
            Ok(Some((name, error))) => {
                if unasked.get_or_insert_with(Instant::now).elapsed() > ENGINE_PATIENCE {
                    return Err(unseen(name.as_str(), &error));
                }
                held += last.elapsed();
                said(&format!("the bake waits: {name}: {error}"));
                urls(reach, baking, &mut url_failures).await?;
            }
            // A log that cannot be read says nothing of the containers.
            Err(Verdict::Wait(why)) => {
                held += last.elapsed();
                said(&format!("the bake waits: {why}"));
            }
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
            Err(Verdict::Healthy) => {}
        }
        last = Instant::now();
        said(&format!("{} of {} s", began.elapsed().saturating_sub(held).as_secs(), baking.window.as_secs()));
    }
    Ok(())
}

/// Looks once at everything; whose `exec` probe could not be made, and why. The state of that is judged all the same.
async fn look(
    reach: &Reach<'_>,
    baking: &Baking<'_>,
    judgements: &mut BTreeMap<&ServiceName, Judgement>,
    old: &Logs<'_>,
    began: Instant,
) -> Result<Option<(ServiceName, EngineError)>, Verdict> {
    let mut unasked = None;
    for subject in baking.subjects {
        let container = reach
            .engine
            .container(&subject.id)
            .await
            .map_err(|error| Verdict::Inconclusive(error.to_string()))?;
        let probe = match (&subject.probe, &container) {
            (Some(probe), Some(container)) if container.running() => {
                let said = probe_once(reach, container, probe).await;
                said.map_err(|error| unasked = Some((subject.service.clone(), error))).ok()
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
    }
    patterns(reach, baking, old).await.map(|()| unasked)
}

/// What the new containers of each service have logged since they serve, together.
async fn patterns(reach: &Reach<'_>, baking: &Baking<'_>, old: &Logs<'_>) -> Result<(), Verdict> {
    if baking.patterns.is_empty() {
        return Ok(());
    }
    let mut new = Logs::new();
    for (subject, since) in baking.subjects.iter().filter_map(|it| Some((it, it.new_since?))) {
        let found = count(reach, baking, &subject.id, since).await;
        let found = found.map_err(|error| Verdict::Wait(error.to_string()))?;
        new.entry(subject.service.base()).or_default().add(found);
    }
    let none = Logged::default();
    let failed = new.iter().find_map(|(service, new)| {
        let why = log_failure(old.get(service).unwrap_or(&none), new)?;
        Some(format!("{service}: {why}"))
    });
    failed.map_or(Ok(()), |why| Err(Verdict::Failed(why)))
}

/// What the old release logged before, for as long as the new one will have been listened to in the end. What is gone by now is no
/// measure.
async fn old_patterns<'a>(reach: &Reach<'_>, baking: &Baking<'a>) -> Logs<'a> {
    let mut logs = Logs::new();
    for Measure { service, id, since } in measures(baking) {
        if let Ok(found) = count(reach, baking, id, since).await {
            logs.entry(service).or_default().add(found);
        }
    }
    logs
}

async fn count(
    reach: &Reach<'_>,
    baking: &Baking<'_>,
    id: &str,
    since: i64,
) -> Result<BTreeMap<String, Occurrence>, EngineError> {
    let lines = match reach.engine.logs(id, since, None).await {
        // Its logging driver keeps nothing that could be read.
        Err(error @ EngineError::Refused { .. }) if !error.is_gone() => Vec::new(),
        lines => lines?,
    };
    Ok(count_patterns(baking.patterns, lines.iter().map(|line| line.text.as_str())))
}

/// A container whose log is the measure for new ones, and from when on.
#[derive(Debug, PartialEq)]
struct Measure<'a> {
    service: &'a str,
    id: &'a str,
    /// Unix seconds.
    since: i64,
}

/// A service that gets one more container logs no more for that, and one that is left with fewer logs no less.
fn measures<'a>(baking: &Baking<'a>) -> impl Iterator<Item = Measure<'a>> {
    let (subjects, old, now) = (baking.subjects, baking.old, baking.now);
    let window = i64::try_from(baking.window.as_secs()).unwrap_or(i64::MAX);
    // For how long the new ones will have been listened to, where there are any.
    let heard = move |service: &str| {
        let new = subjects.iter().filter(|it| it.service.base() == service);
        let since = new.filter_map(|it| it.new_since).min()?;
        Some(now.saturating_sub(since).saturating_add(window))
    };
    let stay = subjects.iter().filter(|it| it.new_since.is_none());
    let stay = stay.map(move |it| (it.service.base(), it.id.as_str(), now));
    let old = old.iter().map(|old| (old.service.base(), old.id.as_str(), old.until));
    stay.chain(old).filter_map(move |(service, id, until)| {
        // The engine takes 0 for the beginning of the log.
        Some(Measure { service, id, since: until.saturating_sub(heard(service)?).max(1) })
    })
}

async fn urls(reach: &Reach<'_>, baking: &Baking<'_>, failures: &mut [u32]) -> Result<(), VerifyError> {
    for (probe, failures) in baking.urls.iter().zip(failures) {
        match url_once(reach.wire, probe).await {
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

    fn subject(service: &str, id: &str, new: bool) -> BakeSubject {
        let new_since = new.then_some(990);
        BakeSubject { service: ServiceName::new(service), id: id.to_owned(), probe: None, new_since }
    }

    fn old(service: &str, id: &str, until: i64) -> Old {
        Old { service: ServiceName::new(service), id: id.to_owned(), until }
    }

    /// Of a minute.
    fn baking<'a>(subjects: &'a [BakeSubject], old: &'a [Old], now: i64) -> Baking<'a> {
        Baking { subjects, old, urls: &[], patterns: &[], window: Duration::from_secs(60), now }
    }

    #[test]
    fn containers_of_one_service_are_measured_together() {
        let subjects = [
            subject("api", "a", false),
            subject("api#2", "b", false),
            subject("api#3", "c", true),
            subject("web", "d", true),
            subject("cache", "f", false),
        ];
        let old = [old("web", "e", 990), old("web#2", "g", 990), old("cache#2", "h", 990)];
        let baking = baking(&subjects, &old, 1_000);
        let measures: Vec<_> = measures(&baking).map(|it| (it.service, it.id)).collect();
        assert_eq!(measures, [("api", "a"), ("api", "b"), ("web", "e"), ("web", "g")]);
    }

    #[test]
    fn the_old_log_is_read_for_as_long_as_the_new_one() {
        let subjects = [subject("api", "a", false), subject("api#2", "b", true), subject("web", "c", true)];
        let subjects = subjects.map(|it| match it.id.as_str() {
            "b" => BakeSubject { new_since: Some(900), ..it },
            "c" => BakeSubject { new_since: Some(400), ..it },
            _ => it,
        });
        // The proof of `web` took its time, and its old container had been stopped for a migration before.
        let old = [old("web", "w", 100), old("api#2", "x", 900)];
        let baking = baking(&subjects, &old, 1_000);
        let since: Vec<_> = measures(&baking).map(|it| (it.id, it.since)).collect();
        assert_eq!(since, [("a", 840), ("w", 1), ("x", 740)]);
    }
}
