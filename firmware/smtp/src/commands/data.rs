//! DATA (RFC 5321 §4.1.1.4; in LMTP one answer per recipient, RFC 2033 §4.2).

use crate::dots::DotUnstuffer;
use crate::intake::Intake;
use crate::session::Session;
use crate::state::State;
use crate::{delivery, limits, reply};
use conversation::Next;
use std::mem;
use std::time::SystemTime;

/// `DATA`
pub(crate) fn run(session: &mut Session, arguments: &str, now: SystemTime, out: &mut Vec<u8>) -> Next {
    if !arguments.is_empty() {
        return session.error(out, "501 5.5.4", "DATA stands alone");
    }
    let State::Envelope(transaction) = &session.state else {
        return Next::Close; // the table lets DATA through in no other state
    };
    if transaction.recipients.is_empty() {
        return session.error(out, "503 5.5.1", "No recipient was accepted");
    }
    let intake = match Intake::begin(session, transaction, now) {
        Ok(intake) => Box::new(intake),
        Err(fault) => {
            reply::line(out, fault.code(), fault);
            return Next::Read;
        }
    };
    let State::Envelope(transaction) = mem::take(&mut session.state) else { return Next::Close };
    session.state = State::Data(transaction, intake, DotUnstuffer::default());
    reply::line(out, "354", "Go ahead, end with a dot alone on a line");
    Next::Read
}

/// Bytes of the message.
pub(crate) fn bytes(session: &mut Session, input: &mut &[u8], now: SystemTime, out: &mut Vec<u8>) -> Option<Next> {
    let State::Data(_, intake, dots) = &mut session.state else {
        return Some(Next::Close);
    };
    if input.is_empty() {
        return None;
    }
    let end = dots.feed(input, &mut |bytes| intake.write(bytes));
    *input = &input[end.unwrap_or(input.len())..];
    if end.is_none() {
        let endless = intake.octets() > limits::DISCARDED_MESSAGE;
        return endless.then(|| session.close(out, "552 5.3.4", "The message does not end, closing the connection"));
    }
    let State::Data(transaction, intake, _) = mem::take(&mut session.state) else { return Some(Next::Close) };
    delivery::finish(session, *transaction, *intake, now, out);
    Some(Next::Read)
}
