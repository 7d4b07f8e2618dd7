//! An engine that is the `docker` command: no more of it than these tests need.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::compose::{Port, RestartPolicy, Service};
use evenkeel_core::container::{ContainerSpec, Endpoint};
use evenkeel_core::limits::ResourceLimits;
use evenkeel_core::name::{ContainerId, ImageId, ProjectName};
use evenkeel_core::observed::{Container, Image, Joined, NetworkState, State};
use evenkeel_core::secret::Secret;
use futures_util::stream::BoxStream;
use serde_json::Value;
use tokio::io::{AsyncReadExt, copy};
use tokio::process::Command;

use super::postgres;
use crate::database::tls::Tls;
use crate::database::{Programs, Target};
use crate::engine::*;

pub(in crate::database) struct Docker;

/// The container that is no container: `exec` there runs on this machine.
pub(in crate::database) const HERE: &str = "here";

/// A network and a database server on it, removed at the end.
pub(in crate::database) struct Stack {
    pub(in crate::database) prefix: String,
    pub(in crate::database) target: Target,
}

async fn docker(arguments: &[&str]) -> Result<String, EngineError> {
    let output = Command::new("docker").args(arguments).kill_on_drop(true).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(text);
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(EngineError::Refused { action: arguments.join(" "), status: 500, reason })
}

impl Stack {
    /// `None`, and a word about it, where this machine has no engine or not these images.
    pub(in crate::database) async fn start(name: &str) -> Option<Self> {
        for image in ["postgres:15", "python:3.11-slim"] {
            if let Err(error) = docker(&["image", "inspect", image]).await {
                eprintln!("skipped: {error} (tests/images/build makes the images)");
                return None;
            }
        }
        let prefix = format!("evenkeel-test-database-{name}-{}", std::process::id());
        docker(&["network", "create", "--internal", &prefix]).await.unwrap();
        let database = format!("{prefix}-db");
        let run =
            ["run", "-d", "--name", &database, "--network", &prefix, "--tmpfs", "/var/lib/postgresql/data"];
        let environment =
            ["-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=not-told", "-e", "POSTGRES_DB=shop"];
        let id =
            docker(&[&run[..], &environment, &["postgres:15", "-c", "fsync=off"]].concat()).await.unwrap();
        let host = Docker.container(&id).await.unwrap().unwrap().networks[&prefix].ip_address.clone();
        let target = Target {
            host,
            port: 5432,
            user: "app".to_owned(),
            password: Some(Secret::new("not-told")),
            name: "shop".to_owned(),
            programs: Some(Programs::Server(ContainerId::new(id))),
            tls: Tls::default(),
            version_table: "alembic_version".to_owned(),
            version_table_schema: "public".to_owned(),
        };
        let stack = Self { prefix, target };
        stack.ready().await;
        Some(stack)
    }

