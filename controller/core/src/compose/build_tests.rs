//! What a build may ask for while it runs.

use super::testing::{disk, release};
use super::*;
use crate::files::testing::Disk;

const TEXT: &str = "services:
  a:
    build:
      context: .
      secrets: [token, {source: ca, target: root.pem, mode: 0400}]
      ssh: [default, deploy=/run/deploy.sock]
secrets: {token: {environment: TOKEN}, ca: {file: /etc/ca.pem}, own: {file: conf/own}}
";

fn stack(compose: &str, token: &str, ca: &str) -> Disk {
    disk(compose)
        .file("Dockerfile", "FROM x")
        .file("conf/own", "own")
        .host("/srv/shop/.env", &format!("TOKEN={token}\n"))
        .host("/etc/ca.pem", ca)
}

fn project(compose: &str, token: &str, ca: &str) -> Project {
    stack(compose, token, ca).project("{projectDirectory: /srv/shop}")
}

fn refused(build: &str) -> String {
    let text = format!(
        "services: {{a: {{build: {{context: ., {build}}}}}}}\nsecrets: {{file: {{file: conf}}, s: {{environment: TOKEN}}}}\n"
    );
    let (disk, compose) = (stack(&text, "t", "ca"), "{projectDirectory: /srv/shop}");
    disk.read(compose).expect_err("a fault").to_string()
}

#[test]
fn a_build_has_secrets_by_the_ids_of_its_dockerfile_and_agents() {
    let (project, warnings) =
        stack(TEXT, "t0ken", "ca").read("{projectDirectory: /srv/shop}").expect("a project");
    let build = project.services["a"].build.as_ref().expect("a build");
    assert_eq!(build.secrets.keys().collect::<Vec<_>>(), ["root.pem", "token"]);
    assert!(
        matches!(&build.secrets["token"], MountSource::Given { content, .. } if content.expose() == "t0ken")
    );
    assert!(matches!(&build.secrets["root.pem"], MountSource::Host { path, .. } if path == "/etc/ca.pem"));
    assert_eq!(build.ssh["default"], None);
    assert_eq!(build.ssh["deploy"].as_deref(), Some("/run/deploy.sock"));
    assert_eq!(project.host_files, ["/etc/ca.pem", "/srv/shop/.env"]);
    assert!(warnings.iter().any(|warning| warning.contains("`mode` has no effect")), "{warnings:?}");
    assert!(!format!("{project:?}").contains("t0ken"), "a secret is shown");
}

#[test]
fn a_later_file_says_where_a_secret_is() {
    let over = "services: {a: {build: {secrets: [{source: own, target: root.pem}], ssh: {deploy: /run/other.sock}}}}";
    let disk = stack(TEXT, "t", "ca").file("over.yaml", over);
    let project = disk.project("{files: [compose.yaml, over.yaml], projectDirectory: /srv/shop}");
    let build = project.services["a"].build.as_ref().expect("a build");
    assert!(matches!(&build.secrets["root.pem"], MountSource::Repository { path, .. } if path == "conf/own"));
    assert_eq!((build.secrets.len(), build.ssh["deploy"].as_deref()), (2, Some("/run/other.sock")));
}

/// Another value makes no other image, and nothing is replaced; but a release that failed without it may be tried with it.
#[test]
fn another_value_is_another_release_of_the_same_image() {
    let of = |token: &str, ca: &str| release(project(TEXT, token, ca));
    let (first, again) = (of("t0ken", "ca"), of("t0ken", "ca"));
    assert_eq!(first.digest, again.digest);
    for other in [of("other", "ca"), of("t0ken", "other")] {
        assert_ne!(first.digest, other.digest);
        assert_eq!(first.configs, other.configs);
        let service = first.images.keys().next().expect("a service");
        assert_eq!(first.images[service].reference(), other.images[service].reference());
    }
}

#[test]
fn what_buildkit_needs_is_known_before_anything_is_done() {
    let limited = TEXT.replace("context: .", "context: .\n      shm_size: 64m");
    let needs =
        |text: &str| newer(&project(text, "t", "ca")).into_iter().map(|it| it.api).collect::<Vec<_>>();
    assert_eq!(needs(TEXT), [39]);
    assert_eq!(needs(&limited), [39, 42]);
}

#[test]
fn says_what_is_wrong() {
    insta::assert_snapshot!(refused("secrets: [fil]"), @"compose.yaml:1:46: `fil` is not declared under `secrets` (did you mean `file`?)");
    insta::assert_snapshot!(refused("secrets: [{target: x}]"), @"compose.yaml:1:46: `source` is missing: which one?");
    insta::assert_snapshot!(refused("secrets: [s, {source: s, target: s}]"), @"compose.yaml:1:49: another secret is `s` to the Dockerfile as well");
    insta::assert_snapshot!(refused("secrets: [file]"), @"compose.yaml:1:46: the secret `conf` is not a file");
    insta::assert_snapshot!(refused("secrets: [s], network: harbour"), @"compose.yaml:1:59: `network: harbour` does not go with `secrets` or `ssh`: they need BuildKit (BuildKit knows `host`, `none`, or nothing at all)");
    insta::assert_snapshot!(refused("ssh: [default=~/.ssh/id_ed25519]"), @"compose.yaml:1:41: the SSH agent `default` is not named by an absolute path (name the socket of an agent on the host, such as `default=/run/deploy/agent.sock`)");
    insta::assert_snapshot!(refused("ssh: default"), @"compose.yaml:1:41: `default` stands where a list of `KEY=value` or a map is expected");
}
