//! YAML 1.2's core schema: what a plain scalar means.

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Core {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`. `yes` and `on` are strings, as they are to Compose.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    Text,
}

pub(super) fn resolve(text: &str) -> Core {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Core::Null,
        "true" | "True" | "TRUE" => Core::Bool(true),
        "false" | "False" | "FALSE" => Core::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Core::Float(f64::NAN),
        _ => number(text).unwrap_or(Core::Text),
    }
}

fn number(text: &str) -> Option<Core> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => Some(Core::Float(sign * f64::INFINITY)),
        _ => decimal(text, digits),
    }
}

fn radix(digits: &str, radix: u32) -> Option<Core> {
    let valid = digits.chars().all(|c| c.is_digit(radix));
    valid.then(|| i128::from_str_radix(digits, radix).ok()).flatten().map(Core::Int)
}

fn decimal(text: &str, digits: &str) -> Option<Core> {
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Core::Int);
    }
    let shaped = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    shaped.then(|| text.parse().ok()).flatten().map(Core::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_core_schema() {
        for (text, core) in [
            ("", Core::Null),
            ("~", Core::Null),
            ("true", Core::Bool(true)),
            ("yes", Core::Text),
            ("on", Core::Text),
            ("12", Core::Int(12)),
            ("-7", Core::Int(-7)),
            ("+7", Core::Int(7)),
            ("0x1F", Core::Int(31)),
            ("0o17", Core::Int(15)),
            ("1.5", Core::Float(1.5)),
            ("1e3", Core::Float(1000.0)),
            (".5", Core::Float(0.5)),
            ("-.inf", Core::Float(f64::NEG_INFINITY)),
            ("1.2.3", Core::Text),
            ("8001:8000", Core::Text),
            ("0x", Core::Text),
            ("infinity", Core::Text),
            ("1_000", Core::Text),
            (".", Core::Text),
        ] {
            assert_eq!(resolve(text), core, "{text}");
        }
    }
}
