use evenkeel_core::name::Revision;

use super::*;
use crate::source::testing::{Repo, git};

#[test]
fn reads_entries_and_follows_links_inside_the_tree() {
    let repo = Repo::new();
    repo.write("a/b/file.txt", "content");
    repo.write("run.sh", "#!/bin/sh\n");
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    repo.link("link", "a/b");
    repo.link("a/up", "../run.sh");
    repo.link("a/again", "./up");
    repo.git(&["add", "link", "a"]);
    repo.git(&["commit", "-qm", "x"]);
    let checkout = repo.checkout();
    let kind = |path: &str| checkout.entry(path).unwrap().map(|entry| entry.kind);
    assert_eq!(kind("a/b/file.txt"), Some(EntryKind::File { executable: false }));
    assert_eq!(kind("run.sh"), Some(EntryKind::File { executable: true }));
    assert_eq!((kind("a/b"), kind("link")), (Some(EntryKind::Directory), Some(EntryKind::Symlink)));
    assert_eq!((kind(""), kind("nothing"), kind("run.sh/x")), (Some(EntryKind::Directory), None, None));
    assert_eq!(checkout.read("link/file.txt").unwrap(), b"content");
    assert_eq!(checkout.read("a/again").unwrap(), b"#!/bin/sh\n");
    assert_eq!(checkout.read("./a//b/../b/file.txt").unwrap(), b"content");
    let blob = repo.git(&["rev-parse", "HEAD:a/b/file.txt"]);
    assert_eq!(checkout.entry("link/file.txt").unwrap().unwrap().id, blob.trim());
}

#[test]
fn links_that_leave_or_circle_are_errors() {
    let repo = Repo::new();
    repo.link("out", "../etc/passwd");
    repo.link("absolute", "/etc/passwd");
    repo.link("deep/out", "../../x");
    repo.link("one", "two");
    repo.link("two", "one");
    repo.link("dangling", "nothing");
    repo.commit("x");
    let checkout = repo.checkout();
    let reason = |path: &str| checkout.read(path).unwrap_err().reason;
    for path in ["out", "absolute", "deep/out", "../x", "out/below"] {
        assert_eq!(reason(path), "leads out of the repository", "{path}");
    }
    assert!(reason("one").contains("circle"));
    assert!(reason("dangling").contains("no such file"));
    assert!(reason("deep").contains("is a directory"));
}

#[test]
fn submodules_and_lfs_pointers_are_explained() {
    let (repo, other) = (Repo::new(), Repo::new());
    other.commit("x");
    repo.git(&["submodule", "add", "-q", other.path().to_str().unwrap(), "sub"]);
    repo.write("big.bin", &lfs());
    repo.commit("x");
    let checkout = repo.checkout();
    assert!(checkout.entry("sub").unwrap_err().to_string().starts_with("cannot read sub: is a submodule"));
    assert!(checkout.read("big.bin").unwrap_err().reason.contains("Git LFS"));
    assert_eq!(checkout.entry("sub/x").unwrap(), None);
}

fn lfs() -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "ab".repeat(32))
}

#[test]
fn finds_every_manifest_below_a_folder() {
    let repo = Repo::new();
    for path in ["evenkeel.yaml", "apps/b/evenkeel.yml", "apps/a/evenkeel.yaml", "apps/a/evenkeel.yaml.bak"] {
        repo.write(path, "x");
    }
    repo.commit("x");
    let checkout = repo.checkout();
    let all = ["apps/a/evenkeel.yaml", "apps/b/evenkeel.yml", "evenkeel.yaml"];
    assert_eq!(checkout.manifests("").unwrap(), all);
    assert_eq!(checkout.manifests("apps/").unwrap(), all[..2]);
    assert_eq!(checkout.manifests("nowhere").unwrap_err(), TreeError::Missing("nowhere".to_owned()));
    assert!(matches!(checkout.manifests("evenkeel.yaml").unwrap_err(), TreeError::Kind { .. }));
}

#[test]
fn reads_the_host_within_bounds() {
    let repo = Repo::new();
    repo.commit("x");
    let checkout = repo.checkout();
    let file = |name: &str| repo.directory.path().join(name).display().to_string();
    std::fs::write(file("env"), "A=1").unwrap();
    std::fs::File::create(file("huge")).unwrap().set_len(LARGEST + 1).unwrap();
    std::process::Command::new("mkfifo").arg(file("pipe")).status().unwrap();
    assert_eq!(checkout.read_host(&file("env")).unwrap(), Some(b"A=1".to_vec()));
    assert_eq!(checkout.read_host(&file("none")).unwrap(), None);
    assert_eq!(checkout.read_host(&file("env/below")).unwrap(), None);
    for (name, word) in [("huge", "16 MiB"), ("pipe", "regular"), ("", "regular")] {
        let error = checkout.read_host(&file(name)).unwrap_err();
        assert!(error.reason.contains(word) && error.unfit, "{name}");
    }
    let error = checkout.read_host("relative").unwrap_err();
    assert!(error.reason.contains("absolute") && !error.unfit);
}

#[test]
fn tells_what_happened_between_commits() {
    let repo = Repo::new();
    repo.write("app/code", "1");
    let first = repo.commit("first");
    repo.write("README", "1");
    let readme = repo.commit("docs: a readme\n\nwith a body");
    repo.git(&["checkout", "-qb", "side"]);
    repo.write("app/code", "2");
    let side = repo.commit("app: side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("README", "2");
    let later = repo.commit("docs: later");
    repo.git(&["merge", "-q", "--no-ff", "-m", "merge side", "side"]);
    let checkout = repo.checkout();
    let log = |from: Option<&Revision>, paths: &[&str], limit| -> Vec<Revision> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        checkout.log(from, &paths, limit).unwrap().into_iter().map(|line| line.revision).collect()
    };
    assert_eq!(log(Some(&first), &["app"], 9), std::slice::from_ref(&side));
    assert_eq!(log(None, &["app"], 9), [side, first.clone()]);
    assert_eq!(log(Some(&first), &["README"], 9), [later, readme.clone()]);
    assert_eq!(log(None, &[], 9).len(), 5);
    assert_eq!(log(None, &[], 2).len(), 2);
    assert_eq!(checkout.log(Some(&readme), &[], 9).unwrap()[0].subject, "merge side");
    let unknown = Revision::from("0123456789012345678901234567890123456789");
    assert_eq!(checkout.log(Some(&unknown), &[], 9).unwrap_err(), TreeError::NoCommit(unknown));
}

#[test]
fn tells_what_a_commit_says_of_itself() {
    let repo = Repo::new();
    let arguments = [
        "-c",
        "user.name=Ann",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x: y\n\nz",
        "--date",
        "2020-01-02T03:04:05Z",
    ];
    git(&repo.path(), &arguments);
    let meta = repo.checkout().meta().unwrap();
    assert_eq!((meta.subject.as_str(), meta.author.as_str()), ("x: y", "Ann"));
    assert_eq!(meta.authored_at.to_string(), "2020-01-02T03:04:05Z");
    assert!(meta.committed_at > meta.authored_at);
}

#[test]
fn an_object_that_is_lost_is_remembered() {
    let repo = Repo::new();
    repo.write("file", "x");
    repo.commit("x");
    let checkout = repo.checkout();
    assert!(checkout.read("nothing").is_err() && !checkout.broken(), "a missing file is nobody's fault");
    let id = checkout.entry("file").unwrap().unwrap().id;
    std::fs::remove_file(repo.path().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
    assert!(checkout.read("file").is_err() && checkout.broken());
}
