//! Which directories must be watched to notice every change of a target, and what of them counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Target;

/// The files whose change is a change of the target, and the directories below which everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) files: Vec<PathBuf>,
    pub(super) trees: Vec<PathBuf>,
}

/// A directory to watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Watched {
    pub(super) directory: PathBuf,
    pub(super) recursive: bool,
}

impl Places {
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::File(path) => Self { files: links(path), trees: Vec::new() },
            Target::Repository(path) => repository(path),
        }
    }

    /// The directories to watch, given what exists now: for what does not exist, the nearest directory above that does.
    pub(super) fn watched(&self) -> Vec<Watched> {
        let above = self.files.iter().filter_map(|file| existing(file.parent()?));
        let above = above.map(|directory| Watched { directory, recursive: false });
        let trees = self.trees.iter().filter_map(|tree| match tree.is_dir() {
            true => Some(Watched { directory: tree.clone(), recursive: true }),
            false => Some(Watched { directory: existing(tree)?, recursive: false }),
        });
        above.chain(trees).collect()
    }

    /// Whether a change at `path` concerns the target: the file itself, something in a tree, or a directory on the way to either.
    pub(super) fn concern(&self, path: &Path) -> bool {
        // git's own lock files come and go with every change; the rename that ends it counts.
        if path.extension().is_some_and(|extension| extension == "lock") {
            return false;
        }
        self.files.iter().chain(&self.trees).any(|place| place.starts_with(path))
            || self.trees.iter().any(|tree| path.starts_with(tree))
    }

    /// Something that differs whenever the target has changed; for looking instead of watching.
    pub(super) fn signature(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.files.iter().map(|file| mark(file)).collect();
        self.trees.iter().for_each(|tree| marks_below(tree, 0, &mut marks));
        marks
    }
}

/// What the system says of a path.
pub(super) type Mark = (PathBuf, Option<(u64, u64, i64, i64)>);

fn mark(path: &Path) -> Mark {
    let meta = fs::metadata(path).ok();
    (path.to_path_buf(), meta.map(|meta| (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())))
}

fn marks_below(directory: &Path, depth: usize, marks: &mut Vec<Mark>) {
    let mut children: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    children.sort();
    for child in children {
        if child.is_dir() && depth < 16 {
            marks_below(&child, depth + 1, marks);
        } else {
            marks.push(mark(&child));
        }
    }
}

/// The path, and what it leads to where it is a link, step by step: each of them may be replaced.
fn links(path: &Path) -> Vec<PathBuf> {
    let mut chain = vec![path.to_path_buf()];
    while let Some(target) = chain.last().and_then(|last| follow(last)).filter(|next| !chain.contains(next)) {
        chain.push(target);
        if chain.len() > 16 {
            break;
        }
    }
    // A link in a directory's place is caught through the path that it leads to.
    if let Ok(real) = fs::canonicalize(path)
        && !chain.contains(&real)
    {
        chain.push(real);
    }
    chain
}

fn follow(path: &Path) -> Option<PathBuf> {
    let target = fs::read_link(path).ok()?;
    Some(tidy(&path.parent()?.join(target)))
}

fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|above| above.is_dir()).map(Path::to_path_buf)
}

fn repository(path: &Path) -> Places {
    let Some((own, common)) = git_directories(path) else {
        // Not there yet, or not a repository yet: its coming is the change.
        let files = vec![path.join(".git/HEAD"), path.join("HEAD")];
        return Places { files, trees: Vec::new() };
    };
    let mut files = vec![own.join("HEAD"), common.join("packed-refs")];
    if own != common {
        files.push(path.join(".git"));
    }
    Places { files, trees: vec![common.join("refs/heads")] }
}

/// The repository's own directory, and the one that it shares with its worktrees.
fn git_directories(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let dot_git = path.join(".git");
    let own = match fs::read_to_string(&dot_git) {
        Ok(text) => tidy(&path.join(text.trim().strip_prefix("gitdir:")?.trim())),
        Err(_) if dot_git.is_dir() => dot_git,
        Err(_) if path.join("HEAD").is_file() && path.join("objects").is_dir() => path.to_path_buf(),
        Err(_) => return None,
    };
    let common = fs::read_to_string(own.join("commondir")).ok();
    let common = common.map_or_else(|| own.clone(), |text| tidy(&own.join(text.trim())));
    Some((own, common))
}
