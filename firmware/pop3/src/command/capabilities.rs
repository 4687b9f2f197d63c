//! CAPA (RFC 2449 §5) and STLS (RFC 2595 §4).

use super::Call;
use crate::refusal::Refusal;
use crate::session::{Login, Phase, Session, State};
use conversation::{Next, Security};

/// What every session can.
const ALWAYS: [&str; 7] =
    ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "IMPLEMENTATION Roost"];

pub(super) fn capa(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    call.reply("+OK capabilities follow");
    for capability in ALWAYS {
        call.reply(capability);
    }
    match &session.security {
        Security::Plain if session.phase() == Phase::Authorization => call.reply("STLS"),
        Security::Plain => {}
        Security::Tls(binding) => {
            call.reply("USER");
            let names: Vec<_> = session.context.directory.mechanisms(binding).iter().map(|m| m.name()).collect();
            call.reply(&format!("SASL {}", names.join(" ")));
        }
    }
    call.reply(".");
    Ok(Next::Read)
}

pub(super) fn stls(session: &mut Session, call: &mut Call<'_>) -> Result<Next, Refusal> {
    call.arguments.words::<0>()?;
    if session.security.is_tls() {
        return Err(Refusal::Bad("the connection is encrypted already"));
    }
    // What was said before encryption may have been said by somebody else (RFC 2595 §4): commands sent along are not
    // carried over, and neither is the name.
    session.input.clear();
    session.state = State::Authorization(Login::Start);
    call.reply("+OK begin TLS");
    Ok(Next::StartTls)
}
