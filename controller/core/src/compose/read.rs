//! Reading a project, from the manifest's wish to the model.

use std::collections::BTreeSet;

use super::Project;
use super::classic;
use super::fields::{Context, Report};
use super::interpolate::{self, Variables};
use super::load::{self, Loader};
use super::modern;
use super::normalise;
use super::path;
use super::resources;
use super::scalar::{one_or_many, word};
use super::scope::Places;
use crate::files::Files;
use crate::located::{Fault, Faults};
use crate::manifest;
use crate::name::{AppName, ProjectName};
use crate::yaml::Node;

/// Compose files by the order in which Compose looks for them, each with what it merges by itself.
pub(crate) const DEFAULT_FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
pub(crate) const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What to read.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The application: its name is the project's where nothing else says so.
    pub app: &'r AppName,
    /// The manifest's directory, relative to the repository's root (`.` for the root itself).
    pub manifest_dir: &'r str,
    /// `spec.compose` of the manifest.
    pub compose: &'r manifest::Compose,
    /// The commit's files, and the host's.
    pub files: &'r dyn Files,
}

/// Reads a project: merged, interpolated, every key honoured or refused.
///
/// Variables come from `.env` beside the Compose file and in the project directory on the host, which wins; never from the
/// controller's own environment. Warnings are for people and begin with their place.
///
/// # Errors
/// Every fault that can be found, each with its place where it has one.
pub fn read(request: &Request<'_>) -> Result<(Project, Vec<String>), Faults> {
    let mut report = Report::default();
    let files = compose_files(request, &mut report)?;
    let root = files.first().map_or(".", |file| path::parent(file)).to_owned();
    let mut variables = variables(request, &root, &mut report)?;
    warn_of_env_files(&files, &root, &variables, &mut report);
    let name = project_name(request, &files, &variables, &mut report)?;
    let given = crate::secret::Secret::new(name.as_str());
    let before = variables.insert(PROJECT_NAME.to_owned(), given.clone());
    let named =
        before.is_none_or(|before| before.expose() != given.expose()) && mention_name(request, &files);
    let places = places(request, &root);
    let mut loader = Loader::new(places, &variables);
    let node = loader.project(&files)?;
    let single = loader.single();
    let (none_wanted, active) = active(&node, &profiles(request, &variables), &mut report);
    report.faults.extend(load::counting(loader.faults, &active));
    report.warnings.extend(loader.warnings);
    report.host_files.extend(loader.host_files);
    if !report.faults.is_empty() {
        return Err(Faults(report.faults));
    }
    let context = Context {
        places,
        scopes: loader.scopes,
        document: &node,
        services: keys(&node, "services"),
        networks: keys(&node, "networks"),
        volumes: keys(&node, "volumes"),
        active,
        none_wanted,
    };
    let mut project = normalise::project(&node, &name, files, &context, &mut report);
    // What is refused may be without bounds.
    if report.faults.is_empty() {
        project.classic = classic::views(&node, &project, single, named, &context);
        project.modern = modern::views(&node, &project, &context);
    }
    finish(project, report)
}

/// The variable that holds the project's name.
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// Whether one of the files uses the project's name as a variable, or at least speaks of it.
fn mention_name(request: &Request<'_>, files: &[String]) -> bool {
    let text = |file: &String| request.files.read(file).unwrap_or_default();
    files.iter().any(|file| String::from_utf8_lossy(&text(file)).contains(PROJECT_NAME))
}

fn finish(project: Project, report: Report) -> Result<(Project, Vec<String>), Faults> {
    if !report.faults.is_empty() {
        return Err(Faults(load::each_once(report.faults)));
    }
    let host_files = report.host_files.into_iter().collect();
    Ok((Project { host_files, ..project }, report.warnings))
}

