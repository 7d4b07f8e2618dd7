//! Where the engine is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::EngineError;

/// Where the engine listens unless told otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";
/// The port of an unencrypted engine.
const PORT: &str = "2375";

/// A place that an engine can listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`, unencrypted.
    Tcp(String),
}

impl Address {
    /// Reads an endpoint as `DOCKER_HOST` has it; a bare path is a socket.
    pub(super) fn parse(endpoint: Option<&str>) -> Result<Self, EngineError> {
        let endpoint = endpoint.unwrap_or(USUAL);
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("unix", endpoint));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "tcp" | "http" if !rest.is_empty() => Ok(Self::Tcp(with_port(rest.trim_end_matches('/')))),
            _ => Err(unusable(endpoint)),
        }
    }

    /// A client for it. It connects anew for each request.
    pub(super) fn open(&self, patience: Duration) -> Result<bollard::Docker, bollard::errors::Error> {
        let (version, seconds) = (bollard::API_DEFAULT_VERSION, patience.as_secs());
        match self {
            Self::Unix(path) => bollard::Docker::connect_with_unix(&path.to_string_lossy(), seconds, version),
            Self::Tcp(host) => bollard::Docker::connect_with_http(host, seconds, version),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

/// Adds the usual port. A colon inside brackets belongs to an IPv6 address.
fn with_port(host: &str) -> String {
    let after_address = host.rsplit(']').next().unwrap_or(host);
    if after_address.contains(':') { host.to_owned() } else { format!("{host}:{PORT}") }
}

fn unusable(endpoint: &str) -> EngineError {
    EngineError::Unreachable {
        endpoint: endpoint.to_owned(),
        reason: "only unix:///path and tcp://host:port are understood".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_people_use() {
        let read = |text| Address::parse(Some(text)).map(|address| address.to_string());
        assert_eq!(Address::parse(None).ok(), Some(Address::Unix("/var/run/docker.sock".into())));
        assert_eq!(
            read("/run/user/1000/docker.sock").ok().as_deref(),
            Some("unix:///run/user/1000/docker.sock")
        );
        assert_eq!(read("tcp://10.0.0.1:2376").ok().as_deref(), Some("tcp://10.0.0.1:2376"));
        assert_eq!(read("http://engine/").ok().as_deref(), Some("tcp://engine:2375"));
        assert_eq!(read("tcp://[::1]").ok().as_deref(), Some("tcp://[::1]:2375"));
    }

    #[test]
    fn refuses_what_it_cannot_reach() {
        for wrong in ["ssh://host", "npipe:////./pipe/docker", "tcp://", "unix://relative", ""] {
            assert!(matches!(Address::parse(Some(wrong)), Err(EngineError::Unreachable { .. })), "{wrong}");
        }
    }
}
