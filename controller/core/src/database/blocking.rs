//! Who waits for whom while a migration runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A session of the database at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its process on the server.
    pub pid: i32,
    /// What it calls itself.
    pub application: String,
    /// What it runs, values taken out.
    pub query: String,
    /// Whether it is the migration's.
    pub migration: bool,
    /// Whether it is somebody's who would notice the wait: neither a background process nor evenkeel.
    pub user: bool,
    /// The processes that it waits for, whether they hold the lock or stand before it in the queue; none if it does not wait.
    pub waits_for: Vec<i32>,
}

/// The users' sessions that wait for the migration, whether they do so directly, or behind somebody who does.
pub fn victims(sessions: &[Session]) -> Vec<&Session> {
    let mut reached: BTreeSet<i32> =
        sessions.iter().filter(|session| session.migration).map(|s| s.pid).collect();
    let behind = |reached: &BTreeSet<i32>, session: &&Session| {
        !reached.contains(&session.pid) && session.waits_for.iter().any(|pid| reached.contains(pid))
    };
    while let Some(next) = sessions.iter().find(|session| behind(&reached, session)) {
        reached.insert(next.pid);
    }
    sessions
        .iter()
        .filter(|session| session.user && !session.migration && reached.contains(&session.pid))
        .collect()
}

/// The sessions that the migration itself waits for.
pub fn obstacles(sessions: &[Session]) -> Vec<&Session> {
    let waited_for: BTreeSet<i32> = sessions
        .iter()
        .filter(|session| session.migration)
        .flat_map(|session| session.waits_for.clone())
        .collect();
    sessions.iter().filter(|session| !session.migration && waited_for.contains(&session.pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(pid: i32, waits_for: &[i32]) -> Session {
        Session { pid, user: true, waits_for: waits_for.to_vec(), ..Session::default() }
    }

    fn migration(pid: i32, waits_for: &[i32]) -> Session {
        Session { pid, migration: true, waits_for: waits_for.to_vec(), ..Session::default() }
    }

    fn pids(sessions: Vec<&Session>) -> Vec<i32> {
        sessions.iter().map(|session| session.pid).collect()
    }

    #[test]
    fn users_queue_behind_a_migration_that_waits_for_one_of_them() {
        let all = [user(1, &[]), migration(2, &[1]), user(3, &[2]), user(4, &[3]), user(5, &[])];
        assert_eq!(pids(victims(&all)), [3, 4]);
        assert_eq!(pids(obstacles(&all)), [1]);
    }

    #[test]
    fn a_migration_that_only_waits_has_no_victims() {
        let all = [user(1, &[]), migration(2, &[1]), user(3, &[1])];
        assert_eq!(pids(victims(&all)), Vec::<i32>::new());
    }

    #[test]
    fn neither_the_migrations_own_sessions_nor_evenkeels_count() {
        let own = Session { pid: 4, waits_for: vec![2], ..Session::default() };
        let all = [migration(2, &[]), migration(3, &[2]), own];
        assert_eq!(pids(victims(&all)), Vec::<i32>::new());
    }

    #[test]
    fn rings_end() {
        let all = [migration(1, &[2]), user(2, &[3]), user(3, &[2, 1])];
        assert_eq!(pids(victims(&all)), [2, 3]);
    }
}
