//! IMAP4rev1 (RFC 3501): codec and server session.

pub mod codec;
pub mod limits;

use conversation::Peer;
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

/// One IMAP conversation; see [`conversation::Session`].
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session with this peer; `waker` is called when [`conversation::Session::wake`] should be.
    pub fn new(_context: Arc<Context>, _peer: Peer, _waker: store::Waker) -> Session {
        todo!()
    }
}

/// What to answer instead of a session when there are too many connections.
pub const TOO_MANY: &[u8] = b"* BYE [LIMIT] Too many connections, try again later\r\n";
