//! What was acknowledged is kept: deliveries under load until the server dies, and a look at what is there afterwards.

use crate::Protocol;
use crate::exchange::{retrieve_all, without_traces};
use crate::lmtp::Sender;
use crate::wire::Reach;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Nothing is so slow that no message comes in for so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which messages were tried and which acknowledged, over several lives of a server.
#[derive(Debug, Default)]
pub struct Ledger {
    tried: AtomicUsize,
    /// Account and number.
    acknowledged: Mutex<Vec<(String, usize)>>,
    more: Condvar,
}

impl Ledger {
    /// One client per account delivers as fast as it can; `cut` is called when so many more messages are acknowledged. It has
    /// to end the server: the clients go on until then.
    pub fn deliver_until_cut(&self, reach: &Reach, accounts: &[String], goal: usize, cut: impl FnOnce()) {
        let goal = self.acknowledged() + goal;
        std::thread::scope(|scope| {
            for account in accounts {
                scope.spawn(move || self.deliver(reach, account));
            }
            let all = self.acknowledged.lock().expect("no test panics with this lock");
            let waiting = self.more.wait_timeout_while(all, PATIENCE, |all| all.len() < goal);
            let late = waiting.expect("no test panics with this lock").1.timed_out();
            cut();
            assert!(!late, "deliveries do not get on");
        });
    }

    /// Delivers until the server is gone.
    fn deliver(&self, reach: &Reach, account: &str) {
        let Ok(mut sender) = Sender::new(reach.dial(Protocol::Lmtp)) else { return };
        loop {
            let number = self.tried.fetch_add(1, Ordering::Relaxed);
            if sender.deliver_one(account, &numbered(number)).is_err() {
                return;
            }
            self.acknowledged.lock().expect("no test panics with this lock").push((account.to_owned(), number));
            self.more.notify_all();
        }
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("no test panics with this lock").len()
    }

    /// Panics unless every acknowledged message is there once, no other twice, and none damaged. Answers how many there are.
    pub fn assert_kept(&self, reach: &Reach, accounts: &[String]) -> usize {
        let mut found = HashSet::new();
        for account in accounts {
            for message in without_traces(&retrieve_all(reach, account), "\r\n") {
                let number = number_of(&message);
                assert_eq!(message, numbered(number), "message {number} is damaged");
                assert!(found.insert((account.clone(), number)), "message {number} of {account} is there twice");
            }
        }
        let acknowledged = self.acknowledged.lock().expect("no test panics with this lock");
        let lost: Vec<_> = acknowledged.iter().filter(|one| !found.contains(*one)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(found.len() <= self.tried.load(Ordering::Relaxed), "more messages than were sent");
        found.len()
    }
}

/// A message that tells its number and whose every octet follows from it; some are larger than any buffer.
fn numbered(number: usize) -> Vec<u8> {
    let lines = if number.is_multiple_of(7) { 3000 } else { number % 50 };
    let mut text = format!("Subject: {number}\r\n\r\n");
    for line in 0..lines {
        text += &format!("{number} {line} {}\r\n", "x".repeat((number * 31 + line * 7) % 60));
    }
    text.into_bytes()
}

fn number_of(message: &[u8]) -> usize {
    let text = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
    text.lines().next().and_then(|l| l.strip_prefix("Subject: ")).and_then(|n| n.parse().ok()).expect("a number")
}
