//! A registry of a test's own, without a password, on a port of the host.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::feed;
use crate::docker::{docker, try_docker};
use crate::world::Port;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// It. What the engine has from it goes with it.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    port: Port,
    directory: PathBuf,
}

impl Registry {
    /// Starts one (Debian: `docker-registry`).
    pub fn start() -> Self {
        let port = Port::claim();
        let directory = PathBuf::from(format!("/tmp/tests-registry-{}", port.number()));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{}'}}\n",
            directory.join("data").display(),
            port.number()
        );
        let file = directory.join("config.yml");
        std::fs::write(&file, configuration).expect("the directory can be written");
        let process = Command::new("docker-registry")
            .args(["serve".as_ref(), file.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed (apt-get install docker-registry)");
        let registry = Self { process, port, directory };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", registry.port.number())).is_err() {
            assert!(began.elapsed() < PATIENCE, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }

    /// A name that leads there.
    pub fn name(&self, what: &str) -> String {
        format!("127.0.0.1:{}/{what}", self.port.number())
    }

    /// Takes an image of the engine's in, under a name that the engine has to pull it by; that name.
    pub fn take(&self, image: &str, name: &str) -> String {
        let name = self.name(name);
        docker(&["tag", image, &name]);
        docker(&["push", "-q", &name]);
        docker(&["rmi", &name]);
        name
    }

    /// Has a tag mean what a Dockerfile makes from now on. The engine keeps nothing under the tag.
    pub fn push(&self, tag: &str, dockerfile: &str) {
        let made = format!("{tag}-made");
        feed(Command::new("docker").args(["build", "-q", "-t", &made, "-"]), dockerfile);
        let before = try_docker(&["image", "inspect", "--format", "{{.Id}}", tag]).stdout;
        docker(&["tag", &made, tag]);
        docker(&["push", "-q", tag]);
        match before.trim() {
            "" => docker(&["rmi", tag]),
            before => docker(&["tag", before, tag]),
        };
        // By its digest as well: whoever wants it has to pull it.
        let digests = ["image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", &made];
        let digests = try_docker(&digests).stdout;
        docker(&["rmi", &made]);
        digests.split_whitespace().for_each(|digest| drop(try_docker(&["rmi", digest])));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
        for format in ["{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"] {
            let images = try_docker(&["images", "--digests", "--format", format]).stdout;
            let own = images.lines().filter(|it| it.starts_with(&self.name("")) && !it.contains("<none>"));
            own.for_each(|image| drop(try_docker(&["rmi", image])));
        }
    }
}
