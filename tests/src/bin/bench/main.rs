//! The benchmark: what users of four kinds notice of a deployment, and how long it takes, with evenkeel, with the runbook and
//! with `docker-compose up --build`.
//!
//! `tests/bench [--output json]`; `EVENKEEL_BENCH_ONLY=evenkeel` for one of the ways, `heal`, `plan` or `many` for one of the other parts. What failed, and how, goes to standard error.

mod clients;
mod heal;
mod idle;
mod measure;
mod report;
mod scale;
mod ways;

use std::io::Write as _;

use measure::{Event, Measurement};
use ways::{Way, WayKind};

/// What is measured beside deployments.
#[derive(serde::Serialize)]
struct Aside {
    heal: Option<heal::Heal>,
    large: Option<scale::Large>,
    many: Vec<scale::Many>,
}

fn main() -> std::io::Result<()> {
    let json = std::env::args().skip(1).eq(["--output".to_owned(), "json".to_owned()]);
    let only = std::env::var("EVENKEEL_BENCH_ONLY").ok();
    let mut all = Vec::new();
    let mut idle = None;
    for kind in [WayKind::Evenkeel, WayKind::ComposeUp, WayKind::Runbook] {
        if only.as_ref().is_some_and(|only| kind.name() != only) {
            continue;
        }
        tell(&format!("{}: preparing", kind.name()))?;
        let way = Way::prepare(kind);
        for event in Event::ALL {
            tell(&format!("{}: {}", kind.name(), event.name()))?;
            let measured = measure::measure(&way, event);
            for client in measured.clients.iter().filter(|client| client.failed > 0) {
                tell(&format!("  {}: {:?}", client.client, client.failures))?;
            }
            all.push(measured);
        }
        idle =
            idle.or_else(|| way.controller().map(|controller| idle::measure(controller, way.engine_calls())));
    }
    let wants = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let aside = Aside {
        heal: wants("heal").then(heal::measure),
        large: wants("plan").then(scale::large),
        many: if wants("many") { scale::many() } else { Vec::new() },
    };
    let text = if json {
        report::json(&all, idle.as_ref(), &aside)
    } else {
        report::table(&all, idle.as_ref(), &aside)
    };
    writeln!(std::io::stdout(), "{text}")
}

fn tell(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "{what}")
}
