//! AUTH (RFC 4954): SASL exchanges under TLS.

use crate::session::Session;
use crate::state::{Client, State};
use crate::{limits, reply};
use auth::Account;
use auth::sasl::{Exchange, Mechanism, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversation::{Next, Security};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// `AUTH mechanism [initial-response]`
pub(crate) fn run(session: &mut Session, arguments: &str, now: SystemTime, out: &mut Vec<u8>) -> Next {
    let Security::Tls(binding) = session.peer.security.clone() else {
        return session.error(out, "538 5.7.11", "Say STARTTLS first: passwords are taken only over TLS");
    };
    if session.state.client().is_some_and(|client| client.account.is_some()) {
        return session.error(out, "503 5.5.1", "You are logged in already");
    }
    let mut words = arguments.split(' ').filter(|word| !word.is_empty());
    let (Some(name), initial, None) = (words.next(), words.next(), words.next()) else {
        return session.error(out, "501 5.5.4", "Say AUTH with a mechanism and at most one answer");
    };
    let Some(mechanism) = Mechanism::parse(name).filter(|m| session.context.directory.mechanisms(&binding).contains(m))
    else {
        return session.error(out, "504 5.5.4", "That mechanism is not on offer");
    };
    let initial = match initial.map(|text| initial_response(text.as_bytes())) {
        Some(None) => return session.error(out, "501 5.5.2", "The answer is no base64"),
        Some(Some(bytes)) => Some(bytes),
        None => None,
    };
    let State::Greeted(client) = mem::take(&mut session.state) else {
        return Next::Close; // the table lets AUTH through in no other state
    };
    let directory = &session.context.directory;
    let (exchange, step) = Exchange::start(mechanism, initial.as_deref(), directory, &binding, session.peer.ip, now);
    go_on(session, client, Box::new(exchange), step, out)
}

/// `=` is the empty initial response (RFC 4954 §4).
fn initial_response(text: &[u8]) -> Option<Vec<u8>> {
    if text == b"=" { Some(Vec::new()) } else { STANDARD.decode(text).ok() }
}

/// A line within the exchange.
pub(crate) fn answer(session: &mut Session, line: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
    let state = mem::take(&mut session.state);
    if line == b"*" {
        session.state = state.reset();
        return session.error(out, "501 5.7.0", "The login is cancelled");
    }
    match (state, STANDARD.decode(line)) {
        (State::Login(client, mut exchange), Ok(response)) => {
            let step = exchange.step(&response, now);
            go_on(session, client, exchange, step, out)
        }
        (State::LoginEnd(client, account), Ok(response)) if response.is_empty() => {
            accept(session, client, account, out)
        }
        (state, decoded) => {
            session.state = state.reset();
            let text = if decoded.is_err() { "The answer is no base64" } else { "The answer had to be empty" };
            session.error(out, "501 5.5.2", text)
        }
    }
}

fn go_on(session: &mut Session, client: Client, exchange: Box<Exchange>, step: Step, out: &mut Vec<u8>) -> Next {
    match step {
        Step::Challenge(challenge) => {
            session.state = State::Login(client, exchange);
            reply::line(out, "334", STANDARD.encode(challenge));
            Next::Read
        }
        Step::Accepted { account, data: Some(data) } => {
            session.state = State::LoginEnd(client, account);
            reply::line(out, "334", STANDARD.encode(data));
            Next::Read
        }
        Step::Accepted { account, data: None } => accept(session, client, account, out),
        Step::Refused { delay } => refuse(session, client, ("535 5.7.8", "Wrong name or password"), delay, out),
        // RFC 4954 §6: temporary, so that the program keeps a password that may be right.
        Step::Throttled { delay } => {
            refuse(session, client, ("454 4.7.0", "Too many wrong passwords, try again later"), delay, out)
        }
        Step::Malformed => {
            session.state = State::Greeted(client);
            session.error(out, "501 5.5.2", "The answer is malformed")
        }
    }
}

fn accept(session: &mut Session, client: Client, account: Arc<Account>, out: &mut Vec<u8>) -> Next {
    tracing::info!(peer = %session.peer.ip, account = %account.address, "submission: logged in");
    session.state = State::Greeted(Client { account: Some(account), ..client });
    reply::line(out, "235 2.7.0", "Logged in");
    Next::Read
}

/// The delay comes before the answer, so that guessing is slow.
fn refuse(
    session: &mut Session,
    client: Client,
    (code, text): (&str, &str),
    delay: Duration,
    out: &mut Vec<u8>,
) -> Next {
    tracing::info!(peer = %session.peer.ip, "submission: login refused: {text}");
    session.failed_logins += 1;
    reply::line(out, code, text);
    session.state = State::Greeted(client);
    if session.failed_logins >= limits::FAILED_LOGINS {
        // The closed state is seen when the session goes on after the delay.
        let _ = session.close(out, "421 4.7.0", "Too many failed logins, closing the connection");
    }
    Next::Delay(delay)
}
