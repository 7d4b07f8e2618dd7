//! One application's worker: collects triggers, and reconciles, never twice at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::name::{AppName, Revision};
use evenkeel_core::release::{DigestKey, Release};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::pulse::GLANCE;
use super::view::View;
use crate::engine::EngineEvent;
use crate::rollout::Context;
use crate::source::{Source, Target, Watches};

/// How often it looks without a reason.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long the engine's events of what a pass did may take to come in.
const OWN_EVENTS: Duration = Duration::from_millis(500);

/// What everybody may do to a worker: give it a reason to look.
pub(super) struct Handle {
    pub(super) name: AppName,
    pub(super) source: Arc<Source>,
    pub(super) context: Context,
    pub(super) key: DigestKey,
    reasons: Mutex<Reasons>,
    woken: Notify,
    /// The commit and the manifest to follow.
    pub(super) tip: watch::Sender<Tip>,
    /// What status shows.
    pub(super) view: Mutex<View>,
    /// What is known of drift from earlier looks.
    pub(super) drift: Mutex<super::drift::Known>,
    /// Registries that did not answer.
    pub(super) unanswered: Mutex<super::tags::Unanswered>,
    /// The Compose project, once it is known: engine events are addressed by it.
    pub(super) project: Mutex<Option<String>>,
    /// What the engine showed of it at the last glance, as a hash.
    pub(super) glance: Mutex<Option<u64>>,
    pub(super) pulse: Arc<super::pulse::Pulse>,
    /// The networks, volumes and images that it uses, by name and by id: events of these are addressed by them.
    names: Mutex<BTreeSet<String>>,
    /// Host files that the application reads.
    pub(super) watches: Arc<Watches>,
    watched: Mutex<BTreeSet<String>>,
    /// Serialises reconciling with what operators do to the database.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) parked: CancellationToken,
    /// Since when a way back has not been able to go on.
    pub(super) waits_since: Mutex<Option<tokio::time::Instant>>,
    /// Time that the current pass has spent on a rollout: not part of what a look costs.
    pub(super) rolling: Mutex<Duration>,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// The commit.
    pub(super) revision: Revision,
    /// Where its manifest stands; `None` when the commit has none any more.
    pub(super) manifest: Option<String>,
}

#[derive(Default)]
struct Reasons {
    pending: BTreeSet<String>,
    waiting: Vec<oneshot::Sender<()>>,
    fresh: bool,
}

/// Everything that a new worker needs.
pub(super) struct Start {
    pub(super) name: AppName,
    pub(super) source: Arc<Source>,
    pub(super) context: Context,
    pub(super) key: DigestKey,
    pub(super) tip: Tip,
    pub(super) watches: Arc<Watches>,
    pub(super) parked: CancellationToken,
    pub(super) pulse: Arc<super::pulse::Pulse>,
}

impl Handle {
    pub(super) fn new(start: Start) -> Arc<Self> {
        Arc::new(Self {
            name: start.name,
            source: start.source,
            context: start.context,
            key: start.key,
            reasons: Mutex::default(),
            woken: Notify::new(),
            tip: watch::Sender::new(start.tip),
            view: Mutex::default(),
            drift: Mutex::default(),
            unanswered: Mutex::default(),
            glance: Mutex::default(),
            pulse: start.pulse,
            names: Mutex::default(),
            project: Mutex::default(),
            watches: start.watches,
            watched: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
            parked: start.parked,
            waits_since: Mutex::default(),
            rolling: Mutex::default(),
        })
    }

