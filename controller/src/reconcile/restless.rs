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
    /// The image that it is for, with whoever else needs it.
    pub(super) image: Option<String>,
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
        let tried = tried(plan);
        let waits = tried.iter().filter_map(|it| Some((it, self.repaired.get(&it.name)?.until(now)?)));
        let mut held: Vec<Held> = waits.filter_map(|(it, until)| self.held(it, until)).collect();
        let alone = self.one_by_one(&tried, &held, now);
        let next = now.checked_add(FIRST).unwrap_or(now);
        held.extend(
            tried.iter().filter(|it| alone.contains(&it.service)).filter_map(|it| self.held(it, next)),
        );
        held
    }

    fn held(&self, tried: &Tried, until: Timestamp) -> Option<Held> {
        let Tried { service, name, is_image, how } = tried;
        let times = self.repaired.get(name)?.times;
        let message = format!("{how} {times} times within ten minutes; it is tried again at {until:.0}");
        let drift = Drift { kind: Kind::CrashLoop, subject: name.clone(), message };
        Some(Held { service: service.clone(), image: is_image.then(|| name.clone()), drift, until })
    }

    /// The services that wait for another one's turn: what has failed together may have failed for one of them alone, so that each gets a
    /// rollout of its own, after those that have not failed.
    fn one_by_one(&self, tried: &[Tried], held: &[Held], now: Timestamp) -> BTreeSet<ServiceName> {
        let mut suspects: BTreeMap<&ServiceName, Timestamp> = BTreeMap::new();
        let mut others = false;
        for it in tried.iter().filter(|it| !held.iter().any(|held| held.service == it.service)) {
            match self.repaired.get(&it.name).filter(|streak| Streak::of(Some(streak), now) >= FREE) {
                Some(streak) => {
                    suspects
                        .entry(&it.service)
                        .and_modify(|last| *last = streak.last.max(*last))
                        .or_insert(streak.last);
                }
                None => others = true,
            }
        }
        let turn = suspects.iter().min_by_key(|(_, last)| **last).map(|(service, _)| *service);
        let turn = turn.filter(|_| !others);
        suspects.into_keys().filter(|service| Some(*service) != turn).cloned().collect()
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
    is_image: bool,
    how: &'static str,
}

fn tried(plan: &Plan) -> Vec<Tried> {
    let steps = plan.steps.iter().filter_map(|step| match &step.effect {
        Effect::Start { container } | Effect::Restart { container, .. } if container.id.is_some() => {
            Some((&container.service, container.name.as_str(), false, "it was started"))
        }
        Effect::Create { container, role: Role::Successor | Role::Replacement } => {
            // The plan was made before the rollout had its number.
            let name = container.name.strip_suffix("-r0").unwrap_or(&container.name);
            Some((&container.service, name, false, "it was made anew"))
        }
        Effect::Build { service, image: name } | Effect::Pull { service, reference: name } => {
            Some((service, name.as_str(), true, "it was asked for"))
        }
        _ => None,
    });
    let tried = |(service, name, is_image, how): (&ServiceName, &str, bool, &'static str)| Tried {
        service: service.clone(),
        name: name.to_owned(),
        is_image,
        how,
    };
    steps.map(tried).collect()
}

#[cfg(test)]
mod tests {
    use evenkeel_core::name::ServiceName;
    use evenkeel_core::plan::{Stage, Step, Strategy, Subject};

    use super::*;

    fn start() -> Plan {
        start_of("api")
    }

    fn start_of(service: &str) -> Plan {
        let container = Subject {
            service: ServiceName::new(service),
            name: format!("shop-{service}-1"),
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

    fn waiting(restless: &Restless, plan: &Plan, second: i64) -> Vec<String> {
        let held = restless.hold_off(plan, at(second)).into_iter();
        held.map(|held| held.service.to_string()).collect()
    }

    #[test]
    fn what_failed_together_is_tried_one_by_one() {
        let of = |services: &[&str]| {
            let mut plan = Plan::nothing();
            plan.steps = services.iter().flat_map(|service| start_of(service).steps).collect();
            plan
        };
        let (mut restless, both) = (Restless::default(), of(&["api", "web"]));
        for second in [0, 1] {
            assert!(waiting(&restless, &both, second).is_empty());
            restless.repaired(&both, at(second));
        }
        assert_eq!(waiting(&restless, &both, 2), ["api", "web"], "neither yet");
        assert_eq!(waiting(&restless, &both, 6), ["web"]);
        restless.repaired(&of(&["api"]), at(6));
        assert_eq!(waiting(&restless, &both, 7), ["api"], "it is the other's turn, and that alone");
        assert_eq!(
            waiting(&restless, &of(&["api", "cache"]), 60),
            ["api"],
            "what has not failed comes first"
        );
    }

    #[test]
    fn what_the_engine_restarts_is_told_from_its_count() {
        let mut container: Container = serde_json::from_value(serde_json::json!({
            "id": "f00", "name": "shop-api-1", "image": "", "image_id": "", "labels": {}, "state": "running", "health": null,
            "created_at": "", "started_at": "", "restart_count": 7, "restart": "always", "networks": {}, "port_bindings": [],
            "bound_ports": [], "mounts": [], "environment": [], "exit_code": 1, "error": "",
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
