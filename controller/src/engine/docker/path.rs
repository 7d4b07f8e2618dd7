//! Names as parts of a request's path and query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path segment of the engine's API may hold as it is. Slashes and colons are the engine's own, in image references.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b':').remove(b'@');
/// What a value in a query may hold as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// A name to put in a path; the client library puts it there as it is, so that a `?` in it would begin a query.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// A query string.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let pair = |(key, value): &(&str, String)| format!("{key}={}", utf8_percent_encode(value, VALUE));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(segment("web-1"), "web-1");
        assert_eq!(segment("registry:5000/team/app@sha256:ab"), "registry:5000/team/app@sha256:ab");
        assert_eq!(segment("a?force=1#b c%"), "a%3Fforce%3D1%23b%20c%25");
    }

    #[test]
    fn a_value_cannot_begin_another_pair() {
        assert_eq!(
            query(&[("t", "a&b=c".into()), ("extrahosts", "db:::1".into())]),
            "t=a%26b%3Dc&extrahosts=db%3A%3A%3A1"
        );
    }
}
