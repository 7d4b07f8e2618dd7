use std::os::unix::fs::PermissionsExt;

use serde_json::Value as Json;
use tempfile::TempDir;

use super::*;

fn stored(text: &str) -> (TempDir, Credentials) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    let credentials = Credentials::new(Some(&path));
    (directory, credentials)
}

fn decoded(header: Option<Secret>) -> Json {
    serde_json::from_slice(&URL_SAFE.decode(header.expect("credentials").expose()).unwrap()).unwrap()
}

#[test]
fn the_registry_of_a_reference() {
    for (reference, expected) in [
        ("redis:7", HUB),
        ("library/redis", HUB),
        ("docker.io/library/redis", HUB),
        ("registry.example/team/app:1", "registry.example"),
        ("127.0.0.1:5000/app@sha256:ab", "127.0.0.1:5000"),
        ("localhost/app", "localhost"),
    ] {
        assert_eq!(registry(reference), expected, "{reference}");
    }
}

#[tokio::test]
async fn what_docker_login_writes_is_read() {
    let auth = STANDARD.encode("sailor:a:p?ss~>");
    let (_directory, credentials) = stored(&format!(
        r#"{{"auths": {{"registry.example": {{"auth": "{auth}"}}, "https://old.example/v1/": {{"identitytoken": "t"}}, "empty.example": {{}}}}}}"#
    ));
    let header = decoded(credentials.of("registry.example").await.unwrap());
    assert_eq!(
        header,
        json!({"username": "sailor", "password": "a:p?ss~>", "serveraddress": "registry.example"})
    );
    assert_eq!(decoded(credentials.of("old.example").await.unwrap())["identitytoken"], "t");
    for other in ["empty.example", "elsewhere.example", HUB] {
        assert!(credentials.of(other).await.unwrap().is_none(), "{other}");
    }
    let all = decoded(credentials.all().await.unwrap());
    assert_eq!(all.as_object().unwrap().len(), 2, "{all}");
}

#[tokio::test]
async fn no_file_is_no_credentials() {
    let directory = TempDir::new().unwrap();
    let credentials = Credentials::new(Some(&directory.path().join("none.json")));
    assert!(credentials.of(HUB).await.unwrap().is_none() && credentials.all().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_wrong_is_said_without_what_is_there() {
    let plain = r#"{"auths": {"a.example": {"auth": "not-base64-secret!"}}}"#;
    let (_directory, credentials) = stored(plain);
    let error = credentials.of("a.example").await.unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("docker login a.example"), "{error}");
    assert!(!error.contains("secret!"), "{error}");
    let (_directory, credentials) = stored(r#"{"auths": "hunter2"}"#);
    let error = credentials.of("a.example").await.unwrap_err().to_string();
    assert!(error.contains("line 1 column") && !error.contains("hunter2"), "{error}");
    let (_directory, credentials) = stored(r#"{"credsStore": "nobody-has-this"}"#);
    let error = credentials.of("a.example").await.unwrap_err().to_string();
    assert!(error.contains("docker-credential-nobody-has-this cannot be run"), "{error}");
    let (_directory, credentials) = stored(r#"{"credHelpers": {"a.example": "../../bin/sh"}}"#);
    assert!(credentials.of("a.example").await.unwrap_err().to_string().contains("slash"));
}

/// A helper is found on the path, which tests of one process share: it is called by a path of its own here.
#[tokio::test]
async fn a_helper_is_asked_for_the_registry() {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("docker-credential-keel-test");
    let script = "#!/bin/sh\nread -r registry\ncase $registry in\n\
        a.example) echo '{\"ServerURL\": \"a.example\", \"Username\": \"<token>\", \"Secret\": \"t\"}' ;;\n\
        b.example) echo 'credentials not found in native keychain'; exit 1 ;;\n*) echo 'locked'; exit 2 ;;\nesac\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let link = Path::new("/usr/local/bin/docker-credential-keel-test");
    if std::os::unix::fs::symlink(&program, link).is_err() {
        return println!("{} cannot be made: the helper is not tried", link.display());
    }
    let (_directory, credentials) = stored(r#"{"credsStore": "keel-test"}"#);
    let found = credentials.of("a.example").await;
    let (none, broken) = (credentials.of("b.example").await, credentials.of("c.example").await);
    std::fs::remove_file(link).unwrap();
    assert_eq!(decoded(found.unwrap())["identitytoken"], "t");
    assert!(none.unwrap().is_none());
    assert!(broken.unwrap_err().to_string().contains("locked"));
}
