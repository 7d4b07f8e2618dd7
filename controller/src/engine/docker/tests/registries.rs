//! A registry of the test's own, behind a password.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::*;
use crate::engine::{BuildRequest, EngineError};

/// One that differs in the two alphabets of base64.
const PASSWORD: &str = "k?>~~p?>ÿþ";

struct Registry {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Registry {
    async fn start() -> Self {
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let file = |name: &str| directory.path().join(name);
        let hashed = Command::new("htpasswd").args(["-Bbn", "sailor", PASSWORD]).output();
        let hashed = hashed.expect("htpasswd: apt-get install apache2-utils").stdout;
        std::fs::write(file("htpasswd"), hashed).expect("written");
        let configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n\
             auth: {{htpasswd: {{realm: keel, path: {}}}}}\n",
            file("data").display(),
            file("htpasswd").display()
        );
        std::fs::write(file("config.yml"), configuration).expect("written");
        let auth =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("sailor:{PASSWORD}"));
        let login = format!(r#"{{"auths": {{"127.0.0.1:{port}": {{"auth": "{auth}"}}}}}}"#);
        std::fs::write(file("config.json"), login).expect("written");
        let process = Command::new("docker-registry")
            .args(["serve".as_ref(), file("config.yml").as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: apt-get install docker-registry");
        let registry = Self { process, port, directory };
        assert!(
            eventually(async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await,
            "it does not listen"
        );
        registry
    }

    fn name(&self, what: &str) -> String {
        format!("127.0.0.1:{}/{what}", self.port)
    }

    fn login(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    /// Puts an image into it, and takes it from the engine.
    fn keeps(&self, image: &str, name: &str) {
        docker(&format!("tag {image} {name}"));
        docker(&format!("--config {} push {name}", self.directory.path().display()));
        docker(&format!("rmi {name}"));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        // Names only, never by an id: an image of everybody may have one of these beside its own.
        for format in ["{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"] {
            for image in docker(&format!("images --digests --format {format}")) {
                if image.starts_with(&self.name("")) && !image.contains("<none>") {
                    docker(&format!("rmi {image}"));
                }
            }
        }
    }
}

/// An image that nobody else has: its layers do not matter.
fn small(bench: &Bench) -> String {
    let (image, directory) = (bench.image("small"), tempfile::tempdir().expect("a directory"));
    let dockerfile = format!("FROM scratch\nLABEL of={image}\nCOPY Dockerfile /\n");
    std::fs::write(directory.path().join("Dockerfile"), dockerfile).expect("written");
    docker(&format!("build -q -t {image} {}", directory.path().display()));
    image
}

async fn refused(docker: &Docker, reference: &str) -> (String, bool) {
    match docker.pull(reference, &|_| {}).await.expect_err("no image") {
        error @ EngineError::PullFailed { transient, .. } => (error.to_string(), transient),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_pull_brings_the_credentials_along_and_says_what_is_missing() {
    let (bench, registry) = (Bench::new("registry"), Registry::start().await);
    let (image, name) = (small(&bench), registry.name("team/app:1"));
    registry.keeps(&image, &name);
    let nobody = bench.docker.clone().with_credentials(Some("/nowhere/config.json".as_ref()));
    let (error, transient) = refused(&nobody, &name).await;
    assert!(transient && error.contains(&format!("docker login 127.0.0.1:{}", registry.port)), "{error}");
    assert!(
        error.contains("/nowhere/config.json") && error.contains("engine.registryCredentials"),
        "{error}"
    );
    let somebody = bench.docker.clone().with_credentials(Some(&registry.login()));
    let (error, transient) = refused(&somebody, &registry.name("team/app:none")).await;
    assert!(!transient && error.contains("has no such image or tag") && !error.contains(PASSWORD), "{error}");
    let (error, _) = refused(&somebody, "registry.invalid/app:1").await;
    assert!(error.contains("registry.invalid cannot be reached"), "{error}");
    let pulled = somebody.pull(&name, &|_| {}).await.expect("an image");
    assert_eq!(pulled.labels.get("of"), Some(&image));
    assert!(pulled.digests[0].starts_with(&registry.name("team/app@sha256:")), "{:?}", pulled.digests);
}

#[tokio::test]
async fn what_a_release_has_recorded_comes_back_wherever_the_tag_has_moved() {
    let (bench, registry) = (Bench::new("registry-pin"), Registry::start().await);
    let (first, service) = (small(&bench), evenkeel_core::name::ServiceName::new("app"));
    let name = registry.name("app:1");
    registry.keeps(&first, &name);
    let engine = bench.docker.clone().with_credentials(Some(&registry.login()));
    let recorded = engine.pull(&name, &|_| {}).await.expect("an image");
    let mut outputs = evenkeel_core::release::Outputs::default();
    outputs.image_is(&service, &name, &recorded);
    let another = bench.image("another");
    docker(&format!("tag {DEBIAN} {another}"));
    registry.keeps(&another, &name);
    docker(&format!("rmi -f {}", recorded.id));
    let moved = engine.pull(&name, &|_| {}).await.expect("an image");
    assert_ne!(moved.id, recorded.id);
    let again = engine.pull(outputs.to_pull(&service, &name), &|_| {}).await.expect("an image");
    assert_eq!((again.id, again.labels.get("of")), (recorded.id, Some(&first)));
}

#[tokio::test]
async fn a_registry_says_where_a_tag_leads_now() {
    let (bench, registry) = (Bench::new("registry-tag"), Registry::start().await);
    let (first, second, name) = (small(&bench), bench.image("second"), registry.name("team/app:1"));
    registry.keeps(&first, &name);
    let engine = bench.docker.clone().with_credentials(Some(&registry.login()));
    let before = engine.digest(&name).await.expect("a digest");
    let pulled = engine.pull(&name, &|_| {}).await.expect("an image");
    assert_eq!(pulled.digests, [evenkeel_core::tags::pinned(&name, &before)]);
    assert_eq!(engine.digest(&name).await.expect("a digest"), before);
    docker(&format!("tag {DEBIAN} {second}"));
    registry.keeps(&second, &name);
    let after = engine.digest(&name).await.expect("a digest");
    assert_ne!(after, before);
    // What ran is still under its tag here, the new one comes beside it.
    let new = engine.pull(&evenkeel_core::tags::pinned(&name, &after), &|_| {}).await.expect("an image");
    assert_ne!(new.id, pulled.id);
    let nobody = bench.docker.clone().with_credentials(Some("/nowhere/config.json".as_ref()));
    assert!(nobody.digest(&name).await.is_err());
    assert!(engine.digest(&registry.name("team/app:none")).await.is_err());
}

#[tokio::test]
async fn a_build_gets_its_base_image_from_behind_a_password() {
    base_from_behind_a_password("registry-base", BTreeMap::new()).await;
}

/// It asks for the credentials over the session.
#[tokio::test]
async fn buildkit_gets_its_base_image_from_behind_a_password() {
    let secrets = BTreeMap::from([("any".to_owned(), b"thing".to_vec())]);
    base_from_behind_a_password("registry-session", secrets).await;
}

async fn base_from_behind_a_password(test: &str, secrets: BTreeMap<String, Vec<u8>>) {
    let (bench, registry) = (Bench::new(test), Registry::start().await);
    let (image, base) = (small(&bench), registry.name("base:1"));
    registry.keeps(&image, &base);
    let tar = registry.directory.path().join("context.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&tar).expect("a file"));
    let dockerfile = format!("FROM {base}\nLABEL on=top\n");
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).expect("an entry");
    builder.finish().expect("a tar file");
    let request = BuildRequest {
        tag: bench.image("top"),
        context: tar,
        dockerfile: "Dockerfile".into(),
        args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        network: None,
        extra_hosts: Vec::new(),
        shm_size: None,
        platform: None,
        cache: true,
        cache_from: Vec::new(),
        ulimits: BTreeMap::new(),
        pull: false,
        secrets,
        agents: BTreeMap::new(),
        timeout: Duration::from_secs(180),
    };
    let docker = bench.docker.clone().with_credentials(Some(&registry.login()));
    let built = docker.build(request, &|_| {}).await.expect("an image");
    assert_eq!((built.labels.get("of"), built.labels.get("on")), (Some(&image), Some(&"top".to_owned())));
}
