//! STAT, LIST, UIDL, DELE, RSET and NOOP (RFC 1939 §5 and §7).

use super::Call;
use crate::refusal::Refusal;
use crate::sending::{Column, Sending};
use crate::session::Session;
use conversation::Next;

pub(super) fn stat(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    let (count, size) = session.maildrop()?.totals();
    call.reply(&format!("+OK {count} {size}"));
    Ok(Next::Read)
}

pub(super) fn list(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    listing(session, Column::Size, call)
}

pub(super) fn uidl(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    listing(session, Column::UniqueId, call)
}

fn listing(session: &mut Session, column: Column, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let [number] = call.arguments.at_most::<1>()?;
    let maildrop = session.maildrop()?;
    match number {
        Some(number) => {
            let line = column.line(maildrop, maildrop.find(number)?);
            call.reply(&format!("+OK {line}"));
            Ok(Next::Read)
        }
        None => {
            let (count, size) = maildrop.totals();
            call.reply(&format!("+OK {count} messages ({size} octets)"));
            session.send(Sending::Listing { column, next: 1 });
            Ok(Next::Read)
        }
    }
}

pub(super) fn dele(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let [number] = call.arguments.words()?;
    let maildrop = session.maildrop()?;
    let item = maildrop.find(number)?;
    maildrop.mark(item);
    call.reply(&format!("+OK message {} marked as deleted", item.number));
    Ok(Next::Read)
}

pub(super) fn rset(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    let maildrop = session.maildrop()?;
    maildrop.unmark_all();
    let (count, size) = maildrop.totals();
    call.reply(&format!("+OK {count} messages ({size} octets)"));
    Ok(Next::Read)
}

pub(super) fn noop(_: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    call.reply("+OK");
    Ok(Next::Read)
}
