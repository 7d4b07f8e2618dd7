//! The scratch server.

use std::time::Duration;

use evenkeel_core::compose::RestartPolicy;
use evenkeel_core::container::ContainerSpec;
use evenkeel_core::name::ContainerId;
use evenkeel_core::secret::Secret;
use tokio::time::{Instant, sleep};

use super::super::error::DatabaseError;
use super::super::programs::Programs;
use super::super::target::Target;
use super::super::tls::Tls;
use super::Request;
use crate::engine::{Engine, EngineError};

/// How long it may take to initialise itself and answer.
const READY: Duration = Duration::from_secs(120);

/// The pause between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(100);

/// The role that owns what came with the cluster. Its namesake makes the scratch server, so that owners are the same there.
const FIRST_ROLE: &str = "SELECT rolname::text FROM pg_roles WHERE oid = 10";

/// Starts it and waits until it answers over TCP: while it initialises itself it listens on its socket only.
pub(super) async fn start(engine: &dyn Engine, request: &Request<'_>) -> Result<Target, DatabaseError> {
    remove(engine, &request.scratch).await?;
    let user = first_role(request.target).await?;
    let id = engine.create(&prepared(&request.scratch, &user)).await?;
    engine.start(id.as_str()).await?;
    let scratch = Target {
        host: address(engine, &id, &request.scratch).await?,
        port: request.port,
        user,
        password: None,
        name: "postgres".to_owned(),
        programs: Some(programs(&id, request.port)),
        tls: Tls::default(),
        ..request.target.clone()
    };
    ready(engine, &id, &scratch).await?;
    if request.target.tls.required() {
        super::tls::offer(&scratch).await?;
    }
    Ok(scratch.sibling(&request.target.name))
}

/// The programs look for the socket of the default port, and for no other.
fn programs(id: &ContainerId, port: u16) -> Programs {
    match port {
        5432 => Programs::Server(id.clone()),
        port => Programs::Beside { container: id.clone(), host: "127.0.0.1".to_owned(), port },
    }
}

/// Removes it, and what an earlier one left under its name.
pub(super) async fn remove(engine: &dyn Engine, scratch: &ContainerSpec) -> Result<(), DatabaseError> {
    match engine.container(&scratch.name).await? {
        Some(container) => Ok(engine.remove(container.id.as_str(), true).await?),
        None => Ok(()),
    }
}

async fn first_role(target: &Target) -> Result<String, DatabaseError> {
    let row = target.connect().await?.query_one(FIRST_ROLE, &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| DatabaseError::sql(target, "name its first role", &error))
}

/// Nobody but the one-off reaches it, and there is nothing in it to protect: no passwords.
fn prepared(scratch: &ContainerSpec, user: &str) -> ContainerSpec {
    let mut spec = scratch.clone();
    let environment = &mut spec.service.environment;
    environment.retain(|name, _| !name.starts_with("POSTGRES_"));
    for (name, value) in [("USER", user), ("DB", "postgres"), ("HOST_AUTH_METHOD", "trust")] {
        environment.insert(format!("POSTGRES_{name}"), Secret::new(value));
    }
    (spec.publish, spec.auto_remove, spec.restart) = (false, false, RestartPolicy::No);
    spec
}

async fn address(
    engine: &dyn Engine,
    id: &ContainerId,
    spec: &ContainerSpec,
) -> Result<String, DatabaseError> {
    let container = engine.container(id.as_str()).await?;
    let network = spec.endpoints.first().map(|endpoint| endpoint.network.as_str()).unwrap_or_default();
    let joined = container.as_ref().and_then(|container| container.networks.get(network));
    match joined.filter(|joined| !joined.ip_address.is_empty()) {
        Some(joined) => Ok(joined.ip_address.clone()),
        None => Err(dead(engine, id).await),
    }
}

async fn ready(engine: &dyn Engine, id: &ContainerId, scratch: &Target) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + READY;
    loop {
        match scratch.connect().await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) if !running(engine, id).await? => return Err(dead(engine, id).await),
            Err(_) => sleep(AGAIN).await,
        }
    }
}

async fn running(engine: &dyn Engine, id: &ContainerId) -> Result<bool, EngineError> {
    Ok(engine.container(id.as_str()).await?.is_some_and(|container| container.running()))
}

async fn dead(engine: &dyn Engine, id: &ContainerId) -> DatabaseError {
    let lines = engine.logs(id.as_str(), 0, Some(5)).await.unwrap_or_default();
    let reason = lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join(" | ");
    let exit_code = match engine.container(id.as_str()).await {
        Ok(Some(container)) => container.exit_code,
        _ => -1,
    };
    DatabaseError::Scratch { exit_code, reason }
}
