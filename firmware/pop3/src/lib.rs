//! POP3 (RFC 1939): codec and server session.
//!
//! With CAPA and response codes (RFC 2449, RFC 3206), STLS (RFC 2595) and SASL (RFC 5034). Several sessions may have the
//! same maildrop open, each on its own snapshot of INBOX; flags are left alone.

mod codec;
mod command;
pub mod limits;
mod maildrop;
mod refusal;
mod sending;
mod session;

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
pub const TOO_MANY: &[u8] = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n";
