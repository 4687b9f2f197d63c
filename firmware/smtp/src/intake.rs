//! A message's bytes on their way into a draft of the store: checked in passing, never held whole in memory.

use crate::hops::HeaderScan;
use crate::path::ReversePath;
use crate::session::Session;
use crate::state::Transaction;
use crate::submitted::{Author, Submitted};
use crate::{Role, limits, trace};
use smol_str::SmolStr;
use std::fmt;
use std::mem;
use std::time::SystemTime;
use store::{Draft, StoreError};

/// One message on its way in.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The name of the message in trace lines, replies and the log.
    pub(crate) id: SmolStr,
    sink: Sink,
    newlines: Newlines,
    header: HeaderScan,
    octets: u64,
}

/// Where the bytes go.
#[derive(Debug)]
enum Sink {
    /// A submitted message's header is held until it can be completed.
    Held(Draft, Box<Submitted>),
    /// To the store.
    Open(Draft),
    /// Nowhere: the message is refused, its bytes are only counted.
    Refused(Fault),
}

/// Which line ends are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newlines {
    /// LMTP comes from a program we trust: bytes are kept as they come.
    Any,
    /// A lone CR or LF refuses the message: what some programs take for a line end hides mail within mail (RFC 5321 §2.3.8).
    CrLf { after_cr: bool },
}

/// Why a message is refused.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A lone CR or LF.
    BareNewline,
    /// Over [`limits::MESSAGE`].
    TooLarge,
    /// Too many `Received` fields.
    Loop,
    /// A submitted message's header is over [`limits::SUBMITTED_HEADER`].
    HeaderTooLarge,
    /// From names an address of somebody else.
    NotYours(String),
    /// From names no address.
    NoAuthor,
    /// The store said no.
    Store(StoreError),
}

impl Intake {
    /// Opens a draft and writes the trace lines to it.
    pub(crate) fn begin(session: &Session, transaction: &Transaction, now: SystemTime) -> Result<Intake, Fault> {
        let id = trace::new_id(now);
        let host = &session.context.host;
        let trace = trace::lines(session.role, &session.peer, transaction, host, &id, now);
        let mut draft = session.context.store.draft().map_err(Fault::Store)?;
        draft.write(trace.as_bytes()).map_err(Fault::Store)?;
        let sink = match &transaction.client.account {
            Some(account) => {
                let sender = match &transaction.reverse {
                    ReversePath::Mailbox(mailbox) => mailbox.to_string(),
                    ReversePath::Null => account.address.to_string(),
                };
                let directory = session.context.directory.clone();
                let author =
                    Author { directory, account: account.clone(), sender, host: host.clone(), id: id.clone(), now };
                Sink::Held(draft, Box::new(Submitted::new(author)))
            }
            None => Sink::Open(draft),
        };
        let newlines = if session.role == Role::Lmtp { Newlines::Any } else { Newlines::CrLf { after_cr: false } };
        Ok(Intake { id, sink, newlines, header: HeaderScan::default(), octets: 0 })
    }

    /// One that takes nothing.
    pub(crate) fn refused(fault: Fault) -> Intake {
        let header = HeaderScan::default();
        Intake { id: SmolStr::default(), sink: Sink::Refused(fault), newlines: Newlines::Any, header, octets: 0 }
    }

    /// Octets of the message so far, as sent.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Why the message is refused, if it is.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match &self.sink {
            Sink::Refused(fault) => Some(fault),
            Sink::Held(..) | Sink::Open(_) => None,
        }
    }

    /// Takes bytes of the message. The first fault drops the draft; what comes after it is only counted.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.octets = self.octets.saturating_add(bytes.len() as u64);
        let sink = mem::replace(&mut self.sink, Sink::Refused(Fault::TooLarge));
        self.sink = match sink {
            Sink::Refused(fault) => Sink::Refused(fault),
            sink => {
                self.check(bytes).and_then(|header_end| sink.write(bytes, header_end)).unwrap_or_else(Sink::Refused)
            }
        };
    }

    /// The finished draft.
    pub(crate) fn finish(self) -> Result<Draft, Fault> {
        match self.sink {
            Sink::Refused(fault) => Err(fault),
            _ if self.newlines == (Newlines::CrLf { after_cr: true }) => Err(Fault::BareNewline),
            Sink::Held(mut draft, submitted) => {
                submitted.complete(&mut draft)?;
                Ok(draft)
            }
            Sink::Open(draft) => Ok(draft),
        }
    }

    /// Checks bytes before they are passed on; once, the number of those that belong to the header.
    fn check(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        if self.octets > limits::MESSAGE {
            return Err(Fault::TooLarge);
        }
        self.newlines.check(bytes)?;
        let header_end = self.header.feed(bytes);
        if self.header.hops() > limits::HOPS {
            return Err(Fault::Loop);
        }
        Ok(header_end)
    }
}

