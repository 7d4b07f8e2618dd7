//! A release: what a commit means for one application, named by a digest of its inputs.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::compose::{Build, Project, PullPolicy, Service};
use crate::manifest::{Application, Rollout};
use crate::name::{AppName, ImageId, ReleaseDigest, Revision, SchemaRevision, ServiceName};
use crate::observed::Image;
use crate::tags::Pins;

type Revisions = BTreeSet<SchemaRevision>;

/// The key under which digests are made, so that nobody can guess a secret from one. Made once at installation.
#[derive(Clone, Serialize, Deserialize)]
pub struct DigestKey(Vec<u8>);

impl DigestKey {
    /// Wraps key material; 32 random bytes are right.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The keyed digest of a value's canonical JSON, in hexadecimal. Maps are ordered, so equal values give equal digests.
    ///
    /// # Panics
    /// For a value that has no JSON, such as a map whose keys are no texts: one digest for all of them would be worse.
    pub fn digest<T: Serialize>(&self, value: &T) -> String {
        let json = serde_json::to_vec(value).expect("a value with JSON");
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC takes keys of every length (RFC 2104, section 2)");
        mac.update(&json);
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Where a service's image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageSource {
    /// Built from the commit's tree.
    Build {
        /// Its name by content: `evenkeel/<app>-<service>:<digest of context, Dockerfile and arguments>`.
        name: String,
        /// How.
        build: Box<Build>,
        /// The digest of the filtered context.
        context: String,
        /// The tag that the Compose file asks for as well.
        tag: Option<String>,
    },
    /// Pulled, or already there.
    Registry {
        /// The reference as the Compose file has it.
        reference: String,
    },
}

impl ImageSource {
    /// The tags that the Compose file asks for as well: `image`, and `build.tags`.
    pub fn tags(&self) -> impl Iterator<Item = &String> {
        let (first, others) = match self {
            Self::Build { build, tag, .. } => (tag.as_ref(), build.tags.as_slice()),
            Self::Registry { .. } => (None, [].as_slice()),
        };
        first.into_iter().chain(others)
    }

    /// The reference that finds the image in the engine.
    pub fn reference(&self) -> &str {
        match self {
            Self::Build { name, .. } => name,
            Self::Registry { reference } => reference,
        }
    }
}

/// A release, complete: all that it takes to run it again later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub digest: ReleaseDigest,
    /// The application.
    pub app: AppName,
    /// The commit at which it was first seen; where its build contexts and mounted files are read.
    pub revision: Revision,
    /// Where the manifest stands, relative to the repository's root.
    pub manifest_path: String,
    /// The manifest.
    pub manifest: Application,
    /// The project.
    pub project: Project,
    /// Every service's image.
    pub images: BTreeMap<ServiceName, ImageSource>,
    /// Every service's configuration digest.
    pub configs: BTreeMap<ServiceName, String>,
}

/// What turned out while preparing a release: recorded, not part of its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    /// The id of every service's image.
    pub images: BTreeMap<ServiceName, ImageId>,
    /// Where a registry has exactly that image, for every service whose image came from one: `name@sha256:…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<ServiceName, String>,
    /// The migration scripts in the image.
    pub scripts: Option<crate::database::Scripts>,
    /// The last rehearsal: from which revisions, and what it showed.
    pub rehearsal: Option<RehearsedFrom>,
    /// Rehearsals before it, from other revisions, and parts of migrations that stopped between two scripts.
    #[serde(default)]
    pub earlier_rehearsals: Vec<RehearsedFrom>,
}

impl Outputs {
    /// Every rehearsal, the last one first.
    pub fn rehearsals(&self) -> impl Iterator<Item = &RehearsedFrom> {
        self.rehearsal.iter().chain(self.earlier_rehearsals.iter().rev())
    }

