//! Back-off after failed logins, per peer address and per account; bounded memory.
//!
//! Failures fill leaky buckets: one for the peer, one for the account, one for the pair of them. A full bucket of the pair
//! or the peer stops tries from being checked until it has leaked. A full bucket of the account only leaves every peer that
//! never logged in there a single try, so that guesses from everywhere cannot lock the owner out. A try counts as
//! a failure from its beginning until it succeeds: many at the same time gain nothing.

use crate::limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What is remembered about failures.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: HashMap<Key, Bucket>,
}

/// Whose failures a bucket holds. Accounts are named by a keyed hash of the login name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Peer(u128),
    Account(u64),
    Pair(u128, u64),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    failures: u32,
    /// When `failures` was brought up to date.
    at: SystemTime,
    /// A login of this pair succeeded.
    trusted: bool,
}

impl Throttle {
    /// Notes the beginning of a try; `Err`: it is not to be checked, and the answer waits that long.
    pub fn begin(&mut self, peer: IpAddr, account: u64, now: SystemTime) -> Result<(), Duration> {
        let keys = keys(peer, account);
        let [by_peer, by_account, pair] = keys.map(|key| self.bucket(key, now));
        let pair_limit = match pair.trusted || by_account.failures < limits::THROTTLE_ACCOUNT {
            true => limits::THROTTLE_PAIR,
            false => 1,
        };
        // A peer address may be a whole household: somebody else's mistakes there do not touch who was right before.
        let peer_full = by_peer.failures >= limits::THROTTLE_PEER && !pair.trusted;
        let blocked = pair.failures >= pair_limit || peer_full;
        for key in keys {
            self.change(key, now, |bucket| bucket.failures = bucket.failures.saturating_add(u32::from(!blocked)));
        }
        self.evict();
        if blocked { Err(limits::DELAY_THROTTLED) } else { Ok(()) }
    }

    /// The try was wrong; answers how long the reply waits.
    pub fn failed(&mut self, peer: IpAddr, account: u64, now: SystemTime) -> Duration {
        let [by_peer, by_account, pair] = keys(peer, account).map(|key| self.bucket(key, now).failures);
        let others = by_peer.max(by_account).saturating_sub(limits::THROTTLE_SLACK);
        delay(pair.max(others))
    }

    /// The try was right: the pair's failures are forgotten, also by the peer's bucket.
    pub fn succeeded(&mut self, peer: IpAddr, account: u64, now: SystemTime) {
        let [by_peer, by_account, pair] = keys(peer, account);
        let forgiven = self.bucket(pair, now).failures;
        self.change(pair, now, |bucket| (bucket.failures, bucket.trusted) = (0, true));
        for key in [by_peer, by_account] {
            self.change(key, now, |bucket| bucket.failures = bucket.failures.saturating_sub(forgiven));
        }
    }

    /// The bucket as it is now.
    fn bucket(&self, key: Key, now: SystemTime) -> Bucket {
        let Some(bucket) = self.buckets.get(&key) else {
            return Bucket { failures: 0, at: now, trusted: false };
        };
        // A clock that was set back forgives nothing, and must not keep the bucket full until it has caught up.
        let Ok(since) = now.duration_since(bucket.at) else { return Bucket { at: now, ..*bucket } };
        let leaked = since.as_secs() / limits::THROTTLE_LEAK.as_secs();
        match bucket.failures.saturating_sub(u32::try_from(leaked).unwrap_or(u32::MAX)) {
            0 => Bucket { failures: 0, at: now, ..*bucket },
            failures => Bucket {
                failures,
                at: bucket.at + Duration::from_secs(leaked * limits::THROTTLE_LEAK.as_secs()),
                ..*bucket
            },
        }
    }

    fn change(&mut self, key: Key, now: SystemTime, change: impl FnOnce(&mut Bucket)) {
        let mut bucket = self.bucket(key, now);
        change(&mut bucket);
        match bucket.failures == 0 && !bucket.trusted {
            true => self.buckets.remove(&key),
            false => self.buckets.insert(key, bucket),
        };
    }

    /// Makes room by forgetting a quarter: first who never failed much, then what is long ago; who logged in before stays longest.
    fn evict(&mut self) {
        if self.buckets.len() <= limits::THROTTLE_ENTRIES {
            return;
        }
        let mut order: Vec<_> = self.buckets.iter().map(|(key, b)| (b.trusted, b.failures, b.at, *key)).collect();
        order.sort_unstable_by_key(|&(trusted, failures, at, _)| (trusted, failures, at));
        for (.., key) in order.into_iter().take(limits::THROTTLE_ENTRIES / 4) {
            self.buckets.remove(&key);
        }
    }
}

fn keys(peer: IpAddr, account: u64) -> [Key; 3] {
    let network = network(peer);
    [Key::Peer(network), Key::Account(account), Key::Pair(network, account)]
}

/// An IPv4 address, or the /64 of an IPv6 address: one customer has all of it.
fn network(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64 | 1 << 63,
    }
}

