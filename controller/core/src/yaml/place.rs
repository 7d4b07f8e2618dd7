//! Places in a text, and the faults found there.

use std::fmt;
use std::sync::Arc;

use crate::located::{Fault, Location};

/// Longer lines are cut in snippets: a fault is for reading.
const SNIPPET_CHARS: usize = 160;

/// A text that nodes come from, shared by all of them.
pub(super) struct Source {
    name: String,
    text: String,
    /// Byte offsets of the lines' beginnings, so that a thousand faults do not scan the text a thousand times.
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Arc<Self> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(index, _)| index + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Arc::new(Self { name: name.to_owned(), text: text.to_owned(), lines })
    }

    fn line(&self, line: usize) -> Option<&str> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).map(str::trim_end)
    }
}

/// Where a node stands.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    line: u32,
    column: u32,
}

impl Place {
    pub(super) fn new(source: &Arc<Source>, line: usize, column: usize) -> Self {
        let clip = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { source: Arc::clone(source), line: clip(line), column: clip(column) }
    }

    /// The file's name, as it was given to [`super::parse`].
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// The place as data.
    pub fn location(&self) -> Location {
        Location { file: self.source.name.clone(), line: self.line as usize, column: self.column as usize }
    }

    /// A fault here, with the line as its snippet.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        let snippet =
            self.source.line(self.line as usize).map(|line| line.chars().take(SNIPPET_CHARS).collect());
        Fault { snippet, ..Fault::new(message).at(self.location()) }
    }

    /// A fault here that does not show the line, which may hold a secret.
    pub fn quiet_fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(message).at(self.location())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.location(), f)
    }
}

/// The known word that `word` was probably meant to be.
pub fn suggestion<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let lower = word.to_lowercase().replace(['-', '_'], "");
    known
        .into_iter()
        .map(|known| {
            (strsim::damerau_levenshtein(&lower, &known.to_lowercase().replace(['-', '_'], "")), known)
        })
        .filter(|(distance, known)| *distance <= 2.min(known.chars().count() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_meant_and_nothing_far_fetched() {
        let known = ["container_name", "ports", "env_file", "tty"];
        for (word, meant) in [
            ("containerName", Some("container_name")),
            ("port", Some("ports")),
            ("envfile", Some("env_file")),
            ("xyz", None),
            ("colour", None),
        ] {
            assert_eq!(suggestion(word, known), meant, "{word}");
        }
    }

    #[test]
    fn shows_the_line_only_where_asked() {
        let source = Source::new("a.yaml", "one\ntwo: x\n");
        let place = Place::new(&source, 2, 6);
        assert_eq!(place.fault("m").snippet.as_deref(), Some("two: x"));
        assert_eq!(place.quiet_fault("m").snippet, None);
        assert_eq!(Place::new(&source, 9, 1).fault("m").snippet, None);
    }
}
