//! ENABLE (RFC 5161).

use crate::answer::Answer;
use crate::codec::encode::put;
use crate::session::{State, User};
use crate::view::View;
use smol_str::SmolStr;

/// Switches extensions on that change what the client is told; unknown ones are passed over.
pub fn run(state: &mut State, words: &[SmolStr], out: &mut Vec<u8>) -> Answer {
    let asked = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let (condstore, qresync) = (asked("CONDSTORE"), asked("QRESYNC"));
    put!(out, "* ENABLED{}{}\r\n", if condstore { " CONDSTORE" } else { "" }, if qresync { " QRESYNC" } else { "" });
    // RFC 7162 §3.2.3: QRESYNC implies CONDSTORE.
    if condstore || qresync {
        from_any_state(state, out);
    }
    if let (true, State::Authenticated(user) | State::Selected(user, _)) = (qresync, state) {
        user.enabled.qresync = true;
    }
    Answer::ok("ENABLE completed")
}

/// A CONDSTORE enabling command was given (RFC 7162 §3.1). The first one tells HIGHESTMODSEQ of the selected mailbox.
pub fn condstore(user: &mut User, view: &View, out: &mut Vec<u8>) {
    if !user.enabled.condstore {
        user.enabled.condstore = true;
        put!(out, "* OK [HIGHESTMODSEQ {}] CONDSTORE is enabled\r\n", view.modseq().0);
    }
}

/// The same, whether or not a mailbox is selected.
pub fn from_any_state(state: &mut State, out: &mut Vec<u8>) {
    match state {
        State::Authenticated(user) => user.enabled.condstore = true,
        State::Selected(user, view) => condstore(user, view, out),
        State::NotAuthenticated | State::Logout => {}
    }
}
