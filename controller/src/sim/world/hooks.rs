//! Hooks of services: which have run in a container since it was started.

use evenkeel_core::compose::ServiceHook;
use evenkeel_core::observed::State;

use super::{Instance, World};

impl Instance {
    /// Somebody starts it: nothing has run in it since.
    pub(in crate::sim) fn begins(&mut self) {
        self.ran.clear();
        self.tried.clear();
    }

    /// A command has run in it.
    pub(in crate::sim) fn has_run(&mut self, command: &[String]) {
        let service = &self.spec.service;
        let mut hooks = service.post_start.iter().chain(&service.pre_stop);
        if hooks.any(|hook| hook.command == command) {
            self.ran.insert(command.to_vec());
        }
    }

    /// The first `post_start` that has not run in it since somebody started it.
    pub(in crate::sim) fn is_not_whole(&self) -> Option<&ServiceHook> {
        self.spec.service.post_start.iter().find(|hook| !self.ran.contains(&hook.command))
    }
}

impl World {
    /// What is stopped has been told before.
    pub(in crate::sim) fn is_told(&mut self, place: usize) {
        let it = &self.containers[place];
        let untold = it.spec.service.pre_stop.iter().find(|hook| !it.tried.contains(&hook.command));
        if let (State::Running, Some(hook)) = (it.seen.state, untold) {
            let fault =
                format!("{} is stopped without its pre_stop `{}`", it.seen.name, hook.command.join(" "));
            self.violations.insert(fault);
        }
    }
}
