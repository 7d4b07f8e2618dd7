//! BuildKit's progress: protobuf in base64 in JSON, of which three strings are wanted.
//!
//! The messages are `StatusResponse` of `moby.buildkit.v1`: field 1 is a step (3: its name, 5: when it started, 6: when it
//! ended, 7: its error), field 3 a piece of a step's output (4: the bytes).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a progress message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A step began.
    Step(String),
    /// A step wrote something.
    Output(Vec<u8>),
}

/// Reads a message. One that cannot be read says nothing: it is only progress.
pub(super) fn read(base64: &str) -> Vec<Said> {
    let message = STANDARD.decode(base64).unwrap_or_default();
    fields(&message).into_iter().filter_map(said).collect()
}

fn said((number, value): (u64, &[u8])) -> Option<Said> {
    let inner = fields(value);
    let field = |wanted| inner.iter().find(|(number, _)| *number == wanted).map(|(_, value)| *value);
    match number {
        1 if field(5).is_some() && field(6).is_none() => {
            Some(Said::Step(String::from_utf8_lossy(field(3)?).into_owned()))
        }
        3 => Some(Said::Output(field(4)?.to_vec())),
        _ => None,
    }
}

/// The fields of a message that have a length; numbers are skipped.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut fields = Vec::new();
    while let Some((number, value, rest)) = field(bytes) {
        fields.extend(value.map(|value| (number, value)));
        bytes = rest;
    }
    fields
}

/// A field's number, its bytes unless it is a number, and what follows it.
type Field<'a> = (u64, Option<&'a [u8]>, &'a [u8]);

fn field(bytes: &[u8]) -> Option<Field<'_>> {
    let (key, rest) = varint(bytes)?;
    let number = key >> 3;
    match key & 7 {
        0 => Some((number, None, varint(rest)?.1)),
        1 => Some((number, None, rest.get(8..)?)),
        5 => Some((number, None, rest.get(4..)?)),
        2 => {
            let (length, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((number, Some(value), rest))
        }
        _ => None,
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_engine_sent() {
        let started = "CqgBCkdzaGEyNTY6YWIyZTkzODJkNzFjNDIxZTBiNzE4MjNmZTkyY2VjNDlkMTg2NGZiYWQxMjM4MzYwNmE5NjY0NzI5OTRkNTYzNhpDW2ludGVybmFsXSBsb2FkIG1ldGFkYXRhIGZvciBkb2NrZXIuaW8vbGlicmFyeS9kZWJpYW46Ym9va3dvcm0tc2xpbSoLCMWGgdgGEPXk5V8yCwjFhoHYBhDnzvBf";
        let wrote = "GmkKR3NoYTI1Njo3YmQ4MDJhMDkzMDk4OWJiOGYwZDhhYjkxZTEzMTVhNWUxNDg5YjZlMzY4OGFjMWM3OTEyY2Y1NDQ5ZTBmYWE3EgwIxYaB2AYQrbXJygEYASIOaGVsbG8tZnJvbS1iawo=";
        let began = "CokBCkdzaGEyNTY6MjM1NjQyY2RhYzE2NTcxYmY2Nzc3MTc5MTFmNTk3YWJiOWI5NjEzZGYxZGY5OTdiNTAwM2E2MjcwYWM2ODEyYRokW2ludGVybmFsXSBsb2FkIHJlbW90ZSBidWlsZCBjb250ZXh0KgsIxYaB2AYQu4WSMw==";
        assert_eq!(read(started), []);
        assert_eq!(read(wrote), [Said::Output(b"hello-from-bk\n".to_vec())]);
        assert_eq!(read(began), []);
    }

    #[test]
    fn a_step_is_told_when_it_starts() {
        // Field 1 {3: "RUN x", 5: {}}, then the same with 6: {}.
        let bytes = b"\x0a\x09\x1a\x05RUN x\x2a\x00\x0a\x0b\x1a\x05RUN x\x2a\x00\x32\x00";
        assert_eq!(read(&STANDARD.encode(bytes)), [Said::Step("RUN x".into())]);
    }

    #[test]
    fn nonsense_says_nothing() {
        for nonsense in ["", "!", "////", "Cv8=", "CoCAgICAgICAgIAB"] {
            assert_eq!(read(nonsense), [], "{nonsense}");
        }
    }
}
