//! Whether a container that docker-compose made is what the release asks for: then it is kept, and not made anew.
//!
//! The proof is docker-compose 1.29's own digest of the service, or that of `docker compose` 2, which evenkeel makes from the same text,
//! the image, and the mounts. That the programs make the same container of the same text is what `controller/src/rollout/oracle`
//! compares; what it lists as different, and what the digest leaves out, is refused here.

use std::collections::BTreeSet;

use super::{Facts, Subject};
use crate::compose::{Classic, Modern, Mount, MountSource, Service};
use crate::container::label;
use crate::name::ServiceName;
use crate::observed::Container;
use crate::release::Release;
use crate::spec::own_endpoints;

/// Containers that were found to be what the release asks for though evenkeel did not make them, each with the digest of the
/// configuration that it has. What is on record is not found again: the Compose file may come to be written otherwise, and mean the same.
pub fn vetted(facts: &Facts<'_>) -> Vec<(Subject, String)> {
    let services = facts.desired.project.services.keys();
    let containers =
        services.flat_map(|name| facts.containers_of(name).into_iter().map(move |it| (name, it)));
    containers
        .filter(|(name, it)| !facts.vetted.contains_key(&it.id) && is_kept(facts, name, it).is_ok())
        .map(|(name, it)| {
            let subject = Subject { service: name.clone(), name: it.name.clone(), id: Some(it.id.clone()) };
            (subject, facts.desired.config(name).to_owned())
        })
        .collect()
}

/// Whether a container that evenkeel did not make is what the release asks for; why not.
pub(super) fn is_kept(facts: &Facts<'_>, name: &ServiceName, container: &Container) -> Result<(), String> {
    alike(facts.desired, name, container)?;
    has_its_variables(facts, name, container)?;
    match facts.outputs.images.get(name) {
        Some(image) if *image == container.image_id => Ok(()),
        Some(_) => Err("it runs another image than the release".to_owned()),
        None => Err("its image is not there yet".to_owned()),
    }
}

/// Whether the container's environment lacks what the release says to be in none, and nothing else that its image has; what differs.
///
/// The engine shows a variable that was named without a value as its name alone. Some versions of `docker compose` 2 leave such a one out,
/// and an earlier evenkeel did: where the image has no value for it, that is the same.
pub(super) fn has_its_variables(
    facts: &Facts<'_>,
    name: &ServiceName,
    container: &Container,
) -> Result<(), String> {
    let none = BTreeSet::new();
    let unset = facts.desired.project.services.get(name).map_or(&none, |service| &service.unset);
    let of_image = |variable: &str| {
        let known = facts.image(name).into_iter().flat_map(|image| &image.environment);
        known.filter_map(|it| it.split_once('=')).any(|(known, _)| known == variable)
    };
    for variable in &container.environment {
        match variable.expose().split_once('=') {
            Some((variable, _)) if unset.contains(variable) => {
                return Err(format!("it has the variable {variable}, which is to have no value"));
            }
            None if !unset.contains(variable.expose()) && of_image(variable.expose()) => {
                return Err(format!("it lacks the variable {} of its image", variable.expose()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a container that evenkeel did not make has the configuration that the release asks for, whatever its image is; why not.
///
/// # Errors
/// With what differs, or what makes it impossible to tell.
pub fn alike(release: &Release, name: &ServiceName, container: &Container) -> Result<(), String> {
    if container.label(label::APP).is_some() {
        return Err("evenkeel made it itself".to_owned());
    }
    let Some(hash) = container.label(label::COMPOSE_CONFIG_HASH) else {
        return Err("it bears no digest of docker-compose's".to_owned());
    };
    let service = release.project.services.get(name).ok_or("the release does not have its service")?;
    if container.label(label::COMPOSE_VERSION).is_none_or(|version| version.starts_with("1.")) {
        by_classic(release.project.classic.get(name), container, hash)?;
        left_out(service).map_or(Ok(()), Err)?;
    } else {
        by_modern(release.project.modern.get(name), hash)?;
        is_on_networks(release, name, service, container)?;
    }
    service.mounts.iter().try_for_each(|mount| has(release, container, mount))
}

fn by_classic(view: Option<&Classic>, container: &Container, hash: &str) -> Result<(), String> {
    match view {
        None => Err("what docker-compose's digest of it would be is not known".to_owned()),
        Some(Classic::Unknown(why)) => {
            Err(format!("what docker-compose's digest of it would be cannot be told: {why}"))
        }
        Some(classic) if classic.hash(&container.image_id).as_deref() != Some(hash) => {
            Err("by docker-compose's digest, it was made from another configuration than the Compose file has now".to_owned())
        }
        Some(Classic::Known(_)) => Ok(()),
    }
}

/// The digest of `docker compose` 2 leaves out the image, which is compared by itself, and the content of files.
fn by_modern(view: Option<&Modern>, hash: &str) -> Result<(), String> {
    match view {
        None => Err("what `docker compose`'s digest of it would be is not known".to_owned()),
        Some(Modern::Unknown(why)) => {
            Err(format!("what `docker compose`'s digest of it would be cannot be told: {why}"))
        }
        Some(modern) if modern.has(hash) => Ok(()),
        Some(Modern::Known(_)) => Err(
            "by `docker compose`'s digest, it was made from another configuration than the Compose file has now, or by a version \
             that makes other digests (before 2.24)"
                .to_owned(),
        ),
    }
}

/// The digest of `docker compose` 2 has the keys of networks, and not what they are called.
fn is_on_networks(
    release: &Release,
    name: &ServiceName,
    service: &Service,
    container: &Container,
) -> Result<(), String> {
    let mut endpoints = own_endpoints(release, name, service).into_iter();
    match endpoints.find(|endpoint| !container.networks.contains_key(&endpoint.network)) {
        Some(endpoint) => Err(format!("it is not on the network {}", endpoint.network)),
        None => Ok(()),
    }
}

/// What evenkeel makes of a service that docker-compose's digest says nothing of, or that it does in another way.
fn left_out(service: &Service) -> Option<String> {
    if let Some(lender) = service.lenders().next() {
        return Some(format!("it lives in a namespace of {lender}'s container, which may be replaced"));
    }
    if !service.links.is_empty() {
        return Some("it has `links`, which docker-compose ties to one container".to_owned());
    }
    if service.pid.is_some() {
        return Some("docker-compose's digest leaves `pid` out".to_owned());
    }
    if service.resources.pids.is_some() {
        return Some("docker-compose's digest may leave its limit of processes out".to_owned());
    }
    None
}

/// Whether a container has a mount as the release asks for it.
fn has(release: &Release, container: &Container, mount: &Mount) -> Result<(), String> {
    let source = match &mount.source {
        MountSource::Anonymous | MountSource::Tmpfs { .. } => return Ok(()),
        MountSource::Volume { volume, .. } => {
            release.project.volumes.get(volume).map_or(volume.as_str(), |volume| volume.name.as_str())
        }
        MountSource::Host { path, content: None, .. } => path.as_str(),
        MountSource::Host { content: Some(_), .. }
        | MountSource::Repository { .. }
        | MountSource::Given { .. } => {
            return Err(format!(
                "what is at {} is a file of the release, which evenkeel mounts from its own directory",
                mount.target
            ));
        }
    };
    let is = |(from, to, writable): &&(String, String, bool)| {
        from == source
            && to.trim_end_matches('/') == mount.target.trim_end_matches('/')
            && *writable != mount.read_only
    };
    match container.mounts.iter().find(is) {
        Some(_) => Ok(()),
        None => Err(format!("{source} is not mounted at {} as the Compose file says", mount.target)),
    }
}
