//! Whether what runs works: probes, the proof of a candidate, the bake, smoke checks.

mod bake;
mod outside;
mod probe;
mod prove;
mod smoke;
mod wire;
mod within;

pub(crate) use bake::{BakeSubject, Baking, Old, bake};
pub(crate) use outside::from_outside;
pub(crate) use probe::{Reach, address};
pub(crate) use prove::{OneShot, ProofSubject, prove, tail, words};
pub(crate) use smoke::smoke;
#[cfg(test)]
pub(crate) use wire::{Answer, Ask};
pub(crate) use wire::{Sockets, Wire};
pub(crate) use within::{Within, within};

/// Why something did not pass.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// It failed; the evidence.
    #[error("{0}")]
    Failed(String),
    /// A newer commit, or an operator, ended it.
    #[error("{0}")]
    Cancelled(String),
    /// The engine is away for longer than anybody should wait.
    #[error("{0}")]
    Unreachable(String),
    /// Something on the host keeps the engine from telling.
    #[error("{0}")]
    Hindered(String),
    /// Somebody has removed its container.
    #[error("{0}")]
    Gone(String),
}
