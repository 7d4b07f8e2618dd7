//! Waiting for something to become true: the command line is asked until it says so, or until a deadline.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::controller::Controller;
use crate::report::{App, Rollout, Status};

/// How often the command line is asked.
const PAUSE: Duration = Duration::from_millis(100);

/// What the command line says at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything.
    pub status: Status,
    /// The application that the test is about.
    pub app: App,
}

impl Controller {
    /// Waits until the application is as `check` wants it, at most for `seconds`.
    pub fn wait(&self, what: &str, seconds: u64, check: impl Fn(&Snapshot) -> bool) -> Snapshot {
        self.wait_for(what, seconds, |controller| {
            let status = controller.status()?;
            let app = status.app(&controller.app).cloned().ok_or("the application is not in the status")?;
            let snapshot = Snapshot { status, app };
            if check(&snapshot) { Ok(snapshot) } else { Err("not yet".to_owned()) }
        })
    }

    /// Waits until `look` succeeds, at most for `seconds`; tells what it saw last if it never does.
    pub fn wait_for<T>(&self, what: &str, seconds: u64, look: impl FnMut(&Self) -> Result<T, String>) -> T {
        self.try_wait(seconds, look)
            .unwrap_or_else(|problem| panic!("{}", self.explain(what, seconds, &problem)))
    }

    /// Waits until `look` succeeds, at most for `seconds`.
    ///
    /// # Errors
    /// With what it said last, if it never does.
    pub fn try_wait<T>(
        &self,
        seconds: u64,
        mut look: impl FnMut(&Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let (start, limit) = (Instant::now(), Duration::from_secs(seconds));
        loop {
            match look(self) {
                Err(_) if start.elapsed() <= limit => std::thread::sleep(PAUSE),
                end => return end,
            }
        }
    }

    /// Waits until a commit is live, healthy, and nothing goes on any more.
    pub fn settle(&self, revision: &str, seconds: u64) -> Snapshot {
        self.wait(&format!("{} to be live", &revision[..8]), seconds, |now| now.app.settled_at(revision))
    }

    /// Waits until a commit is in quarantine and nothing goes on any more.
    pub fn quarantine(&self, revision: &str, seconds: u64) -> Snapshot {
        self.wait(&format!("{} to be in quarantine", &revision[..8]), seconds, |now| {
            now.app.phase == "Idle" && now.app.quarantined(revision).is_some()
        })
    }

    /// The application's rollouts, the latest last.
    pub fn rollouts(&self) -> Vec<Rollout> {
        let mut all = self.history().unwrap_or_else(|problem| panic!("{problem}"));
        all.retain(|rollout| rollout.app == self.app);
        all
    }

    /// The application's latest rollout.
    pub fn last_rollout(&self) -> Rollout {
        self.rollouts().pop().expect("there was a rollout")
    }

    /// Waits while the source is polled at least twice more, and nothing may happen.
    pub fn several_polls(&self) {
        std::thread::sleep(Duration::from_secs(6));
    }

    fn explain(&self, what: &str, seconds: u64, problem: &str) -> String {
        format!(
            "waited {seconds} s for {what}: {problem}\n--- status\n{}\n--- last rollout\n{}\n--- log\n{}",
            shown(&self.status()),
            shown(&self.history().map(|mut all| all.pop())),
            self.log_tail(80)
        )
    }
}

fn shown<T: Debug>(value: &Result<T, String>) -> String {
    match value {
        Ok(value) => format!("{value:#?}"),
        Err(problem) => problem.clone(),
    }
}
