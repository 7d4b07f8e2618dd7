//! The life of the process: who is to stop, and who has not yet.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handed to everything that runs until the end. Tasks are spawned through it, and end soon after it says stop.
#[derive(Clone, Default)]
pub(crate) struct Life {
    /// Cancelled when the process is to end.
    pub(crate) stop: CancellationToken,
    /// The tasks that the end waits for.
    pub(crate) tasks: TaskTracker,
}

impl Life {
    /// Says stop, then waits for every task, but no longer than `limit`; whether all ended.
    pub(crate) async fn end(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}
