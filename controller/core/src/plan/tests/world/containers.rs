//! Containers are made, begin, are proven and join.

use super::{Code, World};
use crate::compose::restarted_with;
use crate::container::{ContainerSpec, Endpoint, label};
use crate::limits::ResourceLimits;
use crate::name::{ContainerId, ImageId, RolloutId, ServiceName};
use crate::observed::{Container, Joined, State};
use crate::plan::{Role, Subject, backstage, told};
use crate::release::Release;
use crate::spec::{Making, serving_endpoints};

impl World {
    pub(super) fn create(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subject: &Subject,
        role: Role,
    ) -> Result<(), String> {
        if let Some(place) = self.find(subject, rollout) {
            let there = &self.observed.containers[place];
            if there.label(label::ROLE) == Some(role.as_str())
                && there.label(label::RELEASE) == Some(release.digest.short())
            {
                return Ok(());
            }
        }
        if let Some(place) = self.observed.containers.iter().position(|it| it.name == subject.name) {
            let there = &self.observed.containers[place];
            if there.label(label::APP) != Some(release.app.as_str()) || there.running() {
                return Err(format!("the name {} is taken", subject.name));
            }
            self.observed.containers.remove(place);
        }
        let outputs = self.outputs(release);
        let image = outputs.images.get(&subject.service).ok_or("no image")?;
        let making = Making {
            release,
            service: &subject.service,
            image,
            rollout,
            peers: &self.observed.containers,
            serving: &self.books.serving,
            files: "/files",
            backstage: self.observed.networks.contains_key(&backstage(&release.project.name)),
        };
        let spec = making.container(&subject.name, role);
        self.made += 1;
        let container = container(&spec, self.made);
        self.books.known.insert(container.id.clone());
        self.observed.containers.push(container);
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subject: &Subject,
    ) -> Result<(), String> {
        let one_shot = release.project.services.get(&subject.service).is_some_and(|service| service.one_shot);
        let container = self.get(subject, rollout)?;
        container.state = if one_shot { State::Exited } else { State::Running };
        let private = [Role::Successor, Role::StandIn]
            .iter()
            .any(|role| container.label(label::ROLE) == Some(role.as_str()));
        let id = container.id.clone();
        self.begins(&subject.service, &id);
        if !private || self.books.serving.get(&subject.service) == Some(&id) {
            self.serves_anew(release, &subject.service);
            if self.books.serving.get(&subject.service) != Some(&id) {
                self.books.untold = told(release);
            }
            self.books.serving.insert(subject.service.clone(), id);
        }
        Ok(())
    }

    pub(super) fn prove(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subjects: &[Subject],
    ) -> Result<(), String> {
        for subject in subjects {
            let one_shot =
                release.project.services.get(&subject.service).is_some_and(|service| service.one_shot);
            let container = self.get(subject, rollout)?.clone();
            if !container.running() && !one_shot {
                return Err(format!("{} does not run", subject.name));
            }
            if self.has_hooks(&subject.service, &container.id) && !self.hooked.contains(&container.id) {
                return Err(format!("{} is to be proven before its hooks have run", subject.name));
            }
            let needed = release
                .project
                .services
                .get(&subject.service)
                .into_iter()
                .flat_map(|it| it.depends_on.keys());
            for needed in needed {
                let one_shot = release.project.services.get(needed).is_some_and(|service| service.one_shot);
                if !one_shot && !self.of(needed).any(Container::running) {
                    return Err(format!("{} needs {needed}, which does not run", subject.name));
                }
                // What is stopped and started finds what takes over only once it has.
                let is_led = container.networks.values().any(|joined| !joined.links.is_empty());
                if !one_shot && is_led && self.found(&container, needed.base()).next().is_none() {
                    return Err(format!("{} finds nobody under the name {needed}", subject.name));
                }
            }
            let (is_database, code) =
                (Some(&subject.service) == release.database_service(), self.code_of(&container));
            let works = |(of, code): (&Release, &Code)| !code.broken && self.runs_on_schema(of, code);
            if !is_database && code.is_some_and(|code| !works(code)) {
                return Err(format!("{} does not work", subject.name));
            }
        }
        Ok(())
    }

    pub(super) fn join(
        &mut self,
        release: &Release,
        rollout: RolloutId,
        subject: &Subject,
        role: Role,
        reverting: bool,
    ) -> Result<(), String> {
        let service = release.project.services.get(&subject.service).ok_or("no such service")?;
        if role == Role::Successor && !reverting {
            self.notes.taken_over = true;
        }
        let endpoints = serving_endpoints(release, &subject.service, service);
        let container = self.get(subject, rollout)?;
        for endpoint in endpoints {
            container.networks.insert(endpoint.network.clone(), joined(&endpoint));
        }
        if role == Role::Successor {
            let id = container.id.clone();
            if self.books.serving.get(&subject.service) != Some(&id) {
                self.serves_anew(release, &subject.service);
                self.books.untold = told(release);
            }
            self.books.serving.insert(subject.service.clone(), id);
        }
        Ok(())
    }

    /// It has been started: its hooks are due.
    pub(super) fn begins(&mut self, service: &ServiceName, id: &ContainerId) {
        self.hooked.remove(id);
        if self.has_hooks(service, id) {
            self.books.post_start_due.insert(id.clone());
        }
    }

    /// Whether a container was made to have hooks.
    pub(in crate::plan::tests) fn has_hooks(&self, service: &ServiceName, id: &ContainerId) -> bool {
        let container = self.observed.containers.iter().find(|it| it.id == *id);
        let config = container.and_then(|it| it.label(label::CONFIG));
        let of = self.releases.iter().find(|release| Some(release.config(service)) == config);
        of.and_then(|release| release.project.services.get(service))
            .is_some_and(|it| !it.post_start.is_empty())
    }

    pub(super) fn serves_anew(&mut self, release: &Release, service: &ServiceName) {
        self.books.due.remove(service);
        if self.books.serving.contains_key(service) {
            self.books.due.extend(restarted_with(&release.project, service).cloned());
        }
    }
}

fn joined(endpoint: &Endpoint) -> Joined {
    let (aliases, links) = (endpoint.aliases.clone(), endpoint.links.clone());
    Joined { aliases, links, ..Joined::default() }
}

/// What the engine makes of a specification.
fn container(spec: &ContainerSpec, number: u32) -> Container {
    let ports = spec.service.ports.iter().filter(|_| spec.publish);
    let bindings = ports.map(|port| {
        let published = port.published.map(|port| port.to_string()).unwrap_or_default();
        (format!("{}/{}", port.target, port.protocol), String::new(), published)
    });
    let mounts = spec.binds.iter().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target, options) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        Some((source.to_owned(), target.to_owned(), !options.split(',').any(|option| option == "ro")))
    });
    Container {
        id: ContainerId::new(format!("{number:012}{}", "0".repeat(52))),
        name: spec.name.clone(),
        image: spec.image.clone(),
        image_id: ImageId::new(spec.image.clone()),
        labels: spec.labels.clone(),
        state: State::Created,
        health: None,
        created_at: String::new(),
        started_at: String::new(),
        restart_count: 0,
        restart: spec.restart,
        networks: spec
            .endpoints
            .iter()
            .map(|endpoint| (endpoint.network.clone(), joined(endpoint)))
            .collect(),
        port_bindings: bindings.collect(),
        bound_ports: Vec::new(),
        limits: ResourceLimits::asked(&spec.service),
        mounts: mounts.collect(),
        environment: Vec::new(),
        exit_code: 0,
        error: String::new(),
        oom_killed: false,
    }
}
