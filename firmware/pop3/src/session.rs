//! One POP3 conversation as a state machine (RFC 1939 §3).

use crate::codec::{Input, Line};
use crate::maildrop::Maildrop;
use crate::refusal::Refusal;
use crate::sending::Sending;
use crate::{Context, command, limits};
use auth::sasl::{ChannelBinding, Exchange};
use conversation::{HIGH_WATER, Next, Peer, Security};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One POP3 conversation; see [`conversation::Session`].
pub struct Session {
    pub(crate) context: Arc<Context>,
    pub(crate) ip: IpAddr,
    pub(crate) security: Security,
    pub(crate) input: Input,
    pub(crate) state: State,
    pub(crate) wrong_logins: u32,
    bad_commands: u32,
}

/// The states of RFC 1939; UPDATE lasts no longer than QUIT.
pub(crate) enum State {
    Authorization(Login),
    Transaction {
        maildrop: Maildrop,
        /// The reply that is being sent; the next command waits for its end.
        sending: Option<Sending>,
    },
    /// The connection closes once the replies are written.
    Over,
}

/// How far the client is with logging in.
pub(crate) enum Login {
    Start,
    /// USER was given.
    Named(String),
    /// AUTH is under way: the next line is a response.
    Sasl(Box<Exchange>),
    /// AUTH was right; the client confirms the server's last data with an empty response.
    Confirmed(Arc<auth::Account>),
}

/// When commands are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Authorization,
    Transaction,
}

impl Session {
    /// A session with this peer.
    pub fn new(context: Arc<Context>, peer: Peer) -> Session {
        Session {
            context,
            ip: peer.ip,
            security: peer.security,
            input: Input::default(),
            state: State::Authorization(Login::Start),
            wrong_logins: 0,
            bad_commands: 0,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Transaction { .. } => Phase::Transaction,
            State::Authorization(_) | State::Over => Phase::Authorization,
        }
    }

    /// The maildrop, for commands that the table allows only where there is one.
    pub(crate) fn maildrop(&mut self) -> Result<&mut Maildrop, Refusal> {
        match &mut self.state {
            State::Transaction { maildrop, .. } => Ok(maildrop),
            State::Authorization(_) | State::Over => Err(Refusal::Bad("log in first")),
        }
    }

    /// Sends a long reply before the next command is looked at.
    pub(crate) fn send(&mut self, reply: Sending) {
        if let State::Transaction { sending, .. } = &mut self.state {
            *sending = Some(reply);
        }
    }

    /// Goes on with the reply that is being sent, then with the lines that have come.
    fn drive(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next {
        loop {
            if !self.go_on_sending(out) {
                return Next::Resume;
            }
            if matches!(self.state, State::Over) {
                return Next::Close;
            }
            if out.len() >= HIGH_WATER {
                return Next::Resume;
            }
            let next = match self.input.next_line() {
                None => return Next::Read,
                Some(Line::Whole(line)) => self.line(&line, now, out),
                Some(Line::TooLong) => {
                    // As a response it ends the exchange: the client must not find its next command taken for one.
                    if let State::Authorization(login @ (Login::Sasl(_) | Login::Confirmed(_))) = &mut self.state {
                        *login = Login::Start;
                    }
                    self.refuse(Refusal::Bad("the line is too long"), out)
                }
                Some(Line::Endless) => self.end("the line is too long, good-bye", out),
            };
            if next != Next::Read {
                return next;
            }
        }
    }

    /// `false`: the reply buffer is full before the reply is complete.
    fn go_on_sending(&mut self, out: &mut Vec<u8>) -> bool {
        let State::Transaction { maildrop, sending: slot @ Some(_) } = &mut self.state else { return true };
        let Some(sending) = slot else { return true };
        match sending.go_on(&self.context.store, maildrop, out) {
            Ok(false) => return false,
            Ok(true) => *slot = None,
            // The reply said +OK: without its end the client knows that it does not have the whole message.
            Err(error) => {
                tracing::warn!(peer = %self.ip, %error, "pop3 message cut off");
                self.state = State::Over;
            }
        }
        true
    }

    fn line(&mut self, line: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        let answered = match std::mem::replace(&mut self.state, State::Authorization(Login::Start)) {
            State::Authorization(login @ (Login::Sasl(_) | Login::Confirmed(_))) => {
                command::continue_sasl(self, login, line, now, out)
            }
            state => {
                self.state = state;
                command::run(self, line, now, out)
            }
        };
        answered.unwrap_or_else(|refusal| self.refuse(refusal, out))
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) -> Next {
        if matches!(refusal, Refusal::Bad(_)) {
            self.bad_commands += 1;
            if self.bad_commands >= limits::BAD_COMMANDS {
                return self.end("too many wrong commands, good-bye", out);
            }
        }
        refusal.write(out);
        Next::Read
    }

    fn end(&mut self, why: &'static str, out: &mut Vec<u8>) -> Next {
        self.state = State::Over;
        Refusal::No(why).write(out);
        Next::Close
    }
}

impl conversation::Session for Session {
    fn greet(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        // No timestamp in angle brackets: that would offer APOP.
        out.extend_from_slice(format!("+OK {} POP3 ready\r\n", self.context.host).as_bytes());
        Next::Read
    }
    fn receive(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        match self.input.push(bytes) {
            true => self.drive(now, out),
            false => self.end("too many commands at once, good-bye", out),
        }
    }
    fn resume(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next {
        self.drive(now, out)
    }
    fn secured(&mut self, binding: ChannelBinding, _now: SystemTime, _out: &mut Vec<u8>) -> Next {
        self.input.clear();
        self.security = Security::Tls(binding);
        Next::Read
    }
    fn account(&self) -> Option<auth::AccountId> {
        match &self.state {
            State::Transaction { maildrop, .. } => Some(maildrop.account),
            State::Authorization(_) | State::Over => None,
        }
    }
    fn idle_limit(&self) -> Duration {
        match self.phase() {
            Phase::Authorization => limits::IDLE_BEFORE_LOGIN,
            Phase::Transaction => limits::IDLE,
        }
    }
    /// Silently and without UPDATE (RFC 1939 §3).
    fn timed_out(&mut self, _now: SystemTime, _out: &mut Vec<u8>) -> Next {
        self.state = State::Over;
        Next::Close
    }
    fn shutting_down(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        // In the middle of a message this would be taken for a part of it.
        if !matches!(self.state, State::Transaction { sending: Some(_), .. }) {
            out.extend_from_slice(b"-ERR [SYS/TEMP] the server is stopping, try again later\r\n");
        }
        self.state = State::Over;
        Next::Close
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("peer", &self.ip).field("phase", &self.phase()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
