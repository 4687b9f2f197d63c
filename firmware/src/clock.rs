//! The time, which never runs backwards: a board without a clock starts at the last time that was written down.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No Roost ran before this: 2026-11-01. Certificates are valid from the day before.
pub const RELEASED: u64 = 1_793_491_200;

/// Answers what time it is.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last answer, and when it was given.
    last: SystemTime,
    at: Instant,
}

impl Clock {
    /// A clock that starts no earlier than what `file` says.
    pub fn open(file: &Path) -> Clock {
        let saved = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let last = UNIX_EPOCH + Duration::from_secs(RELEASED.max(saved));
        Clock { file: file.to_path_buf(), state: Mutex::new(State { last, at: Instant::now() }) }
    }

    /// The system's time or, if that lies before an earlier answer, that answer plus what has passed since.
    pub fn now(&self) -> SystemTime {
        let Ok(mut state) = self.state.lock() else { return SystemTime::now() };
        let at = Instant::now();
        let now = SystemTime::now().max(state.last + at.duration_since(state.at));
        *state = State { last: now, at };
        now
    }

    /// Seconds since 1970.
    pub fn unix(&self) -> i64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
    }

    /// Writes the time down for the next start.
    pub fn save(&self) -> std::io::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{}\n", self.unix()))?;
        std::fs::rename(&new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_before_what_was_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let future = 4_000_000_000u64;
        std::fs::write(&file, format!("{future}\n")).unwrap();
        let clock = Clock::open(&file);
        let first = clock.unix();
        assert!(first >= future as i64);
        assert!(clock.unix() >= first);
        clock.save().unwrap();
        assert!(Clock::open(&file).unix() >= first);
    }

    #[test]
    fn a_damaged_file_is_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        std::fs::write(&file, "yesterday").unwrap();
        assert!(Clock::open(&file).unix() >= RELEASED as i64);
    }
}
