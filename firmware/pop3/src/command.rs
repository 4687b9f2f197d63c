//! The commands: one table says which there are and when they are legal, one file per family does them.

mod authentication;
mod capabilities;
mod messages;
mod quit;
mod retrieval;

pub(crate) use authentication::continue_sasl;

use crate::codec::{self, Arguments};
use crate::refusal::Refusal;
use crate::session::{Phase, Session};
use conversation::Next;
use std::time::SystemTime;

/// What a command may use besides the session.
pub(crate) struct Call<'a> {
    pub(crate) arguments: Arguments<'a>,
    pub(crate) now: SystemTime,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Call<'_> {
    /// Appends a reply of one line; `line` has no end.
    pub(crate) fn reply(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

type Run = fn(&mut Session, &mut Call<'_>) -> Result<Next, Refusal>;

const BOTH: &[Phase] = &[Phase::Authorization, Phase::Transaction];
const AUTHORIZATION: &[Phase] = &[Phase::Authorization];
const TRANSACTION: &[Phase] = &[Phase::Transaction];

const TABLE: &[(&str, &[Phase], Run)] = &[
    ("CAPA", BOTH, capabilities::capa),
    ("STLS", AUTHORIZATION, capabilities::stls),
    ("USER", AUTHORIZATION, authentication::user),
    ("PASS", AUTHORIZATION, authentication::pass),
    ("AUTH", AUTHORIZATION, authentication::auth),
    ("APOP", AUTHORIZATION, authentication::apop),
    ("STAT", TRANSACTION, messages::stat),
    ("LIST", TRANSACTION, messages::list),
    ("UIDL", TRANSACTION, messages::uidl),
    ("DELE", TRANSACTION, messages::dele),
    ("RSET", TRANSACTION, messages::rset),
    ("NOOP", TRANSACTION, messages::noop),
    ("RETR", TRANSACTION, retrieval::retr),
    ("TOP", TRANSACTION, retrieval::top),
    ("QUIT", BOTH, quit::quit),
];

/// Does what a line says.
pub(crate) fn run(session: &mut Session, line: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Result<Next, Refusal> {
    let (keyword, arguments) = codec::split(line);
    let row = TABLE.iter().find(|(name, ..)| keyword.eq_ignore_ascii_case(name.as_bytes()));
    let (_, legal, run) = row.ok_or(Refusal::Bad("unknown command"))?;
    match session.phase() {
        phase if legal.contains(&phase) => run(session, &mut Call { arguments, now, out }),
        Phase::Authorization => Err(Refusal::Bad("log in first")),
        Phase::Transaction => Err(Refusal::Bad("you are logged in already")),
    }
}
