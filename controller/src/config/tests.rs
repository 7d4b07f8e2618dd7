//! Configurations as people write them, and as they get them wrong.

use std::path::Path;
use std::time::Duration;

use super::merge::parse;
use super::{Config, ConfigError, LogFormat, Overrides, SecretError, SecretFile, SecretFrom, load};

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn with(text: &str) -> Result<Config, ConfigError> {
    let file = file(text);
    load(&Overrides { config: Some(file.path().to_owned()), ..Overrides::default() })
}

#[test]
fn one_flag_is_enough() {
    let config =
        load(&Overrides { repo: Some("https://git.example/ops/infra.git".into()), ..Overrides::default() })
            .unwrap();
    let source = &config.sources[0];
    assert_eq!((source.name.as_str(), source.branch.as_str(), source.path.as_str()), ("infra", "main", ""));
    assert_eq!(source.poll, Duration::from_secs(30));
    assert_eq!(config.socket(), Path::new("/var/lib/evenkeel/evenkeel.sock"));
    assert_eq!(config.listen(), Some("127.0.0.1:9180"));
}

#[test]
fn a_whole_file_is_read() {
    let config = with("
sources:
  - url: git@git.example:ops/infra.git
    branch: live
    path: ./hosts/one/
    poll: 1m30s
    credentials: {sshKey: /etc/evenkeel/id, knownHosts: /etc/evenkeel/known_hosts}
  - {name: shop, url: https://git.example/shop, credentials: {tokenFrom: {file: /run/secrets/shop}, username: bot}}
engine: {endpoint: unix:///run/docker.sock}
dataDir: /srv/evenkeel
listen: off
webhook: {secretFile: /etc/evenkeel/webhook}
log: {format: json}
")
    .unwrap();
    let [infra, shop] = &config.sources[..] else { panic!("{config:?}") };
    assert_eq!((infra.name.as_str(), infra.path.as_str(), infra.poll.as_secs()), ("infra", "hosts/one", 90));
    assert_eq!(shop.credentials.token_from, Some(SecretFrom::File(SecretFile("/run/secrets/shop".into()))));
    assert_eq!((config.socket(), config.listen()), ("/srv/evenkeel/evenkeel.sock".into(), None));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn flags_win() {
    let file =
        file("sources: [{url: /srv/one, branch: a}, {url: /srv/two}]\nlisten: 0.0.0.0:1\ndataDir: /a\n");
    let config = load(&Overrides {
        config: Some(file.path().to_owned()),
        branch: Some("b".into()),
        poll: Some(Duration::from_secs(5)),
        listen: Some("off".into()),
        data_dir: Some("/b".into()),
        socket: Some("/c".into()),
        ..Overrides::default()
    })
    .unwrap();
    assert!(config.sources.iter().all(|source| source.branch == "b" && source.poll.as_secs() == 5));
    assert_eq!(
        (config.data_dir.as_path(), config.socket(), config.listen()),
        (Path::new("/b"), "/c".into(), None)
    );
}

#[test]
fn faults_are_located_and_named() {
    for (text, expected) in [
        ("sources: [{url: x}]\nlissten: off\n", "c.yaml:2:1: unknown field `lissten`"),
        ("sources:\n  - url: x\n    poll: 5 minutes\n", "`5 minutes` is no time to poll in"),
        ("sources:\n  - url: x\n    poll: 250ms\n", "`250ms` is no time"),
        ("sources:\n  - url: x\n    credentials: {tokenFrom: {file: a, env: B}}\n", "either `file` or `env`"),
        ("sources: [\n", "c.yaml:"),
    ] {
        let fault = parse(text, Path::new("c.yaml")).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, expected) in [
        ("# nothing yet\n", "no repository to follow"),
        ("sources: [{url: /a/x}, {url: /b/x.git}]\n", "two sources are named `x`"),
        ("sources: [{url: /a/x, path: ../y}]\n", "leaves the repository"),
        ("sources: [{url: ''}]\n", "no repository's URL"),
    ] {
        let error = with(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let missing =
        load(&Overrides { config: Some("/nowhere/c.yaml".into()), ..Overrides::default() }).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/c.yaml"), "{missing}");
}

#[test]
fn secrets_are_read_when_used_and_never_shown() {
    let file = file("  s3cret\n");
    let place = SecretFile(file.path().into());
    let secret = place.read().unwrap();
    assert_eq!(secret.expose(), "s3cret");
    assert!(!format!("{secret:?} {secret} {place:?}").contains("s3cret"));
    std::fs::write(file.path(), "\n").unwrap();
    assert!(matches!(place.read(), Err(SecretError::Empty { .. })));
    let unset = SecretFrom::Env("EVENKEEL_TEST_SURELY_UNSET".into()).read().unwrap_err();
    assert!(unset.to_string().contains("EVENKEEL_TEST_SURELY_UNSET"), "{unset}");
}
