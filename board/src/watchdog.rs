//! The hardware watchdog: restarts the board if nobody writes to it for a while (Linux: Documentation/watchdog/watchdog-api).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// It is fed this often: the shortest time-out among our boards is 15 seconds.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// A watchdog that runs. Dropped, it still runs: a keeper that ended cannot keep a box alive.
#[derive(Debug)]
pub struct Watchdog<W = File>(W);

impl Watchdog {
    /// Starts the machine's watchdog; `None` if it has none.
    pub fn start() -> Option<Watchdog> {
        OpenOptions::new().write(true).open(Path::new("/dev/watchdog")).ok().map(Watchdog)
    }
}

impl<W: Write> Watchdog<W> {
    /// A watchdog behind a writer.
    pub fn on(writer: W) -> Watchdog<W> {
        Watchdog(writer)
    }
    /// All is well for another while.
    pub fn feed(&mut self) -> io::Result<()> {
        // Anything but V, which would stop it when it is closed.
        self.0.write_all(b".")?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeding_never_says_the_word_that_stops_it() {
        let mut written = Vec::new();
        let mut watchdog = Watchdog::on(&mut written);
        watchdog.feed().unwrap();
        watchdog.feed().unwrap();
        assert_eq!(written.len(), 2);
        assert!(!written.contains(&b'V'));
    }
}
