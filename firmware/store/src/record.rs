//! Records of the log: their header, their checksum and what they say (LOG-FORMAT.md).

use crate::access::{Granted, Noted};
use crate::body::Hash;
use crate::queue::{Attempted, Enqueued};
use crate::seen::SeenSet;
use crate::threads::Threaded;
use crate::{Flags, Keyword, QuotaLimits, SpecialUse, StoreError, limits};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smol_str::SmolStr;

/// Octets of a record's header.
pub const HEADER: usize = 32;
/// Octets of a PART payload before what it holds: blob number, position in the message, coding, octets before compression.
pub const PART_HEADER: usize = 24;

/// What a record is about; its number in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The log goes on here after a start or a failed write.
    Open = 1,
    /// Bytes of a message, or of an attachment.
    Part = 2,
    /// A message arrived.
    Deliver = 3,
    /// Flags changed.
    Flags = 4,
    /// Messages were copied.
    Copy = 5,
    /// Messages were moved.
    Move = 6,
    /// Messages were removed.
    Expunge = 7,
    /// Mailboxes were made.
    Create = 8,
    /// A mailbox was deleted.
    Delete = 9,
    /// Mailboxes were renamed.
    Rename = 10,
    /// A name was subscribed or unsubscribed.
    Subscribe = 11,
    /// An account was made.
    Account = 12,
    /// An account was removed.
    RemoveAccount = 13,
    /// A snapshot of the catalogue begins.
    SnapshotBegin = 14,
    /// Rows of it.
    SnapshotRows = 15,
    /// It is whole.
    SnapshotEnd = 16,
    /// Parts were copied to the end of the log.
    Relocate = 17,
    /// An account's limits changed.
    Quota = 18,
    /// Rights to a mailbox changed.
    Acl = 19,
    /// A note changed.
    Metadata = 20,
    /// A message was put into the outgoing queue.
    Enqueue = 21,
    /// It was tried to send one.
    Attempt = 22,
    /// One was taken out.
    Dequeue = 23,
    /// Somebody has seen messages of a shared mailbox.
    Seen = 24,
    /// Something that a later version writes.
    Unknown = 255,
}

impl Kind {
    /// All but [`Kind::Unknown`].
    pub const KNOWN: [Kind; 24] = {
        use Kind::*;
        [
            Open,
            Part,
            Deliver,
            Flags,
            Copy,
            Move,
            Expunge,
            Create,
            Delete,
            Rename,
            Subscribe,
            Account,
            RemoveAccount,
            SnapshotBegin,
            SnapshotRows,
            SnapshotEnd,
            Relocate,
            Quota,
            Acl,
            Metadata,
            Enqueue,
            Attempt,
            Dequeue,
            Seen,
        ]
    };

    fn from_number(n: u8) -> Option<Kind> {
        (n != 0).then(|| Kind::KNOWN.into_iter().find(|k| *k as u8 == n).unwrap_or(Kind::Unknown))
    }
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Octets from its start.
    pub offset: u32,
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Octets of the payload.
    pub len: u32,
    /// Checksum of header and payload.
    pub crc: u32,
    /// Its number: one more than the record before, except for OPEN.
    pub lsn: u64,
    /// All records up to this number were durable before this one was written.
    pub durable: u64,
    /// The account it is about, 0 if several.
    pub account: u32,
    /// What it is.
    pub kind: Kind,
}

/// Where the checksums of a segment start: the store's secret number and the segment's number, so that neither
/// another store's or segment's records nor anything inside a message can pass for a record.
#[derive(Debug, Clone, Copy)]
pub struct Seed(u32);

impl Seed {
    /// The seed of a segment.
    pub fn new(store: u64, segment: u32) -> Seed {
        Seed(crc32c::crc32c_append(crc32c::crc32c(&store.to_le_bytes()), &segment.to_le_bytes()))
    }
}

/// Octets a record with this payload takes in the log: records start at multiples of 8.
pub fn footprint(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(8)
}

