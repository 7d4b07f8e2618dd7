//! Where the migrations are.

use super::Sight;
use super::dockerfile::Dockerfile;
use crate::compose::{self, Build, Service};
use crate::name::ServiceName;

const INI: &str = "alembic.ini";

/// A service whose image carries migrations, and how they are run there.
pub(super) struct Scripts {
    pub(super) service: ServiceName,
    /// `alembic.ini`, relative to the repository's root.
    pub(super) ini: String,
    /// The command, where it is not just `alembic`.
    pub(super) command: Option<Vec<String>>,
    /// The directory to run it in, where it is not the image's.
    pub(super) workdir: Option<String>,
    /// Set where neither is certain.
    pub(super) unsure: bool,
    /// Other services that could run them.
    pub(super) others: Vec<ServiceName>,
    /// What migrates by itself when a container starts: service and place.
    pub(super) by_itself: Vec<(ServiceName, String)>,
}

/// Finds the service that is most likely meant to run migrations.
pub(super) fn find(sight: &Sight<'_>) -> Option<Scripts> {
    let mut found: Vec<(&ServiceName, &Service, &Build, String)> = Vec::new();
    for (name, service) in sight.project.services.iter().filter(|(name, _)| name.number() == 1) {
        let Some(build) = &service.build else { continue };
        found.extend(folder(sight, build).map(|folder| (name, service, build, folder)));
    }
    found.sort_by_key(|(name, service, _, folder)| (rank(service, name), folder.len()));
    let (name, service, build, folder) = found.first()?;
    let by_itself = found.iter().filter_map(|(name, service, build, _)| {
        Some(((*name).clone(), starts_migrating(sight, service, build)?))
    });
    let run = run(sight, service, build, folder);
    Some(Scripts {
        service: (*name).clone(),
        ini: compose::in_tree(&build.context, &format!("{folder}/{INI}"))?,
        by_itself: by_itself.collect(),
        others: found.iter().skip(1).map(|(name, ..)| (*name).clone()).collect(),
        command: run.command,
        workdir: run.workdir,
        unsure: run.unsure,
    })
}

/// The folder of the context that holds `alembic.ini`: the top (empty), or one below it.
fn folder(sight: &Sight<'_>, build: &Build) -> Option<String> {
    let holds = |folder: &String| {
        compose::in_tree(&build.context, &format!("{folder}/{INI}")).is_some_and(|path| sight.exists(&path))
    };
    std::iter::once(String::new()).chain(sight.folders(&build.context)).find(holds)
}

/// Services that serve are better than their helpers: they have the whole environment, and always run.
fn rank(service: &Service, name: &ServiceName) -> (bool, bool, bool) {
    let helper = super::services::words(name).any(|word| {
        ["worker", "beat", "bot", "scheduler", "cron", "celery", "flower", "consumer", "queue"]
            .contains(&word)
    });
    (super::database::url(service).is_none(), helper, service.one_shot)
}

#[derive(Default)]
struct Run {
    command: Option<Vec<String>>,
    workdir: Option<String>,
    unsure: bool,
}

/// How to run Alembic in the image: where the folder went, and what its `script_location` is relative to.
fn run(sight: &Sight<'_>, service: &Service, build: &Build, folder: &str) -> Run {
    let dockerfile = Dockerfile::of(sight, build);
    if folder.is_empty() {
        return Run::default();
    }
    let home = service.working_dir.clone().or_else(|| dockerfile.workdir());
    if let Some(target) = dockerfile.copied(folder, INI) {
        return at(&target, home.as_deref());
    }
    if !beside_ini(sight, build, folder) {
        let command = ["alembic".to_owned(), "-c".to_owned(), format!("{folder}/{INI}")];
        return Run { command: Some(command.into()), ..Run::default() };
    }
    let unsure = home.is_none();
    Run {
        workdir: Some(format!("{}/{folder}", home.unwrap_or_else(|| "/app".to_owned()))),
        unsure,
        command: None,
    }
}

/// In a directory that the Dockerfile names.
fn at(target: &str, home: Option<&str>) -> Run {
    let target = target.trim_end_matches('/');
    let same = matches!(target, "." | "") || Some(target) == home;
    let inner = target.trim_start_matches("./");
    match home {
        _ if same => Run::default(),
        _ if target.contains('$') => Run { workdir: Some("/app".to_owned()), unsure: true, command: None },
        _ if target.starts_with('/') => Run { workdir: Some(target.to_owned()), ..Run::default() },
        Some(home) => Run { workdir: Some(format!("{home}/{inner}")), ..Run::default() },
        None => Run { workdir: Some(format!("/{inner}")), ..Run::default() },
    }
}

/// Whether `script_location` only works in the folder of `alembic.ini`.
fn beside_ini(sight: &Sight<'_>, build: &Build, folder: &str) -> bool {
    let path = |below: &str| compose::in_tree(&build.context, below);
    let text = path(&format!("{folder}/{INI}")).and_then(|path| sight.read(&path)).unwrap_or_default();
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "script_location").then(|| value.trim().to_owned())
    };
    let Some(location) = text.lines().find_map(value) else { return true };
    let there = |below: &str| path(below).is_some_and(|path| sight.exists(&path));
    !location.contains("%(here)s") && there(&format!("{folder}/{location}")) && !there(&location)
}

/// Whether a container of the service migrates before it serves, and where that is written.
fn starts_migrating(sight: &Sight<'_>, service: &Service, build: &Build) -> Option<String> {
    let written = [("command", &service.command), ("entrypoint", &service.entrypoint)];
    let mut starts: Vec<(String, String)> = written
        .into_iter()
        .filter_map(|(key, words)| Some((format!("`{key}`"), words.as_ref()?.join(" "))))
        .collect();
    let dockerfile = Dockerfile::of(sight, build).start();
    starts.extend(dockerfile.into_iter().map(|line| ("its Dockerfile".to_owned(), line)));
    let scripts: Vec<(String, String)> =
        starts.iter().flat_map(|(_, line)| scripts(sight, build, line)).collect();
    let migrates = |text: &str| text.contains("alembic") && text.contains("upgrade");
    starts.into_iter().chain(scripts).find(|(_, text)| migrates(text)).map(|(place, _)| place)
}

/// The shell scripts that a command line names, as far as the context holds them.
fn scripts(sight: &Sight<'_>, build: &Build, line: &str) -> Vec<(String, String)> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '[' | ']' | ','));
    let script = |word: &str| {
        let name = word.rsplit('/').next()?;
        let places = [word.trim_start_matches('/'), name]
            .into_iter()
            .filter_map(|path| compose::in_tree(&build.context, path));
        places.into_iter().find_map(|path| Some((format!("`{path}`"), sight.read(&path)?)))
    };
    words.filter(|word| word.ends_with(".sh")).filter_map(script).collect()
}
