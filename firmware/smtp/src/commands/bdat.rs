//! BDAT (RFC 3030 §2): the message in counted chunks, without dots.

use crate::intake::Intake;
use crate::session::Session;
use crate::state::{Chunk, Refusal, State};
use crate::{delivery, limits, reply};
use conversation::Next;
use std::mem;
use std::time::SystemTime;

/// `BDAT size [LAST]`, its bytes right behind it.
pub(crate) fn run(session: &mut Session, arguments: &str, now: SystemTime, out: &mut Vec<u8>) -> Next {
    let Some(chunk) = parse(arguments) else {
        return unreadable(session, out);
    };
    if let State::Envelope(transaction) = &session.state
        && transaction.recipients.is_empty()
    {
        return refuse(session, arguments, "503 5.5.1", "No recipient was accepted", out);
    }
    let (transaction, intake) = match mem::take(&mut session.state) {
        State::Envelope(transaction) => {
            let intake = Intake::begin(session, &transaction, now).unwrap_or_else(Intake::refused);
            (transaction, Box::new(intake))
        }
        State::Chunks(transaction, intake) => (transaction, intake),
        _ => return Next::Close, // the table lets BDAT through in no other state
    };
    session.state = State::Chunk(transaction, intake, chunk);
    bytes(session, &mut &b""[..], now, out).unwrap_or(Next::Read)
}

/// Throws the chunk of a BDAT away that cannot be taken now, then answers.
pub(crate) fn refuse(
    session: &mut Session,
    arguments: &str,
    code: &'static str,
    text: &'static str,
    out: &mut Vec<u8>,
) -> Next {
    let Some(chunk) = parse(arguments) else {
        return unreadable(session, out);
    };
    if chunk.left > limits::DISCARDED_MESSAGE {
        return session.close(out, code, text);
    }
    let then = Box::new(mem::take(&mut session.state));
    session.state = State::RefusedChunk(Refusal { left: chunk.left, then, code, text });
    throw_away(session, &mut &b""[..], out).unwrap_or(Next::Read)
}

/// How many bytes follow is not known, and they must not be taken for commands.
fn unreadable(session: &mut Session, out: &mut Vec<u8>) -> Next {
    session.close(out, "521 5.5.4", "Say BDAT with a size and nothing but LAST; closing the connection")
}

fn parse(arguments: &str) -> Option<Chunk> {
    let (size, last) = match arguments.split_once(' ') {
        Some((size, word)) if word.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return None,
        None => (arguments, false),
    };
    // Rust's own reading of numbers would take a plus sign.
    let digits = size.bytes().all(|b| b.is_ascii_digit());
    let left = if digits { size.parse().ok()? } else { return None };
    Some(Chunk { left, last })
}

/// Bytes of a chunk.
pub(crate) fn bytes(session: &mut Session, input: &mut &[u8], now: SystemTime, out: &mut Vec<u8>) -> Option<Next> {
    let State::Chunk(_, intake, chunk) = &mut session.state else {
        return Some(Next::Close);
    };
    intake.write(take(input, &mut chunk.left));
    if chunk.left > 0 {
        let endless = intake.octets() > limits::DISCARDED_MESSAGE;
        return endless.then(|| session.close(out, "552 5.3.4", "The message does not end, closing the connection"));
    }
    let State::Chunk(transaction, intake, chunk) = mem::take(&mut session.state) else { return Some(Next::Close) };
    match intake.fault() {
        _ if chunk.last => delivery::finish(session, *transaction, *intake, now, out),
        // A chunk that fails ends the transaction: chunks sent ahead find none (RFC 3030 §2).
        Some(fault) => {
            reply::line(out, fault.code(), fault);
            session.state = State::Greeted(transaction.client);
        }
        None => {
            reply::line(out, "250 2.0.0", format_args!("{} octets so far", intake.octets()));
            session.state = State::Chunks(transaction, intake);
        }
    }
    Some(Next::Read)
}

/// Bytes of a refused chunk.
pub(crate) fn throw_away(session: &mut Session, input: &mut &[u8], out: &mut Vec<u8>) -> Option<Next> {
    let State::RefusedChunk(refusal) = &mut session.state else {
        return Some(Next::Close);
    };
    take(input, &mut refusal.left);
    if refusal.left > 0 {
        return None;
    }
    let State::RefusedChunk(refusal) = mem::take(&mut session.state) else { return Some(Next::Close) };
    session.state = *refusal.then;
    Some(session.error(out, refusal.code, refusal.text))
}

/// As many bytes off the front as the chunk still has.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(parse("5"), Some(Chunk { left: 5, last: false }));
        assert_eq!(parse("0 last"), Some(Chunk { left: 0, last: true }));
        for bad in ["", "x", "+5", "-1", "5 FIRST", "5 LAST LAST", "LAST", "99999999999999999999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
