//! What a scalar means to docker-compose 1.29: YAML 1.1 as its reader has it, then what it turns into a type of its own.

use serde_json::{Map, Number, Value, json};

use super::Doubt;
use crate::yaml::{Node, Scalar, Value as Yaml};

/// A value of a service, at its path below the service.
pub(super) fn value(node: &Node, path: &[&str]) -> Result<Value, Doubt> {
    match &node.value {
        Yaml::Scalar(scalar) => converted(plain(scalar, path)?, path),
        Yaml::Sequence(items) => items.iter().map(|item| value(item, path)).collect(),
        Yaml::Mapping(map) => {
            let below = |key: &str| path.iter().copied().chain([key]).map(str::to_owned).collect::<Vec<_>>();
            let entry = |(key, entry): (&String, &crate::yaml::Entry)| {
                let path = below(key);
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                Ok((key.clone(), value(&entry.node, &path)?))
            };
            map.iter().map(entry).collect::<Result<Map<_, _>, Doubt>>().map(Value::Object)
        }
    }
}

/// What YAML 1.1 takes a scalar for.
fn plain(scalar: &Scalar, path: &[&str]) -> Result<Value, Doubt> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Ok(json!(text));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Ok(json!(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Ok(json!(false)),
        _ => number(text).ok_or_else(|| odd(path)),
    }
}

/// `None` where it may be another one.
fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Some(json!(text));
    }
    let all = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if all(digits) && (digits == "0" || !digits.starts_with('0')) {
        return text.trim_start_matches('+').parse::<i64>().ok().map(|it| json!(it));
    }
    if let Some((whole, part)) = digits.split_once('.')
        && all(whole)
        && (part.is_empty() || all(part))
    {
        return text.parse().ok().and_then(float);
    }
    (!is_odd(digits)).then(|| json!(text))
}

/// A number that Python and Rust write alike.
pub(super) fn float(number: f64) -> Option<Value> {
    let alike = number == 0.0 || (1e-4..1e15).contains(&number.abs());
    Number::from_f64(number).filter(|_| alike).map(Value::Number)
}

/// Where it is, not what: the text may be a password, and reasons are shown.
fn odd(path: &[&str]) -> Doubt {
    let what =
        if path.is_empty() { "a value".to_owned() } else { format!("the value of `{}`", path.join(".")) };
    format!("docker-compose 1.29 may take {what} for something else (a number without quotes?)")
}

/// Whether YAML 1.1 may read something else in it: octal, binary and hexadecimal numbers, those with `_`, exponents, numbers to
/// the base of sixty, and dates.
fn is_odd(digits: &str) -> bool {
    if !digits.contains(|c: char| c.is_ascii_digit()) {
        return matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    }
    let only = |set: &str| digits.bytes().all(|b| b.is_ascii_digit() || set.as_bytes().contains(&b));
    let sixties = || {
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let digits_of = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        let place = |part: &str| match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        };
        whole
            .split_once(':')
            .is_some_and(|(first, rest)| digits_of(first) && digits_of(part) && rest.split(':').all(place))
    };
    let date = || digits.len() >= 8 && digits.as_bytes().get(4) == Some(&b'-');
    only("_.") && !digits.contains("..") && digits.matches('.').count() < 2
        || digits.starts_with("0x")
        || digits.starts_with("0b")
        || (digits.contains(['e', 'E']) && only("eE+-._"))
        || sixties()
        || date()
}

/// Those paths whose texts become numbers, booleans or, in labels, texts.
fn converted(value: Value, path: &[&str]) -> Result<Value, Doubt> {
    match path {
        ["labels" | "build", "labels", ..] | ["labels", _, ..] => Ok(json_text(value)),
        ["healthcheck", "retries"]
        | ["mem_swappiness" | "oom_score_adj" | "scale" | "cpu_count"]
        | ["ports", "target" | "published"]
        | ["secrets", "mode"]
        | ["deploy", "replicas"]
        | ["ulimits", ..] => integer(value, path),
        ["privileged" | "read_only" | "stdin_open" | "tty" | "oom_kill_disable"]
        | ["healthcheck", "disable"]
        | ["volumes", "read_only"]
        | ["volumes", "volume", "nocopy"] => boolean(value, path),
        ["cpus"] | ["deploy", "resources", "limits", "cpus"] => decimal(value, path),
        ["volumes", "tmpfs", "size"] if value.is_string() => {
            Err("a size of one of its mounts is a text".to_owned())
        }
        _ => Ok(value),
    }
}

fn json_text(value: Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => json!(super::parts::python_text(&value)),
        other => other,
    }
}

fn integer(value: Value, path: &[&str]) -> Result<Value, Doubt> {
    let Value::String(text) = &value else { return Ok(value) };
    text.parse::<i64>()
        .ok()
        .filter(|_| !text.starts_with('0') || text == "0")
        .map(|it| json!(it))
        .ok_or_else(|| odd(path))
}

fn boolean(value: Value, path: &[&str]) -> Result<Value, Doubt> {
    let Value::String(text) = &value else { return Ok(value) };
    match text.to_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Ok(json!(true)),
        "n" | "no" | "false" | "off" => Ok(json!(false)),
        _ => Err(odd(path)),
    }
}

pub(super) fn decimal(value: Value, path: &[&str]) -> Result<Value, Doubt> {
    let Value::String(text) = &value else { return Ok(value) };
    text.parse().ok().and_then(float).ok_or_else(|| odd(path))
}
