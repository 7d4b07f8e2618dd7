//! The manifest of an application.

mod check;
pub mod duration;
mod init;
mod model;
mod read;
mod upkeep;
pub mod window;

pub use self::check::{check, check_located};
pub use self::init::init;
pub use self::model::*;
pub(crate) use self::read::is_project_name;
pub use self::read::{read, schema};
pub use self::upkeep::{Images, OnRemoval, Tags};
pub use self::window::denied;
