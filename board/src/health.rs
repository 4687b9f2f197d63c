//! What follows from probes of the mail daemon: a new slot proves itself or is left, a daemon that hangs is ended, a box that
//! does not get well is restarted. Pure: time is an argument.

use std::time::Duration;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A new slot is good after it was healthy without a break for this long.
    pub prove: Duration,
    /// A new slot that has not proved itself by then is left.
    pub trial: Duration,
    /// A daemon that was healthy and then no longer for this long is ended, once, and the supervisor starts it again. One that has
    /// not been healthy yet may be at work on a damaged or very large store, and is left to it.
    pub daemon: Duration,
    /// A board that was healthy once and then no longer for this long is restarted.
    pub board: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Patience { prove: minutes(3), trial: minutes(15), daemon: minutes(3), board: minutes(20) }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait,
    /// The running slot has proved itself.
    MarkGood,
    /// The running slot does not work.
    GoBack,
    /// The daemon does not answer.
    EndDaemon,
    /// The board does not get well.
    RestartBoard,
}

/// The box's state of health.
#[derive(Debug, Clone)]
pub struct Health {
    patience: Patience,
    on_trial: bool,
    /// It was healthy at some time.
    was_healthy: bool,
    /// Whether it was healthy at the last probe, and since when.
    since: (bool, Duration),
    /// The daemon was ended since it was last healthy.
    ended: bool,
    /// The board is to restart: the watchdog is to see to it if all else fails.
    over: bool,
}

impl Health {
    /// Begins at time zero, with nothing known.
    pub fn new(patience: Patience, on_trial: bool) -> Health {
        let since = (false, Duration::ZERO);
        Health { patience, on_trial, was_healthy: false, since, ended: false, over: false }
    }

    /// Takes a probe's outcome at a time since the beginning.
    pub fn probed(&mut self, now: Duration, healthy: bool) -> Action {
        self.was_healthy |= healthy;
        if self.since.0 != healthy {
            self.since = (healthy, now);
        }
        self.ended &= !healthy;
        let lasted = now.saturating_sub(self.since.1);
        let action = match (self.on_trial, healthy) {
            _ if self.over => Action::Wait,
            (true, true) if lasted >= self.patience.prove => Action::MarkGood,
            (true, _) if now >= self.patience.trial => Action::GoBack,
            (false, false) if self.was_healthy && lasted >= self.patience.board => Action::RestartBoard,
            (_, false) if self.was_healthy && !self.ended && lasted >= self.patience.daemon => Action::EndDaemon,
            _ => Action::Wait,
        };
        match action {
            Action::MarkGood => self.on_trial = false,
            Action::EndDaemon => self.ended = true,
            Action::GoBack | Action::RestartBoard => self.over = true,
            Action::Wait => {}
        }
        action
    }

    /// Whether the hardware watchdog is to be fed: until the board is to restart. A box that was never healthy (its data
    /// partition may be damaged) is not restarted for ever.
    pub fn feed(&self) -> bool {
        !self.over
    }

    /// Whether the box was healthy at some time since its start.
    pub fn was_healthy(&self) -> bool {
        self.was_healthy
    }

    /// Whether the slot still has to prove itself.
    pub fn on_trial(&self) -> bool {
        self.on_trial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A probe a minute; what was done in which minute.
    fn history(on_trial: bool, healthy: impl Fn(u64) -> bool) -> Vec<(u64, Action)> {
        let mut health = Health::new(Patience::default(), on_trial);
        let probes = (0..60).map(|n| (n, health.probed(Duration::from_secs(60 * n), healthy(n))));
        probes.filter(|(_, action)| *action != Action::Wait).collect()
    }

    #[test]
    fn a_new_slot_is_good_after_some_healthy_minutes() {
        assert_eq!(history(true, |n| n >= 2), [(5, Action::MarkGood)]);
        assert_eq!(history(true, |n| n != 2)[0], (6, Action::MarkGood));
    }

    #[test]
    fn a_new_slot_that_does_not_work_is_left() {
        assert_eq!(history(true, |_| false), [(15, Action::GoBack)]);
        // One that hangs after a while: its daemon gets a second chance.
        assert_eq!(history(true, |n| n < 2), [(5, Action::EndDaemon), (15, Action::GoBack)]);
        // One that works now and then does not work.
        assert_eq!(history(true, |n| n % 3 != 0), [(15, Action::GoBack)]);
    }

    #[test]
    fn a_daemon_that_hangs_is_ended_and_then_the_board_restarted() {
        assert_eq!(history(false, |n| n < 10), [(13, Action::EndDaemon), (30, Action::RestartBoard)]);
        // Well again, and ill again.
        let done = history(false, |n| n < 10 || (20..30).contains(&n));
        assert_eq!(
            done,
            [13, 33]
                .map(|n| (n, Action::EndDaemon))
                .into_iter()
                .chain([(50, Action::RestartBoard)])
                .collect::<Vec<_>>()
        );
        assert_eq!(history(false, |n| !(10..13).contains(&n)), []);
    }

    #[test]
    fn a_daemon_that_is_still_opening_a_store_is_left_to_it() {
        assert_eq!(history(false, |_| false), []);
        assert_eq!(history(false, |n| n > 50), []);
    }

    proptest! {
        #[test]
        fn the_watchdog_goes_hungry_exactly_when_the_board_is_to_restart(
            on_trial in any::<bool>(), probes in proptest::collection::vec((0..200u64, any::<bool>()), 0..200),
        ) {
            let mut health = Health::new(Patience::default(), on_trial);
            let mut now = Duration::ZERO;
            let mut over = false;
            for (pause, healthy) in probes {
                now += Duration::from_secs(pause);
                let action = health.probed(now, healthy);
                prop_assert!(!over || action == Action::Wait);
                over |= matches!(action, Action::GoBack | Action::RestartBoard);
                prop_assert_eq!(health.feed(), !over);
                prop_assert!(action != Action::GoBack || on_trial);
            }
        }
    }
}
