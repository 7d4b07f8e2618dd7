//! Commands in containers, and logs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::*;
use crate::engine::EngineError;

/// Fifty megabytes.
const MUCH: usize = 50 << 20;

/// Counts and hashes what is written to it.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<(usize, Sha256)>>);

impl AsyncWrite for Meter {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut meter = self.0.lock().expect("a lock");
        meter.0 += data.len();
        meter.1.update(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads a little, then fails.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("disk on fire")))
    }
}

fn much() -> (Vec<u8>, String) {
    let data: Vec<u8> =
        (0..MUCH).map(|index| (index.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]).collect();
    let digest = hex::encode(Sha256::digest(&data));
    (data, digest)
}

fn command(words: &[&str]) -> Exec {
    Exec { command: owned(words), ..Default::default() }
}

#[tokio::test]
async fn outputs_are_kept_apart_and_the_exit_code_is_told() {
    let bench = Bench::new("exec");
    let id = bench.run(&bench.spec("box", &[])).await;
    let outcome = bench.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await;
    assert_eq!(
        (outcome.exit_code, outcome.stdout.as_slice(), outcome.stderr.as_str()),
        (3, b"out\n".as_slice(), "err\n")
    );
    let mut exec = command(&["sh", "-c", "echo $WORD; id -u"]);
    exec.environment = vec!["WORD=ahoy".into()];
    exec.user = Some("1000".into());
    let outcome = bench.docker.exec(id.as_str(), exec).await.expect("a command");
    assert_eq!(outcome.stdout, b"ahoy\n1000\n");
}

#[tokio::test]
async fn a_command_runs_where_and_with_the_rights_that_it_is_given() {
    let bench = Bench::new("rights");
    let id = bench.run(&bench.spec("box", &[])).await;
    let rights = async |privileged| {
        let exec = Exec {
            working_dir: Some("/var".into()),
            privileged,
            ..command(&["sh", "-c", "pwd; grep CapEff /proc/self/status"])
        };
        let outcome = bench.docker.exec(id.as_str(), exec).await.expect("a command");
        String::from_utf8(outcome.stdout).expect("text")
    };
    let (plain, all) = (rights(false).await, rights(true).await);
    assert!(plain.starts_with("/var\n"), "{plain}");
    // An engine that has not all rights itself says that it cannot give them.
    assert_ne!(plain, all, "one has more rights than the other");
}

#[tokio::test]
async fn a_command_that_does_not_exist_fails_like_one_of_a_shell() {
    let bench = Bench::new("nocommand");
    let id = bench.run(&bench.spec("box", &[])).await;
    let outcome = bench.exec(&id, &["engine-no-such-command"]).await;
    assert!(matches!(outcome.exit_code, 126 | 127), "{outcome:?}");
    assert!(bench.docker.exec(&bench.name("nobody"), command(&["true"])).await.is_err());
}

#[tokio::test]
async fn much_input_arrives_whole_and_its_end_is_seen() {
    let bench = Bench::new("stdin");
    let id = bench.run(&bench.spec("box", &[])).await;
    let (data, digest) = much();
    let mut exec = command(&["sh", "-c", "cat | sha256sum"]);
    exec.stdin = Some(Box::new(io::Cursor::new(data)));
    let outcome = bench.docker.exec(id.as_str(), exec).await.expect("a command");
    assert_eq!(String::from_utf8_lossy(&outcome.stdout).split_whitespace().next(), Some(digest.as_str()));
}

#[tokio::test]
async fn much_goes_both_ways_at_once() {
    let bench = Bench::new("both");
    let id = bench.run(&bench.spec("box", &[])).await;
    let ((data, digest), meter) = (much(), Meter::default());
    let mut exec = command(&["cat"]);
    exec.stdin = Some(Box::new(io::Cursor::new(data)));
    exec.stdout = Some(Box::new(meter.clone()));
    let outcome = bench.docker.exec(id.as_str(), exec).await.expect("a command");
    let (size, hash) = meter.0.lock().expect("a lock").clone();
    assert_eq!((outcome.exit_code, outcome.stdout.len(), size), (0, 0, MUCH));
    assert_eq!(hex::encode(hash.finalize()), digest);
}

