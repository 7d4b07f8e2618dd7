//! Time passes: what comes back, lives, and is found healthy.

use std::time::Duration;

use evenkeel_core::observed::{Health, HealthStatus};

use super::{ANSWERS, STEP, World};
use crate::sim::code::{Fault, Program};

/// How long a healthcheck takes to pass.
const HEALTHY: Duration = Duration::from_secs(1);
/// How long after a start or a stop something may still be going on.
const BUSY: Duration = Duration::from_secs(15);

impl World {
    pub(in crate::sim) fn busy(&mut self) {
        self.busy_until = self.busy_until.max(self.clock + BUSY);
    }

    /// Lets time pass.
    pub(in crate::sim) fn advance(&mut self, now: Duration) {
        while self.clock < now {
            let step = if self.clock < self.busy_until { STEP } else { now - self.clock };
            self.clock = (self.clock + step).min(now);
            self.pass();
        }
    }

    fn pass(&mut self) {
        for place in 0..self.containers.len() {
            self.live(place);
        }
        self.sessions();
        self.users();
        self.check();
    }

    fn live(&mut self, place: usize) {
        self.come_back(place);
        let Some(since) = self.containers[place].since else { return };
        let age = self.clock.saturating_sub(since);
        if self.is_checked(place) && age >= HEALTHY {
            let damaged = self.containers[place].damaged;
            self.show_health(place, if damaged { HealthStatus::Unhealthy } else { HealthStatus::Healthy });
        }
        let Some(Program::App(code)) = self.program(&self.containers[place]).cloned() else { return };
        if self.is_tool(place) {
            return self.migrate(place, &code, age);
        }
        if code.fault == Fault::Start && age >= Duration::from_millis(250) {
            self.end_by_itself(place, 1);
        } else if age >= ANSWERS && self.containers[place].saw.is_none() {
            let applied = self.database_of(place).map(|(_, database)| database.applied.clone());
            self.containers[place].saw = applied;
        }
    }

    pub(super) fn is_checked(&self, place: usize) -> bool {
        let check = self.containers[place].spec.service.healthcheck.as_ref();
        check.is_some_and(|check| check.test.first().is_some_and(|word| word != "NONE"))
    }

    pub(super) fn show_health(&mut self, place: usize, status: HealthStatus) {
        self.containers[place].seen.health = Some(Health {
            status,
            failing_streak: 0,
            last_output: String::new(),
            command: Vec::new(),
            timeout: Duration::ZERO,
        });
    }
}
