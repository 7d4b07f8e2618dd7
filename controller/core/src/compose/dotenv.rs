//! `.env` and env files, as Compose reads them.

use super::interpolate::{self, Lookup, Variables};
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

/// Reads a file. What a value uses is looked up in `outer`, then in earlier lines, then in `before`: earlier files.
///
/// # Errors
/// The first fault, with its place and without the text: values are secret.
pub(super) fn read(
    file: &str,
    text: &str,
    outer: &Lookup<'_>,
    before: Variables,
    format: Format,
) -> Result<Vec<Line>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader { file, rest: text, line: 1, outer, known: before, format }.lines()
}

/// What separates on one line.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{a0}')
}

struct Reader<'t> {
    file: &'t str,
    rest: &'t str,
    line: usize,
    outer: &'t Lookup<'t>,
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
        let name = if self.format == Format::Raw { self.raw_name() } else { self.name() };
        self.check_name(&name)?;
        if !self.rest.starts_with(['=', ':']) {
            return Ok(Line { name, value: None });
        }
        self.advance(1);
        let value = self.value(&name)?;
        Ok(Line { name, value: Some(Secret::new(value)) })
    }

    fn name(&mut self) -> String {
        if let Some(after) = self.rest.strip_prefix("export").filter(|rest| rest.starts_with(is_space)) {
            self.rest = after.trim_start_matches(is_space);
        }
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        self.advance(end).trim().to_owned()
    }

    /// Raw files know neither `export` nor `:`.
    fn raw_name(&mut self) -> String {
        let end = self.rest.find(['=', '\n']).unwrap_or(self.rest.len());
        self.advance(end).trim_end_matches('\r').to_owned()
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
        self.rest = self.rest.trim_start_matches(is_space);
        match self.rest.chars().next() {
            Some('\'') => self.single_quoted(name),
            Some('"') => self.double_quoted(name),
            _ => self.unquoted(name),
        }
    }

    fn unquoted(&mut self, name: &str) -> Result<String, Fault> {
        let line = self.line;
        let text = self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        // A `#` without a space before it belongs to the value: it may begin a password or be all of a colour.
        let text = text.split_once(" #").map_or(text, |(value, _)| value).trim_end();
        interpolate::text(text, &|other| self.lookup(other))
            .map_err(|error| self.interpolation(&error, name, line))
    }

    fn single_quoted(&mut self, name: &str) -> Result<String, Fault> {
        self.advance(1);
        let end = closing_quote(self.rest, '\'').ok_or_else(|| self.open_quote(name))?;
        // Nothing else is an escape there.
        let value = self.advance(end).replace("\\'", "'");
        self.advance(1);
        self.end_of_line(name)?;
        Ok(value)
    }

    fn double_quoted(&mut self, name: &str) -> Result<String, Fault> {
        self.advance(1);
        let line = self.line;
        let end = closing_quote(self.rest, '"').ok_or_else(|| self.open_quote(name))?;
        let text = self.advance(end);
        self.advance(1);
        self.end_of_line(name)?;
        interpolate::text(&unescaped(text), &|other| self.lookup(other))
            .map_err(|error| self.interpolation(&error, name, line))
    }

    fn lookup(&self, name: &str) -> Option<String> {
        (self.outer)(name).or_else(|| self.known.get(name).map(|value| value.expose().to_owned()))
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

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(index)
    })
}

/// A text without its escapes, to be interpolated: those in the defaults of variables count too, and `\$` is `$$`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, special)) = rest.split_once('\\') {
        out.push_str(before);
        rest = escape(special, &mut out);
    }
    out.push_str(rest);
    out
}

/// Reads one escape, whose backslash is taken already; one that is unknown stays as it is.
fn escape<'t>(text: &'t str, out: &mut String) -> &'t str {
    let mut chars = text.chars();
    match chars.next() {
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('t') => out.push('\t'),
        Some('a') => out.push('\u{7}'),
        Some('b') => out.push('\u{8}'),
        Some('f') => out.push('\u{c}'),
        Some('v') => out.push('\u{b}'),
        Some(c @ ('"' | '\\')) => out.push(c),
        Some('$') => out.push_str("$$"),
        Some('0') => return octal(chars.as_str(), out),
        other => out.extend(['\\'].into_iter().chain(other)),
    }
    chars.as_str()
}

