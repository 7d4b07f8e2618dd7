//! Tokens over HTTP and keys over SSH, against git's own server programs.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use evenkeel_core::secret::Secret;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::source::testing::Repo;

/// `me:s3cret`.
const BASIC: &str = "Basic bWU6czNjcmV0";

/// `git http-backend` behind a password.
async fn serve(root: std::path::PathBuf) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = axum::Router::new().fallback(move |request| backend(root.clone(), request));
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    format!("http://{address}")
}

async fn backend(root: std::path::PathBuf, request: Request) -> Response<Body> {
    let header = |headers: &HeaderMap, name| {
        headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    if header(request.headers(), "authorization") != BASIC {
        let refusal =
            Response::builder().status(StatusCode::UNAUTHORIZED).header("www-authenticate", "Basic realm=x");
        return refusal.body(Body::empty()).unwrap();
    }
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header(request.headers(), "content-type"))
        .env("HTTP_CONTENT_ENCODING", header(request.headers(), "content-encoding"))
        .env("REMOTE_USER", "me")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    child.stdin.take().unwrap().write_all(&body).await.unwrap();
    answer(&child.wait_with_output().await.unwrap().stdout)
}

fn answer(cgi: &[u8]) -> Response<Body> {
    let end = cgi.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in std::str::from_utf8(&cgi[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(cgi[end + 4..].to_vec())).unwrap()
}

#[tokio::test]
async fn a_token_opens_the_door_and_shows_nowhere() {
    let repo = Repo::new();
    repo.write("file", "x");
    let tip = repo.commit("first");
    let server = serve(repo.directory.path().to_path_buf()).await;
    let open = |path: &str, credentials| {
        let mut config = repo.config();
        (config.url, config.credentials) = (format!("{server}/{path}"), credentials);
        Source::open(config).unwrap()
    };
    let token = |user: &str, token: &str| Credentials::Token {
        user: Some(user.to_owned()),
        token: Secret::new(token),
    };
    let wrong = open("repo/.git", token("me", "wr0ng")).poll().await.unwrap_err();
    assert_eq!(wrong.kind(), "authentication", "{wrong}");
    assert!(!format!("{wrong} {wrong:?}").contains("wr0ng"));
    let none = open("repo/.git", Credentials::None).poll().await.unwrap_err();
    assert!(none.kind() == "authentication" && none.to_string().contains("none are configured"), "{none}");
    let missing = open("nowhere.git", token("me", "s3cret")).poll().await.unwrap_err();
    assert_eq!(missing.kind(), "not_found", "{missing}");
    let source = open("repo/.git", token("me", "s3cret"));
    assert_eq!(source.poll().await.unwrap().revision, tip);
    let next = repo.commit("second");
    assert_eq!(source.poll().await.unwrap().revision, next);
    let mut config = repo.config();
    config.url = server.replace("http://", "http://me:s3cret@") + "/repo/.git";
    assert!(!Source::open(config).unwrap().poll().await.unwrap().moved);
    let told = Command::new("grep").args(["-r", "s3cret"]).arg(repo.data_dir()).output().unwrap();
    assert!(told.stdout.is_empty(), "the mirror holds the token");
}

/// OpenSSH's server on this machine, with keys of its own.
struct Sshd {
    server: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Sshd {
    /// `None` where it cannot run: not installed, or as root without the directory that the system's own service makes.
    fn start() -> Option<Self> {
        let program =
            ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists())?;
        let directory = tempfile::TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (name, kind) in
            [("host", "ed25519"), ("host_rsa", "rsa"), ("user", "ed25519"), ("stranger", "rsa")]
        {
            let file = directory.path().join(name);
            let arguments = ["-q", "-N", "", "-t", kind, "-f", file.to_str().unwrap()];
            assert!(Command::new("ssh-keygen").args(arguments).status().unwrap().success());
        }
        let at = |name: &str| directory.path().join(name).display().to_string();
        let options = [
            format!("Port={port}"),
            "ListenAddress=127.0.0.1".to_owned(),
            format!("HostKey={}", at("host")),
            format!("HostKey={}", at("host_rsa")),
            format!("AuthorizedKeysFile={}", at("user.pub")),
            format!("PidFile={}", at("pid")),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PermitRootLogin=yes".to_owned(),
        ];
        let mut command = Command::new(program);
        command.args(["-D", "-f", "/dev/null"]).stderr(Stdio::null());
        let server = command.args(options.iter().flat_map(|option| ["-o", option])).spawn().unwrap();
        let sshd = Self { server, port, directory };
        let up = (0..100).any(|_| sshd.answers());
        up.then_some(sshd)
    }

    fn answers(&self) -> bool {
        std::thread::sleep(Duration::from_millis(50));
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn known_hosts(&self, key: &str) -> std::path::PathBuf {
        let public = fs::read_to_string(self.directory.path().join(format!("{key}.pub"))).unwrap();
        let file = self.directory.path().join(format!("known_by_{key}"));
        fs::write(&file, format!("[127.0.0.1]:{} {public}", self.port)).unwrap();
        file
    }

    fn source(&self, repo: &Repo, key: &str, known_hosts: std::path::PathBuf) -> Source {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let mut config = repo.config();
        config.url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, repo.path().display());
        let key = self.directory.path().join(key);
        config.credentials = Credentials::SshKey { key, passphrase: None, known_hosts: Some(known_hosts) };
        Source::open(config).unwrap()
    }
}

#[tokio::test]
async fn a_key_opens_the_door_of_a_host_that_is_known() {
    let Some(sshd) = Sshd::start() else {
        return eprintln!("skipped: no sshd can run here (openssh-server, and /run/sshd for root)");
    };
    let repo = Repo::new();
    let tip = repo.commit("first");
    let stranger = sshd.source(&repo, "user", "/nowhere".into()).poll().await.unwrap_err();
    assert_eq!(stranger.kind(), "host_key", "{stranger}");
    let printed =
        Command::new("ssh-keygen").arg("-lf").arg(sshd.directory.path().join("host.pub")).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let rsa = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory.path().join("host_rsa.pub"))
        .output()
        .unwrap();
    let printed = printed + &String::from_utf8(rsa.stdout).unwrap();
    let SourceError::HostKey { fingerprint, keyscan, .. } = &stranger else { panic!("{stranger}") };
    assert!(printed.contains(fingerprint.as_str()), "{fingerprint} is none of {printed}");
    assert_eq!(*keyscan, format!("-p {} 127.0.0.1", sshd.port));
    // Another key under the host's name is as bad as none.
    let impostor = sshd.known_hosts("user");
    assert_eq!(sshd.source(&repo, "user", impostor).poll().await.unwrap_err().kind(), "host_key");
    let refused = sshd.source(&repo, "stranger", sshd.known_hosts("host")).poll().await.unwrap_err();
    assert_eq!(refused.kind(), "authentication", "{refused}");
    for host_key in ["host", "host_rsa"] {
        let source = sshd.source(&repo, "user", sshd.known_hosts(host_key));
        assert_eq!(source.poll().await.unwrap().revision, tip, "{host_key}");
    }
}
