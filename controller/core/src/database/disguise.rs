//! The forms in which a secret is printed.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Anything shorter would tear words apart.
const SHORTEST: usize = 4;
/// The same for a line of several, such as `}`, and for a piece of base64.
const SHORTEST_PART: usize = 8;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// All of them that are looked for.
pub(super) fn forms(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    let whole = value.trim();
    if whole.len() < SHORTEST {
        return forms;
    }
    let several = whole.lines().count() > 1;
    let lines = whole.lines().map(str::trim).filter(|line| several && line.len() >= SHORTEST_PART);
    for part in lines.chain([whole]) {
        forms.extend([part.to_owned(), escaped(part), percent_encoded(part)]);
    }
    for alphabet in [STANDARD, URL_SAFE] {
        let pieces = (0..3).map(|before| base64(whole.as_bytes(), before, alphabet));
        forms.extend(pieces.filter(|piece| piece.len() >= SHORTEST_PART));
    }
    forms
}

/// As in a string of JSON, without the quotes.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// As in a URL (RFC 3986, 2.1).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// What of the base64 (RFC 4648) of a text depends on these bytes alone, where so many bytes stand before them, modulo three.
fn base64(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let bits = 8 * bytes.len();
    // Characters of six bits each; the first begins where one would that has nothing of what stands before.
    let first = (6 - 8 * before % 6) % 6;
    let starts = (first..).step_by(6).take_while(|at| at + 6 <= bits);
    let six = |at: usize| (at..at + 6).fold(0, |value, bit| value << 1 | bytes[bit / 8] >> (7 - bit % 8) & 1);
    starts.map(|at| char::from(alphabet[usize::from(six(at))])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_it_begins() {
        // `printf` of nothing, `x` and `xx` before the word, by base64(1).
        for (before, whole) in
            ["c2VjcmV0LXdvcmQ", "eHNlY3JldC13b3Jk", "eHhzZWNyZXQtd29yZA"].into_iter().enumerate()
        {
            let piece = base64(b"secret-word", before, STANDARD);
            assert!(piece.len() >= 12 && whole.contains(&piece), "{whole} {piece}");
        }
    }

    #[test]
    fn what_is_short_is_not_looked_for() {
        assert!(forms("abc").is_empty() && forms(" abc\n").is_empty());
        assert!(!forms("first line\n}\n").contains("}"));
    }
}
