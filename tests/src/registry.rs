//! A registry of a world's own.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::command::command;
use crate::docker::{docker, try_docker};
use crate::world::{Port, World};

/// How long it may take to listen.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `docker-registry`; gone with the value, and with what the engine has from it.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    port: Port,
}

impl Registry {
    /// An empty one, in the world's directory.
    pub fn start(world: &World) -> Self {
        let (directory, port) = (world.directory().join("registry"), Port::claim());
        let file = directory.join("config.yml");
        let configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{}'}}\n",
            directory.display(),
            port.number()
        );
        std::fs::create_dir(&directory).expect("a world's directory can be written");
        std::fs::write(&file, configuration).expect("a world's directory can be written");
        let mut serve = command("docker-registry", ["serve".as_ref(), file.as_os_str()]);
        let process = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("docker-registry can be started (apt-get install docker-registry)");
        let registry = Self { process, port };
        registry.listens();
        registry
    }

    fn listens(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port.number())).is_err() {
            assert!(start.elapsed() < LIMIT, "the registry does not listen within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes an image of the engine's in, under a name that the engine has to pull it by; that name.
    pub fn take(&self, image: &str, name: &str) -> String {
        let name = format!("127.0.0.1:{}/{name}", self.port.number());
        docker(&["tag", image, &name]);
        docker(&["push", &name]);
        docker(&["rmi", &name]);
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Names only, never by an id: an image of everybody may have one of these beside its own.
        let reference = format!("reference=127.0.0.1:{}/*", self.port.number());
        for format in ["{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"] {
            let names = try_docker(&["images", "--digests", "--filter", &reference, "--format", format]);
            for name in names.stdout.lines().filter(|name| !name.contains("<none>")) {
                try_docker(&["rmi", name]);
            }
        }
    }
}