/// Appends a record to a buffer.
pub fn encode(out: &mut Vec<u8>, seed: Seed, header: &Header, payload: &[&[u8]]) {
    let start = out.len();
    let len: usize = payload.iter().map(|p| p.len()).sum();
    let mut head = [0; HEADER];
    head[0..4].copy_from_slice(&(len as u32).to_le_bytes());
    head[8..16].copy_from_slice(&header.lsn.to_le_bytes());
    head[16..24].copy_from_slice(&header.durable.to_le_bytes());
    head[24..28].copy_from_slice(&header.account.to_le_bytes());
    head[28] = header.kind as u8;
    let tag = tag(seed, &head);
    head[30..32].copy_from_slice(&tag);
    let mut crc = crc32c::crc32c_append(seed.0, &head);
    for piece in payload {
        crc = crc32c::crc32c_append(crc, piece);
    }
    head[4..8].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head);
    for piece in payload {
        out.extend_from_slice(piece);
    }
    out.resize(start + footprint(len), 0);
}

/// The header's own small checksum: tells whether its length can be trusted before the payload is read.
fn tag(seed: Seed, head: &[u8; HEADER]) -> [u8; 2] {
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed.0, &head[0..4]), &head[8..30]);
    [crc as u8, (crc >> 8) as u8]
}

/// Reads a header; `None` if these bytes are none.
pub fn decode_header(seed: Seed, head: &[u8; HEADER]) -> Option<Header> {
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    let kind = Kind::from_number(head[28])?;
    let header = Header { len: short(0), crc: short(4), lsn: long(8), durable: long(16), account: short(24), kind };
    (header.len as usize <= limits::RECORD && head[30..32] == tag(seed, head)).then_some(header)
}

/// Whether the payload belongs to this header.
pub fn verify(seed: Seed, head: &[u8; HEADER], payload: &[u8]) -> bool {
    let mut zeroed = *head;
    zeroed[4..8].fill(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed.0, &zeroed), payload);
    crc.to_le_bytes() == head[4..8]
}

/// Message bytes in one PART record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Where the record starts.
    pub at: Position,
    /// Octets it stores, after compression.
    pub stored: u32,
    /// Octets of the message it stands for.
    pub len: u32,
    /// 0, or how many characters the lines of base64 have that it stands for.
    pub line: u8,
    /// If messages share it.
    pub shared: Option<Shared>,
}

/// A PART that messages share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its number: the record's.
    pub part: u64,
    /// The keyed hash of its octets.
    pub hash: Hash,
}

/// What a PART says before its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartHead {
    /// The message: the number of its first own PART. If messages share it: 0, or its number if it is a copy.
    pub blob: u64,
    /// Position in the message, 0 if messages share it.
    pub position: u64,
    /// 0, or the number of the dictionary it is compressed with.
    pub coding: u32,
    /// Octets before compression.
    pub raw: u32,
}

impl PartHead {
    /// Its octets.
    pub fn encode(&self) -> [u8; PART_HEADER] {
        let mut out = [0; PART_HEADER];
        out[0..8].copy_from_slice(&self.blob.to_le_bytes());
        out[8..16].copy_from_slice(&self.position.to_le_bytes());
        out[16..20].copy_from_slice(&self.coding.to_le_bytes());
        out[20..24].copy_from_slice(&self.raw.to_le_bytes());
        out
    }

    /// Reads it, and what follows; `None` if there is too little.
    pub fn decode(payload: &[u8]) -> Option<(PartHead, &[u8])> {
        let (head, data) = payload.split_first_chunk::<PART_HEADER>()?;
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        Some((PartHead { blob: long(0), position: long(8), coding: short(16), raw: short(20) }, data))
    }
}

/// Inclusive ranges of UIDs, ascending.
pub type Ranges = Vec<(u32, u32)>;

/// Ranges of ascending numbers.
pub fn ranges(ascending: impl IntoIterator<Item = u32>) -> Ranges {
    let mut out: Ranges = Vec::new();
    for n in ascending {
        match out.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(n) => *last = n,
            _ => out.push((n, n)),
        }
    }
    out
}

