//! The time, which never runs backwards: a board without a clock starts at the last time that was written down.
//!
//! What the network says (`network_time`) is believed more than the system's clock. If we were behind, time jumps. If we were ahead
//! by a little, it goes on at half its speed until the truth has caught up. If we were far ahead (the written time was wrong, or
//! a clock was set to the wrong year), nothing gentle helps: the daemon ends and starts anew in the right time, so that no
//! session and no table ever sees an earlier time after a later one.

use crate::limits;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No Roost ran before this: 2026-11-01. Certificates are valid from the day before.
pub const RELEASED: u64 = 1_793_491_200;

/// A time, and when it was that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The calendar's.
    pub time: SystemTime,
    /// The steady clock's.
    pub at: Instant,
}

impl Moment {
    /// The time it is at another moment, not before this one.
    pub fn time_at(self, at: Instant) -> SystemTime {
        self.time + at.saturating_duration_since(self.at)
    }
}

/// What followed from the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// We were behind by this much, and are no longer.
    Behind(Duration),
    /// We are ahead by this much, and wait for the truth.
    Ahead(Duration),
    /// We are ahead by too much: this daemon has to end.
    FarAhead(Duration),
}

/// Answers what time it is.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    system: fn() -> SystemTime,
    line: Mutex<Line>,
}

impl Clock {
    /// A clock that starts no earlier than what `file` says.
    pub fn open(file: &Path) -> Clock {
        Clock::with_system(file, SystemTime::now)
    }

    /// The same with another system's clock.
    pub fn with_system(file: &Path, system: fn() -> SystemTime) -> Clock {
        let saved = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        // A number that no calendar has is damage.
        let saved = if saved < limits::LAST_TIME { saved } else { 0 };
        let time = UNIX_EPOCH + Duration::from_secs(RELEASED.max(saved));
        let line = Line { last: Moment { time, at: Instant::now() }, truth: None, wrong: false };
        Clock { file: file.to_path_buf(), system, line: Mutex::new(line) }
    }

    /// The time: never before an earlier answer.
    pub fn now(&self) -> SystemTime {
        let mut line = self.line();
        line.now((self.system)(), Instant::now())
    }

    /// Seconds since 1970.
    pub fn unix(&self) -> i64 {
        unix(self.now()) as i64
    }

    /// Takes what the network says.
    pub fn learn(&self, truth: Moment) -> Learned {
        self.line().learn(truth, (self.system)(), Instant::now())
    }

    /// Writes the time down for the next start.
    pub fn save(&self) -> std::io::Result<()> {
        let time = self.line().written((self.system)(), Instant::now());
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{}\n", unix(time)))?;
        std::fs::rename(&new, &self.file)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has passed since 1970; nothing before.
pub fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970.
pub fn unix(time: SystemTime) -> u64 {
    since_1970(time).as_secs()
}

/// The line of answers.
#[derive(Debug)]
struct Line {
    /// The last answer.
    last: Moment,
    /// What the network said.
    truth: Option<Moment>,
    /// This line is too far from the truth to come back to it.
    wrong: bool,
}

impl Line {
    fn now(&mut self, system: SystemTime, at: Instant) -> SystemTime {
        let passed = at.saturating_duration_since(self.last.at);
        let time = match self.truth {
            Some(truth) if !self.wrong => truth.time_at(at).max(self.last.time + passed / 2),
            _ => system.max(self.last.time + passed),
        };
        self.last = Moment { time, at };
        time
    }

    fn learn(&mut self, truth: Moment, system: SystemTime, at: Instant) -> Learned {
        let (before, real) = (self.now(system, at), truth.time_at(at));
        self.truth = Some(truth);
        match before.duration_since(real) {
            Ok(ahead) if ahead > limits::CLOCK_AHEAD => {
                self.wrong = true;
                Learned::FarAhead(ahead)
            }
            outcome => {
                self.wrong = false;
                outcome.map_or_else(|behind| Learned::Behind(behind.duration()), Learned::Ahead)
            }
        }
    }

    /// The next start must not begin before our answers, unless they were wrong.
    fn written(&mut self, system: SystemTime, at: Instant) -> SystemTime {
        match self.truth {
            Some(truth) if self.wrong => truth.time_at(at),
            _ => self.now(system, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    fn year_ahead() -> SystemTime {
        SystemTime::now() + YEAR
    }
    fn the_epoch() -> SystemTime {
        UNIX_EPOCH
    }
    fn truth() -> Moment {
        Moment { time: SystemTime::now(), at: Instant::now() }
    }
    fn is_now(time: SystemTime) -> bool {
        time.duration_since(SystemTime::now()).unwrap_or_else(|e| e.duration()) < Duration::from_secs(60)
    }

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
        for damage in ["yesterday", "", "18446744073709551615", "-5", "99999999999999999999999"] {
            std::fs::write(&file, damage).unwrap();
            let clock = Clock::with_system(&file, the_epoch);
            assert!((RELEASED..RELEASED + 60).contains(&unix(clock.now())), "{damage}");
        }
    }

    #[test]
    fn a_board_that_starts_in_1970_goes_on_where_it_was_and_learns() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let clock = Clock::with_system(&file, the_epoch);
        assert_eq!(unix(clock.now()), RELEASED);
        assert!(matches!(clock.learn(truth()), Learned::Behind(by) if by > Duration::from_secs(86_400)));
        assert!(is_now(clock.now()));
        clock.save().unwrap();
        assert!(is_now(Clock::with_system(&file, the_epoch).now()), "also after the next start");
    }

    #[test]
    fn a_board_that_is_a_year_ahead_comes_back_with_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let clock = Clock::with_system(&file, year_ahead);
        clock.save().unwrap();
        let wrong = clock.now();
        assert!(matches!(clock.learn(truth()), Learned::FarAhead(by) if by + Duration::from_secs(60) > YEAR));
        assert!(clock.now() >= wrong, "who has seen a time does not see an earlier one");
        clock.save().unwrap();
        assert!(is_now(Clock::open(&file).now()));
    }

    proptest! {
        /// Steps of time and what the network says: any answer is at or after the one before, and comes to the truth.
        #[test]
        fn time_never_runs_backwards(
            steps in proptest::collection::vec((0..4_000u64, -5_000..5_000i64, any::<bool>()), 1..60),
        ) {
            let (base, start) = (UNIX_EPOCH + Duration::from_secs(RELEASED), Instant::now());
            let mut line = Line { last: Moment { time: base, at: start }, truth: None, wrong: false };
            let (mut at, mut before) = (start, base);
            for (passed, off, learn) in steps {
                at += Duration::from_secs(passed);
                // The system's clock is beside the truth.
                let real = base + Duration::from_secs(10_000) + (at - start);
                let system = if off < 0 { real - Duration::from_secs(off.unsigned_abs()) } else { real + Duration::from_secs(off.unsigned_abs()) };
                if learn {
                    let learned = line.learn(Moment { time: real, at }, system, at);
                    prop_assert_eq!(matches!(learned, Learned::FarAhead(_)), line.wrong);
                }
                let now = line.now(system, at);
                prop_assert!(now >= before);
                before = now;
            }
            if line.truth.is_some() && !line.wrong {
                at += 3 * limits::CLOCK_AHEAD;
                prop_assert_eq!(line.now(UNIX_EPOCH, at), base + Duration::from_secs(10_000) + (at - start));
            }
        }
    }
}
