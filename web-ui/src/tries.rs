//! Wrong setup codes and passwords: a few are free, then each costs a wait that doubles. Nobody sleeps here; who comes too
//! early is told how long to wait, unchecked.

use crate::limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is remembered about wrong tries of one kind.
pub(crate) struct Tries {
    /// Tries of everybody together before everybody waits.
    in_all: u32,
    state: Mutex<State>,
}

struct State {
    all: Count,
    clients: HashMap<Client, Count>,
}

/// Who is asking, as far as the front can tell: an address, or the network of an IPv6 address, as one customer has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Client(Option<IpAddr>);

#[derive(Clone, Copy, Default)]
struct Count {
    wrong: u32,
    last: Option<Instant>,
}

impl Tries {
    /// `in_all`: wrong tries of everybody together that are free.
    pub(crate) fn new(in_all: u32) -> Tries {
        Tries { in_all, state: Mutex::new(State { all: Count::default(), clients: HashMap::new() }) }
    }

    /// Begins a try, which counts as wrong until [`Tries::right`] says otherwise, so that many at once gain nothing.
    /// `Err`: it is not to be checked before that much time has passed.
    pub(crate) fn begin(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        let one = state.clients.get(&client).copied().unwrap_or_default();
        let wait = one.wait(limits::TRIES, now).max(state.all.wait(self.in_all, now));
        if wait > Duration::ZERO {
            return Err(wait);
        }
        state.all.count(now);
        state.make_room(now);
        state.clients.entry(client).or_default().count(now);
        Ok(())
    }

    /// The try was right.
    pub(crate) fn right(&self, client: Client) {
        let mut state = self.state();
        state.clients.remove(&client);
        state.all.wrong = state.all.wrong.saturating_sub(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what is long ago, and if that is not enough, whoever tried longest ago.
    fn make_room(&mut self, now: Instant) {
        if self.clients.len() < limits::CLIENTS {
            return;
        }
        self.clients.retain(|_, count| !count.forgotten(now));
        if self.clients.len() >= limits::CLIENTS {
            let mut order: Vec<_> = self.clients.iter().map(|(client, count)| (count.last, *client)).collect();
            order.sort_unstable();
            for (_, client) in order.into_iter().take(limits::CLIENTS / 4) {
                self.clients.remove(&client);
            }
        }
    }
}

impl Count {
    fn forgotten(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= limits::TRIES_FORGOTTEN)
    }

    fn count(&mut self, now: Instant) {
        if self.forgotten(now) {
            self.wrong = 0;
        }
        *self = Count { wrong: self.wrong.saturating_add(1), last: Some(now) };
    }

    /// How long the next try has to wait, if `free` of them are free.
    fn wait(&self, free: u32, now: Instant) -> Duration {
        let (Some(last), Some(doublings)) = (self.last, self.wrong.checked_sub(free + 1)) else {
            return Duration::ZERO;
        };
        let wait = limits::WAIT_FIRST.saturating_mul(1 << doublings.min(16)).min(limits::WAIT_LONGEST);
        wait.saturating_sub(now.saturating_duration_since(last))
    }
}

impl Client {
    /// Reads `X-Client`, which the front sets.
    pub(crate) fn parse(header: Option<&str>) -> Client {
        let address = header.and_then(|text| text.trim().parse::<IpAddr>().ok()).map(|a| a.to_canonical());
        Client(address.map(|address| match address {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
            v4 => v4,
        }))
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        Client::parse(Some(text))
    }
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn five_wrong_tries_cost_a_minute_and_each_more_doubles_it() {
        let (tries, mut now, anna) = (Tries::new(1000), Instant::now(), client("192.0.2.1"));
        for _ in 0..limits::TRIES + 1 {
            assert_eq!(tries.begin(anna, now), Ok(()));
        }
        assert_eq!(tries.begin(anna, now), Err(MINUTE));
        assert_eq!(tries.begin(client("192.0.2.2"), now), Ok(()), "somebody else");
        for minutes in [1, 2, 4, 8, 15, 15] {
            now += minutes * MINUTE;
            assert_eq!(tries.begin(anna, now), Ok(()), "after {minutes} minutes");
            assert!(tries.begin(anna, now).is_err());
        }
        now += limits::TRIES_FORGOTTEN;
        for _ in 0..limits::TRIES + 1 {
            assert_eq!(tries.begin(anna, now), Ok(()), "forgotten");
        }
    }

    #[test]
    fn a_right_try_clears_the_client() {
        let (tries, now, anna) = (Tries::new(2), Instant::now(), client("192.0.2.1"));
        for _ in 0..20 {
            assert_eq!(tries.begin(anna, now), Ok(()));
            tries.right(anna);
        }
    }

    #[test]
    fn everybody_together_has_a_limit_too() {
        let (tries, now) = (Tries::new(limits::TRIES_IN_ALL), Instant::now());
        let begun = (0..200).filter(|n| tries.begin(client(&format!("192.0.2.{n}")), now).is_ok()).count();
        assert_eq!(begun, limits::TRIES_IN_ALL as usize + 1);
    }

    #[test]
    fn one_network_is_one_client_and_memory_is_bounded() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        let (tries, now) = (Tries::new(u32::MAX - 1), Instant::now());
        for n in 0..5000u32 {
            let _ = tries.begin(Client(Some(IpAddr::V4(n.into()))), now + Duration::from_millis(n.into()));
            assert!(tries.state().clients.len() <= limits::CLIENTS);
        }
    }
}
