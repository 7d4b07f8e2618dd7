//! Taking values out of what databases and migrations say, before anybody reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::disguise::forms;
use crate::secret::Secret;

/// What stands where a secret stood.
const HIDDEN: &str = "[redacted]";

/// The longest statement that is worth showing.
const STATEMENT: usize = 300;

/// A statement without its values: strings, numbers and comments go, names stay.
pub fn statement(sql: &str) -> String {
    let chars: Vec<char> = sql.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while let Some(&first) = chars.get(at) {
        if out.chars().count() > STATEMENT {
            return out.trim_end().to_owned() + "…";
        }
        at = token(&chars, at, first, &mut out);
    }
    out.trim_end().to_owned()
}

/// Copies or hides the token that begins at `at`; where the next one begins.
fn token(chars: &[char], at: usize, first: char, out: &mut String) -> usize {
    let next = chars.get(at + 1).copied();
    match (first, next) {
        ('\'', _) => string(chars, at, out),
        ('-', Some('-')) => run(chars, at, |c| c != '\n'),
        ('/', Some('*')) => comment(chars, at),
        ('"', _) => copy(chars, at, quoted(chars, at, '"', false), out),
        ('$', _) => match dollar(chars, at) {
            Some(end) => hide(out, end),
            None => copy(chars, at, run(chars, at + 1, word), out),
        },
        _ if first.is_ascii_digit() => hide(out, run(chars, at, |c| word(c) || c == '.')),
        _ if word(first) => copy(chars, at, run(chars, at, word), out),
        _ if first.is_whitespace() => space(out, run(chars, at, char::is_whitespace)),
        _ => copy(chars, at, at + 1, out),
    }
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run(chars: &[char], at: usize, belongs: impl Fn(char) -> bool) -> usize {
    chars[at..].iter().position(|c| !belongs(*c)).map_or(chars.len(), |length| at + length)
}

fn copy(chars: &[char], at: usize, end: usize, out: &mut String) -> usize {
    out.extend(&chars[at..end]);
    end
}

fn hide(out: &mut String, end: usize) -> usize {
    out.push('?');
    end
}

fn space(out: &mut String, end: usize) -> usize {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
    end
}

/// Whether the string that begins now is an `E'…'`, in which a backslash escapes; the `E` is taken back.
fn escapes(out: &mut String) -> bool {
    let begins = |prefix: char| {
        let mut back = out.chars().rev();
        back.next().is_some_and(|last| last.eq_ignore_ascii_case(&prefix)) && !back.next().is_some_and(word)
    };
    let (escaping, prefixed) = (begins('e'), ['e', 'b', 'x', 'n'].into_iter().any(begins));
    if prefixed {
        out.pop();
    }
    escaping
}

fn string(chars: &[char], at: usize, out: &mut String) -> usize {
    let escaping = escapes(out);
    hide(out, quoted(chars, at, '\'', escaping))
}

fn quoted(chars: &[char], at: usize, quote: char, escaping: bool) -> usize {
    let mut end = at + 1;
    while let Some(&c) = chars.get(end) {
        let double = c == quote && chars.get(end + 1) == Some(&quote);
        if c == quote && !double {
            return end + 1;
        }
        end += if double || (escaping && c == '\\') { 2 } else { 1 };
    }
    chars.len()
}

/// The end of a `$tag$ … $tag$`, if one begins here. One that is never closed (the server cuts long statements) hides the rest.
fn dollar(chars: &[char], at: usize) -> Option<usize> {
    let close = run(chars, at + 1, word);
    let starts_with_digit = chars.get(at + 1).is_some_and(char::is_ascii_digit);
    if chars.get(close) != Some(&'$') || starts_with_digit {
        return None;
    }
    let tag = &chars[at..=close];
    let found = chars[close + 1..].windows(tag.len()).position(|window| window == tag);
    Some(found.map_or(chars.len(), |length| close + 1 + length + tag.len()))
}

/// The end of a comment; they nest.
fn comment(chars: &[char], at: usize) -> usize {
    let (mut depth, mut end) = (0_usize, at);
    loop {
        match (chars.get(end), chars.get(end + 1)) {
            (Some('/'), Some('*')) => (depth, end) = (depth + 1, end + 2),
            (Some('*'), Some('/')) => (depth, end) = (depth - 1, end + 2),
            (Some(_), _) => end += 1,
            (None, _) => return chars.len(),
        }
        if depth == 0 {
            return end;
        }
    }
}

/// Takes secrets out of the lines that a container prints, in one pass over each.
///
/// Found are a value as it is; each line of one that has several; both as JSON and most languages escape them; a value as a URL has it
/// (percent-encoded); and its base64, also where something stands before or after it, as in `Basic` of HTTP. Not found are values of less
/// than four characters and lines of less than eight; a piece of a line; and any other disguise: hexadecimal, base64 that is
/// broken into lines, a hash, letters in another case.
#[derive(Clone, Default)]
pub struct Redactor {
    values: Option<AhoCorasick>,
    /// They are more than can be looked for: nothing is shown.
    blind: bool,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor([redacted])")
    }
}

impl Redactor {
    /// One for a container with this environment: what variables with a telling name hold, and the passwords in any URL.
    pub fn new(environment: &BTreeMap<String, Secret>, further: impl IntoIterator<Item = Secret>) -> Self {
        let telling = environment.iter().filter(|(name, _)| telling(name)).map(|(_, value)| value.clone());
        let passwords = environment.values().filter_map(|value| password(value.expose())).map(Secret::new);
        let forms: BTreeSet<String> =
            telling.chain(passwords).chain(further).flat_map(|value| forms(value.expose())).collect();
        if forms.is_empty() {
            return Self::default();
        }
        // The longest first: a URL holds its password. A DFA of a long secret takes hundreds of times its length.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(kind).build(forms);
        Self { blind: built.is_err(), values: built.ok() }
    }