/// The same numbers in ascending ranges that do not touch.
pub fn joined(mut all: Ranges) -> Ranges {
    all.sort_unstable();
    all.dedup_by(|next, before| {
        let touches = next.0 <= before.1.saturating_add(1);
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
    all
}

/// Flags as logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedFlags {
    /// System flags: 1 seen, 2 answered, 4 flagged, 8 deleted, 16 draft.
    pub bits: u8,
    /// Keywords.
    pub keywords: Vec<Keyword>,
}

/// The bit of `\Seen`.
pub const SEEN: u8 = 1;
/// The bit of `\Deleted`.
pub const DELETED: u8 = 8;

/// System flags as bits.
pub fn flag_bits(flags: &Flags) -> u8 {
    let all = [flags.seen, flags.answered, flags.flagged, flags.deleted, flags.draft];
    all.iter().enumerate().map(|(i, set)| u8::from(*set) << i).sum()
}

/// DELIVER.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    /// The message's number: that of its first own PART, or of this record.
    pub blob: u64,
    /// Its size, octets.
    pub size: u64,
    /// Its PART records, in order.
    pub extents: Vec<Extent>,
    /// Where it went.
    pub targets: Vec<Delivered>,
    /// Its threads, where it is in one or may become one; nothing in the log if there are none.
    #[serde(skip)]
    pub threads: Vec<Threaded>,
}

impl Deliver {
    /// Its payload.
    pub fn encode(&self) -> postcard::Result<Vec<u8>> {
        let mut payload = postcard::to_stdvec(self)?;
        if !self.threads.is_empty() {
            payload.extend(postcard::to_stdvec(&self.threads)?);
        }
        Ok(payload)
    }

    /// Reads its payload.
    pub fn decode(payload: &[u8]) -> Option<Deliver> {
        let (deliver, rest): (Deliver, _) = postcard::take_from_bytes(payload).ok()?;
        let threads = if rest.is_empty() { Vec::new() } else { postcard::from_bytes(rest).ok()? };
        Some(Deliver { threads, ..deliver })
    }
}

/// One target of DELIVER.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The mailbox.
    pub mailbox: u32,
    /// Its UID there.
    pub uid: u32,
    /// Its MODSEQ there.
    pub modseq: u64,
    /// Its flags.
    pub flags: LoggedFlags,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// When it came into the mailbox, Unix seconds.
    pub save_date: i64,
}

/// FLAGS: the flags that messages have now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagsSet {
    /// The mailbox.
    pub mailbox: u32,
    /// MODSEQ of the change.
    pub modseq: u64,
    /// New flags and the UIDs that have them.
    pub groups: Vec<(LoggedFlags, Ranges)>,
}

impl FlagsSet {
    /// Several, one after the other.
    fn encode_all(all: &[FlagsSet]) -> postcard::Result<Vec<u8>> {
        all.iter().try_fold(Vec::new(), |payload, one| postcard::to_extend(one, payload))
    }

    fn decode_all(mut payload: &[u8]) -> Option<Vec<FlagsSet>> {
        let mut all = Vec::new();
        while !payload.is_empty() {
            let (one, rest) = postcard::take_from_bytes(payload).ok()?;
            all.push(one);
            payload = rest;
        }
        Some(all)
    }
}

/// COPY, and the first half of MOVE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Source mailbox.
    pub from: u32,
    /// Target mailbox.
    pub to: u32,
    /// MODSEQ of the copies.
    pub modseq: u64,
    /// UID of the first copy; the others follow without gap, in the order of their sources.
    pub first: u32,
    /// When, Unix seconds.
    pub save_date: i64,
    /// Source UIDs.
    pub uids: Ranges,
}

/// MOVE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// What came into the target.
    pub copied: Copied,
    /// MODSEQ of the removal from the source.
    pub from_modseq: u64,
}

/// EXPUNGE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expunged {
    /// The mailbox.
    pub mailbox: u32,
    /// MODSEQ of the removal.
    pub modseq: u64,
    /// UIDs removed.
    pub uids: Ranges,
}

