//! The manifest of an application.

pub mod duration;
mod model;

pub use model::*;
