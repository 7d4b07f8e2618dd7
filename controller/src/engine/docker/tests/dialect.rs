//! Which path is really sent, seen from the other end of the connection.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::engine::EngineError;

/// Answers every request and keeps its first line.
async fn engine(newest: &'static str, oldest: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = String::new();
            BufReader::new(&mut stream).read_line(&mut first).await.expect("a request");
            let body = if first.contains("/version") {
                format!(r#"{{"ApiVersion":"{newest}","MinAPIVersion":"{oldest}"}}"#)
            } else {
                r#"{"message":"client version 1.44 is too old"}"#.to_owned()
            };
            let status = if first.contains("/version") { "200 OK" } else { "400 Bad Request" };
            lines.lock().expect("a lock").push(first.trim().to_owned());
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.expect("an answer");
        }
    });
    (endpoint, seen)
}

#[tokio::test]
async fn the_version_is_asked_once_sent_always_and_asked_again_when_refused() {
    let (endpoint, seen) = engine("1.52", "1.44").await;
    let docker = connect(Some(&endpoint)).expect("an endpoint");
    for _ in 0..2 {
        let error = docker.volume_exists("a b").await.expect_err("refused");
        assert!(matches!(error, EngineError::Refused { status: 400, .. }), "{error}");
    }
    let (ask, use_it) = ("GET /version HTTP/1.1", "GET /v1.44/volumes/a%20b HTTP/1.1");
    assert_eq!(*seen.lock().expect("a lock"), [ask, use_it, ask, use_it]);
}

#[tokio::test]
async fn a_build_is_sent_in_the_same_dialect() {
    let (endpoint, seen) = engine("1.41", "1.12").await;
    let docker = connect(Some(&endpoint)).expect("an endpoint");
    docker.volume_exists("a").await.expect_err("refused");
    docker.client().await.expect("a version");
    let answer = docker.post_tar("build x", "/build?t=x", std::path::Path::new("/dev/null")).await;
    assert!(answer.is_err());
    assert_eq!(
        seen.lock().expect("a lock").last().map(String::as_str),
        Some("POST /v1.41/build?t=x HTTP/1.1")
    );
}
