//! Real parts for the tests: a PostgreSQL server in a temporary directory, certificates for it, and an engine that is the
//! `docker` command.

mod authority;
mod docker;
mod postgres;

pub(super) use self::authority::Authority;
pub(super) use self::docker::{Docker, HERE, Stack};
pub(super) use self::postgres::Server;
