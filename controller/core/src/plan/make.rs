//! Makes a plan. As long as anything can be made ready without touching what serves, that is the plan; what it finds out goes
//! into the next one, until there is only the deployment left.

use std::collections::BTreeSet;

use super::deploy::{deploy, writes};
use super::lint::lint;
use super::major::other_major;
use super::prepare::{lacks_image, prepare};
use super::room::{database_moves, make_room};
use super::schema::{SchemaMove, schema_move};
use super::service::{Action, Work, final_name, follow_lenders, work};
use super::{Effect, Facts, Plan, Step};
use crate::compose::{MountSource, Newer, PullPolicy, Service, newer, start_order};
use crate::name::ServiceName;
use crate::release::ImageSource;
use crate::status::Reason;

/// Why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Blocked {
    /// The condition's word.
    pub reason: Reason,
    /// What, why and what to do.
    pub message: String,
}

/// Makes the next plan towards the desired release.
///
/// # Errors
/// When something stands in the way that no step can change.
pub fn make(facts: &Facts<'_>) -> Result<Plan, Blocked> {
    let mut works = works(facts);
    let alone = facts.left_alone();
    works.retain(|work| !alone.contains(&work.name));
    preflight(facts, &works)?;
    let schema = schema_move(facts);
    if let SchemaMove::Blocked(reason, message) = &schema {
        return Err(Blocked { reason: *reason, message: message.clone() });
    }
    // What moves the schema stops and starts whatever writes: not without those that are left alone.
    if !alone.is_empty() && schema.moves() {
        return Ok(Plan::nothing());
    }
    let plan = prepare(facts, &works, &schema);
    if !plan.is_empty() {
        return Ok(plan);
    }
    // Code never moves past a schema that nobody could look at, and what a fence has stopped is not started on one.
    if schema == SchemaMove::Unknown && works.iter().any(|work| work.replaced() || starts_writer(facts, work))
    {
        let why = facts.database.and_then(|database| database.unreachable.clone());
        return Err(blocked(why.unwrap_or_else(|| "the database cannot be looked at".to_owned())));
    }
    let plan = make_room(facts, deploy(facts, &works, &schema));
    debug_assert!(lint(&plan, facts).is_empty(), "{:?}", lint(&plan, facts));
    Ok(plan)
}

/// What every service needs, in the order in which they start.
fn works<'a>(facts: &Facts<'a>) -> Vec<Work<'a>> {
    let project = &facts.desired.project;
    let mut works: Vec<Work<'_>> = start_order(project)
        .iter()
        .filter_map(|name| project.services.get_key_value(name))
        .map(|(name, service)| work(facts, name, service))
        .collect();
    follow_lenders(&mut works);
    works
}

/// The services of which a container is to be made from an image that is not there: whoever leaves the image alone leaves them alone.
pub fn waiting_for(facts: &Facts<'_>, image: &str) -> BTreeSet<ServiceName> {
    let is_of =
        |work: &Work<'_>| facts.desired.images.get(&work.name).is_some_and(|it| it.reference() == image);
    let waits = works(facts).into_iter().filter(|work| is_of(work) && lacks_image(facts, work));
    waits.filter(Work::replaced).map(|work| work.name).collect()
}

/// What has to hold before anything is touched.
fn preflight(facts: &Facts<'_>, works: &[Work<'_>]) -> Result<(), Blocked> {
    let project = &facts.desired.project;
    for network in project.networks.values().filter(|network| network.external) {
        if !facts.observed.networks.contains_key(&network.name) {
            return Err(blocked(format!(
                "the external network {0} does not exist; create it with `docker network create {0}`",
                network.name
            )));
        }
    }
    for volume in project.volumes.values().filter(|volume| volume.external) {
        if !facts.observed.volumes.contains(&volume.name) {
            return Err(blocked(format!(
                "the external volume {0} does not exist; create it with `docker volume create {0}`",
                volume.name
            )));
        }
    }
    volumes_with_data(facts)?;
    engine(facts)?;
    works.iter().filter(|work| work.replaced()).try_for_each(|work| image_is_there(facts, work))?;
    works.iter().find_map(|work| other_major(facts, work)).map_or(Ok(()), |why| Err(blocked(why)))?;
    database_moves(facts).map_or(Ok(()), |why| Err(blocked(why)))?;
    for work in works {
        let right = final_name(project, &work.name, work.service, work.current);
        if let Some(holder) = facts.observed.name_holders.get(&right) {
            return Err(blocked(format!(
                "the container name {right} of service {} is taken by {holder}; remove or rename that one, or choose another \
                 container_name",
                work.name
            )));
        }
    }
    for work in works.iter().filter(|work| work.replaced()) {
        for port in &work.service.ports {
            let Some(published) = port.published else { continue };
            if let Some(holder) = facts.observed.port_holders.get(port) {
                return Err(blocked(format!(
                    "port {published}/{} that service {} publishes is held by {holder}; stop it, or publish another port",
                    port.protocol, work.name
                )));
            }
        }
    }
    Ok(())
}

