//! Projects and releases from a few lines of text, read and named by the real readers.

use std::collections::BTreeMap;

use super::{Project, Request, read};
use crate::files::testing::Disk;
use crate::located::Faults;
use crate::manifest;
use crate::name::{AppName, Revision, ServiceName};
use crate::release::{DigestKey, Parts, Release};
use crate::tags::Pins;

/// The application that the tests read.
pub(super) const APP: &str = "shop";

/// A commit that holds a Compose file.
pub(crate) fn disk(compose: &str) -> Disk {
    Disk::with(&[("compose.yaml", compose)])
}

/// A file of which both versions of Docker Compose have told their digests.
pub(super) const WITH_DIGESTS: &str = include_str!("../../tests/compose/classic.yaml");

/// A host with whatever that file reads; read it in `/opt/shop`.
pub(super) fn host_of_digests(compose: &str) -> Disk {
    disk(compose)
        .host("/opt/shop/.env", "TAG=v2\nPASSWORD=sesame\n")
        .host(
            "/opt/shop/.env.production",
            "# settings\nDATABASE_URL=postgresql://shop@db/shop\nPORT=1\nQUOTED=\"a b\"\n",
        )
        .host("/opt/shop/token.txt", "t")
        .host("/etc/shop/key", "k")
        .file("backend/Dockerfile", "FROM scratch\n")
        .file("backend/worker.Dockerfile", "FROM scratch AS run\n")
        .file("init/a.sql", "")
        .file("conf/a", "")
}

impl Disk {
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.tree.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Reads the project; `compose` is `spec.compose` of the manifest.
    pub(super) fn read(&self, compose: &str) -> Result<(Project, Vec<String>), Faults> {
        let compose: manifest::Compose = crate::yaml::from_str("evenkeel.yaml", compose).unwrap();
        let app = AppName::new(APP);
        read(&Request { app: &app, manifest_dir: ".", compose: &compose, files: self })
    }

    pub(super) fn project(&self, compose: &str) -> Project {
        self.read(compose).unwrap_or_else(|faults| panic!("{faults}")).0
    }

    /// What is wrong with it.
    pub(super) fn refused(&self) -> String {
        self.read("{}").unwrap_err().to_string()
    }

    pub(crate) fn release(&self, compose: &str) -> Release {
        release(self.project(compose))
    }

    /// With more in `spec` of the manifest.
    pub(crate) fn release_with(&self, spec: &str) -> Release {
        named(self.project("{}"), spec, Pins::default())
    }

    /// With tags that have moved.
    pub(crate) fn release_pinned(&self, pins: &Pins) -> Release {
        named(self.project("{}"), "", pins.clone())
    }
}

/// The release of a project; every build has the same context.
pub(super) fn release(project: Project) -> Release {
    named(project, "", Pins::default())
}

fn named(project: Project, spec: &str, pins: Pins) -> Release {
    let text = format!(
        "apiVersion: evenkeel/v1\nkind: Application\nmetadata: {{name: {APP}}}\nspec:\n  compose: {{}}\n  {spec}\n"
    );
    let manifest = manifest::read("evenkeel.yaml", &text).unwrap_or_else(|faults| panic!("{faults}"));
    let built = project.services.iter().filter(|(_, service)| service.build.is_some());
    let contexts: BTreeMap<ServiceName, String> =
        built.map(|(name, _)| (name.clone(), "context".to_owned())).collect();
    let (revision, manifest_path) = (Revision::new("r"), "evenkeel.yaml".to_owned());
    let parts = Parts { revision, manifest_path, manifest, project, contexts, pins };
    Release::new(&DigestKey::new(*b"key"), parts)
}
