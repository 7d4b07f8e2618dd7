//! What a build may ask for while it runs: the values of secrets, and the sockets of SSH agents.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use evenkeel_core::compose::{self, Build, MountSource, Request};
use evenkeel_core::files::Files;
use evenkeel_core::name::ServiceName;
use evenkeel_core::release::Release;
use evenkeel_core::status::Reason;

use super::Failure;
use super::prepare::blocking;
use super::run::Run;

/// The largest secret: what BuildKit's own clients send at most.
const LARGEST: u64 = 500 << 10;
/// Where the agent of evenkeel's own environment is.
const OWN_AGENT: &str = "SSH_AUTH_SOCK";

impl Run<'_> {
    /// The values of a build's secrets, as they are now, by the ids that its Dockerfile says.
    pub(super) async fn build_secrets(
        &self,
        service: &ServiceName,
        build: &Build,
    ) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let (secrets, source) = (build.secrets.clone(), self.context.source.clone());
        let (release, service) = (self.target.clone(), service.clone());
        let read = move || {
            let checkout = || source.checkout(&release.revision).map_err(|error| error.to_string());
            let of_commit = |path: &str| checkout()?.read(path).map_err(|error| error.to_string());
            let secrets = match secrets.values().any(is_left_out) {
                true => said_anew(&checkout().map_err(unreadable)?, &release, &service)?,
                false => secrets,
            };
            let value = |(id, source)| Ok((id, value(source, of_commit)?));
            secrets.into_iter().map(value).collect()
        };
        blocking(read).await?
    }
}

/// The ledger keeps no values that a file or a variable gives.
fn is_left_out(source: &MountSource) -> bool {
    matches!(source, MountSource::Given { content, .. } if content.expose().is_empty())
}

/// The secrets of a build as the commit's Compose file and the host's variables say them now.
fn said_anew(
    files: &dyn Files,
    release: &Release,
    service: &ServiceName,
) -> Result<BTreeMap<String, MountSource>, Failure> {
    let manifest = &release.manifest;
    let request = Request {
        app: &manifest.metadata.name,
        manifest_dir: release.manifest_path.rsplit_once('/').map_or(".", |(directory, _)| directory),
        compose: &manifest.spec.compose,
        files,
    };
    let read = compose::read(&request).map_err(|faults| {
        blocked(format!("the secrets that the build of {service} reads cannot be had any more:\n{faults}"))
    });
    let build = read?.0.services.remove(service).and_then(|service| service.build);
    Ok(build.map(|build| build.secrets).unwrap_or_default())
}

fn unreadable(reason: String) -> Failure {
    Failure::transient(Reason::SourceUnreachable, reason)
}

fn value(
    source: MountSource,
    of_commit: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, Failure> {
    match source {
        MountSource::Given { content, .. } => Ok(content.expose().as_bytes().to_vec()),
        MountSource::Repository { path, .. } => {
            of_commit(&path).map_err(unreadable)
        }
        MountSource::Host { path, .. } => of_host(Path::new(&path)).map_err(|error| {
            blocked(format!(
                "the build secret {path} cannot be read: {error}; put it there, and where evenkeel runs in a container, mount it at the \
                 same place"
            ))
        }),
        // Reading makes nothing else of a secret.
        MountSource::Volume { .. } | MountSource::Anonymous | MountSource::Tmpfs { .. } => Ok(Vec::new()),
    }
}

fn of_host(path: &Path) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    // A pipe would be waited for for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut value)?;
    if value.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it has more than {} KiB", LARGEST >> 10)));
    }
    Ok(value)
}

/// The sockets of a build's agents, by the ids that its Dockerfile says.
///
/// # Errors
/// [`Failure::Blocked`] where one is not there, or is something else.
pub(super) fn build_agents(build: &Build) -> Result<BTreeMap<String, PathBuf>, Failure> {
    build.ssh.iter().map(|(id, socket)| Ok((id.clone(), agent(id, socket.as_deref())?))).collect()
}

fn agent(id: &str, socket: Option<&str>) -> Result<PathBuf, Failure> {
    let own = || std::env::var_os(OWN_AGENT).map(PathBuf::from);
    let socket = socket.map(PathBuf::from).or_else(own).ok_or_else(|| {
        blocked(format!(
            "`build.ssh` asks for the SSH agent `{id}` of evenkeel's own environment, which has no {OWN_AGENT}: set it for evenkeel, or \
             name the socket of an agent in the Compose file (`{id}=/path/to/socket`)"
        ))
    })?;
    let shown = socket.display();
    match std::fs::metadata(&socket) {
        Ok(found) if found.file_type().is_socket() => Ok(socket),
        Ok(_) => Err(blocked(format!(
            "`build.ssh` names {shown}, which is no socket: evenkeel reads no private key; start an agent that holds it (`ssh-agent -a \
             SOCKET`, `ssh-add KEY`) and name its socket"
        ))),
        Err(error) => Err(blocked(format!(
            "the SSH agent at {shown}, which `build.ssh` names, cannot be reached: {error}; start it, and where evenkeel runs in a \
             container, mount its socket at the same place"
        ))),
    }
}

