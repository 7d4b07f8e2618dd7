//! The same where the data directory's disk loses power with the controller: what was not synced is gone, while containers and the
//! database have got further.

use evenkeel_tests::journal::Side;

use super::*;

/// Whose files have to be there when their step is on record as done.
const FILES: [&str; 3] = ["build", "backup", "read-scripts"];

fn stage() -> Stage {
    let world = World::with(Options { bake: 2, ..Options::default() });
    let disk = Disk::that_may_fail(&world, 512);
    Stage::of(world, Some(disk)).begun()
}

/// Its files are mounted from the data directory, its backup is there, and its way back goes over both.
#[test]
fn of_a_fenced_migration() {
    let mut stage = stage();
    let commit = stage.world.commit_overlay("drop-column");
    let gauntlet = Gauntlet::on_record_only(&stage.controller);
    stage.kill(gauntlet, &commit, |now| now.side == Side::Begun || FILES.contains(&now.step.as_str()));
    stage.ends(&commit, "1.2.0", "0003");
}
