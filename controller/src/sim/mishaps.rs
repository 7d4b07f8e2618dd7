//! Lets something go wrong at every effect and at every read, and looks how the story ends.

use super::enumerate::{Figures, full};
use super::machine::{Fault, Mishap};
use super::process::Circumstances;
use super::reference::Reference;

/// Of what can go wrong, an ordinary run takes one in so many.
const ORDINARY: u64 = 41;

/// Every effect goes wrong once, in every way; every read is stale once.
pub(super) async fn every_mishap(reference: &Reference<'_>, figures: &mut Figures) {
    let effects = (0..reference.figures.effects)
        .flat_map(|at| Mishap::ALL.into_iter().map(move |mishap| Fault::At(at, mishap)));
    let reads = (0..reference.figures.reads).map(Fault::Stale);
    let stride = if full() { 1 } else { ORDINARY };
    // Another part of them in each story.
    let first = reference.figures.effects % stride;
    for fault in effects
        .chain(reads)
        .skip(usize::try_from(first).unwrap_or(0))
        .step_by(usize::try_from(stride).unwrap_or(1))
    {
        figures.mishaps += 1;
        let how = Circumstances { fault: Some(fault), ..Circumstances::default() };
        if let Err(why) = reference.restart(&reference.beginning, how, 0).await {
            let name = reference.stage.story.name;
            figures.failures.push(format!("{name}: {fault:?}: {why}"));
        }
    }
}
