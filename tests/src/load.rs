//! Users who never stop asking, at a steady rate, and who remember every answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::http::{Answer, client, read};

/// More than the rate times the longest that one request may take would need; enough for answers within half a second.
const WORKERS: usize = 24;
const TIMEOUT: Duration = Duration::from_secs(15);

/// A row that somebody was told is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Its id.
    pub id: i64,
    /// Its amount, in ten-thousandths.
    pub amount: i64,
}

impl Row {
    /// From a line of `psql`: `id|amount`.
    pub fn parse(line: &str) -> Self {
        let (id, amount) = line.split_once('|').unwrap_or_else(|| panic!("`{line}` is not a row"));
        let amount: f64 = amount.parse().unwrap_or_else(|_| panic!("`{line}` is not a row"));
        Self {
            id: id.parse().unwrap_or_else(|_| panic!("`{line}` is not a row")),
            amount: (amount * 1e4).round() as i64,
        }
    }
}

/// A request that was not answered as it should have been.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Since the load began.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// What users saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many requests were made.
    pub requests: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// The longest time between two good answers.
    pub longest_gap: Duration,
    /// Every row that a user was told is stored.
    pub rows: Vec<Row>,
}

impl Report {
    /// Fails unless every request was answered.
    pub fn assert_nothing_failed(&self, when: &str) {
        let first: Vec<&Failure> = self.failures.iter().take(5).collect();
        assert!(
            first.is_empty(),
            "{when}: {} of {} requests failed: {first:#?}",
            self.failures.len(),
            self.requests
        );
        assert!(self.requests > 20, "{when}: only {} requests were made", self.requests);
    }
}

/// A load that is on.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    base: String,
    start: Instant,
    interval: Duration,
    stop: AtomicBool,
    ticket: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    report: Report,
    answers: Vec<Duration>,
}

impl Load {
    /// Through an address, so many requests a second, reads and writes in turn, over connections that are kept.
    pub fn start(base: &str, per_second: u32) -> Self {
        Self::with(base, per_second, WORKERS)
    }

    /// The same over a new connection for every request.
    pub fn start_unkept(base: &str, per_second: u32) -> Self {
        Self::with(base, per_second, 0)
    }

    fn with(base: &str, per_second: u32, keep: usize) -> Self {
        let shared = Arc::new(Shared {
            base: base.trim_end_matches('/').to_owned(),
            start: Instant::now(),
            interval: Duration::from_secs(1) / per_second,
            stop: AtomicBool::new(false),
            ticket: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        let agent = client(TIMEOUT, keep);
        let worker = |_| {
            let (shared, agent) = (Arc::clone(&shared), agent.clone());
            std::thread::spawn(move || shared.work(&agent))
        };
        Self { workers: (0..WORKERS).map(worker).collect(), shared }
    }

    /// How many requests have been answered as they should.
    pub fn answered(&self) -> usize {
        self.shared.seen.lock().map(|seen| seen.answers.len()).unwrap_or_default()
    }

    /// Ends it, and tells what users saw.
    pub fn stop(self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.join().expect("a worker does not panic");
        }
        let mut seen = std::mem::take(&mut *self.shared.seen.lock().expect("a worker does not panic"));
        seen.report.longest_gap = longest_gap(&mut seen.answers, self.shared.start.elapsed());
        seen.report
    }
}

/// From the start to the first answer counts, and from the last one to the end.
fn longest_gap(answers: &mut Vec<Duration>, end: Duration) -> Duration {
    answers.extend([Duration::ZERO, end]);
    answers.sort_unstable();
    answers.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

impl Shared {
    fn work(&self, agent: &Agent) {
        while !self.stop.load(Ordering::Relaxed) {
            let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
            let due = self.interval.saturating_mul(ticket as u32);
            std::thread::sleep(due.saturating_sub(self.start.elapsed()));
            let outcome = self.ask(agent, ticket);
            self.record(outcome);
        }
    }

    fn ask(&self, agent: &Agent, ticket: u64) -> Result<Option<Row>, String> {
        match ticket % 4 {
            0 | 2 => self.write(agent, ticket).map(Some),
            1 => self.fetch(agent, "/api/v1/stats/summary"),
            _ => self.fetch(agent, "/api/v1/version"),
        }
    }

    fn fetch(&self, agent: &Agent, path: &str) -> Result<Option<Row>, String> {
        let answer = read(agent.get(format!("{}{path}", self.base)).call())
            .map_err(|problem| format!("GET {path}: {problem}"))?;
        expect(&answer, 200, path)?;
        Ok(None)
    }

    fn write(&self, agent: &Agent, ticket: u64) -> Result<Row, String> {
        let path = "/api/v1/conversions";
        let body = format!(r#"{{"source":"USD","target":"EUR","amount":{}.25,"client":"load"}}"#, ticket + 1);
        let request = agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        let answer =
            read(request.send(body.as_str())).map_err(|problem| format!("POST {path}: {problem}"))?;
        expect(&answer, 201, path)?;
        stored(&answer.body).ok_or_else(|| format!("POST {path}: {}", answer.body))
    }

    fn record(&self, outcome: Result<Option<Row>, String>) {
        let at = self.start.elapsed();
        let mut seen = self.seen.lock().expect("a worker does not panic");
        seen.report.requests += 1;
        match outcome {
            Ok(row) => {
                seen.answers.push(at);
                seen.report.rows.extend(row);
            }
            Err(what) => seen.report.failures.push(Failure { at, what }),
        }
    }
}

fn expect(answer: &Answer, status: u16, path: &str) -> Result<(), String> {
    if answer.status == status { Ok(()) } else { Err(format!("{path}: {}: {}", answer.status, answer.body)) }
}

fn stored(body: &str) -> Option<Row> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let amount = (body["amount"].as_f64()? * 1e4).round() as i64;
    Some(Row { id: body["id"].as_i64()?, amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_both_ends() {
        let millis = Duration::from_millis;
        assert_eq!(longest_gap(&mut vec![millis(10), millis(30)], millis(100)), millis(70));
        assert_eq!(longest_gap(&mut Vec::new(), millis(5)), millis(5));
    }

    #[test]
    fn a_row_is_the_same_from_either_side() {
        let row = stored(r#"{"id": 7, "amount": 3.25}"#).unwrap();
        assert_eq!(row, Row::parse("7|3.2500"));
    }
}
