//! The two clocks the pages read: a steady one for everything that expires, the calendar for what is written down.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What time it is; tests bring their own.
pub(crate) trait Clock: Send + Sync {
    /// Steady time: a board that learns the date in the middle of the setup must not throw its owner out.
    fn now(&self) -> Instant;
    /// Seconds since 1970.
    fn unix(&self) -> i64;
}

/// The machine's clocks.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn unix(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}
