//! AUTHENTICATE (RFC 3501 §6.2.2) with the initial response of RFC 4959.

use super::{Outcome, login};
use crate::answer::Answer;
use crate::codec::encode::put;
use crate::session::Session;
use auth::Account;
use auth::sasl::{Exchange, Mechanism, Step};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use conversation::Security;
use std::sync::Arc;
use std::time::SystemTime;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An exchange that waits for the client's next line.
pub struct Authenticating {
    exchange: Exchange,
    /// The client is in once it has acknowledged the server's last words.
    accepted: Option<Arc<Account>>,
}

/// Begins an exchange; `initial` is the initial response in base64, `=` for an empty one.
pub fn begin(
    session: &mut Session,
    mechanism: &str,
    initial: Option<&[u8]>,
    now: SystemTime,
    out: &mut Vec<u8>,
) -> Outcome {
    let Security::Tls(binding) = session.peer.security.clone() else {
        return Outcome::Done(login::privacy_required());
    };
    let directory = session.context.directory.clone();
    let Some(mechanism) = Mechanism::parse(mechanism).filter(|one| directory.mechanisms(&binding).contains(one)) else {
        return Outcome::Done(Answer::no("CANNOT", "Unknown mechanism"));
    };
    let initial = match initial {
        Some(b"=") => Some(Vec::new()),
        Some(text) => match BASE64.decode(text) {
            Ok(bytes) => Some(bytes),
            Err(_) => return Outcome::Done(Answer::bad("Malformed base64")),
        },
        None => None,
    };
    let (exchange, step) = Exchange::start(mechanism, initial.as_deref(), &directory, &binding, session.peer.ip, now);
    Box::new(Authenticating { exchange, accepted: None }).go_on(session, step, now, out)
}

impl Authenticating {
    /// Takes the client's answer to a challenge.
    pub fn answered(
        mut self: Box<Self>,
        session: &mut Session,
        line: &[u8],
        now: SystemTime,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if line == b"*" {
            return Outcome::Done(Answer::bad("AUTHENTICATE cancelled"));
        }
        let Ok(response) = BASE64.decode(line.trim_ascii()) else {
            return Outcome::Done(Answer::bad("Malformed base64"));
        };
        match self.accepted.take() {
            Some(account) if response.is_empty() => login::accepted(session, &account, now),
            Some(_) => Outcome::Done(Answer::bad("An empty answer was expected")),
            None => {
                let step = self.exchange.step(&response, now);
                self.go_on(session, step, now, out)
            }
        }
    }

    fn go_on(mut self: Box<Self>, session: &mut Session, step: Step, now: SystemTime, out: &mut Vec<u8>) -> Outcome {
        let challenge = match step {
            Step::Accepted { account, data: None } => return login::accepted(session, &account, now),
            Step::Refused { delay } => return login::refused(session, delay),
            Step::Throttled { delay } => return login::throttled(session, delay),
            Step::Malformed => return Outcome::Done(Answer::bad("Malformed response")),
            Step::Accepted { account, data: Some(data) } => {
                self.accepted = Some(account);
                data
            }
            Step::Challenge(data) => data,
        };
        put!(out, "+ {}\r\n", BASE64.encode(challenge));
        Outcome::Authenticate(self)
    }
}
