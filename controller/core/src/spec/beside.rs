//! Containers beside those of the services: scratch servers, and clients of a database outside the project.

use super::Making;
use super::mounts::tmpfs;
use crate::compose::{MountSource, RestartPolicy, Service};
use crate::container::{ContainerSpec, Endpoint, label};
use crate::name::ImageId;
use crate::plan::backstage;
use crate::release::Release;
use crate::secret::Secret;

impl Making<'_> {
    /// A scratch server from the database's own service: its image and settings, none of its data.
    pub fn scratch(&self, name: &str) -> ContainerSpec {
        let mut service = self.spec();
        service.ports.clear();
        service.healthcheck = None;
        (service.pid, service.ipc) = (None, None);
        service.mounts.retain(|mount| mount.read_only && !matches!(mount.source, MountSource::Volume { .. }));
        service.environment.insert("PGDATA".to_owned(), Secret::new(SCRATCH_DATA));
        service.command = Some(scratch_command(service.command.as_deref()));
        let mut tmpfs = tmpfs(&service);
        tmpfs.insert("/evenkeel".to_owned(), String::new());
        ContainerSpec {
            name: name.to_owned(),
            image: self.image.to_string(),
            labels: self.labels(&service, "scratch", true),
            publish: false,
            endpoints: vec![Endpoint {
                network: backstage(&self.release.project.name),
                ..Endpoint::default()
            }],
            restart: RestartPolicy::No,
            binds: self.binds(&service),
            mounts: self.mounts(&service),
            tmpfs,
            anonymous: Vec::new(),
            auto_remove: false,
            service,
        }
    }
}

/// A container with PostgreSQL's client programs, for a database outside the project: it sleeps while they run in it, on the
/// host's own network, so that it sees what evenkeel sees.
pub fn client(release: &Release, image: &ImageId) -> ContainerSpec {
    let service = Service {
        entrypoint: Some(vec!["sleep".to_owned()]),
        command: Some(vec!["infinity".to_owned()]),
        network_mode: Some("host".to_owned()),
        init: Some(true),
        ..Service::default()
    };
    beside(release, image, service, "client", "one-off")
}

/// A scratch server for such a database, from the same image, listening where the real one does.
pub fn client_scratch(release: &Release, image: &ImageId, port: u16) -> ContainerSpec {
    let mut command = scratch_command(None);
    command.extend(["-c".to_owned(), format!("port={port}")]);
    let service = Service {
        environment: [("PGDATA".to_owned(), Secret::new(SCRATCH_DATA))].into(),
        command: Some(command),
        ..Service::default()
    };
    let endpoint = Endpoint { network: backstage(&release.project.name), ..Endpoint::default() };
    let spec = beside(release, image, service, "rehearsal", "scratch");
    ContainerSpec {
        endpoints: vec![endpoint],
        tmpfs: [("/evenkeel".to_owned(), String::new())].into(),
        ..spec
    }
}

/// A container beside those of the services. It is labelled as a one-off of the one that migrates.
fn beside(release: &Release, image: &ImageId, service: Service, name: &str, role: &str) -> ContainerSpec {
    let project = &release.project.name;
    let migrates =
        release.manifest.spec.database.as_ref().map_or("", |database| database.migrations.service.as_str());
    let labels = [
        (label::APP, release.app.as_str()),
        (label::RELEASE, release.digest.short()),
        (label::ROLE, role),
        (label::COMPOSE_PROJECT, project.as_str()),
        (label::COMPOSE_SERVICE, migrates),
        (label::COMPOSE_ONEOFF, "True"),
    ];
    ContainerSpec {
        name: format!("{project}-{name}"),
        image: image.to_string(),
        service,
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..ContainerSpec::default()
    }
}

/// Whether the database is somewhere outside the project.
pub fn outside(release: &Release) -> bool {
    release.manifest.spec.database.as_ref().is_some_and(|database| database.url_from.is_some())
}

/// The address that an entry of `extra_hosts` (`name:address`) gives to a name.
pub fn mapped<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let (host, address) = entry.split_once(':')?;
    (host == name).then(|| address.trim_matches(['[', ']']))
}

/// Where a scratch server keeps its cluster: on a tmpfs.
const SCRATCH_DATA: &str = "/evenkeel/data";

/// The service's own command with everything off that only protects data.
fn scratch_command(command: Option<&[String]>) -> Vec<String> {
    let mut command = command
        .filter(|command| !command.is_empty())
        .map_or_else(|| vec!["postgres".to_owned()], <[String]>::to_vec);
    for setting in ["fsync=off", "full_page_writes=off", "synchronous_commit=off"] {
        command.extend(["-c".to_owned(), setting.to_owned()]);
    }
    command
}
