//! RCPT (RFC 5321 §4.1.1.3): mail stays in the house; nothing is ever relayed.

use crate::path::{self, ForwardPath, Mailbox};
use crate::session::Session;
use crate::state::{Recipient, State};
use crate::{Role, limits, params, reply};
use auth::{Account, Address, Domain};
use conversation::Next;
use std::sync::Arc;
use std::time::SystemTime;

/// Why a recipient is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The domain is somebody else's.
    Foreign,
    /// The domain is ours, the address nobody's.
    Unknown,
    /// The address needs SMTPUTF8.
    NotAscii,
}

/// `RCPT TO:<address>`
pub(crate) fn run(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    let Some(text) = super::after_keyword(arguments, "TO:", session.role) else {
        return session.error(out, "501 5.5.4", "Say RCPT TO:<address>");
    };
    let (forward, rest) = match path::forward(text) {
        Ok(found) => found,
        Err(e) => return session.error(out, "501 5.1.3", format_args!("RCPT TO: {e}")),
    };
    if let Err(e) = params::none(rest) {
        return session.error(out, e.code, e.text);
    }
    let State::Envelope(transaction) = &session.state else {
        return Next::Close; // the table lets RCPT through in no other state
    };
    if transaction.recipients.len() >= limits::RECIPIENTS {
        reply::line(out, "452 4.5.3", format_args!("One message has at most {} recipients", limits::RECIPIENTS));
        return Next::Read;
    }
    let utf8 = transaction.utf8;
    match recipient(session, &forward, utf8) {
        Ok(account) => accept(session, forward, &account, utf8, out),
        Err(refusal) => refuse(session, &forward, refusal, utf8, out),
    }
}

/// Who reads mail sent there.
fn recipient(session: &Session, forward: &ForwardPath, utf8: bool) -> Result<Arc<Account>, Refusal> {
    let directory = &session.context.directory;
    let mailbox = match forward {
        ForwardPath::Postmaster => return directory.postmaster().ok_or(Refusal::Unknown),
        ForwardPath::Mailbox(mailbox) => mailbox,
    };
    if !mailbox.is_ascii() && !utf8 && session.role != Role::Submission {
        return Err(Refusal::NotAscii);
    }
    let local = Domain::parse(mailbox.domain()).is_ok_and(|domain| directory.is_local(&domain));
    if !local {
        return Err(Refusal::Foreign);
    }
    resolve(session, mailbox).ok_or(Refusal::Unknown)
}

fn resolve(session: &Session, mailbox: &Mailbox) -> Option<Arc<Account>> {
    let directory = &session.context.directory;
    let address = Address::parse(&mailbox.to_string()).ok()?;
    let postmaster = || if address.local() == "postmaster" { directory.postmaster() } else { None };
    directory.resolve(&address).or_else(postmaster)
}

fn accept(session: &mut Session, path: ForwardPath, account: &Account, utf8: bool, out: &mut Vec<u8>) -> Next {
    reply::line(out, "250 2.1.5", format_args!("{} recipient ok", reply::shown(&path, utf8)));
    if let State::Envelope(transaction) = &mut session.state {
        transaction.recipients.push(Recipient { path, account: account.id });
    }
    Next::Read
}

fn refuse(session: &mut Session, path: &ForwardPath, refusal: Refusal, utf8: bool, out: &mut Vec<u8>) -> Next {
    let (code, text) = match (refusal, session.role) {
        (Refusal::Foreign, Role::Submission) => ("550 5.7.1", "sending to other domains is not set up on this box yet"),
        (Refusal::Foreign, Role::Reception) => {
            ("550 5.7.1", "relaying is denied, mail is taken for local domains only")
        }
        (Refusal::Foreign, Role::Lmtp) => ("550 5.1.1", "the domain is not a local one"),
        (Refusal::Unknown, _) => ("550 5.1.1", "there is no such address here"),
        (Refusal::NotAscii, _) => ("553 5.6.7", "the address needs SMTPUTF8"),
    };
    reply::line(out, code, format_args!("{}: {text}", reply::shown(path, utf8)));
    if refusal == Refusal::Unknown && session.role == Role::Reception {
        session.unknown_recipients += 1;
        if session.unknown_recipients >= limits::UNKNOWN_RECIPIENTS {
            return session.close(out, "421 4.7.0", "Too many unknown recipients, closing the connection");
        }
    }
    Next::Read
}
