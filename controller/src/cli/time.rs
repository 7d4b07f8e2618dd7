//! Times and durations for people.

use jiff::{SignedDuration, Timestamp};

/// `2026-03-01 12:00:05Z`: to the second, in UTC, sortable.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How long, in its two largest units: `4.2s`, `3m12s`, `2h5m`, `3d4h`.
pub(super) fn span(seconds: f64) -> String {
    let whole = SignedDuration::try_from_secs_f64(seconds.max(0.0)).map_or(0, |span| span.as_secs());
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3_600 => format!("{}m{}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d{}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}
