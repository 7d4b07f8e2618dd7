//! What `alembic history` prints, as a graph.
//!
//! A line is `down, down (depends on, …) -> revision (labels) (head) (mergepoint), message`. Messages may run over several
//! lines, and a user's logging configuration may mix its own lines in: whatever does not have this shape is passed over. What
//! must not pass unseen is a cut: the graph has to be closed, and its heads are those that Alembic marked.

use std::collections::{BTreeMap, BTreeSet};

use super::Scripts;
use crate::name::SchemaRevision;

/// Why a history cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A revision follows one that is not listed: the output was cut, or a script is missing.
    #[error("migration {revision} follows {missing}, which the history does not list")]
    Missing {
        /// The revision.
        revision: SchemaRevision,
        /// What it names.
        missing: String,
    },
    /// Two scripts have the same revision.
    #[error("two migrations are called {0}")]
    Twice(SchemaRevision),
    /// The revisions follow each other in a ring.
    #[error("migration {0} follows itself")]
    Ring(SchemaRevision),
    /// The revisions that nothing follows are not those marked as heads: the beginning of the output is missing.
    #[error("the history is incomplete: nothing in it follows {0}, which is not marked as a head")]
    Unmarked(SchemaRevision),
}

/// Reads the output of `alembic history`.
///
/// # Errors
/// When what it lists is no closed graph with marked heads.
pub fn parse(output: &str) -> Result<Scripts, HistoryError> {
    let lines: Vec<Line<'_>> = output.lines().filter_map(line).collect();
    let scripts = graph(&lines)?;
    marked(&lines, &scripts)?;
    acyclic(&scripts)?;
    Ok(scripts)
}

struct Line<'a> {
    revision: &'a str,
    follows: Vec<&'a str>,
    depends: Vec<&'a str>,
    marks: Vec<&'a str>,
}

fn line(text: &str) -> Option<Line<'_>> {
    let (left, right) = text.trim().split_once(" -> ")?;
    let (follows, depends) = match left.split_once(" (") {
        Some((follows, depends)) => (identifiers(follows)?, identifiers(depends.strip_suffix(')')?)?),
        None => (identifiers(left)?, Vec::new()),
    };
    let (revision, rest) = right.split_at(right.find([' ', ',']).unwrap_or(right.len()));
    let follows = follows.into_iter().filter(|name| *name != "<base>").collect();
    (identifier(revision) && message(rest)).then(|| Line { revision, follows, depends, marks: marks(rest) })
}

/// After the revision come the marks, and then, behind a comma, the message.
fn message(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(" (") || rest.starts_with(',')
}

fn identifiers(list: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.split(", ").collect();
    names.iter().all(|name| *name == "<base>" || identifier(name)).then_some(names)
}

/// Alembic forbids `@`, `-`, `+` and `:` in revisions, but allows a label with dashes to be depended on.
fn identifier(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "()<>,@+:".contains(c))
}

/// The words in brackets before the message, such as `head` and `mergepoint`, and labels.
fn marks(mut rest: &str) -> Vec<&str> {
    let mut marks = Vec::new();
    while let Some((mark, after)) = rest.strip_prefix(" (").and_then(|inner| inner.split_once(')')) {
        marks.extend(mark.split(", "));
        rest = after;
    }
    marks
}

