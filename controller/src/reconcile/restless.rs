//! Containers that begin again and again.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::name::{ContainerId, ServiceName};
use evenkeel_core::observed::Container;
use evenkeel_core::plan::drift::{Drift, Kind};
use evenkeel_core::plan::{Effect, Plan, Role};
use jiff::{SignedDuration, Timestamp};

/// What has not begun anew for so long runs.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// A container may begin anew so often without being called restless.
const FREE: u32 = 2;
/// The wait before the next time; each is twice the one before.
const FIRST: SignedDuration = SignedDuration::from_secs(5);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// How often containers have begun anew lately.
#[derive(Default)]
pub(super) struct Restless {
    /// By evenkeel, or not even that: by name.
    repaired: BTreeMap<String, Streak>,
    /// By the engine's restart policy.
    restarted: BTreeMap<ContainerId, Streak>,
    /// The engine's own counts, as they were last seen.
    counts: BTreeMap<ContainerId, i64>,
}

#[derive(Clone, Copy)]
struct Streak {
    times: u32,
    last: Timestamp,
}

/// Why a service is left alone, and until when.
pub(super) struct Held {
    pub(super) service: ServiceName,
    pub(super) drift: Drift,
    pub(super) until: Timestamp,
}

impl Streak {
    fn of(streak: Option<&Self>, now: Timestamp) -> u32 {
        streak.filter(|it| now.duration_since(it.last).abs() < QUIET).map_or(0, |it| it.times)
    }

    /// A clock that was set back holds nothing.
    fn until(self, now: Timestamp) -> Option<Timestamp> {
        let times = Self::of(Some(&self), now).checked_sub(FREE)?;
        let wait = FIRST.saturating_mul(1 << times.min(10)).min(LONGEST);
        let until = self.last.checked_add(wait).ok()?;
        (self.last <= now && now < until).then_some(until)
    }
}

impl Restless {
    /// The services that a repair would start, or make, once too often.
    pub(super) fn hold_off(&self, plan: &Plan, now: Timestamp) -> Vec<Held> {
        let held = tried(plan).into_iter().filter_map(|Tried { service, name, how }| {
            let streak = self.repaired.get(&name)?;
            let (times, until) = (streak.times, streak.until(now)?);
            let message = format!("{how} {times} times within ten minutes; it is tried again at {until:.0}");
            Some(Held { service, drift: Drift { kind: Kind::CrashLoop, subject: name, message }, until })
        });
        held.collect()
    }

    /// A repair begins.
    pub(super) fn repaired(&mut self, plan: &Plan, now: Timestamp) {
        let names: BTreeSet<String> = tried(plan).into_iter().map(|tried| tried.name).collect();
        for name in names {
            let times = Streak::of(self.repaired.get(&name), now) + 1;
            self.repaired.insert(name, Streak { times, last: now });
        }
    }

    /// What the engine has started again too often, by its own count.
    pub(super) fn looping(&mut self, containers: &[Container], now: Timestamp) -> Vec<Drift> {
        self.counts.retain(|id, _| containers.iter().any(|it| it.id == *id));
        self.restarted.retain(|id, _| containers.iter().any(|it| it.id == *id));
        let mut loops = Vec::new();
        for it in containers {
            let before = self.counts.insert(it.id.clone(), it.restart_count).unwrap_or(it.restart_count);
            let more = u32::try_from(it.restart_count - before).unwrap_or(0);
            if more > 0 {
                let times = Streak::of(self.restarted.get(&it.id), now).saturating_add(more);
                self.restarted.insert(it.id.clone(), Streak { times, last: now });
            }
            let times = Streak::of(self.restarted.get(&it.id), now);
            if times > FREE {
                let message =
                    format!("its restart policy has started it {times} times (exit code {})", it.exit_code);
                loops.push(Drift { kind: Kind::CrashLoop, subject: it.name.clone(), message });
            }
        }
        loops
    }
}

/// What a plan has a service do that it may have done too often.
struct Tried {
    service: ServiceName,
    /// The container, as it is called while it serves; or the image.
    name: String,
    how: &'static str,
}

fn tried(plan: &Plan) -> Vec<Tried> {
    let steps = plan.steps.iter().filter_map(|step| match &step.effect {
        Effect::Start { container } | Effect::Restart { container, .. } if container.id.is_some() => {
            Some((&container.service, container.name.as_str(), "it was started"))
        }
        Effect::Create { container, role: Role::Successor | Role::Replacement } => {
            // The plan was made before the rollout had its number.
            let name = container.name.strip_suffix("-r0").unwrap_or(&container.name);
            Some((&container.service, name, "it was made anew"))
        }
        Effect::Build { service, image: name } | Effect::Pull { service, reference: name } => {
            Some((service, name.as_str(), "it was asked for"))
        }
        _ => None,
    });
    steps.map(|(service, name, how)| Tried { service: service.clone(), name: name.to_owned(), how }).collect()
}

#[cfg(test)]
mod tests {
    use evenkeel_core::name::ServiceName;
    use evenkeel_core::plan::{Stage, Step, Strategy, Subject};

    use super::*;

    fn start() -> Plan {
        let container = Subject {
            service: ServiceName::new("api"),
            name: "shop-api-1".to_owned(),
            id: Some(ContainerId::new("f00")),
        };
        let step = Step { effect: Effect::Start { container }, why: String::new() };
        Plan {
            stage: Stage::Deploy,
            strategy: Strategy::None,
            steps: vec![step],
            gaps: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn two_starts_are_free_and_each_wait_after_them_is_twice_the_one_before() {
        let (mut restless, plan) = (Restless::default(), start());
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..9 {
            let until = restless.hold_off(&plan, at(now)).first().map_or(at(now), |held| held.until);
            let wait = until.as_second() - at(now).as_second();
            waits.push(wait);
            now += wait;
            assert!(restless.hold_off(&plan, at(now)).is_empty());
            restless.repaired(&plan, at(now));
        }
        assert_eq!(waits, [0, 0, 5, 10, 20, 40, 80, 160, 300]);
        assert!(restless.hold_off(&plan, at(now + 601)).is_empty(), "what has run for long is forgotten");
        assert!(restless.hold_off(&plan, at(now - 60)).is_empty(), "the clock was set back");
    }

    #[test]
    fn what_the_engine_restarts_is_told_from_its_count() {
        let mut container: Container = serde_json::from_value(serde_json::json!({
            "id": "f00", "name": "shop-api-1", "image": "", "image_id": "", "labels": {}, "state": "running", "health": null,
            "created_at": "", "started_at": "", "restart_count": 7, "restart": "always", "networks": {}, "port_bindings": [],
            "bound_ports": [], "memory": 0, "nano_cpus": 0, "mounts": [], "environment": [], "exit_code": 1, "error": "",
            "oom_killed": false
        }))
        .unwrap();
        let mut restless = Restless::default();
        assert_eq!(
            restless.looping(std::slice::from_ref(&container), at(0)),
            [],
            "nobody knows when that was"
        );
        container.restart_count = 9;
        assert_eq!(restless.looping(std::slice::from_ref(&container), at(10)), []);
        container.restart_count = 10;
        let told = restless.looping(std::slice::from_ref(&container), at(20));
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].to_string(),
            "crash-loop shop-api-1: its restart policy has started it 3 times (exit code 1)"
        );
        assert_eq!(restless.looping(std::slice::from_ref(&container), at(700)), []);
    }
}
