//! Real repositories for the tests, made with git's own command line.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evenkeel_core::name::Revision;
use tempfile::TempDir;

use super::checkout::Checkout;
use super::config::SourceConfig;
use super::repository::Source;

/// A repository with a working tree on branch `main`, in a directory of its own that also has a data directory.
pub(crate) struct Repo {
    pub(super) directory: TempDir,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let repo = Self { directory: TempDir::new().unwrap() };
        std::fs::create_dir(repo.path()).unwrap();
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path(), arguments)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// Commits all there is.
    pub(crate) fn commit(&self, message: &str) -> Revision {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(super) fn head(&self) -> Revision {
        self.git(&["rev-parse", "HEAD"]).trim().into()
    }

    /// The commit, read straight from this repository.
    pub(super) fn checkout(&self) -> Checkout {
        Checkout::open(&self.path().join(".git"), &self.head()).unwrap()
    }

    pub(super) fn config(&self) -> SourceConfig {
        let mut config = SourceConfig::new("app", self.path().to_str().unwrap(), "main", self.data_dir());
        config.silence = Duration::from_secs(20);
        config
    }

    pub(super) fn source(&self) -> Source {
        Source::open(self.config()).unwrap()
    }

    /// A source that has everything already.
    pub(crate) fn mirrored(&self) -> Source {
        let source = self.source();
        let mirror = self.data_dir().join("sources/app/repo.git");
        self.git(&["clone", "-q", "--bare", ".", mirror.to_str().unwrap()]);
        source
    }

    /// The mirror is brought up to the branch, and what nothing keeps there is thrown away.
    pub(crate) fn fetched(&self) {
        let mirror = self.data_dir().join("sources/app/repo.git");
        let from = self.path();
        git(&mirror, &["fetch", "-q", from.to_str().unwrap(), "+refs/heads/main:refs/heads/main"]);
        git(&mirror, &["gc", "-q", "--prune=now"]);
    }
}

pub(super) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
