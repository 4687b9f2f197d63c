//! LOGIN (RFC 3501 §6.2.3), and what every successful or failed login leads to.

use super::{Outcome, unix};
use crate::answer::Answer;
use crate::session::Session;
use auth::{Account, Login};
use std::time::{Duration, SystemTime};

/// Checks user and password; never without TLS.
pub fn run(session: &mut Session, user: &[u8], password: &[u8], now: SystemTime) -> Outcome {
    if !session.peer.security.is_tls() {
        return Outcome::Done(privacy_required());
    }
    let (user, password) = (String::from_utf8_lossy(user), String::from_utf8_lossy(password));
    match session.context.directory.login(&user, &password, session.peer.ip, now) {
        Login::Accepted(account) => accepted(session, &account, now),
        Login::Refused { delay } => refused(session, delay),
        Login::Throttled { delay } => throttled(session, delay),
    }
}

/// No password goes over an open line (RFC 3501 §6.2.3, RFC 5530).
pub fn privacy_required() -> Answer {
    Answer::no("PRIVACYREQUIRED", "Passwords only over TLS: use STARTTLS or the TLS port")
}

/// The account is known: the session is authenticated.
pub fn accepted(session: &mut Session, account: &Account, now: SystemTime) -> Outcome {
    if let Err(error) = session.context.store.ensure_account(::store::AccountId(account.id.0), unix(now)) {
        tracing::error!(%error, account = %account.address, "imap: cannot open the account");
        return Outcome::Done(error.into());
    }
    session.log_in(account.id);
    session.failed_logins = 0;
    tracing::info!(peer = %session.peer.ip, account = %account.address, "imap: logged in");
    Outcome::Done(Answer::ok("Logged in").with_code(format!("CAPABILITY {}", session.capabilities())))
}

/// Not even looked at: a program that is told of a wrong password here would ask for it and forget the right one
/// (RFC 5530 §3: UNAVAILABLE).
pub fn throttled(session: &mut Session, delay: Duration) -> Outcome {
    session.failed_logins += 1;
    tracing::warn!(peer = %session.peer.ip, "imap: login throttled");
    Outcome::Refused(Answer::no("UNAVAILABLE", "Too many wrong passwords, try again later"), delay)
}

/// Unknown user or wrong password; which of both is not told.
pub fn refused(session: &mut Session, delay: Duration) -> Outcome {
    session.failed_logins += 1;
    tracing::warn!(peer = %session.peer.ip, "imap: login refused");
    Outcome::Refused(Answer::no("AUTHENTICATIONFAILED", "Wrong user name or password"), delay)
}
