//! Carries plans out in the pure world as the executor does, and stops wherever a test wants a crash.

use super::world::World;
use crate::name::{RolloutId, ServiceName};
use crate::plan::{
    Blocked, Direction, Effect, Facts, Plan, Stage, Step, Strategy, adopted, before, lint, make, undo,
    unrecorded, vetted,
};
use crate::release::Release;

/// How a drive ended.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "shown when a test fails")]
pub(super) enum End {
    #[default]
    Finished,
    Stopped,
    Failed(String),
    Blocked(Blocked),
}

/// One rollout, or the way back of one.
#[derive(Clone, Copy)]
pub(super) struct Drive<'a> {
    pub(super) release: &'a Release,
    pub(super) rollout: i64,
    pub(super) reverting: bool,
    /// The process ends after so many steps.
    pub(super) stop_after: Option<usize>,
    /// It ends before the ledger knows of the last of them.
    pub(super) torn: bool,
    /// Steps that fail without doing anything.
    pub(super) fails: fn(&Effect) -> bool,
}

pub(super) fn forward(release: &Release, rollout: i64) -> Drive<'_> {
    Drive { release, rollout, reverting: false, stop_after: None, torn: false, fails: |_| false }
}

pub(super) fn back(release: &Release, rollout: i64) -> Drive<'_> {
    Drive { reverting: true, ..forward(release, rollout) }
}

/// What was done, a line a step; and how it ended.
#[derive(Default)]
pub(super) struct Log {
    pub(super) lines: Vec<String>,
    pub(super) end: End,
    pub(super) steps: usize,
    /// The step begun last.
    reached: Option<Effect>,
}

fn goes_down(effect: &Effect) -> bool {
    matches!(effect, Effect::Migrate { direction: Direction::Down, .. })
}

impl Drive<'_> {
    pub(super) fn stop_after(self, steps: usize) -> Self {
        Self { stop_after: Some(steps), ..self }
    }

    pub(super) fn torn(self, torn: bool) -> Self {
        Self { torn, ..self }
    }

    pub(super) fn failing(self, fails: fn(&Effect) -> bool) -> Self {
        Self { fails, ..self }
    }

    fn id(&self) -> RolloutId {
        RolloutId(self.rollout)
    }

    pub(super) fn run(&self, world: &mut World) -> Log {
        let mut log = Log::default();
        log.end = self.advance(world, &mut log).unwrap_or_else(|end| end);
        log
    }

    fn advance(&self, world: &mut World, log: &mut Log) -> Result<End, End> {
        let mut last: Option<Plan> = None;
        for _ in 0..16 {
            if self.stop_after == Some(log.steps) {
                return Err(End::Stopped);
            }
            let adopted = adopted(&world.look(self.release, self.reverting).facts(self.release, self.id()));
            world.books.known.extend(adopted.into_iter().filter_map(|it| it.id));
            let unrecorded =
                unrecorded(&world.look(self.release, self.reverting).facts(self.release, self.id()));
            world.books.serving.extend(unrecorded);
            let vetted = vetted(&world.look(self.release, self.reverting).facts(self.release, self.id()));
            world.books.vetted.extend(vetted.into_iter().filter_map(|(it, config)| Some((it.id?, config))));
            let seen = world.look(self.release, self.reverting);
            let facts = seen.facts(self.release, self.id());
            self.remember_before(world, &facts);
            let plan = make(&facts).map_err(End::Blocked)?;
            let faults = lint(&plan, &facts);
            assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), lines(&plan).join("\n"));
            if plan.is_empty() {
                return Ok(End::Finished);
            }
            if last.as_ref() == Some(&plan) {
                return Err(End::Failed(format!("the plan changes nothing:\n{}", lines(&plan).join("\n"))));
            }
            log.lines.push(head(&plan));
            match self.carry_out(world, &plan, log) {
                Ok(()) if plan.stage == Stage::Deploy => return Ok(End::Finished),
                Err(End::Failed(_)) if self.cannot_go_down(&plan, log) => {
                    let Some(Effect::Migrate { with, .. }) = &log.reached else { unreachable!() };
                    world.books.outputs.entry(with.clone()).or_default().leads_nowhere_back();
                }
                Err(End::Failed(_)) if self.older_code_on_newer_schema(world, &plan, log) => {
                    world.notes.force_fenced = true
                }
                Ok(()) => {}
                Err(end) => return Err(end),
            }
            last = Some(plan);
        }
        Err(End::Failed("planning came to no end".to_owned()))
    }

    fn carry_out(&self, world: &mut World, plan: &Plan, log: &mut Log) -> Result<(), End> {
        let moves = |step: &Step| match &step.effect {
            Effect::Migrate { direction, .. } => *direction == Direction::Up || !self.reverting,
            _ => false,
        };
        if plan.strategy == Strategy::Fenced && plan.steps.iter().any(moves) {
            world.notes.fenced = true;
        }
        for (at, step) in plan.steps.iter().enumerate() {
            if self.stop_after == Some(log.steps) {
                return Err(End::Stopped);
            }
            log.lines.push(line(step));
            log.reached = Some(step.effect.clone());
            log.steps += 1;
            if (self.fails)(&step.effect) {
                return Err(End::Failed(line(step)));
            }
            if plan.strategy == Strategy::Fenced
                && matches!(step.effect, Effect::Migrate { .. } | Effect::Restore { .. })
            {
                self.nobody_writes(world, log);
            }
            let torn = self.torn && self.stop_after == Some(log.steps);
            if let Err(fault) = world.apply(self.release, self.id(), self.reverting, &step.effect, torn) {
                let left = lines(plan)[at..].join("\n");
                assert!(
                    matches!(step.effect, Effect::Prove { .. }),
                    "{fault}\n{}\n---\n{left}",
                    log.lines.join("\n")
                );
                return Err(End::Failed(fault));
            }
        }
        Ok(())
    }

    fn nobody_writes(&self, world: &World, log: &Log) {
        let database = self.release.database_service();
        let writer =
            world.observed.containers.iter().find(|it| it.running() && it.service().as_ref() != database);
        let writer = writer.map(|it| it.name.clone());
        assert_eq!(writer, None, "runs while the schema moves behind a fence\n{}", log.lines.join("\n"));
    }

    fn cannot_go_down(&self, plan: &Plan, log: &Log) -> bool {
        plan.strategy == Strategy::Online && self.reverting && log.reached.as_ref().is_some_and(goes_down)
    }

    fn older_code_on_newer_schema(&self, world: &World, plan: &Plan, log: &Log) -> bool {
        let is_proof = |effect: &Effect| {
            matches!(effect, Effect::Start { .. } | Effect::PostStart { .. } | Effect::Prove { .. })
        };
        plan.steps.iter().any(|step| goes_down(&step.effect))
            && log.reached.as_ref().is_some_and(is_proof)
            && plan.strategy == Strategy::Online
            && !world.notes.force_fenced
            && (self.reverting || !world.notes.taken_over)
    }

    fn remember_before(&self, world: &mut World, facts: &Facts<'_>) {
        if self.reverting || world.notes.before.is_some() {
            return;
        }
        world.notes.before = Some(before(facts));
    }

    /// The way back of a first release.
    pub(super) fn undo(&self, world: &mut World) -> Log {
        let mut log = Log::default();
        let seen = world.look(self.release, true);
        let before = world.notes.before.clone().unwrap_or_default();
        let plan = match undo(&seen.facts(self.release, self.id()), &before) {
            Ok(plan) => plan,
            Err(blocked) => return Log { end: End::Blocked(blocked), ..log },
        };
        let undone = self.carry_out(world, &plan, &mut log);
        if undone.is_ok() {
            let database = self.release.database_service();
            let stood = |name: &ServiceName| before.iter().any(|was| was.container.service == *name);
            world.books.serving.retain(|name, _| stood(name) || Some(name) == database);
            for was in before.iter().filter(|was| was.running) {
                let id = was.container.id.clone().unwrap_or_else(|| panic!("{was:?}"));
                world.books.serving.insert(was.container.service.clone(), id);
            }
        }
        log.end = undone.map_or_else(|end| end, |()| End::Finished);
        log
    }
}

