//! Credentials for registries, from where the Docker command line keeps them.
//!
//! They are read when they are needed, so that they can be changed in place, and go to the engine in a header and nowhere else: an
//! error names the place, never what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use evenkeel_core::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The name under which the Docker command line keeps those of Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";
/// How long a helper may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The user name that a helper gives beside an identity token.
const TOKEN: &str = "<token>";
/// What a helper says where it has none.
const NONE_THERE: &str = "credentials not found";

/// Why credentials could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read the registry credentials in {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the registry credentials in {} are not understood: {what}; `docker login {registry}` writes them anew", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, without anything of what is there.
        what: String,
        /// The registry.
        registry: String,
    },
    /// A helper did not answer.
    #[error("docker-credential-{helper}, which {} names for {registry}, did not give credentials: {reason}", .path.display())]
    Helper {
        /// The helper.
        helper: String,
        /// The file that names it.
        path: PathBuf,
        /// The registry.
        registry: String,
        /// Why not.
        reason: String,
    },
}

/// Where credentials are.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    path: Option<PathBuf>,
}

/// A way into a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// A name and a password.
    Password(String, Secret),
    /// A token that the registry once gave.
    Token(Secret),
}

/// The Docker command line's `config.json`, as far as it is about registries.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "identitytoken")]
    token: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    username: String,
    secret: String,
}

impl Credentials {
    /// Those of a file; by default the Docker command line's own: `DOCKER_CONFIG`, else `.docker` at home.
    pub(super) fn new(path: Option<&Path>) -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let usual = || set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
        Self {
            path: path.map(Path::to_owned).or_else(|| usual().map(|directory| directory.join("config.json"))),
        }
    }

    /// Where they are looked for, for people.
    pub(super) fn place(&self) -> String {
        self.path
            .as_ref()
            .map_or_else(|| "no file: HOME is not set".to_owned(), |path| path.display().to_string())
    }

    /// The credentials for one registry; `None` where it has none.
    pub(super) async fn login(&self, registry: &str) -> Result<Option<Login>, CredentialError> {
        let Some((path, file)) = self.read()? else { return Ok(None) };
        login(&path, &file, registry).await
    }

    /// The header for requests about one registry; `None` where it has no credentials.
    pub(super) async fn of(&self, registry: &str) -> Result<Option<Secret>, CredentialError> {
        let login = self.login(registry).await?;
        Ok(login.map(|login| Secret::new(URL_SAFE.encode(entry(&login, registry).to_string()))))
    }

    /// The header for a build, which may need base images of any registry; `None` where there are no credentials at all.
    pub(super) async fn all(&self) -> Result<Option<Secret>, CredentialError> {
        let Some((path, file)) = self.read()? else { return Ok(None) };
        let mut entries = serde_json::Map::new();
        for registry in file.auths.keys().chain(file.cred_helpers.keys()) {
            match login(&path, &file, registry).await {
                Ok(Some(login)) => drop(entries.insert(registry.clone(), entry(&login, registry))),
                Ok(None) => {}
                // The build may not need that registry; where it does, the registry says so.
                Err(error) => tracing::warn!(%error, "a build goes without these credentials"),
            }
        }
        let text = serde_json::Value::Object(entries);
        let some = text.as_object().is_some_and(|entries| !entries.is_empty());
        Ok(some.then(|| Secret::new(URL_SAFE.encode(text.to_string()))))
    }

    /// The file, where there is one.
    fn read(&self) -> Result<Option<(PathBuf, File)>, CredentialError> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CredentialError::Read { path, source }),
        };
        match serde_json::from_str(&text) {
            Ok(file) => Ok(Some((path, file))),
            // The error's own words may repeat a value.
            Err(error) => {
                let what =
                    format!("no valid JSON of that form at line {} column {}", error.line(), error.column());
                Err(CredentialError::Malformed { path, what, registry: String::new() })
            }
        }
    }
}

/// The registry that a reference leads to, as the credentials call it.
pub(super) fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => registry_of_host(host),
        _ => HUB,
    }
}

/// The registry at a host, as the credentials call it: Docker Hub has several.
pub(super) fn registry_of_host(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

fn entry(login: &Login, registry: &str) -> serde_json::Value {
    match login {
        Login::Password(username, password) => {
            json!({"username": username, "password": password.expose(), "serveraddress": registry})
        }
        Login::Token(token) => json!({"identitytoken": token.expose(), "serveraddress": registry}),
    }
}

/// As the Docker command line looks: a helper of the registry's own, the helper for all, the file itself.
async fn login(path: &Path, file: &File, registry: &str) -> Result<Option<Login>, CredentialError> {
    let helper = file.cred_helpers.get(registry).or(file.creds_store.as_ref());
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        let failed = |reason| CredentialError::Helper {
            helper: helper.clone(),
            path: path.to_owned(),
            registry: registry.to_owned(),
            reason,
        };
        return ask(helper, registry).await.map_err(failed);
    }
    let same = |name: &&String| host(name) == host(registry);
    let Some(entry) = file.auths.keys().find(same).and_then(|name| file.auths.get(name)) else {
        return Ok(None);
    };
    written(entry).map_err(|what| CredentialError::Malformed {
        path: path.to_owned(),
        what: format!("`auths` of {registry}: {what}"),
        registry: registry.to_owned(),
    })
}

/// Older command lines wrote a URL where newer ones write the host.
fn host(name: &str) -> &str {
    if name == HUB {
        return HUB;
    }
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    name.split('/').next().unwrap_or(name)
}

fn written(entry: &Entry) -> Result<Option<Login>, &'static str> {
    if let Some(token) = entry.token.as_ref().filter(|token| !token.is_empty()) {
        return Ok(Some(Login::Token(Secret::new(token))));
    }
    if let (Some(name), Some(password)) = (&entry.username, &entry.password) {
        return Ok(Some(Login::Password(name.clone(), Secret::new(password))));
    }
    let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(None) };
    let decoded = STANDARD.decode(auth.trim_end_matches('\0')).map_err(|_| "`auth` is not base64")?;
    let text = String::from_utf8(decoded).map_err(|_| "`auth` is not text")?;
    let (name, password) = text.split_once(':').ok_or("`auth` has no colon between name and password")?;
    Ok(Some(Login::Password(name.to_owned(), Secret::new(password.trim_end_matches('\0')))))
}

/// `docker-credential-NAME get`: the registry on its input, credentials on its output.
async fn ask(helper: &str, registry: &str) -> Result<Option<Login>, String> {
    if helper.contains('/') {
        return Err("its name has a slash".to_owned());
    }
    let answer = tokio::time::timeout(PATIENCE, answer(helper, registry)).await;
    let output = answer.map_err(|_| format!("it took longer than {} s", PATIENCE.as_secs()))??;
    if !output.status.success() {
        // A helper says why on its output, which holds a secret only where it succeeds.
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        return if said.contains(NONE_THERE) { Ok(None) } else { Err(format!("{}: {said}", output.status)) };
    }
    let given: Given =
        serde_json::from_slice(&output.stdout).map_err(|_| "its answer is not understood".to_owned())?;
    Ok(Some(match given.username.as_str() {
        TOKEN => Login::Token(Secret::new(given.secret)),
        _ => Login::Password(given.username, Secret::new(given.secret)),
    }))
}

async fn answer(helper: &str, registry: &str) -> Result<std::process::Output, String> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // One that reads nothing has closed it already; its answer counts.
        drop(input.write_all(registry.as_bytes()).await);
    }
    child.wait_with_output().await.map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
