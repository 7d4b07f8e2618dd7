//! What goes over the wire to find out whether something works: one request, or one connection.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The whole URL.
    pub(crate) url: &'a str,
    /// What the `Host` header says; the URL's own by default.
    pub(crate) host: Option<&'a str>,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The beginning of the body.
    pub(crate) body: String,
}

/// The way to containers and to the world outside.
#[async_trait]
pub(crate) trait Wire: Send + Sync {
    /// Makes one HTTP request; `follow`s redirects.
    async fn http(&self, ask: Ask<'_>, follow: bool) -> Result<Answer, String>;

    /// Connects once.
    async fn connect(&self, address: &str, port: u16, timeout: Duration) -> Result<(), String>;
}

/// This machine's own network.
pub(crate) struct Sockets;

#[async_trait]
impl Wire for Sockets {
    async fn http(&self, ask: Ask<'_>, follow: bool) -> Result<Answer, String> {
        let (method, url, host) = (ask.method.to_owned(), ask.url.to_owned(), ask.host.map(str::to_owned));
        let timeout = ask.timeout;
        let request = move || {
            let ask = Ask { method: &method, url: &url, host: host.as_deref(), timeout };
            request(ask, follow)
        };
        // The client is a blocking one: small, and bounded by its own timeout.
        tokio::task::spawn_blocking(request)
            .await
            .unwrap_or_else(|error| Err(format!("the probe was lost: {error}")))
    }

    async fn connect(&self, address: &str, port: u16, timeout: Duration) -> Result<(), String> {
        let target: SocketAddr =
            format!("{address}:{port}").parse().map_err(|error| format!("{address}:{port}: {error}"))?;
        match tokio::time::timeout(timeout, tokio::net::TcpStream::connect(target)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{target}: {error}")),
            Err(_) => Err(format!("{target} did not accept within {} s", timeout.as_secs())),
        }
    }
}

fn request(ask: Ask<'_>, follow: bool) -> Result<Answer, String> {
    let Ask { method, url, host, timeout } = ask;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(if follow { 5 } else { 0 })
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
    let mut body = Vec::new();
    let beginning = response.body_mut().as_reader().take(MOST_OF_A_BODY).read_to_end(&mut body);
    beginning.map_err(|error| format!("{method} {url}: the body of the answer broke off: {error}"))?;
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// What is read of a body, in bytes.
const MOST_OF_A_BODY: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// What is made of an answer to one request.
    fn answered(head: &str, body: &[u8]) -> Result<Answer, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = [head.as_bytes(), b"\r\n\r\n", body].concat();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            assert!(client.read(&mut asked).unwrap() > 0);
            // Whoever has read enough hangs up.
            drop(client.write_all(&answer));
        });
        let ask = Ask { method: "GET", url: &url, host: None, timeout: Duration::from_secs(30) };
        let answer = request(ask, false);
        server.join().unwrap();
        answer
    }

    #[test]
    fn the_beginning_of_a_long_body_is_read() {
        let body = [b"it works".to_vec(), vec![b'.'; 3 << 20]].concat();
        let answer = answered(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len()), &body).unwrap();
        assert!(answer.body.starts_with("it works") && answer.body.len() == 1 << 20, "{}", answer.body.len());
    }

    #[test]
    fn a_body_that_is_no_text_is_read_as_far_as_it_is() {
        let answer = answered("HTTP/1.1 200 OK\r\nContent-Length: 5", b"caf\xe9!").unwrap();
        assert_eq!(answer.body, "caf\u{fffd}!");
    }

    #[test]
    fn a_body_that_breaks_off_is_no_answer() {
        let error = answered("HTTP/1.1 200 OK\r\nContent-Length: 9", b"half").unwrap_err();
        assert!(error.contains("broke off"), "{error}");
    }
}
