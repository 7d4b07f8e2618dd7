//! Lines of YAML and comments, and how they are put together.

use crate::yaml::{Core, Scalar};

/// Comments are wrapped at this column.
const WIDTH: usize = 100;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// YAML.
    Live,
    /// YAML that is commented out, for users to take or leave.
    Off,
    /// An explanation.
    Note,
}

struct Line {
    kind: Kind,
    depth: usize,
    text: String,
}

/// Part of a manifest.
#[derive(Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    pub(super) fn yaml(&mut self, text: impl Into<String>) {
        self.push(Kind::Live, text.into());
    }

    pub(super) fn off(&mut self, text: impl Into<String>) {
        self.push(Kind::Off, text.into());
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.push(Kind::Note, text.into());
    }

    fn push(&mut self, kind: Kind, text: String) {
        self.0.push(Line { kind, depth: 0, text });
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds a key with what is below it. Where nothing of that is more than a comment, so is the key: a key without a value
    /// would be refused.
    pub(super) fn block(&mut self, key: impl Into<String>, body: Self) {
        if body.0.is_empty() {
            return;
        }
        self.push(if body.is_live() { Kind::Live } else { Kind::Off }, key.into());
        self.0.extend(body.0.into_iter().map(|line| Line { depth: line.depth + 1, ..line }));
    }

    pub(super) fn is_live(&self) -> bool {
        self.0.iter().any(|line| line.kind == Kind::Live)
    }

    /// The same as a comment.
    pub(super) fn commented(mut self) -> Self {
        for line in self.0.iter_mut().filter(|line| line.kind == Kind::Live) {
            line.kind = Kind::Off;
        }
        self
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for Line { kind, depth, text: line } in &self.0 {
            let margin = "  ".repeat(*depth);
            match kind {
                Kind::Live => text.push_str(&format!("{margin}{line}\n")),
                Kind::Off => text.push_str(&format!("{margin}# {line}\n")),
                Kind::Note => wrap(line, &format!("{margin}# "), &mut text),
            }
        }
        text
    }
}

fn wrap(note: &str, margin: &str, into: &mut String) {
    let mut line = String::new();
    for word in note.split_whitespace() {
        if !line.is_empty() && margin.len() + line.chars().count() + word.chars().count() >= WIDTH {
            into.push_str(&format!("{margin}{line}\n"));
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    into.push_str(&format!("{margin}{line}\n"));
}

/// A string in YAML, quoted where it would be something else without; also inside of `[…]` and `{…}`.
pub(super) fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.'))
        && text.chars().all(safe)
        && Scalar::new(text, true).core() == Core::Text
        && !YAML_1_1.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Words that other readers of YAML take for booleans.
const YAML_1_1: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];

/// A list of strings on one line.
pub(super) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "a",
            "no",
            "1.10",
            "null",
            "~",
            "",
            "- x",
            "a: b",
            "#",
            "compose.yaml",
            "/opt/ä \"b\"\\",
            "0x1f",
            "x,y",
            "{",
            "'",
        ];
        for text in texts {
            let read: Vec<String> = crate::yaml::from_str("x", &list(&[text.to_owned()])).unwrap();
            assert_eq!(read, [text]);
        }
    }

    #[test]
    fn a_key_without_a_value_is_a_comment() {
        let mut body = Lines::default();
        body.note("why");
        body.off("a: 1");
        let mut lines = Lines::default();
        lines.block("k:", body);
        lines.block("none:", Lines::default());
        assert_eq!(lines.render(), "# k:\n  # why\n  # a: 1\n");
        assert!(!lines.is_live());
    }

    #[test]
    fn long_notes_are_wrapped() {
        let mut lines = Lines::default();
        lines.note("word ".repeat(30));
        assert!(lines.render().lines().all(|line| line.len() <= WIDTH && line.starts_with("# word")));
    }
}
