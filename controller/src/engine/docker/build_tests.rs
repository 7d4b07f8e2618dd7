use std::sync::Mutex;
use std::time::Duration;

use super::*;

fn request() -> BuildRequest {
    BuildRequest {
        tag: "shop/web:1".into(),
        context: "/nowhere".into(),
        dockerfile: "docker/Dockerfile".into(),
        args: BTreeMap::from([("A".into(), "1".into())]),
        target: Some("final".into()),
        labels: BTreeMap::new(),
        network: None,
        extra_hosts: vec!["a:1".into(), "b:2".into()],
        shm_size: Some(5_000_000_000),
        platform: None,
        cache: false,
        cache_from: Vec::new(),
        ulimits: BTreeMap::new(),
        pull: true,
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        timeout: Duration::from_secs(1),
    }
}

type Outcome = Result<(), (String, Vec<String>)>;

fn hear(lines: &[&str]) -> (Outcome, Option<ImageId>, Vec<String>) {
    let shown = Mutex::new(Vec::new());
    let progress = |line: &str| shown.lock().expect("a lock").push(line.to_owned());
    let args = BTreeMap::new();
    let mut told = Told::new(&progress, Redactor::default(), &args);
    let messages = lines.iter().map(|line| serde_json::from_str(line).expect("a message"));
    let outcome = messages.map(|message| told.hear(message)).find(Result::is_err).unwrap_or(Ok(()));
    told.end_line();
    let image = told.image.take();
    drop(told);
    (outcome, image, shown.into_inner().expect("a lock"))
}

#[test]
fn the_parameters_say_all_of_the_request() {
    let query = query(&parameters(&Builder::Classic { regardless: false }, &request()));
    for expected in [
        "version=1",
        "t=shop%2Fweb%3A1",
        "nocache=1",
        "pull=1",
        "target=final",
        "shmsize=5000000000",
        "extrahosts=a%3A1&extrahosts=b%3A2",
    ] {
        assert!(query.contains(expected), "{expected} is missing in {query}");
    }
    assert!(query.contains("buildargs=%7B%22A%22%3A%221%22%7D"), "{query}");
    assert!(!query.contains("platform") && !query.contains("networkmode"));
}

#[test]
fn lines_are_put_together_and_the_image_is_noted() {
    let lines = [
        r#"{"stream":"Step 1/1 "}"#,
        r#"{"stream":": FROM x\n"}"#,
        r#"{"id":"ab","status":"Pulling"}"#,
        r#"{"aux":{"ID":"sha256:1"}}"#,
        "{}",
    ];
    let (outcome, image, shown) = hear(&lines);
    assert_eq!((outcome, image), (Ok(()), Some(ImageId::new("sha256:1"))));
    assert_eq!(shown, ["Step 1/1 : FROM x", "ab: Pulling"]);
}

