use super::*;
use crate::source::testing::Repo;

#[test]
fn reads_as_a_commit_of_it_would() {
    let repo = Repo::new();
    repo.write("a/b/file.txt", "content");
    repo.write("run.sh", "#!/bin/sh\n");
    let program = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(repo.path().join("run.sh"), program).unwrap();
    repo.link("link", "a/b");
    repo.commit("x");
    let (commit, (working, below)) = (repo.checkout(), Working::of(&repo.path().join("a/b")).unwrap());
    assert_eq!(below, "a/b");
    for path in
        ["a/b/file.txt", "link", "run.sh", "link/file.txt", "./a//b/../b/file.txt", "nothing", "run.sh/x"]
    {
        assert_eq!(working.entry(path).unwrap(), commit.entry(path).unwrap(), "{path}");
    }
    assert_eq!(working.read("link/file.txt").unwrap(), b"content");
    assert_eq!(working.entry("a").unwrap().map(|entry| entry.kind), Some(EntryKind::Directory));
    for directory in [".", "", "a", "link"] {
        assert_eq!(working.list(directory).unwrap(), commit.list(directory).unwrap(), "{directory}");
    }
    assert_eq!(working.list(".").unwrap(), ["a", "link", "run.sh"]);
    assert!(working.list("run.sh").is_err() && working.list("nothing").is_err());
    assert!(commit.list("run.sh").is_err() && commit.list("nothing").is_err());
}

#[test]
fn nothing_leaves_the_tree() {
    let repo = Repo::new();
    repo.link("out", "../data");
    repo.link("absolute", "/etc/passwd");
    repo.link("one", "two");
    repo.link("two", "one");
    repo.write("sub/.git/HEAD", "x");
    let (working, below) = Working::of(&repo.path()).unwrap();
    assert_eq!(below, "");
    for path in ["out", "absolute", "../data", "out/below"] {
        assert_eq!(working.read(path).unwrap_err().reason, "leads out of the repository", "{path}");
    }
    assert!(working.read("one").unwrap_err().reason.contains("circle"));
    assert_eq!(working.entry(".git").unwrap(), None);
    assert!(working.entry("sub").unwrap_err().reason.starts_with("is a submodule"));
    assert!(working.read(".").unwrap_err().reason.contains("is a directory"));
}

#[test]
fn a_pipe_is_not_there_and_large_files_are_refused() {
    let repo = Repo::new();
    let made = std::process::Command::new("mkfifo").arg(repo.path().join("pipe")).status().unwrap();
    assert!(made.success());
    std::fs::File::create(repo.path().join("large")).unwrap().set_len(20 << 20).unwrap();
    let (working, _) = Working::of(&repo.path()).unwrap();
    assert_eq!(working.entry("pipe").unwrap(), None);
    assert!(working.read("large").unwrap_err().reason.contains("16 MiB"));
    assert!(working.read_host("/no/such/file").unwrap().is_none());
}

#[test]
fn finds_manifests_also_ignored_ones_and_outside_git() {
    let repo = Repo::new();
    for path in ["evenkeel.yaml", "apps/a/evenkeel.yml", "ignored/evenkeel.yaml", ".git/evenkeel.yaml"] {
        repo.write(path, "x");
    }
    repo.write(".gitignore", "ignored");
    let (working, _) = Working::of(&repo.path()).unwrap();
    let all = ["apps/a/evenkeel.yml", "evenkeel.yaml", "ignored/evenkeel.yaml"];
    assert_eq!(working.manifests("").unwrap(), all);
    assert_eq!(working.manifests("apps").unwrap(), all[..1]);
    let (_, file) = Working::of(&repo.path().join("apps/a/evenkeel.yml")).unwrap();
    assert_eq!(working.manifests(&file).unwrap(), all[..1]);
    assert_eq!(working.manifests("nowhere").unwrap_err(), TreeError::Missing("nowhere".to_owned()));

    let plain = tempfile::TempDir::new().unwrap();
    std::fs::write(plain.path().join("evenkeel.yaml"), "x").unwrap();
    let (outside, below) = Working::of(plain.path()).unwrap();
    assert_eq!((below.as_str(), outside.manifests(&below).unwrap()), ("", vec!["evenkeel.yaml".to_owned()]));
}

#[test]
fn opens_a_commit_by_any_name() {
    let repo = Repo::new();
    repo.write("app/file", "old");
    let old = repo.commit("x");
    repo.write("app/file", "new");
    let new = repo.commit("y");
    let app = repo.path().join("app");
    for (name, revision) in [("HEAD", &new), ("main", &new), ("HEAD~1", &old), (old.short(), &old)] {
        let (checkout, below) = Checkout::at(&app, name).unwrap();
        assert_eq!((checkout.revision(), below.as_str()), (revision, "app"), "{name}");
    }
    let (checkout, _) = Checkout::at(&app, "HEAD^").unwrap();
    assert_eq!(checkout.read("app/file").unwrap(), b"old");
    for none in ["nothing", "HEAD~9", "HEAD:app/file", "a..b", ""] {
        assert!(matches!(Checkout::at(&app, none), Err(TreeError::NoCommit(_))), "{none}");
    }
    let plain = tempfile::TempDir::new().unwrap();
    assert!(matches!(Checkout::at(plain.path(), "HEAD"), Err(TreeError::NoRepository { .. })));
}

#[test]
fn opens_a_commit_from_a_linked_worktree() {
    let repo = Repo::new();
    repo.write("file", "one");
    repo.commit("x");
    let other = repo.directory.path().join("other");
    repo.git(&["worktree", "add", "-q", "-b", "side", other.to_str().unwrap()]);
    let (checkout, below) = Checkout::at(&other, "HEAD").unwrap();
    assert_eq!((below.as_str(), checkout.read("file").unwrap()), ("", b"one".to_vec()));
    assert_eq!(Working::of(&other).unwrap().0.list(".").unwrap(), ["file"]);
}
