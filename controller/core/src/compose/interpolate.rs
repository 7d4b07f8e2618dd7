//! `$VAR`, `${VAR}` and their kin.

use std::collections::BTreeMap;

use crate::located::Fault;
use crate::secret::Secret;
use crate::yaml::{Node, Place, Scalar, Value};

/// Variables by name. They may be secret.
pub(super) type Variables = BTreeMap<String, Secret>;

/// Nested defaults at most.
const MAX_DEPTH: usize = 16;

/// Bytes that one text may become. Variables that use each other twice double with every line.
const MAX_TEXT: usize = 1 << 20;

/// Bytes that all the texts of a project may become.
pub(super) const BUDGET: usize = 64 << 20;

/// Why a text cannot be interpolated. Never holds a variable's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// No value and no default: silence here would be an empty password or an empty tag.
    #[error("the variable `{0}` is not set")]
    Unset(String),
    /// `${VAR:?message}`.
    #[error("the variable `{0}` is required: {1}")]
    Required(String, String),
    /// Not a form that Compose knows.
    #[error("`{0}` is not a variable")]
    Form(String),
    /// Too deep.
    #[error("defaults are nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Too long.
    #[error("the variables make this a text of more than {MAX_TEXT} bytes")]
    Long,
    /// Too long, with all that came before.
    #[error("the variables make the project's texts more than {BUDGET} bytes")]
    Budget,
}

impl Error {
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Unset(name) => {
                Some(format!("set it in .env, or write `${{{name}-}}` where it may be empty"))
            }
            Self::Form(_) => Some("write `$$` for a dollar sign".to_owned()),
            Self::Required(..) | Self::Depth | Self::Long | Self::Budget => None,
        }
    }
}

/// Interpolates every scalar of a tree; all faults are collected. `left` is what the project's texts may still become.
pub(super) fn tree(node: &mut Node, variables: &Variables, left: &mut usize, faults: &mut Vec<Fault>) {
    let before = *left;
    Walk { variables, left, faults }.node(node, false);
    // Said once: after that, nothing else fits either.
    if before == 0 {
        faults.retain(|fault| fault.message != Error::Budget.to_string());
    }
}

struct Walk<'w> {
    variables: &'w Variables,
    left: &'w mut usize,
    faults: &'w mut Vec<Fault>,
}

impl Walk<'_> {
    /// Lines of `environment` and `args`, and given files, may hold secrets: faults there don't show them.
    fn node(&mut self, node: &mut Node, quiet: bool) {
        match &mut node.value {
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item, quiet)),
            Value::Mapping(map) => {
                for (key, entry) in map {
                    let quiet = quiet || matches!(key.as_str(), "environment" | "args" | "content");
                    self.node(&mut entry.node, quiet);
                }
            }
            Value::Scalar(scalar) => {
                if let Err(error) = self.scalar(scalar) {
                    let say = if quiet { Place::quiet_fault } else { Place::fault };
                    self.faults.push(Fault { hint: error.hint(), ..say(&node.place, error.to_string()) });
                }
            }
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar) -> Result<(), Error> {
        if !scalar.text.contains('$') {
            return Ok(());
        }
        if *self.left == 0 {
            return Err(Error::Budget);
        }
        let value = |name: &str| self.variables.get(name).map(|value| value.expose().to_owned());
        let text = text(&scalar.text, &value)?;
        *self.left = self.left.saturating_sub(text.len());
        scalar.interpolated(text);
        Ok(())
    }
}

/// Looks a variable up.
pub(super) type Lookup<'l> = dyn Fn(&str) -> Option<String> + 'l;

/// Interpolates a text.
pub(super) fn text(text: &str, lookup: &Lookup<'_>) -> Result<String, Error> {
    expand(text, lookup, 0)
}

fn expand(text: &str, lookup: &Lookup<'_>, depth: usize) -> Result<String, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Depth);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (value, tail) = variable(after, lookup, depth)?;
        out.push_str(&value);
        rest = tail;
        short(&out)?;
    }
    out.push_str(rest);
    Ok(out)
}

/// A text that grows past all measure is a fault before it is a lack of memory.
pub(super) fn short(text: &str) -> Result<(), Error> {
    if text.len() > MAX_TEXT { Err(Error::Long) } else { Ok(()) }
}

