//! Containers begin, end, begin again, go.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::label;
use evenkeel_core::name::{ContainerId, ImageId};
use evenkeel_core::observed::{HealthStatus, Joined, State};
use evenkeel_core::release::Release;

use super::{STEP, Tool, World};
use crate::sim::cluster::Backend;

/// The first pause before a process that ended is started again; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(100);

impl World {
    /// Starts a container; the engine's words when it cannot, which it notes down.
    pub(in crate::sim) fn start(&mut self, place: usize) -> Result<(), String> {
        match self.containers[place].seen.state {
            State::Running => return Ok(()),
            State::Paused => return Err("it is paused".to_owned()),
            _ => {}
        }
        self.containers[place].seen.restart_count = 0;
        self.launch(place)
    }

    fn launch(&mut self, place: usize) -> Result<(), String> {
        if let Some(obstacle) = self.obstacle(place) {
            let seen = &mut self.containers[place].seen;
            seen.error.clone_from(&obstacle);
            if seen.exit_code == 0 {
                seen.exit_code = 128;
            }
            return Err(obstacle);
        }
        self.busy();
        let clock = self.clock;
        let number = self.number();
        let instance = &mut self.containers[place];
        instance.seen.state = State::Running;
        instance.seen.started_at = format!("start-{number}");
        (instance.seen.exit_code, instance.seen.error) = (0, String::new());
        instance.since = Some(clock);
        (instance.stopped, instance.damaged) = (false, false);
        (instance.again_at, instance.tool, instance.saw) = (None, Tool::Idle, None);
        for name in self.containers[place].seen.networks.keys().cloned().collect::<Vec<_>>() {
            self.give_address(place, &name);
        }
        if self.is_checked(place) {
            self.show_health(place, HealthStatus::Starting);
        }
        self.bind(place);
        self.check();
        Ok(())
    }

    /// What a start fails over.
    fn obstacle(&self, place: usize) -> Option<String> {
        let it = &self.containers[place];
        let is_stale = |(name, joined): &(&String, &Joined)| {
            self.networks.get(*name).is_none_or(|network| network.id != joined.network_id)
        };
        if let Some((name, _)) = it.seen.networks.iter().find(is_stale) {
            return Some(format!("network {name} not found"));
        }
        if it.endpoints.values().any(|endpoint| self.is_taken(place, endpoint)) {
            return Some("Address already in use".to_owned());
        }
        let port = self.taken_port(place, None)?;
        Some(format!("Bind for 0.0.0.0:{port} failed: port is already allocated"))
    }

    /// Ends a container that runs; what it was doing on a database goes on for a while.
    pub(in crate::sim) fn end(&mut self, place: usize, exit_code: i64) {
        self.busy();
        let instance = &mut self.containers[place];
        instance.seen.state = State::Exited;
        instance.seen.exit_code = exit_code;
        instance.seen.bound_ports.clear();
        instance.seen.networks.values_mut().for_each(|joined| joined.ip_address.clear());
        (instance.since, instance.reachable_since) = (None, None);
        let id = instance.seen.id.clone();
        let torn = std::mem::take(&mut instance.torn);
        for endpoint in torn.values() {
            // It is known to be there: whoever lost a network by this name cannot start.
            let _ = self.join(place, endpoint);
        }
        if self.is_checked(place) {
            self.show_health(place, HealthStatus::Unhealthy);
        }
        self.hang_up(&id);
        self.locks.retain(|(server, _), _| *server != id);
        let until = self.clock + Duration::from_secs(3);
        for backend in self.backends.iter_mut().filter(|backend| backend.client == id) {
            backend.orphaned = true;
            backend.done_at = backend.done_at.max(until);
        }
    }

    /// A server has ended: those who were connected notice.
    fn hang_up(&mut self, server: &ContainerId) {
        let ends = self.clock + STEP;
        let (lost, rest): (Vec<Backend>, Vec<Backend>) =
            std::mem::take(&mut self.backends).into_iter().partition(|backend| backend.server == *server);
        self.backends = rest;
        for backend in lost {
            if let Some(client) = self.position(backend.client.as_str()) {
                self.containers[client].tool = Tool::Ends(ends, 1);
            }
        }
    }

    /// A process ends by itself: the engine starts it again where its policy says so.
    pub(in crate::sim) fn end_by_itself(&mut self, place: usize, exit_code: i64) {
        self.end(place, exit_code);
        let clock = self.clock;
        let it = &mut self.containers[place];
        let tried = it.seen.restart_count;
        let comes_back = match it.seen.restart {
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure(most) => exit_code != 0 && (most == 0 || tried < most),
            RestartPolicy::No => false,
        };
        if comes_back {
            it.seen.state = State::Restarting;
            it.again_at = Some(clock + PAUSE * (1 << tried.clamp(0, 9)));
        }
    }

