//! Which messages belong together: object identifiers of mailboxes, messages and threads (RFC 8474).
//!
//! A message joins the thread of an earlier one of its account that has its Message-ID, or one that it refers to, also if that one
//! was only referred to itself. A thread has the number of the body it began with and is never joined with another (RFC 8621 §3).
//! The ids a thread is found by are keyed hashes, kept in generations: a new one is a small part of the table, so that ids in no
//! order cost a checkpoint few pages; the oldest one goes as a whole. Who answers a message whose ids have gone begins a new thread.

use crate::catalogue::Tables;
use crate::model::{AccountId, BlobId, MailboxId};
use crate::quota::{self, Holdings};
use crate::writer::Shared;
use crate::{Store, StoreError, limits, reader};
use redb::{ReadableTable, TableDefinition};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// (body, account) to the thread, for those that did not begin one.
pub const THREADS: TableDefinition<(u64, u32), u64> = TableDefinition::new("threads");
/// (account, generation, hash of an id) to the thread.
pub const IDS: TableDefinition<(u32, u32, u64), u64> = TableDefinition::new("ids");

/// Messages that belong together in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u64);

impl MailboxId {
    /// MAILBOXID: stays as long as the mailbox, whatever its name.
    pub fn object_id(self) -> String {
        format!("M{:x}", self.0)
    }
}

impl BlobId {
    /// EMAILID: copies have the same.
    pub fn object_id(self) -> String {
        format!("E{:x}", self.0)
    }
}

impl ThreadId {
    /// THREADID.
    pub fn object_id(self) -> String {
        format!("T{:x}", self.0)
    }
}

/// The thread of a message in an account, as DELIVER says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threaded {
    /// The account.
    pub account: u32,
    /// The body that the thread began with, 0 for this one.
    pub thread: u64,
    /// Hashes of ids by which the thread was not found before.
    pub ids: Vec<[u8; 8]>,
}

/// The ids of a message, the most telling first, as keyed hashes.
pub type Ids = Vec<u64>;

/// The beginning of a message, as far as it is needed to know its ids.
#[derive(Debug)]
pub struct Header {
    bytes: Vec<u8>,
    /// The present line has nothing but CR so far.
    blank: bool,
    whole: bool,
}

impl Header {
    /// Of a message of which nothing came yet.
    pub fn new() -> Header {
        Header { bytes: Vec::new(), blank: true, whole: false }
    }

    /// More of the message.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.whole {
                return;
            }
            self.bytes.push(*byte);
            self.whole = *byte == b'\n' && self.blank || self.bytes.len() >= limits::THREAD_HEADER;
            self.blank = *byte == b'\n' || *byte == b'\r' && self.blank;
        }
    }

    /// The ids in it, for the store with this number.
    pub fn ids(&self, store: u64) -> Ids {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[b"thread".as_slice(), &store.to_le_bytes()].concat());
        let hash = |id: &Vec<u8>| {
            let tag = hmac::sign(&key, id);
            u64::from_le_bytes(std::array::from_fn(|n| tag.as_ref()[n]))
        };
        let mut ids = Ids::new();
        for id in message_ids(&self.bytes).iter().map(hash) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// The Message-ID, the last References and the first, In-Reply-To.
fn message_ids(header: &[u8]) -> Vec<Vec<u8>> {
    let (mut own, mut references, mut replies) = (None, None, None);
    for field in message::header::fields(header) {
        let place = match field.name.to_ascii_lowercase().as_slice() {
            b"message-id" => &mut own,
            b"references" => &mut references,
            b"in-reply-to" => &mut replies,
            _ => continue,
        };
        place.get_or_insert(field.value);
    }
    let mut found: Vec<Vec<u8>> = own.into_iter().flat_map(|value| angles(value).next()).collect();
    let (mut first, mut last) = (None, VecDeque::new());
    for id in references.into_iter().flat_map(angles) {
        if last.len() == limits::THREAD_REFERENCES {
            let oldest = last.pop_front();
            first = first.or(oldest);
        }
        last.push_back(id);
    }
    found.extend(last.into_iter().rev());
    found.extend(first);
    found.extend(replies.into_iter().flat_map(angles).take(limits::THREAD_REPLIES));
    found
}

/// What stands in angle brackets, without white space: ids are folded by some.
fn angles(value: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    value.split(|b| *b == b'<').skip(1).filter_map(|part| {
        let end = part.iter().position(|b| *b == b'>')?;
        let id: Vec<u8> = part[..end].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        (!id.is_empty() && id.len() <= limits::MESSAGE_ID).then_some(id)
    })
}

/// The generation of the id that comes after so many.
fn generation(ids: u64) -> u32 {
    (ids / limits::THREAD_GENERATION) as u32
}

/// The thread that one of these ids leads to, and those that lead nowhere.
pub fn plan(t: &Tables<'_>, account: u32, ids: &Ids) -> Result<Option<Threaded>> {
    if ids.is_empty() {
        return Ok(None);
    }
    let newest = generation(quota::holdings(&t.holdings, account)?.ids);
    let oldest = (newest + 1).saturating_sub(limits::THREAD_GENERATIONS);
    let mut threaded = Threaded { account, thread: 0, ids: Vec::new() };
    for id in ids {
        let mut known = None;
        for generation in (oldest..=newest).rev() {
            known = t.ids.get((account, generation, *id))?.map(|v| v.value());
            if known.is_some() {
                break;
            }
        }
        match known {
            Some(thread) if threaded.thread == 0 => threaded.thread = thread,
            Some(_) => {}
            None => threaded.ids.push(id.to_le_bytes()),
        }
    }
    Ok((threaded.thread != 0 || !threaded.ids.is_empty()).then_some(threaded))
}

