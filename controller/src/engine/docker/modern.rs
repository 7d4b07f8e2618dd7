//! Steps of a Dockerfile that the classic builder takes, and does not carry out as they are meant: what only BuildKit knows.
//!
//! *Heredocs.* Seen with engine 26: of `RUN <<EOF` its classic builder runs the first line alone, which does nothing, and calls that a
//! success. It has BuildKit's parser, which takes what follows for part of the instruction (engine 23 on), and nothing that carries it
//! out. Engine 20.10 takes what follows for instructions and refuses it.
//!
//! *Platforms.* `ARG TARGETARCH` and its like are empty there, and `FROM --platform=$BUILDPLATFORM` fails
//! (Dockerfile reference, "Automatic platform ARGs in the global scope").

use std::collections::BTreeMap;

use super::version::{ApiVersion, BUILDKIT_LIMITS};

/// What BuildKit knows by itself.
const PLATFORM: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// What a step has that only BuildKit knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modern {
    /// `RUN <<EOF`.
    Heredoc,
    /// `ARG TARGETARCH`, `FROM --platform=$BUILDPLATFORM`.
    Platform,
}

impl Modern {
    /// What is said of a build that has been given up for it. The words are among those that lead on to BuildKit.
    pub(super) fn refused(self) -> &'static str {
        match self {
            Self::Heredoc => "a heredoc requires BuildKit",
            Self::Platform => "the name of a platform requires BuildKit",
        }
    }

    /// Whether the classic builder of an engine goes over it without a word.
    pub(super) fn is_lost(self, speaks: Option<ApiVersion>) -> bool {
        // Engine 23 speaks the version that brought those limits.
        self == Self::Platform || speaks.is_none_or(|speaks| speaks >= BUILDKIT_LIMITS)
    }
}

/// What a step has, by what the classic builder says when it begins. `given`: the build's own arguments.
pub(super) fn step(said: &str, given: &BTreeMap<String, String>) -> Option<Modern> {
    let (_, instruction) = said.strip_prefix("Step ")?.split_once(" : ")?;
    let mut words = instruction.split_whitespace().skip_while(|word| word.eq_ignore_ascii_case("ONBUILD"));
    let name = words.next()?.to_ascii_uppercase();
    let knows = |name: &str| PLATFORM.contains(&name) && !given.contains_key(name);
    match name.as_str() {
        "RUN" | "COPY" | "ADD" => words.any(begins_heredoc).then_some(Modern::Heredoc),
        // One with a value of its own has that with either builder.
        "ARG" => words.any(knows).then_some(Modern::Platform),
        "FROM" => variable(words.next()?.strip_prefix("--platform=")?)
            .filter(|it| knows(it))
            .map(|_| Modern::Platform),
        _ => None,
    }
}

/// The variable's name in `$NAME` and `${NAME}`.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    Some(name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name))
}

/// `<<EOF`, `3<<-"EOF"`; neither `<<<` nor what merely has the two signs inside.
fn begins_heredoc(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = rest.strip_prefix("<<").map(|rest| rest.strip_prefix('-').unwrap_or(rest));
    name.is_some_and(|name| !name.is_empty() && !name.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instruction: &str) -> Option<Modern> {
        assert_eq!(step(instruction, &BTreeMap::new()), None);
        step(&format!("Step 2/3 : {instruction}"), &BTreeMap::new())
    }

    #[test]
    fn a_step_with_a_heredoc_is_told_from_others() {
        for with in ["RUN <<EOF", "run cat <<-'EOF' > /x", "COPY <<a <<b /x/", "ONBUILD ADD 3<<\"E\" /x"] {
            assert_eq!(of(with), Some(Modern::Heredoc), "{with}");
        }
        for without in
            ["RUN cat <<<word", "RUN echo $((1<<2))", "ENV A=<<EOF", "LABEL a=b <<EOF", "RUN a << b"]
        {
            assert_eq!(of(without), None, "{without}");
        }
    }

    #[test]
    fn a_step_that_asks_for_a_platform_is_told_from_others() {
        for asks in [
            "ARG TARGETARCH",
            "arg TARGETOS TARGETARCH",
            "FROM --platform=$BUILDPLATFORM golang AS build",
            "FROM --platform=${TARGETPLATFORM} debian",
        ] {
            assert_eq!(of(asks), Some(Modern::Platform), "{asks}");
        }
        for does_not in [
            "ARG TARGETARCH=amd64",
            "ARG VERSION",
            "RUN echo TARGETARCH",
            "FROM --platform=linux/amd64 debian",
            "FROM --platform=$WHERE debian",
            "FROM debian",
            "ENV TARGETARCH=arm64",
        ] {
            assert_eq!(of(does_not), None, "{does_not}");
        }
        let given = BTreeMap::from([("TARGETARCH".to_owned(), "arm64".to_owned())]);
        assert_eq!(step("Step 1/2 : ARG TARGETARCH", &given), None);
    }

    #[test]
    fn engines_before_23_refuse_heredocs_by_themselves() {
        let lost = |modern: Modern, speaks| modern.is_lost(ApiVersion::parse(speaks));
        assert_eq!(["1.41", "1.42", "1.44"].map(|it| lost(Modern::Heredoc, it)), [false, true, true]);
        assert_eq!(["1.41", "1.42", "1.44"].map(|it| lost(Modern::Platform, it)), [true, true, true]);
    }
}
