//! What the client library's errors mean, in one place.

use std::error::Error as _;
use std::fmt;

use bollard::errors::Error;

use super::{Address, PATIENCE};
use crate::engine::EngineError;

/// With these a proxy of the engine's socket refuses what it was not told to let through.
pub(super) const BARRED: [u16; 3] = [403, 405, 501];
/// With these it says that it has not got through to the engine, or got no answer from it.
const GATEWAY: [u16; 3] = [502, 503, 504];
/// What the engine itself says with one of [`BARRED`]: of addresses, of networks, of a logging driver that keeps nothing, and of a plugin
/// that judges requests.
const ITS_OWN: [&str; 11] = [
    "already",
    "overlap",
    "permitted",
    "active endpoints",
    "same bridge name",
    "predefined",
    "pre-defined",
    "in use",
    "not connected",
    "support",
    "denied by plugin",
];
/// How the engine says that its containerd is away: it restarts, and comes back.
const RUNTIME_AWAY: [&str; 5] = [
    "containerd.sock: connect:",
    "transport is closing",
    "ttrpc: closed",
    "client connection is closing",
    "error reading from server: EOF",
];
/// How it tells of rules of the firewall that it cannot write.
const FIREWALL: [&str; 4] = [
    "iptables failed",
    "ip6tables failed",
    "No chain/target/match by that name",
    "Failed to Setup IP tables",
];

/// Names an error of the client library. The engine's words are kept; what could hold the content of an answer is not. What it passes
/// on from a registry is taken as it is: for everything else, see [`understood`].
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
        other => hindered(action, other.to_string()),
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

/// Something that stands in the engine's way, or in the client's, with a full disk told apart.
pub(super) fn hindered(action: impl fmt::Display, reason: impl Into<String>) -> EngineError {
    let (action, reason) = (action.to_string(), reason.into());
    if out_of_space(&reason) {
        return EngineError::NoSpace { action, reason };
    }
    EngineError::Hindered { action, reason }
}

/// A refusal, unless it is not for what was asked: what stands before the engine has not got through to it or does not let the request
/// through, its containerd is away, or its host does not let it do its work.
pub(super) fn understood(address: &Address, error: EngineError) -> EngineError {
    if error.is_taken() {
        return error;
    }
    let EngineError::Refused { action, status, reason } = error else { return error };
    match status {
        _ if GATEWAY.contains(&status) => {
            let said = few_words(&reason).unwrap_or("what stands before it has not got through");
            unreachable_at(address, format!("{said} (status {status})"))
        }
        _ if BARRED.contains(&status) && !has(&reason, &ITS_OWN) => {
            not_let_through(address, action, status, &reason)
        }
        // What the runtime says of the container itself goes on as it is, whatever it says.
        500 if has(&reason, &["OCI runtime"]) => EngineError::Refused { action, status, reason },
        500 if has(&reason, &RUNTIME_AWAY) => unreachable_at(address, reason),
        500 if has(&reason, &FIREWALL) => EngineError::Hindered {
            action,
            reason: format!(
                "{reason}. A firewall that is reloaded takes the engine's own rules away: `systemctl restart docker` puts them back. No \
                 release is blamed: it is tried again"
            ),
        },
        500 if has(&reason, &["context deadline exceeded"]) => EngineError::Hindered { action, reason },
        _ => EngineError::Refused { action, status, reason },
    }
}

fn not_let_through(address: &Address, action: String, status: u16, reason: &str) -> EngineError {
    let said = few_words(reason).map_or_else(String::new, |said| format!("; it says: {said}"));
    let advice = format!(
        "allow that request there (for docker-socket-proxy `POST=1`, and what the request is about: `CONTAINERS=1`, `EXEC=1`, \
         `IMAGES=1`, `NETWORKS=1`, `VOLUMES=1`), or give evenkeel the engine's own socket{said}"
    );
    EngineError::NotLetThrough { endpoint: address.to_string(), action, status, advice }
}

/// What a proxy says, where it is a few words and no page.
fn few_words(reason: &str) -> Option<&str> {
    let said = reason.trim();
    let is_a_page = said.starts_with('<') || said.contains('\n') || said.len() > 200;
    (!said.is_empty() && !is_a_page).then_some(said)
}

