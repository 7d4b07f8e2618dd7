//! A PostgreSQL server of one test's own: its directory, its port, gone with it.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_core::secret::Secret;
use tokio_postgres::{Client, NoTls};

use crate::database::Target;
use crate::database::target::quoted;
use crate::database::tls::Tls;

pub(in crate::database) struct Server {
    binaries: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// `None`, and a word about it, where this machine has no PostgreSQL server.
    pub(in crate::database) async fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            eprintln!("skipped: this machine has no PostgreSQL server (apt-get install postgresql)");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("evenkeel-postgres-").tempdir().unwrap();
        give(directory.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { binaries, directory, port };
        server.pg(
            "initdb",
            &["--no-sync", "--auth=trust", "--username=keel", "--encoding=UTF8", "--locale=C.UTF-8"],
        );
        let options =
            format!("-c listen_addresses=127.0.0.1 -p {port} -c fsync=off -c unix_socket_directories=''");
        server.pg("pg_ctl", &["start", "-w", "-o", &options, "-l", &server.path("log")]);
        Some(server)
    }

    /// A new, empty database.
    pub(in crate::database) async fn database(&self, name: &str) -> Target {
        let target = self.target(name);
        let session = target.connect_for_maintenance().await.unwrap();
        session.batch_execute(&format!("CREATE DATABASE {}", quoted(name))).await.unwrap();
        target
    }

    /// A session that is not evenkeel's.
    pub(in crate::database) async fn session(&self, target: &Target, application: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host(&target.host).port(target.port).user(&target.user).dbname(&target.name);
        let (client, connection) = config.application_name(application).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(in crate::database) fn target(&self, name: &str) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: "keel".to_owned(),
            password: None,
            name: name.to_owned(),
            programs: None,
            tls: Tls::default(),
            version_table: "alembic_version".to_owned(),
            version_table_schema: "public".to_owned(),
        }
    }

    /// The same by a URL with these parameters; the name in it is what this machine does not know.
    pub(in crate::database) fn target_by(&self, url: &str, parameters: &str) -> Result<Target, String> {
        let url = format!("postgresql://{url}:{}/postgres?{parameters}", self.port);
        let target = Target::from_url(&Secret::new(url)).map_err(|error| error.to_string())?;
        Ok(Target { host: "127.0.0.1".to_owned(), ..target })
    }

    /// TLS with this certificate, its key beside it, and clients' certificates checked against that root; who may come in.
    pub(in crate::database) fn secure(&self, certificate: &str, root: &str, hba: &str) {
        let key = certificate.replace(".crt", ".key");
        for (name, source) in [("server.crt", certificate), ("server.key", &key), ("root.crt", root)] {
            self.write(name, &std::fs::read_to_string(source).unwrap());
        }
        self.write("pg_hba.conf", &format!("{hba}\n"));
        self.write("postgresql.auto.conf", "ssl = on\nssl_ca_file = 'root.crt'\n");
        self.pg("pg_ctl", &["restart", "-w", "-m", "fast", "-l", &self.path("log")]);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join("data").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        give(&path);
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn pg(&self, program: &str, arguments: &[&str]) {
        let mut command = as_postgres(&self.binaries.join(program));
        command.arg("-D").arg(self.path("data")).args(arguments).current_dir("/");
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{program}: {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = as_postgres(&self.binaries.join("pg_ctl"));
        let _ = command
            .args(["stop", "-m", "immediate", "-D", &self.path("data")])
            .stdout(Stdio::null())
            .status();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Where programs are looked for, the server's own first.
pub(super) fn path() -> OsString {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(binaries().into_iter().chain(std::env::split_paths(&usual))).unwrap()
}

fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop()
}

fn root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

fn give(directory: &Path) {
    if root() {
        assert!(Command::new("chown").arg("postgres").arg(directory).status().unwrap().success());
    }
}