fn delay(failures: u32) -> Duration {
    match failures {
        0..=2 => limits::DELAY_FIRST,
        n => limits::DELAY_THIRD.saturating_mul(1 << (n - 3).min(16)).min(limits::DELAY_LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const ANNA: u64 = 1;
    const BEN: u64 = 2;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
    fn fail(throttle: &mut Throttle, peer: &str, account: u64, now: SystemTime) -> Result<Duration, Duration> {
        throttle.begin(ip(peer), account, now)?;
        Ok(throttle.failed(ip(peer), account, now))
    }

    #[test]
    fn the_delay_grows_to_thirty_seconds() {
        let mut throttle = Throttle::default();
        let delays: Vec<_> =
            (0..10).map(|_| fail(&mut throttle, "127.0.0.1", ANNA, NOW).unwrap().as_millis()).collect();
        assert_eq!(delays, [300, 300, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn a_pair_is_blocked_for_a_while_and_nobody_else() {
        let mut throttle = Throttle::default();
        for _ in 0..limits::THROTTLE_PAIR {
            assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_ok());
        }
        assert_eq!(fail(&mut throttle, "192.0.2.1", ANNA, NOW), Err(limits::DELAY_THROTTLED));
        assert!(fail(&mut throttle, "192.0.2.1", BEN, NOW).is_ok(), "another account");
        assert!(fail(&mut throttle, "192.0.2.2", ANNA, NOW).is_ok(), "another address");
        let later = NOW + limits::THROTTLE_LEAK;
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, later).is_ok(), "leaked");
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, later).is_err());
        let hours_later = NOW + Duration::from_secs(7200);
        assert_eq!(fail(&mut throttle, "192.0.2.1", ANNA, hours_later), Ok(limits::DELAY_FIRST));
    }

    #[test]
    fn success_resets_the_pair() {
        let mut throttle = Throttle::default();
        for _ in 0..limits::THROTTLE_PAIR - 1 {
            assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_ok());
        }
        throttle.begin(ip("192.0.2.1"), ANNA, NOW).unwrap();
        throttle.succeeded(ip("192.0.2.1"), ANNA, NOW);
        assert_eq!(fail(&mut throttle, "192.0.2.1", ANNA, NOW), Ok(limits::DELAY_FIRST));
    }

    #[test]
    fn a_peer_that_tries_many_accounts_is_blocked_but_not_who_was_right_there() {
        let mut throttle = Throttle::default();
        throttle.begin(ip("2001:db8::1"), ANNA, NOW).unwrap();
        throttle.succeeded(ip("2001:db8::1"), ANNA, NOW);
        let mut blocked = 0;
        for account in 100..200 {
            blocked += u32::from(fail(&mut throttle, &format!("2001:db8::{account}"), account, NOW).is_err());
        }
        assert_eq!(blocked, 100 - limits::THROTTLE_PEER);
        assert!(fail(&mut throttle, "2001:db8::77", BEN, NOW).is_err(), "the same /64");
        assert!(fail(&mut throttle, "2001:db8:0:1::77", BEN, NOW).is_ok(), "another /64");
        assert!(throttle.begin(ip("2001:db8::1"), ANNA, NOW).is_ok(), "trusted");
    }

    #[test]
    fn guesses_from_everywhere_do_not_lock_the_owner_out() {
        let mut throttle = Throttle::default();
        throttle.begin(ip("192.0.2.1"), ANNA, NOW).unwrap();
        throttle.succeeded(ip("192.0.2.1"), ANNA, NOW);
        for host in 0..limits::THROTTLE_ACCOUNT {
            assert!(fail(&mut throttle, &format!("198.51.100.{host}"), ANNA, NOW).is_ok());
        }
        assert!(fail(&mut throttle, "203.0.113.1", ANNA, NOW).is_ok(), "one try for a stranger");
        assert!(fail(&mut throttle, "203.0.113.1", ANNA, NOW).is_err(), "and no second");
        assert!(throttle.begin(ip("203.0.113.2"), ANNA, NOW).is_ok(), "the owner on the road");
        throttle.succeeded(ip("203.0.113.2"), ANNA, NOW);
        assert!(fail(&mut throttle, "203.0.113.2", ANNA, NOW).is_ok(), "who may now mistype");
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_ok(), "the owner at home");
    }

    #[test]
    fn tries_at_the_same_time_count() {
        let mut throttle = Throttle::default();
        let begun = (0..1000).filter(|_| throttle.begin(ip("192.0.2.1"), ANNA, NOW).is_ok()).count();
        assert_eq!(begun, limits::THROTTLE_PAIR as usize);
    }

    #[test]
    fn a_clock_set_back_blocks_nobody_for_longer() {
        let mut throttle = Throttle::default();
        let late = NOW + Duration::from_secs(1_000_000_000);
        while fail(&mut throttle, "192.0.2.1", ANNA, late).is_ok() {}
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_err());
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW + limits::THROTTLE_LEAK).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_kept() {
        let mut throttle = Throttle::default();
        while fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_ok() {}
        for n in 0..10_000u32 {
            let _ = fail(&mut throttle, &std::net::Ipv4Addr::from_bits(n << 8).to_string(), u64::from(n) + 10, NOW);
            assert!(throttle.buckets.len() <= limits::THROTTLE_ENTRIES + 3);
        }
        assert!(fail(&mut throttle, "192.0.2.1", ANNA, NOW).is_err());
    }

    proptest! {
        #[test]
        fn no_moment_panics(steps in proptest::collection::vec((0u64..1 << 40, 0u64..3, 0u8..3, any::<bool>()), 0..60)) {
            let mut throttle = Throttle::default();
            for (seconds, account, host, right) in steps {
                let (now, peer) = (NOW + Duration::from_secs(seconds), ip(&format!("192.0.2.{host}")));
                if throttle.begin(peer, account, now).is_ok() {
                    match right {
                        true => throttle.succeeded(peer, account, now),
                        false => prop_assert!(throttle.failed(peer, account, now) <= limits::DELAY_LONGEST),
                    }
                }
            }
        }
    }
}