/// A mailbox made by CREATE, RENAME or ACCOUNT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Its number.
    pub mailbox: u32,
    /// Its name.
    pub name: SmolStr,
    /// Its UIDVALIDITY.
    pub uid_validity: u32,
    /// Its role.
    pub special_use: Option<SpecialUse>,
    /// Whether the name is subscribed too.
    pub subscribed: bool,
}

/// RENAME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// Mailboxes and their new names.
    pub names: Vec<(u32, SmolStr)>,
    /// Mailboxes made: missing parents, or the one that takes INBOX's messages.
    pub created: Vec<Created>,
    /// Messages that left INBOX.
    pub moved: Option<Moved>,
}

/// SNAPSHOT BEGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last mailbox number given.
    pub last_mailbox: u32,
    /// The last UIDVALIDITY given.
    pub last_uid_validity: u32,
}

/// SNAPSHOT ROWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRows {
    /// The number of its BEGIN.
    pub begin: u64,
    /// 0, or the number of the dictionary it is compressed with.
    pub coding: u32,
    /// Octets before compression.
    pub raw: u32,
    /// The rows.
    pub data: Vec<u8>,
}

/// RELOCATE.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Relocated {
    /// Messages, where a part of each was and where it is now.
    pub blobs: Vec<(u64, Position, Position)>,
    /// Shared parts and where they are now.
    pub shared: Vec<(u64, Position)>,
    /// Octets that they store now, first those of `blobs`, then those of `shared`; empty if as before.
    pub stored: Vec<u32>,
}

/// What a record says, without PART.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// OPEN: the number of the last record before it.
    Open(u64),
    /// DELIVER.
    Deliver(Deliver),
    /// FLAGS: changes in their order.
    Flags(Vec<FlagsSet>),
    /// COPY.
    Copy(Copied),
    /// MOVE.
    Move(Moved),
    /// EXPUNGE.
    Expunge(Expunged),
    /// CREATE.
    Create(Vec<Created>),
    /// DELETE.
    Delete(u32),
    /// RENAME.
    Rename(Renamed),
    /// SUBSCRIBE: a name, and whether it is subscribed now.
    Subscribe(SmolStr, bool),
    /// ACCOUNT: its first mailboxes.
    Account(Vec<Created>),
    /// REMOVE ACCOUNT.
    RemoveAccount,
    /// SNAPSHOT BEGIN.
    SnapshotBegin(Snapshot),
    /// SNAPSHOT ROWS.
    SnapshotRows(SnapshotRows),
    /// SNAPSHOT END: the number of its BEGIN, and how many ROWS it has.
    SnapshotEnd(u64, u32),
    /// RELOCATE.
    Relocate(Relocated),
    /// QUOTA.
    Quota(QuotaLimits),
    /// ACL.
    Acl(Granted),
    /// METADATA.
    Metadata(Noted),
    /// ENQUEUE.
    Enqueue(Enqueued),
    /// ATTEMPT.
    Attempt(Attempted),
    /// DEQUEUE: the entry.
    Dequeue(u64),
    /// SEEN.
    Seen(SeenSet),
}

