//! Containers' logs.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::TryStreamExt;

use super::{Docker, lines::Lines, path::segment};
use crate::engine::{EngineError, LogLine};

impl Docker {
    /// Reads the log as it is now. A container with a terminal has one output only, taken for its standard output.
    pub(super) async fn read_logs(
        &self,
        id: &str,
        since: i64,
        tail: Option<usize>,
    ) -> Result<Vec<LogLine>, EngineError> {
        let client = self.client().await?;
        let action = format!("read the log of container {id}");
        let mut output = client.logs(&segment(id), Some(options(since, tail)));
        let mut lines = Lines::default();
        while let Some(piece) = self.ask(&action, output.try_next()).await? {
            lines.push(matches!(piece, LogOutput::StdErr { .. }), piece.as_ref());
        }
        Ok(lines.finish())
    }
}

fn options(since: i64, tail: Option<usize>) -> LogsOptions {
    LogsOptions {
        stdout: true,
        stderr: true,
        since: i32::try_from(since).unwrap_or(i32::MAX),
        tail: tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        ..Default::default()
    }
}
