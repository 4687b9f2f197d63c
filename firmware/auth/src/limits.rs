//! Every limit this crate enforces.

use std::time::Duration;

/// Octets of a local part (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART: usize = 64;
/// Octets of a domain (RFC 5321 §4.5.3.1.2).
pub const DOMAIN: usize = 255;
/// Octets of one label of a domain (RFC 1035 §2.3.4).
pub const LABEL: usize = 63;
/// Characters a chosen password has at least.
pub const PASSWORD_MIN: usize = 8;
/// Octets of a password; longer ones are refused before any hashing.
pub const PASSWORD: usize = 1024;
/// App passwords per account.
pub const APP_PASSWORDS: usize = 64;
/// Octets of the name of a device.
pub const DEVICE_NAME: usize = 128;
/// Octets of one decoded SASL message.
pub const SASL_MESSAGE: usize = 8 * 1024;
/// Octets of the nonce of a SCRAM client.
pub const SCRAM_NONCE: usize = 512;
/// PBKDF2 rounds of SCRAM keys (RFC 7677 §4: at least 4096; more would slow the clients and add nothing to 128 random bits).
pub const SCRAM_ITERATIONS: u32 = 4096;
/// Blocks of 1 KiB that are asked for at least for an Argon2 run.
pub const ARGON2_BLOCKS: usize = 33 * 1024;
/// Argon2 runs at a time in a process; each takes about 19 MiB.
pub const ARGON2_AT_ONCE: u32 = 2;

/// Peers, accounts and pairs of them whose failures are remembered (about 100 octets each).
pub const THROTTLE_ENTRIES: usize = 4096;
/// After this time one failure is forgiven.
pub const THROTTLE_LEAK: Duration = Duration::from_secs(30);
/// Failures of one peer with one account before its tries are no longer checked.
pub const THROTTLE_PAIR: u32 = 30;
/// Failures of one peer with any account before its tries are no longer checked.
pub const THROTTLE_PEER: u32 = 60;
/// Failures with one account from anywhere before every stranger has only one try.
pub const THROTTLE_ACCOUNT: u32 = 100;
/// Failures of a peer or with an account that do not yet add to the delay of a pair.
pub const THROTTLE_SLACK: u32 = 10;
/// Answer to the first two failures.
pub const DELAY_FIRST: Duration = Duration::from_millis(300);
/// Answer to the third failure; doubles with each further one.
pub const DELAY_THIRD: Duration = Duration::from_secs(1);
/// Longest wait before the answer to a failure.
pub const DELAY_LONGEST: Duration = Duration::from_secs(30);
/// Wait before the answer to a try that is not checked.
pub const DELAY_THROTTLED: Duration = Duration::from_secs(5);
/// A lent login is good for this long.
pub const LENT: Duration = Duration::from_secs(60);
