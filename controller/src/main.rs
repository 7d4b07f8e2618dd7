//! evenkeel: a GitOps controller for Docker Compose on your own servers.

mod database;
mod engine;

fn main() {}
