//! The planner against a small, pure world: plans as people read them, and every point at which a crash can come.

mod adoption;
mod after_crash;
mod dependents;
mod drift;
mod drive;
mod environment;
mod held;
mod hooks;
mod major;
mod names;
mod pools;
mod prefixes;
mod releases;
mod replicas;
mod room;
mod scale;
mod stories;
mod tags;
mod way_back;
mod ways_down;
mod world;
