//! `.env` and env files, as Compose reads them.

use super::interpolate::{self, Variables};
use crate::located::{Fault, Location};
use crate::secret::Secret;

/// How a file's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Quotes, escapes and variables mean something.
    Compose,
    /// `format: raw`: what follows `=` is the value.
    Raw,
}

/// What a line says about a variable.
pub(super) struct Line {
    pub(super) name: String,
    /// `None`: the name alone, which passes the variable through.
    pub(super) value: Option<Secret>,
}

/// Reads a file. Later lines see earlier ones, then `outer`.
///
/// # Errors
/// The first fault, with its place and without the text: values are secret.
pub(super) fn read(file: &str, text: &str, outer: &Variables, format: Format) -> Result<Vec<Line>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader { file, rest: text, line: 1, outer, known: Variables::new(), format }.lines()
}

struct Reader<'t> {
    file: &'t str,
    rest: &'t str,
    line: usize,
    outer: &'t Variables,
    known: Variables,
    format: Format,
}

impl<'t> Reader<'t> {
    fn lines(mut self) -> Result<Vec<Line>, Fault> {
        let mut lines = Vec::new();
        loop {
            self.skip_blank();
            if self.rest.is_empty() {
                return Ok(lines);
            }
            let line = self.assignment()?;
            if let Some(value) = &line.value {
                self.known.insert(line.name.clone(), value.clone());
            }
            lines.push(line);
        }
    }

    fn skip_blank(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            self.advance(self.rest.len() - trimmed.len());
            if !trimmed.starts_with('#') {
                return;
            }
            self.advance(trimmed.find('\n').unwrap_or(trimmed.len()));
        }
    }

    fn advance(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }

    fn assignment(&mut self) -> Result<Line, Fault> {
        if let Some(after) = self.rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])) {
            self.rest = after.trim_start_matches([' ', '\t']);
        }
        let end = self.rest.find(['=', ':', '\n', '#']).unwrap_or(self.rest.len());
        let name = self.advance(end).trim().to_owned();
        self.check_name(&name)?;
        if !self.rest.starts_with(['=', ':']) {
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Ok(Line { name, value: None });
        }
        self.advance(1);
        let value = self.value(&name)?;
        Ok(Line { name, value: Some(Secret::new(value)) })
    }

    fn check_name(&self, name: &str) -> Result<(), Fault> {
        let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
        if !name.is_empty() && name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(());
        }
        Err(self
            .fault("a line must begin with a variable's name and `=`")
            .hint("put values of several lines in quotes"))
    }

    fn value(&mut self, name: &str) -> Result<String, Fault> {
        if self.format == Format::Raw {
            let value = self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Ok(value.trim_end_matches('\r').to_owned());
        }
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        match self.rest.chars().next() {
            Some('\'') => self.single_quoted(name),
            Some('"') => self.double_quoted(name),
            _ => self.unquoted(name),
        }
    }

    fn unquoted(&mut self, name: &str) -> Result<String, Fault> {
        let line = self.line;
        let text = self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        let comment =
            text.char_indices().zip(text.chars().skip(1)).find(|((_, a), b)| a.is_whitespace() && *b == '#');
        let end = if text.starts_with('#') { 0 } else { comment.map_or(text.len(), |((index, _), _)| index) };
        let text = text.get(..end).unwrap_or(text).trim();
        interpolate::text(text, &|other| self.lookup(other))
            .map_err(|error| self.interpolation(&error, name, line))
    }

    fn single_quoted(&mut self, name: &str) -> Result<String, Fault> {
        self.advance(1);
        let end = self.rest.find('\'').ok_or_else(|| self.open_quote(name))?;
        let value = self.advance(end).to_owned();
        self.advance(1);
        self.end_of_line(name)?;
        Ok(value)
    }

    fn double_quoted(&mut self, name: &str) -> Result<String, Fault> {
        self.advance(1);
        let line = self.line;
        let end = closing_quote(self.rest).ok_or_else(|| self.open_quote(name))?;
        let text = self.advance(end);
        self.advance(1);
        self.end_of_line(name)?;
        self.unescape(text).map_err(|error| self.interpolation(&error, name, line))
    }

    /// Escapes and variables in one pass, so that `\$` stays a dollar sign.
    fn unescape(&self, text: &str) -> Result<String, interpolate::Error> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '$']) {
            let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            out.push_str(before);
            if let Some(after) = special.strip_prefix('$') {
                let (value, tail) = interpolate::variable(after, &|name| self.lookup(name), 0)?;
                out.push_str(&value);
                interpolate::short(&out)?;
                rest = tail;
            } else {
                rest = escape(special, &mut out);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn lookup(&self, name: &str) -> Option<String> {
        self.known.get(name).or_else(|| self.outer.get(name)).map(|value| value.expose().to_owned())
    }

    /// After a quoted value only a comment may follow.
    fn end_of_line(&mut self, name: &str) -> Result<(), Fault> {
        let line = self.line;
        let rest = self.advance(self.rest.find('\n').unwrap_or(self.rest.len())).trim();
        if rest.is_empty() || rest.starts_with('#') {
            return Ok(());
        }
        Err(self.fault_at(line, format!("something follows the quoted value of `{name}`")))
    }

    fn open_quote(&self, name: &str) -> Fault {
        self.fault(format!("the quote that the value of `{name}` begins with never closes"))
    }

    fn interpolation(&self, error: &interpolate::Error, name: &str, line: usize) -> Fault {
        // What stands after a dollar sign may be part of a secret: only the variable that is being set is named.
        let message = match error {
            interpolate::Error::Form(_) => format!("the value of `{name}` has a `$` that begins no variable"),
            interpolate::Error::Unset(_) => format!("the value of `{name}` uses a variable that is not set"),
            interpolate::Error::Required(..) => {
                format!("the value of `{name}` requires a variable that is not set")
            }
            interpolate::Error::Depth => format!("the value of `{name}` is nested too deep"),
            interpolate::Error::Long | interpolate::Error::Budget => {
                format!("the value of `{name}` becomes too long")
            }
        };
        self.fault_at(line, message).hint("put the value in single quotes where the dollar sign is meant")
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        self.fault_at(self.line, message)
    }

    fn fault_at(&self, line: usize, message: impl Into<String>) -> Fault {
        Fault::new(message).at(Location { file: self.file.to_owned(), line, column: 1 })
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(index)
    })
}

