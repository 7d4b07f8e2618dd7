//! JSON as Go writes it: fields in a type's own order, keys of maps sorted, `<`, `>` and `&` escaped, nothing else but what must be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

/// A text.
pub(super) fn text(text: impl AsRef<str>) -> String {
    let mut out = String::new();
    for c in Value::from(text.as_ref()).to_string().chars() {
        if matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// An object whose fields stand in this order; what has no value is left out.
pub(super) fn object(fields: &[(&str, Option<String>)]) -> String {
    let fields = fields.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)));
    braces(fields.map(|(key, value)| format!("\"{key}\":{value}")))
}

/// A map of what is JSON already.
pub(super) fn map(entries: BTreeMap<String, String>) -> String {
    braces(entries.into_iter().map(|(key, value)| format!("{}:{value}", text(key))))
}

/// A list of what is JSON already.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

fn braces(entries: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

/// A list of texts; nothing where it is empty.
pub(super) fn texts<T: AsRef<str>>(items: &[T]) -> Option<String> {
    (!items.is_empty()).then(|| list(items.iter().map(text)))
}

/// A map of texts; nothing where it is empty.
pub(super) fn pairs(entries: &BTreeMap<String, String>) -> Option<String> {
    let entry = |(key, value): (&String, &String)| (key.clone(), text(value));
    (!entries.is_empty()).then(|| map(entries.iter().map(entry).collect()))
}

/// A text; nothing where it is empty.
pub(super) fn word(said: Option<&str>) -> Option<String> {
    said.filter(|said| !said.is_empty()).map(text)
}

/// A flag; nothing where it is not set.
pub(super) fn flag(set: bool) -> Option<String> {
    set.then(|| "true".to_owned())
}

/// A number; nothing for none and zero.
pub(super) fn number(number: Option<i64>) -> Option<String> {
    number.filter(|number| *number != 0).map(|number| number.to_string())
}

/// A number of bytes, which is a text; nothing for none and zero.
pub(super) fn bytes(bytes: Option<i64>) -> Option<String> {
    number(bytes).map(text)
}

/// A time as Go writes it: `1m30s`, `500ms`.
pub(super) fn time(time: Duration) -> String {
    text(go_time(time))
}

fn go_time(time: Duration) -> String {
    let nanos = time.as_nanos();
    let part = |unit: u128| {
        let digits = unit.ilog10() as usize;
        let rest = format!("{:0digits$}", nanos % unit);
        let rest = rest.trim_end_matches('0');
        let dot = if rest.is_empty() { "" } else { "." };
        (nanos / unit, format!("{dot}{rest}"))
    };
    match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return part(1_000).0.to_string() + &part(1_000).1 + "µs",
        1_000_000..1_000_000_000 => return part(1_000_000).0.to_string() + &part(1_000_000).1 + "ms",
        _ => {}
    }
    let (seconds, rest) = part(1_000_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{rest}s"),
        (0, _) => format!("{minutes}m{seconds}{rest}s"),
        _ => format!("{hours}h{minutes}m{seconds}{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_escapes_is_escaped() {
        let said = "a~\u{7f}\u{80}\u{1}\n\"\\/é😀 <&>\u{2028}";
        let written = "\"a~\u{7f}\u{80}\\u0001\\n\\\"\\\\/é😀 \\u003c\\u0026\\u003e\\u2028\"";
        assert_eq!(text(said), written);
    }

    #[test]
    fn times_are_written_like_gos() {
        for (millis, written) in [
            (0, "0s"),
            (300, "300ms"),
            (1_500, "1.5s"),
            (60_000, "1m0s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
            (86_400_010, "24h0m0.01s"),
        ] {
            assert_eq!(go_time(Duration::from_millis(millis)), written);
        }
        assert_eq!(go_time(Duration::from_nanos(1_500)), "1.5µs");
    }
}
