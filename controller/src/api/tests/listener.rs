//! The read-only listener, and the webhook's checks.

use std::net::SocketAddr;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, api};
use crate::api::Listener;
use crate::config::SecretFile;

async fn start(fake: &Arc<Fake>, secret: Option<SecretFile>) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.serve(api(fake, secret), CancellationToken::new()));
    address
}

async fn ask(address: SocketAddr, request: &str, headers: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn it_shows_and_changes_nothing() {
    let fake = Arc::new(Fake { unready: Some("no source was read yet".to_owned()), ..Fake::default() });
    let address = start(&fake, None).await;
    assert!(ask(address, "GET /healthz", "", "").await.starts_with("HTTP/1.1 200"));
    let ready = ask(address, "GET /readyz", "", "").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("no source was read yet\n"), "{ready}");
    let metrics = ask(address, "GET /metrics", "", "").await;
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains(r#"evenkeel_app_synced{app="convertik"} 0"#), "{metrics}");
    assert!(ask(address, "GET /api/v1/history?limit=1", "", "").await.contains(r#""outcome":"Reverted""#));
    for verb in
        ["POST /api/v1/apps/convertik/sync", "GET /api/v1/plan", "POST /api/v1/apps/convertik/backups"]
    {
        assert!(ask(address, verb, "", "").await.starts_with("HTTP/1.1 404"), "{verb}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_webhook_without_a_secret_is_taken() {
    let fake = Arc::default();
    let address = start(&fake, None).await;
    assert!(ask(address, "POST /webhook?source=infra", "", "{}").await.starts_with("HTTP/1.1 202"));
    assert!(ask(address, "POST /webhook", "", "").await.starts_with("HTTP/1.1 202"));
    assert!(ask(address, "GET /webhook", "", "").await.starts_with("HTTP/1.1 405"));
    assert_eq!(fake.asked(), ["webhook infra", "webhook any"]);
}

#[tokio::test]
async fn with_a_secret_it_has_to_be_known() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "open sesame\n").unwrap();
    let fake = Arc::default();
    let address = start(&fake, Some(serde_json::from_value(serde_json::json!(file.path())).unwrap())).await;
    let body = r#"{"ref":"refs/heads/main"}"#;
    let good = signature("open sesame", body);
    let bad = signature("open barley", body);
    for (headers, accepted) in [
        (format!("x-hub-signature-256: sha256={good}\r\n"), true),
        (format!("x-gitea-signature: {good}\r\n"), true),
        ("x-gitlab-token: open sesame\r\n".to_owned(), true),
        (format!("x-hub-signature-256: sha256={bad}\r\n"), false),
        (format!("x-hub-signature-256: {good}\r\n"), false),
        ("x-hub-signature-256: sha256=\r\n".to_owned(), false),
        (format!("x-gitea-signature: {bad}\r\n"), false),
        ("x-gitlab-token: open sesam\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        let answer = ask(address, "POST /webhook", &headers, body).await;
        assert!(
            answer.starts_with(if accepted { "HTTP/1.1 202" } else { "HTTP/1.1 401" }),
            "{headers} {answer}"
        );
    }
    let forged =
        ask(address, "POST /webhook", &format!("x-hub-signature-256: sha256={good}\r\n"), "{}").await;
    assert!(forged.starts_with("HTTP/1.1 401"), "{forged}");
    assert_eq!(fake.asked().len(), 3);
    drop(file);
    let unreadable = ask(address, "POST /webhook", "x-gitlab-token: open sesame\r\n", body).await;
    assert!(unreadable.starts_with("HTTP/1.1 503"), "{unreadable}");
}
