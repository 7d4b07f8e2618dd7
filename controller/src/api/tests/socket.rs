//! The control socket.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use super::fake::{Fake, raw, serve};
use crate::api::{ApiError, Line, Socket};

async fn eventually(what: impl Fn() -> bool) {
    for _ in 0..200 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never");
}

#[tokio::test]
async fn it_is_private_and_goes_with_its_server() {
    let served = serve(&Arc::default());
    let found = std::fs::symlink_metadata(&served.path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    served.stop.cancel();
    eventually(|| !served.path.exists()).await;
}

#[tokio::test]
async fn a_leftover_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evenkeel.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let living = Socket::bind(&path).unwrap();
    assert!(matches!(Socket::bind(&path), Err(ApiError::InUse { .. })));
    drop(living);
    std::fs::write(&path, "a file of somebody's").unwrap();
    assert!(matches!(Socket::bind(&path), Err(ApiError::NotASocket { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half made stays");
}

#[tokio::test]
async fn progress_of_this_application_streams_until_the_last_line() {
    let fake = Arc::new(Fake { takes: Duration::from_millis(50), ..Fake::default() });
    let served = serve(&fake);
    let answer = raw(&served.path, "POST /api/v1/apps/convertik/sync?wait=true").await;
    let lines: Vec<Line> = answer.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&str> = lines
        .iter()
        .map(|line| match line {
            Line::Progress(line) => line.message.as_str(),
            Line::Done(done) => done,
            Line::Failed(error) => &error.error,
        })
        .collect();
    assert_eq!(told, ["building the API", "taking over", "sync-and-wait is done"]);
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_nothing() {
    use tokio::io::AsyncWriteExt;
    let fake = Arc::new(Fake { takes: Duration::from_millis(100), ..Fake::default() });
    let served = serve(&fake);
    let mut stream = tokio::net::UnixStream::connect(&served.path).await.unwrap();
    stream.write_all(b"POST /api/v1/apps/convertik/backups HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    eventually(|| fake.asked().contains(&"create-backup convertik".to_owned())).await;
    drop(stream);
    eventually(|| fake.asked().contains(&"create-backup convertik!".to_owned())).await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let served = serve(&Arc::default());
    let answer = raw(&served.path, "GET /api/v1/plan?app=nope").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(
        answer.contains(r#"{"kind":"NotFound","error":"there is no application `nope`","hint":null}"#),
        "{answer}"
    );
    let answer = raw(&served.path, "POST /api/v1/apps/broken/retry").await;
    assert!(
        answer.contains(r#"{"failed":{"kind":"Conflict","error":"a rollout goes on","hint":"wait for it"}}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn status_can_be_asked_for_one_application() {
    let served = serve(&Arc::default());
    assert!(raw(&served.path, "GET /api/v1/status?app=convertik").await.contains(r#""liveRevision":"aaaa"#));
    assert!(raw(&served.path, "GET /api/v1/status?app=other").await.contains(r#"{"applications":[]}"#));
}
