//! Lets something go wrong at every effect, at every write to the ledger and at every read, and looks how the story ends.

use super::enumerate::{Figures, full};
use super::machine::{Fault, Mishap};
use super::process::Circumstances;
use super::reference::Reference;

/// Of what can go wrong, an ordinary run takes one in so many.
const ORDINARY: usize = 17;

/// Every effect goes wrong once, in every way, every write to the ledger fails once, and every read of the engine shows once what was
/// before its last change.
///
/// An engine answers a look at one container with the truth (docs/reliability.md says why that is believed); that any read may be behind is
/// more than what can happen, and stands for all that does: lists that are put together while things change, logs that are not all
/// there yet, and people who change something between a look and what is done upon it.
pub(super) async fn every_mishap(reference: &Reference<'_>, figures: &mut Figures) {
    let effects = (0..reference.figures.effects)
        .flat_map(|at| Mishap::ALL.into_iter().map(move |mishap| Fault::At(at, mishap)));
    let writes = (0..reference.figures.writes).map(Fault::Ledger);
    let reads = (0..reference.figures.reads).map(Fault::Stale);
    let mut faults: Vec<Fault> = effects.chain(writes).chain(reads).collect();
    let mut stride = if full() { 1 } else { ORDINARY };
    if let Ok(chosen) = std::env::var("EVENKEEL_FAULT") {
        faults.retain(|fault| format!("{fault:?}").contains(&chosen));
        stride = 1;
    }
    // Another part of them in each story.
    let part = faults.iter().skip(faults.len() % stride).step_by(stride);
    each(reference, figures, part).await;
}

/// What the engine carries out when nobody waits for it any more, at every effect. Most of it harms nobody; where what ran before is still
/// there and may run again, as at an adoption, it can.
pub(super) async fn every_late_effect(reference: &Reference<'_>, figures: &mut Figures) {
    let late = [Mishap::Late(1), Mishap::Late(4)];
    let faults: Vec<Fault> = (0..reference.figures.effects)
        .flat_map(|at| late.into_iter().map(move |mishap| Fault::At(at, mishap)))
        .collect();
    each(reference, figures, faults.iter()).await;
}

async fn each(reference: &Reference<'_>, figures: &mut Figures, faults: impl Iterator<Item = &Fault>) {
    for fault in faults {
        figures.mishaps += 1;
        let how = Circumstances { fault: Some(*fault), ..Circumstances::default() };
        if let Err(why) = reference.restart(&reference.beginning, how, 0).await {
            let name = reference.stage.story.name;
            figures.failures.push(format!("{name}: {fault:?}: {why}"));
        }
    }
}
