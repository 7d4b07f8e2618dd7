//! evenkeel: a GitOps controller for Docker Compose on your own servers.

mod engine;
mod source;

fn main() {}
