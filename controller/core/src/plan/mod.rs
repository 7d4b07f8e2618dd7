//! Plans: the ordered steps from what is observed to a release.

mod deploy;
mod explain;
mod facts;
mod make;
mod prepare;
mod schema;
mod service;
mod step;
mod undo;

pub use explain::differences;
pub use facts::*;
pub use make::{Blocked, make};
pub use schema::{SchemaMove, schema_move};
pub use step::*;
pub use undo::{Before, undo};
