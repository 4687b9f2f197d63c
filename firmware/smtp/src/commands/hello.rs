//! HELO, EHLO (RFC 5321 §4.1.1.1) and LHLO (RFC 2033 §4.1): who the client is, and what is on offer.

use crate::session::Session;
use crate::state::{Client, State};
use crate::{Role, limits, reply};
use auth::sasl::Mechanism;
use conversation::{Next, Security};
use smol_str::SmolStr;
use std::time::SystemTime;

/// `HELO name`
pub(crate) fn helo(session: &mut Session, name: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if !greet(session, name, false) {
        return session.error(out, "501", "Say HELO with the name of your host");
    }
    reply::line(out, "250", &session.context.host);
    Next::Read
}

/// `EHLO name`, `LHLO name`
pub(crate) fn ehlo(session: &mut Session, name: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if !greet(session, name, true) {
        return session.error(out, "501", "Say it with the name of your host");
    }
    reply::lines(out, "250", &extensions(session));
    Next::Read
}

/// Begins anew, keeping the login (RFC 5321 §4.1.4). `false`: that is no name. Any printable name will do: what programs at
/// home call themselves is often neither a domain nor an address literal.
fn greet(session: &mut Session, name: &str, extended: bool) -> bool {
    if name.is_empty() || name.len() > limits::CLIENT_NAME || name.contains(char::is_whitespace) {
        return false;
    }
    let account = session.state.client().and_then(|client| client.account.clone());
    session.state = State::Greeted(Client { name: SmolStr::new(name), extended, account });
    true
}

/// Our name, then what is on offer.
fn extensions(session: &Session) -> Vec<String> {
    let mut lines = vec![
        session.context.host.to_string(),
        "PIPELINING".to_owned(),
        format!("SIZE {}", limits::MESSAGE),
        "8BITMIME".to_owned(),
        "ENHANCEDSTATUSCODES".to_owned(),
        "SMTPUTF8".to_owned(),
        "CHUNKING".to_owned(),
        format!("LIMITS RCPTMAX={}", limits::RECIPIENTS),
    ];
    match &session.peer.security {
        Security::Plain => lines.push("STARTTLS".to_owned()),
        Security::Tls(binding) if session.role == Role::Submission => {
            let names: Vec<&str> =
                session.context.directory.mechanisms(binding).into_iter().map(Mechanism::name).collect();
            lines.push(format!("AUTH {}", names.join(" ")));
        }
        Security::Tls(_) => {}
    }
    lines
}
