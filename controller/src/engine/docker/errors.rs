//! What the client library's errors mean, in one place.

use std::error::Error as _;
use std::fmt;

use bollard::errors::Error;

use super::{Address, PATIENCE};
use crate::engine::EngineError;

/// Names an error of the client library. The engine's words are kept; what could hold the content of an answer is not.
pub(super) fn classify(address: &Address, action: impl fmt::Display, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => refused(action, status_code, message),
        Error::DockerStreamError { error } => refused(action, 500, error),
        Error::DockerContainerWaitError { error, .. } => refused(action, 500, error),
        Error::RequestTimeoutError => EngineError::Timeout { action: action.to_string(), after: PATIENCE },
        Error::JsonDataError { column, .. } => unreadable(action, column),
        Error::JsonSerdeError { err } => unreadable(action, err.column()),
        Error::SocketNotFoundError(path) => unreachable_at(address, format!("there is no socket at {path}")),
        Error::HyperLegacyError { .. } | Error::HyperResponseError { .. } | Error::IOError { .. } => {
            unreachable_at(address, innermost(&error))
        }
        other => refused(action, 0, other.to_string()),
    }
}

/// An engine that said no, with a full disk told apart.
pub(super) fn refused(action: impl fmt::Display, status: u16, reason: impl Into<String>) -> EngineError {
    let (action, reason) = (action.to_string(), reason.into());
    if out_of_space(&reason) {
        return EngineError::NoSpace { action, reason };
    }
    EngineError::Refused { action, status, reason }
}

/// An engine that did not answer.
pub(super) fn unreachable_at(address: &Address, reason: impl fmt::Display) -> EngineError {
    EngineError::Unreachable { endpoint: address.to_string(), reason: reason.to_string() }
}

/// Whether these words of the engine mean a full disk.
pub(super) fn out_of_space(reason: &str) -> bool {
    reason.contains("no space left on device") || reason.contains("disk quota exceeded")
}

/// Whether the engine may be another one at the next request: it went away, or it no longer takes the version.
pub(super) fn unsettles(error: &EngineError) -> bool {
    match error {
        EngineError::Unreachable { .. } => true,
        EngineError::Refused { status: 400, reason, .. } => reason.starts_with("client version"),
        _ => false,
    }
}

/// Whether the engine refused with this status.
pub(super) fn has_status(error: &EngineError, expected: u16) -> bool {
    matches!(error, EngineError::Refused { status, .. } if *status == expected)
}

/// `None` for an object that does not exist.
pub(super) fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Err(error) if has_status(&error, 404) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Success for an object that does not exist, where it was to go anyway.
pub(super) fn gone_is_fine(answer: Result<(), EngineError>) -> Result<(), EngineError> {
    found(answer).map(drop)
}

/// An answer that is not what the API promises. The place is told, never the content: it may be an environment.
fn unreadable(action: impl fmt::Display, column: usize) -> EngineError {
    refused(action, 200, format!("its answer makes no sense at column {column}"))
}

/// The error below all others: "connection refused" rather than "client error".
fn innermost(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status_code: u16, message: &str) -> EngineError {
        let address = Address::Tcp("engine:1".into());
        classify(
            &address,
            "start container web",
            Error::DockerResponseServerError { status_code, message: message.into() },
        )
    }

    #[test]
    fn the_engines_words_and_the_object_are_told() {
        let told = said(409, "it is marked for removal").to_string();
        assert_eq!(
            told,
            "the Docker Engine refused to start container web: it is marked for removal (status 409)"
        );
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        assert!(matches!(said(500, "write /var/x: no space left on device"), EngineError::NoSpace { .. }));
    }

    #[test]
    fn what_is_missing_is_none_and_what_is_gone_is_fine() {
        assert!(matches!(found::<()>(Err(said(404, "no such container"))), Ok(None)));
        assert!(gone_is_fine(Err(said(404, "no such container"))).is_ok());
        assert!(gone_is_fine(Err(said(409, "in use"))).is_err());
    }

    #[test]
    fn an_engine_of_another_version_is_asked_again() {
        assert!(unsettles(&said(
            400,
            "client version 1.41 is too old. Minimum supported API version is 1.44"
        )));
        assert!(!unsettles(&said(400, "invalid mount config")));
    }
}
