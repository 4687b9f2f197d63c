//! SMTP reception and submission (RFC 5321, RFC 6409) and LMTP (RFC 2033): codec and server session.
//!
//! The way of a message: [`Session`] reads lines (`line`), finds the command in the `table` and runs its file in `commands`.
//! DATA and BDAT hand the message's bytes to an `intake`, which checks them in passing and streams them into a draft of the
//! store behind our own `trace` lines; `delivery` gives the draft to the recipients' mailboxes.

mod commands;
mod delivery;
mod dots;
mod hops;
mod intake;
pub mod limits;
mod line;
mod params;
mod path;
mod reply;
mod session;
mod state;
mod submitted;
mod table;
#[cfg(test)]
mod tests;
mod trace;

pub use session::Session;

use smol_str::SmolStr;
use std::sync::Arc;

/// What the sessions of this protocol share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The mail.
    pub store: store::Store,
    /// The accounts.
    pub directory: Arc<auth::Directory>,
    /// This box's host name, for greetings and trace lines.
    pub host: SmolStr,
}

/// On which door the client knocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Port 25: mail for the local domain from anybody.
    Reception,
    /// Ports 587 and 465: mail from people with an account (RFC 6409).
    Submission,
    /// LMTP (RFC 2033): mail for local accounts from a program on the same network.
    Lmtp,
}

/// What to answer instead of a session when there are too many connections.
pub const TOO_MANY: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";
