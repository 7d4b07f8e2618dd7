//! Scalars as Compose reads them: text, booleans, numbers, byte sizes, durations, commands.
//!
//! Messages show what the file says, never what interpolation made of it.

use std::time::Duration;

use crate::located::Fault;
use crate::yaml::{Core, Node, Scalar};

/// Stands in for `#` while words are split: the shell's comments are none to Compose.
const HASH: &str = "\u{f8ff}";

pub(super) fn scalar<'n>(node: &'n Node, wanted: &str) -> Result<&'n Scalar, Fault> {
    node.scalar().filter(|_| !node.is_null()).ok_or_else(|| expected(node, wanted))
}

pub(super) fn expected(node: &Node, wanted: &str) -> Fault {
    node.fault(format!("{} stands where {wanted} is expected", node.shown()))
}

/// A string; numbers and booleans count as what Compose makes of them.
pub(super) fn text(node: &Node) -> Result<String, Fault> {
    scalar(node, "a string").map(canonical)
}

/// A string that is not empty.
pub(super) fn word(node: &Node) -> Result<String, Fault> {
    text(node).and_then(|text| if text.is_empty() { Err(expected(node, "a word")) } else { Ok(text) })
}

/// The text of a plain scalar after Compose has taken it for a number or boolean and written it again: `1.10` is `1.1`, `0644`
/// is `420`. A stack that is adopted must see the same values.
pub(super) fn canonical(scalar: &Scalar) -> String {
    match scalar.core() {
        Core::Bool(value) => value.to_string(),
        Core::Int(value) => octal(&scalar.text).unwrap_or(value).to_string(),
        Core::Float(value) if value.is_finite() && (value == 0.0 || (1e-4..1e21).contains(&value.abs())) => {
            value.to_string()
        }
        Core::Float(_) | Core::Text | Core::Null => scalar.text.clone(),
    }
}

fn octal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('0').filter(|digits| !digits.is_empty())?;
    i128::from_str_radix(digits.strip_prefix('o').unwrap_or(digits), 8).ok()
}

pub(super) fn boolean(node: &Node) -> Result<bool, Fault> {
    match scalar(node, "`true` or `false`")?.text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "0" => Ok(false),
        _ => Err(expected(node, "`true` or `false`")),
    }
}

pub(super) fn integer(node: &Node) -> Result<i64, Fault> {
    let wrong = || expected(node, "a whole number");
    scalar(node, "a whole number")?.text.trim().parse().map_err(|_| wrong())
}

/// A number from 1.
pub(super) fn count(node: &Node) -> Result<i64, Fault> {
    integer(node).and_then(|n| if n > 0 { Ok(n) } else { Err(expected(node, "a number from 1")) })
}

/// CPUs, in units of 10⁻⁹.
pub(super) fn nano_cpus(node: &Node) -> Result<i64, Fault> {
    let wanted = "a number of CPUs such as `0.5`";
    let text = scalar(node, wanted)?.text.trim();
    decimal(text, 1e9).ok_or_else(|| expected(node, wanted))
}

/// A byte size: `64m`, `1.5g`, `512kb`, `1048576`.
pub(super) fn bytes(node: &Node) -> Result<i64, Fault> {
    let wanted = "a byte size such as `64m`";
    parse_bytes(&scalar(node, wanted)?.text).ok_or_else(|| expected(node, wanted))
}

/// A byte size, or -1 for no limit.
pub(super) fn bytes_or_unlimited(node: &Node) -> Result<i64, Fault> {
    if node.scalar().is_some_and(|scalar| scalar.text == "-1") { Ok(-1) } else { bytes(node) }
}

pub(super) fn parse_bytes(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let factor = match text.get(end..)?.trim_start() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    decimal(text.get(..end)?, factor)
}

/// A plain decimal number times a factor; no sign, no exponent, nothing that does not fit.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn decimal(text: &str, factor: f64) -> Option<i64> {
    let digits = text.contains(|c: char| c.is_ascii_digit());
    if !digits || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let value = text.parse::<f64>().ok()? * factor;
    (value < 9e18).then_some(value.round() as i64)
}

