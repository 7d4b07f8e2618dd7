//! Compose, as users have it: read, merged, interpolated, normalised.
//!
//! The flow: [`read`] finds the files and their variables, `load` makes one tree of them (`interpolate`, `keys`, `merge`), and
//! `normalise` makes the model of it, `service` by service. `table` says what becomes of every key of the specification.

mod build;
mod depends;
mod dotenv;
mod environment;
mod fields;
mod interpolate;
mod keys;
mod load;
mod merge;
mod model;
mod mount;
mod network;
mod normalise;
mod path;
mod port;
mod read;
mod resources;
mod scalar;
mod service;
mod table;

pub use self::depends::start_order;
pub use self::keys::status;
pub use self::model::*;
pub(crate) use self::path::in_tree;
pub(crate) use self::read::{DEFAULT_FILES, OVERRIDES, directory_name, files_of_env};
pub use self::read::{Request, read};
pub use self::service::DEFAULT_GRACE;
pub use self::table::Status;

#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod established_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod testing;
