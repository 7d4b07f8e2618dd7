//! Verdicts: what a run of samples says about a container, with the evidence.

use std::time::Duration;

use crate::name::ContainerId;
use crate::observed::{Container, HealthStatus, State};

/// What is known so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proven.
    Healthy,
    /// Not yet; what is missing.
    Wait(String),
    /// It failed; the evidence.
    Failed(String),
    /// Nobody can tell (the engine is away); holds, and never fails a release by itself.
    Inconclusive(String),
    /// Its container is not there: somebody has removed it, and no release does that to itself.
    Gone,
}

/// The limits that a judgement goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Successes in a row that are needed.
    pub successes: u32,
    /// Failures in a row that decide, once it has been healthy.
    pub failures: u32,
    /// How long it has to become healthy.
    pub start_timeout: Duration,
    /// How long it has to stay so.
    pub min_healthy: Duration,
}

/// How long a container is seen exited before that is the end of it: `docker restart` is done with it in less, on a busy host too.
const STAYS_EXITED: Duration = Duration::from_secs(1);

/// One look at a container.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// The container, or `None` where it is gone.
    pub container: Option<&'a Container>,
    /// What its probe said: `None` without a probe.
    pub probe: Option<Result<(), String>>,
    /// What the command of its Docker healthcheck said to us, while the engine has not checked yet.
    pub check: Option<Result<(), String>>,
    /// Time since judging began.
    pub at: Duration,
}

/// The running judgement of one container.
#[derive(Clone, Debug)]
pub struct Judgement {
    limits: Limits,
    successes: u32,
    failures: u32,
    healthy_since: Option<Duration>,
    been_healthy: bool,
    identity: Option<(ContainerId, String, i64)>,
    /// How often somebody has restarted it since judging began.
    restarts: u32,
    /// Whether the Docker healthcheck has been anything but unhealthy since judging began.
    been_better: bool,
    /// Whether that healthcheck has yet to pass for the first time.
    starting: bool,
    /// When it was first seen exited, where it has not run since.
    exited_at: Option<Duration>,
    last: String,
}

