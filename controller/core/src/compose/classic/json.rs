//! JSON as Python writes it: keys in order, no blanks, nothing but ASCII.

use std::fmt::Write;

use serde_json::Value;

/// The text. Maps of values are sorted by their keys; what is not ASCII stands in texts only.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_in_order() {
        let value = serde_json::json!({"b": [1, 2.5], "a": {"d": null, "c": true}});
        assert_eq!(super::text(&value), r#"{"a":{"c":true,"d":null},"b":[1,2.5]}"#);
    }

    #[test]
    fn what_python_escapes_is_escaped() {
        let value = serde_json::json!("a~\u{7f}\u{80}\u{1}\n\"\\/é😀");
        assert_eq!(super::text(&value), r#""a~\u007f\u0080\u0001\n\"\\/\u00e9\ud83d\ude00""#);
    }
}
