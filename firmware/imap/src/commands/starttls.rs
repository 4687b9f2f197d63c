//! STARTTLS (RFC 3501 §6.2.1).

use super::Outcome;
use crate::answer::Answer;
use conversation::Security;

/// Begins the handshake, once.
pub fn run(security: &Security) -> Outcome {
    match security {
        Security::Plain => Outcome::StartTls(Answer::ok("Begin the TLS negotiation now")),
        Security::Tls(_) => Outcome::Done(Answer::bad("TLS is active already")),
    }
}
