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
