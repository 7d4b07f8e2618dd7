//! What the end-to-end tests are made of: worlds that several can run of side by side, the controller as a process, its
//! command line, the engine, the database, and users who never stop asking.
//!
//! Everything here may panic: it is a test's harness, and a panic with the status, the history and the end of the log in it
//! is what a failed test should leave behind.

pub mod assertions;
pub mod byhand;
pub mod command;
pub mod controller;
pub mod database;
pub mod disk;
pub mod docker;
pub mod gauntlet;
pub mod http;
pub mod journal;
pub mod light;
pub mod load;
pub mod metrics;
pub mod registry;
pub mod report;
pub mod wait;
pub mod world;

pub use controller::Controller;
pub use disk::Disk;
pub use docker::Docker;
pub use gauntlet::Gauntlet;
pub use load::Load;
pub use world::World;

/// Tells a figure to whoever runs the tests with `--no-capture`.
#[expect(clippy::print_stdout, reason = "figures are asked for by looking at the output")]
pub fn tell(figure: impl std::fmt::Display) {
    println!("{figure}");
}
