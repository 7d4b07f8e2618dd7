//! Probes from outside: addresses at which users come in.

use std::time::Duration;

use evenkeel_core::manifest::UrlProbe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::VerifyError;
use super::probe::url_once;
use super::wire::Wire;

/// How many failures in a row are one.
pub(super) const URL_FAILURES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Waits until every address has answered well once. One that fails as often in a row as would fail a bake, and for as long as
/// `patience`, has failed: what leads to a container (a proxy, a name) may take a moment to see that another one serves.
///
/// Cancel-safe: it only reads.
///
/// # Errors
/// [`VerifyError::Failed`] with what the last answer was; [`VerifyError::Cancelled`].
pub(crate) async fn from_outside(
    wire: &dyn Wire,
    probes: impl Iterator<Item = &UrlProbe>,
    patience: Duration,
    cancel: &CancellationToken,
) -> Result<(), VerifyError> {
    let all = futures_util::future::try_join_all(probes.map(|probe| answers(wire, probe, patience)));
    match cancel.run_until_cancelled(all).await {
        None => Err(VerifyError::Cancelled("evenkeel is going down".to_owned())),
        Some(answered) => answered.map(drop),
    }
}

async fn answers(wire: &dyn Wire, probe: &UrlProbe, patience: Duration) -> Result<(), VerifyError> {
    let began = Instant::now();
    let mut failures = 0;
    loop {
        let Err(why) = url_once(wire, probe).await else { return Ok(()) };
        failures += 1;
        if failures >= URL_FAILURES && began.elapsed() >= patience {
            return Err(VerifyError::Failed(format!("{failures} failures in a row from outside: {why}")));
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use evenkeel_core::manifest::Expect;

    use super::*;
    use crate::verify::{Answer, Ask};

    /// Answers well from the so many-th request on.
    struct From {
        good: u32,
        asked: AtomicU32,
    }

    #[async_trait]
    impl Wire for From {
        async fn http(&self, _ask: Ask<'_>, _follow: bool) -> Result<Answer, String> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let status = if asked >= self.good { 200 } else { 502 };
            Ok(Answer { status, body: String::new() })
        }

        async fn connect(&self, _address: &str, _port: u16, _timeout: Duration) -> Result<(), String> {
            Ok(())
        }
    }

    /// How it ended, and how often it was asked; in time that passes by itself.
    fn ask(good: u32, patience: Duration, cancelled: bool) -> (Result<(), VerifyError>, u32) {
        let wire = From { good, asked: AtomicU32::new(0) };
        let probe = UrlProbe {
            url: "https://shop.example/".to_owned(),
            expect: Expect::default(),
            timeout: Duration::from_secs(5),
        };
        let cancel = CancellationToken::new();
        if cancelled {
            cancel.cancel();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let ended = runtime.unwrap().block_on(from_outside(&wire, [&probe].into_iter(), patience, &cancel));
        (ended, wire.asked.into_inner())
    }

    #[test]
    fn one_good_answer_is_enough() {
        let (ended, asked) = ask(1, Duration::from_secs(15), false);
        assert!(ended.is_ok());
        assert_eq!(asked, 1);
    }

    #[test]
    fn what_leads_there_has_a_moment() {
        let (ended, asked) = ask(6, Duration::from_secs(15), false);
        assert!(ended.is_ok());
        assert_eq!(asked, 6);
    }

    #[test]
    fn what_goes_on_failing_has_failed() {
        let (ended, asked) = ask(u32::MAX, Duration::ZERO, false);
        assert!(matches!(ended, Err(VerifyError::Failed(why)) if why.contains("502")));
        assert_eq!(asked, URL_FAILURES);
        let (ended, _) = ask(u32::MAX, Duration::from_secs(15), false);
        assert!(matches!(ended, Err(VerifyError::Failed(_))));
    }

    #[test]
    fn who_goes_down_waits_for_no_answer() {
        let (ended, _) = ask(u32::MAX, Duration::from_secs(15), true);
        assert!(matches!(ended, Err(VerifyError::Cancelled(_))));
    }
}
