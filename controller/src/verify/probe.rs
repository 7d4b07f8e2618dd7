//! One probe: a request, a connection or a command.

use std::time::Duration;

use evenkeel_core::manifest::{Expect, HttpProbe, Probe, UrlProbe};
use evenkeel_core::observed::Container;

use super::wire::{Answer, Ask, Wire};
use crate::engine::{Engine, Exec};

/// How a container is reached.
pub(crate) struct Reach<'a> {
    /// The engine, for `exec` probes.
    pub(crate) engine: &'a dyn Engine,
    /// For requests and connections.
    pub(crate) wire: &'a dyn Wire,
    /// The network whose address is used first; any other that has one otherwise.
    pub(crate) network: &'a str,
}

/// Probes a container once.
pub(crate) async fn probe_once(
    reach: &Reach<'_>,
    container: &Container,
    probe: &Probe,
) -> Result<(), String> {
    if let Some(http_probe) = &probe.http {
        let address = address(container, reach.network).ok_or("it has no address yet")?;
        return http_probe_once(reach.wire, &address, http_probe, probe.timeout).await;
    }
    if let Some(tcp) = &probe.tcp {
        let address = address(container, reach.network).ok_or("it has no address yet")?;
        return reach.wire.connect(&address, tcp.port, probe.timeout).await;
    }
    let Some(command) = &probe.exec else { return Ok(()) };
    exec_once(reach.engine, container, command, probe.timeout).await
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
) -> Result<(), String> {
    let exec = Exec { command: command.to_vec(), ..Exec::default() };
    match tokio::time::timeout(timeout, engine.exec(container.id.as_str(), exec)).await {
        Ok(Ok(outcome)) if outcome.exit_code == 0 => Ok(()),
        Ok(Ok(outcome)) => Err(format!(
            "`{}` exited with {}: {}",
            command.join(" "),
            outcome.exit_code,
            outcome.stderr.trim()
        )),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("`{}` took longer than {} s", command.join(" "), timeout.as_secs())),
    }
}
