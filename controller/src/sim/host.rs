//! The engine of the simulated host.

use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::compose::{Port, RestartPolicy};
use evenkeel_core::container::{ContainerSpec, Endpoint, label};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId, ProjectName};
use evenkeel_core::observed::{Container, Image, NetworkState, State};
use evenkeel_core::tags::registry;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::sleep;

use super::code::{Code, Fault, Program};
use super::machine::{Machine, Trouble};
use super::world::{Instance, World, tagged};
use crate::engine::{
    BuildRequest, Engine, EngineError, EngineEvent, EngineInfo, Exec, ExecOutcome, LogLine, NetworkSpec,
    Owner, Progress, VolumeSpec,
};

/// An engine that does not do what it is asked for, whatever that is.
fn trouble(action: &str, trouble: Trouble) -> EngineError {
    let action = action.to_owned();
    match trouble {
        Trouble::Unreachable => EngineError::Unreachable {
            endpoint: "unix:///simulated".to_owned(),
            reason: "connection reset".to_owned(),
        },
        Trouble::TimedOut => EngineError::Timeout { action, after: Duration::from_secs(60) },
        Trouble::NoSpace => {
            EngineError::NoSpace { action, reason: "write /var/lib: no space left on device".to_owned() }
        }
    }
}

fn refused(action: String, reason: impl Into<String>) -> EngineError {
    let reason = reason.into();
    EngineError::Refused { action, status: status(&reason), reason }
}

/// The status with which the engine says this.
fn status(reason: &str) -> u16 {
    let known = [
        ("no such", 404),
        ("not found", 404),
        ("already allocated", 500),
        ("failed to add an interface", 500),
        ("Address already in use", 403),
        ("same name", 400),
        ("cannot be connected", 400),
        ("only a new container", 400),
    ];
    known.into_iter().find(|(words, _)| reason.contains(words)).map_or(409, |(_, status)| status)
}

impl Machine {
    async fn change<T>(
        &self,
        action: String,
        change: impl FnOnce(&mut World) -> Result<T, String>,
    ) -> Result<T, EngineError> {
        let (what, asked) = (action.clone(), action.clone());
        let trouble = |how| trouble(&asked, how);
        self.act(what, trouble, |world| change(world).map_err(|reason| refused(action, reason))).await
    }

    /// Something that the engine is asked.
    fn ask<T>(&self, what: &str, read: impl FnOnce(&mut World) -> T) -> Result<T, EngineError> {
        self.read(what, |how| trouble(what, how), read)
    }

    /// A change that the engine may make when nobody waits for it any more.
    async fn later<T>(
        &self,
        action: String,
        change: impl FnOnce(&mut World) -> Result<T, String> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (what, asked) = (action.clone(), action.clone());
        let trouble = |how| trouble(&asked, how);
        let change = |world: &mut World| change(world).map_err(|reason| refused(action, reason));
        self.request(what, trouble, change).await
    }

    /// A change of a container that has to be there.
    async fn on<T>(
        &self,
        verb: &str,
        id: &str,
        change: impl FnOnce(&mut World, usize) -> Result<T, String> + Send + 'static,
    ) -> Result<T, EngineError> {
        let name = self.look(|world| world.find(id).map(|it| it.seen.name.clone()));
        let action = format!("{verb} container {}", name.as_deref().unwrap_or(id));
        let id = id.to_owned();
        self.later(action, move |world| {
            let place = world.position(&id).ok_or("no such container")?;
            change(world, place)
        })
        .await
    }

    /// The same, where a container that is gone is no error.
    async fn gone_is_fine(
        &self,
        verb: &str,
        id: &str,
        change: impl FnOnce(&mut World, usize) -> Result<(), String> + Send + 'static,
    ) -> Result<(), EngineError> {
        if self.look(|world| world.position(id)).is_none() {
            return Ok(());
        }
        self.on(verb, id, change).await
    }
}

