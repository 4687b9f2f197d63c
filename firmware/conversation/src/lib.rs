//! What every protocol session is: a value that eats bytes, writes replies and says what comes next.
//!
//! A session opens no socket, starts no thread and reads no clock; it may call the store, which may block. The connection
//! loop (or a transcript in memory) drives it:
//!
//! ```text
//! next = session.greet(now, &mut out)
//! loop {
//!     Delay(d): wait d              // before the reply is shown
//!     write out to the peer, clear it
//!     match next {
//!         Resume | Delay(_) => next = session.resume(now, &mut out),
//!         StartTls => handshake, then next = session.secured(binding, now, &mut out),
//!         Close => close the connection,
//!         Read => wait for the first of: bytes -> receive, a wake from the store -> wake,
//!                 idle_limit() without bytes -> timed_out,
//!     }
//! }
//! ```

use auth::sasl::ChannelBinding;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// A reply buffer longer than this is written out before the session goes on: sessions return [`Next::Resume`] then.
pub const HIGH_WATER: usize = 64 * 1024;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub ip: IpAddr,
    /// Whether the connection is encrypted.
    pub security: Security,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone)]
pub enum Security {
    /// Not (yet).
    Plain,
    /// By TLS, with what it offers for channel binding.
    Tls(ChannelBinding),
}

impl Security {
    /// Whether it is TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Security::Tls(_))
    }
}

/// What the connection loop does next, after writing the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for bytes, a wake or the idle limit.
    Read,
    /// The reply buffer is full: call `resume` once it is written.
    Resume,
    /// Write the replies only after this time, then call `resume`.
    Delay(Duration),
    /// Do the TLS handshake, then call `secured`. Bytes that came before it are already discarded.
    StartTls,
    /// Close the connection.
    Close,
}

/// One conversation with one client.
pub trait Session: Send {
    /// The first words.
    fn greet(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next;
    /// Bytes from the client, cut anywhere. All of them are taken; what cannot be dealt with yet is kept, within limits.
    fn receive(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next;
    /// Goes on after [`Next::Resume`] or [`Next::Delay`].
    fn resume(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next;
    /// The connection is encrypted now (STARTTLS).
    fn secured(&mut self, binding: ChannelBinding, now: SystemTime, out: &mut Vec<u8>) -> Next;
    /// The store reported a change to something this session watches. Spurious wakes are harmless.
    fn wake(&mut self, _now: SystemTime, _out: &mut Vec<u8>) -> Next {
        Next::Read
    }
    /// Whose session it is once somebody logged in; the connection loop counts connections per account with it.
    fn account(&self) -> Option<auth::AccountId> {
        None
    }
    /// How long the client may be silent.
    fn idle_limit(&self) -> Duration;
    /// It was silent that long: says good-bye.
    fn timed_out(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next;
    /// The server is stopping: says good-bye.
    fn shutting_down(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next;
}
