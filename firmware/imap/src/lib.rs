//! IMAP4rev1 (RFC 3501): codec and server session.

mod answer;
pub mod codec;
mod commands;
pub mod limits;
mod session;
mod view;

#[cfg(test)]
mod tests;

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

/// What to answer instead of a session when there are too many connections.
pub const TOO_MANY: &[u8] = b"* BYE [LIMIT] Too many connections, try again later\r\n";
