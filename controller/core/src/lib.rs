//! Every decision of evenkeel, and no effect.
//!
//! The flow is `source → manifest → desired`, `observed`, `plan`, and then the shell executes, verifies and records. All of
//! it is data here. This crate depends on no runtime, engine, repository, clock, environment or file: what it needs of them is
//! passed in.

pub mod compose;
pub mod container;
pub mod database;
pub mod files;
pub mod let_go;
pub mod limits;
pub mod located;
pub mod logged;
pub mod manifest;
pub mod name;
pub mod observed;
pub mod plan;
pub mod release;
pub mod secret;
pub mod spec;
pub mod status;
pub mod subnet;
pub mod tags;
pub mod verdict;
pub mod yaml;