/// `\0` and the number of a character as three octal digits.
fn octal<'t>(text: &'t str, out: &mut String) -> &'t str {
    let number = text
        .split_at_checked(3)
        .filter(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|(digits, tail)| Some((u8::from_str_radix(digits, 8).ok()?, tail)));
    if let Some((number, tail)) = number {
        out.push(char::from(number));
        return tail;
    }
    out.push_str("\\0");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let outer = |name: &str| (name == "OUT").then(|| "out".to_owned());
        let before = Variables::from([("EARLY".to_owned(), Secret::new("early"))]);
        let lines = read(".env", text, &outer, before, Format::Compose).unwrap();
        let value =
            |line: &Line| line.value.as_ref().map_or("<passed>".to_owned(), |v| v.expose().to_owned());
        lines.into_iter().map(|line| (line.name.clone(), value(&line))).collect()
    }

    fn of(text: &str, format: Format) -> Result<Vec<Line>, Fault> {
        read(".env", text, &|_| None, Variables::new(), format)
    }

    fn refused(text: &str) -> String {
        let fault = of(text, Format::Compose).err().unwrap();
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
            ("A=#c", "#c"),
            ("A= #c", "#c"),
            ("A=#c #d", "#c"),
            ("A=b\t#c", "b\t#c"),
            ("A=\u{a0}\tb", "b"),
            ("export\u{b}A = b", "b"),
            ("A='$x \\n # y'", "$x \\n # y"),
            (r"A='it\'s' # c", "it's"),
            (r"A='\\' # c", r"\\"),
            (r#"A='\d \" \\\'x'"#, r#"\d \" \\'x"#),
            ("A='one\ntwo'", "one\ntwo"),
            (
                r#"A="\a\b\f\v\c\0123\0044OUT\012\0\0777\08\x41""#,
                "\u{7}\u{8}\u{c}\u{b}\\cSout\\012\\0\\0777\\08\\x41",
            ),
            (r#"A="\\" # c"#, r"\"),
            (r#"A="\$OUT \\$OUT \${OUT} it\'s""#, r"$OUT \out ${OUT} it\'s"),
            (r#"A="${NO:-\"q\"\n\$x}""#, "\"q\"\n$x"),
            (r"A=\n'x'", r"\n'x'"),
            ("A=$EARLY", "early"),
            ("A=\"x\\ny \\$z \\\"q\\\" \\d\" # c", "x\ny $z \"q\" \\d"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A=${OUT}-$OUT-${NO:-d}-$$", "out-out-d-$"),
            ("A", "<passed>"),
            ("# c\n\n  A=b=c:d\n", "b=c:d"),
        ] {
            assert_eq!(pairs(text), [("A".to_owned(), value.to_owned())], "{text}");
        }
        assert_eq!(pairs("A=1\nB=${A}2\nC=\"${B}3\"\n")[2].1, "123");
        assert_eq!(pairs("EARLY=now\nB=$EARLY\n")[1].1, "now");
        assert_eq!(pairs("OUT=mine\nB=$OUT\n")[1].1, "out", "the project's variables win");
    }

    #[test]
    fn raw_is_raw() {
        let raw = |text| of(text, Format::Raw).unwrap_or_default();
        let lines = raw("A='$x' # y\r\n  # c\nB\r\n");
        assert_eq!(lines[0].value.as_ref().map(Secret::expose), Some("'$x' # y"));
        assert!(lines[1].name == "B" && lines[1].value.is_none());
        assert_eq!(raw("A= b\n")[0].value.as_ref().map(Secret::expose), Some(" b"));
        for text in ["A:b\n", "A:B=c\n", "export A=b\n", "A =b\n"] {
            assert!(of(text, Format::Raw).is_err(), "{text}");
        }
    }

    #[test]
    fn says_where_and_shows_no_value() {
        insta::assert_snapshot!(refused("A=1\nB=secret$word\n"), @".env:2:1: the value of `B` uses a variable that is not set (put the value in single quotes where the dollar sign is meant)");
        insta::assert_snapshot!(refused("A=1\n\nB=\"secret\nmore"), @".env:3:1: the quote that the value of `B` begins with never closes");
        insta::assert_snapshot!(refused("A='x' secret\n"), @".env:1:1: something follows the quoted value of `A`");
        insta::assert_snapshot!(refused("A=1\n=secret\n"), @".env:2:1: a line must begin with a variable's name and `=` (put values of several lines in quotes)");
        for text in ["A # c\n", "A#B=secret\n", "A B=secret\n", "A='secret\\'\n"] {
            assert!(!refused(text).contains("secret"), "{text}");
        }
        insta::assert_snapshot!(refused("A=secret${1}\n"), @".env:1:1: the value of `A` has a `$` that begins no variable (put the value in single quotes where the dollar sign is meant)");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[A-C017=:'\"$#{}\\\\ \n\r\u{e4}\u{a0}]{0,60}") {
            let _ = of(&text, Format::Compose);
        }
    }
}