    /// Keeps a rehearsal: one from the same revisions makes way, what others showed is still true.
    pub fn keep_rehearsal(&mut self, rehearsed: RehearsedFrom) {
        self.earlier_rehearsals.extend(self.rehearsal.take());
        self.earlier_rehearsals
            .retain(|earlier| (&earlier.from, &earlier.to) != (&rehearsed.from, &rehearsed.to));
        self.rehearsal = Some(rehearsed);
    }

    /// Keeps what a migration has shown that stopped between two of its scripts: whether what it did until then only adds. That it
    /// leads back is known of the whole.
    pub fn keep_part(&mut self, from: &Revisions, to: &Revisions, fingerprint: String, additive: bool) {
        let whole = self.rehearsals().find(|whole| whole.from == *from && whole.to.is_none());
        let exact = whole.is_some_and(|whole| whole.rehearsal.exact);
        let rehearsal = crate::database::Rehearsal { runs: true, additive, exact, ..Default::default() };
        self.earlier_rehearsals.retain(|earlier| earlier.from != *from || earlier.to.as_ref() != Some(to));
        self.earlier_rehearsals.push(RehearsedFrom {
            from: from.clone(),
            to: Some(to.clone()),
            fingerprint,
            rehearsal,
        });
    }

    /// Whether that is known.
    pub fn has_part(&self, from: &Revisions, to: &Revisions) -> bool {
        self.earlier_rehearsals.iter().any(|part| part.from == *from && part.to.as_ref() == Some(to))
    }

    /// Where there is data, the downgrade fails: what a rehearsal on an empty copy has shown of it does not count.
    pub fn leads_nowhere_back(&mut self) {
        self.rehearsal
            .iter_mut()
            .chain(&mut self.earlier_rehearsals)
            .for_each(|rehearsed| rehearsed.rehearsal.exact = false);
    }
}

impl Outputs {
    /// Records the image that a reference means for a service. A digest that another registry has given it says nothing here.
    pub fn image_is(&mut self, service: &ServiceName, reference: &str, image: &Image) {
        self.images.insert(service.clone(), image.id.clone());
        // A reference that says its digest already needs no other.
        let same = |digest: &&String| !reference.contains('@') && repository(digest) == repository(reference);
        match image.digests.iter().find(same) {
            Some(digest) => self.digests.insert(service.clone(), digest.clone()),
            None => self.digests.remove(service),
        };
    }

    /// What to ask the registry for: the image that was recorded, wherever the tag has moved since; else what the reference means.
    pub fn to_pull<'a>(&'a self, service: &ServiceName, reference: &'a str) -> &'a str {
        self.digests.get(service).map_or(reference, String::as_str)
    }
}

/// Whether an image came from a reference's registry, but not under this digest: then it is not what the tag leads to.
pub fn is_another(reference: &str, image: &Image, digest: &str) -> bool {
    let own = image.digests.iter().filter(|it| repository(it) == repository(reference));
    let mut digests = own.filter_map(|it| it.split_once('@')).map(|(_, digest)| digest).peekable();
    digests.peek().is_some() && digests.all(|it| it != digest)
}

/// A reference without tag and digest, and without what Docker Hub's names may leave out.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let name = match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    };
    let name =
        name.strip_prefix("docker.io/").or_else(|| name.strip_prefix("index.docker.io/")).unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// A rehearsal and where it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RehearsedFrom {
    /// The revisions that the schema stood at.
    pub from: Revisions,
    /// Where it ended; `None`: at the release's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Revisions>,
    /// The digest of the schema's fingerprint then; empty for an empty database.
    pub fingerprint: String,
    /// What it showed.
    pub rehearsal: crate::database::Rehearsal,
}

