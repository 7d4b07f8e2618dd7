//! Files that nobody would write: those of the corpus, with some of them broken, repeated or put elsewhere.
//!
//! Whatever is read, [`holds`] holds, and it never takes long. `EVENKEEL_FUZZ=600` goes on for so many seconds, from another beginning each
//! time; a fault found is told with its input, which belongs into `tests/fuzz` then.

use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::holds;

/// Inputs of an ordinary run.
const TRIES: u64 = 10_000;
/// How long one may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
/// Files that are broken.
const CORPUS: [&str; 3] = ["tests/compose", "tests/oracle", "tests/fuzz"];
/// What stands at the borders of what a reader expects.
const WORDS: &[&str] = &[
    "${",
    "${A",
    "${A:-",
    "${A:?}",
    "$",
    "$$",
    "${A:-${B:-${C}}}",
    "&a",
    "*a",
    "<<: *a",
    "<<:",
    "- ",
    ": ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    "null",
    "~",
    "true",
    "-1",
    "0",
    "1e999",
    ".inf",
    ".nan",
    "0x7fffffffffffffff",
    "99999999999999999999",
    "9223372036854775807",
    "!!binary",
    "!!set",
    "!x",
    "|",
    ">-",
    "'",
    "\"",
    "\\",
    "\t",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "#",
    "---\n",
    "...\n",
    "extends: a",
    "x-y",
    "1-65535",
    "1-65535:1-65535",
    "..",
    "/",
    "~/",
    "/..",
    "10.0.0.0/33",
    "::1",
    "[::1]:1:1",
    "1h1h",
    "1.5.5",
    "k",
    "=",
    "a=",
    "\r\n",
];

/// Variables, as `.env` and env files have them.
const ENV: &str = "# a comment\nGREETING=hello\nTOKEN='t $x'\nA=\"b\\n\"\nexport B=${A:-c}\nC=a#b # c\n";

/// Numbers that are the same for the same beginning.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % (below.max(1) as u64)) as usize
    }
}

fn collect(directory: &Path, texts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, texts);
        } else {
            texts.extend(std::fs::read_to_string(path));
        }
    }
}

fn corpus() -> Vec<String> {
    let mut texts = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    CORPUS.iter().for_each(|directory| collect(&root.join(directory), &mut texts));
    assert!(texts.len() > 20, "there is no corpus");
    texts
}

/// A place between two characters.
fn place(text: &str, dice: &mut Dice) -> usize {
    let mut place = dice.roll(text.len() + 1);
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

fn broken(text: &str, others: &[String], dice: &mut Dice) -> String {
    let mut text = text.to_owned();
    for _ in 0..=dice.roll(3) {
        let lines: Vec<&str> = text.lines().collect();
        let line = dice.roll(lines.len());
        text = match dice.roll(7) {
            0 => lines
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != line)
                .map(|(_, it)| format!("{it}\n"))
                .collect(),
            1 => lines
                .iter()
                .enumerate()
                .map(|(at, it)| if at == line { format!("{it}\n{it}\n") } else { format!("{it}\n") })
                .collect(),
            2 => lines
                .iter()
                .enumerate()
                .map(|(at, it)| if at == line { format!("  {it}\n") } else { format!("{it}\n") })
                .collect(),
            3 => {
                let (at, word) = (place(&text, dice), WORDS[dice.roll(WORDS.len())]);
                format!("{}{word}{}", &text[..at], &text[at..])
            }
            4 => {
                let (one, two) = (place(&text, dice), place(&text, dice));
                format!("{}{}", &text[..one.min(two)], &text[one.max(two)..])
            }
            5 => {
                let other = &others[dice.roll(others.len())];
                let picked = other.lines().nth(dice.roll(other.lines().count())).unwrap_or_default();
                lines
                    .iter()
                    .enumerate()
                    .map(|(at, it)| if at == line { format!("{it}\n{picked}\n") } else { format!("{it}\n") })
                    .collect()
            }
            _ => {
                let words: Vec<&str> = text.split(' ').collect();
                let at = dice.roll(words.len());
                let word = WORDS[dice.roll(WORDS.len())];
                words
                    .iter()
                    .enumerate()
                    .map(|(n, it)| if n == at { word } else { it })
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        let mut end = text.len().min(64 << 10);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Inputs until the run is over; what failed, with its input.
fn fuzz(holds: fn(&str, &str) -> bool, input: impl Fn(&mut Dice) -> (String, String)) {
    let longer = std::env::var("EVENKEEL_FUZZ").ok().and_then(|seconds| seconds.parse().ok());
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (began, mut dice) = (Instant::now(), Dice(longer.map_or(1, |_: u64| moment)));
    let (mut tried, mut accepted, mut slowest) = (0, 0, Duration::ZERO);
    while longer.map_or(tried < TRIES, |seconds| began.elapsed() < Duration::from_secs(seconds)) {
        let (text, more) = input(&mut dice);
        let start = Instant::now();
        let ended = catch_unwind(|| holds(&text, &more));
        slowest = slowest.max(start.elapsed());
        assert!(ended.is_ok() && start.elapsed() < LIMIT, "after {tried} inputs:\n{text}\n== and\n{more}");
        accepted += u64::from(ended.is_ok_and(|accepted| accepted));
        tried += 1;
    }
    println!(
        "fuzz: {tried} inputs, {accepted} of them accepted, in {:.0} s, the slowest {slowest:.1?}",
        began.elapsed().as_secs_f64()
    );
    assert!(accepted > tried / 50, "hardly any is accepted: what is accepted is not tried");
}

#[test]
fn compose_files_that_nobody_would_write() {
    let mut corpus = corpus();
    corpus.retain(|text| text.contains("services:"));
    fuzz(holds::compose, |dice| {
        let text = broken(&corpus[dice.roll(corpus.len())], &corpus, dice);
        // One broken file hides the other.
        if dice.roll(4) == 0 { (text, broken(ENV, &corpus, dice)) } else { (text, ENV.to_owned()) }
    });
}

#[test]
fn manifests_that_nobody_would_write() {
    let corpus = [include_str!("../../../../manifests/convertik/evenkeel.yaml").to_owned()];
    fuzz(|text, _| holds::application(text), |dice| (broken(&corpus[0], &corpus, dice), String::new()));
}
