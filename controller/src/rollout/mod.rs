//! A rollout: plan, carry out step by step, journal, and put everything back when it fails.

mod asked;
mod bake;
mod clear_away;
mod context;
mod database;
mod dependents;
mod done;
mod execute;
mod failure;
mod gather;
mod hooks;
mod on_takeover;
#[cfg(test)]
mod oracle;
mod outside;
mod overtaken;
mod perform;
mod prepare;
mod previous;
mod revert;
mod run;
mod smoke;
mod start;
mod sweep;
mod twin;

pub(crate) use context::{Context, Live};
pub(crate) use database::{backup_now, restore_now, verify_now};
pub(crate) use failure::Failure;
pub(crate) use gather::Gathered;
pub(crate) use outside::Helpers;
pub(crate) use overtaken::leads_back;
pub(crate) use prepare::context_request;
pub(crate) use revert::resume_as_revert;
pub(crate) use run::{End, Order, fence_is_up, outcome, remarks, run};
pub(crate) use sweep::sweep;
