//! Snapshots: what the catalogue holds at one moment, written into the log, so that the records before it are needed no more.
//!
//! BEGIN stands for the moment; rows follow, other records between them; END says that they are all there. Whoever makes the catalogue
//! anew begins with the rows and applies what comes after BEGIN. Every segment's header names the last whole snapshot before it.

use crate::StoreError;
use crate::access::{self, ACLS, Granted, METADATA, Noted};
use crate::body::Codec;
use crate::catalogue::{
    self, ACCOUNTS, BLOBS, BlobRow, Catalogue, KEYWORDS, MAILBOXES, META, MailboxRow, Row, SHARED, SUBSCRIPTIONS,
    SharedRow, Tables, VANISHED, commit_lazily,
};
use crate::log::Log;
use crate::pages::{MESSAGES, UIDS, on_page, page_of};
use crate::queue::{self, QUEUE, QueueRow};
use crate::quota::{self, HOLDINGS, Holdings, QuotaLimits};
use crate::record::{Event, Kind, Snapshot, SnapshotRows};
use crate::scan::Scanner;
use crate::seen::{self, Run, SEEN};
use crate::segment::{self, Pointer, Segments};
use crate::threads::{self, IDS, THREADS};
use crate::vanished::{self, FLOORS};
use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, Value};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::ops::Bound;
use std::sync::Arc;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Rows in one record.
const PAGE: usize = 1_000;
/// Kinds of rows.
const TABLES: u8 = 16;

/// Rows of one table.
#[derive(Debug, Serialize, Deserialize)]
pub enum Rows {
    /// Accounts.
    Accounts(Vec<u32>),
    /// Account and name.
    Subscriptions(Vec<(u32, SmolStr)>),
    /// Mailboxes.
    Mailboxes(Vec<(u32, MailboxRow)>),
    /// Mailbox, bit, keyword.
    Keywords(Vec<(u32, u16, SmolStr)>),
    /// Mailbox, MODSEQ, first and last UID.
    Vanished(Vec<(u32, u64, u32, u32)>),
    /// Mailbox, UID, message.
    Messages(Vec<(u32, u32, Row)>),
    /// Bodies.
    Blobs(Vec<(u64, BlobRow)>),
    /// Parts that bodies share.
    Shared(Vec<(u64, SharedRow)>),
    /// Accounts and their limits.
    Quotas(Vec<(u32, QuotaLimits)>),
    /// Rights.
    Acls(Vec<Granted>),
    /// Notes.
    Metadata(Vec<Noted>),
    /// The outgoing queue.
    Queue(Vec<(u64, QueueRow)>),
    /// What accounts have seen: mailbox, account, page, runs.
    Seen(Vec<((u32, u32, u32), Vec<Run>)>),
    /// Threads: body, account, the body it began with.
    Threads(Vec<((u64, u32), u64)>),
    /// Ids of messages: account, generation, hash, thread.
    Ids(Vec<((u32, u32, u64), u64)>),
    /// Mailbox, and the MODSEQ up to which it does not remember what went.
    Floors(Vec<(u32, u64)>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Rows::Accounts(v) => v.len(),
            Rows::Subscriptions(v) => v.len(),
            Rows::Mailboxes(v) => v.len(),
            Rows::Keywords(v) => v.len(),
            Rows::Vanished(v) => v.len(),
            Rows::Messages(v) => v.len(),
            Rows::Blobs(v) => v.len(),
            Rows::Shared(v) => v.len(),
            Rows::Quotas(v) => v.len(),
            Rows::Acls(v) => v.len(),
            Rows::Metadata(v) => v.len(),
            Rows::Queue(v) => v.len(),
            Rows::Seen(v) => v.len(),
            Rows::Threads(v) => v.len(),
            Rows::Ids(v) => v.len(),
            Rows::Floors(v) => v.len(),
        }
    }
}

/// A page of a table: the rows after a key.
fn page<K: Key + 'static, V: Value + 'static, R>(
    view: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
    after: Option<K::SelfType<'_>>,
    row: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<R>,
) -> Result<Vec<R>> {
    some(view, definition, PAGE, after, row)
}

