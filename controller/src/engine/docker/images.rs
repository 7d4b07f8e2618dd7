//! Images that are there, and images from a registry.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{CreateImageInfo, HealthConfig, ImageInspect};
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions, TagImageOptions};
use evenkeel_core::name::ImageId;
use evenkeel_core::observed::Image;
use futures_util::TryStreamExt;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use super::{Docker, credentials, errors, path::segment};
use crate::engine::{EngineError, Progress};

/// How long a pull may be silent.
const SILENCE: Duration = Duration::from_secs(600);
/// What evenkeel's own labels begin with.
const OWN_LABELS: &str = "evenkeel.";
/// Words with which a registry says that trying again is no use.
const FINAL: [&str; 4] = ["not found", "manifest unknown", "invalid reference", "no matching manifest"];
/// How a registry, or the engine on its behalf, says that the credentials are missing, wrong or too weak. Shapes and not mere words: an
/// image may be called `access-denied`.
const DENIED: [&str; 10] = [
    "access denied for",
    "denied: ",
    "is denied",
    "unauthorized: ",
    "401 unauthorized",
    "403 forbidden",
    "no basic auth",
    "authentication required",
    "authorization failed",
    "failed to authorize",
];
/// How the engine says that it has not got through to a registry, or that the registry has no time now.
const AWAY: [&str; 11] = [
    "failed to do request",
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "tls handshake timeout",
    "network is unreachable",
    "server misbehaving",
    "client.timeout exceeded",
    "toomanyrequests",
    "too many requests",
];

impl Docker {
    pub(super) async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        let client = self.client().await?;
        let inspected =
            self.ask(format!("inspect image {reference}"), client.inspect_image(&segment(reference))).await;
        Ok(errors::found(inspected)?.map(image))
    }

    /// Pulls an image, with the credentials that there are for its registry. There is no limit to a pull that goes on, only to its silence.
    pub(super) async fn pull_image(
        &self,
        reference: &str,
        progress: Progress<'_>,
    ) -> Result<Image, EngineError> {
        let reference = with_tag(reference);
        let client = self.client_for(&reference).await?.with_timeout(SILENCE);
        let options = CreateImageOptions { from_image: Some(reference.clone()), ..Default::default() };
        let mut states = client.create_image(Some(options), None, None);
        let mut last = String::new();
        while let Some(state) = self.next_state(&reference, states.try_next()).await? {
            let line = describe(&state);
            if line != last {
                progress(&line);
                last = line;
            }
        }
        let pulled = self.find_image(&reference).await?;
        pulled.ok_or_else(|| not_pulled(&reference, "it is not there afterwards".to_owned(), true))
    }

    /// A client that brings the registry's credentials along. The library has a way of its own, with another alphabet than the
    /// engine reads: some passwords would not arrive.
    async fn client_for(&self, reference: &str) -> Result<bollard::Docker, EngineError> {
        let client = self.client().await?;
        let login = self.credentials.of(credentials::registry(reference)).await;
        // What is wrong on this host is no fault of the release.
        let login = login.map_err(|error| not_pulled(reference, error.to_string(), true))?;
        let Some(login) = login else { return Ok(client) };
        let Ok(mut value) = HeaderValue::from_str(login.expose()) else { return Ok(client) };
        value.set_sensitive(true);
        let dialect = self.dialect.clone();
        Ok(client.with_request_modifier(move |request| {
            let mut request = dialect.speak(request);
            request.headers_mut().insert("X-Registry-Auth", value.clone());
            request
        }))
    }

    async fn next_state<T>(
        &self,
        reference: &str,
        next: impl Future<Output = Result<T, bollard::errors::Error>> + Send,
    ) -> Result<T, EngineError> {
        let action = format!("pull {reference}");
        let Ok(answer) = tokio::time::timeout(SILENCE, self.ask_registry(&action, next)).await else {
            return Err(EngineError::Timeout { action, after: SILENCE });
        };
        answer.map_err(|error| match error {
            EngineError::Refused { status, reason, .. } => {
                let transient = is_transient(status, &reason);
                not_pulled(reference, self.advised(reference, reason), transient)
            }
            other => other,
        })
    }

    /// The registry's words, and what to do about them.
    fn advised(&self, reference: &str, reason: String) -> String {
        let words = reason.to_lowercase();
        let registry = credentials::registry(reference);
        let says = |some: &[&str]| some.iter().any(|word| words.contains(word));
        if is_denied(&reason) {
            let place = self.credentials.place();
            return format!(
                "{reason}. Credentials for {registry} are looked for in {place}: run `docker login {registry}` as the user that \
                 evenkeel runs as, or name a file under `engine.registryCredentials`; where there are some, they have expired or may not pull this image. Some registries say the same of a name that does not \
                 exist. No release is blamed: it is tried again"
            );
        }
        if says(&["manifest unknown", "not found", "no such image", "repository does not exist"]) {
            return format!(
                "{reason}. {registry} answers, and has no such image or tag: look at the name in the Compose file"
            );
        }
        if says(&[
            "no such host",
            "connection refused",
            "i/o timeout",
            "server misbehaving",
            "network is unreachable",
        ]) {
            return format!(
                "{reason}. {registry} cannot be reached from the host of the engine: look at its name, DNS and the network"
            );
        }
        reason
    }

    /// Asks a tag's registry, by way of the engine, where it leads.
    pub(super) async fn tag_digest(&self, reference: &str) -> Result<String, EngineError> {
        let reference = with_tag(reference);
        let client = self.client_for(&reference).await?;
        let name = segment(&reference);
        let asked = client.inspect_registry_image(&name, None);
        let answer = self.ask_registry(format!("ask the registry for {reference}"), asked).await?;
        let digest = answer.descriptor.digest.filter(|digest| !digest.is_empty());
        digest.ok_or_else(|| not_pulled(&reference, "its registry names no digest".to_owned(), true))
    }

    pub(super) async fn tag_image(&self, image: &ImageId, reference: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let reference = with_tag(reference);
        let (repo, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
        let options = TagImageOptions { repo: Some(repo.to_owned()), tag: Some(tag.to_owned()) };
        let action = format!("tag image {image} as {reference}");
        self.ask(action, client.tag_image(&segment(image.as_str()), Some(options))).await
    }

    /// Removes a tag, never by force: an image that a container uses keeps its last one.
    pub(super) async fn untag_image(&self, reference: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let name = segment(reference);
        let request = client.remove_image(&name, None::<RemoveImageOptions>, None);
        match self.ask(format!("remove image {reference}"), request).await.map(drop) {
            Err(error) if errors::has_status(&error, 409) => Ok(()),
            answer => errors::gone_is_fine(answer),
        }
    }
}

