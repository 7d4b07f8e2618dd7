//! Killed at every step: the controller dies as soon as a step is on record as begun, when that step is tried again in the middle
//! of its effect, and as soon as it is on record as done. It comes back each time, and goes on to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::controller::Controller;
use crate::disk::Disk;
use crate::http;
use crate::journal::{Journal, Moment, Side};
use crate::world::{World, project};

/// Between two entries of the journal, a start of the controller in between.
const LIMIT: Duration = Duration::from_secs(120);
/// A user waits as long for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// More kills than any rollout has steps: one that never comes to its end has more.
const MOST: usize = 300;

/// Who is killed, and what with.
#[derive(Debug)]
pub struct Victim<'a> {
    /// Where it works.
    pub world: &'a World,
    /// The controller.
    pub controller: &'a mut Controller,
    /// Its disk, where that loses power with it.
    pub disk: Option<&'a mut Disk>,
}

/// The kills that were made.
#[derive(Debug)]
pub struct Gauntlet {
    journal: Journal,
    /// How often it was hit at which kind of step.
    hit: BTreeMap<(String, Side), usize>,
    /// Moments that had gone by before the signal arrived.
    late: Vec<Moment>,
    /// Moments at which nobody served while the controller was dead.
    silent: Vec<Moment>,
    began: Instant,
    /// Whether it is killed in the middle of effects, too.
    amid: bool,
}

impl Gauntlet {
    /// None yet.
    pub fn new(controller: &Controller) -> Self {
        Self {
            journal: Journal::of(&controller.data_dir(), &controller.app),
            hit: BTreeMap::new(),
            late: Vec::new(),
            silent: Vec::new(),
            began: Instant::now(),
            amid: true,
        }
    }

    /// Only where something has just gone on record. What is killed in the middle of its effect may be found made afterwards, so
    /// that it never goes on record as done.
    pub fn on_record_only(controller: &Controller) -> Self {
        Self { amid: false, ..Self::new(controller) }
    }

    /// Kills the controller at every moment of the commit's rollout that `wanted` takes, each once, until the rollout has ended.
    pub fn run(&mut self, mut victim: Victim<'_>, commit: &str, wanted: impl Fn(&Moment) -> bool) {
        let mut killed = BTreeSet::new();
        let amid = |now: &Moment| Moment { side: Side::Amid, ..now.clone() };
        let is_amid = self.amid;
        let left = |killed: &BTreeSet<Moment>, now: &Moment| {
            !killed.contains(now) || is_amid && now.side == Side::Begun && !killed.contains(&amid(now))
        };
        while let Some(begun) = self.journal.wait(commit, LIMIT, |now| wanted(now) && left(&killed, now)) {
            let mut meant = begun.clone();
            if killed.contains(&begun) {
                self.journal.amid(commit, &begun);
                meant = amid(&begun);
            }
            victim.controller.kill9();
            self.journal.let_go();
            if let Some(disk) = &mut victim.disk {
                disk.lose_power();
            }
            let last = self.journal.of_the_dead(commit).unwrap_or_else(|| begun.clone());
            let hit = if last == begun { meant.clone() } else { last };
            self.note(victim.world, &meant, &hit);
            killed.extend([meant, hit]);
            assert!(killed.len() < MOST, "it never ends: {killed:#?}");
            victim.controller.restart();
        }
        self.journal.let_go();
    }

    /// Counts rollouts only that are begun after this one.
    #[must_use]
    pub fn after(self, rollout: i64) -> Self {
        Self { journal: self.journal.after(rollout), ..self }
    }

    fn note(&mut self, world: &World, meant: &Moment, hit: &Moment) {
        *self.hit.entry((hit.step.clone(), hit.side)).or_default() += 1;
        if meant != hit {
            self.late.push(meant.clone());
        }
        let answer = http::read(http::client(PATIENCE, 0).get(world.url("/api/v1/version")).call());
        if !answer.is_ok_and(|answer| answer.status == 200) {
            self.silent.push(hit.clone());
        }
    }

    /// How many there were.
    pub fn kills(&self) -> usize {
        self.hit.values().sum()
    }

    /// The moments at which nobody served while the controller was dead.
    pub fn silent(&self) -> &[Moment] {
        &self.silent
    }
}

impl fmt::Display for Gauntlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |step: &str, side| self.hit.get(&(step.to_owned(), side)).copied().unwrap_or(0);
        let all = effects();
        let steps: BTreeSet<&str> = self.hit.keys().map(|(step, _)| step.as_str()).collect();
        writeln!(
            f,
            "{} kills in {:.0} s at {} of {} kinds of step; {} came a moment later than meant",
            self.kills(),
            self.began.elapsed().as_secs_f64(),
            steps.len(),
            all.len(),
            self.late.len()
        )?;
        for step in steps {
            writeln!(
                f,
                "  {step:<22} begun {:>3}  amid {:>3}  done {:>3}",
                count(step, Side::Begun),
                count(step, Side::Amid),
                count(step, Side::Done)
            )?;
        }
        let without: Vec<&String> =
            all.iter().filter(|step| !self.hit.keys().any(|(hit, _)| hit == *step)).collect();
        writeln!(f, "  none at {without:?}")?;
        writeln!(f, "  nobody served at {} of them: {:?}", self.silent.len(), kinds(&self.silent))?;
        write!(f, "  later than meant: {:?}", kinds(&self.late))
    }
}

fn kinds(moments: &[Moment]) -> BTreeSet<String> {
    moments.iter().map(|it| format!("{} {} {:?}", it.stage, it.step, it.side)).collect()
}

/// The kinds of step that there are: the list that the enumeration of crashes has to cover.
pub fn effects() -> Vec<String> {
    let path = project().join("controller/src/sim/enumerate.rs");
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let list = text.split_once("const EFFECTS").and_then(|(_, rest)| rest.split_once("];"));
    let (list, _) = list.unwrap_or_else(|| panic!("{} has no list of effects any more", path.display()));
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_effects_is_found() {
        let all = super::effects();
        assert!(all.len() > 20 && all.contains(&"hand-over".to_owned()), "{all:?}");
    }
}