/// So many rows after a key.
fn some<K: Key + 'static, V: Value + 'static, R>(
    view: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
    count: usize,
    after: Option<K::SelfType<'_>>,
    row: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<R>,
) -> Result<Vec<R>> {
    let table = match view.open_table(definition) {
        Ok(table) => table,
        // nothing of the kind was ever stored
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let range = table.range::<K::SelfType<'_>>((from, Bound::Unbounded))?;
    range
        .take(count)
        .map(|entry| {
            let (key, value) = entry?;
            row(key.value(), value.value())
        })
        .collect()
}

/// The rows of a table that follow the last ones.
macro_rules! next {
    ($view:expr, $last:expr, $rows:ident, $table:expr, $key:expr, $row:expr) => {{
        let after = match $last {
            Some(Rows::$rows(v)) => v.last().map($key),
            _ => None,
        };
        Rows::$rows(page($view, $table, after, $row)?)
    }};
}

/// The messages that follow the last ones.
fn messages_after(view: &ReadTransaction, last: Option<&Rows>) -> Result<Rows> {
    let after = match last {
        Some(Rows::Messages(v)) => v.last().map(|(m, uid, _)| (*m, page_of(*uid))),
        _ => None,
    };
    let pages = some(view, MESSAGES, PAGE / UIDS as usize, after, |(m, page), rows| {
        on_page(page, rows)?.map(|entry| entry.map(|(uid, row)| (m, uid, row))).collect::<Result<Vec<_>>>()
    })?;
    Ok(Rows::Messages(pages.into_iter().flatten().collect()))
}

/// The next rows of table number `which`.
fn rows_after(view: &ReadTransaction, which: u8, last: Option<&Rows>) -> Result<Rows> {
    use catalogue::value;
    let limits = |bytes: &[u8]| value::<Holdings>(bytes).map(|row| row.limits);
    Ok(match which {
        0 => next!(view, last, Accounts, ACCOUNTS, |a| *a, |a, ()| Ok(a)),
        1 => next!(view, last, Subscriptions, SUBSCRIPTIONS, |(a, n)| (*a, n.as_str()), |(a, n), ()| Ok((a, n.into()))),
        2 => next!(view, last, Mailboxes, MAILBOXES, |(m, _)| *m, |m, row| Ok((m, value(row)?))),
        3 => next!(view, last, Keywords, KEYWORDS, |(m, n, _)| (*m, *n), |(m, n), word| Ok((m, n, word.into()))),
        4 => next!(view, last, Vanished, VANISHED, |(m, n, a, _)| (*m, *n, *a), |(m, n, a), b| Ok((m, n, a, b))),
        5 => messages_after(view, last)?,
        6 => next!(view, last, Blobs, BLOBS, |(b, _)| *b, |b, row| Ok((b, value(row)?))),
        7 => next!(view, last, Shared, SHARED, |(p, _)| *p, |p, row| Ok((p, value(row)?))),
        8 => next!(view, last, Quotas, HOLDINGS, |(a, _)| *a, |a, row| Ok((a, limits(row)?))),
        9 => next!(view, last, Acls, ACLS, |g| (g.mailbox, g.identifier.as_str()), |k, v| Ok(access::granted(k, v))),
        10 => next!(view, last, Metadata, METADATA, |n| (n.mailbox, n.owner, n.entry.as_str()), |k, v| Ok(
            access::noted(k, v)
        )),
        11 => next!(view, last, Queue, QUEUE, |(e, _)| *e, |e, row| Ok((e, value(row)?))),
        12 => next!(view, last, Seen, SEEN, |(k, _)| *k, |k, runs| Ok((k, value(runs)?))),
        13 => next!(view, last, Threads, THREADS, |(k, _)| *k, |k, thread| Ok((k, thread))),
        14 => next!(view, last, Ids, IDS, |(k, _)| *k, |k, thread| Ok((k, thread))),
        _ => next!(view, last, Floors, FLOORS, |(m, _)| *m, |m, (floor, _)| Ok((m, floor))),
    })
}

/// A snapshot that is being written.
pub struct Writing {
    view: ReadTransaction,
    /// Where it begins.
    pub pointer: Pointer,
    records: u32,
    which: u8,
    last: Option<Rows>,
}

impl Writing {
    /// Begins one of what the catalogue holds now, which is all that the log says.
    pub fn begin(catalogue: &Catalogue, log: &mut Log) -> Result<Writing> {
        let view = catalogue.view()?;
        let meta = catalogue::meta(&view.open_table(META)?)?.unwrap_or_default();
        let begin = Snapshot { last_mailbox: meta.last_mailbox, last_uid_validity: meta.last_uid_validity };
        let at = log.append(0, &Event::SnapshotBegin(begin))?;
        Ok(Writing { view, pointer: Pointer { at, lsn: log.lsn() }, records: 0, which: 0, last: None })
    }

    /// Writes some rows; answers whether it is whole.
    pub fn step(&mut self, codec: &Codec, log: &mut Log) -> Result<bool> {
        let begin = self.pointer.lsn;
        if self.which == TABLES {
            log.append(0, &Event::SnapshotEnd(begin, self.records))?;
            return Ok(true);
        }
        let rows = rows_after(&self.view, self.which, self.last.as_ref())?;
        let len = rows.len();
        if len > 0 {
            let bytes = postcard::to_stdvec(&rows).map_err(|_| catalogue::damaged())?;
            let raw = bytes.len() as u32;
            let (coding, data) = codec.rows(bytes)?;
            log.append(0, &Event::SnapshotRows(SnapshotRows { begin, coding, raw, data }))?;
            self.records += 1;
        }
        if len == 0 {
            self.which += 1;
            self.last = None;
        } else {
            self.last = Some(rows);
        }
        Ok(false)
    }
}

/// Fills an empty catalogue with the rows of a whole snapshot. Answers whether all of it could be read. Where its BEGIN is damaged, the
/// rows count all the same, and the last numbers given are taken from them.
pub fn load(catalogue: &Catalogue, segments: &Arc<Segments>, pointer: Pointer) -> Result<bool> {
    let mut scanner = Scanner::at(segments.clone(), pointer)?;
    let mut begin = None;
    let mut position = pointer.at;
    let (mut records, mut whole) = (0, false);
    while let Some(found) = scanner.next()? {
        if !matches!(found.header.kind, Kind::SnapshotBegin | Kind::SnapshotRows | Kind::SnapshotEnd) {
            continue;
        }
        let (lsn, segment) = (found.header.lsn, found.segment);
        match Event::decode(found.header.kind, found.payload) {
            Some(Event::SnapshotBegin(meta)) if lsn == pointer.lsn => {
                begin = Some(meta);
                position = scanner.position();
            }
            Some(Event::SnapshotRows(rows)) if rows.begin == pointer.lsn => {
                let mut raw = Vec::new();
                let find = |number| segments.dictionary(segment, number);
                segments
                    .codec
                    .decompress(rows.coding, rows.raw as usize, &rows.data, find, &mut raw)
                    .ok_or_else(catalogue::damaged)?;
                // rows that only later versions have are of no use here
                records += 1;
                if raw.first().is_some_and(|table| *table < TABLES) {
                    insert(catalogue, postcard::from_bytes(&raw).map_err(|_| catalogue::damaged())?)?;
                }
            }
            Some(Event::SnapshotEnd(of, count)) if of == pointer.lsn => {
                whole = count == records;
                break;
            }
            _ => {}
        }
    }
    let txn = catalogue.write()?;
    {
        let mut tables = Tables::open(&txn)?;
        if let Some(meta) = begin {
            tables.meta.last_mailbox = meta.last_mailbox;
            tables.meta.last_uid_validity = meta.last_uid_validity;
        }
        tables.finish(pointer.lsn, position)?;
    }
    commit_lazily(txn)?;
    Ok(whole && begin.is_some())
}

fn insert(catalogue: &Catalogue, rows: Rows) -> Result<()> {
    let txn = catalogue.write()?;
    {
        let mut t = Tables::open(&txn)?;
        match rows {
            Rows::Accounts(v) => v.into_iter().try_for_each(|a| t.accounts.insert(a, ()).map(drop))?,
            Rows::Subscriptions(v) => {
                v.iter().try_for_each(|(a, n)| t.subscriptions.insert((*a, n.as_str()), ()).map(drop))?;
            }
            Rows::Mailboxes(v) => {
                for (id, row) in v {
                    t.names.insert((row.account, row.name.as_str()), id)?;
                    t.put_mailbox(id, &row)?;
                    t.meta.last_mailbox = t.meta.last_mailbox.max(id);
                    t.meta.last_uid_validity = t.meta.last_uid_validity.max(row.uid_validity);
                }
            }
            Rows::Keywords(v) => {
                v.iter().try_for_each(|(m, n, w)| t.keywords.insert((*m, *n), w.as_str()).map(drop))?
            }
            Rows::Vanished(v) => v.iter().try_for_each(|(m, n, a, b)| vanished::load(&mut t, (*m, *n, *a), *b))?,
            Rows::Messages(v) => {
                for (mailbox, uid, row) in v {
                    t.put_row(mailbox, uid, &row)?;
                    t.meta.messages += 1;
                    t.meta.message_bytes = t.meta.message_bytes.saturating_add(row.size);
                }
            }
            Rows::Blobs(v) => {
                for (id, row) in v.into_iter().filter(|(_, row)| row.references > 0) {
                    t.meta.live += row.own();
                    t.put_blob(id, &row)?;
                }
            }
            Rows::Shared(v) => {
                for (id, row) in v.into_iter().filter(|(_, row)| row.references > 0) {
                    t.meta.live += u64::from(row.stored);
                    if t.hashes.get(row.hash)?.is_none() {
                        t.hashes.insert(row.hash, id)?;
                    }
                    t.put_shared(id, &row)?;
                }
            }
            Rows::Quotas(v) => v.iter().try_for_each(|(account, limits)| quota::limit(&mut t, *account, limits))?,
            Rows::Acls(v) => v.iter().try_for_each(|e| access::grant(&mut t, e))?,
            Rows::Metadata(v) => v.iter().try_for_each(|e| access::note(&mut t, e))?,
            Rows::Queue(v) => v.iter().try_for_each(|(entry, row)| queue::load(&mut t, *entry, row))?,
            Rows::Seen(v) => v.iter().try_for_each(|(key, runs)| seen::load(&mut t, *key, runs))?,
            Rows::Threads(v) => v.into_iter().try_for_each(|(key, thread)| t.threads.insert(key, thread).map(drop))?,
            Rows::Ids(v) => v.iter().try_for_each(|(key, thread)| threads::load_id(&mut t, *key, *thread))?,
            Rows::Floors(v) => v.iter().try_for_each(|(m, floor)| vanished::load_floor(&mut t, *m, *floor))?,
        }
        let (lsn, end) = (t.meta.lsn, t.meta.end);
        t.finish(lsn, end)?;
    }
    commit_lazily(txn)
}

/// Whether the newest header that can be read names a snapshot of which nothing can be read.
pub fn is_gone(segments: &Arc<Segments>) -> Result<bool> {
    for number in segment::numbers(segments.disk().as_ref())?.iter().rev() {
        if let Some(named) = segments.pointer(*number)? {
            return named.map_or(Ok(false), |pointer| Ok(!is_there(segments, pointer)?));
        }
    }
    Ok(false)
}

/// Whether the first record of a snapshot, or rows of it, can be read.
fn is_there(segments: &Arc<Segments>, pointer: Pointer) -> Result<bool> {
    Ok(begins(segments, pointer)? || has_rows(segments, pointer)?)
}

/// Where the last whole snapshot begins: the newest header that can be read knows.
pub fn find(segments: &Arc<Segments>) -> Result<Option<Pointer>> {
    let numbers = segment::numbers(segments.disk().as_ref())?;
    let mut damaged = false;
    for number in numbers.iter().rev() {
        match segments.pointer(*number)? {
            Some(None) => break,
            // an older header may name a snapshot that a later one has replaced
            _ if damaged => break,
            Some(Some(pointer)) if is_there(segments, pointer)? => return Ok(Some(pointer)),
            Some(Some(_)) => damaged = true,
            // a header without records was in flight when the power went: nothing was given back on its word
            None => damaged |= segments.has_records(*number)?,
        }
    }
    // nothing was given back yet where all segments are still there
    let gaps = numbers.iter().zip(1..).any(|(have, want)| *have != want);
    if damaged || gaps { search(segments) } else { Ok(None) }
}

/// Whether the first record of a snapshot is where a header says.
pub fn begins(segments: &Arc<Segments>, pointer: Pointer) -> Result<bool> {
    Ok(Scanner::at(segments.clone(), pointer)?.begins(pointer.lsn)?)
}

/// Whether a snapshot whose first record is damaged has rows: the header that names it was written when it was whole.
fn has_rows(segments: &Arc<Segments>, pointer: Pointer) -> Result<bool> {
    let mut scanner = Scanner::at(segments.clone(), pointer)?;
    while let Some(found) = scanner.next()? {
        match Event::decode(found.header.kind, found.payload) {
            Some(Event::SnapshotRows(rows)) if rows.begin == pointer.lsn => return Ok(true),
            Some(Event::SnapshotEnd(of, _)) if of == pointer.lsn => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

/// Reads all there is for the last whole snapshot.
fn search(segments: &Arc<Segments>) -> Result<Option<Pointer>> {
    let mut scanner = Scanner::whole(segments.clone(), None)?;
    let (mut begun, mut whole) = (Vec::new(), None);
    let mut records = 0;
    while let Some(found) = scanner.next()? {
        let (lsn, at) = (found.header.lsn, found.at);
        match found.header.kind {
            Kind::SnapshotBegin => {
                begun = vec![Pointer { at, lsn }];
                records = 0;
            }
            Kind::SnapshotRows => records += 1,
            Kind::SnapshotEnd => {
                let of = Event::decode(found.header.kind, found.payload);
                whole = match (of, begun.pop()) {
                    (Some(Event::SnapshotEnd(of, count)), Some(p)) if of == p.lsn && count == records => Some(p),
                    _ => whole,
                };
            }
            _ => {}
        }
    }
    Ok(whole)
}
