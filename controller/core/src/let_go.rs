//! Letting go: what docker-compose 1.29 would do to a stack that evenkeel looked after until now.

use std::collections::BTreeMap;

use crate::compose::{Classic, image_name, path};
use crate::container::label;
use crate::name::{ImageId, ServiceName};
use crate::observed::Container;
use crate::release::Release;

/// What `docker-compose up -d` would do to a service's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing.
    Kept,
    /// Make it anew, and why.
    MadeAnew(String),
    /// Make one: there is none.
    Made,
    /// It cannot be told, and why; docker-compose made the container itself.
    Untold(String),
}

/// The command that docker-compose 1.29 takes the stack over with, and at which commit. It names its files: without them that program
/// looks for some of its own, and merges an override that lies beside them.
pub fn command(release: &Release) -> String {
    let profiles = &release.manifest.spec.compose.profiles;
    let root = release.project.files.first().map_or(".", |file| path::parent(file));
    let mut words = vec!["docker-compose".to_owned(), "-p".to_owned(), release.project.name.to_string()];
    words.extend(release.project.files.iter().flat_map(|file| ["-f".to_owned(), path::from(root, file)]));
    words.extend(profiles.iter().flat_map(|profile| ["--profile".to_owned(), profile.clone()]));
    words.extend(["up".to_owned(), "-d".to_owned()]);
    let up = words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
    let commit = release.revision.short();
    match (release.project.directory.as_str(), root) {
        ("", ".") => format!("In a checkout of the live commit, {commit}, `{up}`"),
        ("", root) => {
            format!("In a checkout of the live commit, {commit}, `cd {} && {up}`", shell_word(root))
        }
        (directory, _) => {
            format!("At the live commit (`git checkout {commit}`), `cd {} && {up}`", shell_word(directory))
        }
    }
}

/// A word as a shell takes it for one.
fn shell_word(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,=".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The tags that docker-compose 1.29 looks for, and nobody has moved so far: those of builds without an `image`. By service.
pub fn tags_of_builds(release: &Release) -> BTreeMap<ServiceName, String> {
    let unnamed = release.project.services.iter();
    let unnamed = unnamed.filter(|(_, service)| service.build.is_some() && service.image.is_none());
    unnamed.map(|(name, service)| (name.clone(), image_name(&release.project, name, service))).collect()
}

/// Why the stack cannot be let go of now: docker-compose 1.29 has as many containers of a service as the file says, and of more it
/// removes some, which may be those that serve. With what to do about it.
pub fn hindrance(release: &Release, containers: &[Container]) -> Option<String> {
    let names = |name| {
        let own = of_service_alone(release, name, containers);
        (own.len() > 1).then(|| own.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", "))
    };
    let (service, names) =
        release.project.services.keys().find_map(|name| names(name).map(|names| (name, names)))?;
    Some(format!(
        "{service} has more than one container ({names}), and docker-compose 1.29 would remove the newer one, which may be the one that \
         serves: not let go of. `evenkeel retry {}`, or a deployment, may clear away what was left over; else remove by hand \
         the one that does not serve (`evenkeel status` names the one that does)",
        release.app
    ))
}

/// Those of one of a service's containers; where the release has fewer of them than there are, the last one's are several.
fn of_service_alone<'c>(
    release: &Release,
    name: &ServiceName,
    containers: &'c [Container],
) -> Vec<&'c Container> {
    let own = containers.iter().filter(|it| it.instance(&release.project).as_ref() == Some(name));
    own.filter(|it| it.label(label::COMPOSE_ONEOFF) != Some("True")).collect()
}

/// What would become of every service of a release. `images`: the ids of the images that docker-compose 1.29 looks for, by name.
pub fn afterwards(
    release: &Release,
    containers: &[Container],
    images: &BTreeMap<String, ImageId>,
) -> BTreeMap<ServiceName, Afterwards> {
    let services = release.project.services.iter();
    services
        .map(|(name, service)| {
            let image = images.get(&image_name(&release.project, name, service));
            (
                name.clone(),
                of_service(
                    release.project.classic.get(name),
                    &of_service_alone(release, name, containers),
                    image,
                ),
            )
        })
        .collect()
}

fn of_service(classic: Option<&Classic>, containers: &[&Container], image: Option<&ImageId>) -> Afterwards {
    let [container] = containers else {
        return match containers {
            [] => Afterwards::Made,
            more => Afterwards::MadeAnew(format!("it has {} containers", more.len())),
        };
    };
    let hash = container.label(label::COMPOSE_CONFIG_HASH);
    let ours = container.label(label::ROLLOUT).is_some();
    match (classic, hash, image) {
        (Some(Classic::Unknown(why)), None, _) => Afterwards::MadeAnew(why.clone()),
        (None, None, _) => Afterwards::MadeAnew("it was made before evenkeel knew docker-compose's digests".to_owned()),
        (_, Some(_), None) => Afterwards::MadeAnew("the engine has no image of its name".to_owned()),
        (Some(classic @ Classic::Known(_)), hash, Some(image)) if classic.hash(image).as_deref() == hash => {
            Afterwards::Kept
        }
        (Some(Classic::Unknown(why)), Some(_), _) if !ours => Afterwards::Untold(why.clone()),
        (_, None, _) => Afterwards::MadeAnew("it was made before evenkeel knew docker-compose's digests".to_owned()),
        _ => Afterwards::MadeAnew(
            "its image's name leads to another image by now, or something has changed that evenkeel needs no new container for"
                .to_owned(),
        ),
    }
}

/// The whole in a sentence, for whoever lets go.
pub fn told(afterwards: &BTreeMap<ServiceName, Afterwards>) -> String {
    let mut kept = Vec::new();
    let mut others = Vec::new();
    for (name, after) in afterwards {
        match after {
            Afterwards::Kept => kept.push(name.to_string()),
            Afterwards::MadeAnew(why) => others.push(format!("makes {name} anew ({why})")),
            Afterwards::Made => others.push(format!("makes {name} (it has no container)")),
            Afterwards::Untold(why) => {
                others.push(format!(
                    "keeps {name} if nothing changed since it made it, which cannot be told from here ({why})"
                ));
            }
        }
    }
    let kept =
        if kept.is_empty() { Vec::new() } else { vec![format!("keeps {} as they are", kept.join(", "))] };
    kept.into_iter().chain(others).collect::<Vec<_>>().join("; it ")
}

#[cfg(test)]
#[path = "let_go_tests.rs"]
mod tests;
