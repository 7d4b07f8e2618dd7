//! `database`: the server, and the migrations.

use super::Sight;
use super::alembic::{self, Scripts};
use super::draft::{Lines, list, scalar};
use super::image_name;
use crate::compose::{Project, Service};
use crate::name::ServiceName;

/// Images of PostgreSQL under other names.
const RELATIVES: [&str; 4] = ["postgis", "timescaledb", "timescaledb-ha", "pgvector"];

/// Programs of a major version dump servers of that version and all before it.
const CLIENT: &str = "postgres:17";

enum Server {
    /// A service of the project.
    Inside(ServiceName),
    /// Elsewhere: the variable that holds its URL.
    Outside(String),
}

/// The section, or what is missing for it.
pub(super) fn guess(sight: &Sight<'_>) -> Lines {
    let scripts = alembic::find(sight);
    let server = server(sight.project, scripts.as_ref());
    let mut lines = Lines::default();
    match (server, scripts) {
        (Some(server), Some(scripts)) => lines.block("database:", section(sight.project, &server, &scripts)),
        (Some(Server::Inside(name)), None) => lines.append(without_scripts(&name)),
        (None | Some(Server::Outside(_)), None) => {}
        (None, Some(scripts)) => lines.append(without_server(sight.project, &scripts)),
    }
    lines
}

/// The server that the migrations' service names in a URL, else the only candidate of the project.
fn server(project: &Project, scripts: Option<&Scripts>) -> Option<Server> {
    let service = scripts.and_then(|scripts| project.services.get(&scripts.service));
    let url = service.and_then(url);
    if let Some((variable, host)) = url {
        let inside = project.services.keys().find(|name| answers(project, name, &host));
        return Some(inside.cloned().map_or(Server::Outside(variable), Server::Inside));
    }
    let servers = project.services.iter().filter(|(_, service)| is_server(service)).map(|(name, _)| name);
    let depended =
        |name: &&ServiceName| service.is_some_and(|service| service.depends_on.contains_key(*name));
    let servers: Vec<&ServiceName> = servers.collect();
    let chosen = servers.iter().copied().find(depended).or_else(|| servers.first().copied());
    chosen.cloned().map(Server::Inside)
}

fn is_server(service: &Service) -> bool {
    image_name(service).is_some_and(|image| image.starts_with("postgres") || RELATIVES.contains(&image))
}

/// Whether a service is reached under a name.
pub(super) fn answers(project: &Project, name: &ServiceName, host: &str) -> bool {
    let Some(service) = project.services.get(name) else { return false };
    let aliases = service.networks.values().flat_map(|attachment| &attachment.aliases);
    name.as_str() == host
        || service.container_name.as_deref() == Some(host)
        || aliases.into_iter().any(|alias| alias == host)
}

/// The variable that holds a PostgreSQL URL, and the host in it. The rest of it is nobody's business.
pub(super) fn url(service: &Service) -> Option<(String, String)> {
    let is_url = |value: &str| value.starts_with("postgres") && value.contains("://");
    let found = service.environment.iter().filter(|(_, value)| is_url(value.expose()));
    // DATABASE_URL before TEST_DATABASE_URL.
    let (name, value) = found.min_by_key(|(name, _)| (name.len(), name.as_str()))?;
    let (_, rest) = value.expose().split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some((name.clone(), host.to_owned()))
}

fn section(project: &Project, server: &Server, scripts: &Scripts) -> Lines {
    let mut lines = Lines::default();
    match server {
        Server::Inside(name) => inside(project, name, &mut lines),
        Server::Outside(variable) => outside(variable, &scripts.service, &mut lines),
    }
    lines.block("migrations:", migrations(scripts));
    lines.note("A dump, decoded in full, before the schema moves. Those that a release may still need are kept beside them.");
    lines.yaml("backup: {before: migration, keep: 14}");
    lines
}

