//! Whether a message is what SEARCH looks for (RFC 3501 §6.4.4).

use super::inside::{Inside, read_header};
use crate::codec::command::{SearchKey, SystemFlag, When};
use crate::codec::sequence::Runs;
use crate::limits;
use crate::view::View;
use ::store::{Keyword, Message, Store, StoreError};
use message::date::{DateTime, Day};
use message::header;
use message::text::{BodySearch, Needle};
use message::{Content, Envelope, Part};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A search key made ready: sets resolved, strings folded, the cheap keys of a list before the dear ones.
#[derive(Debug)]
pub enum Test {
    And(Vec<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Sequence(Runs),
    Uid(Runs),
    Flag(SystemFlag),
    Recent,
    Keyword(Option<Keyword>),
    Larger(u64),
    Smaller(u64),
    Internal(When, Day),
    Sent(When, Day),
    Header(Vec<u8>, Needle),
    Body(Needle),
    Text(Needle),
    ModSeq(u64),
}

/// The charset is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCharset;

impl Test {
    /// Makes a key ready for this view.
    pub fn new(key: SearchKey, charset: Option<&str>, view: &View) -> Result<Test, BadCharset> {
        use crate::codec::command::Numbers;
        let needle = |text: &[u8]| Needle::new(text, charset).ok_or(BadCharset);
        let boxed = |key: Box<SearchKey>| Test::new(*key, charset, view).map(Box::new);
        Ok(match key {
            SearchKey::And(keys) => {
                let mut tests =
                    keys.into_iter().map(|key| Test::new(key, charset, view)).collect::<Result<Vec<_>, _>>()?;
                tests.sort_by_key(Test::cost);
                Test::And(tests)
            }
            SearchKey::Or(one, other) => {
                let (one, other) = (boxed(one)?, boxed(other)?);
                if other.cost() < one.cost() { Test::Or(other, one) } else { Test::Or(one, other) }
            }
            SearchKey::Not(key) => Test::Not(boxed(key)?),
            SearchKey::Sequence(set) => Test::Sequence(set.resolve(view.largest(Numbers::Sequence))),
            SearchKey::Uid(set) => Test::Uid(set.resolve(view.largest(Numbers::Uid))),
            SearchKey::Flag(flag) => Test::Flag(flag),
            SearchKey::Recent => Test::Recent,
            SearchKey::Keyword(keyword) => Test::Keyword(keyword),
            SearchKey::Larger(size) => Test::Larger(size.into()),
            SearchKey::Smaller(size) => Test::Smaller(size.into()),
            SearchKey::Internal(when, day) => Test::Internal(when, day),
            SearchKey::Sent(when, day) => Test::Sent(when, day),
            SearchKey::Header(name, text) => Test::Header(name, needle(&text)?),
            SearchKey::Body(text) => Test::Body(needle(&text)?),
            SearchKey::Text(text) => Test::Text(needle(&text)?),
            SearchKey::ModSeq(modseq) => Test::ModSeq(modseq),
        })
    }

    /// What a test reads: 0 a row, 1 the cached structure, 2 the header, 3 the body.
    fn cost(&self) -> u8 {
        match self {
            Test::And(tests) => tests.iter().map(Test::cost).max().unwrap_or(0),
            Test::Or(one, other) => one.cost().max(other.cost()),
            Test::Not(test) => test.cost(),
            Test::Sent(..) => 1,
            Test::Header(..) => 2,
            Test::Body(_) | Test::Text(_) => 3,
            _ => 0,
        }
    }
}

/// A message that is looked at. What is read of it is kept for the other keys.
pub struct Candidate<'a> {
    store: &'a Store,
    sequence: u32,
    row: &'a Message,
    recent: bool,
    inside: Inside,
    /// Octets read.
    pub read: u64,
}