#[tokio::test]
async fn a_command_that_does_not_read_all_ends_all_the_same() {
    let bench = Bench::new("deaf");
    let id = bench.run(&bench.spec("box", &[])).await;
    let mut exec = command(&["sh", "-c", "head -c 10 | wc -c; exit 4"]);
    exec.stdin = Some(Box::new(tokio::io::repeat(b'x')));
    let outcome = tokio::time::timeout(Duration::from_secs(20), bench.docker.exec(id.as_str(), exec)).await;
    let outcome = outcome.expect("an end").expect("a command");
    assert_eq!((outcome.exit_code, outcome.stdout), (4, b"10\n".to_vec()));
}

#[tokio::test]
async fn what_cannot_be_read_or_kept_is_an_error() {
    let bench = Bench::new("broken");
    let id = bench.run(&bench.spec("box", &[])).await;
    let mut exec = command(&["cat"]);
    exec.stdin = Some(Box::new(Broken));
    let error = bench.docker.exec(id.as_str(), exec).await.expect_err("a broken source");
    assert!(error.to_string().contains("disk on fire"), "{error}");
    let error = bench
        .docker
        .exec(id.as_str(), command(&["head", "-c", "17000000", "/dev/zero"]))
        .await
        .expect_err("too much");
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
}

#[tokio::test]
async fn a_container_that_dies_under_a_command_is_not_a_success() {
    let bench = Bench::new("dies");
    let id = bench.run(&bench.spec("box", &[])).await;
    let (docker, container) = (bench.docker.clone(), id.clone());
    let running =
        tokio::spawn(async move { docker.exec(container.as_str(), command(&["sleep", "60"])).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.docker.remove(id.as_str(), true).await.expect("removed");
    let ended =
        tokio::time::timeout(Duration::from_secs(20), running).await.expect("an end").expect("no panic");
    assert!(!matches!(&ended, Ok(ExecOutcome { exit_code: 0, .. })), "{ended:?}");
}

#[tokio::test]
async fn logs_are_read_by_line_and_since() {
    let bench = Bench::new("logs");
    let id = bench.run(&bench.spec("box", &["sh", "-c", "echo one; echo two >&2; printf three"])).await;
    bench.docker.wait(id.as_str()).await.expect("an exit");
    let mut log = bench.docker.logs(id.as_str(), 0, None).await.expect("a log");
    log.sort_by(|left, right| left.text.cmp(&right.text));
    let expected = [(false, "one"), (false, "three"), (true, "two")];
    assert_eq!(log.iter().map(|line| (line.stderr, line.text.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(bench.docker.logs(id.as_str(), 0, Some(1)).await.expect("a log").len(), 1);
    assert_eq!(bench.docker.logs(id.as_str(), i64::from(i32::MAX), None).await.expect("a log"), []);
}

#[tokio::test]
async fn a_terminals_log_is_raw() {
    let bench = Bench::new("tty");
    let mut spec = bench.spec("box", &["sh", "-c", "echo one; printf two"]);
    spec.service.tty = true;
    let id = bench.run(&spec).await;
    bench.docker.wait(id.as_str()).await.expect("an exit");
    let log = bench.docker.logs(id.as_str(), 0, None).await.expect("a log");
    assert_eq!(log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn a_secret_argument_is_in_no_error() {
    let bench = Bench::new("secret");
    let error =
        bench.docker.exec(&bench.name("nobody"), command(&["psql", "hush"])).await.expect_err("nobody there");
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    assert!(matches!(error, EngineError::Refused { status: 404, .. }));
    let mut nothing = Vec::new();
    tokio::io::empty().read_to_end(&mut nothing).await.expect("nothing");
}
