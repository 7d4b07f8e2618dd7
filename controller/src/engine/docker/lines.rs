//! Output in pieces, made into lines.

use crate::engine::LogLine;

/// Collects the pieces of two interleaved outputs; a line belongs where its end arrives.
#[derive(Debug, Default)]
pub(super) struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
    whole: Vec<LogLine>,
}

impl Lines {
    /// Takes the next piece.
    pub(super) fn push(&mut self, stderr: bool, piece: &[u8]) {
        let partial = if stderr { &mut self.err } else { &mut self.out };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.whole.push(line(stderr, partial));
                partial.clear();
            }
        }
    }

    /// The lines that are whole, once each.
    pub(super) fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.whole)
    }

    /// All remaining lines, those without an end too.
    pub(super) fn finish(mut self) -> Vec<LogLine> {
        for (stderr, partial) in [(false, &self.out), (true, &self.err)] {
            if !partial.is_empty() {
                self.whole.push(line(stderr, partial));
            }
        }
        self.whole
    }
}

/// A terminal ends its lines with `\r\n`.
fn line(stderr: bool, bytes: &[u8]) -> LogLine {
    let text = String::from_utf8_lossy(bytes);
    LogLine { stderr, text: text.trim_end_matches(['\r', '\n']).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: Vec<LogLine>) -> Vec<(bool, String)> {
        lines.into_iter().map(|line| (line.stderr, line.text)).collect()
    }

    #[test]
    fn pieces_become_lines_of_their_own_output() {
        let mut lines = Lines::default();
        lines.push(false, b"he");
        lines.push(true, b"oops\r\n");
        lines.push(false, b"llo\n\nla");
        assert_eq!(
            texts(lines.take()),
            [(true, "oops".into()), (false, "hello".into()), (false, String::new())]
        );
        lines.push(false, "st é".as_bytes());
        assert_eq!(texts(lines.finish()), [(false, "last é".into())]);
    }
}
