//! One look at the engine for all applications, every minute: those of whom it shows something else than the minute before look
//! for themselves. So what the engine is asked while nothing happens does not grow with the applications.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::app::{Handle, LOOK_EVERY};
use super::daemon::Daemon;
use crate::engine::Survey;

/// How long an application that nothing happens to is not looked at by itself while there is a pulse: what neither an event nor
/// a glance tells (limits, a restart policy, the schema of a database) is confirmed then.
pub(super) const CONFIRM: Duration = Duration::from_secs(600);

/// Why an application looks then.
pub(super) const GLANCE: &str = "look: the engine shows something else than a minute ago";

/// When the engine was last seen as a whole.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// How long a worker that has nothing to do may wait.
    pub(super) fn wait(&self) -> Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < 2 * LOOK_EVERY) { CONFIRM } else { LOOK_EVERY }
    }

    fn beats(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Looks until the process goes down.
pub(super) async fn pulse(daemon: Arc<Daemon>) {
    loop {
        match daemon.engine.survey().await {
            Ok(Some(survey)) => {
                daemon.pulse.beats();
                daemon.handles().iter().filter(|handle| handle.shows_otherwise(&survey)).for_each(|handle| {
                    handle.trigger(GLANCE);
                });
            }
            Ok(None) => return,
            // Workers look for themselves meanwhile.
            Err(error) => tracing::debug!(%error, "the engine cannot be seen as a whole"),
        }
        tokio::select! {
            () = daemon.life.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Handle {
    /// Whether the engine shows something else of the application than at the last glance.
    fn shows_otherwise(&self, survey: &Survey) -> bool {
        let mut now = DefaultHasher::new();
        let project = self.project.lock().unwrap_or_else(PoisonError::into_inner).clone();
        project.and_then(|project| survey.projects.get(project.as_str())).hash(&mut now);
        self.used(|names| names.iter().for_each(|name| survey.objects.get(name).hash(&mut now)));
        let now = now.finish();
        let before = self.glance.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| before != now)
    }
}
