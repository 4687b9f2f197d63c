//! MAIL (RFC 5321 §4.1.1.2; SIZE: RFC 1870; SMTPUTF8: RFC 6531; who may send as whom: RFC 6409 §6.1).

use crate::params::MailParams;
use crate::path::{self, ReversePath};
use crate::session::Session;
use crate::state::{State, Transaction};
use crate::{Role, limits, reply};
use auth::Address;
use conversation::Next;
use std::mem;
use std::time::SystemTime;

/// `MAIL FROM:<address> [parameters]`
pub(crate) fn run(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if session.role == Role::Submission && !logged_in(session) {
        let text = if session.peer.security.is_tls() { "Log in first" } else { "Say STARTTLS and log in first" };
        return session.error(out, "530 5.7.0", text);
    }
    let Some(text) = super::after_keyword(arguments, "FROM:", session.role) else {
        return session.error(out, "501 5.5.4", "Say MAIL FROM:<address>");
    };
    let (reverse, rest) = match path::reverse(text) {
        Ok(found) => found,
        Err(e) => return session.error(out, "501 5.1.7", format_args!("MAIL FROM: {e}")),
    };
    let params = match MailParams::parse(rest, session.role == Role::Submission) {
        Ok(params) => params,
        Err(e) => return session.error(out, e.code, e.text),
    };
    if let Some((code, text)) = refusal(session, &reverse, params) {
        reply::line(out, code, text);
        return Next::Read;
    }
    let State::Greeted(client) = mem::take(&mut session.state) else {
        return Next::Close; // the table lets MAIL through in no other state
    };
    reply::line(out, "250 2.1.0", format_args!("{} sender ok", reply::shown(&reverse, params.utf8)));
    let transaction = Transaction { client, reverse, utf8: params.utf8, recipients: Vec::new() };
    session.state = State::Envelope(Box::new(transaction));
    Next::Read
}

/// Whether somebody is logged in whose account still exists; renews what is known of it.
fn logged_in(session: &mut Session) -> bool {
    let State::Greeted(client) = &mut session.state else { return false };
    let known = client.account.take();
    client.account = known.and_then(|account| session.context.directory.account(account.id));
    client.account.is_some()
}

/// Why a well-formed sender is not taken.
fn refusal(session: &Session, reverse: &ReversePath, params: MailParams) -> Option<(&'static str, String)> {
    if params.size.is_some_and(|size| size > limits::MESSAGE) {
        return Some(("552 5.3.4", format!("Messages may have at most {} octets", limits::MESSAGE)));
    }
    // Apple's programs send UTF-8 addresses without asking: nobody behind a submission is hurt by it.
    if !reverse.is_ascii() && !params.utf8 && session.role != Role::Submission {
        return Some(("553 5.6.7", "This address needs SMTPUTF8".to_owned()));
    }
    if session.role == Role::Submission && !may_send_as(session, reverse) {
        let address = reply::shown(reverse, params.utf8);
        return Some(("553 5.7.1", format!("{address}: you may send only from your own addresses")));
    }
    None
}

/// The null sender is for everybody: mail programs confirm reading with it (RFC 8098 §3).
fn may_send_as(session: &Session, reverse: &ReversePath) -> bool {
    let ReversePath::Mailbox(mailbox) = reverse else { return true };
    let account = session.state.client().and_then(|client| client.account.as_ref());
    let address = Address::parse(&mailbox.to_string());
    matches!((account, address), (Some(account), Ok(address)) if session.context.directory.owns(account, &address))
}
