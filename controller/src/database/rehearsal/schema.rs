//! The real schema, loaded into the scratch server: roles, the database and its settings, the schema, the revision.

use tokio_postgres::Client;

use super::super::backup::sibling;
use super::super::error::DatabaseError;
use super::super::programs::Program;
use super::super::target::{Target, literal, quoted};
use super::Request;
use crate::engine::Engine;

/// What streams between two containers at a time.
const PIPE: usize = 256 * 1024;

/// Whatever points outside is left out: a copied subscription would subscribe.
const SCHEMA: [&str; 5] = ["-s", "--no-tablespaces", "--no-publications", "--no-subscriptions", "-d"];

pub(super) async fn load(
    engine: &dyn Engine,
    request: &Request<'_>,
    scratch: &Target,
) -> Result<(), DatabaseError> {
    roles(engine, request.target, scratch).await?;
    database(request.target, scratch).await?;
    let dump =
        Program::new(engine, request.target, "pg_dump", &[&SCHEMA[..], &[&request.target.name]].concat());
    let load = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &scratch.name];
    pipe(dump, Program::new(engine, scratch, "psql", &load)).await?;
    revision(request, scratch).await
}

/// Without passwords, and past errors: the first role is there already. A role that may not read them all is served as far as it
/// goes; what is missing then shows when the schema is loaded.
async fn roles(engine: &dyn Engine, target: &Target, scratch: &Target) -> Result<(), DatabaseError> {
    let globals = ["--globals-only", "--no-role-passwords", "--no-tablespaces", "-l", &target.name];
    let dump = Program::new(engine, target, "pg_dumpall", &globals);
    let load = Program::new(engine, scratch, "psql", &["-X", "-q", "-d", "postgres"]);
    match pipe(dump, load).await {
        Err(DatabaseError::Program { program, reason, .. }) if program == "pg_dumpall" => {
            tracing::warn!(reason, "roles cannot be copied for the rehearsal");
            Ok(())
        }
        piped => piped,
    }
}

async fn database(target: &Target, scratch: &Target) -> Result<(), DatabaseError> {
    let real = target.connect_for_maintenance().await?;
    let read = |error| DatabaseError::sql(target, "show its settings", &error);
    let definition = sibling::definition(&real, &target.name, &scratch.name).await.map_err(read)?;
    let properties = sibling::properties(&real, &target.name, &scratch.name).await.map_err(read)?;
    let session = scratch.connect_for_maintenance().await?;
    let made = async {
        // The scratch server's own first database may have the name already.
        session.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&scratch.name))).await?;
        execute(&session, &[vec![definition], properties].concat()).await
    };
    made.await.map_err(|error| DatabaseError::sql(scratch, "be made like the real one", &error))
}

async fn execute(session: &Client, statements: &[String]) -> Result<(), tokio_postgres::Error> {
    for statement in statements {
        session.batch_execute(statement).await?;
    }
    Ok(())
}

async fn revision(request: &Request<'_>, scratch: &Target) -> Result<(), DatabaseError> {
    let insert = |revision| {
        format!("INSERT INTO {} (version_num) VALUES ({})", scratch.version_table(), literal(revision))
    };
    let rows: Vec<String> = request.from.iter().map(|revision| insert(revision.as_str())).collect();
    let inserted = execute(&scratch.connect().await?, &rows).await;
    inserted.map_err(|error| DatabaseError::sql(scratch, "take the revision", &error))
}

/// One program's output as another's input. The second one's complaint comes first: the first one only sees a closed pipe.
async fn pipe(from: Program<'_>, to: Program<'_>) -> Result<(), DatabaseError> {
    let (reader, writer) = tokio::io::duplex(PIPE);
    let (dumped, loaded) =
        tokio::join!(from.run(None, Some(Box::new(writer))), to.run(Some(Box::new(reader)), None));
    loaded?;
    dumped.map(drop)
}