    /// Says *look again*, and why.
    pub(super) fn trigger(&self, reason: &str) {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).pending.insert(reason.to_owned());
        self.woken.notify_one();
    }

    /// The same where what failed may go well now: no wait that grew out of it counts any more.
    pub(super) fn trigger_afresh(&self, reason: &str) {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).fresh = true;
        self.trigger(reason);
    }

    /// The same by an operator, who starts again at short waits; tells when the pass has ended.
    pub(super) fn trigger_and_wait(&self, reason: &str) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.pending.insert(reason.to_owned());
        reasons.waiting.push(done);
        reasons.fresh = true;
        drop(reasons);
        self.woken.notify_one();
        receiver
    }

    fn has_reasons(&self) -> bool {
        !self.reasons.lock().unwrap_or_else(PoisonError::into_inner).pending.is_empty()
    }

    /// What a pass itself did to the engine is no reason to try again at once: its events would make every wait a short one.
    /// They come in a moment later.
    async fn forget_own_events(&self) {
        tokio::time::sleep(OWN_EVENTS).await;
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.pending.retain(|reason| !reason.starts_with("event") && reason != GLANCE);
        drop(reasons);
        // The next glance is what later ones are compared with.
        *self.glance.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take(&self) -> Reasons {
        std::mem::take(&mut *self.reasons.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Watches the host files that releases read, and no others. The first is the one that is wanted.
    pub(super) fn watch<'r>(&self, releases: impl Iterator<Item = &'r Release>) {
        let releases: Vec<&Release> = releases.collect();
        if let Some(release) = releases.first() {
            let project = Some(release.project.name.to_string());
            *self.project.lock().unwrap_or_else(PoisonError::into_inner) = project;
        }
        let used = releases.iter().flat_map(|release| self.uses(release)).collect();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = used;
        let wanted: BTreeSet<String> =
            releases.iter().flat_map(|release| release.project.host_files.iter().cloned()).collect();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for file in wanted.difference(&watched) {
            self.watches.watch(Target::File(file.into()));
        }
        for file in watched.difference(&wanted) {
            self.watches.unwatch(&Target::File(file.into()));
        }
        *watched = wanted;
    }

    /// What the release uses at the engine beside its containers.
    fn uses(&self, release: &Release) -> BTreeSet<String> {
        let project = &release.project;
        let mut names = BTreeSet::from([evenkeel_core::plan::backstage(&project.name)]);
        names.extend(project.networks.values().map(|network| network.name.clone()));
        names.extend(project.volumes.values().map(|volume| volume.name.clone()));
        for source in release.images.values() {
            names.extend(source.tags().map(String::as_str).chain([source.reference()]).map(tagged));
        }
        if let Ok(outputs) = self.context.ledger.outputs(&self.name, &release.digest) {
            names.extend(outputs.images.values().map(ToString::to_string));
        }
        names
    }

    /// What it uses, for a moment.
    pub(super) fn used<T>(&self, read: impl FnOnce(&BTreeSet<String>) -> T) -> T {
        read(&self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an event of the engine is about this application.
    pub(super) fn is_meant(&self, event: &EngineEvent) -> bool {
        if let Some(of) = &event.project {
            let project = self.project.lock().unwrap_or_else(PoisonError::into_inner);
            return project.as_deref() == Some(of.as_str());
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        event.kind != "container"
            && (names.contains(&tagged(&event.name))
                || names.contains(&event.name)
                || names.contains(&event.id))
    }

    /// Whether the application reads a host file.
    pub(super) fn reads(&self, path: &str) -> bool {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }
}

/// An image's name as the engine's events have it: with its tag.
fn tagged(name: &str) -> String {
    let bare = name.rsplit('/').next().unwrap_or(name);
    if bare.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

/// The waits between passes that did not come to their end.
struct Backoff {
    tries: u32,
}

impl Backoff {
    const LONGEST: Duration = Duration::from_secs(600);

    fn next(&mut self, first: Duration) -> Duration {
        let wait = first.saturating_mul(1 << self.tries.min(10)).min(Self::LONGEST);
        self.tries += 1;
        wait
    }
}

/// What a pass asks for.
pub(super) enum Next {
    /// Nothing: it waits for a reason.
    Settled,
    /// The same, but for a registry that is to be asked at that time.
    SettledUntil(jiff::Timestamp),
    /// Another look, at that time at the latest.
    LookAt(jiff::Timestamp),
    /// A repair, which has to wait until then.
    Held(jiff::Timestamp),
    /// Another try, later and later; the first wait.
    Retry(Duration),
    /// What is live is as it should be, and what the branch asks for is refused: it is tried again later and later.
    Refused {
        /// The first wait.
        first: Duration,
        /// When what is live is to be looked at again, where that is known.
        until: Option<jiff::Timestamp>,
    },
    /// Another look at once: the world has changed meanwhile.
    Again,
}

/// Runs until the process goes down.
///
/// Cancel-safe: a pass is never dropped in the middle; it is told to end through `parked`.
pub(super) async fn work(handle: Arc<Handle>) {
    let mut backoff = Backoff { tries: 0 };
    let mut refused = Backoff { tries: 0 };
    let mut tip = handle.tip.subscribe();
    let mut wait = Duration::ZERO;
    let mut because = "start";
    loop {
        let at = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                () = handle.parked.cancelled() => return,
                () = handle.woken.notified() => {
                    if handle.has_reasons() { break }
                }
                changed = tip.changed() => {
                    if changed.is_err() { return }
                    (backoff.tries, refused.tries) = (0, 0);
                    handle.trigger(&format!("commit {}", handle.tip.borrow().revision.short()));
                    break
                }
                () = tokio::time::sleep_until(at) => break,
            }
        }
        tip.borrow_and_update();
        let reasons = handle.take();
        if reasons.fresh {
            (backoff.tries, refused.tries) = (0, 0);
        }
        let reason = if reasons.pending.is_empty() {
            because.to_owned()
        } else {
            Vec::from_iter(reasons.pending).join(", ")
        };
        let began = Instant::now();
        let turn = handle.turn.lock().await;
        let next = super::pass::reconcile(&handle, &reason).await;
        drop(turn);
        let rolling = std::mem::take(&mut *handle.rolling.lock().unwrap_or_else(PoisonError::into_inner));
        let looked = began.elapsed().saturating_sub(rolling);
        handle.context.metrics.reconciled(&handle.name, word(&reason), looked.as_secs_f64());
        // Whoever waited may have gone.
        reasons.waiting.into_iter().for_each(|done| {
            let _ = done.send(());
        });
        because = "look";
        wait = match next {
            Next::Settled => {
                (backoff.tries, refused.tries) = (0, 0);
                handle.pulse.wait()
            }
            Next::SettledUntil(at) => {
                (backoff.tries, refused.tries) = (0, 0);
                until(at, handle.context.ledger.now()).max(LOOK_EVERY).min(handle.pulse.wait())
            }
            Next::Again => Duration::ZERO,
            Next::LookAt(at) => until(at, handle.context.ledger.now()).min(LOOK_EVERY),
            Next::Held(at) => until(at, handle.context.ledger.now()),
            Next::Retry(first) => {
                because = "retry";
                handle.forget_own_events().await;
                backoff.next(first)
            }
            Next::Refused { first, until: live } => {
                because = "retry";
                backoff.tries = 0;
                if !rolling.is_zero() {
                    handle.forget_own_events().await;
                }
                let wait = refused.next(first);
                live.map_or(wait, |at| wait.min(until(at, handle.context.ledger.now())))
            }
        };
    }
}

pub(super) fn until(at: jiff::Timestamp, now: jiff::Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// A metric's label: the kind of reason, not its details.
fn word(reason: &str) -> &'static str {
    ["start", "commit", "file", "operator", "webhook", "retry", "event"]
        .into_iter()
        .find(|word| reason.contains(word))
        .unwrap_or("look")
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn an_image_is_named_as_the_engines_events_name_it() {
        assert_eq!(tagged("shop-api"), "shop-api:latest");
        assert_eq!(tagged("registry.example:5000/shop-api"), "registry.example:5000/shop-api:latest");
        assert_eq!(tagged("shop-api:1"), "shop-api:1");
        assert_eq!(tagged("sha256:f00"), "sha256:f00");
    }
}
