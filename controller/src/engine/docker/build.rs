//! Builds.
//!
//! The classic builder comes first: it does all that a Compose file can ask for on every engine, and what it keeps goes with the
//! images. A build that asks for secrets or an SSH agent, and a Dockerfile that it cannot read, because of `RUN --mount` and the like, go
//! to the BuildKit inside the engine, with a [session] beside the build. So does one with a step that the classic builder takes and does not
//! carry out as it is meant ([`super::modern`]). Engine 20.10 leaves limits and the size of `/dev/shm` out there
//! without a word, and clears BuildKit's cache only where its configuration says so (`builder.gc`).
//!
//! [session]: super::session

use std::collections::{BTreeMap, VecDeque};

use evenkeel_core::database::redact::Redactor;
use evenkeel_core::name::ImageId;
use evenkeel_core::observed::Image;
use evenkeel_core::secret::Secret;
use serde::Deserialize;

use super::images::{is_away, is_denied};
use super::lines::Lines;
use super::modern::{Modern, Steps};
use super::session::{Offer, Session};
use super::trace::{self, Said};
use super::version::{ApiVersion, BUILDKIT, BUILDKIT_LIMITS};
use super::{Docker, errors, path::query};
use crate::engine::{BuildRequest, EngineError, Progress};

/// How many of the last lines explain a failure.
const TAIL: usize = 40;
/// The classic builder's words about a Dockerfile written for BuildKit.
const MODERN: [&str; 4] = ["requires BuildKit", "requires buildkit", "unknown flag", "unknown instruction"];

/// The builders' words about a layer that was there when the build began: somebody removed an image that shares it, or
/// pruned, in the middle of the build.
const LOST: [&str; 5] = [
    "No such image: sha256:",
    "unable to find image \"sha256:",
    "layer does not exist",
    "unknown parent image ID",
    "unknown layer",
];
/// How the builders begin to tell of a `RUN` step that failed: what follows is the step's own text.
const RAN: [&str; 3] = ["The command '", "executor failed running", "process \""];
/// How often a build is begun that others take layers away from.
const ATTEMPTS: usize = 3;

/// How the builders begin to tell that a file of the context is not there: what follows is its name.
const COPIED: [&str; 4] =
    ["COPY failed", "ADD failed: stat", "failed to compute cache key", "failed to calculate checksum"];
/// What BuildKit says where the session has gone.
const NO_SESSION: &str = "no active session";

/// The two builders.
enum Builder {
    /// Whether it goes on at a step that asks for a platform, which it leaves empty.
    Classic { regardless: bool },
    /// With the session, where there is one.
    BuildKit(Option<Session>),
}

/// A line of the engine's answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    stream: Option<String>,
    status: Option<String>,
    id: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<Detail>,
    aux: Option<Aux>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Aux {
    Image {
        #[serde(rename = "ID")]
        id: String,
    },
    Trace(String),
    Other(serde::de::IgnoredAny),
}

