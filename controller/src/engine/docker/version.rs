//! Which version of the API is spoken.
//!
//! The client library leaves the version out of the path, and an engine then answers in its newest dialect, whose fields come and
//! go. So the engine is asked once, and every path is given the version here. One dialect is enough for all engines since 25
//! (1.44 is the oldest that 29 accepts); older ones speak their own newest.

use std::sync::{Arc, PoisonError, RwLock};

use bollard::BollardRequest;
use bollard::models::SystemVersion;
use hyper::Uri;
use hyper::http::uri::PathAndQuery;

use super::Docker;
use crate::engine::{EngineError, EngineInfo};

/// The newest version whose answers are known here.
const NEWEST: ApiVersion = ApiVersion(1, 44);
/// The first version with BuildKit behind `POST /build`.
pub(super) const BUILDKIT: ApiVersion = ApiVersion(1, 39);
/// The first version whose BuildKit takes limits and the size of `/dev/shm` from there; older ones leave them out.
pub(super) const BUILDKIT_LIMITS: ApiVersion = ApiVersion(1, 42);

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u16, u16);

impl ApiVersion {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// The version settled with the engine, shared by every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialect(Arc<RwLock<Option<ApiVersion>>>);

impl Dialect {
    pub(super) fn settled(&self) -> Option<ApiVersion> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles on the newest version that both sides know.
    pub(super) fn settle(&self, engine: &SystemVersion) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = choose(engine);
    }

    /// Asks again before the next request.
    pub(super) fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Writes the version into a request's path.
    pub(super) fn speak(&self, mut request: BollardRequest) -> BollardRequest {
        if let Some(uri) = self.settled().and_then(|version| versioned(request.uri(), version)) {
            *request.uri_mut() = uri;
        }
        request
    }

    /// Writes the version before a path.
    pub(super) fn path(&self, path: &str) -> String {
        self.settled()
            .map_or_else(|| path.to_owned(), |ApiVersion(major, minor)| format!("/v{major}.{minor}{path}"))
    }
}

fn versioned(uri: &Uri, ApiVersion(major, minor): ApiVersion) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.as_ref()?;
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/v{major}.{minor}{path}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn choose(engine: &SystemVersion) -> Option<ApiVersion> {
    let newest = ApiVersion::parse(engine.api_version.as_deref()?)?;
    let oldest = engine.min_api_version.as_deref().and_then(ApiVersion::parse);
    Some(NEWEST.min(newest).max(oldest.unwrap_or(newest.min(NEWEST))))
}

impl Docker {
    /// Who the engine is.
    pub(super) async fn engine_info(&self) -> Result<EngineInfo, EngineError> {
        let client = self.client().await?;
        let version = self.ask("tell its version", client.version()).await?;
        let info = self.ask("describe itself", client.info()).await?;
        Ok(describe(info.id, version))
    }
}

fn describe(id: Option<String>, version: SystemVersion) -> EngineInfo {
    let api_version = version.api_version.unwrap_or_default();
    let linux = version.os.is_none_or(|os| os == "linux");
    EngineInfo {
        id: id.unwrap_or_default(),
        version: version.version.unwrap_or_default(),
        buildkit: linux && ApiVersion::parse(&api_version).is_some_and(|version| version >= BUILDKIT),
        api_version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(newest: &str, oldest: &str) -> SystemVersion {
        SystemVersion {
            api_version: Some(newest.into()),
            min_api_version: Some(oldest.into()),
            ..Default::default()
        }
    }

    #[test]
    fn every_supported_engine_is_spoken_to_in_a_dialect_that_it_accepts() {
        assert_eq!(choose(&engine("1.41", "1.12")), Some(ApiVersion(1, 41)));
        assert_eq!(choose(&engine("1.43", "1.12")), Some(ApiVersion(1, 43)));
        assert_eq!(choose(&engine("1.52", "1.44")), Some(ApiVersion(1, 44)));
        assert_eq!(choose(&engine("1.60", "1.48")), Some(ApiVersion(1, 48)));
        assert_eq!(choose(&SystemVersion::default()), None);
    }

    #[test]
    fn the_version_goes_before_the_path_and_leaves_the_query_alone() {
        let uri: Uri = "unix://2f72/containers/a%2Fb/json?size=false&x=1".parse().expect("a uri");
        let expected = "unix://2f72/v1.41/containers/a%2Fb/json?size=false&x=1";
        assert_eq!(versioned(&uri, ApiVersion(1, 41)).map(|uri| uri.to_string()).as_deref(), Some(expected));
    }

    #[test]
    fn describes_what_the_engine_offers() {
        assert!(describe(None, engine("1.41", "1.12")).buildkit);
        assert!(!describe(None, engine("1.38", "1.12")).buildkit);
    }
}
