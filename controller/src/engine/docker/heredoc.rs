//! Heredocs in Dockerfiles, which a builder may lose.
//!
//! Seen with engine 26: of `RUN <<EOF` its classic builder runs the first line alone, which does nothing, and calls that a success. It
//! has BuildKit's parser, which takes what follows for part of the instruction (engine 23 on), and nothing that carries it out. Engine
//! 20.10 takes what follows for instructions and refuses it.

use super::version::{ApiVersion, BUILDKIT_LIMITS};

/// What is said of a build that has been given up for it. The words are among those that lead on to BuildKit.
pub(super) const REFUSED: &str = "a heredoc requires BuildKit";

/// Whether the classic builder of an engine loses them.
pub(super) fn are_lost(speaks: Option<ApiVersion>) -> bool {
    // Engine 23 speaks the version that brought those limits.
    speaks.is_none_or(|speaks| speaks >= BUILDKIT_LIMITS)
}

/// Whether what the classic builder says is that a step begins which has one.
pub(super) fn is_in(said: &str) -> bool {
    let Some(instruction) = said.strip_prefix("Step ").and_then(|said| Some(said.split_once(" : ")?.1))
    else {
        return false;
    };
    let mut words = instruction.split_whitespace().skip_while(|word| word.eq_ignore_ascii_case("ONBUILD"));
    let takes = words
        .next()
        .is_some_and(|name| ["RUN", "COPY", "ADD"].iter().any(|it| name.eq_ignore_ascii_case(it)));
    takes && words.any(begins)
}

/// `<<EOF`, `3<<-"EOF"`; neither `<<<` nor what merely has the two signs inside.
fn begins(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = rest.strip_prefix("<<").map(|rest| rest.strip_prefix('-').unwrap_or(rest));
    name.is_some_and(|name| !name.is_empty() && !name.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_with_one_is_told_from_others() {
        for with in ["RUN <<EOF", "run cat <<-'EOF' > /x", "COPY <<a <<b /x/", "ONBUILD ADD 3<<\"E\" /x"] {
            assert!(is_in(&format!("Step 2/3 : {with}")), "{with}");
            assert!(!is_in(with), "{with}");
        }
        for without in
            ["RUN cat <<<word", "RUN echo $((1<<2))", "ENV A=<<EOF", "LABEL a=b <<EOF", "RUN a << b"]
        {
            assert!(!is_in(&format!("Step 2/3 : {without}")), "{without}");
        }
    }

    #[test]
    fn engines_before_23_refuse_them_by_themselves() {
        let lost = |speaks| are_lost(ApiVersion::parse(speaks));
        assert_eq!([lost("1.41"), lost("1.42"), lost("1.44")], [false, true, true]);
    }
}