fn keys(node: &Node, section: &str) -> BTreeSet<String> {
    node.get(section).and_then(Node::mapping).into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

fn compose_files(request: &Request<'_>, report: &mut Report) -> Result<Vec<String>, Fault> {
    let in_tree = |file: &str| {
        let outside = || Fault::new(format!("the Compose file `{file}` is outside of the repository"));
        path::in_tree(request.manifest_dir, file).ok_or_else(outside)
    };
    if request.compose.files.is_empty() {
        return default_files(request, report);
    }
    request.compose.files.iter().map(|file| in_tree(file)).collect()
}

fn first_of(request: &Request<'_>, names: &[&str]) -> Result<Option<String>, Fault> {
    for name in names {
        let Some(path) = path::in_tree(request.manifest_dir, name) else { continue };
        if request.files.entry(&path).map_err(|error| Fault::new(error.to_string()))?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn default_files(request: &Request<'_>, report: &mut Report) -> Result<Vec<String>, Fault> {
    let Some(file) = first_of(request, &DEFAULT_FILES)? else {
        let fault =
            Fault::new(format!("`{}` holds none of `{}`", request.manifest_dir, DEFAULT_FILES.join("`, `")));
        return Err(fault.hint("name the Compose files in `spec.compose.files` of the manifest"));
    };
    let other = first_of(request, &OVERRIDES)?;
    if let Some(other) = &other {
        report.warnings.push(format!("`{other}` is merged, as Compose does where no file is named"));
    }
    Ok([Some(file), other].into_iter().flatten().collect())
}

fn places<'r>(request: &Request<'r>, root: &'r str) -> Places<'r> {
    Places { files: request.files, project_directory: request.compose.project_directory.as_deref(), root }
}

/// The tree's `.env`, then the host's.
fn variables(request: &Request<'_>, root: &str, report: &mut Report) -> Result<Variables, Fault> {
    let mut variables = Variables::new();
    let places = Places {
        files: request.files,
        project_directory: request.compose.project_directory.as_deref(),
        root,
    };
    places.add_variables(root, ".env", &Variables::new(), &mut variables, &mut report.host_files)?;
    Ok(variables)
}

/// The files that `COMPOSE_FILE` of `.env` names: those that Compose reads where nobody names others.
///
/// # Errors
/// When `.env` cannot be read.
pub(crate) fn files_of_env(request: &Request<'_>) -> Result<Option<Vec<String>>, Fault> {
    let variables = variables(request, request.manifest_dir, &mut Report::default())?;
    Ok(env_files(&variables))
}

fn env_files(variables: &Variables) -> Option<Vec<String>> {
    let text = |name: &str| variables.get(name).map(|value| value.expose()).filter(|text| !text.is_empty());
    let separator = text("COMPOSE_PATH_SEPARATOR").unwrap_or(":");
    Some(text("COMPOSE_FILE")?.split(separator).map(str::to_owned).collect())
}

/// Whoever deployed with Compose so far may expect it to be followed here as well.
fn warn_of_env_files(files: &[String], root: &str, variables: &Variables, report: &mut Report) {
    let Some(named) = env_files(variables) else { return };
    let named: Vec<_> = named.iter().map(|file| path::in_tree(root, file)).collect();
    if !named.iter().map(Option::as_ref).eq(files.iter().map(Some)) {
        let message = "`COMPOSE_FILE` of `.env` is not followed: `spec.compose.files` of the manifest says which files are read";
        report.warnings.push(format!("{message}, here `{}`", files.join("`, `")));
    }
}

/// The manifest's, else `COMPOSE_PROJECT_NAME` of `.env`, else `name:` of the last file that has one, else the application's.
fn project_name(
    request: &Request<'_>,
    files: &[String],
    variables: &Variables,
    report: &mut Report,
) -> Result<ProjectName, Fault> {
    if let Some(name) = &request.compose.project_name {
        return Ok(name.clone());
    }
    let from_env = variables.get(PROJECT_NAME).map(|name| name.expose().to_owned());
    let (name, place) = match from_env.filter(|name| !name.is_empty()) {
        Some(name) => (name, None),
        None => match written_name(request, files, variables)? {
            Some((name, place)) => (name, Some(place)),
            None => (guessed_name(request, report), None),
        },
    };
    let name = ProjectName::new(name);
    if manifest::is_project_name(&name) {
        return Ok(name);
    }
    let message = "the project's name is not made of lower-case letters, digits, `-` and `_`";
    let fault = place.map_or_else(|| Fault::new(message), |place| place.fault(message));
    Err(fault.hint("set `spec.compose.projectName` in the manifest"))
}

fn written_name(
    request: &Request<'_>,
    files: &[String],
    variables: &Variables,
) -> Result<Option<(String, Node)>, Fault> {
    let mut name = None;
    for file in files {
        let node = load::parse(request.files, file)?;
        let Some(found) = node.get("name").filter(|node| !node.is_null()) else { continue };
        let (mut found, mut faults) = (found.clone(), Vec::new());
        interpolate::tree(&mut found, variables, &mut { interpolate::BUDGET }, &mut faults);
        faults.into_iter().next().map_or(Ok(()), Err)?;
        name = Some((word(&found)?, found));
    }
    Ok(name)
}

/// Compose would have taken the directory's name: whoever adopts a stack must hear of a difference.
fn guessed_name(request: &Request<'_>, report: &mut Report) -> String {
    let app = request.app.to_string();
    let directory = request.compose.project_directory.as_deref().unwrap_or_default();
    let compose = directory_name(directory);
    if !compose.is_empty() && compose != app {
        let message = format!(
            "the project is named `{app}`, but Compose run in {directory} would have named it `{compose}`"
        );
        report.warnings.push(format!("{message}; set `spec.compose.projectName` in the manifest"));
    }
    app
}

/// What Compose makes of a directory's name; empty where nothing of it can stand in a project's.
pub(crate) fn directory_name(directory: &str) -> String {
    let last = directory.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_lowercase();
    let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    name.trim_start_matches(['-', '_']).to_owned()
}

fn profiles(request: &Request<'_>, variables: &Variables) -> BTreeSet<String> {
    let from_env =
        variables.get("COMPOSE_PROFILES").map(|value| value.expose().to_owned()).unwrap_or_default();
    let named =
        from_env.split(',').map(|profile| profile.trim().to_owned()).filter(|profile| !profile.is_empty());
    named.chain(request.compose.profiles.iter().cloned()).collect()
}

/// The services of the active profiles: those that are scaled to 0, and the others.
fn active(
    node: &Node,
    profiles: &BTreeSet<String>,
    report: &mut Report,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut none_wanted, mut active) = (BTreeSet::new(), BTreeSet::new());
    for (name, entry) in node.get("services").and_then(Node::mapping).into_iter().flatten() {
        let service = &entry.node;
        let profiled = service.get("profiles").filter(|node| !node.is_null()).map(one_or_many).transpose();
        let wanted = report.take(profiled).flatten().unwrap_or_default();
        let asked_for = |profile: &String| profiles.contains(profile);
        let is_active = wanted.is_empty() || profiles.contains("*") || wanted.iter().any(asked_for);
        if is_active {
            let of = if resources::none_wanted(service) { &mut none_wanted } else { &mut active };
            of.insert(name.clone());
        }
    }
    (none_wanted, active)
}
