//! `init`: a first manifest for a Compose project that exists already, each guess explained beside it.
//!
//! The flow: `layout` finds the Compose files, the project is read as a rollout would read it, `database`, `services` and
//! `traffic` guess what Compose cannot say, and `draft` writes it down. What is only likely is written as a comment.

mod alembic;
mod database;
mod dockerfile;
mod draft;
mod health;
mod layout;
mod services;
mod traffic;

use self::draft::{Lines, list, scalar};
use self::layout::Layout;
use super::Compose;
use crate::compose::{self, Project, Request, Service};
use crate::files::{EntryKind, Files};
use crate::located::{Fault, Faults};
use crate::name::{AppName, ProjectName};

/// What the manifest is called in messages: it has no place yet.
const NAME: &str = "evenkeel.yaml";

/// Where nothing else gives a name.
const NAMELESS: &str = "app";

/// Writes a manifest for the Compose project in a folder of the tree (empty or `.`: the top), which lives in
/// `directory_on_host`.
///
/// # Errors
/// Where the folder holds no Compose file, several equal ones, or one that cannot be read.
pub fn init(files: &dyn Files, folder: &str, directory_on_host: &str) -> Result<String, Faults> {
    let folder =
        compose::in_tree(folder, "").ok_or_else(|| Fault::new(format!("`{folder}` is no folder")))?;
    let layout = layout::find(files, &folder, directory_on_host)?;
    let wish = Compose { files: layout.files.clone(), ..wish(directory_on_host) };
    // Under the directory's name, so that the project's comes out as Compose would choose it.
    let app = AppName::new(named_by(directory_on_host));
    let request = Request { app: &app, manifest_dir: &folder, compose: &wish, files };
    let (project, _) = compose::read(&request).map_err(unreadable)?;
    let sight = Sight { files, project: &project };
    let text = manifest(&sight, &layout).render();
    check(&text, &project)?;
    Ok(text)
}

/// The project as it would be read with a manifest that says nothing.
fn wish(directory: &str) -> Compose {
    let project_directory = Some(directory.to_owned());
    Compose { files: Vec::new(), project_name: None, project_directory, profiles: Vec::new() }
}

fn named_by(directory: &str) -> String {
    let name = compose::directory_name(directory);
    if name.is_empty() { NAMELESS.to_owned() } else { name }
}

fn unreadable(mut faults: Faults) -> Faults {
    let fault = Fault::new("nothing can be guessed from a project that cannot be read");
    faults.0.push(fault.hint("mend it, or run this on the host where the stack lives, beside its env files"));
    faults
}

/// A draft that is refused later would be worse than none.
fn check(text: &str, project: &Project) -> Result<(), Faults> {
    let application = super::read(NAME, text)?;
    let faults = super::check_located(NAME, text, &application, project);
    if faults.0.is_empty() { Ok(()) } else { Err(faults) }
}

/// What is looked at for guesses. A guess never fails: what cannot be read is not there.
struct Sight<'s> {
    files: &'s dyn Files,
    project: &'s Project,
}

impl Sight<'_> {
    fn read(&self, path: &str) -> Option<String> {
        self.files.read(path).ok().map(|content| String::from_utf8_lossy(&content).into_owned())
    }

    fn exists(&self, path: &str) -> bool {
        matches!(self.files.entry(path), Ok(Some(_)))
    }

    fn folders(&self, path: &str) -> Vec<String> {
        let is_folder = |name: &String| {
            let entry = compose::in_tree(path, name).map(|path| self.files.entry(&path));
            matches!(entry, Some(Ok(Some(entry))) if entry.kind == EntryKind::Directory)
        };
        self.files.list(path).unwrap_or_default().into_iter().filter(is_folder).collect()
    }
}

fn manifest(sight: &Sight<'_>, layout: &Layout) -> Lines {
    let mut top = Lines::default();
    top.note("Written by `evenkeel init`, as a first draft: each guess says where it comes from. `evenkeel validate` checks it.");
    top.yaml("apiVersion: evenkeel/v1");
    top.yaml("kind: Application");
    let mut metadata = Lines::default();
    metadata.yaml(format!("name: {}", scalar(&app_name(&sight.project.name))));
    top.block("metadata:", metadata);
    let mut spec = Lines::default();
    spec.block("compose:", compose_section(sight.project, layout));
    spec.append(database::guess(sight));
    spec.block("services:", services::guess(sight));
    spec.append(traffic::guess(sight));
    top.block("spec:", spec);
    top
}

/// The project's name as an application's, which may not hold `_`.
fn app_name(project: &ProjectName) -> String {
    let name: String = project.as_str().replace('_', "-").chars().take(63).collect();
    name.trim_matches('-').to_owned()
}

fn compose_section(project: &Project, layout: &Layout) -> Lines {
    let mut lines = Lines::default();
    lines.note(&layout.why);
    lines.yaml(format!("files: {}", list(&layout.files)));
    let volumes: Vec<&str> = project
        .volumes
        .values()
        .filter(|volume| !volume.external)
        .map(|volume| volume.name.as_str())
        .collect();
    lines.note(format!("As Compose names it here{}.", keeping(&volumes)));
    lines.yaml(format!("projectName: {}", scalar(project.name.as_str())));
    lines.note(format!("Where the stack lives on the host{}.", outside_git(project)));
    lines.yaml(format!("projectDirectory: {}", scalar(&project.directory)));
    lines
}

fn keeping(volumes: &[&str]) -> String {
    match volumes {
        [] => String::new(),
        volumes => format!(", so that the volumes that exist are found again: {}", volumes.join(", ")),
    }
}

fn outside_git(project: &Project) -> String {
    match project.host_files.as_slice() {
        [] => "; what the Compose file names and git does not hold is looked for there".to_owned(),
        files => format!("; files outside git are read from there and watched: {}", files.join(", ")),
    }
}

/// An image's name without registry, folder, tag and digest.
fn image_name(service: &Service) -> Option<&str> {
    let image = service.image.as_deref()?;
    let last = image.split('@').next()?.rsplit('/').next()?;
    last.split(':').next()
}

#[cfg(test)]
mod tests;
