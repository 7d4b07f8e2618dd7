//! Effects that make ready: images, files, the migration's scripts.

use std::path::PathBuf;

use evenkeel_core::name::ServiceName;
use evenkeel_core::observed::Image;
use evenkeel_core::release::ImageSource;
use evenkeel_core::status::{Phase, Reason};

use super::Failure;
use super::asked::build_agents;
use super::gather::{given_files, mounted_files};
use super::run::Run;
use super::twin::as_it_runs;
use crate::engine::BuildRequest;
use crate::source::{ContextError, ContextRequest, MaterialiseError, Releases, TreeError};
use crate::space;

impl Run<'_> {
    /// Writes what containers mount from the repository.
    pub(super) async fn materialise(&self) -> Result<Option<String>, Failure> {
        let context = self.context.clone();
        let (revision, digest) = (self.target.revision.clone(), self.target.digest.clone());
        let paths: Vec<String> = mounted_files(self.target).into_iter().collect();
        let given = given_files(self.target);
        let write = move || -> Result<PathBuf, MaterialiseError> {
            let checkout = context.source.checkout(&revision)?;
            let releases = Releases::new(&context.data_dir);
            let files = releases.materialise(&checkout, &context.app, &digest, &paths)?;
            releases.write_given(&context.app, &digest, &given)?;
            Ok(files)
        };
        let files = blocking(write).await?.map_err(|error| {
            if let MaterialiseError::Tree(error) = &error {
                self.distrust(error);
            }
            Failure::transient(Reason::PreflightFailed, error.to_string())
        })?;
        Ok(Some(files.display().to_string()))
    }

    /// Builds straight from the commit's tree.
    pub(super) async fn build(&self, service: &ServiceName, name: &str) -> Result<Option<String>, Failure> {
        let Some(source @ ImageSource::Build { build, .. }) = self.target.images.get(service) else {
            return Err(Failure::release(Reason::BuildFailed, format!("service {service} has no build")));
        };
        let (secrets, agents) = (self.build_secrets(service, build).await?, build_agents(build)?);
        let (file, dockerfile) = self.write_context(service).await?;
        let options = &self.target.manifest.spec.build;
        let request = BuildRequest {
            tag: name.to_owned(),
            context: file.clone(),
            dockerfile,
            args: build.args.clone(),
            target: build.target.clone(),
            labels: self.image_labels(build),
            network: build.network.clone(),
            extra_hosts: build.extra_hosts.clone(),
            shm_size: build.shm_size,
            platform: self.target.project.services.get(service).and_then(|service| service.platform.clone()),
            cache: options.cache && !build.no_cache,
            cache_from: build.cache_from.clone(),
            ulimits: build.ulimits.clone(),
            pull: build.pull,
            secrets,
            agents,
            timeout: options.timeout,
        };
        let log = std::sync::Mutex::new(Vec::new());
        let said = |line: &str| {
            self.context.say(Phase::Building, format!("{service}: {line}"));
            log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.to_owned());
        };
        // Cancel-safe: the builder stops when nobody listens any more, and what it has built so far is only its cache.
        let cancel = self.cancel_unless_users_wait()?;
        let built = tokio::select! {
            built = self.context.engine.build(request, &said) => built,
            () = cancel.cancelled() => {
                drop(std::fs::remove_file(&file));
                return Err(Failure::Cancelled("something newer is wanted".to_owned()));
            }
        };
        drop(std::fs::remove_file(&file));
        self.keep_log(service, &log.into_inner().unwrap_or_default());
        let built = built?;
        let containers = self.context.engine.containers(&self.target.project.name).await?;
        let image = as_it_runs(self.context, self.target, &containers, source, &built).await?;
        self.image_is(name, &image)?;
        Ok((image.id != built.id).then(|| format!("it is the image that runs already, {}", image.id)))
    }

    fn image_labels(
        &self,
        build: &evenkeel_core::compose::Build,
    ) -> std::collections::BTreeMap<String, String> {
        let mut labels = build.labels.clone();
        labels.insert(evenkeel_core::container::label::APP.to_owned(), self.context.app.to_string());
        labels
    }

    /// The context as a tar file: its path, and the Dockerfile's name in it.
    async fn write_context(&self, service: &ServiceName) -> Result<(PathBuf, String), Failure> {
        let Some(build) = self.target.project.services.get(service).and_then(|service| service.build.clone())
        else {
            return Err(Failure::release(Reason::BuildFailed, format!("service {service} has no build")));
        };
        let (context, revision) = (self.context.clone(), self.target.revision.clone());
        let file = context.build_dir().join(format!("{}-{service}.tar", self.id));
        let to = file.clone();
        let write = move || -> Result<String, ContextError> {
            let checkout = context.source.checkout(&revision)?;
            let listed = checkout.context(&context_request(&build))?;
            checkout.write_context(&listed, &to)?;
            Ok(listed.dockerfile)
        };
        let directory = self.context.build_dir();
        std::fs::create_dir_all(&directory).map_err(|error| {
            let reason = space::reason(&directory, &error);
            Failure::transient(Reason::BuildFailed, format!("cannot make {}: {reason}", directory.display()))
        })?;
        remove_contexts(&directory);
        let dockerfile = blocking(write).await?.map_err(|error| self.context_failure(error))?;
        Ok((file, dockerfile))
    }

    /// A full disk or a broken mirror is no fault of the release.
    fn context_failure(&self, error: ContextError) -> Failure {
        let message = error.to_string();
        match error {
            ContextError::Tree(error @ TreeError::Corrupt(_)) => {
                self.distrust(&error);
                Failure::transient(Reason::SourceUnreachable, message)
            }
            ContextError::Write { .. } => Failure::transient(Reason::BuildFailed, message),
            ContextError::Tree(_) | ContextError::Ignore { .. } => {
                Failure::release(Reason::BuildFailed, message)
            }
        }
    }

    fn distrust(&self, error: &TreeError) {
        if matches!(error, TreeError::Corrupt(_)) {
            self.context.source.distrust_or_warn();
        }
    }

    /// The whole build log, for `docs/operations.md`'s "where did it go wrong".
    fn keep_log(&self, service: &ServiceName, lines: &[String]) {
        let file = self.context.build_dir().join(format!("{service}.log"));
        if let Err(error) = std::fs::write(&file, lines.join("\n")) {
            tracing::warn!(app = %self.context.app, file = %file.display(), %error, "the build log cannot be kept");
        }
    }

    pub(super) async fn pull(
        &self,
        service: &ServiceName,
        reference: &str,
    ) -> Result<Option<String>, Failure> {
        let said = |line: &str| self.context.say(Phase::Building, format!("{service}: {line}"));
        let outputs = self.context.ledger.outputs(&self.context.app, &self.target.digest)?;
        let engine = &self.context.engine;
        let exactly = outputs.to_pull(service, reference);
        let image = engine.pull(exactly, &said).await?;
        // By its digest it comes without the name by which it is looked for.
        if exactly != reference && engine.image(reference).await?.is_none() {
            engine.tag(&image.id, reference).await?;
        }
        self.image_is(reference, &image)?;
        Ok(image.digests.first().cloned())
    }

    /// Records which image a reference means for this release, for every service that uses it.
    fn image_is(&self, reference: &str, image: &Image) -> Result<(), Failure> {
        let ledger = &self.context.ledger;
        let mut outputs = ledger.outputs(&self.context.app, &self.target.digest)?;
        for (service, _) in self.target.images.iter().filter(|(_, source)| source.reference() == reference) {
            outputs.image_is(service, reference, image);
        }
        Ok(ledger.put_outputs(&self.context.app, &self.target.digest, &outputs)?)
    }
}

/// A build of the model as the source reads it.
pub(crate) fn context_request(build: &evenkeel_core::compose::Build) -> ContextRequest {
    let directory = if build.context == "." { String::new() } else { build.context.clone() };
    let dockerfile = if directory.is_empty() {
        build.dockerfile.clone()
    } else {
        format!("{directory}/{}", build.dockerfile)
    };
    ContextRequest { directory, dockerfile, inline: build.dockerfile_inline.clone() }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::transient(Reason::PreflightFailed, format!("a task was lost: {error}")))
}

/// Contexts that a crash left behind; an application builds one image at a time, so none of them is in use.
fn remove_contexts(directory: &std::path::Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for path in
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "tar"))
    {
        drop(std::fs::remove_file(path));
    }
}