fn inside(project: &Project, name: &ServiceName, lines: &mut Lines) {
    let service = project.services.get(name);
    let says = |variable: &str| service.is_some_and(|service| service.environment.contains_key(variable));
    let image = service.and_then(|service| service.image.as_deref()).unwrap_or("PostgreSQL");
    lines.note(format!("It runs {image}."));
    lines.yaml(format!("service: {}", scalar(name.as_str())));
    for (key, variable) in [("name", "POSTGRES_DB"), ("user", "POSTGRES_USER")] {
        match says(variable) {
            true => lines.note(format!("`{key}` is what its {variable} says.")),
            false => lines.off(format!("{key}: postgres  # its environment has no {variable}")),
        }
    }
}

fn outside(variable: &str, service: &ServiceName, lines: &mut Lines) {
    lines.note(format!("{variable} of `{service}` names a server that is not part of this project."));
    lines.yaml(format!("urlFrom: {{env: {}, service: {}}}", scalar(variable), scalar(service.as_str())));
    lines.note("Where pg_dump and pg_restore come from. Not older than the server.");
    lines.yaml(format!("clientImage: {CLIENT}"));
}

fn migrations(scripts: &Scripts) -> Lines {
    let mut lines = Lines::default();
    lines.yaml("tool: alembic");
    lines.note(format!(
        "Its image is built from the folder with {}{}.",
        scripts.ini,
        others(&scripts.others)
    ));
    lines.yaml(format!("service: {}", scalar(scripts.service.as_str())));
    how(scripts, &mut lines);
    lines.note("Where env.py names another table:");
    lines.off("versionTable: alembic_version");
    lines.off("versionTableSchema: public");
    lines.note(
        "`auto` goes by the rehearsal: old code keeps serving only while a migration merely adds to the schema.",
    );
    lines.yaml("mode: auto");
    lines
        .note("A revert takes the schema back too, where the rehearsal led back exactly; `keep` never does.");
    lines.yaml("onRevert: downgrade");
    for (service, place) in &scripts.by_itself {
        lines.note(by_itself(service, place));
    }
    lines
}

fn others(others: &[ServiceName]) -> String {
    let names: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("; so is that of {}", names.join(" and ")) }
}

fn how(scripts: &Scripts, lines: &mut Lines) {
    if let Some(command) = &scripts.command {
        lines.note("From the image's working directory.");
        lines.yaml(format!("command: {}", list(command)));
    }
    let Some(workdir) = &scripts.workdir else { return };
    let line = format!("workdir: {}", scalar(workdir));
    lines.note("Where alembic.ini is in the image, judging by the Dockerfile.");
    if scripts.unsure { lines.off(line) } else { lines.yaml(line) }
}

fn by_itself(service: &ServiceName, place: &str) -> String {
    let who = format!("To do: `{service}` runs `alembic upgrade` whenever it starts, see {place}.");
    format!(
        "{who} Take that out; evenkeel migrates before, and an older image that tries it on a newer schema dies."
    )
}

/// Nobody backs the server up either, which is worth a word.
fn without_scripts(name: &ServiceName) -> Lines {
    let mut example = Lines::default();
    example.off(format!("service: {}", scalar(name.as_str())));
    example.off("migrations: {tool: alembic, service: …}");
    let mut lines = Lines::default();
    lines.note(format!(
        "`{name}` runs PostgreSQL, but no service is built from a folder with an alembic.ini. Without this section evenkeel \
         neither moves nor backs up the database."
    ));
    lines.block("database:", example);
    lines
}

fn without_server(project: &Project, scripts: &Scripts) -> Lines {
    let mut lines = Lines::default();
    let service = &scripts.service;
    lines.note(format!(
        "`{service}` carries {}, but none of its variables holds the URL of a PostgreSQL. Name the one that does:",
        scripts.ini
    ));
    let server = Server::Outside("DATABASE_URL".to_owned());
    lines.block("database:", section(project, &server, scripts));
    lines.commented()
}