/// The parts of the manifest that change what runs, or how it is judged: neither windows nor retention.
#[derive(Serialize)]
struct Inputs<'a> {
    app: &'a AppName,
    services: &'a BTreeMap<ServiceName, String>,
    options: &'a BTreeMap<ServiceName, crate::manifest::ServiceOptions>,
    migrations: Option<&'a crate::manifest::Migrations>,
    database: Option<(&'a Option<ServiceName>, &'a Option<crate::manifest::Variable>, &'a Option<String>)>,
    rollout: &'a Rollout,
    probes: &'a [crate::manifest::UrlProbe],
    smoke: &'a [crate::manifest::Smoke],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    build_secrets: BTreeMap<&'a ServiceName, &'a BTreeMap<String, crate::compose::MountSource>>,
    /// What is not to be in the environment, by service.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unset: BTreeMap<&'a ServiceName, &'a BTreeSet<String>>,
    /// Where tags lead by now, those that have moved.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pins: BTreeMap<&'a ServiceName, &'a str>,
    networks: &'a BTreeMap<String, crate::compose::Network>,
    volumes: &'a BTreeMap<String, crate::compose::Volume>,
}

/// What [`Release::new`] needs.
pub struct Parts {
    /// The commit.
    pub revision: Revision,
    /// Where the manifest stands.
    pub manifest_path: String,
    /// The manifest.
    pub manifest: Application,
    /// The project.
    pub project: Project,
    /// The digest of every built service's filtered context.
    pub contexts: BTreeMap<ServiceName, String>,
    /// Where tags lead by now, those that have moved.
    pub pins: Pins,
}

impl Release {
    /// Names what a commit means: digests of every service's configuration, and of all of them with the manifest.
    pub fn new(key: &DigestKey, parts: Parts) -> Self {
        let app = parts.manifest.metadata.name.clone();
        let images = images(key, &app, &parts);
        let configs = parts
            .project
            .services
            .iter()
            .map(|(name, service)| {
                (name.clone(), config_digest(key, &parts.project, service, images.get(name)))
            })
            .collect();
        let spec = &parts.manifest.spec;
        let digest = key.digest(&Inputs {
            app: &app,
            services: &configs,
            options: &spec.services,
            migrations: spec.database.as_ref().map(|database| &database.migrations),
            database: spec
                .database
                .as_ref()
                .map(|database| (&database.service, &database.url_from, &database.name)),
            rollout: &spec.rollout,
            probes: &spec.probes,
            smoke: &spec.smoke,
            build_secrets: build_secrets(&parts.project),
            unset: unset(&parts.project),
            pins: pinned(&parts.project, &images),
            networks: &parts.project.networks,
            volumes: &parts.project.volumes,
        });
        Self {
            digest: ReleaseDigest::new(digest),
            app,
            revision: parts.revision,
            manifest_path: parts.manifest_path,
            manifest: parts.manifest,
            project: parts.project,
            images,
            configs,
        }
    }

    /// The digest that stands for the tag of a service's image since that has moved.
    pub fn pin(&self, service: &ServiceName) -> Option<&str> {
        pin(self.project.services.get(service)?, self.images.get(service)?)
    }

    /// The same without the values of what builds may read, which are in no image: that is how it is kept. Whoever builds it later reads
    /// them anew from where they are; its name goes on telling one value from another.
    pub fn without_build_values(&self) -> Self {
        let mut release = self.clone();
        let services = release.project.services.values_mut().filter_map(|service| service.build.as_mut());
        services.for_each(|build| *build = build.without_values());
        for source in release.images.values_mut() {
            if let ImageSource::Build { build, .. } = source {
                **build = build.without_values();
            }
        }
        release
    }

    /// A service's configuration digest; empty for a service that the release does not have.
    pub fn config(&self, service: &ServiceName) -> &str {
        self.configs.get(service).map_or("", String::as_str)
    }

    /// The service that runs PostgreSQL, where it is part of the project.
    pub fn database_service(&self) -> Option<&ServiceName> {
        self.manifest.spec.database.as_ref()?.service.as_ref()
    }

    /// What the manifest says about a service.
    pub fn options(&self, service: &ServiceName) -> crate::manifest::ServiceOptions {
        self.manifest.spec.services.get(service.base()).cloned().unwrap_or_default()
    }
}

