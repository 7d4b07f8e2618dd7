//! Compose, as users have it: read, merged, interpolated, normalised.
//!
//! The flow: [`read`] finds the files and their variables, `load` makes one tree of them (`interpolate`, `keys`, `merge`), and
//! `normalise` makes the model of it, `service` by service. `table` says what becomes of every key of the specification.

mod blkio;
mod build;
mod classic;
mod depends;
mod devices;
mod dotenv;
mod environment;
mod fields;
mod given;
mod hooks;
mod include;
mod interpolate;
mod kernel;
mod keys;
mod links;
mod load;
mod merge;
mod model;
mod modern;
mod mount;
mod network;
mod newer;
mod normalise;
pub(crate) mod path;
mod port;
mod read;
mod replicas;
mod resources;
mod scalar;
mod scope;
mod security;
mod service;
mod table;

pub use self::blkio::Blkio;
pub use self::classic::{Classic, image_name};
pub use self::depends::{restarted_with, start_order};
pub use self::devices::DeviceRequest;
pub use self::kernel::Kernel;
pub use self::keys::status;
pub use self::model::*;
pub use self::modern::Modern;
pub use self::newer::{Newer, newer};
pub(crate) use self::path::in_tree;
pub(crate) use self::read::{DEFAULT_FILES, OVERRIDES, directory_name, files_of_env};
pub use self::read::{Request, read};
pub use self::service::DEFAULT_GRACE;
pub use self::table::Status;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod build_tests;
#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod established_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(any(test, fuzzing))]
pub mod holds;
#[cfg(test)]
mod include_tests;
#[cfg(test)]
mod more_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
pub(crate) mod testing;
