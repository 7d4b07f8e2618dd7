//! One probe: a request, a connection or a command.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::manifest::{Expect, HttpProbe, Probe, UrlProbe};
use evenkeel_core::observed::Container;

use crate::engine::{Engine, Exec};

/// How a container is reached.
pub(crate) struct Reach<'a> {
    /// The engine, for `exec` probes.
    pub(crate) engine: &'a dyn Engine,
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
        return http_probe_once(&address, http_probe, probe.timeout).await;
    }
    if let Some(tcp) = &probe.tcp {
        let address = address(container, reach.network).ok_or("it has no address yet")?;
        return tcp_once(&address, tcp.port, probe.timeout).await;
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

async fn http_probe_once(address: &str, probe: &HttpProbe, timeout: Duration) -> Result<(), String> {
    let url = format!("http://{address}:{}{}", probe.port, probe.path);
    http("GET", &url, probe.host.as_deref(), &probe.expect, timeout).await
}

/// Asks a URL once.
pub(crate) async fn url_once(probe: &UrlProbe) -> Result<(), String> {
    http("GET", &probe.url, None, &probe.expect, probe.timeout).await
}

/// One HTTP request, judged.
pub(crate) async fn http(
    method: &str,
    url: &str,
    host: Option<&str>,
    expect: &Expect,
    timeout: Duration,
) -> Result<(), String> {
    let (method, url, host, expect) =
        (method.to_owned(), url.to_owned(), host.map(str::to_owned), expect.clone());
    let request = move || request(&method, &url, host.as_deref(), &expect, timeout);
    // The client is a blocking one: small, and bounded by its own timeout.
    tokio::task::spawn_blocking(request)
        .await
        .unwrap_or_else(|error| Err(format!("the probe was lost: {error}")))
}

fn request(
    method: &str,
    url: &str,
    host: Option<&str>,
    expect: &Expect,
    timeout: Duration,
) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(if expect.status.is_some_and(|status| (300..400).contains(&status)) { 0 } else { 5 })
        .user_agent("evenkeel")
        .build()
        .into();
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    if let Some(host) = host {
        builder = builder.header("Host", host);
    }
    let request = builder.body(()).map_err(|error| format!("{url}: {error}"))?;
    let mut response = agent.run(request).map_err(|error| format!("{method} {url}: {error}"))?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(1 << 20).read_to_string().unwrap_or_default();
    judge(method, url, status, &body, expect)
}

fn judge(method: &str, url: &str, status: u16, body: &str, expect: &Expect) -> Result<(), String> {
    let right = expect.status.map_or((200..300).contains(&status), |wanted| wanted == status);
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

async fn tcp_once(address: &str, port: u16, timeout: Duration) -> Result<(), String> {
    let target: SocketAddr =
        format!("{address}:{port}").parse().map_err(|error| format!("{address}:{port}: {error}"))?;
    match tokio::time::timeout(timeout, tokio::net::TcpStream::connect(target)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{target}: {error}")),
        Err(_) => Err(format!("{target} did not accept within {} s", timeout.as_secs())),
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
