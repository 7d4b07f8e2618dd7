//! An image of another major version on the data of the one before: refused, unless the manifest consents.
//!
//! What a PostgreSQL is, its image says (`PG_MAJOR`), and the server that runs. Of other images only the tag tells. Data are told by
//! their volume: a service may come to have another name, and go on with what was written under the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::facts::shared;
use super::service::Work;
use super::{Facts, anonymous_volumes};
use crate::compose::{MountSource, Project, Service};
use crate::container::label;
use crate::name::ServiceName;
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
    writers(facts, work).iter().find_map(|before| refused(facts, work, before))
}

fn refused(facts: &Facts<'_>, work: &Work<'_>, before: &Writer<'_>) -> Option<String> {
    let name = &work.name;
    let kept = data_that_stays(facts, work, before);
    let clusters = clusters_of(facts, work, before);
    let is_database = facts.desired.database_service() == Some(name);
    let cluster = kept.iter().find(|kept| is_database || clusters.iter().any(|path| kept.holds(path)));
    let (data, old, new, is_postgres) =
        match (cluster, old_postgres(facts, work, before), new_postgres(facts, work)) {
            (Some(_), Some(old), Some(new)) if old == new => return None,
            (Some(data), Some(old), Some(new)) => {
                (data, format!("PostgreSQL {old}"), format!("PostgreSQL {new}{}", said(work.service)), true)
            }
            // What is to be pulled says it once it is there.
            (Some(_), Some(_), None) if facts.image(name).is_none() => return None,
            _ => {
                let (old, new) = other_tag(facts, work, before)?;
                // An image that declares a volume of its own is often a cache, or has what it came with in it.
                (kept.iter().find(|kept| kept.is_named)?, old, new, false)
            }
        };
    let (why, how) = if is_postgres || cluster.is_some() {
        let how = "with `pg_dump`, or `evenkeel backup create` where `spec.database` names it; then restore the dump into a new volume that \
                   the Compose file names";
        ("a PostgreSQL server does not start on the data of another major version", how)
    } else {
        (
            "a major version may not be able to go on with the data of another one, or back",
            "as its makers say",
        )
    };
    Some(format!(
        "what service {name} keeps in {} was written by {old}, and the release has {new} there: {why}, so nothing was touched. Stay with \
         {old}; or bring the data over ({how}); or, where {new} can deal with the data as they are, consent by `allowMajorUpgrade: true` \
         at `spec.services.{name}` of the manifest",
        data.source
    ))
}

/// Something that a service writes to.
struct Data {
    /// The volume or directory; of an anonymous one where it is mounted.
    source: String,
    /// Where it is mounted.
    target: String,
    /// The Compose file names it.
    is_named: bool,
}

impl Data {
    /// Whether a path of the container is in it.
    fn holds(&self, path: &str) -> bool {
        Path::new(path).starts_with(&self.target)
    }
}

/// Who has written to something that a service is going to write to.
struct Writer<'f> {
    /// Its container, where that is there.
    container: Option<&'f Container>,
    /// The image of its service as the Compose file of the live release has it.
    image: Option<&'f str>,
    /// What it has written to, by the engine's names.
    wrote: BTreeSet<String>,
}

/// The service itself, and those that no longer write where they did: it may be what they are called now. What it has gone on with
/// itself since is its own.
fn writers<'f>(facts: &Facts<'f>, work: &Work<'f>) -> Vec<Writer<'f>> {
    let is =
        |it: &&Container| facts.serving.values().any(|id| it.id == *id) || it.label(label::ROLE).is_none();
    let there = facts.observed.containers.iter().filter(is).filter_map(|it| Some((it.service()?, it)));
    let there: BTreeMap<ServiceName, &Container> = there.collect();
    let live = facts.live.into_iter().flat_map(|live| live.project.services.keys());
    let own: BTreeSet<String> = work.current.map(written).unwrap_or_default();
    let names: BTreeSet<&ServiceName> = there.keys().chain(live).filter(|name| **name != work.name).collect();
    let others = names.into_iter().map(|name| {
        let mut other = writer(facts, name, there.get(name).copied());
        let stays = facts.desired.project.services.get(name);
        for data in stays.into_iter().flat_map(|it| sources(&facts.desired.project, it, &[])) {
            other.wrote.remove(&data.source);
        }
        other.wrote.retain(|source| !own.contains(source));
        other
    });
    [writer(facts, &work.name, work.current)].into_iter().chain(others).collect()
}

