//! The figures, for people and for programs.

use std::fmt::Write as _;

use serde_json::json;

use crate::idle::Idle;
use crate::measure::Event;
use crate::ways::WayKind;
use crate::{Aside, Measurement};

/// One object.
pub(crate) fn json(all: &[Measurement], idle: Option<&Idle>, aside: &Aside) -> String {
    let ratios: Vec<_> = all
        .iter()
        .filter_map(|one| Some((one, base(all, one)?)))
        .map(|(one, base)| ratio(one, base))
        .collect();
    json!({"measurements": all, "ratios": ratios, "idle": idle, "aside": aside}).to_string()
}

/// The same deployment with evenkeel.
fn base<'a>(all: &'a [Measurement], one: &Measurement) -> Option<&'a Measurement> {
    let evenkeel = WayKind::Evenkeel.name();
    all.iter().find(|other| other.way == evenkeel && other.event == one.event && one.way != evenkeel)
}

/// How many times as long a way takes as evenkeel.
fn ratio(one: &Measurement, base: &Measurement) -> serde_json::Value {
    let first = one.first_answer_seconds.zip(base.first_answer_seconds).map(|(one, base)| times(one, base));
    json!({"way": one.way, "event": one.event, "firstAnswer": first, "done": times(one.done_seconds, base.done_seconds)})
}

fn times(one: f64, base: f64) -> f64 {
    (one / base * 10.0).round() / 10.0
}

/// Tables.
pub(crate) fn table(all: &[Measurement], idle: Option<&Idle>, aside: &Aside) -> String {
    let mut text = String::new();
    for event in Event::ALL.into_iter().filter(|event| all.iter().any(|one| one.event == event.name())) {
        let _ = writeln!(text, "\n{}", event.name());
        for one in all.iter().filter(|one| one.event == event.name()) {
            row(&mut text, one, base(all, one));
        }
    }
    if let Some(Idle { cpu_seconds_per_minute, engine_calls_per_minute, resident_bytes }) = idle {
        let _ = writeln!(
            text,
            "\nevenkeel with nothing to do: {cpu_seconds_per_minute} s of CPU and {engine_calls_per_minute} engine calls a minute, \
             {} MiB resident",
            resident_bytes / (1 << 20)
        );
    }
    beside(&mut text, aside);
    text
}

fn beside(text: &mut String, aside: &Aside) {
    if let Some(heal) = &aside.heal {
        let never = heal.engine_after_docker_kill.map_or("never".to_owned(), |it| format!("after {it:.2} s"));
        let _ = writeln!(
            text,
            "\na container is killed, and answers again\n  evenkeel, after `docker kill`: {:.2} s (longest {:.2} s)\n  \
             `restart: always` alone, after `docker kill`: {never}\n  `restart: always` alone, its process killed: {:.2} s \
             (evenkeel: {} times that)",
            heal.evenkeel_after_docker_kill,
            heal.evenkeel_longest,
            heal.engine_after_process_killed,
            heal.ratio
        );
    }
    if let Some(large) = &aside.large {
        let _ = writeln!(
            text,
            "\na project of {} services\n  evenkeel plan: {} s\n  docker-compose config: {} s (evenkeel: {} times that)",
            large.services, large.plan_seconds, large.compose_config_seconds, large.ratio
        );
    }
    for (number, many) in aside.many.iter().enumerate() {
        if number == 0 {
            let _ = writeln!(text, "\nnothing to do");
        }
        let Idle { cpu_seconds_per_minute, engine_calls_per_minute, resident_bytes } = many.idle;
        let _ = writeln!(
            text,
            "  {:>3} applications: {cpu_seconds_per_minute} s of CPU and {engine_calls_per_minute} engine calls a minute, {} MiB; {} \
             calls for the look at one, every ten minutes",
            many.applications,
            resident_bytes / (1 << 20),
            many.engine_calls_per_look
        );
    }
}

fn row(text: &mut String, one: &Measurement, base: Option<&Measurement>) {
    let first = one.first_answer_seconds.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s"));
    let _ = write!(text, "  {:<26} first answer {first:>8}, done {:>6.1} s", one.way, one.done_seconds);
    if let Some(base) = base {
        let first = one.first_answer_seconds.zip(base.first_answer_seconds);
        let first = first.map_or("?".to_owned(), |(one, base)| times(one, base).to_string());
        let done = times(one.done_seconds, base.done_seconds);
        let _ = write!(text, " ({first} and {done} times evenkeel's)");
    }
    let _ = writeln!(text);
    for client in &one.clients {
        let _ = writeln!(
            text,
            "      {:<16} {:>5} of {:>5} requests failed, longest gap {:.2} s",
            client.client, client.failed, client.requests, client.longest_gap_seconds
        );
    }
}