impl Event {
    /// Its kind and payload.
    pub fn encode(&self) -> Result<(Kind, Vec<u8>), StoreError> {
        let (kind, payload) = match self {
            Event::Open(after) => (Kind::Open, Ok(after.to_le_bytes().to_vec())),
            Event::Deliver(v) => (Kind::Deliver, v.encode()),
            Event::Flags(v) => (Kind::Flags, FlagsSet::encode_all(v)),
            Event::Copy(v) => (Kind::Copy, postcard::to_stdvec(v)),
            Event::Move(v) => (Kind::Move, postcard::to_stdvec(v)),
            Event::Expunge(v) => (Kind::Expunge, postcard::to_stdvec(v)),
            Event::Create(v) => (Kind::Create, postcard::to_stdvec(v)),
            Event::Delete(v) => (Kind::Delete, postcard::to_stdvec(v)),
            Event::Rename(v) => (Kind::Rename, postcard::to_stdvec(v)),
            Event::Subscribe(name, on) => (Kind::Subscribe, postcard::to_stdvec(&(name, on))),
            Event::Account(v) => (Kind::Account, postcard::to_stdvec(v)),
            Event::RemoveAccount => (Kind::RemoveAccount, Ok(Vec::new())),
            Event::SnapshotBegin(v) => (Kind::SnapshotBegin, postcard::to_stdvec(v)),
            Event::SnapshotRows(v) => (Kind::SnapshotRows, postcard::to_stdvec(v)),
            Event::SnapshotEnd(begin, rows) => (Kind::SnapshotEnd, postcard::to_stdvec(&(begin, rows))),
            Event::Relocate(v) if v.stored.is_empty() => (Kind::Relocate, postcard::to_stdvec(&(&v.blobs, &v.shared))),
            Event::Relocate(v) => (Kind::Relocate, postcard::to_stdvec(v)),
            Event::Quota(v) => (Kind::Quota, postcard::to_stdvec(v)),
            Event::Acl(v) => (Kind::Acl, postcard::to_stdvec(v)),
            Event::Metadata(v) => (Kind::Metadata, postcard::to_stdvec(v)),
            Event::Enqueue(v) => (Kind::Enqueue, v.encode()),
            Event::Attempt(v) => (Kind::Attempt, postcard::to_stdvec(v)),
            Event::Dequeue(v) => (Kind::Dequeue, postcard::to_stdvec(v)),
            Event::Seen(v) => (Kind::Seen, postcard::to_stdvec(v)),
        };
        match payload {
            Ok(payload) if payload.len() <= limits::RECORD => Ok((kind, payload)),
            _ => Err(StoreError::Limit("messages in one command")),
        }
    }

    /// Reads a payload; `None` for PART and for what this version does not understand.
    pub fn decode(kind: Kind, payload: &[u8]) -> Option<Event> {
        fn value<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
            postcard::from_bytes(payload).ok()
        }
        Some(match kind {
            Kind::Open => Event::Open(u64::from_le_bytes(payload.try_into().ok()?)),
            Kind::Part | Kind::Unknown => return None,
            Kind::Deliver => Event::Deliver(Deliver::decode(payload)?),
            Kind::Flags => Event::Flags(FlagsSet::decode_all(payload)?),
            Kind::Copy => Event::Copy(value(payload)?),
            Kind::Move => Event::Move(value(payload)?),
            Kind::Expunge => Event::Expunge(value(payload)?),
            Kind::Create => Event::Create(value(payload)?),
            Kind::Delete => Event::Delete(value(payload)?),
            Kind::Rename => Event::Rename(value(payload)?),
            Kind::Subscribe => {
                let (name, on) = value(payload)?;
                Event::Subscribe(name, on)
            }
            Kind::Account => Event::Account(value(payload)?),
            Kind::RemoveAccount => Event::RemoveAccount,
            Kind::SnapshotBegin => Event::SnapshotBegin(value(payload)?),
            Kind::SnapshotRows => Event::SnapshotRows(value(payload)?),
            Kind::SnapshotEnd => {
                let (begin, rows) = value(payload)?;
                Event::SnapshotEnd(begin, rows)
            }
            Kind::Relocate => {
                let ((blobs, shared), rest) = postcard::take_from_bytes(payload).ok()?;
                let stored = if rest.is_empty() { Vec::new() } else { value(rest)? };
                Event::Relocate(Relocated { blobs, shared, stored })
            }
            Kind::Quota => Event::Quota(value(payload)?),
            Kind::Acl => Event::Acl(value(payload)?),
            Kind::Metadata => Event::Metadata(value(payload)?),
            Kind::Enqueue => Event::Enqueue(Enqueued::decode(payload)?),
            Kind::Attempt => Event::Attempt(value(payload)?),
            Kind::Dequeue => Event::Dequeue(value(payload)?),
            Kind::Seen => Event::Seen(value(payload)?),
        })
    }
}
