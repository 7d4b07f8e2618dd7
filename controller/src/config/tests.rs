//! Configurations as people write them, and as they get them wrong.