/// What the database of the live release writes to is never made anew, empty, in the place of what somebody removed.
fn volumes_with_data(facts: &Facts<'_>) -> Result<(), Blocked> {
    let project = &facts.desired.project;
    let Some(live) = facts.live else { return Ok(()) };
    let database = facts.desired.database_service().and_then(|name| project.services.get(name));
    let written =
        database.into_iter().flat_map(Service::writable_volumes).filter_map(|mount| match &mount.source {
            MountSource::Volume { volume, .. } => project.volumes.get(volume),
            _ => None,
        });
    let had = |name: &str| live.project.volumes.values().any(|volume| volume.name == name);
    let mut lost =
        written.filter(|volume| !facts.observed.volumes.contains(&volume.name) && had(&volume.name));
    lost.next().map_or(Ok(()), |volume| {
        Err(blocked(format!(
            "the volume {0}, which the database writes to, is gone; evenkeel does not make an empty one in its place. Bring it back, \
             or begin with an empty one by `docker volume create {0}` and restore a backup into it (`evenkeel backup list {1}`)",
            volume.name, facts.desired.app
        )))
    })
}

/// `pull_policy: never` says that somebody else brings the image.
fn image_is_there(facts: &Facts<'_>, work: &Work<'_>) -> Result<(), Blocked> {
    let Some(ImageSource::Registry { reference }) = facts.desired.images.get(&work.name) else {
        return Ok(());
    };
    if work.service.pull_policy != PullPolicy::Never || facts.image(&work.name).is_some() {
        return Ok(());
    }
    let leads_elsewhere = facts.observed.images.contains_key(reference);
    if let Some(id) = facts.outputs.images.get(&work.name).filter(|_| leads_elsewhere) {
        return Err(blocked(format!(
            "the engine no longer has image {}, which {reference} meant for this release and does not mean any more, and `pull_policy: never` \
             of service {} says that it is not to be pulled; bring that image back (`docker load`), or choose another policy",
            id, work.name
        )));
    }
    Err(blocked(format!(
        "the engine has no image {reference}, and `pull_policy: never` of service {} says that it is not to be pulled; bring it there \
         (`docker pull`, `docker load`), or choose another policy",
        work.name
    )))
}

/// An engine that is too old would leave out what it does not know.
fn engine(facts: &Facts<'_>) -> Result<(), Blocked> {
    let Some(speaks) = facts.observed.engine_api else { return Ok(()) };
    let unknown = newer(&facts.desired.project).into_iter().find(|newer| newer.api > speaks);
    unknown.map_or(Ok(()), |Newer { service, key, api }| {
        Err(blocked(format!(
            "`{key}` of service {service} needs a Docker Engine with API 1.{api}, and this one speaks 1.{speaks}; update the \
             engine, or leave the key out"
        )))
    })
}

fn starts_writer(facts: &Facts<'_>, work: &Work<'_>) -> bool {
    let starts = |step: &Step| matches!(step.effect, Effect::Start { .. });
    matches!(&work.action, Action::Keep(repairs) if repairs.iter().any(starts))
        && writes(facts.desired, &work.name)
}

fn blocked(message: String) -> Blocked {
    Blocked { reason: Reason::PreflightFailed, message }
}
