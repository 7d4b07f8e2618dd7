//! Where desired state comes from: a git repository, followed on one branch.
//!
//! `poll` asks the remote for the branch's tip and mirrors it, `Checkout` reads one commit of the mirror, a build context and the
//! files that containers mount are made from it, and `Watches` says when a local repository or a host file has changed. Only
//! this folder names the git library and the file watcher's.
//!
//! Every contact with a remote happens in a short-lived process of its own, see [`helper`].

mod archive;
mod checkout;
mod config;
mod context;
mod dockerignore;
mod error;
mod given;
pub(crate) mod helper;
mod history;
mod hostkeys;
mod location;
mod materialise;
mod mirror;
mod remote;
mod repository;
mod search;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod watch;
mod working;

pub(crate) use checkout::{Checkout, TreeError};
pub(crate) use config::{Credentials, SourceConfig};
pub(crate) use context::{ContextError, ContextRequest};
pub(crate) use error::SourceError;
pub(crate) use given::Given;
pub(crate) use materialise::{MaterialiseError, Releases};
pub(crate) use repository::{Source, Tip};
pub(crate) use watch::{Changed, Target, Watches};
pub(crate) use working::Working;