    /// The line without secrets.
    pub fn line(&self, line: &str) -> String {
        if self.blind {
            return HIDDEN.to_owned();
        }
        let line = self.values.as_ref().map_or_else(|| line.to_owned(), |values| hidden(values, line));
        match password(&line) {
            Some(found) => line.replace(&format!(":{found}@"), &format!(":{HIDDEN}@")),
            None => line,
        }
    }
}

fn hidden(values: &AhoCorasick, line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    values.replace_all_with(line, &mut shown, |_, _, shown| {
        shown.push_str(HIDDEN);
        true
    });
    shown
}

fn telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN", "PRIVATE"].iter().any(|word| name.contains(word))
}

/// The password of the first `scheme://user:password@host` in a text.
fn password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(|c: char| c.is_whitespace() || "/'\"".contains(c)).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':')
        .map(|(_, password)| password)
        .filter(|password| !password.is_empty() && *password != HIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_keeps_its_shape() {
        let cases = [
            (
                "SELECT * FROM users WHERE email = 'a@b.c' AND id=42",
                "SELECT * FROM users WHERE email = ? AND id=?",
            ),
            ("select 'it''s', E'a\\'b', x'ff', 1.5e3, t1.c2", "select ?, ?, ?, ?, t1.c2"),
            ("DO $body$ select 'x' $body$; SELECT $1, $$y$$", "DO ?; SELECT $1, ?"),
            (
                "SELECT /* a /* nested */ secret */ 1 -- and 2\n FROM \"my 7 table\"",
                "SELECT ? FROM \"my 7 table\"",
            ),
            ("SELECT 'never closed", "SELECT ?"),
            ("SELECT $$never closed", "SELECT ?"),
            ("update  t\n\tset a=-3", "update t set a=-?"),
        ];
        for (sql, expected) in cases {
            assert_eq!(statement(sql), expected);
        }
    }

    #[test]
    fn a_long_statement_is_cut() {
        let text = statement(&"SELECT column FROM t; ".repeat(100));
        assert!(text.ends_with('…') && text.chars().count() < 320, "{text}");
    }

    #[test]
    fn secrets_leave_lines() {
        let environment = BTreeMap::from([
            ("DATABASE_URL".to_owned(), Secret::new("postgresql://app:hunter22@db/x")),
            ("API_TOKEN".to_owned(), Secret::new("abcdef")),
            ("MODE".to_owned(), Secret::new("production")),
        ]);
        let redactor = Redactor::new(&environment, [Secret::new("more-secret")]);
        assert_eq!(
            redactor.line("production: hunter22 abcdef more-secret"),
            "production: [redacted] [redacted] [redacted]"
        );
        assert_eq!(redactor.line("at redis://:pw@cache:1"), "at redis://:[redacted]@cache:1");
        assert_eq!(redactor.line("at postgresql://app:hunter22@db/x"), "at postgresql://app:[redacted]@db/x");
    }

    #[test]
    fn a_secret_of_several_lines_leaves_in_parts_escaped_and_encoded() {
        let key = "-----BEGIN KEY-----\nc2VjcmV0IG9mIHRoZSBzZWE=\n}\n-----END KEY-----\n";
        let redactor = Redactor::new(&BTreeMap::from([("TLS_KEY".to_owned(), Secret::new(key))]), []);
        assert_eq!(redactor.line("3: c2VjcmV0IG9mIHRoZSBzZWE="), "3: [redacted]");
        let escaped = serde_json::to_string(&serde_json::json!({ "key": key })).unwrap();
        assert_eq!(redactor.line(&escaped), r#"{"key":"[redacted]\n"}"#);
        assert_eq!(redactor.line("}"), "}", "what is too short is in every text");
        assert_eq!(format!("{redactor:?}"), "Redactor([redacted])");
    }

    #[test]
    fn a_secret_leaves_urls_and_headers() {
        let redactor = Redactor::new(&BTreeMap::new(), [Secret::new("p@ss/w+rd \"1\"")]);
        assert_eq!(redactor.line("amqp://u:p%40ss%2Fw%2Brd%20%221%22@mq"), "amqp://u:[redacted]@mq");
        assert_eq!(redactor.line(r#"{"p":"p@ss/w+rd \"1\""}"#), r#"{"p":"[redacted]"}"#);
        // What base64(1) makes of it behind `user:`, `user1:` and `user12:`.
        for (header, left) in [
            ("dXNlcjpwQHNzL3crcmQgIjEi", "dXNlcj"),
            ("dXNlcjE6cEBzcy93K3JkICIxIg==", "dXNlcjE6"),
            ("dXNlcjEyOnBAc3MvdytyZCAiMSI=", "dXNlcjEyO"),
        ] {
            let shown = redactor.line(&format!("Authorization: Basic {}", header));
            assert!(
                shown.starts_with(&format!("Authorization: Basic {left}")) && shown.contains(HIDDEN),
                "{shown}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z0-9'\"$/*\\- E\\\\]*") {
            let _ = statement(&text);
        }

        #[test]
        fn a_quoted_value_never_shows(value in "[a-z']{1,20}") {
            let sql = format!("SELECT '{}' FROM t", value.replace('\'', "''"));
            proptest::prop_assert_eq!(statement(&sql), "SELECT ? FROM t");
        }
    }
}
