//! Crash-safe by enumeration: every story, ended by a crash wherever anything has become durable, comes to the same end.
//!
//! `story → reference run, an image at every durable change → restart on each → passes until quiet → the same end`. What is
//! real: the pass, the planner, the executor, the ledger with its files, the repository. What is simulated: the host with its
//! engine and database servers (`world`, `cluster`, `code`), behind the traits that production uses (`host`, `databases`,
//! `wire`); and time.

mod cluster;
mod code;
mod databases;
mod enumerate;
mod host;
mod image;
mod machine;
mod oracle;
mod owner;
mod process;
mod stage;
mod stories;
mod wire;
mod world;
