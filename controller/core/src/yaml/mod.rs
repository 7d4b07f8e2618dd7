//! YAML with places: the only module that names YAML libraries.
//!
//! Text becomes a tree of [`Node`]s that know where they stand, so that whatever is said about them later, by serde or by the
//! readers of Compose files, names file, line and column. Aliases and merge keys are resolved here, within a budget.

mod build;
mod core;
mod de;
mod node;
mod place;
mod write;

pub use self::build::parse;
pub use self::core::Core;
pub use self::de::{from_node, from_str};
pub use self::node::{Entry, Mapping, Node, Scalar, Tag, Value};
pub use self::place::{Place, suggestion};
pub use self::write::{WriteError, to_string};