    async fn ready(&self) {
        for _ in 0..150 {
            if self.target.connect().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the database does not start");
    }

    /// A one-off container on the stack's network that runs `script` with Python.
    pub(in crate::database) fn one_off(&self, name: &str, server: &str) -> ContainerSpec {
        let url = format!("postgresql://app:not-told@{server}:5432/shop");
        let service = Service {
            environment: BTreeMap::from([("DATABASE_URL".to_owned(), Secret::new(url))]),
            working_dir: Some("/scripts".to_owned()),
            ..Service::default()
        };
        let endpoint = Endpoint { network: self.prefix.clone(), ..Endpoint::default() };
        ContainerSpec {
            name: format!("{}-{name}", self.prefix),
            image: "python:3.11-slim".to_owned(),
            service,
            labels: BTreeMap::new(),
            publish: false,
            endpoints: vec![endpoint],
            restart: RestartPolicy::No,
            binds: Vec::new(),
            mounts: Vec::new(),
            tmpfs: BTreeMap::new(),
            anonymous: Vec::new(),
            auto_remove: false,
        }
    }

    pub(in crate::database) fn server(&self) -> String {
        format!("{}-db", self.prefix)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let sweep = format!(
            "docker ps -aq --filter name=^/{0} | xargs -r docker rm -fv; docker network rm {0}",
            self.prefix
        );
        let mut command = std::process::Command::new("sh");
        let _ = command.arg("-c").arg(sweep).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn container(value: &Value) -> Container {
    let networks = value["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let joined = |network: &Value| Joined {
        network_id: text(&network["NetworkID"]),
        ip_address: text(&network["IPAddress"]),
        ..Joined::default()
    };
    Container {
        id: ContainerId::new(text(&value["Id"])),
        name: text(&value["Name"]).trim_start_matches('/').to_owned(),
        image: text(&value["Config"]["Image"]),
        image_id: ImageId::new(text(&value["Image"])),
        labels: BTreeMap::new(),
        state: if value["State"]["Running"] == true { State::Running } else { State::Exited },
        health: None,
        created_at: String::new(),
        started_at: String::new(),
        restart_count: 0,
        restart: RestartPolicy::No,
        networks: networks.iter().map(|(name, network)| (name.clone(), joined(network))).collect(),
        port_bindings: Vec::new(),
        bound_ports: Vec::new(),
        limits: ResourceLimits::default(),
        mounts: Vec::new(),
        environment: Vec::new(),
        exit_code: value["State"]["ExitCode"].as_i64().unwrap_or(-1),
        error: String::new(),
        oom_killed: false,
    }
}

fn created(spec: &ContainerSpec) -> Vec<String> {
    let mut arguments = vec!["create".to_owned(), "--name".to_owned(), spec.name.clone()];
    let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    for (name, value) in &spec.service.environment {
        add("-e", format!("{name}={}", value.expose()));
    }
    for bind in &spec.binds {
        add("-v", bind.clone());
    }
    for target in spec.tmpfs.keys() {
        add("--tmpfs", target.clone());
    }
    for endpoint in &spec.endpoints {
        add("--network", endpoint.network.clone());
        for (container, alias) in &endpoint.links {
            add("--link", format!("{container}:{alias}"));
        }
    }
    if spec.endpoints.is_empty() {
        add("--network", "none".to_owned());
    }
    if let Some(directory) = &spec.service.working_dir {
        add("-w", directory.clone());
    }
    if let Some(tool) = spec.service.entrypoint.iter().flatten().next() {
        add("--entrypoint", tool.clone());
    }
    arguments.push(spec.image.clone());
    arguments.extend(spec.service.command.iter().flatten().cloned());
    arguments
}

fn execution(id: &str, exec: &Exec) -> Command {
    if id == HERE {
        let mut command = Command::new("env");
        command.args(&exec.environment).args(&exec.command).env("PATH", postgres::path());
        return command;
    }
    let mut command = Command::new("docker");
    command.args(["exec", "-i"]);
    for variable in &exec.environment {
        command.args(["-e", variable]);
    }
    command.arg(id).args(&exec.command);
    command
}

#[async_trait]
impl Engine for Docker {
    async fn container(&self, id_or_name: &str) -> Result<Option<Container>, EngineError> {
        let Ok(json) = docker(&["container", "inspect", id_or_name]).await else { return Ok(None) };
        let all: Value = serde_json::from_str(&json).unwrap();
        Ok(Some(container(&all[0])))
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let arguments = created(spec);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        docker(&arguments).await.map(ContainerId::new)
    }

    async fn start(&self, id: &str) -> Result<(), EngineError> {
        docker(&["start", id]).await.map(drop)
    }

    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        let grace = grace.unwrap_or(Duration::from_secs(10)).as_secs().to_string();
        docker(&["stop", "-t", &grace, id]).await.map(drop)
    }

    async fn remove(&self, id: &str, _anonymous_volumes: bool) -> Result<(), EngineError> {
        docker(&["rm", "-fv", id]).await.map(drop)
    }

    async fn withdraw(&self, id: &str) -> Result<(), EngineError> {
        docker(&["rm", id]).await.map(drop)
    }

    async fn wait(&self, id: &str) -> Result<i64, EngineError> {
        Ok(docker(&["wait", id]).await?.parse().unwrap())
    }

    async fn logs(&self, id: &str, _since: i64, tail: Option<usize>) -> Result<Vec<LogLine>, EngineError> {
        let tail = tail.map_or("all".to_owned(), |tail| tail.to_string());
        let output = Command::new("docker").args(["logs", "--tail", &tail, id]).output().await.unwrap();
        let lines = |bytes: &[u8], stderr| {
            let line = |text: &str| LogLine { stderr, text: text.to_owned() };
            String::from_utf8_lossy(bytes).lines().map(line).collect::<Vec<_>>()
        };
        Ok([lines(&output.stdout, false), lines(&output.stderr, true)].concat())
    }

    async fn exec(&self, id: &str, exec: Exec) -> Result<ExecOutcome, EngineError> {
        let mut command = execution(id, &exec);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let feed = async move {
            if let Some(mut stdin) = exec.stdin {
                let _ = copy(&mut stdin, &mut to).await;
            }
        };
        let fetch = async {
            let (mut kept, mut gone) = (Vec::new(), exec.stdout);
            match gone.as_mut() {
                Some(stdout) => drop(copy(&mut from, stdout).await.map_err(broken)?),
                None => drop(from.read_to_end(&mut kept).await),
            }
            Ok(kept)
        };
        let complain = async {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            text
        };
        let ((), stdout, stderr) = tokio::try_join!(
            async {
                feed.await;
                Ok(())
            },
            fetch,
            async { Ok(complain.await) }
        )?;
        let exit_code = i64::from(child.wait().await.unwrap().code().unwrap_or(-1));
        Ok(ExecOutcome { exit_code, stdout, stderr })
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Err(unneeded())
    }

    async fn containers(&self, _: &ProjectName) -> Result<Vec<Container>, EngineError> {
        Err(unneeded())
    }

    async fn port_holder(&self, _: &Port) -> Result<Option<(String, Option<String>)>, EngineError> {
        Err(unneeded())
    }

    async fn unpause(&self, _: &str) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn rename(&self, _: &str, _: &str) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn set_restart(&self, _: &str, _: RestartPolicy) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn set_limits(&self, _: &str, _: &ResourceLimits) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn image(&self, _: &str) -> Result<Option<Image>, EngineError> {
        Err(unneeded())
    }

    async fn pull(&self, _: &str, _: Progress<'_>) -> Result<Image, EngineError> {
        Err(unneeded())
    }

    async fn digest(&self, _: &str) -> Result<String, EngineError> {
        Err(unneeded())
    }

    async fn build(&self, _: BuildRequest, _: Progress<'_>) -> Result<Image, EngineError> {
        Err(unneeded())
    }

    async fn tag(&self, _: &ImageId, _: &str) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn remove_image(&self, _: &str) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn network(&self, _: &str) -> Result<Option<NetworkState>, EngineError> {
        Err(unneeded())
    }

    async fn networks(&self) -> Result<Vec<NetworkState>, EngineError> {
        Err(unneeded())
    }

    async fn create_network(&self, _: &NetworkSpec) -> Result<String, EngineError> {
        Err(unneeded())
    }

    async fn connect(&self, _: &str, _: &Endpoint) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn disconnect(&self, _: &str, _: &str) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn volume_exists(&self, _: &str) -> Result<bool, EngineError> {
        Err(unneeded())
    }

    async fn create_volume(&self, _: &VolumeSpec) -> Result<(), EngineError> {
        Err(unneeded())
    }

    async fn owner(&self, _: &ProjectName) -> Result<Option<Owner>, EngineError> {
        Err(unneeded())
    }

    async fn claim(&self, _: &ProjectName, _: &Owner) -> Result<Owner, EngineError> {
        Err(unneeded())
    }

    async fn disown(&self, _: &ProjectName, _: &Owner) -> Result<(), EngineError> {
        Err(unneeded())
    }

    fn events(&self) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
        Box::pin(futures_util::stream::empty())
    }
}

fn broken(error: std::io::Error) -> EngineError {
    EngineError::Unreachable { endpoint: "docker exec".to_owned(), reason: error.to_string() }
}

fn unneeded() -> EngineError {
    EngineError::Refused {
        action: "do what these tests do not need".to_owned(),
        status: 501,
        reason: String::new(),
    }
}
