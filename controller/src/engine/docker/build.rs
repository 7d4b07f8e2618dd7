//! Builds.
//!
//! The classic builder comes first: it takes base images that the engine already has as they are and pulls the others by
//! itself. A Dockerfile that it cannot read, because of `RUN --mount` and the like, goes to the BuildKit inside the engine,
//! without the session that a BuildKit client keeps open beside the build: no build secrets, no SSH agent, no credentials.

use std::collections::{BTreeMap, VecDeque};

use evenkeel_core::name::ImageId;
use evenkeel_core::observed::Image;
use serde::Deserialize;

use super::lines::Lines;
use super::trace::{self, Said};
use super::{Docker, errors, path::query};
use crate::engine::{BuildRequest, EngineError, Progress};

/// How many of the last lines explain a failure.
const TAIL: usize = 40;
/// The classic builder's words about a Dockerfile written for BuildKit.
const MODERN: [&str; 4] = ["requires BuildKit", "requires buildkit", "unknown flag", "unknown instruction"];

/// The builders' words about a layer that was there when the build began: somebody removed an image that shares it, or
/// pruned, in the middle of the build.
const LOST: [&str; 4] =
    ["No such image: sha256:", "layer does not exist", "unknown parent image ID", "unknown layer"];
/// How the builders begin to tell of a `RUN` step that failed: what follows is the step's own text.
const RAN: [&str; 3] = ["The command '", "executor failed running", "process \""];
/// How often a build is begun that others take layers away from.
const ATTEMPTS: usize = 3;

/// The two builders, by the engine's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Builder {
    Classic = 1,
    BuildKit = 2,
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
        match self.build_with(Builder::Classic, request, progress).await {
            Err(error) if wants_buildkit(&error) => {
                progress("this Dockerfile is not for the classic builder: starting again with BuildKit");
                self.build_with(Builder::BuildKit, request, progress).await
            }
            answer => answer,
        }
    }

    async fn build_with(
        &self,
        builder: Builder,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<Option<ImageId>, EngineError> {
        self.client().await?;
        let path = format!("/build?{}", query(&parameters(builder, request)));
        let answer = self.post_tar(&action(request), &path, &request.context).await;
        // A Dockerfile that cannot be parsed is refused before the first step.
        let mut answer = answer.map_err(|error| match error {
            EngineError::Refused { status: 400, reason, .. } => failed(request, reason, Vec::new()),
            other => other,
        })?;
        let mut told = Told::new(progress);
        while let Some(line) =
            answer.line().await.map_err(|error| errors::unreachable_at(&self.address, error))?
        {
            let message = serde_json::from_str(&line).unwrap_or_default();
            told.hear(message).map_err(|(reason, tail)| failed(request, reason, tail))?;
        }
        Ok(told.image)
    }
}

/// What a build has told so far.
struct Told<'a> {
    progress: Progress<'a>,
    partial: Lines,
    tail: VecDeque<String>,
    image: Option<ImageId>,
}

impl<'a> Told<'a> {
    fn new(progress: Progress<'a>) -> Self {
        Self { progress, partial: Lines::default(), tail: VecDeque::new(), image: None }
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
            Some(reason) => Err((reason, self.last_lines())),
            None => Ok(()),
        }
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Step(name) => self.line(name),
            Said::Output(bytes) => self.output(&bytes),
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.partial.push(false, bytes);
        for line in self.partial.take() {
            self.line(line.text);
        }
    }

    fn line(&mut self, line: String) {
        (self.progress)(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    fn last_lines(&mut self) -> Vec<String> {
        for line in std::mem::take(&mut self.partial).finish() {
            self.line(line.text);
        }
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
    EngineError::BuildFailed { image, reason, tail }
}

fn layer_lost(reason: &str) -> bool {
    LOST.iter().any(|words| reason.contains(words)) && !RAN.iter().any(|words| reason.contains(words))
}

fn wants_buildkit(error: &EngineError) -> bool {
    matches!(error, EngineError::BuildFailed { reason, .. } if MODERN.iter().any(|words| reason.contains(words)))
}

fn parameters(builder: Builder, request: &BuildRequest) -> Vec<(&'static str, String)> {
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
        ("version", (builder as u8).to_string()),
        ("t", tag.clone()),
        ("dockerfile", dockerfile.clone()),
        ("buildargs", json(args)),
        ("labels", json(labels)),
        ("nocache", flag(!cache)),
        // Intermediate containers go, after a failure too.
        ("rm", flag(true)),
        ("forcerm", flag(true)),
    ];
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