fn blocked(message: String) -> Failure {
    Failure::Blocked { reason: Reason::PreflightFailed, message }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::files::{Entry, EntryKind, FileError};
    use evenkeel_core::secret::Secret;

    use super::*;

    fn host(path: &Path) -> MountSource {
        MountSource::Host { path: path.display().to_string(), create: false, content: None }
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        match result.expect_err("a failure") {
            Failure::Blocked { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_is_read_from_where_it_is_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("token");
        let of_commit = |path: &str| Ok(format!("{path} of the commit").into_bytes());
        assert!(message(value(host(&file), of_commit)).contains("token cannot be read"));
        std::fs::write(&file, b"\xffbinary\n").expect("written");
        assert_eq!(value(host(&file), of_commit).expect("a value"), b"\xffbinary\n");
        let committed = MountSource::Repository { path: "ca.pem".into(), id: "1".into() };
        assert_eq!(value(committed, of_commit).expect("a value"), b"ca.pem of the commit");
        let content = Secret::new("x");
        let given = MountSource::Given { name: "t".into(), content, mode: 0o444, uid: None, gid: None };
        assert_eq!(value(given, of_commit).expect("a value"), b"x");
        std::fs::write(&file, vec![b'x'; 500 * 1024 + 1]).expect("written");
        assert!(message(value(host(&file), of_commit)).contains("more than 500 KiB"));
    }

    /// A commit, and a host on which a variable has a value by now.
    struct Commit(&'static str);

    impl Files for Commit {
        fn entry(&self, path: &str) -> Result<Option<Entry>, FileError> {
            let kind = if path == "." { EntryKind::Directory } else { EntryKind::File { executable: false } };
            Ok((path != ".env").then(|| Entry { kind, id: String::new() }))
        }

        fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
            Ok(b"services: {a: {build: {context: ., secrets: [t, u]}}}\nsecrets: {t: {environment: TOKEN}, u: {file: ./u}}\n".to_vec())
        }

        fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
            Ok(Vec::new())
        }

        fn read_host(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
            Ok((path == "/opt/shop/.env").then(|| self.0.as_bytes().to_vec()))
        }
    }

    fn release(files: &dyn Files) -> Release {
        let text = "apiVersion: evenkeel/v1\nkind: Application\nmetadata: {name: shop}\nspec:\n  compose: {files: [compose.yaml], projectDirectory: /opt/shop}\n";
        let manifest = evenkeel_core::manifest::read("evenkeel.yaml", text).expect("a manifest");
        let request = Request {
            app: &manifest.metadata.name,
            manifest_dir: ".",
            compose: &manifest.spec.compose,
            files,
        };
        let (project, _) = compose::read(&request).expect("a project");
        let parts = evenkeel_core::release::Parts {
            revision: "r".into(),
            manifest_path: "evenkeel.yaml".to_owned(),
            manifest,
            project,
            contexts: BTreeMap::new(),
            pins: BTreeMap::new(),
        };
        Release::new(&evenkeel_core::release::DigestKey::new(*b"key"), parts)
    }

    #[test]
    fn what_the_ledger_does_not_keep_is_read_anew_from_where_it_is() {
        let release = release(&Commit("TOKEN=belay\n"));
        let kept = serde_json::to_string(&release.without_build_values()).expect("text");
        assert!(!kept.contains("belay"), "{kept}");
        let kept: Release = serde_json::from_str(&kept).expect("a release");
        let service = ServiceName::new("a");
        let build = |release: &Release| release.project.services[&service].build.clone().expect("a build");
        assert!(
            build(&kept).secrets.values().any(is_left_out)
                && !build(&release).secrets.values().any(is_left_out)
        );
        let again = said_anew(&Commit("TOKEN=avast\n"), &kept, &service).expect("secrets");
        assert_eq!(again.keys().collect::<Vec<_>>(), ["t", "u"]);
        let MountSource::Given { content, .. } = &again["t"] else { panic!("{again:?}") };
        assert_eq!(content.expose(), "avast");
        assert!(message(said_anew(&Commit(""), &kept, &service)).contains("`TOKEN` is not set"));
    }

    #[test]
    fn only_a_socket_is_an_agent() {
        let directory = tempfile::tempdir().expect("a directory");
        let (socket, key) = (directory.path().join("socket"), directory.path().join("id_ed25519"));
        let text = |path: &Path| path.display().to_string();
        assert!(message(agent("deploy", Some(&text(&socket)))).contains("start it"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        assert_eq!(agent("deploy", Some(&text(&socket))).expect("an agent"), socket);
        std::fs::write(&key, "private").expect("written");
        assert!(message(agent("deploy", Some(&text(&key)))).contains("ssh-add"));
    }
}
