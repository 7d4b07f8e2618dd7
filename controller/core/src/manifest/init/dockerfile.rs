//! What a Dockerfile says about where things are in the image: read line by line, for guesses only.

use super::Sight;
use crate::compose::{self, Build};

/// The instructions that matter, from the last stage backwards not told apart.
pub(super) struct Dockerfile(String);

impl Dockerfile {
    /// The Dockerfile of a build; an empty one where it cannot be read.
    pub(super) fn of(sight: &Sight<'_>, build: &Build) -> Self {
        let path = compose::in_tree(&build.context, &build.dockerfile);
        let text = path.and_then(|path| sight.read(&path)).unwrap_or_default();
        // One instruction a line.
        Self(text.replace("\\\r\n", " ").replace("\\\n", " "))
    }

    fn instructions(&self) -> impl Iterator<Item = (String, &str)> {
        let split = |line: &str| {
            line.trim().split_once(char::is_whitespace).map(|(word, _)| word.to_ascii_uppercase())
        };
        self.0.lines().filter_map(move |line| {
            Some((split(line)?, line.trim().split_once(char::is_whitespace)?.1.trim()))
        })
    }

    /// The directory that commands run in, where it is written out.
    pub(super) fn workdir(&self) -> Option<String> {
        let mut directory = None;
        for (_, path) in self.instructions().filter(|(word, _)| word == "WORKDIR") {
            directory = match directory {
                _ if path.contains('$') => return None,
                _ if path.starts_with('/') => Some(path.trim_end_matches('/').to_owned()),
                Some(before) => Some(format!("{before}/{}", path.trim_end_matches('/'))),
                None => Some(format!("/{path}")),
            };
        }
        directory
    }

    /// Where a folder of the context, or the file in it, is copied to.
    pub(super) fn copied(&self, folder: &str, file: &str) -> Option<String> {
        let copies = self.instructions().filter(|(word, _)| matches!(word.as_str(), "COPY" | "ADD"));
        let wanted = [folder.to_owned(), format!("{folder}/{file}")];
        let target = |(_, words): (String, &str)| {
            let words: Vec<&str> = words.split_whitespace().filter(|word| !word.starts_with("--")).collect();
            let (target, sources) = words.split_last()?;
            let source = |source: &&str| {
                wanted.iter().any(|path| path == source.trim_start_matches("./").trim_end_matches('/'))
            };
            sources.iter().any(source).then(|| (*target).to_owned())
        };
        copies.filter_map(target).last()
    }

    /// The first port that the image says it listens on.
    pub(super) fn exposed(&self) -> Option<u16> {
        let mut ports = self.instructions().filter(|(word, _)| word == "EXPOSE");
        ports.find_map(|(_, ports)| ports.split_whitespace().next()?.trim_end_matches("/tcp").parse().ok())
    }

    /// What runs when a container starts.
    pub(super) fn start(&self) -> Vec<String> {
        let starts = self.instructions().filter(|(word, _)| matches!(word.as_str(), "CMD" | "ENTRYPOINT"));
        starts.map(|(_, words)| words.to_owned()).collect()
    }
}
