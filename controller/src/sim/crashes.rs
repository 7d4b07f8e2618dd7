//! Ends stories by a crash wherever there can be one, and again wherever there can be one after that.

use std::time::Duration;

use super::enumerate::{Figures, full};
use super::image::{Image, Moment};
use super::process::Circumstances;
use super::reference::{Reference, State, States};
use super::stage::IDLE;

/// After every so many crashes all idle passes are made. After the others there is one, a minute after the end: each is a
/// function of what the one before it saw, so that one that does nothing is followed by others that do nothing.
const ALL_IDLE_PASSES_EVERY: usize = 100;
/// Of the states that only crashes lead to, an ordinary run takes one in so many.
const LATER_STATES: u64 = 101;
/// Of the power losses, an ordinary run takes one in so many.
const POWER_LOSSES: usize = 5;

/// What happens when the process ends.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// It is back at once.
    Killed,
    /// It is back after a while, in which the world goes on.
    KilledForAWhile,
    /// The whole host goes down and comes back.
    PowerLoss,
}

impl Crash {
    /// What the next process finds; `None` where another kind of crash leaves the same.
    fn leaves(self, image: &Image) -> Option<Image> {
        let mut left = image.clone();
        left.world.locks.clear();
        match self {
            Self::Killed => {}
            // Where nothing is under way, nothing changes meanwhile.
            Self::KilledForAWhile if !image.world.migrates() => return None,
            Self::KilledForAWhile => left.world.advance(image.world.clock + Duration::from_millis(1_250)),
            // Until something else is done to it, the host is the same.
            Self::PowerLoss if !image.place.contains("after") => return None,
            Self::PowerLoss => left.world.reboot(),
        }
        Some(left)
    }
}

/// Ends a story at every point, in every way; and whatever further crash may come on the way back, there too.
pub(super) async fn crash_everywhere(reference: &Reference<'_>, figures: &mut Figures) {
    crash_for_longer(reference, figures).await;
    while let Some(state) = reference.states.next() {
        if state.crashes > 1 && !full() && !state.number.is_multiple_of(LATER_STATES) {
            figures.left_out += 1;
            continue;
        }
        crash(reference, &state, figures).await;
    }
}

/// The process is back at once.
async fn crash(reference: &Reference<'_>, state: &State, figures: &mut Figures) {
    let Some(left) = Crash::Killed.leaves(&state.image) else { return };
    let states: States = reference.states.clone();
    let crashes = state.crashes + 1;
    let sink = move |moment: &mut Moment<'_>| states.add(moment, crashes, |it| it.image());
    let how = Circumstances { sink: Some(Box::new(sink)), ..Circumstances::default() };
    figures.states += 1;
    figures.crashes = figures.crashes.max(state.crashes);
    let idle = if figures.states.is_multiple_of(ALL_IDLE_PASSES_EVERY) { IDLE } else { 0 };
    if let Err(why) = reference.restart(&left, how, idle).await {
        let (name, place, crashes) = (reference.stage.story.name, &state.image.place, state.crashes);
        figures.failures.push(format!("{name}: killed {crashes} times, at last at {place}: {why}"));
    }
}

/// The process is back after a while, or the whole host was down.
async fn crash_for_longer(reference: &Reference<'_>, figures: &mut Figures) {
    let mut losses = 0;
    for image in &reference.images {
        for crash in [Crash::KilledForAWhile, Crash::PowerLoss] {
            let Some(left) = crash.leaves(image) else { continue };
            losses += usize::from(matches!(crash, Crash::PowerLoss));
            if matches!(crash, Crash::PowerLoss) && !full() && !losses.is_multiple_of(POWER_LOSSES) {
                continue;
            }
            figures.longer += 1;
            if let Err(why) = reference.restart(&left, Circumstances::default(), 0).await {
                let name = reference.stage.story.name;
                figures.failures.push(format!("{name}: {crash:?} at {}: {why}", image.place));
            }
        }
    }
}
