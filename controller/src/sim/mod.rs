//! Crash-safe by enumeration: every story, ended by a crash wherever anything has become durable, comes to the same end.
//!
//! `story → reference run, an image at every durable change → restart on each → passes until quiet → the same end`. What is
//! real: the pass, the planner, the executor, the ledger with its files, the repository. What is simulated: the host with its
//! engine and database servers (`world`, `cluster`, `code`), behind the traits that production uses (`host`, `databases`,
//! `wire`); and time.
//!
//! Whether the simulated host is like a real one is what `conformance` asks: the same scenarios on both, compared line by line.

mod answers;
mod branch;
mod cluster;
mod code;
mod conformance;
mod crashes;
mod databases;
mod enumerate;
mod host;
mod image;
mod kept;
mod late;
mod likeness;
mod machine;
mod meddling;
mod mishaps;
mod oracle;
mod overtaken;
mod owner;
mod polls;
mod process;
mod random;
mod reference;
mod repairs;
mod replicas;
mod retention;
mod stage;
mod stories;
mod windows;
mod wire;
mod world;