/// Reads one escape; one that is unknown stays as it is.
fn escape<'t>(text: &'t str, out: &mut String) -> &'t str {
    let mut chars = text.chars();
    let backslash = chars.next();
    match chars.next() {
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('t') => out.push('\t'),
        Some(c @ ('"' | '\\' | '$')) => out.push(c),
        other => out.extend(backslash.into_iter().chain(other)),
    }
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let outer = Variables::from([("OUT".to_owned(), Secret::new("out"))]);
        let lines = read(".env", text, &outer, Format::Compose).unwrap();
        let value =
            |line: &Line| line.value.as_ref().map_or("<passed>".to_owned(), |v| v.expose().to_owned());
        lines.into_iter().map(|line| (line.name.clone(), value(&line))).collect()
    }

    fn refused(text: &str) -> String {
        let fault = read(".env", text, &Variables::new(), Format::Compose).err().unwrap();
        assert_eq!(fault.snippet, None);
        fault.to_string()
    }

    #[test]
    fn reads_what_compose_reads() {
        for (text, value) in [
            ("A=b", "b"),
            ("A= b # c", "b"),
            ("A=b#c", "b#c"),
            ("export A=b\r\n", "b"),
            ("A: b", "b"),
            ("A=", ""),
            ("A=#c", ""),
            ("A='$x \\n # y'", "$x \\n # y"),
            ("A=\"x\\ny \\$z \\\"q\\\" \\d\" # c", "x\ny $z \"q\" \\d"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A=${OUT}-$OUT-${NO:-d}-$$", "out-out-d-$"),
            ("A", "<passed>"),
            ("# c\n\n  A=b=c:d\n", "b=c:d"),
        ] {
            assert_eq!(pairs(text), [("A".to_owned(), value.to_owned())], "{text}");
        }
        assert_eq!(pairs("A=1\nB=${A}2\nC=\"${B}3\"\n")[2].1, "123");
    }

    #[test]
    fn raw_is_raw() {
        let lines = read(".env", "A='$x' # y\n", &Variables::new(), Format::Raw).unwrap_or_default();
        assert_eq!(lines[0].value.as_ref().map(Secret::expose), Some("'$x' # y"));
    }

    #[test]
    fn says_where_and_shows_no_value() {
        insta::assert_snapshot!(refused("A=1\nB=secret$word\n"), @".env:2:1: the value of `B` uses a variable that is not set (put the value in single quotes where the dollar sign is meant)");
        insta::assert_snapshot!(refused("A=1\n\nB=\"secret\nmore"), @".env:3:1: the quote that the value of `B` begins with never closes");
        insta::assert_snapshot!(refused("A='x' secret\n"), @".env:1:1: something follows the quoted value of `A`");
        insta::assert_snapshot!(refused("A=1\n=secret\n"), @".env:2:1: a line must begin with a variable's name and `=` (put values of several lines in quotes)");
        insta::assert_snapshot!(refused("A=secret$1\n"), @".env:1:1: the value of `A` has a `$` that begins no variable (put the value in single quotes where the dollar sign is meant)");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[A-C=:'\"$#{}\\\\ \n\r\u{e4}]{0,60}") {
            let _ = read(".env", &text, &Variables::new(), Format::Compose);
        }
    }
}
