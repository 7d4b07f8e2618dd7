//! Which Compose files make the project.

use super::{NAMELESS, wish};
use crate::compose::{self, DEFAULT_FILES, OVERRIDES, Request};
use crate::files::Files;
use crate::located::Fault;
use crate::name::AppName;

/// The files, and why these.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) files: Vec<String>,
    pub(super) why: String,
}

/// Finds the Compose files of a folder.
pub(super) fn find(files: &dyn Files, folder: &str, directory: &str) -> Result<Layout, Fault> {
    let (app, compose) = (AppName::new(NAMELESS), wish(directory));
    let request = Request { app: &app, manifest_dir: folder, compose: &compose, files };
    let names = files.list(folder).map_err(|error| Fault::new(error.to_string()))?;
    let layout = match compose::files_of_env(&request)? {
        Some(files) => Layout { files, why: "As `COMPOSE_FILE` of `.env` says.".to_owned() },
        None => by_name(&names, folder)?,
    };
    Ok(mention_others(layout, &names))
}

fn by_name(names: &[String], folder: &str) -> Result<Layout, Fault> {
    let first =
        |known: &[&'static str]| known.iter().copied().find(|known| names.iter().any(|name| name == known));
    if let Some(file) = first(&DEFAULT_FILES) {
        let files: Vec<String> =
            [Some(file), first(&OVERRIDES)].into_iter().flatten().map(str::to_owned).collect();
        let why = ["The file that Compose takes by itself.", "The files that Compose takes by itself."];
        return Ok(Layout { why: why[usize::from(files.len() > 1)].to_owned(), files });
    }
    let found: Vec<&String> = names.iter().filter(|name| is_compose(name)).collect();
    let production: Vec<&String> = found.iter().copied().filter(|name| name.contains("prod")).collect();
    let (file, why) = match (found.as_slice(), production.as_slice()) {
        ([only], _) => (*only, "The only Compose file here."),
        (_, [one]) => (*one, "By its name: none here has a name that Compose takes by itself."),
        ([], _) => return Err(none(folder)),
        (several, _) => return Err(undecided(several)),
    };
    Ok(Layout { files: vec![file.clone()], why: why.to_owned() })
}

fn is_compose(name: &str) -> bool {
    let named = ["compose", "docker-compose"].iter().any(|start| name.starts_with(start));
    named && [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
}

fn none(folder: &str) -> Fault {
    Fault::new(format!("`{folder}` holds no Compose file")).hint("name the folder that does")
}

fn undecided(found: &[&String]) -> Fault {
    let names: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
    Fault::new(format!("which of `{}` run here is not clear", names.join("`, `")))
        .hint("put `COMPOSE_FILE=…` into `.env` beside them, as Compose reads it")
}

fn mention_others(mut layout: Layout, names: &[String]) -> Layout {
    let other = |name: &&String| is_compose(name) && !layout.files.contains(name);
    let others: Vec<&str> = names.iter().filter(other).map(String::as_str).collect();
    if !others.is_empty() {
        let more = format!(
            " Not read: {}; add what you start the stack with (`-f`), in that order.",
            others.join(", ")
        );
        layout.why.push_str(&more);
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Disk;

    fn shown(names: &[&str], env: &str) -> String {
        let files: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).chain([(".env", env)]).collect();
        match find(&Disk::with(&files), ".", "/srv/shop") {
            Ok(layout) => format!("{} <- {}", layout.files.join(" "), layout.why),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn files_by_what_compose_would_do_then_by_name() {
        insta::assert_snapshot!(shown(&["compose.yaml"], ""), @"compose.yaml <- The file that Compose takes by itself.");
        insta::assert_snapshot!(shown(&["docker-compose.yml", "docker-compose.override.yml", "docker-compose.production.yml"], ""), @"docker-compose.yml docker-compose.override.yml <- The files that Compose takes by itself. Not read: docker-compose.production.yml; add what you start the stack with (`-f`), in that order.");
        insta::assert_snapshot!(shown(&["docker-compose.production.yml", "composer.json"], ""), @"docker-compose.production.yml <- The only Compose file here.");
        insta::assert_snapshot!(shown(&["docker-compose.dev.yml", "docker-compose.prod.yml"], ""), @"docker-compose.prod.yml <- By its name: none here has a name that Compose takes by itself. Not read: docker-compose.dev.yml; add what you start the stack with (`-f`), in that order.");
        insta::assert_snapshot!(shown(&["docker-compose.dev.yml", "docker-compose.test.yml"], ""), @"which of `docker-compose.dev.yml`, `docker-compose.test.yml` run here is not clear (put `COMPOSE_FILE=…` into `.env` beside them, as Compose reads it)");
        insta::assert_snapshot!(shown(&["compose.yaml", "compose.prod.yaml"], "COMPOSE_FILE=compose.yaml:compose.prod.yaml"), @"compose.yaml compose.prod.yaml <- As `COMPOSE_FILE` of `.env` says.");
        insta::assert_snapshot!(shown(&["README.md"], ""), @"`.` holds no Compose file (name the folder that does)");
    }
}