fn writer<'f>(facts: &Facts<'f>, name: &ServiceName, container: Option<&'f Container>) -> Writer<'f> {
    let live = facts.live.and_then(|live| Some((&live.project, live.project.services.get(name)?)));
    let wrote = match (container, live) {
        (Some(container), _) => written(container),
        (None, Some((project, service))) => {
            sources(project, service, &[]).into_iter().map(|it| it.source).collect()
        }
        (None, None) => BTreeSet::new(),
    };
    Writer { container, image: live.and_then(|(_, service)| service.image.as_deref()), wrote }
}

/// Where a PostgreSQL of this service has its data, before and after.
/// Source: <https://www.postgresql.org/docs/current/storage-file-layout.html>, and `PGDATA` of the official images.
fn clusters_of(facts: &Facts<'_>, work: &Work<'_>, before: &Writer<'_>) -> Vec<String> {
    let own = work.service.environment.get("PGDATA").map(|value| value.expose().to_owned());
    let image = facts.image(&work.name).map(|image| image.environment.iter().map(String::as_str));
    let before = before.container.map(|it| it.environment.iter().map(|variable| variable.expose()));
    let said = image.into_iter().flatten().chain(before.into_iter().flatten());
    let said = said.filter_map(|variable| variable.strip_prefix("PGDATA=")).map(str::to_owned);
    own.into_iter().chain(said).chain(["/var/lib/postgresql/data".to_owned()]).collect()
}

/// The image, for people.
fn said(service: &Service) -> String {
    service.image.as_ref().map_or_else(String::new, |image| format!(" (image {image})"))
}

/// The major version of the PostgreSQL that has written the data: the server's word before that of its container.
fn old_postgres(facts: &Facts<'_>, work: &Work<'_>, before: &Writer<'_>) -> Option<u32> {
    let is_database = facts.desired.database_service() == Some(&work.name);
    let server = facts.database.filter(|_| is_database).and_then(|database| database.server_major);
    // What somebody has put in the place of a container that was removed has perhaps never come to write anything.
    let container = before.container.filter(|_| !facts.is_repair());
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
fn other_tag(facts: &Facts<'_>, work: &Work<'_>, before: &Writer<'_>) -> Option<(String, String)> {
    if facts.is_repair() {
        return None;
    }
    let new = registry_image(facts, work)?;
    let is_id = |image: &&str| image.contains("sha256:");
    let current = before.container.map(|container| container.image.as_str()).filter(|image| !is_id(image));
    let old = current.or(before.image)?;
    let ((of, earlier), (to, after)) = (tagged(old)?, tagged(new)?);
    (of == to && number(earlier)? != number(after)?).then(|| (old.to_owned(), new.to_owned()))
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

/// Volumes and directories that the service writes to, now and with the new container, and that are not shared by both anyway.
fn data_that_stays(facts: &Facts<'_>, work: &Work<'_>, before: &Writer<'_>) -> Vec<Data> {
    let shared_volumes = facts.desired.options(&work.name).shared_volumes;
    let mut stays = sources(&facts.desired.project, work.service, &shared_volumes);
    stays.retain(|data| before.wrote.contains(&data.source));
    // Anonymous volumes go from container to container.
    let own = work.current.filter(|own| before.container.is_some_and(|it| it.id == own.id));
    let mounts = own.map(|current| current.mounts.as_slice()).unwrap_or_default();
    let goes_on = |target: &String| mounts.iter().any(|(_, at, writable)| at == target && *writable);
    let anonymous = anonymous_volumes(work.service, facts.image(&work.name)).into_iter().filter(goes_on);
    stays.extend(anonymous.map(|target| Data { source: target.clone(), target, is_named: false }));
    stays
}

fn written(container: &Container) -> BTreeSet<String> {
    container.mounts.iter().filter(|(.., writable)| *writable).map(|(source, ..)| source.clone()).collect()
}

/// What a service writes to, by the engine's names.
fn sources(project: &Project, service: &Service, shared_volumes: &[String]) -> Vec<Data> {
    let writable = service.writable_volumes().filter(|mount| !shared(shared_volumes, &mount.source));
    writable
        .filter_map(|mount| {
            let source = match &mount.source {
                MountSource::Volume { volume, .. } => project.volumes.get(volume)?.name.clone(),
                MountSource::Host { path, .. } if is_data(path) => path.clone(),
                _ => return None,
            };
            Some(Data { source, target: mount.target.clone(), is_named: true })
        })
        .collect()
}

/// Whether it can be a service's own: sockets and what the system makes are often mounted without `ro`.
fn is_data(path: &str) -> bool {
    let systems = ["/run", "/var/run", "/dev", "/proc", "/sys", "/etc/localtime", "/etc/timezone"];
    let path = Path::new(path);
    path.extension().is_none_or(|it| it != "sock") && !systems.iter().any(|system| path.starts_with(system))
}
