//! `services`: probes, singletons, and volumes that may be shared.

use super::Sight;
use super::draft::{Lines, list, scalar};
use super::health;
use crate::compose::{MountSource, Service};
use crate::name::ServiceName;

/// Parts of names of what must never run twice.
const SINGLETONS: [&str; 6] = ["bot", "scheduler", "beat", "cron", "cronjob", "poller"];

/// An HTTP request that a healthcheck makes.
pub(super) struct Request {
    pub(super) path: String,
    port: u16,
}

/// What can be said about each service; nothing for most.
pub(super) fn guess(sight: &Sight<'_>) -> Lines {
    let mut lines = Lines::default();
    // What is said of a service is said of all its containers.
    let services = sight.project.services.iter().filter(|(name, _)| name.number() == 1);
    for (name, service) in services {
        let mut body = Lines::default();
        probe(sight, name, service, &mut body);
        let is_alone = sight.project.further(name).next().is_none();
        let single = single(name, service).filter(|_| is_alone);
        if let Some(why) = &single {
            singleton(why, &mut body);
        } else {
            shared_volumes(service, &mut body);
        }
        lines.block(format!("{}:", scalar(name.as_str())), body);
    }
    lines
}

fn probe(sight: &Sight<'_>, name: &ServiceName, service: &Service, lines: &mut Lines) {
    let line = |path: &str, port: u16| format!("probe: {{http: {{path: {}, port: {port}}}}}", scalar(path));
    if let Some(request) = request(name, service) {
        lines.note("As its healthcheck asks.");
        lines.yaml(line(&request.path, request.port));
    } else if let Some(port) = health::port(sight, name, service) {
        lines.note("If it answers HTTP: a probe proves a new release in private, before it takes over.");
        let route = health::route(sight, service);
        if let Some(route) = &route {
            lines.note(format!("The path is a route in {}; the port is from {}.", route.by, port.by));
        }
        lines.off(line(route.map_or("/health", |route| route.what), port.what));
    }
}

/// The request that a healthcheck makes with curl, wget or a line of Python.
pub(super) fn request(name: &ServiceName, service: &Service) -> Option<Request> {
    let test = service.healthcheck.as_ref()?.test.join(" ");
    let (_, rest) = test.split_once("http://")?;
    let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | ';' | '|' | '>' | '`');
    let url = rest.split(end).next()?;
    let (authority, path) = url.find('/').map_or((url, "/"), |slash| url.split_at(slash));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (authority, 80),
    };
    let own = matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "[::1]") || host == name.as_str();
    let path = path.split('#').next().filter(|path| !path.contains('$'))?;
    own.then(|| Request { path: path.to_owned(), port })
}

fn singleton(why: &str, lines: &mut Lines) {
    lines.note(format!("Never two at once, {why}: the old one stops before the new one starts."));
    lines.yaml("singleton: true");
}

/// Why a service may not run twice.
fn single(name: &ServiceName, service: &Service) -> Option<String> {
    if let Some(word) = words(name).find(|word| SINGLETONS.contains(word)) {
        return Some(format!("judging by `{word}` in its name"));
    }
    let command = service.command.as_ref()?.join(" ");
    let scheduler = command.split_whitespace().any(|word| matches!(word, "beat" | "-B"));
    (command.contains("celery") && scheduler).then(|| "as it runs Celery's scheduler".to_owned())
}

/// The parts of a name: `tg-bot_2` is `tg`, `bot` and `2`.
pub(super) fn words(name: &ServiceName) -> impl Iterator<Item = &str> {
    name.as_str().split(['-', '_', '.'])
}

fn shared_volumes(service: &Service, lines: &mut Lines) {
    let key = |mount: &crate::compose::Mount| match &mount.source {
        MountSource::Volume { volume, .. } => Some(volume.clone()),
        _ => None,
    };
    let volumes: Vec<String> = service.writable_volumes().filter_map(key).collect();
    if service.build.is_none() || volumes.is_empty() {
        return;
    }
    lines.note(
        "It writes to a volume, so that it is stopped before its successor starts. Where two may write at once for a moment, \
         as with uploads:",
    );
    lines.off(format!("sharedVolumes: {}", list(&volumes)));
}
