//! Builds and images.

use std::path::PathBuf;

use super::*;
use crate::engine::{BuildRequest, EngineError};

pub(super) struct Context {
    _directory: tempfile::TempDir,
    tar: PathBuf,
}

pub(super) fn context(dockerfile: &str) -> Context {
    let directory = tempfile::tempdir().expect("a directory");
    let tar = directory.path().join("context.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&tar).expect("a file"));
    for (name, content) in [("Dockerfile", dockerfile.as_bytes()), ("hull.txt", b"oak\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).expect("an entry");
    }
    builder.finish().expect("a tar file");
    Context { _directory: directory, tar }
}

pub(super) fn request(tag: &str, context: &Context) -> BuildRequest {
    BuildRequest {
        tag: tag.to_owned(),
        context: context.tar.clone(),
        dockerfile: "Dockerfile".into(),
        args: [("WOOD".to_owned(), "oak & ash".to_owned())].into(),
        target: None,
        labels: [("evenkeel.test".to_owned(), tag.to_owned())].into(),
        // None of these steps needs one.
        network: Some("none".into()),
        extra_hosts: vec!["one.example:10.0.0.1".into(), "two.example:10.0.0.2".into()],
        shm_size: None,
        platform: None,
        cache: true,
        cache_from: Vec::new(),
        ulimits: BTreeMap::new(),
        pull: false,
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        timeout: Duration::from_secs(120),
    }
}

pub(super) async fn build(
    bench: &Bench,
    request: BuildRequest,
) -> (Result<evenkeel_core::observed::Image, EngineError>, Vec<String>) {
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().expect("a lock").push(line.to_owned());
    let built = bench.docker.build(request, &progress).await;
    (built, lines.into_inner().expect("a lock"))
}

#[tokio::test]
async fn an_image_is_built_found_tagged_and_removed() {
    let bench = Bench::new("build");
    let (tag, second) = (bench.image("app"), bench.image("second"));
    let dockerfile = format!(
        "FROM {DEBIAN} AS base\nARG WOOD\nENV WOOD=$WOOD\nCOPY hull.txt /\nHEALTHCHECK CMD true\nVOLUME /hold\nRUN echo wood is $WOOD; cat /etc/hosts\n\
         FROM base AS unwanted\nRUN exit 1\n"
    );
    let context = context(&dockerfile);
    let (built, lines) =
        build(&bench, BuildRequest { target: Some("base".into()), ..request(&tag, &context) }).await;
    let image = built.expect("an image");
    assert!(image.id.as_str().starts_with("sha256:"), "{image:?}");
    assert_eq!(
        (image.tags.clone(), image.healthcheck, image.volumes.clone()),
        (vec![tag.clone()], true, vec!["/hold".to_owned()])
    );
    assert!(image.environment.contains(&"WOOD=oak & ash".to_owned()));
    for expected in ["wood is oak & ash", "10.0.0.1\tone.example", "10.0.0.2\ttwo.example"] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in {lines:?}");
    }
    assert_eq!(image.labels.get("evenkeel.test"), Some(&tag));

    bench.docker.tag(&image.id, &second).await.expect("tagged");
    bench.docker.remove_image(&tag).await.expect("removed");
    bench.docker.remove_image(&tag).await.expect("gone already");
    assert!(bench.docker.image(&tag).await.expect("an answer").is_none());
    let spec = ContainerSpec { image: second.clone(), ..bench.spec("user", &[]) };
    bench.docker.create(&spec).await.expect("created");
    bench.docker.remove_image(&second).await.expect("in use, so it stays");
    assert_eq!(bench.docker.image(&second).await.expect("an answer").map(|image| image.id), Some(image.id));
}

/// Who built it, and what evenkeel wrote on it, makes no other image of it; whatever a container could see does.
#[tokio::test]
async fn builds_of_the_same_have_the_same_content() {
    let bench = Bench::new("content");
    let context =
        context(&format!("FROM {DEBIAN}\nCOPY hull.txt /\nENV A=1\nEXPOSE 80 90 100\nVOLUME /hold\n"));
    let named = |name: &str| request(&bench.image(name), &context);
    let labelled = |name: &str, label: &str| {
        let labels = [(label.to_owned(), "x".to_owned())].into();
        BuildRequest { labels, ..named(name) }
    };
    let theirs =
        build(&bench, BuildRequest { labels: BTreeMap::new(), ..named("theirs") }).await.0.expect("an image");
    let ours = build(&bench, labelled("ours", "evenkeel.app")).await.0.expect("an image");
    assert_ne!(theirs.id, ours.id);
    assert_eq!(theirs.content, ours.content);
    let other = build(&bench, labelled("other", "owner")).await.0.expect("an image");
    assert_ne!(ours.content, other.content);
    assert!(!ours.content.is_empty());
}

#[tokio::test]
async fn a_failed_build_shows_its_last_lines() {
    let bench = Bench::new("buildfail");
    let tag = bench.image("app");
    let context = context(&format!("FROM {DEBIAN}\nRUN seq 1 100; echo the mast broke; exit 9\n"));
    let error = build(&bench, request(&tag, &context)).await.0.expect_err("a failure");
    let EngineError::BuildFailed { image, reason, tail } = error else { panic!("{error:?}") };
    assert_eq!((image, tail.len()), (tag.clone(), 40));
    assert!(reason.contains("returned a non-zero code: 9"), "{reason}");
    let last: Vec<&str> = tail.iter().map(String::as_str).filter(|line| !line.contains(' ')).collect();
    assert!(last.ends_with(&["98", "99", "100"]) && !last.contains(&"50"), "{tail:?}");
    assert!(tail.iter().any(|line| line == "the mast broke"), "{tail:?}");
    assert!(bench.docker.image(&tag).await.expect("an answer").is_none());
}

/// The engine copies the two streams of a step side by side: which line of one comes before
/// which of the other is not told.
#[tokio::test]
async fn a_failed_build_shows_what_went_to_standard_error() {
    let bench = Bench::new("builderr");
    let context = context(&format!("FROM {DEBIAN}\nRUN echo the sail tore >&2; exit 9\n"));
    let error = build(&bench, request(&bench.image("app"), &context)).await.0.expect_err("a failure");
    let EngineError::BuildFailed { tail, .. } = error else { panic!("{error:?}") };
    assert!(tail.iter().any(|line| line.contains("the sail tore")), "{tail:?}");
}

#[tokio::test]
async fn a_dockerfile_for_buildkit_is_built_and_fails_with_its_lines() {
    let bench = Bench::new("buildkit");
    let tag = bench.image("app");
    let good = context(&format!(
        "FROM {DEBIAN}\nRUN --mount=type=cache,target=/cache echo ahoy from $WOOD && cat /etc/hosts\n"
    ));
    let (built, lines) = build(&bench, BuildRequest { cache: false, ..request(&tag, &good) }).await;
    assert_eq!(built.expect("an image").tags, std::slice::from_ref(&tag));
    assert!(lines.iter().any(|line| line.contains("RUN --mount")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("ahoy from")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("two.example")), "{lines:?}");
    let bad =
        context(&format!("FROM {DEBIAN}\nRUN --mount=type=cache,target=/cache echo the sail tore; exit 9\n"));
    let error = build(&bench, request(&tag, &bad)).await.0.expect_err("a failure");
    let EngineError::BuildFailed { tail, reason, .. } = error else { panic!("{error:?}") };
    assert!(tail.iter().any(|line| line == "the sail tore"), "{reason}: {tail:?}");
}

#[tokio::test]
async fn a_dockerfile_that_makes_no_sense_fails_the_build() {
    let bench = Bench::new("nonsense");
    let context = context("FORM debian\n");
    let error = build(&bench, request(&bench.image("app"), &context)).await.0.expect_err("a failure");
    assert!(
        matches!(&error, EngineError::BuildFailed { reason, .. } if reason.contains("FORM")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_build_is_given_up_in_time() {
    let bench = Bench::new("slow");
    let context = context(&format!("FROM {DEBIAN}\nRUN sleep 60\n"));
    let limited = BuildRequest { timeout: Duration::from_secs(2), ..request(&bench.image("app"), &context) };
    let error = build(&bench, limited).await.0.expect_err("a timeout");
    assert!(matches!(&error, EngineError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_context_that_is_not_there_is_told() {
    let bench = Bench::new("nocontext");
    let mut missing = request(&bench.image("app"), &context("FROM scratch\n"));
    missing.context = "/engine/no/such/file.tar".into();
    let error = build(&bench, missing).await.0.expect_err("a missing file");
    assert!(error.to_string().contains("/engine/no/such/file.tar"), "{error}");
}

#[tokio::test]
async fn a_pull_that_fails_says_whether_to_try_again() {
    let bench = Bench::new("pull");
    let error = bench.docker.pull("127.0.0.1:1/engine/nothing:1", &|_| {}).await.expect_err("no registry");
    assert!(matches!(&error, EngineError::PullFailed { transient: true, .. }), "{error:?}");
    let error = bench.docker.pull("Not A Reference", &|_| {}).await.expect_err("no reference");
    assert!(matches!(&error, EngineError::PullFailed { transient: false, .. }), "{error:?}");
}

#[tokio::test]
async fn limits_hold_while_an_image_is_built() {
    let bench = Bench::new("ulimits");
    let tag = bench.image("limited");
    let context = context(&format!("FROM {DEBIAN}\nRUN test \"$(ulimit -Sn) $(ulimit -Hn)\" = '123 456'\n"));
    let ulimits = [("nofile".to_owned(), (123, 456))].into();
    let request =
        BuildRequest { ulimits, cache_from: vec!["nothing:there".into()], ..request(&tag, &context) };
    build(&bench, request).await.0.expect("an image");
}
