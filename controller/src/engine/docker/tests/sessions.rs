//! Builds that ask for something while they run: what they get, and what nobody else gets of it.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::builds::{build, context, request};
use super::*;
use crate::engine::{BuildRequest, EngineError};

const VALUE: &str = "x-marks-the-spot-4711";
/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(180);

fn with_secret(request: BuildRequest) -> BuildRequest {
    let secrets = BTreeMap::from([("map".to_owned(), format!("{VALUE}\n").into_bytes())]);
    // A step that was made before is not made again, and prints nothing.
    BuildRequest { secrets, cache: false, timeout: PATIENCE, ..request }
}

/// All of an image as a file: its layers and its configuration, which is its history too.
fn saved(image: &str) -> String {
    let output = Command::new("docker").args(["save", image]).output().expect("a docker client");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_step_reads_a_secret_that_nothing_keeps() {
    let bench = Bench::new("secret");
    let tag = bench.image("app");
    let context = context(&format!(
        "FROM {DEBIAN}\nRUN --mount=type=secret,id=map,required echo it is $(cat /run/secrets/map); \
         tr a-z A-Z < /run/secrets/map > /upper\n"
    ));
    let (built, lines) = build(&bench, with_secret(request(&tag, &context))).await;
    assert_eq!(built.expect("an image").tags, std::slice::from_ref(&tag));
    assert!(lines.iter().any(|line| line == "it is [redacted]"), "{lines:?}");
    let image = saved(&tag);
    assert!(image.contains("X-MARKS-THE-SPOT-4711"), "the step did not read it");
    assert!(!image.contains(VALUE), "it is in the image");
    let history = docker(&format!("history --no-trunc {tag}")).join("\n");
    assert!(history.contains("> /upper") && !history.contains(VALUE), "{history}");
}

#[tokio::test]
async fn a_failure_does_not_tell_a_secret() {
    let bench = Bench::new("secretfail");
    let context =
        context(&format!("FROM {DEBIAN}\nRUN --mount=type=secret,id=map cat /run/secrets/map; exit 9\n"));
    let error =
        build(&bench, with_secret(request(&bench.image("app"), &context))).await.0.expect_err("a failure");
    let EngineError::BuildFailed { reason, tail, .. } = error else { panic!("{error:?}") };
    assert!(tail.iter().any(|line| line == "[redacted]"), "{tail:?}");
    assert!(!tail.join("\n").contains(VALUE) && !reason.contains(VALUE), "{reason}");
}

#[tokio::test]
async fn a_secret_that_is_not_given_is_named() {
    let bench = Bench::new("nosecret");
    let context = context(&format!("FROM {DEBIAN}\nRUN --mount=type=secret,id=chart,required true\n"));
    let error =
        build(&bench, with_secret(request(&bench.image("app"), &context))).await.0.expect_err("a failure");
    assert!(
        matches!(&error, EngineError::BuildFailed { reason, .. } if reason.contains("chart")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_a_step_mounts_is_there_and_a_cache_stays() {
    let bench = Bench::new("mounts");
    let (tag, again, cache) = (bench.image("app"), bench.image("again"), bench.name("cache"));
    let text = |step: &str| {
        let mounts = format!(
            "--mount=type=cache,id={cache},target=/cache --mount=type=bind,source=hull.txt,target=/hull"
        );
        // What a cache has is not run again, whatever is mounted.
        format!("FROM {DEBIAN}\nENV OWN={cache}\nRUN {mounts} {step}\n")
    };
    let first = context(&text("cat /hull; cp /hull /cache/hull"));
    let (built, lines) = build(&bench, request(&tag, &first)).await;
    built.expect("an image");
    assert!(lines.iter().any(|line| line == "oak"), "{lines:?}");
    let second = context(&text("echo kept $(cat /cache/hull)"));
    let (built, lines) = build(&bench, request(&again, &second)).await;
    built.expect("an image");
    assert!(lines.iter().any(|line| line == "kept oak"), "{lines:?}");
}

/// The engine's own BuildKit knows it since 23; an older one would have to pull one that does.
#[tokio::test]
async fn a_heredoc_is_built_or_it_is_said_what_it_takes() {
    let bench = Bench::new("heredoc");
    // What a cache has is not run again.
    let own = &bench.project;
    let context = context(&format!("FROM {DEBIAN}\nENV OWN={own}\nRUN <<EOF\necho heave\necho ho\nEOF\n"));
    match build(&bench, request(&bench.image("app"), &context)).await {
        (Ok(_), lines) => assert!(lines.iter().any(|line| line == "ho"), "{lines:?}"),
        (Err(EngineError::BuildFailed { reason, .. }), _) => {
            assert!(reason.contains("`# syntax=docker/dockerfile:1`"), "{reason}");
        }
        (Err(other), _) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_platform_that_only_buildkit_names_is_known() {
    let bench = Bench::new("platform");
    let own = &bench.project;
    let steps = format!("ENV OWN={own}\nARG TARGETARCH\nRUN echo \"for <$TARGETARCH>\"\n");
    for from in [DEBIAN.to_owned(), format!("--platform=$BUILDPLATFORM {DEBIAN}")] {
        let context = context(&format!("FROM {from}\n{steps}"));
        let (built, lines) = build(&bench, request(&bench.image("app"), &context)).await;
        built.expect("an image");
        let is_known = |line: &String| line.starts_with("for <") && line != "for <>";
        // The second one finds the steps of the first one done.
        let once = from != DEBIAN || lines.iter().any(is_known);
        assert!(once && !lines.iter().any(|line| line == "for <>"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_syntax_that_cannot_be_pulled_is_told_and_tried_again() {
    let bench = Bench::new("syntax");
    let context = context(&format!(
        "# syntax=127.0.0.1:1/dockerfile:1\nFROM {DEBIAN}\nRUN --mount=type=secret,id=map true\n"
    ));
    let error =
        build(&bench, with_secret(request(&bench.image("app"), &context))).await.0.expect_err("no image");
    let EngineError::PullFailed { reason, transient: true, .. } = error else { panic!("{error:?}") };
    assert!(reason.contains("`# syntax=`"), "{reason}");
}

#[tokio::test]
async fn what_buildkit_would_leave_out_is_refused() {
    let bench = Bench::new("bklimits");
    let context = context(&format!("FROM {DEBIAN}\n"));
    let wanted = BuildRequest { network: Some("harbour".into()), ..request(&bench.image("app"), &context) };
    let error = build(&bench, with_secret(wanted)).await.0.expect_err("a refusal");
    assert!(
        matches!(&error, EngineError::BuildFailed { reason, .. } if reason.contains("harbour")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_speaks_with_an_agent_of_the_host() {
    let (bench, directory) = (Bench::new("agent"), tempfile::tempdir().expect("a directory"));
    let socket = directory.path().join("agent");
    let agent = UnixListener::bind(&socket).expect("a socket");
    // Engines look whether the agent is there before a step begins, which is a connection without a word.
    let answers = tokio::spawn(async move {
        loop {
            let (mut caller, _) = agent.accept().await.expect("a caller");
            let mut word = [0; 4];
            if caller.read_exact(&mut word).await.is_ok() && &word == b"ahoy" {
                caller.write_all(b"aye aye").await.expect("an answer");
                return;
            }
        }
    });
    let program = "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); \
                   s.sendall(b'ahoy'); print('it says', s.recv(7).decode())";
    let context = context(&format!("FROM {PYTHON}\nRUN --mount=type=ssh,id=mate python3 -c \"{program}\"\n"));
    let agents = BTreeMap::from([("mate".to_owned(), socket)]);
    let wanted =
        BuildRequest { agents, cache: false, timeout: PATIENCE, ..request(&bench.image("app"), &context) };
    let (built, lines) = build(&bench, wanted).await;
    built.unwrap_or_else(|error| panic!("{error}: {lines:?}"));
    assert!(lines.iter().any(|line| line == "it says aye aye"), "{lines:?}");
    answers.await.expect("asked");
}

/// A step that calls the test and then waits for nothing.
fn waiting(port: u16) -> super::builds::Context {
    context(&format!(
        "FROM {DEBIAN}\nRUN --mount=type=secret,id=map [\"bash\", \"-c\", \"exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 600\"]\n"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_given_up_ends_its_step() {
    let bench = Bench::new("givenup");
    let gate = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let context = waiting(gate.local_addr().expect("an address").port());
    let wanted = BuildRequest { network: Some("host".into()), ..request(&bench.image("app"), &context) };
    let docker = bench.docker.clone();
    let building = tokio::spawn(async move { docker.build(with_secret(wanted), &|_| {}).await });
    let (mut step, _) =
        tokio::time::timeout(PATIENCE, gate.accept()).await.expect("in time").expect("a step");
    building.abort();
    let end = tokio::time::timeout(PATIENCE, step.read(&mut [0])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "the step goes on: {end:?}");
}

/// A way to the engine that can be cut, as when the engine is killed.
async fn way(engine: PathBuf) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = format!("tcp://{}", listener.local_addr().expect("an address"));
    let mut way = JoinSet::new();
    way.spawn(async move {
        let mut calls = JoinSet::new();
        while let Ok((mut caller, _)) = listener.accept().await {
            let engine = engine.clone();
            calls.spawn(async move {
                let mut engine = UnixStream::connect(engine).await.expect("the engine");
                drop(tokio::io::copy_bidirectional(&mut caller, &mut engine).await);
            });
        }
    });
    (address, way)
}

/// The engine's own, where no other is named.
fn socket() -> PathBuf {
    let named = std::env::var("DOCKER_HOST").unwrap_or_default();
    named.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_under_a_build_with_a_session_is_no_failed_build() {
    let bench = Bench::new("sessioncut");
    let gate = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let context = waiting(gate.local_addr().expect("an address").port());
    let wanted = BuildRequest { network: Some("host".into()), ..request(&bench.image("app"), &context) };
    let (address, mut way) = way(socket()).await;
    let docker = connect(Some(&address)).expect("an endpoint");
    let building = tokio::spawn(async move { docker.build(with_secret(wanted), &|_| {}).await });
    let _step = tokio::time::timeout(PATIENCE, gate.accept()).await.expect("in time").expect("a step");
    way.shutdown().await;
    let error = building.await.expect("a build").expect_err("a failure");
    assert!(matches!(&error, EngineError::Unreachable { .. }), "{error:?}");
}

/// A proxy that was not told of sessions, as those in front of the engine's socket are.
async fn without_sessions(engine: PathBuf) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = format!("tcp://{}", listener.local_addr().expect("an address"));
    let mut proxy = JoinSet::new();
    proxy.spawn(async move {
        let mut calls = JoinSet::new();
        while let Ok((mut caller, _)) = listener.accept().await {
            let engine = engine.clone();
            calls.spawn(async move {
                let mut head = [0; 64];
                let read = caller.read(&mut head).await.expect("a request");
                if String::from_utf8_lossy(&head[..read]).contains("/session") {
                    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    drop(caller.write_all(answer.as_bytes()).await);
                    return;
                }
                let mut engine = UnixStream::connect(engine).await.expect("the engine");
                engine.write_all(&head[..read]).await.expect("a request");
                drop(tokio::io::copy_bidirectional(&mut caller, &mut engine).await);
            });
        }
    });
    (address, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_lets_no_session_through_is_not_the_releases_fault() {
    let bench = Bench::new("nosession");
    let (address, _proxy) = without_sessions("/var/run/docker.sock".into()).await;
    let docker = connect(Some(&address)).expect("an endpoint");
    let mounts = context(&format!(
        "FROM {DEBIAN}\nRUN --mount=type=bind,source=hull.txt,target=/hull cat /hull > /hull2\n"
    ));
    let asks_for_nothing = BuildRequest { timeout: PATIENCE, ..request(&bench.image("app"), &mounts) };
    docker.build(asks_for_nothing, &|_| {}).await.expect("an image");
    // Its base might need credentials, which BuildKit could not ask for.
    let own = &bench.project;
    let steps = format!("FROM {DEBIAN}\nENV OWN={own}\nARG TARGETARCH\nRUN echo \"for <$TARGETARCH>\"\n");
    let names_a_platform = context(&steps);
    let names_a_platform =
        BuildRequest { timeout: PATIENCE, ..request(&bench.image("classic"), &names_a_platform) };
    let heard = std::sync::Mutex::new(Vec::new());
    let hear = |line: &str| heard.lock().expect("no panic").push(line.to_owned());
    docker.build(names_a_platform, &hear).await.expect("an image");
    assert!(heard.lock().expect("no panic").iter().any(|line| line == "for <>"), "{heard:?}");
    let asks = with_secret(request(&bench.image("again"), &mounts));
    let error = docker.build(asks, &|_| {}).await.expect_err("a refusal");
    assert!(matches!(&error, EngineError::NotLetThrough { status: 403, .. }), "{error:?}");
    assert!(error.to_string().contains("`POST /session`"), "{error}");
}