/// A duration: `1h30m`, `1.5s`, `90s`, `100ms`.
pub(super) fn duration(node: &Node) -> Result<Duration, Fault> {
    let wanted = "a duration such as `30s`";
    parse_duration(&scalar(node, wanted)?.text).ok_or_else(|| expected(node, wanted))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut nanos = 0_i64;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    while !rest.is_empty() || nanos == 0 && text.trim().is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        nanos = nanos.checked_add(decimal(number, unit_nanos(unit)?)?)?;
        rest = tail;
    }
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn unit_nanos(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        "d" => 86_400e9,
        "w" => 604_800e9,
        _ => return None,
    })
}

/// A command: a list of words, or one line that is split as a shell would.
pub(super) fn command(node: &Node) -> Result<Vec<String>, Fault> {
    if node.sequence().is_some() {
        return strings(node);
    }
    let line = text(node)?.replace('#', HASH);
    let words =
        shlex::split(&line).ok_or_else(|| node.fault(format!("{} has an open quote", node.shown())))?;
    Ok(words.into_iter().map(|word| word.replace(HASH, "#")).collect())
}

/// A list of strings.
pub(super) fn strings(node: &Node) -> Result<Vec<String>, Fault> {
    node.sequence().ok_or_else(|| expected(node, "a list"))?.iter().map(text).collect()
}

/// One string, or a list of them.
pub(super) fn one_or_many(node: &Node) -> Result<Vec<String>, Fault> {
    if node.sequence().is_some() { strings(node) } else { Ok(vec![text(node)?]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn node(text: &str) -> Node {
        yaml::parse("c.yaml", text).unwrap()
    }

    #[test]
    fn byte_sizes() {
        for (text, size) in [
            ("64m", 64 << 20),
            ("1.5g", 3 << 29),
            ("512kb", 512 << 10),
            ("1048576", 1 << 20),
            ("1GiB", 1 << 30),
            ("10 b", 10),
        ] {
            assert_eq!(bytes(&node(text)), Ok(size), "{text}");
        }
        for wrong in ["x", "-1", "1q", "1e3", "'1.2.3m'", "99999999t", "[]"] {
            assert!(bytes(&node(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in
            [("30s", 30_000), ("1m30s", 90_000), ("1.5s", 1_500), ("0", 0), ("2h", 7_200_000)]
        {
            assert_eq!(duration(&node(text)), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["30", "s", "-1s", "1x", "1m30", "' '", "''"] {
            assert!(duration(&node(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_is_what_compose_makes_of_it() {
        for (written, read) in [
            ("1.10", "1.1"),
            ("'1.10'", "1.10"),
            ("0644", "420"),
            ("True", "true"),
            ("yes", "yes"),
            ("08", "8"),
        ] {
            assert_eq!(text(&node(written)).as_deref(), Ok(read), "{written}");
        }
    }

    #[test]
    fn commands() {
        let words = |text: &str| command(&node(text)).unwrap().join("|");
        assert_eq!(words("uvicorn app:main --host 0.0.0.0"), "uvicorn|app:main|--host|0.0.0.0");
        assert_eq!(words("sh -c \"echo '#1' && exec x\""), "sh|-c|echo '#1' && exec x");
        assert_eq!(words("\"echo \\\\#a 'b # c'\""), "echo|#a|b # c");
        assert_eq!(words("[a, 1, true]"), "a|1|true");
        assert!(command(&node("\"echo 'open\"")).is_err());
    }

    #[test]
    fn booleans() {
        for (text, value) in [("true", true), ("'false'", false), ("yes", true), ("off", false)] {
            assert_eq!(boolean(&node(text)), Ok(value), "{text}");
        }
        assert_eq!(
            boolean(&node("maybe")).unwrap_err().message,
            "`maybe` stands where `true` or `false` is expected"
        );
    }
}
