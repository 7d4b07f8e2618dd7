//! Which directories must be watched to notice every change of a target, and what of them counts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Target;

/// As many links in a row as Linux follows.
const LINKS: usize = 40;

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
            Target::File(path) => {
                let (mut files, real) = resolve(path);
                files.push(real);
                Self { files, trees: Vec::new() }
            }
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

/// Where a path really leads, and every link on the way: each of them may be replaced. Free of links, so that no directory is
/// watched under two names, which the system would take for one.
fn resolve(path: &Path) -> (Vec<PathBuf>, PathBuf) {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (mut links, mut real) = (Vec::new(), PathBuf::from("/"));
    let mut pending = parts(&path);
    while let Some(part) = pending.pop() {
        if part == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&part);
        match fs::read_link(&here) {
            Ok(target) if links.len() < LINKS => {
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                pending.extend(parts(&target));
                links.push(here);
            }
            _ => real = here,
        }
    }
    (links, real)
}

/// The parts of a path, last first.
fn parts(path: &Path) -> Vec<OsString> {
    let useful = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(useful).map(|part| part.as_os_str().to_owned()).rev().collect()
}

fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|above| above.is_dir()).map(Path::to_path_buf)
}

fn repository(path: &Path) -> Places {
    let (mut files, path) = resolve(path);
    let Some((own, common)) = git_directories(&path) else {
        // Not there yet, or not a repository yet: its coming is the change.
        files.extend([path.join(".git/HEAD"), path.join("HEAD")]);
        return Places { files, trees: Vec::new() };
    };
    files.extend([path.join(".git"), own.join("HEAD"), common.join("packed-refs")]);
    Places { files, trees: vec![common.join("refs/heads")] }
}

/// The repository's own directory, and the one that it shares with its worktrees.
fn git_directories(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let dot_git = path.join(".git");
    let own = match fs::read_to_string(&dot_git) {
        Ok(text) => path.join(text.trim().strip_prefix("gitdir:")?.trim()),
        Err(_) if dot_git.is_dir() => dot_git,
        Err(_) if path.join("HEAD").is_file() && path.join("objects").is_dir() => path.to_path_buf(),
        Err(_) => return None,
    };
    let common = fs::read_to_string(own.join("commondir")).ok();
    let common = common.map_or_else(|| own.clone(), |text| own.join(text.trim()));
    Some((resolve(&own).1, resolve(&common).1))
}
