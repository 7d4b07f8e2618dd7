//! Performs one effect.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::{ContainerSpec, Endpoint, label};
use evenkeel_core::name::{ContainerId, ServiceName};
use evenkeel_core::observed::Container;
use evenkeel_core::plan::{Effect, Role, Subject, anonymous_volumes, backstage, writes};
use evenkeel_core::spec::{Making, Pool, answers, serving_endpoints};
use evenkeel_core::status::{Phase, Reason};
use serde::de::IgnoredAny;

use super::Failure;
use super::database::redacted;
use super::failure::verification;
use super::run::{Run, fact, newest};
use crate::engine::{EngineError, NetworkSpec, VolumeSpec};
use crate::source::Releases;
use crate::verify::{OneShot, ProofSubject, Reach, prove};

/// How long what runs to its end may take while users wait for it, unless the manifest says otherwise.
const LONGEST_ONE_SHOT: Duration = Duration::from_secs(600);

/// The volumes of a service's last container, by their place in it.
type Volumes = BTreeMap<ServiceName, (ContainerId, BTreeMap<String, String>)>;

impl Run<'_> {
    /// Makes the effect; what it found out, for the journal.
    pub(super) async fn perform(&self, effect: &Effect) -> Result<Option<String>, Failure> {
        match effect {
            Effect::Materialise => self.materialise().await,
            Effect::Build { service, image } => self.build(service, image).await,
            Effect::Pull { service, reference } => self.pull(service, reference).await,
            Effect::CreateNetwork { key, .. } => self.create_network(key).await,
            Effect::CreateBackstage { name } => self.create_backstage(name).await,
            Effect::CreateVolume { key, .. } => self.create_volume(key).await,
            Effect::ReadScripts { service } => self.read_scripts(service).await,
            Effect::Rehearse { from, to } => self.rehearse(from, to).await,
            Effect::Attach { container, network } => self.attach(container, network).await,
            Effect::Create { container, role } => self.create(container, *role).await,
            Effect::Start { container } => self.start(container).await,
            Effect::PostStart { container } => self.post_start(container).await,
            Effect::Restart { container, since } => self.restart(container, since.is_some()).await,
            Effect::Unpause { container } => {
                self.on(container, |run, id| Box::pin(async move { run.context.engine.unpause(&id).await }))
                    .await
            }
            Effect::Prove { containers } => self.prove(containers).await,
            Effect::Join { container, role } => self.join(container, *role).await,
            Effect::SetRestart { container, policy } => self.set_restart(container, *policy).await,
            Effect::SetLimits { container, limits } => {
                let id = self.find(container).await?.id;
                self.context.engine.set_limits(id.as_str(), limits).await?;
                Ok(None)
            }
            Effect::Rename { container, to } => {
                let id = self.find(container).await?.id;
                if self.is_serving(&container.service, &id)? {
                    self.all_have_to_be_told()?;
                }
                self.rename(&id, to).await?;
                Ok(None)
            }
            Effect::HandOver { from, aside, to } => {
                // Found first, so that nothing stands between the two.
                let (old, new) = (self.find(from).await?.id, self.find(to).await?.id);
                self.all_have_to_be_told()?;
                self.rename(&old, aside).await?;
                self.rename(&new, &from.name).await?;
                Ok(None)
            }
            Effect::Stop { container } => self.stop(container).await,
            Effect::Remove { container } => self.remove(container).await,
            Effect::Tag { image, tag, .. } => self.tag(image, tag).await,
            Effect::Backup { .. } => self.backup().await,
            Effect::Migrate { direction, with, from, to } => self.migrate(*direction, with, from, to).await,
            Effect::Restore { to } => self.restore(to).await,
            Effect::DropInvalidIndexes { indexes } => self.drop_invalid_indexes(indexes).await,
            Effect::Hook { index, service, command } => self.hook(*index, service, command).await,
            Effect::Smoke => self.smoke().await,
            Effect::Bake { seconds } => self.bake(*seconds).await,
            Effect::MarkLive => self.mark_live(),
        }
    }

    /// The engine refuses a name that the container has: where it has it, all is well, whoever gave it.
    async fn rename(&self, id: &ContainerId, to: &str) -> Result<(), EngineError> {
        let engine = &self.context.engine;
        match engine.rename(id.as_str(), to).await {
            Err(EngineError::Refused { .. })
                if engine.container(id.as_str()).await?.is_some_and(|it| it.name == to) =>
            {
                Ok(())
            }
            answer => answer,
        }
    }

    /// The container that a step is about: by id where the plan knew it, else by name, and then only one that this rollout made.
    pub(super) async fn find(&self, subject: &Subject) -> Result<Container, Failure> {
        self.maybe_find(subject).await?.ok_or_else(|| {
            // No release does that to itself: somebody has removed it (`docker container prune` takes whatever does not run yet).
            Failure::transient(
                Reason::Drifted,
                format!("container {} of service {} is gone", subject.name, subject.service),
            )
        })
    }

    pub(super) async fn maybe_find(&self, subject: &Subject) -> Result<Option<Container>, Failure> {
        let engine = &self.context.engine;
        if let Some(id) = &subject.id {
            return Ok(engine.container(id.as_str()).await?);
        }
        let found = engine.container(&subject.name).await?;
        let rollout = self.id.to_string();
        Ok(found.filter(|container| {
            container.label(label::ROLLOUT) == Some(&rollout)
                && container.label(label::APP) == Some(self.context.app.as_str())
        }))
    }

    async fn on<F>(&self, subject: &Subject, act: F) -> Result<Option<String>, Failure>
    where
        F: for<'r> FnOnce(
            &'r Self,
            String,
        )
            -> std::pin::Pin<Box<dyn Future<Output = Result<(), EngineError>> + Send + 'r>>,
    {
        let Some(container) = self.maybe_find(subject).await? else {
            return Ok(Some("it is gone".to_owned()));
        };
        act(self, container.id.to_string()).await?;
        Ok(None)
    }

    async fn create_network(&self, key: &str) -> Result<Option<String>, Failure> {
        let project = &self.target.project;
        let Some(network) = project.networks.get(key) else { return Ok(None) };
        let mut labels = network.labels.clone();
        labels.insert(label::COMPOSE_PROJECT.to_owned(), project.name.to_string());
        labels.insert(label::COMPOSE_NETWORK.to_owned(), key.to_owned());
        let spec = NetworkSpec {
            name: network.name.clone(),
            driver: network.driver.clone(),
            options: network.driver_opts.clone(),
            internal: network.internal,
            attachable: network.attachable,
            enable_ipv6: network.enable_ipv6,
            ipam: network.ipam.clone(),
            ipam_options: network.ipam_options.clone(),
            labels,
        };
        Ok(Some(self.context.engine.create_network(&spec).await?))
    }

    /// The private network: internal, and small, outside the engine's own pools and everything that it knows of.
    async fn create_backstage(&self, name: &str) -> Result<Option<String>, Failure> {
        let project = &self.target.project;
        let used: Vec<String> =
            self.context.engine.networks().await?.into_iter().flat_map(|network| network.subnets).collect();
        let subnet = evenkeel_core::subnet::free(project.name.as_str(), &used).ok_or_else(|| {
            Failure::transient(
                Reason::PreflightFailed,
                "no subnet of 10.231.0.0/16 is free for the private network",
            )
        })?;
        let labels = BTreeMap::from([
            (label::APP.to_owned(), self.context.app.to_string()),
            (label::COMPOSE_PROJECT.to_owned(), project.name.to_string()),
            (label::COMPOSE_NETWORK.to_owned(), "backstage".to_owned()),
        ]);
        let pool = evenkeel_core::compose::IpamPool { subnet: Some(subnet.clone()), ..Default::default() };
        let spec = NetworkSpec {
            name: name.to_owned(),
            internal: true,
            ipam: vec![pool],
            labels,
            ..NetworkSpec::default()
        };
        self.context.engine.create_network(&spec).await?;
        Ok(Some(subnet))
    }

    async fn create_volume(&self, key: &str) -> Result<Option<String>, Failure> {
        let project = &self.target.project;
        let Some(volume) = project.volumes.get(key) else { return Ok(None) };
        let mut labels = volume.labels.clone();
        labels.insert(label::COMPOSE_PROJECT.to_owned(), project.name.to_string());
        labels.insert(label::COMPOSE_VOLUME.to_owned(), key.to_owned());
        let spec = VolumeSpec {
            name: volume.name.clone(),
            driver: volume.driver.clone(),
            options: volume.driver_opts.clone(),
            labels,
        };
        self.context.engine.create_volume(&spec).await?;
        Ok(None)
    }

    async fn attach(&self, subject: &Subject, network: &str) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        let (release, service) = (self.target, &subject.service);
        let peers = self.context.engine.containers(&release.project.name).await?;
        let serving = self.context.ledger.serving(&self.context.app)?;
        let aliases = Pool { release, service, peers: &peers, serving: &serving }.for_found(self.id);
        let endpoint = Endpoint { network: network.to_owned(), aliases, ..Endpoint::default() };
        self.context.engine.connect(container.id.as_str(), &endpoint).await?;
        Ok(None)
    }

    /// What a container of the target release is made from.
    pub(super) async fn making<T>(
        &self,
        service: &ServiceName,
        make: impl FnOnce(&Making<'_>) -> T,
    ) -> Result<T, Failure> {
        self.making_for(self.target, service, make).await
    }

    /// What a container of some release is made from.
    pub(super) async fn making_for<T>(
        &self,
        release: &evenkeel_core::release::Release,
        service: &ServiceName,
        make: impl FnOnce(&Making<'_>) -> T,
    ) -> Result<T, Failure> {
        let outputs = self.context.ledger.outputs(&self.context.app, &release.digest)?;
        let image = outputs.images.get(service).ok_or_else(|| {
            Failure::release(Reason::BuildFailed, format!("no image is recorded for service {service}"))
        })?;
        let peers = self.context.engine.containers(&release.project.name).await?;
        let serving = self.context.ledger.serving(&self.context.app)?;
        let files = Releases::new(&self.context.data_dir).directory(&self.context.app, &release.digest);
        let network = self.context.engine.network(&backstage(&release.project.name)).await?;
        Ok(make(&Making {
            release,
            service,
            image,
            rollout: self.id,
            peers: &peers,
            serving: &serving,
            files: &files.to_string_lossy(),
            backstage: network.is_some(),
        }))
    }

    async fn create(&self, subject: &Subject, role: Role) -> Result<Option<String>, Failure> {
        self.clear_name(&subject.name).await?;
        let mut spec = self.making(&subject.service, |making| making.container(&subject.name, role)).await?;
        if role == Role::Replacement {
            self.carry_over(subject, &mut spec).await?;
        }
        let id = self.context.engine.create(&spec).await?;
        let ledger = &self.context.ledger;
        ledger.record_container(
            &self.context.app,
            &subject.service,
            &id,
            &subject.name,
            Some(self.id),
            role.as_str(),
        )?;
        Ok(Some(id.to_string()))
    }

    /// Anonymous volumes go from container to container, as with Compose: what is in them is the service's.
    async fn carry_over(&self, subject: &Subject, spec: &mut ContainerSpec) -> Result<(), Failure> {
        let serving = self.context.ledger.serving(&self.context.app)?.remove(&subject.service);
        let Some(serving) = serving else { return Ok(()) };
        let mut volumes: Volumes = newest(self.context, fact::ANONYMOUS_VOLUMES)?;
        // Whoever had them may be gone: it makes room before its successor has shown that it starts.
        if let Some(old) = self.context.engine.container(serving.as_str()).await? {
            let is_volume = |source: &str| !source.is_empty() && !source.starts_with('/');
            let mounts = old.mounts.into_iter().filter(|(source, ..)| is_volume(source));
            let here: BTreeMap<String, String> = mounts.map(|(volume, at, _)| (at, volume)).collect();
            if !here.is_empty() {
                volumes.insert(subject.service.clone(), (serving.clone(), here));
                self.set_fact(fact::ANONYMOUS_VOLUMES, &volumes)?;
            }
        }
        let had = volumes.remove(&subject.service).filter(|(whose, _)| *whose == serving);
        let image = self.context.engine.image(&spec.image).await?;
        for target in anonymous_volumes(&spec.service, image.as_ref()) {
            let Some(volume) = had.as_ref().and_then(|(_, here)| here.get(&target)) else { continue };
            spec.binds.push(format!("{volume}:{target}"));
            spec.anonymous.retain(|anonymous| *anonymous != target);
        }
        Ok(())
    }

    /// A left-over of ours, from a try that did not get as far as the journal, makes room.
    async fn clear_name(&self, name: &str) -> Result<(), Failure> {
        let Some(there) = self.context.engine.container(name).await? else { return Ok(()) };
        if there.label(label::APP) == Some(self.context.app.as_str()) && !there.running() {
            self.context.engine.remove(there.id.as_str(), true).await?;
            return Ok(());
        }
        Err(Failure::Blocked {
            reason: Reason::PreflightFailed,
            message: format!(
                "the container name {name} is taken by {}; remove or rename that container",
                there.id.short()
            ),
        })
    }

    pub(super) fn is_serving(&self, service: &ServiceName, id: &ContainerId) -> Result<bool, Failure> {
        Ok(self.context.ledger.serving(&self.context.app)?.get(service) == Some(id))
    }

    async fn prove(&self, subjects: &[Subject]) -> Result<Option<String>, Failure> {
        let (mut proofs, mut is_served) = (Vec::new(), false);
        for subject in subjects {
            let container = self.find(subject).await?;
            let service = &subject.service;
            is_served |= writes(self.target, service) && self.is_serving(service, &container.id)?;
            proofs.push(self.proof(&subject.service, &container)?);
        }
        let network = backstage(&self.target.project.name);
        let reach = self.reach(&network);
        let phase = if self.reverting() { Phase::Reverting } else { Phase::Proving };
        // A healthcheck and a probed address print what they like.
        let said = |line: &str| self.context.say(phase, redacted(self.target, line));
        let rollout = &self.target.manifest.spec.rollout;
        let cancel = self.cancel_unless_users_wait()?;
        prove(&reach, &proofs, rollout, &cancel, &said)
            .await
            .map_err(|error| verification(error, Reason::ProbeFailed))?;
        if is_served {
            self.note_written()?
        }
        Ok(None)
    }

    /// What is stopped and started serves from its start on: once it works, the backup from before lacks what users write.
    fn note_written(&self) -> Result<(), Failure> {
        if !self.reverting() && self.fact::<IgnoredAny>(fact::MIGRATING)?.is_some() {
            self.set_fact(fact::WRITTEN, &true)?;
        }
        Ok(())
    }

    pub(super) fn reach<'r>(&'r self, network: &'r str) -> Reach<'r> {
        Reach { engine: self.context.engine.as_ref(), wire: self.context.wire.as_ref(), network }
    }

    pub(super) fn proof(
        &self,
        service: &ServiceName,
        container: &Container,
    ) -> Result<ProofSubject, Failure> {
        Ok(ProofSubject {
            id: container.id.to_string(),
            name: container.name.clone(),
            probe: self.target.options(service).probe,
            one_shot: self.one_shot(service)?,
        })
    }

    /// What runs to its end has no limit of its own, but for that users wait for.
    fn one_shot(&self, service: &ServiceName) -> Result<Option<OneShot>, Failure> {
        let found = self.target.project.services.get(service).filter(|service| service.one_shot);
        if found.is_none() {
            return Ok(None);
        }
        let own = self.target.options(service).probe.and_then(|probe| probe.own_start_timeout());
        let limit = self.users_wait()?.then(|| own.unwrap_or(LONGEST_ONE_SHOT));
        Ok(Some(OneShot { limit }))
    }

    /// From here on it serves. A network that it is on without its names is left and joined again.
    async fn join(&self, subject: &Subject, role: Role) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        let Some(service) = self.target.project.services.get(&subject.service) else { return Ok(None) };
        if role == Role::Successor && !self.reverting() {
            self.note_take_over(&subject.service)?;
        }
        if role == Role::Successor && !self.is_serving(&subject.service, &container.id)? {
            self.serves_anew(&subject.service)?;
            self.all_have_to_be_told()?;
        }
        for endpoint in serving_endpoints(self.target, &subject.service, service) {
            if let Some(joined) = container.networks.get(&endpoint.network) {
                if answers(&endpoint, joined) {
                    continue;
                }
                self.context.engine.disconnect(container.id.as_str(), &endpoint.network).await?;
            }
            let joined = self.context.engine.connect(container.id.as_str(), &endpoint).await;
            if role == Role::Successor && matches!(joined, Err(EngineError::Hindered { .. })) {
                self.begin_anew(&subject.service, &container, &endpoint.network).await;
            }
            joined?;
        }
        if role == Role::Successor {
            self.context.ledger.set_serving(&self.context.app, &subject.service, &container.id)?;
        }
        Ok(None)
    }

    /// Before the first user reaches it: from now on, putting back means more than removing a candidate.
    fn note_take_over(&self, service: &ServiceName) -> Result<(), Failure> {
        if !self.fact::<bool>(fact::TAKEN_OVER)?.unwrap_or(false) {
            self.set_fact(fact::TAKEN_OVER, &true)?;
        }
        self.note_replaced(service)
    }

    /// Whose log is the measure for what takes its place, and from when on.
    pub(super) fn note_replaced(&self, service: &ServiceName) -> Result<(), Failure> {
        let mut since: BTreeMap<ServiceName, i64> = self.fact(fact::SERVES_SINCE)?.unwrap_or_default();
        if !since.contains_key(service) {
            since.insert(service.clone(), self.context.ledger.now().as_second());
            self.set_fact(fact::SERVES_SINCE, &since)?;
        }
        let mut old: BTreeMap<ServiceName, ContainerId> = self.fact(fact::OLD)?.unwrap_or_default();
        if let Some(id) = self.context.ledger.serving(&self.context.app)?.remove(service) {
            old.entry(service.clone()).or_insert(id);
            self.set_fact(fact::OLD, &old)?;
        }
        Ok(())
    }

    async fn set_restart(&self, subject: &Subject, policy: RestartPolicy) -> Result<Option<String>, Failure> {
        let container = self.find(subject).await?;
        self.context.engine.set_restart(container.id.as_str(), policy).await?;
        Ok(Some(format!(
            "was {}",
            serde_json::to_string(&container.restart).unwrap_or_default().trim_matches('"')
        )))
    }

    /// Anonymous volumes go only with what was temporary.
    async fn remove(&self, subject: &Subject) -> Result<Option<String>, Failure> {
        let Some(container) = self.maybe_find(subject).await? else {
            return Ok(Some("it is gone".to_owned()));
        };
        let temporary = container.label(label::ROLE).is_some_and(|role| role != Role::Replacement.as_str());
        self.context.engine.remove(container.id.as_str(), temporary).await?;
        self.context.ledger.forget_container(&container.id)?;
        self.is_gone(&container)?;
        Ok(None)
    }

    async fn tag(&self, image: &str, tag: &str) -> Result<Option<String>, Failure> {
        let found = self.context.engine.image(image).await?;
        let found =
            found.ok_or_else(|| Failure::transient(Reason::Drifted, format!("image {image} is gone")))?;
        self.context.engine.tag(&found.id, tag).await?;
        Ok(None)
    }

    fn mark_live(&self) -> Result<Option<String>, Failure> {
        self.context.ledger.set_live(&self.context.app, &self.target.digest, &self.target.revision)?;
        Ok(None)
    }
}
