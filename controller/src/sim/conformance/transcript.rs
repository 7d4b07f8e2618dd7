//! What was seen, line by line.

use std::fmt;

/// The lines of one scenario on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transcript(Vec<String>);

impl Transcript {
    pub(super) fn add(&mut self, line: String) {
        self.0.push(line);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Both as one text, with a mark before each line that only one has; `None` where they are the same.
    pub(super) fn differs_from(&self, other: &Self, name: &str) -> Option<String> {
        if self == other {
            return None;
        }
        let mut text = format!("\n{name}:");
        for (mark, line) in merged(&self.0, &other.0) {
            text.push_str(&format!("\n  {mark} {line}"));
        }
        Some(text)
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Every line of both, in order: what both have once.
fn merged<'a>(ours: &'a [String], theirs: &'a [String]) -> Vec<(char, &'a str)> {
    let common = common(ours, theirs);
    let (mut at, mut there, mut lines) = (0, 0, Vec::new());
    while at < ours.len() || there < theirs.len() {
        if at < ours.len() && there < theirs.len() && ours[at] == theirs[there] {
            lines.push((' ', ours[at].as_str()));
            (at, there) = (at + 1, there + 1);
        } else if there == theirs.len() || (at < ours.len() && common[at + 1][there] >= common[at][there + 1])
        {
            lines.push(('-', ours[at].as_str()));
            at += 1;
        } else {
            lines.push(('+', theirs[there].as_str()));
            there += 1;
        }
    }
    lines
}

/// How many lines what is left of both has in common, from each place on.
fn common(ours: &[String], theirs: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; theirs.len() + 1]; ours.len() + 1];
    for at in (0..ours.len()).rev() {
        for there in (0..theirs.len()).rev() {
            table[at][there] = if ours[at] == theirs[there] {
                table[at + 1][there + 1] + 1
            } else {
                table[at + 1][there].max(table[at][there + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(lines: &[&str]) -> Transcript {
        Transcript(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn what_only_one_has_is_marked() {
        let (ours, theirs) = (transcript(&["a", "b", "c"]), transcript(&["a", "x", "c", "d"]));
        assert_eq!(ours.differs_from(&ours.clone(), "same"), None);
        let told = ours.differs_from(&theirs, "other").unwrap();
        assert_eq!(told, "\nother:\n    a\n  - b\n  + x\n    c\n  + d");
    }
}