fn images(
    key: &DigestKey,
    app: &AppName,
    Parts { project, contexts, pins, .. }: &Parts,
) -> BTreeMap<ServiceName, ImageSource> {
    let mut built_tags = BTreeMap::new();
    let mut images = BTreeMap::new();
    for (name, service) in &project.services {
        let Some(build) = &service.build else { continue };
        let context = contexts.get(name).cloned().unwrap_or_default();
        let content = key.digest(&(build_without_place(build), &context, &service.platform));
        let content = content.get(..16).unwrap_or(&content);
        let source = ImageSource::Build {
            name: format!("evenkeel/{app}-{}:{content}", name.base()),
            build: Box::new(build.clone()),
            context,
            tag: service.image.clone(),
        };
        if let Some(tag) = &service.image {
            built_tags.insert(tag.clone(), source.clone());
        }
        images.insert(name.clone(), source);
    }
    for (name, service) in &project.services {
        let Some(reference) = service.image.as_ref().filter(|_| service.build.is_none()) else { continue };
        // Services may share an image that only one of them builds.
        let source = built_tags.get(reference).cloned().unwrap_or_else(|| ImageSource::Registry {
            reference: pin_of(service, pins).unwrap_or(reference).clone(),
        });
        images.insert(name.clone(), source);
    }
    images
}

/// A build that failed for want of the right secret is another release with another one.
fn build_secrets(
    project: &Project,
) -> BTreeMap<&ServiceName, &BTreeMap<String, crate::compose::MountSource>> {
    let builds = project.services.iter().map(|(name, service)| (name, service.build.as_ref()));
    builds
        .filter_map(|(name, build)| Some((name, &build?.secrets)))
        .filter(|(_, it)| !it.is_empty())
        .collect()
}

fn pinned<'p>(
    project: &'p Project,
    images: &'p BTreeMap<ServiceName, ImageSource>,
) -> BTreeMap<&'p ServiceName, &'p str> {
    let services = project.services.iter();
    services.filter_map(|(name, service)| Some((name, pin(service, images.get(name)?)?))).collect()
}

fn pin<'p>(service: &Service, image: &'p ImageSource) -> Option<&'p str> {
    let ImageSource::Registry { reference } = image else { return None };
    (service.image.as_ref() != Some(reference)).then_some(reference)
}

/// What stands for the tag of a service's image. Who says that it is never pulled brings it himself.
fn pin_of<'p>(service: &Service, pins: &'p Pins) -> Option<&'p String> {
    pins.get(service.image.as_ref()?).filter(|_| service.pull_policy != PullPolicy::Never)
}

fn unset(project: &Project) -> BTreeMap<&ServiceName, &BTreeSet<String>> {
    let named = project.services.iter().map(|(name, service)| (name, &service.unset));
    named.filter(|(_, unset)| !unset.is_empty()).collect()
}

/// The same files under another path, with other layers to begin from, or with another secret to get at them, make the same image.
fn build_without_place(build: &Build) -> Build {
    Build { context: String::new(), cache_from: Vec::new(), ..build.without_values() }
}

fn config_digest(
    key: &DigestKey,
    project: &Project,
    service: &Service,
    image: Option<&ImageSource>,
) -> String {
    // What it waits for, and which profile brought it, does not change the container. What is not to be in its environment is looked for
    // there: few images have such a variable.
    let runs = Service {
        depends_on: BTreeMap::new(),
        unset: BTreeSet::new(),
        build: None,
        image: None,
        one_shot: false,
        ..service.clone()
    };
    let networks: Vec<_> =
        service.networks.keys().filter_map(|key| project.networks.get(key)).map(|n| &n.name).collect();
    let volumes: Vec<_> = service
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            crate::compose::MountSource::Volume { volume, .. } => project.volumes.get(volume),
            _ => None,
        })
        .map(|volume| &volume.name)
        .collect();
    // Where a tag leads by now counts by the image that is found there: an index may change, and an image of it stay.
    let image = match image {
        Some(ImageSource::Registry { .. }) => service.image.as_deref(),
        other => other.map(ImageSource::reference),
    };
    let digest = key.digest(&(runs, networks, volumes, image));
    digest.get(..32).unwrap_or(&digest).to_owned()
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