impl Docker {
    /// Builds an image within the request's time. Giving up hangs up, and the engine gives up too.
    pub(super) async fn build_image(
        &self,
        request: BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Image, EngineError> {
        let id = match tokio::time::timeout(request.timeout, self.build_again(&request, progress)).await {
            Ok(built) => built?,
            Err(_) => return Err(EngineError::Timeout { action: action(&request), after: request.timeout }),
        };
        let image = self.find_image(id.as_ref().map_or(&request.tag, |id| id.as_str())).await?;
        image.ok_or_else(|| failed(&request, "the image is not there afterwards".to_owned(), Vec::new()))
    }

    /// What was built so far is found again, so that beginning anew costs no more than the layer that is gone.
    async fn build_again(
        &self,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Option<ImageId>, EngineError> {
        for _ in 1..ATTEMPTS {
            match self.build_either(request, progress).await {
                Err(EngineError::LayerLost { reason, .. }) => {
                    progress(&format!(
                        "somebody removed a layer of this build meanwhile ({reason}): starting again"
                    ));
                }
                answer => return answer,
            }
        }
        self.build_either(request, progress).await
    }

    async fn build_either(
        &self,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Option<ImageId>, EngineError> {
        self.client().await?;
        if !request.secrets.is_empty() || !request.agents.is_empty() {
            return self.build_with_buildkit(request, progress).await;
        }
        match self.build_with(Builder::Classic { regardless: false }, request, progress).await {
            // Where BuildKit cannot ask for credentials, what is built from a private image could be built no more.
            Err(error) if wants(&error, Modern::Platform) && self.is_barred(request).await => {
                progress("what stands before the engine lets no session through: going on without BuildKit");
                self.build_with(Builder::Classic { regardless: true }, request, progress).await
            }
            Err(error) if wants_buildkit(&error) => {
                progress("this Dockerfile is not for the classic builder: starting again with BuildKit");
                self.build_with_buildkit(request, progress).await
            }
            answer => answer,
        }
    }

    async fn build_with_buildkit(
        &self,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Option<ImageId>, EngineError> {
        if let Some(reason) = not_for_buildkit(request, self.dialect.settled()) {
            return Err(failed(request, reason, Vec::new()));
        }
        let session = self.session_for(request).await;
        let barred = session.as_ref().err().and_then(|error| self.barred(request, error));
        let session = match session {
            // Most builds ask for nothing on it.
            Err(_) if barred.is_some() && request.secrets.is_empty() && request.agents.is_empty() => {
                progress("what stands before the engine lets no session through: going on without one");
                None
            }
            Err(error) => return Err(barred.unwrap_or(error)),
            Ok(session) => Some(session),
        };
        match self.build_with(Builder::BuildKit(session), request, progress).await {
            Err(EngineError::BuildFailed { reason, .. }) if reason.contains(NO_SESSION) && !ran(&reason) => {
                Err(barred.unwrap_or_else(|| errors::unreachable_at(&self.address, reason)))
            }
            answer => answer,
        }
    }

    async fn session_for(&self, request: &BuildRequest) -> Result<Session, EngineError> {
        let offer = Offer { secrets: request.secrets.clone(), agents: request.agents.clone() };
        self.open_session(&action(request), offer).await
    }

    async fn is_barred(&self, request: &BuildRequest) -> bool {
        let session = self.session_for(request).await;
        session.err().and_then(|error| self.barred(request, &error)).is_some()
    }

    /// What to say of a session that was refused: whoever stands in between does it in many ways, and takes the request's `Upgrade` away,
    /// for which the engine refuses it. `None` where the engine was not reached.
    fn barred(&self, request: &BuildRequest, error: &EngineError) -> Option<EngineError> {
        let EngineError::Refused { status, .. } = error else { return None };
        let status = *status;
        let action = format!("open the session that {} needs", request.tag);
        let advice = "allow `POST /session` and connections that are upgraded to `h2c` there (`SESSION=1`, and `GRPC=1` where it has \
                      that, for docker-socket-proxy), or give evenkeel the engine's own socket. BuildKit asks on it for `build.secrets`, \
                      `build.ssh`, and for the credentials of registries";
        let endpoint = self.address.to_string();
        Some(EngineError::NotLetThrough { endpoint, action, status, advice: advice.to_owned() })
    }

    async fn build_with(
        &self,
        builder: Builder,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Option<ImageId>, EngineError> {
        let path = format!("/build?{}", query(&parameters(&builder, request)));
        let answer = self.post_tar(&action(request), &path, &request.context).await;
        // A Dockerfile that cannot be parsed is refused before the first step.
        let mut answer = answer.map_err(|error| match error {
            EngineError::Refused { status: 400, reason, .. } => failed(request, reason, Vec::new()),
            EngineError::Refused { status, .. } if errors::BARRED.contains(&status) => {
                EngineError::NotLetThrough {
                    endpoint: self.address.to_string(),
                    action: action(request),
                    status,
                    advice: "allow `POST /build` there (`BUILD=1` and `POST=1` for docker-socket-proxy)"
                        .to_owned(),
                }
            }
            other => self.noted(errors::understood(&self.address, other)),
        })?;
        let mut told = Told::new(progress, redactor(request), &request.args);
        while let Some(line) =
            answer.line().await.map_err(|error| errors::unreachable_at(&self.address, error))?
        {
            let message = serde_json::from_str(&line).unwrap_or_default();
            told.hear(message).map_err(|(reason, tail)| failed(request, reason, tail))?;
            let leads_on = |modern: &Modern| self.leads_on(&builder, *modern, request);
            if let Some(modern) = told.modern.filter(leads_on) {
                // Hanging up ends the build.
                return Err(failed(request, modern.refused().to_owned(), Vec::new()));
            }
        }
        told.end_line();
        Ok(told.image)
    }
}

impl Docker {
    /// Whether the classic builder is not to go on. What it has always left empty, it may go on to where BuildKit cannot do the rest.
    fn leads_on(&self, builder: &Builder, modern: Modern, request: &BuildRequest) -> bool {
        let Builder::Classic { regardless } = builder else { return false };
        let speaks = self.dialect.settled();
        let may_be_empty = || *regardless || not_for_buildkit(request, speaks).is_some();
        modern.is_lost(speaks) && (modern == Modern::Heredoc || !may_be_empty())
    }
}

/// Takes the build's secrets out of what it prints.
fn redactor(request: &BuildRequest) -> Redactor {
    let values = request.secrets.values().map(|value| Secret::new(String::from_utf8_lossy(value)));
    Redactor::new(&BTreeMap::new(), values)
}

/// Why the engine's BuildKit cannot do what is asked: what it would refuse, or leave out without a word.
fn not_for_buildkit(request: &BuildRequest, speaks: Option<ApiVersion>) -> Option<String> {
    let old = |known: ApiVersion| speaks.is_some_and(|speaks| speaks < known);
    let network = request.network.as_deref().unwrap_or("default");
    let reason = if old(BUILDKIT) {
        "this build needs BuildKit, which Docker Engine has since 18.09".to_owned()
    } else if !["default", "host", "none"].contains(&network) {
        format!(
            "this build needs BuildKit, which knows no `network: {network}`: `host`, `none`, or nothing at all"
        )
    } else if old(BUILDKIT_LIMITS) && (!request.ulimits.is_empty() || request.shm_size.is_some()) {
        "this build needs BuildKit, which knows `ulimits` and `shm_size` since Docker Engine 23".to_owned()
    } else {
        return None;
    };
    Some(reason)
}

/// What a build has told so far.
struct Told<'a> {
    progress: Progress<'a>,
    redactor: Redactor,
    partial: Lines,
    tail: VecDeque<String>,
    image: Option<ImageId>,
    steps: Steps<'a>,
    /// What the classic builder has begun a step with, last.
    modern: Option<Modern>,
}

impl<'a> Told<'a> {
    fn new(progress: Progress<'a>, redactor: Redactor, args: &'a BTreeMap<String, String>) -> Self {
        let (partial, tail) = (Lines::default(), VecDeque::new());
        Self { progress, redactor, partial, tail, image: None, steps: Steps::new(args), modern: None }
    }

    /// Takes a message; the reason and the last lines where it says that the build failed.
    fn hear(&mut self, message: Message) -> Result<(), (String, Vec<String>)> {
        let Message { stream, status, id, error, detail, aux } = message;
        if let Some(text) = stream {
            self.output(text.as_bytes());
        }
        if let Some(status) = status {
            self.line(id.map_or_else(|| status.clone(), |id| format!("{id}: {status}")));
        }
        match aux {
            Some(Aux::Image { id }) => self.image = Some(ImageId::new(id)),
            Some(Aux::Trace(trace)) => trace::read(&trace).into_iter().for_each(|said| self.said(said)),
            Some(Aux::Other(_)) | None => {}
        }
        match detail.and_then(|detail| detail.message).or(error) {
            Some(reason) => Err((self.redactor.line(&reason), self.last_lines())),
            None => Ok(()),
        }
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Step(name) => {
                self.end_line();
                self.line(name);
            }
            Said::Output(bytes) => self.output(&bytes),
        }
    }

    /// What was written last need not end like a line.
    fn end_line(&mut self) {
        for line in std::mem::take(&mut self.partial).finish() {
            self.line(line.text);
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.partial.push(false, bytes);
        for line in self.partial.take() {
            self.line(line.text);
        }
    }

    fn line(&mut self, line: String) {
        self.modern = self.steps.hear(&line).or(self.modern);
        let line = self.redactor.line(&line);
        (self.progress)(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn last_lines(&mut self) -> Vec<String> {
        self.end_line();
        std::mem::take(&mut self.tail).into()
    }
}

fn action(request: &BuildRequest) -> String {
    format!("build {}", request.tag)
}

fn failed(request: &BuildRequest, reason: String, tail: Vec<String>) -> EngineError {
    if errors::out_of_space(&reason) {
        return EngineError::NoSpace { action: action(request), reason };
    }
    let image = request.tag.clone();
    if layer_lost(&reason) {
        return EngineError::LayerLost { image, reason };
    }
    if (is_away(&reason) || is_denied(&reason)) && !is_its_own(&reason) {
        let image = format!("what {image} is built from");
        return EngineError::PullFailed { image, reason: advised(reason), transient: true };
    }
    EngineError::BuildFailed { image, reason: advised(reason), tail }
}

/// BuildKit's words, and what to do about them.
fn advised(reason: String) -> String {
    if reason.contains("gateway.v0") {
        return format!(
            "{reason}. The `# syntax=` line of the Dockerfile names an image that the engine pulls: make it reachable, or take the line out, \
             and the engine reads the Dockerfile by itself"
        );
    }
    if reason.contains("failed to resolve source metadata") {
        return format!(
            "{reason}. Where that is what the `# syntax=` line of the Dockerfile names: make it reachable, or take the line out, and the \
             engine reads the Dockerfile by itself"
        );
    }
    if reason.contains("failed to create LLB definition") && reason.contains("parse error") {
        return format!(
            "{reason}. Where that is newer than the engine's BuildKit, such as a heredoc on Docker Engine 20.10, \
             `# syntax=docker/dockerfile:1` as the first line makes the engine pull one that knows it"
        );
    }
    if is_denied(&reason) && !is_its_own(&reason) {
        return format!(
            "{reason}. The registry wants credentials for the image in `FROM`, or others: run `docker login` as the user that evenkeel runs \
             as, or name a file under `engine.registryCredentials`. Some registries say the same of a name that does not exist. No release \
             is blamed: it is tried again"
        );
    }
    reason
}

fn layer_lost(reason: &str) -> bool {
    LOST.iter().any(|words| reason.contains(words)) && !ran(reason)
}

/// Whether it was a `RUN` step that failed.
fn ran(reason: &str) -> bool {
    RAN.iter().any(|words| reason.contains(words))
}

/// Whether a step of the Dockerfile failed by itself.
fn is_its_own(reason: &str) -> bool {
    ran(reason) || COPIED.iter().any(|words| reason.contains(words))
}

fn wants(error: &EngineError, modern: Modern) -> bool {
    matches!(error, EngineError::BuildFailed { reason, .. } if reason.contains(modern.refused()))
}

fn wants_buildkit(error: &EngineError) -> bool {
    matches!(error, EngineError::BuildFailed { reason, .. } if MODERN.iter().any(|words| reason.contains(words)))
}

fn parameters(builder: &Builder, request: &BuildRequest) -> Vec<(&'static str, String)> {
    let BuildRequest {
        tag,
        dockerfile,
        args,
        target,
        labels,
        network,
        extra_hosts,
        shm_size,
        platform,
        cache,
        cache_from,
        ulimits,
        pull,
        ..
    } = request;
    let mut parameters = vec![
        ("t", tag.clone()),
        ("dockerfile", dockerfile.clone()),
        ("buildargs", json(args)),
        ("labels", json(labels)),
        ("nocache", flag(!cache)),
        // Intermediate containers go, after a failure too.
        ("rm", flag(true)),
        ("forcerm", flag(true)),
    ];
    match builder {
        Builder::Classic { .. } => parameters.push(("version", "1".to_owned())),
        Builder::BuildKit(session) => {
            parameters.push(("version", "2".to_owned()));
            parameters.extend(session.as_ref().map(|session| ("session", session.id().to_owned())));
        }
    }
    parameters.extend(pull.then(|| ("pull", flag(true))));
    if !cache_from.is_empty() {
        parameters.push(("cachefrom", serde_json::json!(cache_from).to_string()));
    }
    if !ulimits.is_empty() {
        let limit = |(name, (soft, hard)): (&String, &(i64, i64))| serde_json::json!({"Name": name, "Soft": soft, "Hard": hard});
        parameters.push(("ulimits", serde_json::Value::from_iter(ulimits.iter().map(limit)).to_string()));
    }
    parameters.extend(target.clone().map(|target| ("target", target)));
    parameters.extend(network.clone().map(|network| ("networkmode", network)));
    parameters.extend(shm_size.map(|bytes| ("shmsize", bytes.to_string())));
    parameters.extend(platform.clone().map(|platform| ("platform", platform)));
    parameters.extend(extra_hosts.iter().map(|host| ("extrahosts", host.clone())));
    parameters
}

fn flag(set: bool) -> String {
    u8::from(set).to_string()
}

fn json(entries: &BTreeMap<String, String>) -> String {
    serde_json::json!(entries).to_string()
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod unit;
