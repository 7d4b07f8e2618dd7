//! What commits say: for plans and status, to tell people why something moves.

use evenkeel_core::name::Revision;
use git2::{Commit, DiffOptions, ErrorCode, Oid, Repository, Sort, Tree};
use jiff::Timestamp;

use super::checkout::{Checkout, TreeError};

/// Who made a commit, when and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitMeta {
    /// Its id.
    pub revision: Revision,
    /// The author's name.
    pub author: String,
    /// When it was written.
    pub authored_at: Timestamp,
    /// When it became this commit: later than that where it was rebased or merged. Lead time counts from here.
    pub committed_at: Timestamp,
    /// The first line of its message.
    pub subject: String,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitLine {
    /// Its id.
    pub revision: Revision,
    /// The first line of its message.
    pub subject: String,
}

impl Checkout {
    /// What the commit says about itself.
    ///
    /// # Errors
    /// Where the mirror is broken.
    pub(crate) fn meta(&self) -> Result<CommitMeta, TreeError> {
        let repository = self.repository();
        let commit = repository.find_commit(self.commit)?;
        let author = commit.author();
        Ok(CommitMeta {
            revision: self.revision.clone(),
            author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
            authored_at: timestamp(author.when()),
            committed_at: timestamp(commit.time()),
            subject: subject(&commit),
        })
    }

    /// The commits since `from` (`None`: since the beginning) that touched one of `paths` (none: anything), newest first, at most
    /// `limit`.
    ///
    /// # Errors
    /// `NoCommit` where the mirror does not have `from`.
    pub(crate) fn log(
        &self,
        from: Option<&Revision>,
        paths: &[String],
        limit: usize,
    ) -> Result<Vec<CommitLine>, TreeError> {
        let repository = self.repository();
        let mut walk = repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        walk.push(self.commit)?;
        if let Some(from) = from {
            walk.hide(commit_of(&repository, from)?.id())?;
        }
        let mut lines = Vec::new();
        for id in walk {
            let commit = repository.find_commit(id?)?;
            if lines.len() < limit && touches(&repository, &commit, paths)? {
                lines
                    .push(CommitLine { revision: commit.id().to_string().into(), subject: subject(&commit) });
            }
            if lines.len() == limit {
                break;
            }
        }
        Ok(lines)
    }
}

fn commit_of<'a>(repository: &'a Repository, revision: &Revision) -> Result<Commit<'a>, TreeError> {
    let missing = || TreeError::NoCommit(revision.clone());
    let id = Oid::from_str(revision.as_str()).map_err(|_| missing())?;
    repository.find_commit(id).map_err(|e| if e.code() == ErrorCode::NotFound { missing() } else { e.into() })
}

/// A merge touches what differs from all of its parents, as `git log` sees it.
fn touches(repository: &Repository, commit: &Commit<'_>, paths: &[String]) -> Result<bool, TreeError> {
    if paths.is_empty() {
        return Ok(true);
    }
    let tree = commit.tree()?;
    if commit.parent_count() == 0 {
        return differ(repository, None, &tree, paths);
    }
    for parent in commit.parents() {
        if !differ(repository, Some(&parent.tree()?), &tree, paths)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn differ(
    repository: &Repository,
    old: Option<&Tree<'_>>,
    new: &Tree<'_>,
    paths: &[String],
) -> Result<bool, TreeError> {
    let mut options = DiffOptions::new();
    options.disable_pathspec_match(true);
    for path in paths {
        options.pathspec(path.as_str());
    }
    Ok(repository.diff_tree_to_tree(old, Some(new), Some(&mut options))?.deltas().len() > 0)
}

fn subject(commit: &Commit<'_>) -> String {
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

fn timestamp(time: git2::Time) -> Timestamp {
    Timestamp::from_second(time.seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}
