//! Tags that are asked for again: which, and how often; and what a moved one makes of a reference.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::compose::{PullPolicy, Service};
use crate::manifest::Tags;
use crate::name::ServiceName;
use crate::release::{ImageSource, Release};

/// Where tags lead by now, by the reference that the Compose file has: `name@sha256:…`.
pub type Pins = BTreeMap<String, String>;

/// The references of a release whose tags are asked for again, and how often: the shortest interval of all services that share one.
pub fn polled(release: &Release) -> BTreeMap<String, Duration> {
    let mut polled = BTreeMap::new();
    for (name, service) in &release.project.services {
        let from_registry = matches!(release.images.get(name), Some(ImageSource::Registry { .. }));
        let reference = service.image.as_ref().filter(|it| from_registry && !it.contains('@'));
        let images = &release.manifest.spec.images;
        let every = match service.pull_policy {
            PullPolicy::Every(every) => Some(every),
            PullPolicy::Never | PullPolicy::Build => None,
            PullPolicy::Missing | PullPolicy::Always => (images.tags == Tags::Poll).then_some(images.every),
        };
        if let (Some(reference), Some(every)) = (reference, every) {
            let shortest = polled.entry(reference.clone()).or_insert(every);
            *shortest = every.min(*shortest);
        }
    }
    polled
}

/// The service of a release that has an image of this reference.
pub fn user_of<'r>(release: &'r Release, reference: &str) -> Option<&'r ServiceName> {
    let services = release.project.services.iter();
    services.filter(|(_, it)| it.image.as_deref() == Some(reference)).map(|(name, _)| name).next()
}

/// Where the tags led that a release was read with, those that had moved.
pub fn read_with(release: &Release) -> Pins {
    let services = release.project.services.iter();
    let pin = |(name, it): (&ServiceName, &Service)| Some((it.image.clone()?, release.pin(name)?.to_owned()));
    services.filter_map(pin).collect()
}

/// The registry that a reference leads to: what stands before the first slash where that can be a host, as the engine reads it
/// (`distribution/reference`, `splitDockerDomain`), else Docker Hub.
pub fn registry(reference: &str) -> &str {
    let host = reference.split_once('/').map(|(host, _)| host);
    let host = host.filter(|host| host.contains(['.', ':']) || *host == "localhost");
    host.filter(|host| *host != "index.docker.io").unwrap_or("docker.io")
}

/// A reference with a digest in the place of its tag.
pub fn pinned(reference: &str, digest: &str) -> String {
    let (place, name) = reference.rsplit_once('/').map_or(("", reference), |(place, name)| (place, name));
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let slash = if place.is_empty() { "" } else { "/" };
    format!("{place}{slash}{name}@{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::disk;

    #[test]
    fn a_digest_takes_the_place_of_the_tag() {
        for (reference, expected) in [
            ("redis", "redis@sha256:ab"),
            ("redis:7", "redis@sha256:ab"),
            ("registry:5000/team/app", "registry:5000/team/app@sha256:ab"),
            ("registry:5000/team/app:1", "registry:5000/team/app@sha256:ab"),
        ] {
            assert_eq!(pinned(reference, "sha256:ab"), expected);
        }
    }

    #[test]
    fn whose_a_reference_is() {
        for (reference, expected) in [
            ("redis:7", "docker.io"),
            ("team/app", "docker.io"),
            ("index.docker.io/library/redis", "docker.io"),
            ("registry:5000/team/app:1", "registry:5000"),
            ("localhost/app", "localhost"),
            ("ghcr.io/team/app@sha256:ab", "ghcr.io"),
        ] {
            assert_eq!(registry(reference), expected);
        }
    }

    #[test]
    fn what_is_asked_for_again() {
        let compose = "services: {a: {image: 'redis:7'}, b: {image: 'redis:7', pull_policy: daily}, \
                       c: {image: 'caddy:2', pull_policy: every_1w2d}, d: {image: 'x:1', pull_policy: never}, \
                       e: {image: 'y@sha256:ab', pull_policy: weekly}, f: {build: .}}";
        let of = |spec: &str| -> Vec<(String, u64)> {
            let release = disk(compose).file("Dockerfile", "FROM scratch").release_with(spec);
            polled(&release)
                .into_iter()
                .map(|(reference, every)| (reference, every.as_secs() / 3600))
                .collect()
        };
        let two = [("caddy:2".to_owned(), 216), ("redis:7".to_owned(), 24)];
        assert_eq!(of(""), two);
        assert_eq!(of("images: {tags: poll, every: 1h}"), [two[0].clone(), ("redis:7".to_owned(), 1)]);
    }

    #[test]
    fn a_tag_that_moved_makes_another_release_of_what_uses_it() {
        let compose = "services: {a: {image: 'redis:7'}, b: {image: 'caddy:2'}}";
        let pins = |digest: &str| Pins::from([("redis:7".to_owned(), format!("redis@sha256:{digest}"))]);
        let of = |pins: &Pins| disk(compose).release_pinned(pins);
        let (plain, one, two) = (of(&Pins::new()), of(&pins("1")), of(&pins("2")));
        assert_ne!(plain.digest, one.digest);
        assert_ne!(one.digest, two.digest);
        assert_eq!(one.digest, of(&pins("1")).digest);
        let (a, b) = (ServiceName::new("a"), ServiceName::new("b"));
        assert_eq!((plain.pin(&a), one.pin(&a), one.pin(&b)), (None, Some("redis@sha256:1"), None));
        assert_eq!((read_with(&plain), read_with(&one)), (Pins::new(), pins("1")));
        // Whether its container is another one is told by the image that is found there.
        assert_eq!(plain.configs, one.configs);
        assert_eq!(
            crate::plan::differences(&one, &two, &a),
            ["the tag redis:7 has moved: image redis@sha256:2 instead of redis@sha256:1"]
        );
    }
}
