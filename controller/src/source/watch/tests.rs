use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::source::testing::{Repo, git};

const QUIET: Duration = Duration::from_millis(100);

struct Case {
    directory: tempfile::TempDir,
    watches: Watches,
    changes: mpsc::Receiver<Changed>,
}

impl Case {
    fn new() -> Self {
        let (watches, changes) = Watches::new(QUIET, Duration::from_secs(3600));
        Self { directory: tempfile::TempDir::new().unwrap(), watches, changes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn sees(&mut self, path: &Path, what: &str) {
        let seen = tokio::time::timeout(Duration::from_secs(5), self.changes.recv()).await;
        assert_eq!(seen.unwrap_or_else(|_| panic!("not noticed: {what}")).unwrap().path, path, "{what}");
        self.settle().await;
    }

    async fn settle(&mut self) {
        while tokio::time::timeout(QUIET * 4, self.changes.recv()).await.is_ok() {}
    }

    async fn sees_nothing(&mut self, what: &str) {
        let seen = tokio::time::timeout(QUIET * 5, self.changes.recv()).await;
        assert!(seen.is_err(), "{what}: {seen:?}");
    }
}

fn shell(directory: &Path, script: &str) {
    assert!(Command::new("sh").args(["-ec", script]).current_dir(directory).status().unwrap().success());
}

#[tokio::test]
async fn a_file_that_is_written_replaced_or_removed_again_and_again() {
    let mut case = Case::new();
    let file = case.path("env");
    fs::write(&file, "A=1\n").unwrap();
    case.watches.watch(Target::File(file.clone()));
    for _ in 0..2 {
        for script in [
            "echo B=1 >> env",
            "echo C=1 > new; mv new env",
            "sed -i s/C/D/ env",
            "rm env",
            "ln -s other env; echo > other",
            "rm other env; echo > env",
            "chmod 600 env",
        ] {
            shell(case.directory.path(), script);
            case.sees(&file, script).await;
        }
    }
    shell(case.directory.path(), "echo > neighbour; cat env neighbour; ls -la");
    case.sees_nothing("a neighbour, and reading").await;
}

#[tokio::test]
async fn a_file_behind_a_link_is_seen_at_both_ends() {
    let mut case = Case::new();
    shell(
        case.directory.path(),
        "mkdir real; echo > real/env; ln -s real/env env; mkdir v1 v2; echo > v1/x; ln -s v1 data",
    );
    let (linked, below) = (case.path("env"), case.path("data/x"));
    case.watches.watch(Target::File(linked.clone()));
    shell(case.directory.path(), "echo X >> real/env");
    case.sees(&linked, "the link's target").await;
    case.watches.unwatch(&Target::File(linked));
    case.watches.watch(Target::File(below.clone()));
    shell(case.directory.path(), "echo > v1/x");
    case.sees(&below, "behind a linked directory").await;
    shell(case.directory.path(), "ln -s v2 next; mv -T next data");
    case.sees(&below, "a linked directory is exchanged").await;
    shell(case.directory.path(), "echo > v2/x");
    case.sees(&below, "behind the new one").await;
    shell(case.directory.path(), "echo > real/env");
    case.sees_nothing("what is watched no more").await;
}

#[tokio::test]
async fn one_directory_under_two_names_serves_both() {
    let mut case = Case::new();
    shell(case.directory.path(), "mkdir real; echo > real/x; ln -s real alias");
    let (real, alias) = (case.path("real/x"), case.path("alias/x"));
    for path in [&real, &alias] {
        case.watches.watch(Target::File(path.clone()));
    }
    case.watches.unwatch(&Target::File(alias));
    shell(case.directory.path(), "echo > real/x");
    case.sees(&real, "after the other name was dropped").await;
}

#[tokio::test]
async fn what_two_have_asked_for_is_watched_until_both_let_it_go() {
    let mut case = Case::new();
    let file = case.path("env");
    for _ in 0..2 {
        case.watches.watch(Target::File(file.clone()));
    }
    case.watches.unwatch(&Target::File(file.clone()));
    shell(case.directory.path(), "echo A > env");
    case.sees(&file, "by the other one").await;
    case.watches.unwatch(&Target::File(file.clone()));
    case.watches.unwatch(&Target::File(file));
    shell(case.directory.path(), "echo B > env");
    case.sees_nothing("what is watched no more").await;
}

#[tokio::test]
async fn a_directory_that_comes_and_goes() {
    let mut case = Case::new();
    let file = case.path("a/b/c/env");
    case.watches.watch(Target::File(file.clone()));
    for round in 0..3 {
        shell(case.directory.path(), "mkdir -p a/b/c");
        case.settle().await;
        fs::write(&file, "x").unwrap();
        case.sees(&file, &format!("written in a new directory, round {round}")).await;
        shell(case.directory.path(), "mv a gone; rm -r gone");
        case.sees(&file, &format!("the directory goes, round {round}")).await;
    }
    shell(case.directory.path(), "mkdir -p a/b/c; echo > a/b/c/env");
    case.sees(&file, "all at once").await;
}

#[tokio::test]
async fn a_repository_in_all_its_forms() {
    let repo = Repo::new();
    repo.commit("first");
    repo.git(&["branch", "side"]);
    repo.git(&["worktree", "add", "-q", "../tree", "side"]);
    git(repo.directory.path(), &["clone", "-q", "--bare", "repo", "bare.git"]);
    let [tree, bare] = ["tree", "bare.git"].map(|name| repo.directory.path().join(name));
    let mut case = Case::new();
    for (path, committer) in [(repo.path(), repo.path()), (tree.clone(), tree), (bare.clone(), repo.path())] {
        case.watches.watch(Target::Repository(path.clone()));
        let publish = |committer: &Path| {
            git(committer, &["commit", "-q", "--allow-empty", "-m", "x"]);
            if path == bare {
                git(committer, &["push", "-q", bare.to_str().unwrap(), "main", "+main:refs/heads/deep/er"]);
            }
        };
        publish(&committer);
        case.sees(&path, "a commit").await;
        git(&path, &["pack-refs", "--all"]);
        case.settle().await;
        publish(&committer);
        case.sees(&path, "a commit after packing").await;
        git(&path, &["log", "--oneline", "--all"]);
        case.sees_nothing("reading a repository").await;
        case.watches.unwatch(&Target::Repository(path));
    }
}

#[tokio::test]
async fn a_repository_that_is_made_later() {
    let mut case = Case::new();
    let path = case.path("repo");
    case.watches.watch(Target::Repository(path.clone()));
    shell(case.directory.path(), "git init -q -b main repo");
    case.sees(&path, "git init").await;
    git(&path, &["commit", "-q", "--allow-empty", "-m", "x"]);
    case.sees(&path, "its first commit").await;
    git(&path, &["commit", "-q", "--allow-empty", "-m", "y"]);
    case.sees(&path, "its second commit").await;
}

#[tokio::test]
async fn a_storm_is_told_of_once_and_in_time() {
    let mut case = Case::new();
    let file = case.path("env");
    case.watches.watch(Target::File(file.clone()));
    let started = std::time::Instant::now();
    for i in 0..60 {
        fs::write(&file, i.to_string()).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut told = 0;
    while tokio::time::timeout(QUIET * 4, case.changes.recv()).await.is_ok() {
        told += 1;
    }
    assert!((1..=2).contains(&told) && started.elapsed() < Duration::from_secs(4), "{told}");
}

#[tokio::test]
async fn without_watches_it_looks() {
    let directory = tempfile::TempDir::new().unwrap();
    let (_events, inbox) = mpsc::unbounded_channel();
    let none = Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
    let (watches, changes) = Watches::with(none, inbox, QUIET, Duration::from_millis(50));
    let mut case = Case { directory, watches, changes };
    let repo = Repo::new();
    repo.commit("first");
    let file = case.path("a/env");
    case.watches.watch(Target::File(file.clone()));
    shell(case.directory.path(), "mkdir a; echo > a/env");
    case.sees(&file, "written").await;
    shell(case.directory.path(), "echo B > b; mv b a/env");
    case.sees(&file, "replaced").await;
    case.watches.unwatch(&Target::File(file));
    case.watches.watch(Target::Repository(repo.path()));
    case.sees_nothing("nothing").await;
    repo.commit("second");
    case.sees(&repo.path(), "a commit").await;
}