impl Sink {
    fn write(self, bytes: &[u8], header_end: Option<usize>) -> Result<Sink, Fault> {
        match self {
            Sink::Refused(fault) => Err(fault),
            Sink::Open(mut draft) => {
                draft.write(bytes)?;
                Ok(Sink::Open(draft))
            }
            Sink::Held(mut draft, mut submitted) => {
                let (header, body) = bytes.split_at(header_end.unwrap_or(bytes.len()));
                submitted.hold(header)?;
                if header_end.is_none() {
                    return Ok(Sink::Held(draft, submitted));
                }
                submitted.complete(&mut draft)?;
                draft.write(body)?;
                Ok(Sink::Open(draft))
            }
        }
    }
}

impl Newlines {
    fn check(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Newlines::CrLf { after_cr } = self else { return Ok(()) };
        let mut rest = bytes;
        while !rest.is_empty() {
            if *after_cr {
                rest = rest.strip_prefix(b"\n").ok_or(Fault::BareNewline)?;
                *after_cr = false;
            } else {
                let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { break };
                if rest[at] == b'\n' {
                    return Err(Fault::BareNewline);
                }
                *after_cr = true;
                rest = &rest[at + 1..];
            }
        }
        Ok(())
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Fault {
        Fault::Store(e)
    }
}

impl Fault {
    /// Reply code and enhanced status code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Fault::BareNewline => "550 5.6.11",
            Fault::TooLarge | Fault::HeaderTooLarge | Fault::Store(StoreError::TooLarge) => "552 5.3.4",
            Fault::Loop => "554 5.4.6",
            Fault::NotYours(_) => "550 5.7.1",
            Fault::NoAuthor => "550 5.6.0",
            // temporary: whose account it is can make room before the sender gives up
            Fault::Store(StoreError::OverQuota) => "452 4.2.2",
            Fault::Store(StoreError::Full) => "452 4.3.1",
            Fault::Store(_) => "451 4.3.0",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::BareNewline => f.write_str("The message has a CR or LF in it that is not part of a CR LF"),
            Fault::TooLarge => write!(f, "Messages may have at most {} octets", limits::MESSAGE),
            Fault::Store(StoreError::TooLarge) => f.write_str("The message is too large for this box"),
            Fault::Loop => write!(f, "The message goes round in circles: more than {} Received fields", limits::HOPS),
            Fault::HeaderTooLarge => write!(f, "The header may have at most {} octets", limits::SUBMITTED_HEADER),
            Fault::NotYours(address) => write!(f, "From: <{address}>: you may write only from your own addresses"),
            Fault::NoAuthor => f.write_str("The From field names no address"),
            Fault::Store(StoreError::OverQuota) => f.write_str("The account is full, try again later"),
            Fault::Store(StoreError::Full) => f.write_str("There is no space left for new mail, try again later"),
            // The client learns nothing of the disk; the log does.
            Fault::Store(_) => f.write_str("The message could not be stored, try again later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_line_ends() {
        let good = |text: &str| {
            let mut newlines = Newlines::CrLf { after_cr: false };
            let whole = newlines.check(text.as_bytes()).is_ok() && newlines == Newlines::CrLf { after_cr: false };
            let mut newlines = Newlines::CrLf { after_cr: false };
            let bytewise = text.bytes().all(|b| newlines.check(&[b]).is_ok());
            assert_eq!(whole, bytewise && newlines == Newlines::CrLf { after_cr: false }, "{text:?}");
            whole
        };
        for text in ["", "a", "a\r\nb", "\r\n\r\n"] {
            assert!(good(text), "{text:?}");
        }
        for text in ["\n", "\r", "a\nb", "a\rb", "a\r\r\n", "a\r\n\nb"] {
            assert!(!good(text), "{text:?}");
        }
    }
}
