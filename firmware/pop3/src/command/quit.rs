//! QUIT (RFC 1939 §6): the UPDATE state, all or nothing.

use super::Call;
use crate::refusal::Refusal;
use crate::session::{Session, State};
use conversation::Next;

pub(super) fn quit(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    let removed = match &session.state {
        State::Transaction { maildrop, .. } => maildrop.update(&session.context.store),
        State::Authorization(_) | State::Over => Ok(0),
    };
    // The connection ends also when nothing could be removed (RFC 1939 §6).
    session.state = State::Over;
    match removed {
        Ok(0) => call.reply("+OK good-bye"),
        Ok(removed) => call.reply(&format!("+OK good-bye, {removed} messages removed")),
        Err(refusal) => {
            tracing::warn!(peer = %session.ip, ?refusal, "pop3 update failed");
            refusal.write(call.out);
        }
    }
    Ok(Next::Close)
}
