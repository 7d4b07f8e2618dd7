//! Steps of a Dockerfile that the classic builder takes, and does not carry out as they are meant: what only BuildKit knows.
//!
//! *Heredocs.* Seen with engine 26: of `RUN <<EOF` its classic builder runs the first line alone, which does nothing, and calls that a
//! success. It has BuildKit's parser, which takes what follows for part of the instruction (engine 23 on), and nothing that carries it
//! out. Engine 20.10 takes what follows for instructions and refuses it.
//!
//! *Platforms.* `ARG TARGETARCH` and its like are empty there, and so they are in `FROM --platform=$BUILDPLATFORM`, which fails
//! (Dockerfile reference, "Automatic platform ARGs in the global scope").

use std::collections::{BTreeMap, BTreeSet};

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

    /// Whether the classic builder of an engine does not say so itself.
    pub(super) fn is_lost(self, speaks: Option<ApiVersion>) -> bool {
        // Engine 23 speaks the version that brought those limits.
        self == Self::Platform || speaks.is_none_or(|speaks| speaks >= BUILDKIT_LIMITS)
    }
}

/// The steps of a build, as the classic builder tells of them.
pub(super) struct Steps<'a> {
    /// The build's own arguments.
    args: &'a BTreeMap<String, String>,
    /// What has a value from before the first stage.
    global: BTreeSet<String>,
    in_stage: bool,
}

impl<'a> Steps<'a> {
    /// None yet.
    pub(super) fn new(args: &'a BTreeMap<String, String>) -> Self {
        Self { args, global: BTreeSet::new(), in_stage: false }
    }

    /// What a step has, by what is said when it begins.
    pub(super) fn hear(&mut self, said: &str) -> Option<Modern> {
        let (_, instruction) = said.strip_prefix("Step ")?.split_once(" : ")?;
        let (name, rest) = instruction.trim().split_once(char::is_whitespace)?;
        match name.to_ascii_uppercase().as_str() {
            // Kept for a build on top of this one, whose own steps it is then.
            "ONBUILD" => self.heredoc(rest.trim().split_once(char::is_whitespace)?),
            "ARG" => self.argument(rest),
            "FROM" => {
                self.in_stage = true;
                let asks = |name: &str| self.is_unknown(name) && refers_to(rest, name);
                PLATFORM.iter().any(|name| asks(name)).then_some(Modern::Platform)
            }
            _ => self.heredoc((name, rest)),
        }
    }

    fn heredoc(&self, (name, rest): (&str, &str)) -> Option<Modern> {
        let takes = ["RUN", "COPY", "ADD"].iter().any(|it| name.eq_ignore_ascii_case(it));
        (takes && rest.split_whitespace().any(begins_heredoc)).then_some(Modern::Heredoc)
    }

    /// One with a value of its own has that with either builder.
    fn argument(&mut self, names: &str) -> Option<Modern> {
        let words = names.split_whitespace().take_while(|word| !word.contains(['"', '\'']));
        let mut asks = None;
        for word in words {
            match word.split_once('=') {
                Some((name, _)) if !self.in_stage => drop(self.global.insert(name.to_owned())),
                Some(_) => {}
                None if self.is_unknown(word) => asks = Some(Modern::Platform),
                None => {}
            }
        }
        asks
    }

    fn is_unknown(&self, name: &str) -> bool {
        PLATFORM.contains(&name) && !self.args.contains_key(name) && !self.global.contains(name)
    }
}

/// Whether a text has `$NAME` or `${NAME…}`.
fn refers_to(text: &str, name: &str) -> bool {
    let mut after = text.split('$').skip(1).map(|rest| rest.strip_prefix('{').unwrap_or(rest));
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    after.any(|rest| rest.strip_prefix(name).is_some_and(ends))
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
        last_of(&[instruction])
    }

    /// What the last of some steps has.
    fn last_of(instructions: &[&str]) -> Option<Modern> {
        let args = BTreeMap::from([("BUILDOS".to_owned(), "linux".to_owned())]);
        let mut steps = Steps::new(&args);
        assert_eq!(steps.hear(instructions[0]), None);
        let all = instructions.iter().map(|instruction| steps.hear(&format!("Step 2/3 : {instruction}")));
        all.last().flatten()
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
            "ARG VERSION=1 TARGETARCH",
            "FROM --platform=$BUILDPLATFORM golang AS build",
            "FROM --platform=\"${TARGETPLATFORM}\" debian",
            "FROM --platform=${BUILDPLATFORM:-linux/amd64} debian",
            "FROM --platform=linux/$TARGETARCH debian",
            "FROM base-${TARGETARCH}",
        ] {
            assert_eq!(of(asks), Some(Modern::Platform), "{asks}");
        }
        for does_not in [
            "ARG TARGETARCH=amd64",
            "ARG VERSION",
            "ARG BUILDOS",
            "ARG NOTE=\"for TARGETARCH alone\"",
            "ONBUILD ARG TARGETARCH",
            "RUN echo TARGETARCH",
            "FROM --platform=linux/amd64 debian",
            "FROM --platform=$WHERE debian",
            "FROM base-$TARGETARCHIVE",
            "FROM debian",
            "ENV TARGETARCH=arm64",
        ] {
            assert_eq!(of(does_not), None, "{does_not}");
        }
    }

    #[test]
    fn what_has_a_value_before_the_first_stage_has_it_in_both_builders() {
        let own = "ARG TARGETARCH=amd64";
        assert_eq!(last_of(&[own, "FROM base-$TARGETARCH"]), None);
        assert_eq!(last_of(&[own, "FROM debian", "ARG TARGETARCH"]), None);
        assert_eq!(last_of(&[own, "FROM debian", "ARG TARGETOS"]), Some(Modern::Platform));
        assert_eq!(last_of(&["FROM debian", own, "FROM debian", "ARG TARGETARCH"]), Some(Modern::Platform));
    }

    #[test]
    fn engines_before_23_refuse_heredocs_by_themselves() {
        let lost = |modern: Modern, speaks| modern.is_lost(ApiVersion::parse(speaks));
        assert_eq!(["1.41", "1.42", "1.44"].map(|it| lost(Modern::Heredoc, it)), [false, true, true]);
        assert_eq!(["1.41", "1.42", "1.44"].map(|it| lost(Modern::Platform, it)), [true, true, true]);
    }
}