    pub(super) fn come_back(&mut self, place: usize) {
        let it = &mut self.containers[place];
        if it.again_at.take_if(|at| *at <= self.clock).is_some() {
            it.seen.restart_count += 1;
            if self.launch(place).is_err() {
                self.containers[place].seen.state = State::Exited;
            }
        }
    }

    pub(in crate::sim) fn stop(&mut self, place: usize) {
        if self.containers[place].since.is_some() {
            self.end(place, 137);
        }
        let it = &mut self.containers[place];
        if it.seen.state == State::Restarting {
            it.seen.state = State::Exited;
        }
        (it.stopped, it.again_at) = (true, None);
    }

    pub(in crate::sim) fn remove(&mut self, place: usize) {
        if self.containers[place].since.is_some() {
            self.end(place, 137);
        }
        self.containers.remove(place);
        self.check();
    }

    /// The host loses power and comes back: the engine starts what its policy says.
    pub(in crate::sim) fn reboot(&mut self) {
        self.down_and_up(Duration::from_secs(20));
    }

    /// The engine goes down with all its containers, and comes back.
    pub(in crate::sim) fn restart_engine(&mut self) {
        self.down_and_up(Duration::ZERO);
    }

    fn down_and_up(&mut self, after: Duration) {
        self.backends.clear();
        self.locks.clear();
        for place in 0..self.containers.len() {
            if self.containers[place].since.is_some() {
                self.end(place, 255);
            }
        }
        self.backends.clear();
        self.clock += after;
        for place in 0..self.containers.len() {
            let it = &mut self.containers[place];
            if it.again_at.take().is_some() {
                it.seen.state = State::Exited;
            }
            let comes_back = match it.seen.restart {
                RestartPolicy::Always => true,
                RestartPolicy::UnlessStopped => !it.stopped,
                RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
            };
            if comes_back && it.seen.state == State::Exited {
                // What is in the way is noted down with it.
                let _ = self.start(place);
            }
        }
    }

    /// Takes away all that tells of evenkeel: what is left, Compose could have made. Its own build has another id than evenkeel's, and
    /// its digest, which has that in it, is another.
    pub(in crate::sim) fn as_compose_made_it(&mut self, release: &Release) {
        self.build_as_compose(release);
        self.tags.retain(|tag, _| !tag.starts_with("evenkeel/"));
        self.owners.clear();
        self.networks.retain(|name, _| !name.ends_with("_backstage"));
        for it in &mut self.containers {
            it.seen.labels.retain(|name, _| !name.starts_with("evenkeel."));
            it.seen.networks.retain(|name, _| !name.ends_with("_backstage"));
            it.endpoints.retain(|name, _| !name.ends_with("_backstage"));
            if it.seen.image.starts_with("evenkeel/") {
                "shop-api".clone_into(&mut it.seen.image);
            }
            for (source, ..) in it.seen.mounts.iter_mut().filter(|(source, ..)| source.starts_with('/')) {
                "/srv/shop/app.ini".clone_into(source);
            }
        }
    }

    fn build_as_compose(&mut self, release: &Release) {
        let built: BTreeSet<ImageId> = self
            .tags
            .iter()
            .filter(|(tag, _)| tag.starts_with("evenkeel/"))
            .map(|(_, id)| id.clone())
            .collect();
        let turned =
            |id: &ImageId| id.as_str().trim_start_matches("sha256:").chars().rev().collect::<String>();
        let theirs = |id: &ImageId| ImageId::new(format!("sha256:{}", turned(id)));
        for id in &built {
            let program = self.images.get(id).cloned();
            self.images.extend(program.map(|program| (theirs(id), program)));
        }
        self.tags.values_mut().filter(|id| built.contains(&**id)).for_each(|id| *id = theirs(id));
        for it in self.containers.iter_mut().filter(|it| built.contains(&it.seen.image_id)) {
            it.seen.image_id = theirs(&it.seen.image_id);
            let classic = it.seen.service().and_then(|name| release.project.classic.get(&name));
            let hash = classic.and_then(|classic| classic.hash(&it.seen.image_id));
            it.seen.labels.extend(hash.map(|hash| (label::COMPOSE_CONFIG_HASH.to_owned(), hash)));
        }
        self.images.retain(|id, _| !built.contains(id));
    }
}