/// What stands after a dollar sign, and what follows it.
pub(super) fn variable<'t>(
    text: &'t str,
    lookup: &Lookup<'_>,
    depth: usize,
) -> Result<(String, &'t str), Error> {
    if let Some(tail) = text.strip_prefix('$') {
        return Ok(("$".to_owned(), tail));
    }
    if let Some(inner) = text.strip_prefix('{') {
        let end = closing(inner).ok_or_else(|| Error::Form(format!("${}", first_line(text))))?;
        let (inner, tail) = inner.split_at_checked(end).unwrap_or((inner, ""));
        return Ok((braced(inner, lookup, depth)?, tail.strip_prefix('}').unwrap_or(tail)));
    }
    let (name, tail) = name(text);
    if name.is_empty() {
        return Ok(("$".to_owned(), text));
    }
    Ok((lookup(name).ok_or_else(|| Error::Unset(name.to_owned()))?, tail))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(40).collect()
}

/// Where the brace closes that was opened before the text. Every other brace within counts, as those of a default in JSON do; where they
/// don't come in pairs, only those of variables.
fn closing(text: &str) -> Option<usize> {
    closing_where(text, |_| true).or_else(|| closing_where(text, |previous| previous == '$'))
}

fn closing_where(text: &str, opens: impl Fn(char) -> bool) -> Option<usize> {
    let mut open = 1_usize;
    let mut previous = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '{' if opens(previous) => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
        previous = c;
    }
    None
}

fn name(text: &str) -> (&str, &str) {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at_checked(if starts { end } else { 0 }).unwrap_or(("", text))
}

fn braced(inner: &str, lookup: &Lookup<'_>, depth: usize) -> Result<String, Error> {
    let form = || Error::Form(format!("${{{}}}", first_line(inner)));
    let (name, operator) = name(inner);
    if name.is_empty() {
        return Err(form());
    }
    let value = lookup(name);
    let (strict, operator) =
        operator.strip_prefix(':').map_or((false, operator), |operator| (true, operator));
    let present = value.filter(|value| !strict || !value.is_empty());
    let expand = |text: &str| expand(text, lookup, depth + 1);
    match (operator.chars().next(), operator.get(1..).unwrap_or_default(), present) {
        (None, _, Some(value)) if !strict => Ok(value),
        (None, _, None) if !strict => Err(Error::Unset(name.to_owned())),
        (Some('-'), _, Some(value)) | (Some('?'), _, Some(value)) => Ok(value),
        (Some('-'), default, None) => expand(default),
        (Some('?'), message, None) => Err(Error::Required(name.to_owned(), message.to_owned())),
        (Some('+'), replacement, Some(_)) => expand(replacement),
        (Some('+'), _, None) => Ok(String::new()),
        _ => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn every_form() {
        for (written, read) in [
            ("$A-${A}", "a-a"),
            ("$$A $${A}", "$A ${A}"),
            ("${A:-d}${EMPTY:-d}${NO:-d}", "add"),
            ("${A-d}${EMPTY-d}${NO-d}", "ad"),
            ("${NO-}", ""),
            (r#"${NO:-{"a":1}}${A:-{"a":{}}}!"#, r#"{"a":1}a!"#),
            ("${NO:-{}${A}", "{a"),
            ("$(id -u) /$1$", "$(id -u) /$1$"),
            ("${A:?e}${A?e}${EMPTY?e}", "aa"),
            ("${A:+r}${EMPTY:+r}${NO:+r}", "r"),
            ("${A+r}${EMPTY+r}${NO+r}", "rr"),
            ("${NO:-${EMPTY:-${A}}}", "a"),
            ("${NO:-{x}}", "{x}"),
            ("${NO:-$$}", "$"),
            ("${NO:-a:b-c?d}", "a:b-c?d"),
            ("plain", "plain"),
        ] {
            assert_eq!(text(written, &lookup).as_deref(), Ok(read), "{written}");
        }
    }

    #[test]
    fn what_is_not_set_or_not_a_form_is_said() {
        let said = |written: &str| text(written, &lookup).unwrap_err().to_string();
        assert_eq!(said("x $NO"), "the variable `NO` is not set");
        assert_eq!(said("${NO:?set it}"), "the variable `NO` is required: set it");
        assert_eq!(said("${EMPTY:?}"), "the variable `EMPTY` is required: ");
        for wrong in ["${", "${A", "${1}", "${A!}", "${A:}", "${}"] {
            assert!(said(wrong).contains("is not a variable"), "{wrong}");
        }
        assert!(said(&"${NO:-".repeat(40)).contains("is not a variable"));
        assert_eq!(text(&format!("{}{}", "${NO:-".repeat(40), "}".repeat(40)), &lookup), Err(Error::Depth));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(written in "[$A{}:?+\\-N\u{e4} ]{0,40}") {
            let _ = text(&written, &lookup);
        }
    }
}
