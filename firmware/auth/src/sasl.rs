//! SASL server mechanisms (RFC 4422): PLAIN (4616), LOGIN, SCRAM-SHA-256 and -PLUS (5802, 7677; bindings 9266, 5929).
//!
//! Protocols carry the base64; this module sees decoded messages.

mod scram;

use crate::account::Account;
use crate::directory::{Directory, Login};
use crate::{limits, password};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The mechanisms on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The obsolete two-prompt mechanism that Outlook needs.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
}

/// What TLS offers for channel binding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// RFC 9266 exporter value of this connection (TLS 1.3).
    pub tls_exporter: Option<[u8; 32]>,
    /// RFC 5929 hash of the server's certificate.
    pub tls_server_end_point: Option<[u8; 32]>,
}

/// One exchange in progress.
pub struct Exchange {
    directory: Arc<Directory>,
    binding: ChannelBinding,
    peer: IpAddr,
    state: State,
}

enum State {
    Plain,
    LoginUser,
    LoginPassword { user: String },
    ScramFirst { plus: bool },
    ScramFinal(scram::Challenged),
    Over,
}

/// What the server does next.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (may be empty), then feed the answer.
    Challenge(Vec<u8>),
    /// Logged in.
    Accepted {
        /// Who it is.
        account: Arc<Account>,
        /// Final server data (SCRAM's `v=`), to be sent as a last challenge whose answer is empty, if any.
        data: Option<Vec<u8>>,
    },
    /// Wrong; answer after `delay`.
    Refused {
        /// How long.
        delay: Duration,
    },
    /// Not checked after too many failures; answer after `delay`, and not that the password is wrong: it may be right.
    Throttled {
        /// How long.
        delay: Duration,
    },
    /// The client's message is malformed.
    Malformed,
}

impl Mechanism {
    /// Parses the name without case.
    pub fn parse(name: &str) -> Option<Mechanism> {
        use Mechanism::*;
        [Plain, Login, ScramSha256, ScramSha256Plus].into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }
    /// The mechanisms that a connection with TLS can carry, the best first; `binding` decides about -PLUS.
    /// [`Directory::mechanisms`] leaves out those that the accounts cannot use.
    pub fn offered(binding: &ChannelBinding) -> Vec<Mechanism> {
        let mut offered = vec![Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];
        if binding.tls_exporter.is_some() || binding.tls_server_end_point.is_some() {
            offered.insert(0, Mechanism::ScramSha256Plus);
        }
        offered
    }
}

impl Exchange {
    /// Begins an exchange. `initial` is the initial response, if the client sent one.
    pub fn start(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        directory: &Arc<Directory>,
        binding: &ChannelBinding,
        peer: IpAddr,
        now: SystemTime,
    ) -> (Exchange, Step) {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginUser,
            Mechanism::ScramSha256 => State::ScramFirst { plus: false },
            Mechanism::ScramSha256Plus => State::ScramFirst { plus: true },
        };
        let mut exchange = Exchange { directory: directory.clone(), binding: binding.clone(), peer, state };
        let step = match (initial, mechanism) {
            (Some(initial), _) => exchange.step(initial, now),
            (None, Mechanism::Login) => Step::Challenge(b"Username:".to_vec()),
            (None, _) => Step::Challenge(Vec::new()),
        };
        (exchange, step)
    }
    /// Feeds the client's answer to the last challenge. After any answer but a challenge the exchange is over.
    pub fn step(&mut self, response: &[u8], now: SystemTime) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        if response.len() > limits::SASL_MESSAGE {
            return Step::Malformed;
        }
        match state {
            State::Plain => self.plain(response, now),
            State::LoginUser => self.login_user(response),
            State::LoginPassword { user } => match text(response) {
                Some(password) => self.login(&user, password, "", now),
                None => Step::Malformed,
            },
            State::ScramFirst { plus } => self.scram_first(response, plus, &scram::nonce()),
            State::ScramFinal(challenged) => self.scram_final(challenged, response, now),
            State::Over => Step::Malformed,
        }
    }

    /// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
    fn plain(&self, response: &[u8], now: SystemTime) -> Step {
        let mut fields = response.split(|&b| b == 0);
        let (Some(authzid), Some(user), Some(password), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Step::Malformed;
        };
        match (std::str::from_utf8(authzid), text(user), text(password)) {
            (Ok(authzid), Some(user), Some(password)) => self.login(user, password, authzid, now),
            _ => Step::Malformed,
        }
    }

    fn login_user(&mut self, response: &[u8]) -> Step {
        let Some(user) = text(response) else { return Step::Malformed };
        self.state = State::LoginPassword { user: user.to_owned() };
        Step::Challenge(b"Password:".to_vec())
    }

    fn login(&self, user: &str, password: &str, authzid: &str, now: SystemTime) -> Step {
        match self.directory.login(user, password, self.peer, now) {
            Login::Accepted(account) => self.accept(account, authzid, None),
            Login::Refused { delay } => Step::Refused { delay },
            Login::Throttled { delay } => Step::Throttled { delay },
        }
    }

    /// Nobody acts for somebody else: the authorization identity is empty or names the same account.
    fn accept(&self, account: Arc<Account>, authzid: &str, data: Option<Vec<u8>>) -> Step {
        match authzid.is_empty() || self.directory.find(authzid).is_some_and(|wanted| wanted.id == account.id) {
            true => Step::Accepted { account, data },
            false => Step::Refused { delay: limits::DELAY_FIRST },
        }
    }

    fn scram_first(&mut self, response: &[u8], plus: bool, nonce: &str) -> Step {
        let Some(first) = text(response).and_then(scram::First::parse) else { return Step::Malformed };
        let announced = self.directory.mechanisms(&self.binding).contains(&Mechanism::ScramSha256Plus);
        let binding = match first.binding(plus, announced, &self.binding) {
            Ok(binding) => binding,
            Err(scram::BindingError::Malformed) => return Step::Malformed,
            Err(scram::BindingError::Refused) => return Step::Refused { delay: limits::DELAY_FIRST },
        };
        let keys = self.directory.scram_keys(&password::prepared(&first.user));
        let Some(keys) = keys.first() else { return Step::Malformed };
        let (challenged, challenge) = first.challenge(binding, nonce, &keys.salt, keys.iterations);
        self.state = State::ScramFinal(challenged);
        Step::Challenge(challenge)
    }

    fn scram_final(&self, challenged: scram::Challenged, response: &[u8], now: SystemTime) -> Step {
        let Some(last) = text(response).and_then(|response| challenged.parse_final(response)) else {
            return Step::Malformed;
        };
        let user = password::prepared(&challenged.user);
        let attempt = match self.directory.attempt(&user, self.peer, now) {
            Ok(attempt) => attempt,
            Err(delay) => return Step::Throttled { delay },
        };
        // The account as it is now: a device that was removed since the challenge stays out.
        let server = challenged.verify(&last, &self.directory.scram_keys(&user));
        match server.and_then(|data| Some((data, self.directory.find(&user)?))) {
            Some((data, account)) => {
                attempt.succeeded(now);
                self.accept(account, &challenged.authzid, Some(data))
            }
            None => Step::Refused { delay: attempt.failed(now) },
        }
    }
}

/// Text that is not empty and has no NUL, as every mechanism wants it.
fn text(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets).ok().filter(|text| !text.is_empty() && !text.contains('\0'))
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Plain => "PLAIN",
            State::LoginUser | State::LoginPassword { .. } => "LOGIN",
            State::ScramFirst { .. } | State::ScramFinal(_) => "SCRAM",
            State::Over => "over",
        };
        f.debug_struct("Exchange").field("state", &state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
