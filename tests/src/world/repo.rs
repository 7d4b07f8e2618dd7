//! A git repository, moved by the `git` command as its users would.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{command, must};

/// A repository with a work tree on branch `main`.
#[derive(Clone, Debug)]
pub struct Repo {
    path: PathBuf,
}

impl Repo {
    /// Makes an empty one.
    pub fn init(path: &Path) -> Self {
        fs::create_dir_all(path).expect("a world's directory can be written");
        let repo = Self { path: path.to_owned() };
        repo.git(&["init", "-q", "-b", "main"]);
        for (key, value) in
            [("user.name", "Tess Tester"), ("user.email", "tess@example.org"), ("gc.auto", "0")]
        {
            repo.git(&["config", key, value]);
        }
        repo
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git in it.
    pub fn git(&self, args: &[&str]) -> String {
        must(command("git", args).current_dir(&self.path).env("GIT_CONFIG_GLOBAL", "/dev/null"))
    }

    /// The commit at the branch's tip.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes a file, without committing it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("a file has a directory"))
            .expect("the work tree can be written");
        fs::write(path, text).expect("the work tree can be written");
    }

    /// A file of the work tree.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path.join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
    }

    /// Commits everything, also nothing, and gives the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Makes the tree what it was at a commit, without committing.
    pub fn restore(&self, commit: &str) {
        self.git(&["rm", "-rqf", "--ignore-unmatch", "."]);
        self.git(&["checkout", "-q", commit, "--", "."]);
    }

    /// `git revert HEAD`.
    pub fn revert_head(&self) -> String {
        self.git(&["revert", "--no-edit", "HEAD"]);
        self.head()
    }
}
