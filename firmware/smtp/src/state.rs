//! Where a conversation stands, each state carrying what is true in it, and the transaction it builds (RFC 5321 §3.3).

use crate::dots::DotUnstuffer;
use crate::intake::Intake;
use crate::path::{ForwardPath, ReversePath};
use auth::sasl::Exchange;
use auth::{Account, AccountId};
use smol_str::SmolStr;
use std::sync::Arc;

/// The state of a session.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// The client has not said who it is, or TLS has just begun.
    Fresh,
    /// It said HELO, EHLO or LHLO.
    Greeted(Client),
    /// AUTH: the next line is the answer to the last challenge.
    Login(Client, Box<Exchange>),
    /// AUTH: the login is right, the mechanism's last words are sent; the next line has to be empty.
    LoginEnd(Client, Arc<Account>),
    /// MAIL was accepted; recipients are collected.
    Envelope(Box<Transaction>),
    /// DATA: bytes of the message up to the lone dot.
    Data(Box<Transaction>, Box<Intake>, DotUnstuffer),
    /// Between two BDAT commands of one message.
    Chunks(Box<Transaction>, Box<Intake>),
    /// Inside a chunk of BDAT.
    Chunk(Box<Transaction>, Box<Intake>, Chunk),
    /// Inside a chunk that was refused: its bytes are thrown away, then comes the answer.
    RefusedChunk(Refusal),
    /// Nothing more is read. The default, so that a state lost on the way ends the connection and does no harm.
    #[default]
    Closed,
}

/// What the rest of a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Octets still to come.
    pub(crate) left: u64,
    /// Whether it is the message's last.
    pub(crate) last: bool,
}

/// A chunk that is thrown away.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Octets still to come.
    pub(crate) left: u64,
    /// The state after it.
    pub(crate) then: Box<State>,
    /// Reply code and enhanced status code.
    pub(crate) code: &'static str,
    /// Why.
    pub(crate) text: &'static str,
}

/// What the table of commands knows of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before HELO, EHLO or LHLO.
    Fresh,
    /// Before MAIL.
    Greeted,
    /// After MAIL.
    Envelope,
    /// After the first BDAT.
    Chunks,
}

/// Who the client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// The name it gave itself: printable, without spaces, and not to be believed.
    pub(crate) name: SmolStr,
    /// Whether it said EHLO or LHLO.
    pub(crate) extended: bool,
    /// The account it logged in to.
    pub(crate) account: Option<Arc<Account>>,
}

/// One message's way in.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Who brings it.
    pub(crate) client: Client,
    /// Where failures are told.
    pub(crate) reverse: ReversePath,
    /// SMTPUTF8 was asked for.
    pub(crate) utf8: bool,
    /// The recipients accepted so far.
    pub(crate) recipients: Vec<Recipient>,
}

/// One accepted recipient.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    /// As the client wrote it.
    pub(crate) path: ForwardPath,
    /// Who reads it.
    pub(crate) account: AccountId,
}

impl State {
    /// What the table knows of it; `None` where the next bytes are no command.
    pub(crate) fn phase(&self) -> Option<Phase> {
        match self {
            State::Fresh => Some(Phase::Fresh),
            State::Greeted(_) => Some(Phase::Greeted),
            State::Envelope(_) => Some(Phase::Envelope),
            State::Chunks(..) => Some(Phase::Chunks),
            State::Login(..) | State::LoginEnd(..) => None,
            State::Data(..) | State::Chunk(..) | State::RefusedChunk(_) | State::Closed => None,
        }
    }

    /// The client, once it said who it is.
    pub(crate) fn client(&self) -> Option<&Client> {
        match self {
            State::Greeted(client) | State::Login(client, _) | State::LoginEnd(client, _) => Some(client),
            State::Envelope(transaction)
            | State::Data(transaction, ..)
            | State::Chunks(transaction, _)
            | State::Chunk(transaction, ..) => Some(&transaction.client),
            State::RefusedChunk(refusal) => refusal.then.client(),
            State::Fresh | State::Closed => None,
        }
    }

    /// The same without transaction or login exchange (RSET).
    pub(crate) fn reset(self) -> State {
        match self {
            State::Fresh => State::Fresh,
            State::Greeted(client) | State::Login(client, _) | State::LoginEnd(client, _) => State::Greeted(client),
            State::Envelope(transaction)
            | State::Data(transaction, ..)
            | State::Chunks(transaction, _)
            | State::Chunk(transaction, ..) => State::Greeted(transaction.client),
            State::RefusedChunk(refusal) => refusal.then.reset(),
            State::Closed => State::Closed,
        }
    }
}
