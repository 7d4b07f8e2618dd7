//! The forms in which a secret is printed.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Anything shorter would tear words apart.
const SHORTEST: usize = 4;
/// The same for a line of several, such as `}`, and for a piece of base64.
const SHORTEST_PART: usize = 8;

/// Whatever has to be encoded in any part of a URL (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
        forms.extend([part.to_owned(), escaped(part), utf8_percent_encode(part, RESERVED).to_string()]);
    }
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let pieces = (0..3).map(|before| base64(whole.as_bytes(), before, &engine));
        forms.extend(pieces.filter(|piece| piece.len() >= SHORTEST_PART));
    }
    forms
}

/// As in a string of JSON, without the quotes.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// What of the base64 (RFC 4648) of a text depends on these bytes alone, where so many bytes stand before them, modulo three.
fn base64(bytes: &[u8], before: usize, engine: &impl Engine) -> String {
    let encoded = engine.encode([&[0][..].repeat(before), bytes].concat());
    // Characters of six bits each: the first has perhaps something of what stands before, the last of what follows.
    let whole = 8 * (before + bytes.len()) / 6;
    encoded.get((8 * before).div_ceil(6)..whole).unwrap_or_default().to_owned()
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
            let piece = base64(b"secret-word", before, &STANDARD_NO_PAD);
            assert!(piece.len() >= 12 && whole.contains(&piece), "{whole} {piece}");
        }
    }

    #[test]
    fn what_is_short_is_not_looked_for() {
        assert!(forms("abc").is_empty() && forms(" abc\n").is_empty());
        assert!(!forms("first line\n}\n").contains("}"));
    }
}
