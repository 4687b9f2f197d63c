//! RETR (RFC 1939 §5) and TOP (RFC 1939 §7). Neither sets `\Seen`: a POP3 program keeps its own account of what it has.

use super::Call;
use crate::codec::{self, Part};
use crate::refusal::Refusal;
use crate::sending::Sending;
use crate::session::Session;
use conversation::Next;

pub(super) fn retr(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let [number] = call.arguments.words()?;
    send(session, number, Part::Whole, call)
}

pub(super) fn top(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let [number, lines] = call.arguments.words()?;
    send(session, number, Part::Header { then: codec::number(lines)? }, call)
}

fn send(session: &mut Session, number: &[u8], part: Part, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let context = session.context.clone();
    let maildrop = session.maildrop()?;
    let item = maildrop.find(number)?;
    let sending = Sending::message(&context.store, maildrop, item, part, call.out)?;
    session.send(sending);
    Ok(Next::Read)
}
