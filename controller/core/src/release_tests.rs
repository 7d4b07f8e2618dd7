use super::*;

fn image(digests: &[&str]) -> Image {
    let digests = digests.iter().map(|digest| (*digest).to_owned()).collect();
    Image {
        id: ImageId::new("sha256:1"),
        tags: Vec::new(),
        digests,
        healthcheck: false,
        volumes: Vec::new(),
        environment: Vec::new(),
        created_at: String::new(),
        size: 0,
        labels: BTreeMap::new(),
        content: String::new(),
    }
}

#[test]
fn the_same_release_later_means_the_same_image() {
    let (api, mut outputs) = (ServiceName::new("api"), Outputs::default());
    assert_eq!(outputs.to_pull(&api, "redis:7"), "redis:7");
    for (reference, digests, expected) in [
        ("redis:7", ["redis@sha256:ab", "mirror.example/redis@sha256:ab"], "redis@sha256:ab"),
        ("docker.io/library/redis", ["mirror.example/redis@sha256:ab", "redis@sha256:ab"], "redis@sha256:ab"),
        ("localhost:5000/a", ["localhost:5000/a@sha256:cd", "a@sha256:ab"], "localhost:5000/a@sha256:cd"),
        ("a:1@sha256:ab", ["a@sha256:ab", "b@sha256:ab"], "a:1@sha256:ab"),
        ("other:7", ["redis@sha256:ab", "x/other@sha256:ab"], "other:7"),
    ] {
        outputs.image_is(&api, reference, &image(&digests));
        assert_eq!(outputs.to_pull(&api, reference), expected, "{reference}");
        assert_eq!(outputs.images[&api].as_str(), "sha256:1");
    }
}

#[test]
fn an_image_of_the_same_registry_under_other_digests_is_another() {
    let came_as = |digests: &[&str]| is_another("redis:7", &image(digests), "sha256:ab");
    assert!(came_as(&["redis@sha256:cd", "mirror.example/redis@sha256:ab"]));
    assert!(!came_as(&["redis@sha256:cd", "docker.io/library/redis@sha256:ab"]));
    assert!(!came_as(&["mirror.example/redis@sha256:cd"]), "nobody can tell");
    assert!(!came_as(&[]), "it was built or loaded");
}