#[async_trait]
impl Engine for Machine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Ok(EngineInfo {
            id: "simulated".to_owned(),
            version: "29.0.0".to_owned(),
            api_version: "1.52".to_owned(),
            buildkit: true,
        })
    }

    async fn containers(&self, project: &ProjectName) -> Result<Vec<Container>, EngineError> {
        let of = |it: &&Instance| it.seen.label(label::COMPOSE_PROJECT) == Some(project.as_str());
        self.ask("list containers", |world| {
            world.containers.iter().filter(of).map(|it| it.seen.clone()).collect()
        })
    }

    async fn container(&self, id_or_name: &str) -> Result<Option<Container>, EngineError> {
        self.ask("inspect a container", |world| world.find(id_or_name).map(|it| it.seen.clone()))
    }

    async fn port_holder(&self, port: &Port) -> Result<Option<(String, Option<String>)>, EngineError> {
        let published = port.published.map(|port| port.to_string()).unwrap_or_default();
        let holds = |it: &&Instance| {
            it.seen.bound_ports.iter().any(|(own, address, bound)| {
                *bound == published && own.ends_with(&port.protocol) && port.on(address)
            })
        };
        let introduce =
            |it: &Instance| (it.seen.name.clone(), it.seen.label(label::COMPOSE_PROJECT).map(str::to_owned));
        self.ask("list containers", |world| world.containers.iter().find(holds).map(introduce))
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let (making, action) = (spec.clone(), format!("create container {}", spec.name));
        if self.look(|world| world.is_full) {
            return Err(trouble(&action, Trouble::NoSpace));
        }
        let id = self.later(action, move |world| world.create(&making)).await?;
        for endpoint in spec.endpoints.iter().skip(1) {
            if let Err(error) = self.connect(id.as_str(), endpoint).await {
                self.remove(id.as_str(), true).await?;
                return Err(error);
            }
        }
        Ok(id)
    }

    async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.on("start", id, |world, place| {
            if world.containers[place].since.is_none() {
                world.containers[place].begins();
            }
            world.start(place)
        })
        .await
    }

    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        self.gone_is_fine("stop", id, move |world, place| {
            if grace.is_none() {
                world.is_told(place);
            }
            world.stop(place);
            Ok(())
        })
        .await
    }

    async fn unpause(&self, id: &str) -> Result<(), EngineError> {
        self.on("unpause", id, |world, place| {
            let state = &mut world.containers[place].seen.state;
            if *state == State::Paused {
                *state = State::Running;
            }
            Ok(())
        })
        .await
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let to = name.to_owned();
        self.on(&format!("rename to {name}"), id, move |world, place| {
            if world.containers[place].seen.name == to {
                return Err("it has the same name already".to_owned());
            }
            if world.find(&to).is_some() {
                return Err("the name is in use".to_owned());
            }
            world.containers[place].seen.name = to;
            Ok(())
        })
        .await
    }

    async fn set_restart(&self, id: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        self.on("set the restart policy of", id, move |world, place| {
            world.containers[place].seen.restart = policy;
            Ok(())
        })
        .await
    }

    async fn set_limits(&self, id: &str, limits: &ResourceLimits) -> Result<(), EngineError> {
        let limits = limits.clone();
        self.on("set the limits of", id, move |world, place| {
            let seen = &mut world.containers[place].seen;
            if limits.only_a_new_one(&seen.limits) {
                return Err("only a new container is without the limit that this one has".to_owned());
            }
            seen.limits = limits.clone();
            Ok(())
        })
        .await
    }

    async fn remove(&self, id: &str, _anonymous_volumes: bool) -> Result<(), EngineError> {
        self.gone_is_fine("remove", id, |world, place| {
            world.remove(place);
            Ok(())
        })
        .await
    }

    async fn withdraw(&self, id: &str) -> Result<(), EngineError> {
        self.gone_is_fine("withdraw", id, |world, place| {
            if world.containers[place].since.is_some() {
                return Err("it runs".to_owned());
            }
            world.remove(place);
            Ok(())
        })
        .await
    }

    async fn wait(&self, id: &str) -> Result<i64, EngineError> {
        loop {
            let runs = |it: &Instance| it.since.is_some() || it.seen.state == State::Restarting;
            let state = self.ask("wait for a container", |world| {
                world.find(id).map(|it| (runs(it), it.seen.exit_code))
            })?;
            match state {
                None => return Err(refused(format!("wait for container {id}"), "no such container")),
                Some((false, exit_code)) => return Ok(exit_code),
                Some((true, _)) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn logs(&self, id: &str, _since: i64, _tail: Option<usize>) -> Result<Vec<LogLine>, EngineError> {
        let lines = self.ask("read logs", |world| world.find(id).map(|it| it.output.clone()))?;
        let lines =
            lines.ok_or_else(|| refused(format!("read the log of container {id}"), "no such container"))?;
        Ok(lines.into_iter().map(|text| LogLine { stderr: false, text }).collect())
    }

    async fn exec(&self, id: &str, exec: Exec) -> Result<ExecOutcome, EngineError> {
        self.look(|world| {
            let place = world.position(id);
            place.map(|place| world.containers[place].tried.insert(exec.command.clone()))
        });
        self.on(&format!("run `{}` in", exec.command.join(" ")), id, move |world, place| {
            if world.containers[place].since.is_none() {
                return Err("it is not running".to_owned());
            }
            if world.containers[place].seen.state == State::Paused {
                return Err("it is paused".to_owned());
            }
            if exec.command == ["pg_isready"] {
                world.hooked = Some(world.clock);
            }
            let exit_code = i64::from(exec.command == ["false"]);
            if exit_code == 0 {
                world.containers[place].has_run(&exec.command);
            }
            Ok(ExecOutcome { exit_code, ..ExecOutcome::default() })
        })
        .await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.ask("inspect an image", |world| world.image(reference))
    }

    async fn pull(&self, reference: &str, _progress: Progress<'_>) -> Result<Image, EngineError> {
        self.look(|world| world.pulls.push(reference.to_owned()));
        if self.look(|world| world.registries_are_away) {
            let (image, reason) = (reference.to_owned(), "i/o timeout".to_owned());
            return Err(EngineError::PullFailed { image, reason, transient: true });
        }
        self.change(format!("pull {reference}"), |world| world.add_image(reference, Program::Postgres)).await
    }

    async fn digest(&self, reference: &str) -> Result<String, EngineError> {
        let is_silent = self.look(|world| {
            world.asked.push(reference.to_owned());
            world.silent.contains(registry(reference))
        });
        if is_silent {
            sleep(Duration::from_secs(60)).await;
            return Err(trouble("ask a registry", Trouble::TimedOut));
        }
        let found = self.ask("ask a registry", |world| world.registry.get(reference).cloned())?;
        found.ok_or_else(|| EngineError::PullFailed {
            image: reference.to_owned(),
            reason: "no such host".to_owned(),
            transient: true,
        })
    }

    async fn build(&self, request: BuildRequest, _progress: Progress<'_>) -> Result<Image, EngineError> {
        sleep(Duration::from_secs(3)).await;
        let code = Code::of_context(&request.context).unwrap_or_default();
        let failed = (code.fault == Fault::Build).then(|| EngineError::BuildFailed {
            image: request.tag.clone(),
            reason: "the command `make` returned a non-zero code: 2".to_owned(),
            tail: Vec::new(),
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        self.change(format!("build {}", request.tag), |world| {
            world.add_image(&request.tag, Program::App(code))
        })
        .await
    }

    async fn tag(&self, image: &ImageId, reference: &str) -> Result<(), EngineError> {
        self.change(format!("tag {reference}"), |world| {
            if !world.images.contains_key(image) {
                return Err("no such image".to_owned());
            }
            world.tags.insert(tagged(reference), image.clone());
            Ok(())
        })
        .await
    }

    async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        self.change(format!("remove image {reference}"), |world| {
            let Some(id) = world.tags.get(&tagged(reference)).cloned() else { return Ok(()) };
            let last = world.tags.values().filter(|it| **it == id).count() == 1;
            if last && world.containers.iter().any(|it| it.seen.image_id == id) {
                return Ok(());
            }
            world.tags.remove(&tagged(reference));
            if last {
                world.images.remove(&id);
            }
            Ok(())
        })
        .await
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkState>, EngineError> {
        let is_meant = |it: &&NetworkState| it.name == name || it.id == name;
        self.ask("inspect a network", |world| {
            let network = world.networks.values().find(is_meant)?;
            Some(occupied(world, network))
        })
    }

    async fn networks(&self) -> Result<Vec<NetworkState>, EngineError> {
        self.ask("list networks", |world| {
            world.networks.values().map(|network| occupied(world, network)).collect()
        })
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<String, EngineError> {
        self.change(format!("create network {}", spec.name), |world| {
            if world.networks.contains_key(&spec.name) {
                return Err("a network of that name exists already".to_owned());
            }
            let subnet = spec.ipam.first().and_then(|pool| pool.subnet.clone());
            Ok(world.add_network(&spec.name, subnet, spec.internal))
        })
        .await
    }

    async fn connect(&self, container: &str, endpoint: &Endpoint) -> Result<(), EngineError> {
        let verb = format!("connect to {}", endpoint.network);
        let endpoint = endpoint.clone();
        self.on(&verb, container, move |world, place| world.join(place, &endpoint)).await
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        let from = network.to_owned();
        self.gone_is_fine(&format!("disconnect from {network}"), container, move |world, place| {
            world.leave(place, &from);
            Ok(())
        })
        .await
    }

    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError> {
        self.ask("inspect a volume", |world| world.volumes.contains_key(name))
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        self.change(format!("create volume {}", spec.name), |world| {
            world.volumes.entry(spec.name.clone()).or_default();
            Ok(())
        })
        .await
    }

    async fn owner(&self, project: &ProjectName) -> Result<Option<Owner>, EngineError> {
        Ok(self.look(|world| world.owners.get(project).cloned()))
    }

    async fn claim(&self, project: &ProjectName, owner: &Owner) -> Result<Owner, EngineError> {
        self.change(format!("put the owner of {project} on record"), |world| {
            Ok(world.owners.entry(project.clone()).or_insert_with(|| owner.clone()).clone())
        })
        .await
    }

    async fn disown(&self, project: &ProjectName, owner: &Owner) -> Result<(), EngineError> {
        self.change(format!("take the owner of {project} off the record"), |world| {
            match world.owners.get(project) {
                Some(found) if found != owner => Err("it is another's record".to_owned()),
                _ => {
                    world.owners.remove(project);
                    Ok(())
                }
            }
        })
        .await
    }

    fn events(&self) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
        futures_util::stream::pending().boxed()
    }
}

fn occupied(world: &World, network: &NetworkState) -> NetworkState {
    let on = |it: &&Instance| it.since.is_some() && it.seen.networks.contains_key(&network.name);
    let containers = world.containers.iter().filter(on).map(|it| it.seen.id.clone()).collect();
    NetworkState { containers, ..network.clone() }
}