/// Applies what DELIVER says of a message's thread.
pub fn thread(t: &mut Tables<'_>, blob: u64, e: &Threaded) -> Result<()> {
    let thread = if e.thread == 0 { blob } else { e.thread };
    if thread != blob {
        t.threads.insert((blob, e.account), thread)?;
    }
    if e.ids.is_empty() {
        return Ok(());
    }
    let had = quota::holdings(&t.holdings, e.account)?;
    let mut count = had.ids;
    for id in &e.ids {
        let newest = generation(count);
        if count % limits::THREAD_GENERATION == 0
            && let Some(gone) = newest.checked_sub(limits::THREAD_GENERATIONS)
        {
            t.ids.retain_in((e.account, gone, 0)..=(e.account, gone, u64::MAX), |_, _| false)?;
        }
        t.ids.insert((e.account, newest, u64::from_le_bytes(*id)), thread)?;
        count += 1;
    }
    quota::put(t, e.account, &Holdings { ids: count, ..had })
}

/// Rows of a snapshot, in their order: how many ids there were follows from them.
pub fn load_id(t: &mut Tables<'_>, (account, generation, id): (u32, u32, u64), thread: u64) -> Result<()> {
    t.ids.insert((account, generation, id), thread)?;
    let had = quota::holdings(&t.holdings, account)?;
    let before = u64::from(generation) * limits::THREAD_GENERATION;
    quota::put(t, account, &Holdings { ids: had.ids.max(before) + 1, ..had })
}

/// No message has this body any more.
pub fn forget_body(t: &mut Tables<'_>, blob: u64) -> Result<()> {
    let mut accounts = Vec::new();
    for entry in t.threads.range((blob, 0)..=(blob, u32::MAX))? {
        accounts.push(entry?.0.value().1);
    }
    accounts.into_iter().try_for_each(|account| Ok(t.threads.remove((blob, account)).map(drop)?))
}

/// An account goes, with its threads.
pub fn forget_account(t: &mut Tables<'_>, account: u32) -> Result<()> {
    t.ids.retain_in((account, 0, 0)..=(account, u32::MAX, u64::MAX), |_, _| false)?;
    t.threads.retain(|(_, of), _| of != account)?;
    Ok(())
}

impl Shared {
    fn threads(&self, account: AccountId, blobs: &[BlobId]) -> Result<Vec<ThreadId>> {
        let reader = self.read_catalogue()?;
        let Some(t) = reader::table(&reader, THREADS)? else {
            return Ok(blobs.iter().map(|b| ThreadId(b.0)).collect());
        };
        blobs.iter().map(|blob| Ok(ThreadId(t.get((blob.0, account.0))?.map_or(blob.0, |v| v.value())))).collect()
    }
}

impl Store {
    /// The threads of messages in an account, in the order of the messages; that of a message stays as long as the message.
    pub fn threads(&self, account: AccountId, messages: &[BlobId]) -> Result<Vec<ThreadId>> {
        self.inner.shared.threads(account, messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(header: &str) -> Vec<String> {
        let mut whole = Header::new();
        for byte in header.as_bytes().chunks(3) {
            whole.feed(byte);
        }
        message_ids(&whole.bytes).into_iter().map(|id| String::from_utf8_lossy(&id).into_owned()).collect()
    }

    #[test]
    fn the_most_telling_id_comes_first() {
        let header = "Subject: <no@id>\r\nREFERENCES: <1@a>\r\n <2\r\n @a> (<3@a>)\r\nIn-reply-to: Your <3@a> of today\r\n\
                      message-id : <own@a>\r\nMessage-ID: <second@a>\r\n\r\nReferences: <body@a>\r\n";
        assert_eq!(ids(header), ["own@a", "3@a", "2@a", "1@a", "3@a"]);
        assert_eq!(ids("\r\nMessage-ID: <body@a>\r\n"), [""; 0]);
        assert_eq!(ids("Message-ID: none\nReferences: <open <>\nIn-Reply-To: > < >\n"), [""; 0]);
        let mut whole = Header::new();
        whole.feed(header.as_bytes());
        assert_eq!(whole.ids(1).len(), 4);
        assert_ne!(whole.ids(1), whole.ids(2));
    }

    #[test]
    fn hostile_headers_are_bounded() {
        let many = format!("References: {}\r\n\r\n", (0..2_000).map(|n| format!("<{n}@a> ")).collect::<String>());
        let found = ids(&many);
        assert_eq!(found.len(), limits::THREAD_REFERENCES + 1);
        assert_eq!((found[0].as_str(), found.last().unwrap().as_str()), ("1999@a", "0@a"));
        let replies = format!("In-Reply-To: {}\r\n\r\n", "<a@b>".repeat(99));
        assert_eq!(ids(&replies).len(), limits::THREAD_REPLIES);
        assert_eq!(ids(&format!("Message-ID: <{}>\r\n\r\n", "x".repeat(limits::MESSAGE_ID + 1))), [""; 0]);
        assert_eq!(ids(&format!("References: {}", "<".repeat(300_000))), [""; 0]);
        let mut endless = Header::new();
        endless.feed(&vec![b'x'; 3 * limits::THREAD_HEADER]);
        assert_eq!(endless.bytes.len(), limits::THREAD_HEADER);
    }
}
