//! Tagged answers (RFC 3501 §7.1) with the response codes of RFC 5530; the one place that turns errors into words.

use crate::codec::Bad;
use crate::codec::encode::put;
use std::borrow::Cow;
use store::{NameError, StoreError};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not understood.
    Bad,
}

/// What a tagged answer says after the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How the command ended.
    pub status: Status,
    /// Response code, without its brackets.
    pub code: Option<Cow<'static, str>>,
    /// Words for people.
    pub text: Cow<'static, str>,
}

impl Answer {
    /// `OK`
    pub fn ok(text: &'static str) -> Answer {
        Answer { status: Status::Ok, code: None, text: text.into() }
    }

    /// `NO [code]`
    pub fn no(code: &'static str, text: &'static str) -> Answer {
        Answer { status: Status::No, code: Some(code.into()), text: text.into() }
    }

    /// `BAD`
    pub fn bad(text: &'static str) -> Answer {
        Answer { status: Status::Bad, code: None, text: text.into() }
    }

    /// The same with a response code.
    pub fn with_code(self, code: impl Into<Cow<'static, str>>) -> Answer {
        Answer { code: Some(code.into()), ..self }
    }

    /// For commands with a target mailbox: what is missing could be made (RFC 3501 §6.3.11, §6.4.7).
    pub fn or_try_create(self) -> Answer {
        if self.code.as_deref() == Some("NONEXISTENT") { self.with_code("TRYCREATE") } else { self }
    }

    /// Writes the answer to the command with this tag; `*` for a command without one.
    pub fn write(&self, tag: &str, out: &mut Vec<u8>) {
        let status = match self.status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
        };
        match &self.code {
            Some(code) => put!(out, "{tag} {status} [{code}] {}\r\n", self.text),
            None => put!(out, "{tag} {status} {}\r\n", self.text),
        }
    }
}

impl From<Bad> for Answer {
    fn from(Bad(text): Bad) -> Answer {
        Answer::bad(text)
    }
}

/// A name that no mailbox can have (RFC 5530 §3: CANNOT).
impl From<NameError> for Answer {
    fn from(NameError(why): NameError) -> Answer {
        Answer { status: Status::No, code: Some("CANNOT".into()), text: format!("Invalid mailbox name: {why}").into() }
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Answer {
        match error {
            StoreError::NoSuchMailbox => Answer::no("NONEXISTENT", "No such mailbox"),
            StoreError::NoSuchMessage => Answer::no("EXPUNGEISSUED", "No such message any more"),
            StoreError::Exists => Answer::no("ALREADYEXISTS", "A mailbox of that name exists"),
            StoreError::Inbox => Answer::no("CANNOT", "Not possible with INBOX"),
            StoreError::Limit(what) => {
                Answer { status: Status::No, code: Some("LIMIT".into()), text: format!("Over a limit: {what}").into() }
            }
            StoreError::TooLarge => Answer::no("TOOBIG", "The message is too large"),
            StoreError::OverQuota => Answer::no("OVERQUOTA", "The account may not hold more mail"),
            StoreError::Full => Answer::no("OVERQUOTA", "No space left for new mail, try again later"),
            StoreError::Damaged(_) => Answer::no("CORRUPTION", "The message is damaged on the disk"),
            StoreError::Stopped => Answer::no("UNAVAILABLE", "The server is stopping, try again later"),
            StoreError::Io(_) => Answer::no("UNAVAILABLE", "The disk does not work, try again later"),
        }
    }
}
