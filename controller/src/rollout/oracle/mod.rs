//! What evenkeel creates against what docker-compose 1.29 creates from the same files on the same engine.
//!
//! `corpus → docker-compose up --no-start → inspect`, and `corpus → release → plan → the steps that create → inspect`: the same
//! code as in a rollout, without what starts and proves. Every field has to be equal, but for those of [`listed`], each with its
//! reason. Where they differ it is evenkeel that is wrong, unless the list says why not.

mod case;
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
use listed::LISTED;

/// How many files are compared at a time.
const ABREAST: usize = 3;

/// What came of one file.
struct Compared {
    name: String,
    fields: usize,
    differences: Vec<Difference>,
}

fn compared(name: &str) -> Compared {
    let case = Case::new(name);
    let theirs = theirs::create(&case);
    case.clear();
    let ours = ours::create(&case);
    let (fields, differences) = compare(&theirs, &ours);
    Compared { name: name.to_owned(), fields, differences }
}

/// Every file of the corpus, some at a time.
fn all() -> Vec<Compared> {
    let wanted = std::env::var("EVENKEEL_ORACLE").ok();
    let names = Mutex::new(case::names());
    names.lock().unwrap().retain(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let Some(name) = names.lock().unwrap().pop() else { break };
                    let compared = compared(&name);
                    done.lock().unwrap().push(compared);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn what_docker_compose_creates_evenkeel_creates() {
    let began = Instant::now();
    let all = all();
    let (mut told, mut by_reason) = (String::new(), BTreeMap::<&str, usize>::new());
    for Compared { name, differences, .. } in &all {
        for difference in differences {
            match difference.listed() {
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
            LISTED.iter().map(|it| it.reason).filter(|it| !by_reason.contains_key(it)).collect();
        assert_eq!(idle, [""; 0], "listed, but nothing differs so");
    }
}