impl Judgement {
    /// Nothing seen yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            successes: 0,
            failures: 0,
            healthy_since: None,
            been_healthy: false,
            identity: None,
            restarts: 0,
            been_better: false,
            starting: false,
            exited_at: None,
            last: "no answer yet".to_owned(),
        }
    }

    /// Whether it was seen exited, and nothing has been decided by that yet.
    pub fn is_down(&self) -> bool {
        self.exited_at.is_some()
    }

    /// Forgets which start of the container was being judged: the engine itself has restarted.
    pub fn engine_restarted(&mut self) {
        self.identity = None;
        self.successes = 0;
        self.failures = 0;
        self.healthy_since = None;
        self.exited_at = None;
    }

    /// Adds a sample.
    pub fn sample(&mut self, sample: &Sample<'_>) -> Verdict {
        // A removal takes a while, and what cannot be removed stays; a container that ends by itself is neither.
        let Some(container) = sample.container.filter(|container| !container.given_up()) else {
            return Verdict::Gone;
        };
        if container.state == State::Exited {
            return self.exited(container, sample.at);
        }
        self.exited_at = None;
        if let Some(failure) = self.lifecycle(container) {
            return Verdict::Failed(failure);
        }
        match self.look(container, sample) {
            Ok(()) => self.succeeded(sample.at),
            Err(Some(fatal)) => Verdict::Failed(fatal),
            Err(None) => self.failed(sample.at),
        }
    }

    /// It does not run any more. Whether it stays so shows in a moment: a restart by somebody goes through this state as well.
    fn exited(&mut self, container: &Container, at: Duration) -> Verdict {
        let since = *self.exited_at.get_or_insert(at);
        let oom = if container.oom_killed { ", killed for want of memory" } else { "" };
        let error = if container.error.is_empty() { String::new() } else { format!(": {}", container.error) };
        self.last = format!("it exited with code {}{oom}{error}", container.exit_code);
        if at.saturating_sub(since) >= STAYS_EXITED || container.oom_killed || !error.is_empty() {
            return Verdict::Failed(self.last.clone());
        }
        (self.successes, self.healthy_since) = (0, None);
        Verdict::Wait(self.last.clone())
    }

    /// No restart since start. A restart by somebody else (a person, a tool that restarts what is unhealthy) is no fault of the
    /// container: it is judged from then on, unless it goes on like that.
    fn lifecycle(&mut self, container: &Container) -> Option<String> {
        // What has not begun yet has no start that another could be told from.
        if container.state == State::Created {
            return None;
        }
        let now = (container.id.clone(), container.started_at.clone(), container.restart_count);
        let before = self.identity.get_or_insert_with(|| now.clone());
        if container.state == State::Restarting || now.2 > before.2 {
            return Some(format!("it restarted (exit code {})", container.exit_code));
        }
        if before.1 == now.1 {
            return None;
        }
        self.restarts += 1;
        self.engine_restarted();
        self.identity = Some(now);
        let too_often = self.restarts > self.limits.failures;
        too_often.then(|| format!("it was restarted by somebody, {} times", self.restarts))
    }

    /// The Docker healthcheck and the probe together. `Err(Some)` decides at once: the engine has counted its own failures.
    fn look(&mut self, container: &Container, sample: &Sample<'_>) -> Result<(), Option<String>> {
        if container.state != State::Running {
            self.last = "it is not running yet".to_owned();
            return Err(None);
        }
        match container.health.as_ref().map(|health| (health.status, &health.last_output)) {
            Some((HealthStatus::Unhealthy, output)) => {
                self.last = format!("its healthcheck says unhealthy: {}", output.trim());
                // What it counted before judging began (while it was paused, say) decides nothing.
                return Err(self.been_better.then(|| self.last.clone()));
            }
            Some((HealthStatus::Starting, output)) if sample.check != Some(Ok(())) => {
                self.been_better = true;
                let said = sample.check.as_ref().and_then(|check| check.as_ref().err()).unwrap_or(output);
                self.last = format!("its healthcheck has not passed yet: {}", said.trim());
                self.starting = true;
                // Where a probe already passes, the time counts; the engine's own check comes seldom.
                if sample.probe.is_none() {
                    return Err(None);
                }
            }
            Some((HealthStatus::Starting | HealthStatus::Healthy, _)) | None => {
                (self.been_better, self.starting) = (true, false);
            }
        }
        match &sample.probe {
            Some(Err(why)) => {
                self.last.clone_from(why);
                Err(None)
            }
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn succeeded(&mut self, at: Duration) -> Verdict {
        self.failures = 0;
        self.successes += 1;
        let since = *self.healthy_since.get_or_insert(at);
        if self.successes < self.limits.successes {
            return Verdict::Wait(format!(
                "{} of {} successes in a row",
                self.successes, self.limits.successes
            ));
        }
        self.been_healthy = true;
        if self.starting {
            self.been_healthy = false;
            if at >= self.limits.start_timeout {
                return Verdict::Failed(format!(
                    "not healthy within {} s: {}",
                    self.limits.start_timeout.as_secs(),
                    self.last
                ));
            }
            return Verdict::Wait(self.last.clone());
        }
        if at.saturating_sub(since) < self.limits.min_healthy {
            return Verdict::Wait(format!("healthy for {} s", at.saturating_sub(since).as_secs()));
        }
        Verdict::Healthy
    }

    fn failed(&mut self, at: Duration) -> Verdict {
        self.successes = 0;
        self.healthy_since = None;
        self.failures += 1;
        if self.been_healthy && self.failures >= self.limits.failures {
            return Verdict::Failed(format!("{} failures in a row: {}", self.failures, self.last));
        }
        if !self.been_healthy && at >= self.limits.start_timeout {
            return Verdict::Failed(format!(
                "not healthy within {} s: {}",
                self.limits.start_timeout.as_secs(),
                self.last
            ));
        }
        Verdict::Wait(self.last.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Health;

    fn limits() -> Limits {
        Limits {
            successes: 3,
            failures: 3,
            start_timeout: Duration::from_secs(10),
            min_healthy: Duration::from_secs(2),
        }
    }

    fn running() -> Container {
        serde_json::from_value(serde_json::json!({
            "id": "c", "name": "api", "image": "i", "image_id": "sha256:1", "labels": {}, "state": "running", "health": null,
            "created_at": "", "started_at": "t0", "restart_count": 0, "restart": "no", "networks": {}, "port_bindings": [],
            "bound_ports": [], "mounts": [], "environment": [], "exit_code": 0, "error": "",
            "oom_killed": false
        }))
        .unwrap()
    }

    fn feed(judgement: &mut Judgement, container: &Container, probes: &[bool]) -> Vec<Verdict> {
        let verdicts = probes.iter().enumerate().map(|(second, ok)| {
            let probe = if *ok { Ok(()) } else { Err("status 500".to_owned()) };
            let at = Duration::from_secs(second as u64);
            judgement.sample(&Sample { container: Some(container), probe: Some(probe), check: None, at })
        });
        verdicts.collect()
    }

    #[test]
    fn healthy_needs_successes_in_a_row_and_time() {
        let verdicts =
            feed(&mut Judgement::new(limits()), &running(), &[false, true, true, false, true, true, true]);
        assert!(verdicts[..6].iter().all(|verdict| matches!(verdict, Verdict::Wait(_))), "{verdicts:?}");
        assert_eq!(verdicts[6], Verdict::Healthy);
    }

    #[test]
    fn one_bad_sample_decides_nothing_but_three_in_a_row_do() {
        let mut judgement = Judgement::new(limits());
        feed(&mut judgement, &running(), &[true, true, true]);
        let verdicts = feed(&mut judgement, &running(), &[false, false, true, false, false, false]);
        assert!(verdicts[..5].iter().all(|verdict| !matches!(verdict, Verdict::Failed(_))), "{verdicts:?}");
        assert_eq!(verdicts[5], Verdict::Failed("3 failures in a row: status 500".to_owned()));
    }

    #[test]
    fn never_healthy_fails_at_the_start_timeout_with_its_last_words() {
        let verdicts = feed(&mut Judgement::new(limits()), &running(), &[false; 11]);
        assert_eq!(verdicts[10], Verdict::Failed("not healthy within 10 s: status 500".to_owned()));
    }

    fn checked(status: HealthStatus, last_output: &str) -> Container {
        let health = Health {
            status,
            failing_streak: 0,
            last_output: last_output.to_owned(),
            command: Vec::new(),
            timeout: Duration::ZERO,
        };
        Container { health: Some(health), ..running() }
    }

    #[test]
    fn time_counts_while_the_engine_has_not_checked_yet_but_its_word_is_waited_for() {
        let mut judgement = Judgement::new(limits());
        let early = feed(&mut judgement, &checked(HealthStatus::Starting, ""), &[true; 4]);
        assert!(early.iter().all(|verdict| matches!(verdict, Verdict::Wait(_))), "{early:?}");
        let healthy = checked(HealthStatus::Healthy, "");
        let late = Duration::from_secs(4);
        let sample = Sample { container: Some(&healthy), probe: Some(Ok(())), check: None, at: late };
        assert_eq!(judgement.sample(&sample), Verdict::Healthy);
    }

    #[test]
    fn the_command_of_a_healthcheck_counts_until_the_engine_has_checked() {
        let starting = checked(HealthStatus::Starting, "");
        let check = |said: Result<(), &str>, second| Sample {
            container: Some(&starting),
            probe: None,
            check: Some(said.map_err(str::to_owned)),
            at: Duration::from_secs(second),
        };
        let mut judgement = Judgement::new(Limits { successes: 1, ..limits() });
        let refused = judgement.sample(&check(Err("refused"), 0));
        assert_eq!(refused, Verdict::Wait("its healthcheck has not passed yet: refused".to_owned()));
        assert!(matches!(judgement.sample(&check(Ok(()), 1)), Verdict::Wait(_)));
        assert_eq!(judgement.sample(&check(Ok(()), 3)), Verdict::Healthy);
        let unhealthy = checked(HealthStatus::Unhealthy, "no");
        let sample = Sample { container: Some(&unhealthy), ..check(Ok(()), 4) };
        assert!(matches!(judgement.sample(&sample), Verdict::Failed(_)), "the engine has the last word");
    }

    #[test]
    fn unhealthy_decides_at_once_unless_it_was_so_before() {
        let unhealthy = checked(HealthStatus::Unhealthy, "no");
        let mut judgement = Judgement::new(limits());
        assert!(matches!(feed(&mut judgement, &unhealthy, &[true])[0], Verdict::Wait(_)));
        feed(&mut judgement, &running(), &[true]);
        assert!(matches!(feed(&mut judgement, &unhealthy, &[true])[0], Verdict::Failed(_)));
    }

    #[test]
    fn a_restart_of_its_own_fails_unless_the_engine_itself_restarted() {
        let mut judgement = Judgement::new(limits());
        feed(&mut judgement, &running(), &[true]);
        let again = Container { started_at: "t1".to_owned(), restart_count: 1, ..running() };
        judgement.engine_restarted();
        assert!(matches!(feed(&mut judgement, &again, &[true])[0], Verdict::Wait(_)));
        let third = Container { started_at: "t2".to_owned(), restart_count: 2, ..running() };
        assert!(matches!(feed(&mut judgement, &third, &[true])[0], Verdict::Failed(_)));
    }

    #[test]
    fn whoever_was_restarted_by_somebody_is_judged_anew_but_not_for_ever() {
        let mut judgement = Judgement::new(limits());
        feed(&mut judgement, &running(), &[true, true]);
        let started = |time: u32| Container { started_at: format!("t{time}"), ..running() };
        let verdicts = feed(&mut judgement, &started(1), &[true, true, true]);
        assert!(matches!(verdicts[1], Verdict::Wait(_)), "{verdicts:?}");
        assert_eq!(verdicts[2], Verdict::Healthy);
        for time in 2..4 {
            let verdict = feed(&mut judgement, &started(time), &[true]);
            assert!(matches!(verdict[0], Verdict::Wait(_)), "{verdict:?}");
        }
        let last = feed(&mut judgement, &started(4), &[true]);
        assert_eq!(last[0], Verdict::Failed("it was restarted by somebody, 4 times".to_owned()));
    }

    #[test]
    fn an_exit_decides_once_it_lasts() {
        let exited = Container { state: State::Exited, exit_code: 137, ..running() };
        let mut judgement = Judgement::new(limits());
        feed(&mut judgement, &running(), &[true]);
        assert!(
            matches!(feed(&mut judgement, &exited, &[true])[0], Verdict::Wait(_)),
            "as in `docker restart`"
        );
        assert!(judgement.is_down());
        let started = Container { started_at: "t1".to_owned(), ..running() };
        assert_eq!(feed(&mut judgement, &started, &[true, true, true])[2], Verdict::Healthy);
        assert!(!judgement.is_down());
        let verdicts = feed(&mut judgement, &exited, &[true, true]);
        assert_eq!(verdicts[1], Verdict::Failed("it exited with code 137".to_owned()));
        let killed = Container { oom_killed: true, ..exited };
        let at_once = feed(&mut Judgement::new(limits()), &killed, &[true]);
        assert_eq!(
            at_once[0],
            Verdict::Failed("it exited with code 137, killed for want of memory".to_owned())
        );
    }

    #[test]
    fn what_has_not_begun_was_not_restarted_when_it_begins() {
        let mut judgement = Judgement::new(limits());
        let created = Container { state: State::Created, started_at: String::new(), ..running() };
        feed(&mut judgement, &created, &[false]);
        let verdicts = feed(&mut judgement, &running(), &[true, true, true]);
        assert_eq!(verdicts[2], Verdict::Healthy);
        assert_eq!(judgement.restarts, 0);
    }

    #[test]
    fn what_is_gone_is_nobodys_failure() {
        let gone = Sample { container: None, probe: None, check: None, at: Duration::ZERO };
        assert_eq!(Judgement::new(limits()).sample(&gone), Verdict::Gone);
        for state in [State::Removing, State::Dead] {
            let going = Container { state, ..running() };
            assert_eq!(feed(&mut Judgement::new(limits()), &going, &[true]), [Verdict::Gone]);
        }
    }
}
