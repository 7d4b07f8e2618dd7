//! Releases from a few lines of YAML, read and named by the real readers.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::{self, Request};
use crate::database::Scripts;
use crate::files::{Entry, EntryKind, FileError, Files};
use crate::manifest;
use crate::name::{Revision, SchemaRevision, ServiceName};
use crate::release::{DigestKey, Parts, Release};

struct Tree<'a>(&'a str);

impl Files for Tree<'_> {
    fn entry(&self, path: &str) -> Result<Option<Entry>, FileError> {
        let kind = if path == "." { EntryKind::Directory } else { EntryKind::File { executable: false } };
        Ok(Some(Entry { kind, id: format!("id-of-{path}") }))
    }

    fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
        Ok(Vec::new())
    }

    fn read_host(&self, _: &str) -> Result<Option<Vec<u8>>, FileError> {
        Ok(None)
    }
}

const HEAD: &str = "apiVersion: evenkeel/v1\nkind: Application\nmetadata: {name: shop}\nspec:\n";

/// A release of application `shop`: the spec of its manifest, its Compose file, and a word that stands for its code.
pub(super) fn release(spec: &str, compose: &str, code: &str) -> Release {
    let manifest =
        manifest::read("evenkeel.yaml", &format!("{HEAD}{spec}")).unwrap_or_else(|faults| panic!("{faults}"));
    let app = manifest.metadata.name.clone();
    let files = Tree(compose);
    let request = Request { app: &app, manifest_dir: ".", compose: &manifest.spec.compose, files: &files };
    let (project, _) = compose::read(&request).unwrap_or_else(|faults| panic!("{faults}"));
    let faults = manifest::check(&manifest, &project);
    assert!(faults.0.is_empty(), "{faults}");
    let built = project.services.iter().filter(|(_, service)| service.build.is_some());
    let contexts: BTreeMap<ServiceName, String> =
        built.map(|(name, _)| (name.clone(), code.to_owned())).collect();
    let (revision, manifest_path) = (Revision::new(code), "evenkeel.yaml".to_owned());
    let parts =
        Parts { revision, manifest_path, manifest, project, contexts, pins: crate::tags::Pins::default() };
    Release::new(&DigestKey::new(*b"key"), parts)
}

/// The manifest of most tests.
pub(super) const SPEC: &str = "
  compose: {files: [compose.yaml]}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
";

/// The same, where candidates need the outside world before they can be proven.
pub(super) const SPEC_EGRESS: &str = "
  compose: {files: [compose.yaml]}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
  rollout: {candidateEgress: true}
";

/// The same with a database.
pub(super) const SPEC_DB: &str = "
  compose: {files: [compose.yaml]}
  database: {service: db, migrations: {tool: alembic, service: api}}
  services: {api: {probe: {http: {path: /, port: 8000}}}}
";

/// A service without ports.
pub(super) const API: &str = "
services:
  api: {build: ., image: shop-api, restart: always}
";

/// A service that publishes a port.
pub(super) const API_PORT: &str = "
services:
  api: {build: ., image: shop-api, restart: always, ports: ['8000:8000']}
";

/// The usual stack: a database, a service in front of users, one that works in the background.
pub(super) const STACK: &str = "
services:
  db:
    image: postgres
    restart: always
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: [CMD, pg_isready]}
  api:
    build: .
    image: shop-api
    restart: always
    ports: ['8000:8000']
    depends_on: [db]
  worker:
    image: shop-api
    restart: unless-stopped
    depends_on: [db]
volumes: {data: {}}
";

/// A stack where what stands in front of users reaches its database through something else.
pub(super) const POOLED: &str = "
services:
  db:
    image: postgres
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: [CMD, pg_isready]}
  pool:
    image: pgbouncer
    depends_on: [db]
    healthcheck: {test: [CMD, pg_isready]}
  cache:
    image: redis
    depends_on: [db]
  api: {build: ., image: shop-api, restart: always, depends_on: [db, pool, cache]}
volumes: {data: {}}
";

/// A set of revisions, written `a b`.
pub(super) fn revisions(names: &str) -> BTreeSet<SchemaRevision> {
    names.split_whitespace().map(SchemaRevision::from).collect()
}

/// Scripts in a row, written `a b c`.
pub(super) fn scripts(names: &str) -> Scripts {
    let names: Vec<&str> = names.split_whitespace().collect();
    let parents = names.iter().enumerate().map(|(place, name)| {
        let before = place.checked_sub(1).map(|before| SchemaRevision::from(names[before]));
        (SchemaRevision::from(*name), before.into_iter().collect())
    });
    Scripts {
        parents: parents.collect(),
        heads: names.last().map(|name| SchemaRevision::from(*name)).into_iter().collect(),
    }
}
