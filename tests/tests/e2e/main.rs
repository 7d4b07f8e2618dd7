//! The stories that evenkeel has to live through, against a real engine.

mod adoption;
mod backups;
mod bad_input;
mod broken;
mod build_secrets;
mod cli;
mod database_state;
mod dependents;
mod drift;
mod entrypoint;
mod every_step;
mod exclusive;
mod fenced;
mod first;
mod full_disk;
mod harness;
mod hooks;
mod host_files;
mod in_container;
mod let_go;
mod majors;
mod monitoring;
mod outside;
mod owner;
mod story;
mod tags;