/// Without a tag, the engine would pull all there are.
fn with_tag(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

fn describe(state: &CreateImageInfo) -> String {
    let status = state.status.clone().unwrap_or_default();
    match &state.id {
        Some(layer) => format!("{layer}: {status}"),
        None => status,
    }
}

/// Whether credentials are missing or do not do: that is this host's, not the release's, and may be mended at any time.
pub(super) fn is_denied(reason: &str) -> bool {
    // A file that may not be read is no registry's.
    let words = reason.to_lowercase().replace("permission denied", "");
    DENIED.iter().any(|word| words.contains(word))
}

/// Whether a registry cannot be reached, or has no time: that passes.
pub(super) fn is_away(reason: &str) -> bool {
    let words = reason.to_lowercase();
    AWAY.iter().any(|away| words.contains(away)) || answered(&words).is_some_and(|status| status >= 500)
}

/// The status that a registry has given, where the engine tells one that it did not expect.
fn answered(words: &str) -> Option<u16> {
    let (_, after) = words.split_once("unexpected status")?;
    let numbers = after.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 3);
    numbers.filter_map(|digits| digits.parse().ok()).find(|status| (400..600).contains(status))
}

/// Whether trying again can help: anything but the registry's own clear no to the name.
fn is_transient(status: u16, reason: &str) -> bool {
    if [401, 403].contains(&status) || is_denied(reason) {
        return true;
    }
    let words = reason.to_lowercase();
    let refused = (400..500).contains(&status) && ![408, 429].contains(&status);
    !refused && !FINAL.iter().any(|word| words.contains(word))
}

fn not_pulled(reference: &str, reason: String, transient: bool) -> EngineError {
    EngineError::PullFailed { image: reference.to_owned(), reason, transient }
}

fn image(inspected: ImageInspect) -> Image {
    let content = content(&inspected);
    let config = inspected.config.unwrap_or_default();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    Image {
        id: ImageId::new(inspected.id.unwrap_or_default()),
        tags: inspected.repo_tags.unwrap_or_default(),
        digests: inspected.repo_digests.unwrap_or_default(),
        healthcheck: config.healthcheck.is_some_and(checks),
        volumes,
        environment: config.env.unwrap_or_default(),
        created_at: inspected.created.unwrap_or_default(),
        size: inspected.size.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        content,
    }
}

/// The digest of what containers have of an image. Its layers are named by their content (OCI image specification, `rootfs.diff_ids`);
/// when and by what steps it was made, and where it came from, is left out.
fn content(inspected: &ImageInspect) -> String {
    let layers = inspected.root_fs.as_ref().and_then(|layers| layers.layers.as_ref());
    let (Some(layers), Some(config)) = (layers.filter(|layers| !layers.is_empty()), &inspected.config) else {
        return String::new();
    };
    let mut config = config.clone();
    let sorted = |list: &mut Option<Vec<String>>| list.iter_mut().for_each(|list| list.sort());
    sorted(&mut config.exposed_ports);
    sorted(&mut config.volumes);
    let labels = config.labels.take().unwrap_or_default();
    let labels: BTreeMap<_, _> = labels.into_iter().filter(|(key, _)| !key.starts_with(OWN_LABELS)).collect();
    let platform = (&inspected.os, &inspected.os_version, &inspected.architecture, &inspected.variant);
    let all = serde_json::to_vec(&(layers, config, labels, platform));
    all.map_or_else(|_| String::new(), |all| hex::encode(Sha256::digest(all)))
}

fn checks(check: HealthConfig) -> bool {
    check.test.unwrap_or_default().first().is_some_and(|kind| kind != "NONE")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_a_reference_without_a_tag_gets_one() {
        assert_eq!(with_tag("redis"), "redis:latest");
        assert_eq!(with_tag("registry:5000/team/app"), "registry:5000/team/app:latest");
        assert_eq!(with_tag("registry:5000/app:1"), "registry:5000/app:1");
        assert_eq!(with_tag("app@sha256:ab"), "app@sha256:ab");
    }

    #[test]
    fn trying_again_helps_against_weather_only() {
        assert!(is_transient(500, "Get https://registry/v2/: net/http: TLS handshake timeout"));
        assert!(is_transient(429, "toomanyrequests: rate limit"));
        assert!(!is_transient(404, "manifest for app:9 not found: manifest unknown"));
    }

    #[test]
    fn credentials_may_come_at_any_time() {
        assert!(is_transient(500, "unauthorized: authentication required"));
        assert!(!is_transient(404, "manifest for access-denied:9 not found: manifest unknown"));
        assert!(is_transient(403, "forbidden"));
        assert!(is_transient(
            404,
            "pull access denied for app, repository does not exist or may require 'docker login'"
        ));
    }
}
