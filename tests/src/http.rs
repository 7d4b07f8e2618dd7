//! Asking over HTTP, without following the environment's proxies.

use std::time::Duration;

use ureq::{Agent, Body, Error, http::Response};

/// A client that takes every answer as an answer. `keep` idle connections; 0 opens one for every request.
pub fn client(timeout: Duration, keep: usize) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_idle_connections(keep)
        .max_idle_connections_per_host(keep)
        .build()
        .into()
}

/// An answer: status and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Reads an answer to its end.
pub fn read(response: Result<Response<Body>, Error>) -> Result<Answer, String> {
    let mut response = response.map_err(|problem| problem.to_string())?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().map_err(|problem| problem.to_string())?;
    Ok(Answer { status, body })
}

/// One GET on a connection of its own.
pub fn get(url: &str) -> Result<Answer, String> {
    read(client(Duration::from_secs(10), 0).get(url).call())
}

/// The JSON of a GET that has to be answered with 200.
pub fn json(url: &str) -> serde_json::Value {
    let answer = get(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|problem| panic!("{url}: {problem}: {}", answer.body))
}
