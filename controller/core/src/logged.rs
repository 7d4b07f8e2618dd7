//! What the logs of a release have of the patterns that fail it, compared with what those of the one before had.

use std::collections::BTreeMap;

/// How often a pattern stands in a log, and what the first line with it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occurrence {
    /// Lines that have it.
    pub count: usize,
    /// The first of them, and the lines that belong to it: what is indented below it, and the line that ends that, as stack
    /// traces are written.
    pub entry: Vec<String>,
}

/// The patterns that stand in a log.
pub fn count_patterns<'a>(
    patterns: &[String],
    lines: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, Occurrence> {
    let mut counts: BTreeMap<String, Occurrence> = BTreeMap::new();
    // The entry that is being read, under the pattern that began it.
    let mut open: Option<&String> = None;
    for line in lines {
        if let Some(pattern) = open {
            let entry = &mut counts.entry(pattern.clone()).or_default().entry;
            let within = entry.last().is_some_and(|last| is_inner(last));
            if is_inner(line) || within {
                entry.push(line.to_owned());
            }
            if !is_inner(line) {
                open = None;
            }
        }
        for pattern in patterns.iter().filter(|pattern| line.contains(pattern.as_str())) {
            let found = counts.entry(pattern.clone()).or_default();
            found.count += 1;
            if found.count == 1 {
                found.entry.push(line.to_owned());
                open = open.or(Some(pattern));
            }
        }
    }
    counts
}

/// Whether a line is inside an entry of several lines.
fn is_inner(line: &str) -> bool {
    line.is_empty()
        || line.starts_with([' ', '\t'])
        || line.starts_with("Traceback (")
        || line.starts_with("Caused by")
}

/// What the containers of one service logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// How many they are.
    pub containers: usize,
    /// How often each pattern stands in all their logs together.
    pub patterns: BTreeMap<String, Occurrence>,
}

impl Logged {
    /// One more container's.
    pub fn add(&mut self, found: BTreeMap<String, Occurrence>) {
        self.containers += 1;
        for (pattern, found) in found {
            let sum = self.patterns.entry(pattern).or_default();
            sum.count += found.count;
            if sum.entry.is_empty() {
                sum.entry = found.entry;
            }
        }
    }

    /// What so many containers may log of a pattern where these are the measure. Some lines come of what users ask for, and are as many
    /// however many containers share the work; some are each container's own, and are more where there are more.
    fn allows(&self, pattern: &str, containers: usize) -> usize {
        let found = self.patterns.get(pattern).map_or(0, |found| found.count);
        (found * containers.max(self.containers)).div_ceil(self.containers.max(1))
    }
}

/// The first pattern that the containers of the new release logged more often than those of the old one did in an equal window, for
/// their number; how it says so.
pub fn log_failure(old: &Logged, new: &Logged) -> Option<String> {
    new.patterns.iter().find_map(|(pattern, found)| {
        let allowed = old.allows(pattern, new.containers);
        let its = match new.containers {
            0 | 1 => "its log has".to_owned(),
            several => format!("the logs of its {several} containers have"),
        };
        let before = match old.containers {
            0 => String::new(),
            same if same == new.containers => String::new(),
            1 => " with one container".to_owned(),
            several => format!(" with {several} containers"),
        };
        let had = old.patterns.get(pattern).map_or(0, |found| found.count);
        (found.count > allowed).then(|| {
            format!(
                "{its} {pattern:?} {} times (the old release{before}: {had} in an equal window): {}",
                found.count,
                shortened(&found.entry)
            )
        })
    })
}

/// The beginning and the end: a stack trace says what happened in its last line.
fn shortened(entry: &[String]) -> String {
    const HEAD: usize = 2;
    const TAIL: usize = 6;
    let lines: Vec<&str> = entry.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    if lines.len() <= HEAD + TAIL {
        return lines.join("\n").trim_start().to_owned();
    }
    let end = lines.len() - TAIL;
    let left_out = format!("  … {} lines …", end - HEAD);
    let parts = [&lines[..HEAD], &[left_out.as_str()], &lines[end..]];
    parts.concat().join("\n").trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_counts_only_beyond_what_the_old_release_logged() {
        let patterns = ["ERROR".to_owned(), "Traceback".to_owned()];
        let log = |lines: &[&str]| logged(&patterns, &[lines]);
        let old = log(&["ERROR a", "ERROR b", "fine"]);
        assert_eq!(log_failure(&old, &log(&["ERROR c", "ERROR d"])), None);
        assert!(log_failure(&old, &log(&["Traceback (most recent call last)"])).is_some());
    }

    fn logged(patterns: &[String], logs: &[&[&str]]) -> Logged {
        let mut all = Logged::default();
        logs.iter().for_each(|log| all.add(count_patterns(patterns, log.iter().copied())));
        all
    }

    /// So many containers with so many lines each, before and now.
    fn judged(before: usize, each: usize, now: usize, each_now: usize) -> Option<String> {
        let patterns = ["ERROR".to_owned()];
        let [old, new] = [(before, each), (now, each_now)].map(|(containers, each)| {
            let log = vec!["ERROR"; each];
            logged(&patterns, &vec![log.as_slice(); containers])
        });
        log_failure(&old, &new)
    }

    #[test]
    fn how_many_containers_log_makes_no_difference() {
        assert_eq!(judged(3, 2, 1, 6), None, "the work of three, done by one");
        assert_eq!(judged(3, 2, 1, 2), None, "lines of each container, of one");
        assert_eq!(judged(1, 6, 3, 2), None, "the work of one, done by three");
        assert_eq!(judged(1, 2, 3, 2), None, "lines of each container, of three");
        assert_eq!(judged(0, 0, 2, 0), None, "nobody to go by, and nothing logged");
        let said = judged(3, 2, 1, 7).unwrap();
        assert_eq!(
            said,
            "its log has \"ERROR\" 7 times (the old release with 3 containers: 6 in an equal window): ERROR"
        );
        assert!(judged(3, 2, 3, 3).is_some(), "each logs more, and none as much as all did before");
        assert!(judged(1, 2, 3, 3).is_some() && judged(0, 0, 1, 1).is_some());
    }

    #[test]
    fn a_stack_trace_is_shown_with_what_it_says_in_the_end() {
        let mut log =
            vec!["INFO fine", "ERROR Exception in ASGI application", "Traceback (most recent call last):"];
        log.extend(["  File \"a.py\", line 1", "    call()"].repeat(5));
        log.extend([
            "psycopg2.OperationalError: the connection was lost",
            "INFO fine again",
            "ERROR another",
        ]);
        let found = count_patterns(&["ERROR".to_owned(), "Traceback".to_owned()], log);
        assert_eq!((found["ERROR"].count, found["Traceback"].count), (2, 1));
        let said = {
            let new = Logged { containers: 1, patterns: found };
            log_failure(&Logged::default(), &new).unwrap()
        };
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[1..3], ["Traceback (most recent call last):", "  … 5 lines …"], "{said}");
        assert_eq!(lines.last(), Some(&"psycopg2.OperationalError: the connection was lost"), "{said}");
    }
}
