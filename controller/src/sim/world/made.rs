//! Images and containers, as they are made.

use std::collections::BTreeMap;

use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId};
use evenkeel_core::observed::{Container, Image, Joined, State};
use evenkeel_core::tags::pinned;
use sha2::{Digest, Sha256};

use super::{Instance, NONE, World};
use crate::sim::code::Program;

impl World {
    /// The image that a reference means.
    pub(in crate::sim) fn image(&self, reference: &str) -> Option<Image> {
        let id = ImageId::new(reference);
        let id =
            self.tags.get(&tagged(reference)).or_else(|| self.images.contains_key(&id).then_some(&id))?;
        Some(Image {
            id: id.clone(),
            tags: self.tags.iter().filter(|(_, it)| *it == id).map(|(tag, _)| tag.clone()).collect(),
            digests: self
                .registry
                .keys()
                .filter(|tag| self.tags.get(&tagged(tag)) == Some(id))
                .map(|tag| pinned(tag, id.as_str()))
                .collect(),
            healthcheck: false,
            volumes: Vec::new(),
            environment: Vec::new(),
            created_at: String::new(),
            size: 1,
            labels: BTreeMap::new(),
            content: format!("{:?}", self.images.get(id)),
        })
    }

    /// An image is built or pulled.
    pub(in crate::sim) fn add_image(&mut self, reference: &str, program: Program) -> Result<Image, String> {
        let id = image_id(reference, &program);
        self.images.insert(id.clone(), program);
        self.tags.insert(tagged(reference), id);
        self.image(reference).ok_or_else(|| "it is not there".to_owned())
    }

    /// On its first network only, as the engine makes it.
    pub(in crate::sim) fn create(&mut self, spec: &ContainerSpec) -> Result<ContainerId, String> {
        if self.find(&spec.name).is_some() {
            return Err("the name is in use".to_owned());
        }
        let image = self.image(&spec.image).ok_or("no such image")?;
        let id = ContainerId::new(format!("{:012x}{}", 0xc0_0000 + self.number(), "0".repeat(52)));
        let seen = container(spec, &id, &image);
        let volumes = seen.mounts.iter().map(|(source, ..)| source).filter(|source| !source.starts_with('/'));
        for volume in volumes {
            self.volumes.entry(volume.clone()).or_default();
        }
        self.containers.push(Instance::new(seen, spec.clone()));
        let place = self.containers.len() - 1;
        let alone = Endpoint { network: NONE.to_owned(), ..Endpoint::default() };
        let first = spec.endpoints.first().unwrap_or(&alone);
        // Whether the network is there is looked at by the start.
        if self.join(place, first).is_err() {
            self.containers[place].seen.networks.insert(first.network.clone(), Joined::default());
        }
        Ok(id)
    }
}

/// The engine adds `latest`.
pub(in crate::sim) fn tagged(reference: &str) -> String {
    if reference.contains(':') { reference.to_owned() } else { format!("{reference}:latest") }
}

fn container(spec: &ContainerSpec, id: &ContainerId, image: &Image) -> Container {
    let ports = spec.service.ports.iter().filter(|_| spec.publish);
    let bindings = ports.filter_map(|port| {
        let published = port.published?.to_string();
        Some((format!("{}/{}", port.target, port.protocol), String::new(), published))
    });
    let mounts = spec.binds.iter().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let read_only = parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
        Some((source, target, !read_only))
    });
    Container {
        id: id.clone(),
        name: spec.name.clone(),
        image: spec.image.clone(),
        image_id: image.id.clone(),
        labels: spec.labels.clone(),
        state: State::Created,
        health: None,
        created_at: String::new(),
        started_at: String::new(),
        restart_count: 0,
        restart: spec.restart,
        networks: BTreeMap::new(),
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

/// The id of an image of a name that holds a program.
pub(in crate::sim) fn image_id(reference: &str, program: &Program) -> ImageId {
    ImageId::new(format!("sha256:{}", hex::encode(Sha256::digest(format!("{reference}{program:?}")))))
}
