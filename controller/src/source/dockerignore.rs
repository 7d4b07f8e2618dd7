//! `.dockerignore`, as the Docker command line reads it. Not git's rules: patterns are anchored at the context's root, a pattern
//! matches a directory's whole content, and an exception works below an ignored directory.

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}`: {reason}")]
pub(super) struct PatternError {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) reason: &'static str,
}

/// The patterns of one file, in order: the last one that matches decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    exception: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Just(char),
    /// `?`: any one but `/`.
    One,
    /// `*`: any number of anything but `/`.
    Star,
    /// `**/` or `**` before something: nothing, or any number of whole directories.
    Directories,
    /// `**` at the very front: any beginning, a whole directory or not.
    Beginning,
    /// `**` at the end: anything.
    Rest,
    /// `[a-z]`, `[^a-z]`.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Ignore {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let patterns = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        let patterns = patterns.filter(|(_, line)| !line.trim().is_empty()).map(|(number, line)| {
            let text = line.trim();
            pattern(text).map_err(|reason| PatternError { line: number + 1, text: text.to_owned(), reason })
        });
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether a path, relative to the context's root, stays out of the context.
    pub(super) fn ignores(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.patterns.iter().fold(false, |ignored, pattern| {
            // A pattern that would not change the answer is not tried.
            if pattern.exception == ignored && pattern.matches(&path) { !pattern.exception } else { ignored }
        })
    }

    /// Whether anything below an ignored directory may still come in.
    pub(super) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.exception)
    }
}

impl Pattern {
    /// A pattern matches a path through the path itself or any directory above it.
    fn matches(&self, path: &[char]) -> bool {
        let ends = (0..path.len()).filter(|i| path[*i] == '/').chain([path.len()]);
        ends.into_iter().any(|end| matches(&self.tokens, &path[..end]))
    }
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    let exception = text.starts_with('!');
    let body = text.strip_prefix('!').unwrap_or(text).trim();
    if body.is_empty() {
        return Err("an exception of nothing");
    }
    let cleaned = clean(body);
    Ok(Pattern { exception, tokens: tokens(&cleaned)? })
}

/// Removes `.`, `..`, doubled and trailing slashes, and the leading one: `/foo` and `foo` are the same.
fn clean(body: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let rooted = body.starts_with('/');
    for part in body.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

fn tokens(cleaned: &str) -> Result<Vec<Token>, &'static str> {
    let mut rest: Vec<char> = cleaned.chars().rev().collect();
    let mut out = Vec::new();
    while let Some(next) = rest.pop() {
        out.push(match next {
            '*' if rest.last() == Some(&'*') => stars(&mut rest, out.is_empty()),
            '*' => Token::Star,
            '?' => Token::One,
            '[' => class(&mut rest)?,
            '\\' => Token::Just(rest.pop().ok_or("a `\\` with nothing behind it")?),
            other => Token::Just(other),
        });
    }
    // Docker takes a leading `**name` as "ends with name", unless another wildcard follows.
    let wildcard = out.iter().skip(1).any(|token| !matches!(token, Token::Just(_)));
    if out.first() == Some(&Token::Beginning) && (wildcard || cleaned.contains('\\')) {
        out[0] = Token::Directories;
    }
    Ok(out)
}

fn stars(rest: &mut Vec<char>, first: bool) -> Token {
    rest.pop();
    let slash = rest.last() == Some(&'/');
    if slash {
        rest.pop();
    }
    match rest.last() {
        None => Token::Rest,
        Some(_) if first && !slash => Token::Beginning,
        Some(_) => Token::Directories,
    }
}

fn class(rest: &mut Vec<char>) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[…]` that is never closed, or that has a `-` or `]` without `\\` before it";
    let negated = rest.last() == Some(&'^');
    if negated {
        rest.pop();
    }
    let mut ranges = Vec::new();
    loop {
        match rest.last().ok_or(OPEN)? {
            ']' if !ranges.is_empty() => break,
            ']' => return Err("an empty `[]`"),
            _ => ranges.push(range(rest).ok_or(OPEN)?),
        }
    }
    rest.pop();
    if ranges.iter().any(|(low, high)| low > high) {
        return Err("a range that runs backwards");
    }
    Ok(Token::Class { negated, ranges })
}

fn range(rest: &mut Vec<char>) -> Option<(char, char)> {
    let low = literal(rest)?;
    if rest.last() != Some(&'-') {
        return Some((low, low));
    }
    rest.pop();
    Some((low, literal(rest)?))
}

fn literal(rest: &mut Vec<char>) -> Option<char> {
    match rest.pop()? {
        '\\' => rest.pop(),
        '-' | ']' => None,
        other => Some(other),
    }
}

/// Whether the tokens match the whole text. Positions that the tokens so far can have reached are kept as a set, so that no
/// pattern takes exponential time.
fn matches(tokens: &[Token], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        reached = step(token, text, &reached);
    }
    reached[text.len()]
}

fn step(token: &Token, text: &[char], from: &[bool]) -> Vec<bool> {
    let mut to = vec![false; from.len()];
    let mut inside = false;
    for (at, start) in from.iter().enumerate() {
        let before = at.checked_sub(1).map(|i| text[i]);
        match token {
            Token::Just(_) | Token::One | Token::Class { .. } => {
                to[at] = before.is_some_and(|c| one(token, c)) && from[at - 1];
            }
            Token::Star => {
                inside = *start || inside && before != Some('/');
                to[at] = inside;
            }
            Token::Directories => {
                to[at] = *start || inside && before == Some('/');
                inside |= *start;
            }
            Token::Beginning | Token::Rest => {
                inside |= *start;
                to[at] = inside;
            }
        }
    }
    to
}

fn one(token: &Token, c: char) -> bool {
    match token {
        Token::Just(wanted) => c == *wanted,
        Token::One => c != '/',
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "dockerignore_tests.rs"]
mod tests;