fn has(reason: &str, some: &[&str]) -> bool {
    some.iter().any(|words| reason.contains(words))
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
    hindered(action, format!("its answer makes no sense at column {column}"))
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
    use super::super::connect;
    use super::*;
    use crate::engine::Engine as _;

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

    fn means(status: u16, message: &str) -> EngineError {
        understood(&Address::Tcp("engine:1".into()), said(status, message))
    }

    #[test]
    fn a_proxy_that_has_nobody_to_ask_is_an_engine_that_is_away() {
        let page = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available.\n</body></html>\n";
        for (status, words) in [(502, ""), (503, page), (504, "upstream request timeout")] {
            let error = means(status, words);
            assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            assert!(!error.to_string().contains('<'), "{error}");
        }
    }

    #[test]
    fn an_engine_behind_a_proxy_that_goes_away_counts_as_an_outage() {
        let docker = connect(Some("tcp://127.0.0.1:1")).expect("an endpoint");
        let answered = |status_code| Error::DockerResponseServerError { status_code, message: String::new() };
        drop(docker.failed("list networks", answered(500)));
        assert_eq!(docker.outages(), 0);
        drop(docker.failed("list networks", answered(503)));
        assert_eq!(docker.outages(), 1);
    }

    #[test]
    fn a_containerd_that_restarts_is_an_engine_that_is_away() {
        for words in [
            "connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"",
            "failed to create task for container: transport is closing: unavailable",
            "failed to create shim task: ttrpc: closed: unknown",
        ] {
            let error = means(500, words);
            assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
        }
    }

    #[test]
    fn what_the_host_does_not_let_it_do_hinders_it() {
        for words in [
            "driver failed programming external connectivity on endpoint web (7c1f):  (iptables failed: iptables --wait -t nat -A DOCKER \
             -p tcp -d 0/0 --dport 80 -j DNAT --to-destination 172.18.0.2:80: iptables: No chain/target/match by that name.\n (exit \
             status 1))",
            "context deadline exceeded",
        ] {
            let error = means(500, words);
            assert!(matches!(error, EngineError::Hindered { .. }), "{error:?}");
        }
        assert!(means(500, "iptables failed").to_string().contains("`systemctl restart docker`"));
    }

    #[test]
    fn an_answer_that_makes_no_sense_hinders_it() {
        let address = Address::Tcp("engine:1".into());
        let torn = serde_json::from_str::<u8>("[").expect_err("no number");
        for error in [Error::JsonSerdeError { err: torn }, Error::APIVersionParseError {}] {
            let error = classify(&address, "inspect container web", error);
            assert!(matches!(error, EngineError::Hindered { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_request_that_a_proxy_bars_is_told_as_that() {
        let page = "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n";
        for (status, words) in [(403, page), (405, "Method Not Allowed"), (501, "")] {
            let error = means(status, words);
            assert!(
                matches!(&error, EngineError::NotLetThrough { status: told, .. } if *told == status),
                "{error:?}"
            );
            let told = error.to_string();
            assert!(told.contains("evenkeel start container web") && !told.contains('<'), "{told}");
        }
    }

    #[test]
    fn what_is_refused_for_what_is_asked_stays_refused() {
        for (status, words) in [
            (
                400,
                "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable \
                   to start container process: exec: \"nope\": executable file not found in $PATH: unknown",
            ),
            (
                500,
                "OCI runtime create failed: container init was OOM-killed (memory limit too low?): ttrpc: closed: unknown",
            ),
            (
                500,
                "driver failed programming external connectivity on endpoint web (7c1f): Bind for 0.0.0.0:80 failed: port is already \
                   allocated",
            ),
            (403, "Address already in use"),
            (403, "Pool overlaps with other one on this address space"),
            (403, "endpoint with name web already exists in network shop_default"),
            (403, "authorization denied by plugin opa: no privileged containers"),
            (501, "configured logging driver does not support reading"),
            (400, "invalid mount config for type \"bind\": bind source path does not exist: /nowhere"),
            (404, "No such image: app:9"),
            (409, "it is marked for removal"),
            (500, "error while mounting volume '/var/lib/docker/volumes/data/_data': permission denied"),
        ] {
            let error = means(status, words);
            assert!(
                matches!(&error, EngineError::Refused { status: told, reason, .. } if *told == status && reason == words),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_network_that_was_pruned_is_gone() {
        for words in [
            "network shop_default not found",
            "could not find a network matching network mode a: network a not found",
        ] {
            assert!(means(404, words).is_gone(), "{words}");
        }
        for words in
            ["failed to find network driver nope not found", "plugin \"nope\" not found", "no such volume"]
        {
            assert!(!means(404, words).is_gone(), "{words}");
        }
        assert!(!means(500, "network shop_default not found").is_gone());
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
