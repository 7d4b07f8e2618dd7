//! From a path to what stands there, with every link on the way followed and none allowed to leave.

use super::checkout::{DIRECTORY, Found, LINK, TreeError};

/// As many links in a row as Linux follows.
const LINKS: usize = 40;

/// What can be walked: a commit's trees, or directories on disk.
pub(super) trait Steps {
    /// What a directory has under a name.
    fn child(&self, parent: &Found, name: &str) -> Result<Option<Found>, TreeError>;

    /// Where a link points to.
    fn target(&self, link: &Found) -> Result<Vec<u8>, TreeError>;
}

/// What is at `path` below `root`; a link at its very end is followed only where `last` says so.
pub(super) fn search(
    steps: &dyn Steps,
    root: Found,
    path: &str,
    last: bool,
) -> Result<Option<Found>, TreeError> {
    Search { asked: path, steps, links: 0, last }.run(root)
}

struct Search<'a> {
    asked: &'a str,
    steps: &'a dyn Steps,
    links: usize,
    last: bool,
}

impl Search<'_> {
    fn run(&mut self, root: Found) -> Result<Option<Found>, TreeError> {
        let mut pending: Vec<String> = components(self.asked);
        let mut stack = vec![root];
        while let Some(name) = pending.pop() {
            if name == ".." {
                stack.pop();
                if stack.is_empty() {
                    return Err(self.outside());
                }
                continue;
            }
            let Some(here) = self.child(stack.last(), &name)? else { return Ok(None) };
            if here.mode == LINK && (self.last || !pending.is_empty()) {
                pending.extend(self.target(&here)?);
            } else {
                stack.push(here);
            }
        }
        Ok(stack.pop())
    }

    fn child(&self, parent: Option<&Found>, name: &str) -> Result<Option<Found>, TreeError> {
        let Some(parent) = parent.filter(|parent| parent.mode == DIRECTORY) else { return Ok(None) };
        self.steps.child(parent, name)
    }

    fn target(&mut self, link: &Found) -> Result<Vec<String>, TreeError> {
        self.links += 1;
        if self.links > LINKS {
            return Err(TreeError::Circle { path: self.asked.to_owned() });
        }
        match String::from_utf8(self.steps.target(link)?) {
            Ok(target) if !target.starts_with('/') => Ok(components(&target)),
            _ => Err(self.outside()),
        }
    }

    fn outside(&self) -> TreeError {
        TreeError::Outside { path: self.asked.to_owned() }
    }
}

/// The parts of a path, last first.
fn components(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(str::to_owned).collect()
}
