//! The session: takes bytes, finds lines and commands, keeps the state (RFC 5321 §3; RFC 2033 §4).

use crate::commands::{auth, bdat, data};
use crate::line::{Line, LineReader};
use crate::state::State;
use crate::table::{self, Row};
use crate::{Context, Role, limits, reply};
use ::auth::sasl::ChannelBinding;
use conversation::{HIGH_WATER, Next, Peer, Security};
use std::fmt::Display;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One SMTP conversation; see [`conversation::Session`].
#[derive(Debug)]
pub struct Session {
    pub(crate) context: Arc<Context>,
    pub(crate) role: Role,
    pub(crate) peer: Peer,
    pub(crate) state: State,
    line: LineReader,
    /// Bytes that came while the session could not go on.
    unread: Vec<u8>,
    errors: u32,
    pub(crate) unknown_recipients: u32,
    pub(crate) failed_logins: u32,
}

impl Session {
    /// A session with this peer.
    pub fn new(context: Arc<Context>, role: Role, peer: Peer) -> Session {
        Session {
            context,
            role,
            peer,
            state: State::Fresh,
            line: LineReader::default(),
            unread: Vec::new(),
            errors: 0,
            unknown_recipients: 0,
            failed_logins: 0,
        }
    }

    /// Answers a command that breaks the protocol; too many of them end the connection.
    pub(crate) fn error(&mut self, out: &mut Vec<u8>, code: &str, text: impl Display) -> Next {
        self.errors += 1;
        if self.errors > limits::ERRORS {
            return self.close(out, "421 4.7.0", "Too many errors, closing the connection");
        }
        reply::line(out, code, text);
        Next::Read
    }

    /// The last words.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>, code: &str, text: impl Display) -> Next {
        reply::line(out, code, text);
        self.state = State::Closed;
        Next::Close
    }

    /// Works through bytes until they are used up or something has to happen outside.
    fn pump(&mut self, mut input: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        loop {
            if out.len() >= HIGH_WATER {
                self.unread = input.to_vec();
                return Next::Resume;
            }
            match self.step(&mut input, now, out) {
                None => return Next::Read,
                Some(Next::Read) => {}
                // What came early is discarded (RFC 3207 §4.2; a closed connection answers nothing).
                Some(next @ (Next::StartTls | Next::Close)) => return next,
                Some(next) => {
                    self.unread = input.to_vec();
                    return next;
                }
            }
        }
    }

    /// One line or one piece of a message; `None` once more bytes are needed.
    fn step(&mut self, input: &mut &[u8], now: SystemTime, out: &mut Vec<u8>) -> Option<Next> {
        let login = match self.state {
            State::Closed => return Some(Next::Close),
            State::Data(..) => return data::bytes(self, input, now, out),
            State::Chunk(..) => return bdat::bytes(self, input, now, out),
            State::RefusedChunk(_) => return bdat::throw_away(self, input, out),
            State::Login(..) | State::LoginEnd(..) => true,
            State::Fresh | State::Greeted(_) | State::Envelope(_) | State::Chunks(..) => false,
        };
        let line = self.line.next(input, login)?;
        if login && !matches!(line, Line::Text(_)) {
            self.state = mem::take(&mut self.state).reset(); // the exchange is over
        }
        Some(match line {
            Line::Text(text) if login => auth::answer(self, &text, now, out),
            Line::Text(text) => self.command(&text, now, out),
            Line::TooLong if login => self.error(out, "500 5.5.6", "The answer is too long"),
            Line::TooLong => self.error(out, "500 5.5.2", "The line is too long"),
            Line::BareLf => self.error(out, "500 5.5.2", "Lines have to end with CR LF"),
            Line::Endless => self.close(out, "421 4.7.0", "The line does not end, closing the connection"),
        })
    }

    fn command(&mut self, line: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        let Ok(line) = str::from_utf8(line) else {
            return self.error(out, "500 5.5.2", "The line is not UTF-8");
        };
        let line = line.trim_end_matches(' ');
        if line.contains(char::is_control) {
            return self.error(out, "500 5.5.2", "The line has control characters in it");
        }
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let Some(row) = table::find(name) else {
            return self.unknown(name, out);
        };
        if !row.doors.contains(&self.role) {
            return self.error(out, "502 5.5.1", row.elsewhere(self.role));
        }
        match self.state.phase() {
            Some(phase) if !row.legal.contains(&phase) => {
                let text = row.too_early_or_late(phase, self.role);
                self.out_of_order(row, arguments, text, out)
            }
            _ => (row.run)(self, arguments, now, out),
        }
    }

    /// A BDAT out of order still has its chunk behind it, which must not be taken for commands (RFC 3030 §2).
    fn out_of_order(&mut self, row: &Row, arguments: &str, text: &'static str, out: &mut Vec<u8>) -> Next {
        match row.name {
            "BDAT" => bdat::refuse(self, arguments, "503 5.5.1", text, out),
            _ => self.error(out, "503 5.5.1", text),
        }
    }

    /// A browser made to send a form here must not get a second line in.
    fn unknown(&mut self, name: &str, out: &mut Vec<u8>) -> Next {
        const HTTP: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        if HTTP.iter().any(|method| method.eq_ignore_ascii_case(name)) {
            return self.close(out, "554 5.5.1", "This is a mail server and speaks no HTTP");
        }
        self.error(out, "500 5.5.1", "Unknown command")
    }
}

impl conversation::Session for Session {
    fn greet(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        let protocol = if self.role == Role::Lmtp { "LMTP" } else { "ESMTP" };
        reply::line(out, "220", format_args!("{} {protocol} Roost", self.context.host));
        Next::Read
    }

    fn receive(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        const TLS_HANDSHAKE: u8 = 22;
        if matches!(self.state, State::Fresh) && !self.peer.security.is_tls() && bytes.first() == Some(&TLS_HANDSHAKE) {
            // The program is set to TLS from the start on a port that begins without: it would wait for an answer for ever.
            self.state = State::Closed;
            return Next::Close;
        }
        if self.unread.is_empty() {
            return self.pump(bytes, now, out);
        }
        let mut unread = mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        self.pump(&unread, now, out)
    }

    fn resume(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next {
        let unread = mem::take(&mut self.unread);
        self.pump(&unread, now, out)
    }

    fn secured(&mut self, binding: ChannelBinding, _now: SystemTime, _out: &mut Vec<u8>) -> Next {
        self.peer.security = Security::Tls(binding);
        // All that was said before is forgotten (RFC 3207 §4.2).
        self.state = State::Fresh;
        self.line.clear();
        self.unread = Vec::new();
        Next::Read
    }

    fn account(&self) -> Option<::auth::AccountId> {
        self.state.client()?.account.as_ref().map(|account| account.id)
    }

    fn idle_limit(&self) -> Duration {
        match self.state {
            State::Data(..) | State::Chunk(..) | State::RefusedChunk(_) => limits::IDLE_DATA,
            _ => limits::IDLE,
        }
    }

    fn timed_out(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        let text = format!("{} Nothing came for too long, closing the connection", self.context.host);
        self.close(out, "421 4.4.2", text)
    }

    fn shutting_down(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        let text = format!("{} is shutting down, try again later", self.context.host);
        self.close(out, "421 4.3.2", text)
    }
}