/// What a step writes without an end of a line, as BuildKit passes it on.
#[test]
fn a_last_line_without_an_end_is_shown() {
    let wrote = "GhMiEWhlbGxvLWZyb20tYmstMi0z";
    assert_eq!(hear(&[&format!(r#"{{"aux":"{wrote}"}}"#)]).2, ["hello-from-bk-2-3"]);
}

#[test]
fn a_failure_carries_the_last_lines() {
    let numbers = (1..=50).map(|number| format!(r#"{{"stream":"{number}\n"}}"#)).collect::<Vec<_>>();
    let mut lines: Vec<_> = numbers.iter().map(String::as_str).collect();
    lines.extend([
        r#"{"stream":"torn"}"#,
        r#"{"errorDetail":{"code":1,"message":"it broke"},"error":"it broke"}"#,
    ]);
    let (reason, tail) = hear(&lines).0.expect_err("a failure");
    assert_eq!((reason.as_str(), tail.len()), ("it broke", TAIL));
    assert_eq!(
        (tail.first().map(String::as_str), tail.last().map(String::as_str)),
        (Some("12"), Some("torn"))
    );
    assert!(hear(&[r#"{"error":"only this"}"#]).0.is_err());
}

#[test]
fn a_full_disk_and_a_modern_dockerfile_are_told_apart() {
    let full = failed(&request(), "write /x: no space left on device".into(), Vec::new());
    assert!(matches!(full, EngineError::NoSpace { .. }));
    let modern = failed(&request(), "the --mount option requires BuildKit. Refer to …".into(), Vec::new());
    assert!(wants_buildkit(&modern) && !wants_buildkit(&full));
}

#[test]
fn a_layer_that_somebody_removed_is_not_the_releases_fault() {
    let lost =
        |reason: &str| matches!(failed(&request(), reason.into(), Vec::new()), EngineError::LayerLost { .. });
    for reason in [
        "No such image: sha256:8d5b2a3e2b8b",
        // What 20.10 says where the image that a step found in its cache goes before the step takes it.
        "unable to find image \"sha256:8d5b2a3e2b8b\"",
        "failed to create rwlayer: layer does not exist",
        "unknown parent image ID sha256:8d5b2a3e2b8b",
    ] {
        assert!(lost(reason), "{reason}");
    }
    for reason in [
        "The command '/bin/sh -c echo layer does not exist; exit 1' returned a non-zero code: 1",
        "executor failed running [/bin/sh -c echo unknown layer; exit 1]: exit code: 1",
        "pull access denied for nothing, repository does not exist or may require 'docker login'",
    ] {
        assert!(!lost(reason), "{reason}");
    }
}

#[test]
fn what_the_engines_buildkit_cannot_do_is_said() {
    let plain = || BuildRequest { shm_size: None, ..request() };
    let limited = || BuildRequest { ulimits: [("nofile".to_owned(), (1, 2))].into(), ..plain() };
    let on = |network: &str| BuildRequest { network: Some(network.into()), ..plain() };
    let said = |request: &BuildRequest, speaks: &str| not_for_buildkit(request, ApiVersion::parse(speaks));
    let since = |request: &BuildRequest, speaks: &str| {
        said(request, speaks).and_then(|reason| reason.rsplit(' ').next().map(str::to_owned))
    };
    assert_eq!(since(&plain(), "1.38").as_deref(), Some("18.09"));
    assert_eq!(since(&request(), "1.41").as_deref(), Some("23"));
    assert_eq!(since(&limited(), "1.41").as_deref(), Some("23"));
    assert!(said(&on("harbour"), "1.44").is_some_and(|reason| reason.contains("harbour")));
    for (fine, speaks) in [(plain(), "1.39"), (limited(), "1.42"), (request(), "1.44"), (on("host"), "1.41")]
    {
        assert_eq!(said(&fine, speaks), None);
    }
}

#[test]
fn a_step_that_only_buildkit_knows_leads_on_to_it() {
    for modern in [Modern::Heredoc, Modern::Platform] {
        assert!(wants_buildkit(&failed(&request(), modern.refused().into(), Vec::new())));
    }
    let progress = |_: &str| {};
    let args = BTreeMap::new();
    let mut told = Told::new(&progress, Redactor::default(), &args);
    for piece in [r#"{"stream":"Step 2/3 : RUN"}"#, r#"{"stream":" <<EOF"}"#] {
        told.hear(serde_json::from_str(piece).expect("a message")).expect("no failure");
        assert_eq!(told.modern, None);
    }
    told.hear(serde_json::from_str(r#"{"stream":"\n"}"#).expect("a message")).expect("no failure");
    assert_eq!(told.modern, Some(Modern::Heredoc));
}

#[test]
fn a_registry_that_is_away_is_not_the_releases_fault_and_advice_is_given() {
    let said = |reason: &str| failed(&request(), reason.into(), Vec::new());
    let away = "failed to solve with frontend dockerfile.v0: failed to solve with frontend gateway.v0: failed to do request: Head …";
    let EngineError::PullFailed { transient: true, reason, .. } = said(away) else { panic!("{away}") };
    assert!(reason.contains("`# syntax=`"), "{reason}");
    let newer =
        "failed to resolve source metadata for 127.0.0.1:1/dockerfile:1: failed to do request: Head …";
    let EngineError::PullFailed { transient: true, reason, .. } = said(newer) else { panic!("{newer}") };
    assert!(reason.contains("`# syntax=`"), "{reason}");
    let echoed = "executor failed running [/bin/sh -c echo failed to do request; exit 1]: exit code: 1";
    assert!(matches!(said(echoed), EngineError::BuildFailed { reason, .. } if reason == echoed));
    let heredoc = "failed to create LLB definition: dockerfile parse error line 3: unknown instruction: ECHO";
    let EngineError::BuildFailed { reason, .. } = said(heredoc) else { panic!("{heredoc}") };
    assert!(reason.contains("`# syntax=docker/dockerfile:1`"), "{reason}");
}

#[test]
fn a_registry_that_has_no_time_is_not_the_releases_fault() {
    let said = |reason: &str| failed(&request(), reason.into(), Vec::new());
    for reason in [
        "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
        "Get \"https://registry-1.docker.io/v2/\": net/http: TLS handshake timeout",
        "toomanyrequests: You have reached your pull rate limit",
        "failed to solve: r.example/base: failed to resolve source metadata: unexpected status from HEAD request to https://r.example/v2/base/manifests/1: 429 Too Many Requests",
        "unexpected status code [manifests 1]: 503 Service Unavailable",
        "failed to solve: unexpected status from HEAD request to https://r.example/v2/base/manifests/1: 403 Forbidden",
    ] {
        assert!(matches!(said(reason), EngineError::PullFailed { transient: true, .. }), "{reason}");
    }
    for reason in [
        "COPY failed: file not found in build context or excluded by .dockerignore: stat unauthorized:.html: file does not exist",
        "failed to compute cache key: \"/denied: no\" not found",
        "manifest for access-denied:9 not found: manifest unknown",
        "unexpected status code [manifests 1]: 404 Not Found",
    ] {
        assert!(matches!(said(reason), EngineError::BuildFailed { .. }), "{reason}");
    }
}

#[test]
fn credentials_that_are_missing_are_not_the_releases_fault() {
    let said = |reason: &str| failed(&request(), reason.into(), Vec::new());
    for reason in [
        "pull access denied for team/base, repository does not exist or may require 'docker login'",
        "failed to solve with frontend dockerfile.v0: failed to authorize: rpc error: code = Unknown desc = 401 Unauthorized",
    ] {
        let EngineError::PullFailed { transient: true, reason, .. } = said(reason) else {
            panic!("{reason}")
        };
        assert!(reason.contains("`docker login`"), "{reason}");
    }
    for reason in [
        "The command '/bin/sh -c echo unauthorized; exit 1' returned a non-zero code: 1",
        "COPY failed: open /secret: permission denied",
    ] {
        assert!(
            matches!(said(reason), EngineError::BuildFailed { reason: told, .. } if told == reason),
            "{reason}"
        );
    }
}

#[test]
fn a_secret_of_several_lines_leaves_every_line() {
    let key = b"-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n".to_vec();
    let redactor = redactor(&BuildRequest { secrets: [("key".to_owned(), key)].into(), ..request() });
    assert_eq!(redactor.line("#7 0.2 c2VjcmV0"), "#7 0.2 [redacted]");
}
