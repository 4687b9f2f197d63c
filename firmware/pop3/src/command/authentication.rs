//! USER and PASS (RFC 1939 §7), AUTH (RFC 5034), and APOP, which is not offered.

use super::Call;
use crate::limits;
use crate::maildrop::Maildrop;
use crate::refusal::Refusal;
use crate::session::{Login, Session, State};
use auth::sasl::{Exchange, Mechanism, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversation::{Next, Security};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) fn user(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    require_tls(session)?;
    let name = String::from_utf8_lossy(call.arguments.whole()?).into_owned();
    session.state = State::Authorization(Login::Named(name));
    call.reply("+OK and the password");
    Ok(Next::Read)
}

pub(super) fn pass(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    require_tls(session)?;
    let State::Authorization(Login::Named(name)) = &session.state else {
        return Err(Refusal::Bad("the name comes first: USER"));
    };
    // Not UTF-8 is as wrong as any other password: it is counted and delayed like one.
    let password = String::from_utf8_lossy(call.arguments.whole()?);
    match session.context.directory.login(name, &password, session.ip, call.now) {
        auth::Login::Accepted(account) => open(session, &account, call),
        auth::Login::Refused { delay } => Ok(refuse(session, Refusal::Login, delay, call.out)),
        auth::Login::Throttled { delay } => Ok(refuse(session, Refusal::Throttled, delay, call.out)),
    }
}

/// APOP needs passwords kept in clear; the greeting does not offer it.
pub(super) fn apop(_: &mut Session, _: &mut Call<'_>) -> Result<Next, Refusal> {
    Err(Refusal::Bad("APOP is not offered, use AUTH or USER"))
}

pub(super) fn auth(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    let [mechanism, initial] = call.arguments.at_most::<2>()?;
    let Some(mechanism) = mechanism else {
        list_mechanisms(session, call);
        return Ok(Next::Read);
    };
    let Security::Tls(binding) = &session.security else { return Err(Refusal::Unencrypted) };
    let mechanism = std::str::from_utf8(mechanism).ok().and_then(Mechanism::parse);
    let offered = session.context.directory.mechanisms(binding);
    let mechanism = mechanism.filter(|m| offered.contains(m)).ok_or(Refusal::Bad("this mechanism is not offered"))?;
    let initial = match initial {
        None => None,
        Some(b"=") => Some(Vec::new()),
        Some(text) => Some(decode(text)?),
    };
    let directory = &session.context.directory;
    let (exchange, step) = Exchange::start(mechanism, initial.as_deref(), directory, binding, session.ip, call.now);
    follow(session, Box::new(exchange), step, call)
}

/// A line of the client during AUTH.
pub(crate) fn continue_sasl(
    session: &mut Session,
    login: Login,
    line: &[u8],
    now: SystemTime,
    out: &mut Vec<u8>,
) -> Result<Next, Refusal> {
    if line == b"*" {
        return Err(Refusal::No("AUTH cancelled"));
    }
    let response = decode(line)?;
    let mut call = Call { arguments: crate::codec::split(b"").1, now, out };
    match login {
        Login::Sasl(mut exchange) => {
            let step = exchange.step(&response, now);
            follow(session, exchange, step, &mut call)
        }
        Login::Confirmed(account) if response.is_empty() => open(session, &account, &mut call),
        Login::Confirmed(_) | Login::Start | Login::Named(_) => Err(Refusal::Bad("an empty response was expected")),
    }
}

/// What Outlook asks with a bare AUTH.
fn list_mechanisms(session: &Session, call: &mut Call<'_>) {
    call.reply("+OK mechanisms follow");
    if let Security::Tls(binding) = &session.security {
        for mechanism in session.context.directory.mechanisms(binding) {
            call.reply(mechanism.name());
        }
    }
    call.reply(".");
}

fn follow(session: &mut Session, exchange: Box<Exchange>, step: Step, call: &mut Call<'_>) -> Result<Next, Refusal> {
    match step {
        Step::Challenge(challenge) => {
            call.reply(&format!("+ {}", STANDARD.encode(challenge)));
            session.state = State::Authorization(Login::Sasl(exchange));
            Ok(Next::Read)
        }
        Step::Accepted { account, data: Some(data) } => {
            call.reply(&format!("+ {}", STANDARD.encode(data)));
            session.state = State::Authorization(Login::Confirmed(account));
            Ok(Next::Read)
        }
        Step::Accepted { account, data: None } => open(session, &account, call),
        Step::Refused { delay } => Ok(refuse(session, Refusal::Login, delay, call.out)),
        Step::Throttled { delay } => Ok(refuse(session, Refusal::Throttled, delay, call.out)),
        Step::Malformed => Err(Refusal::Bad("this is not what the mechanism expects")),
    }
}

fn open(session: &mut Session, account: &Arc<auth::Account>, call: &mut Call<'_>) -> Result<Next, Refusal> {
    session.state = State::Authorization(Login::Start);
    let maildrop = Maildrop::open(&session.context.store, account, unix_seconds(call.now))?;
    let (count, size) = maildrop.totals();
    tracing::info!(account = %account.address, peer = %session.ip, messages = count, "pop3 login");
    call.reply(&format!("+OK {count} messages ({size} octets)"));
    session.state = State::Transaction { maildrop, sending: None };
    Ok(Next::Read)
}

/// Answers a wrong login after its delay; too many end the connection.
fn refuse(session: &mut Session, why: Refusal, delay: Duration, out: &mut Vec<u8>) -> Next {
    tracing::info!(peer = %session.ip, "pop3 login refused");
    session.state = State::Authorization(Login::Start);
    session.wrong_logins += 1;
    why.write(out);
    if session.wrong_logins >= limits::WRONG_LOGINS {
        session.state = State::Over;
    }
    Next::Delay(delay)
}

fn require_tls(session: &Session) -> Result<(), Refusal> {
    if session.security.is_tls() { Ok(()) } else { Err(Refusal::Unencrypted) }
}

fn decode(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|_| Refusal::Bad("this is not base64"))
}

fn unix_seconds(now: SystemTime) -> i64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