fn head(plan: &Plan) -> String {
    let strategy = match plan.strategy {
        Strategy::None => "",
        Strategy::Online => ", online",
        Strategy::Fenced => ", fenced",
    };
    match plan.stage {
        Stage::Prepare => "prepare:".to_owned(),
        Stage::Deploy => format!("deploy{strategy}:"),
    }
}

pub(super) fn line(step: &Step) -> String {
    let subject = step.effect.subject();
    let subject = if subject.is_empty() { subject } else { format!(" {subject}") };
    format!("  {}{subject} — {}", step.effect.name(), step.why)
}

pub(super) fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(line).collect()
}

/// A rollout that has to succeed, on a world that it leaves with nothing to do.
pub(super) fn deploy(world: &mut World, release: &Release, rollout: i64) -> Vec<String> {
    world.notes = super::world::Notes::default();
    let log = forward(release, rollout).run(world);
    assert!(matches!(log.end, End::Finished), "{:?}\n{}", log.end, log.lines.join("\n"));
    nothing_to_do(world, release);
    log.lines
}

/// The next look finds nothing that differs from the release.
pub(super) fn nothing_to_do(world: &mut World, release: &Release) {
    for (service, id) in &world.books.serving {
        let runs = world.of(service).any(|it| it.id == *id && it.running());
        let whole = !runs || !world.has_hooks(service, id) || world.hooked.contains(id);
        assert!(whole, "{service} serves, and its hooks have not run since it was started");
    }
    assert!(world.books.untold.is_empty(), "not told: {:?}", world.books.untold);
    let notes = std::mem::take(&mut world.notes);
    let seen = world.look(release, false);
    let facts = seen.facts(release, RolloutId(0));
    match make(&facts) {
        Ok(plan) => assert!(plan.is_empty(), "still to do:\n{}", lines(&plan).join("\n")),
        Err(blocked) => panic!("blocked: {blocked}"),
    }
    world.notes = notes;
}
