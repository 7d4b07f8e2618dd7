use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;

const MANIFEST: &str =
    "apiVersion: evenkeel/v1\nkind: Application\nmetadata: {name: shop}\nspec:\n  compose: {}\n";
const COMPOSE: &str =
    "services:\n  api:\n    build: .\n    healthcheck: {test: curl -f http://localhost:8000/health}\n";

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn git(root: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    let done = Command::new("git").args(who).args(arguments).current_dir(root).status().unwrap();
    assert!(done.success(), "git {arguments:?}");
}

/// A repository with one good application, committed.
fn repository() -> TempDir {
    let root = TempDir::new().unwrap();
    let files = [("evenkeel.yaml", MANIFEST), ("compose.yaml", COMPOSE), ("Dockerfile", "FROM x")];
    write(
        root.path(),
        &files
            .map(|(path, text)| (["apps/shop/", path].concat(), text))
            .each_ref()
            .map(|(path, text)| (path.as_str(), *text)),
    );
    git(root.path(), &["init", "-q", "-b", "main"]);
    git(root.path(), &["add", "-A"]);
    git(root.path(), &["commit", "-qm", "x"]);
    root
}

#[test]
fn the_working_tree_as_it_is_and_any_commit() {
    let root = repository();
    let found = vec![(AppName::new("shop"), "apps/shop/evenkeel.yaml".to_owned())];
    for path in ["", "apps", "apps/shop", "apps/shop/evenkeel.yaml"] {
        for revision in [None, Some("HEAD"), Some("main")] {
            let report = validate(&root.path().join(path), revision).unwrap();
            assert_eq!(report.applications, found, "{path} {revision:?}");
        }
    }
    write(root.path(), &[("apps/shop/compose.yaml", "services: {api: {imag: x}}")]);
    let faults = validate(root.path(), None).unwrap_err();
    assert!(faults.to_string().starts_with("apps/shop/compose.yaml:1:18: unknown key `imag`"), "{faults}");
    assert!(validate(root.path(), Some("HEAD")).is_ok());
    assert!(
        validate(root.path(), Some("HEAD~1")).unwrap_err().to_string().contains("is not in the repository")
    );
}

#[test]
fn faults_of_all_manifests_with_their_places() {
    let root = repository();
    let named = MANIFEST.replace("compose: {}", "compose: {}\n  services: {aip: {singleton: true}}");
    write(root.path(), &[("apps/a/evenkeel.yaml", "x: 1"), ("apps/shop/evenkeel.yaml", &named)]);
    let faults = validate(root.path(), None).unwrap_err().to_string();
    assert!(
        faults.contains("apps/a/evenkeel.yaml:1:1: ") && faults.contains("apps/shop/evenkeel.yaml:6:14: "),
        "{faults}"
    );
    write(root.path(), &[("apps/shop/evenkeel.yaml", MANIFEST), ("apps/a/evenkeel.yaml", MANIFEST)]);
    write(root.path(), &[("apps/a/compose.yaml", "services: {a: {image: x}}")]);
    let twice = validate(root.path(), None).unwrap_err().to_string();
    assert_eq!(twice, "two manifests are named shop: apps/a/evenkeel.yaml and apps/shop/evenkeel.yaml");
}

#[test]
fn nothing_there_is_said() {
    let root = TempDir::new().unwrap();
    assert!(validate(root.path(), None).unwrap_err().to_string().contains("evenkeel init"));
    assert!(validate(&root.path().join("nowhere"), None).unwrap_err().to_string().contains("no such file"));
    assert!(validate(root.path(), Some("HEAD")).unwrap_err().to_string().contains("no git repository"));
}

#[test]
fn what_init_writes_is_valid() {
    let root = repository();
    let shop = root.path().join("apps/shop");
    let text = init(&shop).unwrap();
    assert!(text.contains("probe: {http: {path: /health, port: 8000}}"), "{text}");
    std::fs::write(shop.join("evenkeel.yaml"), text).unwrap();
    assert_eq!(validate(&shop, None).unwrap().applications[0].0.as_str(), "shop");
}
