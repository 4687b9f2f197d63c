//! STARTTLS (RFC 3207).

use crate::reply;
use crate::session::Session;
use crate::state::State;
use conversation::Next;
use std::time::SystemTime;

/// `STARTTLS`
pub(crate) fn run(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if session.peer.security.is_tls() {
        return session.error(out, "503 5.5.1", "TLS is on already");
    }
    if !arguments.is_empty() {
        return session.error(out, "501 5.5.4", "STARTTLS stands alone");
    }
    reply::line(out, "220 2.0.0", "Ready for TLS");
    session.state = State::Fresh;
    Next::StartTls
}
