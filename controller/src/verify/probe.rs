//! One probe: a request, a connection or a command.

use std::time::Duration;

use evenkeel_core::manifest::{Expect, HttpProbe, Probe, UrlProbe};
use evenkeel_core::observed::Container;

use super::wire::{Answer, Ask, Wire};
use crate::engine::{Engine, EngineError, Exec, ExecOutcome};

/// How a container is reached.
pub(crate) struct Reach<'a> {
    /// The engine, for `exec` probes.
    pub(crate) engine: &'a dyn Engine,
    /// For requests and connections.
    pub(crate) wire: &'a dyn Wire,
    /// The network whose address is used first; any other that has one otherwise.
    pub(crate) network: &'a str,
}

/// Probes a container once: what it answered.
///
/// # Errors
/// When an `exec` probe could not be made, for the engine, its host or what stands before it: that says nothing of the container.
pub(crate) async fn probe_once(
    reach: &Reach<'_>,
    container: &Container,
    probe: &Probe,
) -> Result<Result<(), String>, EngineError> {
    match &probe.exec {
        Some(command) => exec_once(reach.engine, container, command, probe.timeout).await,
        None => Ok(reached_once(reach, container, probe).await),
    }
}

async fn reached_once(reach: &Reach<'_>, container: &Container, probe: &Probe) -> Result<(), String> {
    let address = || address(container, reach.network).ok_or("it has no address yet");
    match (&probe.http, &probe.tcp) {
        (Some(http), _) => http_probe_once(reach.wire, &address()?, http, probe.timeout).await,
        (None, Some(tcp)) => reach.wire.connect(&address()?, tcp.port, probe.timeout).await,
        (None, None) => Ok(()),
    }
}

/// A container's address on a network; on any network where it is not on that one.
pub(crate) fn address(container: &Container, network: &str) -> Option<String> {
    let on = |joined: &evenkeel_core::observed::Joined| {
        (!joined.ip_address.is_empty()).then(|| joined.ip_address.clone())
    };
    if container.networks.contains_key("host") {
        return Some("127.0.0.1".to_owned());
    }
    container.networks.get(network).and_then(on).or_else(|| container.networks.values().find_map(on))
}

async fn http_probe_once(
    wire: &dyn Wire,
    address: &str,
    probe: &HttpProbe,
    timeout: Duration,
) -> Result<(), String> {
    let url = format!("http://{address}:{}{}", probe.port, probe.path);
    let ask = Ask { method: "GET", url: &url, host: probe.host.as_deref(), timeout };
    http(wire, ask, &probe.expect).await
}

/// Asks a URL once.
pub(crate) async fn url_once(wire: &dyn Wire, probe: &UrlProbe) -> Result<(), String> {
    let ask = Ask { method: "GET", url: &probe.url, host: None, timeout: probe.timeout };
    http(wire, ask, &probe.expect).await
}

/// One HTTP request, judged.
pub(crate) async fn http(wire: &dyn Wire, ask: Ask<'_>, expect: &Expect) -> Result<(), String> {
    let follow = !expect.status.is_some_and(|status| (300..400).contains(&status));
    let answer = wire.http(ask, follow).await?;
    judge(ask.method, ask.url, &answer, expect)
}

fn judge(method: &str, url: &str, answer: &Answer, expect: &Expect) -> Result<(), String> {
    let Answer { status, body } = answer;
    let right = expect.status.map_or((200..300).contains(status), |wanted| wanted == *status);
    if !right {
        let wanted = expect.status.map_or("2xx".to_owned(), |wanted| wanted.to_string());
        let shown: String = body.chars().take(200).collect();
        return Err(format!("{method} {url} answered {status} instead of {wanted}: {}", shown.trim()));
    }
    match &expect.body {
        Some(text) if !body.contains(text.as_str()) => {
            Err(format!("{method} {url} answered without {text:?}"))
        }
        _ => Ok(()),
    }
}

async fn exec_once(
    engine: &dyn Engine,
    container: &Container,
    command: &[String],
    timeout: Duration,
) -> Result<Result<(), String>, EngineError> {
    let exec = Exec { command: command.to_vec(), ..Exec::default() };
    match tokio::time::timeout(timeout, engine.exec(container.id.as_str(), exec)).await {
        Ok(ended) => judge_exec(command, ended),
        Err(_) => Ok(Err(format!("`{}` took longer than {} s", command.join(" "), timeout.as_secs()))),
    }
}

fn judge_exec(
    command: &[String],
    ended: Result<ExecOutcome, EngineError>,
) -> Result<Result<(), String>, EngineError> {
    match ended {
        Ok(ExecOutcome { exit_code: 0, .. }) => Ok(Ok(())),
        Ok(ExecOutcome { exit_code, stderr, .. }) => {
            Ok(Err(format!("`{}` exited with {exit_code}: {}", command.join(" "), stderr.trim())))
        }
        // It does not run any more, or has no such program.
        Err(refused @ EngineError::Refused { .. }) => Ok(Err(refused.to_string())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_could_not_be_run_says_nothing_of_the_container() {
        let said = |ended| judge_exec(&["true".to_owned()], ended);
        let exits = |exit_code| ExecOutcome { exit_code, ..ExecOutcome::default() };
        assert!(matches!(said(Ok(exits(0))), Ok(Ok(()))));
        assert!(matches!(said(Ok(exits(1))), Ok(Err(why)) if why == "`true` exited with 1: "));
        let action = || "run true in api".to_owned();
        let not_running =
            EngineError::Refused { action: action(), status: 409, reason: "not running".into() };
        assert!(matches!(said(Err(not_running)), Ok(Err(_))));
        let endpoint = || "/var/run/docker.sock".to_owned();
        for error in [
            EngineError::Unreachable { endpoint: endpoint(), reason: "refused".into() },
            EngineError::NotLetThrough {
                endpoint: endpoint(),
                action: action(),
                status: 403,
                advice: "allow `POST /exec`".into(),
            },
            EngineError::Hindered { action: action(), reason: "context deadline exceeded".into() },
        ] {
            assert!(said(Err(error)).is_err());
        }
    }
}
