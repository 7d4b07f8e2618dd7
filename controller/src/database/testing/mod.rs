//! Real parts for the tests: a PostgreSQL server in a temporary directory, and an engine that is the `docker` command.

mod docker;
mod postgres;

pub(super) use self::docker::{Docker, Stack};
pub(super) use self::postgres::Server;