impl<'a> Candidate<'a> {
    /// This message.
    pub fn new(store: &'a Store, sequence: u32, row: &'a Message, recent: bool) -> Candidate<'a> {
        Candidate { store, sequence, row, recent, inside: Inside::new(row, false), read: 0 }
    }

    /// Whether the test holds.
    pub fn passes(&mut self, test: &Test) -> Result<bool, StoreError> {
        let row = self.row;
        Ok(match test {
            Test::And(tests) => {
                for test in tests {
                    if !self.passes(test)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(one, other) => self.passes(one)? || self.passes(other)?,
            Test::Not(test) => !self.passes(test)?,
            Test::Sequence(runs) => runs.contains(self.sequence),
            Test::Uid(runs) => runs.contains(row.uid.get()),
            Test::Flag(SystemFlag::Answered) => row.flags.answered,
            Test::Flag(SystemFlag::Deleted) => row.flags.deleted,
            Test::Flag(SystemFlag::Draft) => row.flags.draft,
            Test::Flag(SystemFlag::Flagged) => row.flags.flagged,
            Test::Flag(SystemFlag::Seen) => row.flags.seen,
            Test::Recent => self.recent,
            Test::Keyword(keyword) => keyword.as_ref().is_some_and(|keyword| row.flags.keywords.contains(keyword)),
            Test::Larger(size) => row.size > *size,
            Test::Smaller(size) => row.size < *size,
            Test::ModSeq(modseq) => row.modseq.0 >= *modseq,
            Test::Internal(when, day) => compare(*when, DateTime { unix: row.internal_date, offset: 0 }, *day),
            Test::Sent(when, day) => {
                let envelope = Envelope::parse(&self.header()?);
                let date = envelope.date.as_deref().and_then(DateTime::parse_rfc5322);
                date.is_some_and(|date| compare(*when, date, *day))
            }
            Test::Header(name, needle) => {
                let header = self.header()?;
                let mut named = header::fields(&header).filter(|field| field.name.eq_ignore_ascii_case(name));
                let addresses = ADDRESSES.iter().any(|one| name.eq_ignore_ascii_case(one));
                named.any(|field| needle.in_header_value(field.value) || addresses && in_addresses(field.value, needle))
            }
            Test::Body(needle) => self.body(needle)?,
            Test::Text(needle) => {
                self.inside.deepen();
                in_fields(&self.header()?, needle) || self.body(needle)?
            }
        })
    }

    fn structure(&mut self) -> Result<Arc<(Envelope, Part)>, StoreError> {
        self.read += limits::CHUNK;
        self.inside.structure(self.store)
    }

    /// The message's header.
    fn header(&mut self) -> Result<Cow<'_, [u8]>, StoreError> {
        let header = self.inside.header(self.store)?;
        self.read += header.len() as u64;
        Ok(header)
    }

    fn part_header(&mut self, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let header = read_header(self.store, self.row.blob, range)?;
        self.read += header.len() as u64;
        Ok(header)
    }

    /// Whether the body holds the text: text parts decoded, and the headers of the parts.
    fn body(&mut self, needle: &Needle) -> Result<bool, StoreError> {
        let inside = self.structure()?;
        self.in_part(&inside.1, needle)
    }

    fn in_part(&mut self, part: &Part, needle: &Needle) -> Result<bool, StoreError> {
        match &part.content {
            Content::Leaf => self.in_leaf(part, needle),
            Content::Message(_, inner) => self.in_part_with_header(inner, needle),
            Content::Multipart(parts) => {
                for inner in parts {
                    if self.in_part_with_header(inner, needle)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    fn in_part_with_header(&mut self, part: &Part, needle: &Needle) -> Result<bool, StoreError> {
        let header = self.part_header(part.header.clone())?;
        Ok(in_fields(&header, needle) || self.in_part(part, needle)?)
    }

    fn in_leaf(&mut self, part: &Part, needle: &Needle) -> Result<bool, StoreError> {
        let Some(mut search) = BodySearch::new(needle, part) else { return Ok(false) };
        let mut chunk = Vec::new();
        let mut at = part.body.start;
        while at < part.body.end {
            chunk.clear();
            self.store.read_some(self.row.blob, at..part.body.end, &mut chunk)?;
            if chunk.is_empty() {
                return Err(StoreError::Damaged(self.row.blob));
            }
            at += chunk.len() as u64;
            self.read += chunk.len() as u64;
            if search.feed(&chunk) {
                return Ok(true);
            }
        }
        Ok(search.finish())
    }
}

/// Whether a field of the header, its name included, holds the text.
fn in_fields(bytes: &[u8], needle: &Needle) -> bool {
    header::fields(bytes).any(|field| needle.in_header_value(field.raw))
}

/// Fields that hold addresses.
const ADDRESSES: [&[u8]; 4] = [b"From", b"To", b"Cc", b"Bcc"];

/// Whether an address or its name holds the text, as ENVELOPE tells them (RFC 3501 §6.4.4: "in the envelope structure's FROM
/// field"): quotes and comments may stand in the middle of what people look for.
fn in_addresses(value: &[u8], needle: &Needle) -> bool {
    let differs = value.iter().any(|b| matches!(b, b'(' | b'"' | b'\\'));
    differs
        && message::envelope::addresses(value).iter().any(|address| match address {
            message::Address::Mailbox { name, mailbox, host, .. } => {
                let whole = [mailbox, &b"@"[..], host].concat();
                needle.in_text(&String::from_utf8_lossy(&whole))
                    || name.as_ref().is_some_and(|name| needle.in_header_value(name))
            }
            _ => false,
        })
}

/// Compares calendar days, whatever the zone (RFC 3501 §6.4.4: "disregarding time and timezone").
fn compare(when: When, date: DateTime, day: Day) -> bool {
    match when {
        When::Before => date.day() < day,
        When::On => date.day() == day,
        When::Since => date.day() >= day,
    }
}
