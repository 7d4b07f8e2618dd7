//! A wait that has an end: nobody else would ever end that for a command, or for a container that runs to its own.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How a wait came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Within<T> {
    /// What was waited for is there.
    Ended(T),
    /// It took longer than the limit.
    Late,
    /// The wait was called off.
    Cancelled,
}

/// Waits for something, for as long as the limit says (`None`: however long it takes), and no longer than until it is called off.
///
/// Cancel-safe where what is waited for is: that is dropped when the wait is called off, or too long.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    cancel: &CancellationToken,
    wait: impl Future<Output = T>,
) -> Within<T> {
    // What has been called off already is not begun.
    match cancel.run_until_cancelled(timeout(limit.unwrap_or(Duration::MAX), wait)).await {
        None => Within::Cancelled,
        Some(Ok(ended)) => Within::Ended(ended),
        Some(Err(_)) => Within::Late,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_is_late_at_its_limit() {
        let began = Instant::now();
        let ended = within(Some(LIMIT), &CancellationToken::new(), pending::<()>()).await;
        assert_eq!((ended, began.elapsed()), (Within::Late, LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_told_with_a_limit_and_without() {
        for limit in [Some(LIMIT), None] {
            let longer = tokio::time::sleep(LIMIT / 2);
            assert_eq!(within(limit, &CancellationToken::new(), longer).await, Within::Ended(()));
        }
        let long = tokio::time::sleep(LIMIT * 2);
        assert_eq!(within(None, &CancellationToken::new(), long).await, Within::Ended(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_called_off_ends_at_once() {
        let cancel = CancellationToken::new();
        let waits = within(None, &cancel, pending::<()>());
        let calls_off = async { cancel.cancel() };
        assert_eq!(tokio::join!(waits, calls_off).0, Within::Cancelled);
        assert_eq!(within(Some(LIMIT), &cancel, ready(())).await, Within::Cancelled);
    }
}
