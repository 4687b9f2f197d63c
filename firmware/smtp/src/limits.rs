//! Every limit this crate enforces.

use std::time::Duration;

/// Octets of a command line with its CRLF (RFC 5321 §4.5.3.1.4 asks for 512 and room for parameters).
pub const LINE: usize = 2048;
/// Octets of an AUTH command or an answer within it: base64 of the longest PLAIN message our accounts can need (RFC 4954 §4).
pub const AUTH_LINE: usize = 4096;
/// Octets of an over-long line that are thrown away before the connection is closed.
pub const DISCARDED_LINE: usize = 1024 * 1024;
/// Octets of one path without its angle brackets and source route (RFC 5321 §4.5.3.1.3 asks for 254; bounce addresses are longer).
pub const PATH: usize = 512;
/// Octets of the name a client gives itself (RFC 5321 §4.5.3.1.2).
pub const CLIENT_NAME: usize = 255;
/// Parameters of one MAIL or RCPT command.
pub const PARAMETERS: usize = 16;
/// Recipients of one transaction (RFC 5321 §4.5.3.1.8), announced as RCPTMAX (RFC 9422).
pub const RECIPIENTS: usize = 100;
/// Octets of one message as sent, announced by SIZE (RFC 1870).
pub const MESSAGE: u64 = 50 * 1024 * 1024;
/// Octets that our own header fields add to a message at most: a store has to take [`MESSAGE`] and these.
pub const ADDED: u64 = 8 * 1024;
/// Octets of one message that are thrown away, once it is refused, before the connection is closed.
pub const DISCARDED_MESSAGE: u64 = 1024 * 1024 * 1024;
/// Octets of a submitted message's header: it is held in memory until it is whole.
pub const SUBMITTED_HEADER: usize = 128 * 1024;
/// `Received` fields of a message; one with more is going round in circles (RFC 5321 §6.3).
pub const HOPS: usize = 50;
/// Protocol errors of one connection before it is closed.
pub const ERRORS: u32 = 20;
/// Recipients nobody here has ever heard of, in one connection from outside, before it is closed: somebody is guessing addresses.
pub const UNKNOWN_RECIPIENTS: u32 = 50;
/// Failed logins of one connection before it is closed.
pub const FAILED_LOGINS: u32 = 5;
/// How long a client may be silent between commands (RFC 5321 §4.5.3.2.7).
pub const IDLE: Duration = Duration::from_secs(5 * 60);
/// How long a client may be silent inside a message (RFC 5321 §4.5.3.2.5 gives senders three minutes for a block).
pub const IDLE_DATA: Duration = Duration::from_secs(3 * 60);