fn graph(lines: &[Line<'_>]) -> Result<Scripts, HistoryError> {
    let mut parents = BTreeMap::new();
    for line in lines {
        let revision = SchemaRevision::from(line.revision);
        let follows = resolve_all(lines, line)?;
        if parents.insert(revision.clone(), follows).is_some() {
            return Err(HistoryError::Twice(revision));
        }
    }
    let heads = heads(&parents);
    Ok(Scripts { parents, heads })
}

fn heads(parents: &BTreeMap<SchemaRevision, BTreeSet<SchemaRevision>>) -> BTreeSet<SchemaRevision> {
    let followed: BTreeSet<&SchemaRevision> = parents.values().flatten().collect();
    parents.keys().filter(|revision| !followed.contains(revision)).cloned().collect()
}

fn resolve_all(lines: &[Line<'_>], of: &Line<'_>) -> Result<BTreeSet<SchemaRevision>, HistoryError> {
    let resolve = |name: &&str| {
        resolve(lines, name).ok_or_else(|| HistoryError::Missing {
            revision: of.revision.into(),
            missing: (*name).to_owned(),
        })
    };
    of.follows.iter().chain(&of.depends).map(resolve).collect()
}

/// A dependency may be a revision, a branch label or the beginning of a revision.
fn resolve(lines: &[Line<'_>], name: &str) -> Option<SchemaRevision> {
    let exact = || lines.iter().find(|line| line.revision == name);
    let found = exact().or_else(|| labelled(lines, name)).or_else(|| beginning(lines, name))?;
    Some(found.revision.into())
}

/// Alembic shows a label on all that follows the revision which declares it; the first of them is meant.
fn labelled<'a, 'b>(lines: &'b [Line<'a>], label: &str) -> Option<&'b Line<'a>> {
    let with: Vec<&Line<'_>> = lines.iter().filter(|line| line.marks.contains(&label)).collect();
    let inside = |name: &&str| with.iter().any(|line| line.revision == *name);
    with.iter().find(|line| !line.follows.iter().any(inside)).copied()
}

fn beginning<'a, 'b>(lines: &'b [Line<'a>], prefix: &str) -> Option<&'b Line<'a>> {
    let mut found = lines.iter().filter(|line| prefix.len() >= 4 && line.revision.starts_with(prefix));
    found.next().filter(|_| found.next().is_none())
}

fn marked(lines: &[Line<'_>], scripts: &Scripts) -> Result<(), HistoryError> {
    let marked = |line: &&Line<'_>| line.marks.contains(&"head");
    let marked: BTreeSet<&str> = lines.iter().filter(marked).map(|line| line.revision).collect();
    match scripts.heads.iter().find(|head| !marked.contains(head.as_str())) {
        Some(head) => Err(HistoryError::Unmarked(head.clone())),
        None => Ok(()),
    }
}

fn acyclic(scripts: &Scripts) -> Result<(), HistoryError> {
    match scripts.parents.keys().find(|revision| scripts.ancestors(revision).contains(*revision)) {
        Some(revision) => Err(HistoryError::Ring(revision.clone())),
        None => Ok(()),
    }
}

impl Scripts {
    /// Whether the image has the script of a revision.
    pub fn contains(&self, revision: &SchemaRevision) -> bool {
        self.parents.contains_key(revision)
    }

    /// Every revision that comes before this one, without itself.
    pub fn ancestors(&self, revision: &SchemaRevision) -> BTreeSet<SchemaRevision> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&SchemaRevision> = self.follows(revision).collect();
        while let Some(next) = open.pop() {
            if found.insert(next.clone()) {
                open.extend(self.follows(next));
            }
        }
        found
    }

    /// What a database at these revisions has had applied: they and all that comes before them.
    pub fn applied(&self, at: &BTreeSet<SchemaRevision>) -> BTreeSet<SchemaRevision> {
        at.iter().flat_map(|revision| self.ancestors(revision)).chain(at.iter().cloned()).collect()
    }

    /// The revisions to apply, in order, for getting from one set to another; `None` where no upgrade leads there.
    pub fn path(
        &self,
        from: &BTreeSet<SchemaRevision>,
        to: &BTreeSet<SchemaRevision>,
    ) -> Option<Vec<SchemaRevision>> {
        let (mut done, goal) = (self.applied(from), self.applied(to));
        if !done.is_subset(&goal) || !goal.iter().all(|revision| self.contains(revision)) {
            return None;
        }
        let mut path = Vec::new();
        while let Some(next) =
            goal.difference(&done).find(|next| self.follows(next).all(|p| done.contains(p))).cloned()
        {
            done.insert(next.clone());
            path.push(next);
        }
        Some(path)
    }

    /// Whether these scripts lead from one set of revisions down to another.
    pub fn lead_down(&self, from: &BTreeSet<SchemaRevision>, to: &BTreeSet<SchemaRevision>) -> bool {
        from.iter().all(|revision| self.contains(revision))
            && to.iter().all(|revision| from.iter().any(|at| self.ancestors(at).contains(revision)))
    }

    fn follows(&self, revision: &SchemaRevision) -> impl Iterator<Item = &SchemaRevision> {
        self.parents.get(revision).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
