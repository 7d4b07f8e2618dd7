//! An image of another major version on the data of the one before: refused, unless the manifest consents.
//!
//! What a PostgreSQL is, its image says (`PG_MAJOR`), and the server that runs. Of other images only the tag tells.

use std::collections::BTreeSet;

use super::facts::shared;
use super::service::Work;
use super::{Facts, anonymous_volumes};
use crate::compose::{MountSource, Project, Service};
use crate::observed::Container;
use crate::release::ImageSource;

/// The variable of PostgreSQL's images, and of all that are made from them, that says their major version.
const PG_MAJOR: &str = "PG_MAJOR";
/// Greater numbers in tags are dates and counters of builds.
const GREATEST: u32 = 999;

/// Why a service's new image is refused; `None` where it is not, or nothing can be told.
///
/// The way back of a rollout is not asked: what it goes back to has written the data.
pub(super) fn other_major(facts: &Facts<'_>, work: &Work<'_>) -> Option<String> {
    let name = &work.name;
    if facts.hints.reverting || !work.replaced() || facts.desired.options(name).allow_major_upgrade {
        return None;
    }
    let data = data_that_stays(facts, work)?;
    let (old, new) = match (old_postgres(facts, work), new_postgres(facts, work)) {
        (Some(old), Some(new)) if old == new => return None,
        (Some(old), Some(new)) => {
            (format!("PostgreSQL {old}"), format!("PostgreSQL {new}{}", said(work.service)))
        }
        // What is to be pulled says it once it is there.
        (Some(_), None) if facts.image(name).is_none() => return None,
        _ => other_tag(facts, work)?,
    };
    Some(format!(
        "what service {name} keeps in {data} was written by {old}, and the release has {new} there: a major version does not go on with \
         the data of another one by itself (a PostgreSQL server does not even start), so nothing was touched. Stay with {old}; or bring \
         the data over (for PostgreSQL: `evenkeel backup create {}`, and restore the dump into a new volume that the Compose file \
         names); or, where {new} can deal with the data as they are, consent by `allowMajorUpgrade: true` at `spec.services.{name}` of \
         the manifest",
        facts.desired.app
    ))
}

/// The image, for people.
fn said(service: &Service) -> String {
    service.image.as_ref().map_or_else(String::new, |image| format!(" (image {image})"))
}

/// The major version of the PostgreSQL that has written the data: the server's word before that of its container.
fn old_postgres(facts: &Facts<'_>, work: &Work<'_>) -> Option<u32> {
    let is_database = facts.desired.database_service() == Some(&work.name);
    let server = facts.database.filter(|_| is_database).and_then(|database| database.server_major);
    // What somebody has put in the place of a container that was removed has perhaps never come to write anything.
    let container = work.current.filter(|_| !facts.is_repair());
    server.or_else(|| major_of(container?.environment.iter().map(|variable| variable.expose())))
}

fn new_postgres(facts: &Facts<'_>, work: &Work<'_>) -> Option<u32> {
    let image = facts.image(&work.name);
    let said = image.and_then(|image| major_of(image.environment.iter().map(String::as_str)));
    // The official images need not be there to tell.
    let official = || {
        let (repository, tag) = tagged(registry_image(facts, work)?)?;
        number(tag).filter(|_| repository.rsplit('/').next() == Some("postgres"))
    };
    said.or_else(|| if image.is_none() { official() } else { None })
}

fn major_of<'v>(mut variables: impl Iterator<Item = &'v str>) -> Option<u32> {
    let value = variables.find_map(|variable| variable.strip_prefix(PG_MAJOR)?.strip_prefix('='))?;
    number(value)
}

/// Both tags, where they are of one repository and begin with other numbers.
fn other_tag(facts: &Facts<'_>, work: &Work<'_>) -> Option<(String, String)> {
    if facts.is_repair() {
        return None;
    }
    let new = registry_image(facts, work)?;
    let live = facts.live.and_then(|live| live.project.services.get(&work.name));
    let is_id = |image: &&str| image.contains("sha256:");
    let current = work.current.map(|container| container.image.as_str()).filter(|image| !is_id(image));
    let old = current.or_else(|| live?.image.as_deref())?;
    let ((of, before), (to, after)) = (tagged(old)?, tagged(new)?);
    (of == to && number(before)? != number(after)?).then(|| (old.to_owned(), new.to_owned()))
}

/// The image of a service as the Compose file has it, where nobody builds it here.
fn registry_image<'f>(facts: &Facts<'f>, work: &Work<'f>) -> Option<&'f str> {
    let source = facts.desired.images.get(&work.name);
    work.service.image.as_deref().filter(|_| matches!(source, Some(ImageSource::Registry { .. })))
}

/// Repository and tag of a reference.
fn tagged(reference: &str) -> Option<(&str, &str)> {
    let reference = reference.split_once('@').map_or(reference, |(before, _)| before);
    reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
}

/// 15 for `15`, `15.4` and `v15-alpine`.
fn number(version: &str) -> Option<u32> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| *number <= GREATEST)
}

/// A volume or directory that the service writes to, now and with the new container, and that is not shared by both anyway.
fn data_that_stays(facts: &Facts<'_>, work: &Work<'_>) -> Option<String> {
    let had = match (work.current, facts.live) {
        (Some(current), _) => written(current),
        (None, Some(live)) => sources(&live.project, live.project.services.get(&work.name)?, &[]),
        (None, None) => return None,
    };
    let shared_volumes = facts.desired.options(&work.name).shared_volumes;
    let named = sources(&facts.desired.project, work.service, &shared_volumes);
    let stays = named.intersection(&had).next().cloned();
    stays.or_else(|| {
        // Anonymous volumes go from container to container.
        let targets = anonymous_volumes(work.service, facts.image(&work.name));
        let mounts = &work.current?.mounts;
        targets.into_iter().find(|target| mounts.iter().any(|(_, at, writable)| at == target && *writable))
    })
}

fn written(container: &Container) -> BTreeSet<String> {
    container.mounts.iter().filter(|(.., writable)| *writable).map(|(source, ..)| source.clone()).collect()
}

/// What a service writes to, by the engine's names.
fn sources(project: &Project, service: &Service, shared_volumes: &[String]) -> BTreeSet<String> {
    let writable = service.writable_volumes().filter(|mount| !shared(shared_volumes, &mount.source));
    writable
        .filter_map(|mount| match &mount.source {
            MountSource::Volume { volume, .. } => Some(project.volumes.get(volume)?.name.clone()),
            MountSource::Host { path, .. } if is_data(path) => Some(path.clone()),
            _ => None,
        })
        .collect()
}

/// Whether it can be a service's own: sockets and what the system makes are often mounted without `ro`.
fn is_data(path: &str) -> bool {
    let systems = ["/run/", "/var/run/", "/dev/", "/proc/", "/sys/", "/etc/localtime", "/etc/timezone"];
    !path.ends_with(".sock") && !systems.iter().any(|system| path.starts_with(system))
}
