//! Windows in which nothing new is rolled out.

use std::str::FromStr as _;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Window;

/// More openings than this within one window's length are the same as a window that is always open.
const MAX_OVERLAPS: usize = 1_000;

/// Why a window cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The cron expression is wrong.
    #[error("`{0}` is not a cron expression of five fields: {1}")]
    Cron(String, String),
    /// The time zone is unknown.
    #[error("`{0}` is not a time zone of the IANA database")]
    Zone(String),
}

/// Until when the windows deny a rollout now; `None` where none does. Windows that touch or overlap count as one.
///
/// A window that cannot be understood denies nothing: reading the manifest has already refused it.
pub fn denied(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let mut until = None;
    for _ in 0..MAX_OVERLAPS {
        let at = until.unwrap_or(now);
        let Some(later) = windows.iter().filter_map(|window| closes(window, at)).max() else { return until };
        until = Some(later);
    }
    until
}

/// When the window that is open at `at` closes.
fn closes(window: &Window, at: Timestamp) -> Option<Timestamp> {
    let at = at.to_zoned(zone(&window.time_zone).ok()?);
    let opened = cron(&window.deny).ok()?.find_previous_occurrence(&at, true).ok()?;
    let closes = opened.timestamp().checked_add(window.duration).ok()?;
    (closes > at.timestamp()).then_some(closes)
}

pub(super) fn cron(expression: &str) -> Result<Cron, WindowError> {
    let wrong = |reason: String| WindowError::Cron(expression.to_owned(), reason);
    let fields = expression.split_whitespace().count();
    if fields != 5 {
        return Err(wrong(format!("it has {fields}")));
    }
    Cron::from_str(expression).map_err(|error| wrong(error.to_string().trim_end_matches('.').to_owned()))
}

pub(super) fn zone(name: &str) -> Result<TimeZone, WindowError> {
    TimeZone::get(name).map_err(|_| WindowError::Zone(name.to_owned()))
}

/// Whether the window ever opens after `now`; `30 2 30 2 *` never does.
pub(super) fn ever_opens(window: &Window, now: Timestamp) -> bool {
    let (Ok(cron), Ok(zone)) = (cron(&window.deny), zone(&window.time_zone)) else { return true };
    let next: Result<Zoned, _> = cron.find_next_occurrence(&now.to_zoned(zone), true);
    next.is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(deny: &str, hours: u64, zone: &str) -> Window {
        Window {
            deny: deny.to_owned(),
            duration: Duration::from_secs(hours * 3_600),
            time_zone: zone.to_owned(),
        }
    }

    fn until(windows: &[Window], now: &str) -> Option<String> {
        denied(windows, now.parse().unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn denies_while_open_and_says_until_when() {
        let peak = [window("0 18 * * *", 4, "Europe/Moscow")];
        assert_eq!(until(&peak, "2024-05-01T14:59:59Z"), None);
        assert_eq!(until(&peak, "2024-05-01T15:00:00Z").as_deref(), Some("2024-05-01T19:00:00Z"));
        assert_eq!(until(&peak, "2024-05-01T18:59:59Z").as_deref(), Some("2024-05-01T19:00:00Z"));
        assert_eq!(until(&peak, "2024-05-01T19:00:00Z"), None);
    }

    #[test]
    fn windows_that_touch_are_one() {
        let two = [window("0 18 * * *", 4, "UTC"), window("0 22 * * *", 2, "UTC")];
        assert_eq!(until(&two, "2024-05-01T19:00:00Z").as_deref(), Some("2024-05-02T00:00:00Z"));
    }

    #[test]
    fn a_window_over_a_change_of_clocks_lasts_as_long_as_it_says() {
        let night = [window("0 1 * * *", 3, "Europe/Berlin")];
        assert_eq!(until(&night, "2024-03-31T00:30:00Z").as_deref(), Some("2024-03-31T03:00:00Z"));
    }

    #[test]
    fn a_window_that_never_closes_is_bounded_work() {
        let always = [window("* * * * *", 4, "UTC")];
        assert!(until(&always, "2024-05-01T19:00:00Z").is_some());
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        assert!(cron("0 18 * *").is_err());
        assert!(cron("0 25 * * *").is_err());
        assert!(cron("0 0 18 * * *").is_err());
        assert!(zone("Europe/Moskow").is_err());
        assert!(!ever_opens(&window("0 0 30 2 *", 1, "UTC"), "2024-01-01T00:00:00Z".parse().unwrap()));
    }
}
