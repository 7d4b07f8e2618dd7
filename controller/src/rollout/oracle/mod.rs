//! What evenkeel creates against what docker-compose 1.29 creates from the same files on the same engine, and `docker compose` 2.26.
//!
//! `corpus → docker-compose up --no-start → inspect`, and `corpus → release → plan → the steps that create → inspect`: the same
//! code as in a rollout, without what starts and proves. Every field has to be equal, but for those of [`listed`], each with its
//! reason. Where they differ it is evenkeel that is wrong, unless the list says why not.

mod case;
mod digests;
mod fields;
mod inspect;
mod listed;
mod mounts;
mod ours;
mod theirs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Instant;

use case::Case;
use fields::{Difference, compare};
use listed::Listed;
use theirs::Program;

/// How many files are compared at a time.
const ABREAST: usize = 3;

/// What came of one file.
struct Compared {
    name: String,
    fields: usize,
    differences: Vec<Difference>,
}

/// Nothing for a case that the program does not read.
fn compared(name: &str, program: &Program) -> Option<Compared> {
    let case = Case::new(name);
    if case.says(program.refused_by()) {
        return None;
    }
    let theirs = theirs::create(&case, program);
    case.clear();
    let ours = ours::create(&case);
    let (fields, differences) = compare(&theirs, &ours);
    Some(Compared { name: name.to_owned(), fields, differences })
}

/// Every file of the corpus.
fn all(program: &Program) -> Vec<Compared> {
    let wanted = std::env::var("EVENKEEL_ORACLE").ok();
    let mut names = case::names();
    names.retain(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    abreast(names, |name| compared(name, program))
}

/// Some at a time.
fn abreast<T: Send>(names: Vec<String>, look: impl Fn(&str) -> Option<T> + Sync) -> Vec<T> {
    let (names, done) = (Mutex::new(names), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let Some(name) = names.lock().unwrap().pop() else { break };
                    let seen = look(&name);
                    done.lock().unwrap().extend(seen);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn what_docker_compose_creates_evenkeel_creates() {
    nothing_but_what_is_listed(&Program::Classic, &[listed::BOTH, listed::CLASSIC].concat());
}

#[test]
fn what_docker_compose_2_creates_evenkeel_creates() {
    let Some(program) = Program::modern() else {
        println!(
            "skipped: EVENKEEL_COMPOSE_2 says where `docker compose` 2 is (tests/newer-engine --compose)"
        );
        return;
    };
    nothing_but_what_is_listed(&program, &[listed::BOTH, listed::MODERN].concat());
}

fn nothing_but_what_is_listed(program: &Program, expected: &[Listed]) {
    let began = Instant::now();
    let listed = &[expected, listed::ENGINES].concat();
    let all = all(program);
    let (mut told, mut by_reason) = (String::new(), BTreeMap::<&str, usize>::new());
    for Compared { name, differences, .. } in &all {
        for difference in differences {
            match difference.listed(listed) {
                Some(reason) => *by_reason.entry(reason).or_default() += 1,
                None => {
                    let _ = writeln!(told, "{name}: {difference}");
                }
            }
        }
    }
    let fields: usize = all.iter().map(|compared| compared.fields).sum();
    let true_ones = told.lines().count();
    println!(
        "oracle: {} files, {fields} fields compared, {true_ones} differences, {} listed ones, {:.0} s",
        all.len(),
        by_reason.values().sum::<usize>(),
        began.elapsed().as_secs_f64()
    );
    by_reason.iter().for_each(|(reason, number)| println!("  {number:5} {reason}"));
    assert!(told.is_empty(), "they differ (-: docker-compose, +: evenkeel)\n{told}");
    if std::env::var_os("EVENKEEL_ORACLE").is_none() {
        let idle: Vec<&str> =
            expected.iter().map(|it| it.reason).filter(|it| !by_reason.contains_key(it)).collect();
        assert_eq!(idle, [""; 0], "listed, but nothing differs so");
    }
}
