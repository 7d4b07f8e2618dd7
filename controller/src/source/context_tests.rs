use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::source::testing::Repo;

fn at(directory: &str, dockerfile: &str) -> ContextRequest {
    ContextRequest { directory: directory.to_owned(), dockerfile: dockerfile.to_owned(), inline: None }
}

fn paths(context: &Context) -> Vec<&str> {
    context.entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn tar(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("tar").args(arguments).arg(file).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sample() -> Repo {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM scratch\nCOPY . .\n");
    repo.write("src/main.py", "print()\n");
    repo.write("bin/run", "#!/bin/sh\n");
    repo.write("empty", "");
    repo.write(&format!("{}/leaf.txt", "long-directory-name/".repeat(9)), "deep");
    repo.write("name with space/ü.txt", "x");
    std::fs::set_permissions(repo.path().join("bin/run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    repo.link("src/link", "../bin/run");
    repo.link("outside", "/usr/share/zoneinfo");
    repo.link("odd", ".././x//y/");
    repo.link("far", &"very/long/target/".repeat(10));
    repo.commit("x");
    repo
}

#[test]
fn the_archive_lists_like_git_archive() {
    let repo = sample();
    let (ours, theirs) = (repo.directory.path().join("ours.tar"), repo.directory.path().join("theirs.tar"));
    let checkout = repo.checkout();
    let context = checkout.context(&at("", "Dockerfile")).unwrap();
    checkout.write_context(&context, &ours).unwrap();
    repo.git(&["-c", "tar.umask=0022", "archive", "-o", theirs.to_str().unwrap(), "HEAD"]);
    let listing = |file: &Path| {
        let text = tar(&["--numeric-owner", "--quoting-style=literal", "-tvf"], file);
        // git writes its sizes and times as we do; only the width of columns depends on the longest entry.
        let mut lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.sort();
        lines
    };
    assert_eq!(listing(&ours), listing(&theirs));
    let unpacked = repo.directory.path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    tar(&["-C", unpacked.to_str().unwrap(), "-xf"], &ours);
    let arguments = ["-r", "--no-dereference", "-x", ".git"];
    let same = Command::new("diff").args(arguments).arg(&unpacked).arg(repo.path()).status().unwrap();
    assert!(same.success());
}

#[test]
fn the_same_commit_gives_the_same_bytes() {
    let repo = sample();
    let write = |name: &str| {
        let (checkout, file) = (repo.checkout(), repo.directory.path().join(name));
        checkout.write_context(&checkout.context(&at("", "Dockerfile")).unwrap(), &file).unwrap();
        std::fs::read(file).unwrap()
    };
    assert_eq!(write("one"), write("two"));
}

#[test]
fn the_ignore_file_filters_but_never_the_dockerfile_and_itself() {
    let repo = Repo::new();
    for path in ["app/Dockerfile", "app/src/a.py", "app/src/b.log", "app/keep/x", "app/keep/y", "other/x"] {
        repo.write(path, "x");
    }
    repo.write("app/.dockerignore", "*\n!src\n**/*.log\n!keep/x\n");
    repo.commit("x");
    let context = repo.checkout().context(&at("app", "app/Dockerfile")).unwrap();
    assert_eq!(paths(&context), [".dockerignore", "Dockerfile", "keep/x", "src", "src/a.py"]);
    assert_eq!(context.dockerfile, "Dockerfile");
    // Relative to the Dockerfile, and winning over the context's.
    repo.write("app/Dockerfile.dockerignore", "src\nkeep\n");
    repo.commit("x");
    let context = repo.checkout().context(&at("app", "app/Dockerfile")).unwrap();
    assert_eq!(paths(&context), [".dockerignore", "Dockerfile", "Dockerfile.dockerignore"]);
}

#[test]
fn the_digest_follows_what_is_sent_and_nothing_else() {
    let repo = sample();
    repo.write(".dockerignore", "docs\n");
    repo.commit("x");
    let digest = || repo.checkout().context(&at("", "Dockerfile")).unwrap().digest;
    let before = digest();
    repo.write("docs/README", "x");
    repo.commit("ignored");
    assert_eq!(digest(), before);
    repo.write("src/main.py", "print(1)\n");
    repo.commit("content");
    let content = digest();
    assert_ne!(content, before);
    repo.git(&["update-index", "--chmod=+x", "src/main.py"]);
    repo.git(&["commit", "-qm", "mode"]);
    assert_ne!(digest(), content);
}

#[test]
fn a_dockerfile_from_elsewhere_is_brought_and_hidden() {
    let repo = Repo::new();
    repo.write("docker/api.Dockerfile", "FROM scratch\n");
    repo.write("docker/api.Dockerfile.dockerignore", "secret\n");
    repo.write("app/code", "x");
    repo.write("app/secret", "x");
    repo.commit("x");
    let checkout = repo.checkout();
    let outside = checkout.context(&at("app", "docker/api.Dockerfile")).unwrap();
    assert_eq!(paths(&outside), [".dockerignore", outside.dockerfile.as_str(), "code"]);
    let file = repo.directory.path().join("x.tar");
    checkout.write_context(&outside, &file).unwrap();
    let hidden = tar(&["-xOf"], &file);
    assert!(hidden.starts_with(&format!("\n.dockerignore\n{}\n", outside.dockerfile)), "{hidden}");
}

#[test]
fn a_context_may_be_reached_through_a_link_but_not_outside() {
    let repo = Repo::new();
    repo.write("real/Dockerfile", "FROM scratch\n");
    repo.link("link", "real");
    repo.link("out", "..");
    repo.link("real/Dockerfile.link", "Dockerfile");
    repo.write("file", "x");
    repo.commit("x");
    let checkout = repo.checkout();
    let context = checkout.context(&at("link", "link/Dockerfile.link")).unwrap();
    assert_eq!(
        (paths(&context), context.dockerfile.as_str()),
        (vec!["Dockerfile", "Dockerfile.link"], "Dockerfile.link")
    );
    let error =
        |directory: &str| checkout.context(&at(directory, "real/Dockerfile")).unwrap_err().to_string();
    assert!(error("out").contains("leads out"));
    assert!(error("../x").contains("leads out"));
    assert!(error("nowhere").contains("no such file"));
    assert!(error("file").contains("is a file, not a directory"));
    assert!(checkout.context(&at("real", "real/None")).unwrap_err().to_string().contains("real/None"));
}

#[test]
fn what_cannot_be_sent_truthfully_is_refused_unless_ignored() {
    let (repo, other) = (Repo::new(), Repo::new());
    other.commit("x");
    repo.write("Dockerfile", "FROM scratch\n");
    repo.git(&["submodule", "add", "-q", other.path().to_str().unwrap(), "lib/sub"]);
    repo.commit("x");
    let error = |repo: &Repo| repo.checkout().context(&at("", "Dockerfile")).unwrap_err().to_string();
    assert!(error(&repo).starts_with("lib/sub: is a submodule"));
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", "0".repeat(64));
    repo.write("model.bin", &pointer);
    repo.write(".dockerignore", "lib\n");
    repo.commit("x");
    assert!(error(&repo).starts_with("model.bin: is a Git LFS pointer"));
    repo.write(".dockerignore", "lib\n*.bin\n");
    repo.commit("x");
    assert!(repo.checkout().context(&at("", "Dockerfile")).is_ok());
    repo.write(".dockerignore", "lib\n[x\n");
    repo.commit("x");
    assert!(error(&repo).starts_with(".dockerignore:2: `[x`"));
}

#[test]
fn a_dockerfile_of_the_compose_file_comes_along_and_counts() {
    let repo = sample();
    let inline = |text: &str| {
        let request = ContextRequest { inline: Some(text.to_owned()), ..at("src", "Dockerfile") };
        repo.checkout().context(&request).unwrap()
    };
    let context = inline("FROM scratch\n");
    assert!(
        context.dockerfile.ends_with(".Dockerfile") && paths(&context).contains(&context.dockerfile.as_str())
    );
    assert_ne!(context.digest, inline("FROM other\n").digest);
    assert_eq!(context.digest, inline("FROM scratch\n").digest);
}
