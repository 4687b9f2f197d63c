//! Verifies the log and that the catalogue is what the log amounts to.

use crate::BlobId;
use crate::StoreError;
use crate::access::{ACLS, METADATA};
use crate::catalogue::{
    self, ACCOUNTS, BLOBS, BlobRow, Catalogue, HASHES, KEYWORDS, MAILBOXES, META, MailboxRow, NAMES, Row, SHARED,
    SUBSCRIPTIONS, SharedRow, VANISHED,
};
use crate::pages::{MESSAGES, on_page, rows};
use crate::queue::{DUE, QUEUE, QueueRow};
use crate::quota::HOLDINGS;
use crate::record::Position;
use crate::replay::apply_batch;
use crate::scan::{Damage, Scanner};
use crate::seen::SEEN;
use crate::segment;
use crate::snapshot;
use crate::threads::{IDS, THREADS};
use crate::vanished::FLOORS;
use crate::writer::Shared;
use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, TableError, TableHandle, Value,
};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Where the catalogue is built a second time.
const SCRATCH: &str = "check.redb";
/// Differences named one by one.
const NAMED: usize = 1_000;

/// What is not as it should be, one line per fault.
#[derive(Debug, Default)]
pub struct Faults {
    /// Of the log: damaged records, and messages that cannot be read.
    pub log: Vec<String>,
    /// Of the catalogue: it is not what the log amounts to.
    pub catalogue: Vec<String>,
}

/// Checks the log up to `end` against the catalogue as it was then.
pub fn check(shared: &Shared, end: Position, view: &ReadTransaction) -> Result<Faults> {
    let disk = shared.segments.disk();
    disk.remove(SCRATCH)?;
    let scratch = Catalogue::open(disk.clone(), SCRATCH, shared.options.cache)?;
    let mut faults = Faults::default();
    let compared = compare(shared, end, view, &scratch, &mut faults);
    scratch.close();
    disk.remove(SCRATCH)?;
    match compared {
        Err(e) if shared.catalogue.read_failed() => {
            faults
                .catalogue
                .push(format!("the catalogue cannot be read ({e}): the next start makes it anew from the log"));
        }
        other => other?,
    }
    Ok(faults)
}

fn compare(
    shared: &Shared,
    end: Position,
    view: &ReadTransaction,
    scratch: &Catalogue,
    Faults { log: damaged, catalogue: faults }: &mut Faults,
) -> Result<()> {
    scratch.progress(shared.segments.store())?;
    // what came before the last snapshot may have been given back
    let found = snapshot::find(&shared.segments)?;
    if snapshot::is_gone(&shared.segments)? {
        damaged.push("the last snapshot in the log cannot be read".into());
        shared.snapshot_wanted.store(true, Relaxed);
    }
    if let Some(pointer) = found
        && !snapshot::load(scratch, &shared.segments, pointer)?
    {
        let Position { segment, offset } = pointer.at;
        damaged.push(format!(
            "the snapshot at octet {offset} of log segment {segment} is damaged at its beginning or in its rows"
        ));
        shared.snapshot_wanted.store(true, Relaxed);
    }
    let begin = scratch.progress(shared.segments.store())?;
    let mut scanner = Scanner::new(shared.segments.clone(), begin.end, begin.lsn, Some(end))?.thorough();
    while apply_batch(scratch, &mut scanner, None)? > 0 {}
    damaged.extend(scanner.damage().iter().map(|d| d.to_string()));
    let without = without_dictionary(shared, end)?;
    damaged.extend(without.iter().map(|(number, what)| format!("the {what} of log segment {number} is damaged")));
    let segments = without.into_keys().collect();
    damaged.extend(unreadable(shared, view, begin.end, scanner.damage(), &segments)?);
    let rebuilt = scratch.view()?;
    let both = Both { have: view, rebuilt: &rebuilt };
    let plain = |a: &[u8], b: &[u8]| a == b;
    both.compare(ACCOUNTS, faults, |a| format!("account {a}"), plain)?;
    both.compare(NAMES, faults, |(a, n)| format!("mailbox name {n:?} of account {a}"), plain)?;
    both.compare(SUBSCRIPTIONS, faults, |(a, n)| format!("subscription {n:?} of account {a}"), plain)?;
    both.compare(MAILBOXES, faults, |m| format!("mailbox {m}"), same_mailbox)?;
    both.messages(faults)?;
    both.compare(KEYWORDS, faults, |(m, n)| format!("keyword {n} of mailbox {m}"), plain)?;
    both.compare(VANISHED, faults, |(m, n, uid)| format!("removal {n} of UID {uid} of mailbox {m}"), plain)?;
    both.compare(BLOBS, faults, |b| format!("message body {b:#x}"), plain)?;
    both.compare(SHARED, faults, |p| format!("shared attachment {p:#x}"), plain)?;
    both.compare(HOLDINGS, faults, |a| format!("what account {a} holds"), plain)?;
    both.compare(ACLS, faults, |(m, who)| format!("the right of {who:?} to mailbox {m}"), plain)?;
    both.compare(METADATA, faults, |(m, a, e)| format!("entry {e:?} of mailbox {m} and account {a}"), plain)?;
    both.compare(QUEUE, faults, |entry| format!("entry {entry} of the queue"), plain)?;
    both.compare(DUE, faults, |(_, entry)| format!("the time of entry {entry} of the queue"), plain)?;
    both.compare(SEEN, faults, |(m, a, _)| format!("what account {a} has seen in mailbox {m}"), plain)?;
    both.compare(THREADS, faults, |(b, a)| format!("the thread of message body {b:#x} in account {a}"), plain)?;
    both.compare(IDS, faults, |(a, _, id)| format!("the thread of id {id:#x} in account {a}"), plain)?;
    both.compare(FLOORS, faults, |m| format!("what mailbox {m} remembers of removals"), plain)?;
    faults.extend(wrong_counts(view)?);
    faults.extend(wrong_hashes(view)?);
    let counted =
        |txn: &ReadTransaction| Ok::<_, StoreError>(catalogue::meta(&txn.open_table(META)?)?.unwrap_or_default());
    let (have, sum) = (counted(view)?, counted(&rebuilt)?);
    if (have.messages, have.message_bytes) != (sum.messages, sum.message_bytes) {
        faults.push("the catalogue's totals are not those of the log".into());
    }
    Ok(())
}

/// The floor of `\Recent` is not logged.
fn same_mailbox(a: &[u8], b: &[u8]) -> bool {
    let row = |bytes: &[u8]| postcard::from_bytes::<MailboxRow>(bytes).map(|row| MailboxRow { recent: 0, ..row });
    matches!((row(a), row(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether a row is of what none has any more.
fn unused(table: &str, row: &[u8]) -> bool {
    match table {
        "blobs" => catalogue::value::<BlobRow>(row).is_ok_and(|row| row.references == 0),
        "shared" => catalogue::value::<SharedRow>(row).is_ok_and(|row| row.references == 0),
        _ => false,
    }
}

/// Hashes that do not lead to the part that has them.
fn wrong_hashes(view: &ReadTransaction) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let Some(hashes) = open(view, HASHES)? else { return Ok(lines) };
    let parts = view.open_table(SHARED)?;
    for entry in hashes.iter()? {
        let (hash, part) = entry?;
        let row = catalogue::shared(&parts, part.value())?;
        if row.is_none_or(|row| row.hash != hash.value() || row.references == 0) {
            lines.push(format!("the hash of shared attachment {:#x} is wrong", part.value()));
        }
    }
    Ok(lines)
}

/// Bodies and mailboxes whose count of messages is not what there is, whatever a snapshot says.
fn wrong_counts(view: &ReadTransaction) -> Result<Vec<String>> {
    let (mut lines, mut used) = (Vec::new(), Vec::new());
    let (Some(blobs), Some(parts)) = (open(view, BLOBS)?, open(view, SHARED)?) else { return Ok(lines) };
    let messages = view.open_table(MESSAGES)?;
    for entry in view.open_table(MAILBOXES)?.iter()? {
        let (id, row) = entry?;
        let mailbox: MailboxRow = catalogue::value(row.value())?;
        let mut counted = MailboxRow { messages: 0, unseen: 0, deleted: 0, size: 0, ..mailbox.clone() };
        rows(&messages, id.value(), (0, u32::MAX), |_, row| {
            counted.count(&row, true);
            used.push(row.blob);
            Ok(true)
        })?;
        if counted != mailbox {
            lines.push(format!("mailbox {} does not hold what it counts", id.value()));
        }
    }
    if let Some(queue) = open(view, QUEUE)? {
        for entry in queue.iter()? {
            used.push(catalogue::value::<QueueRow>(entry?.1.value())?.blob);
        }
    }
    let mut shared = Vec::new();
    let living = blobs.iter()?.map(|entry| {
        let (id, row) = entry?;
        let row: BlobRow = catalogue::value(row.value())?;
        if row.references > 0 {
            shared.extend(row.extents.iter().filter_map(|e| Some(e.shared?.part)));
        }
        Ok((id.value(), row.references))
    });
    lines.extend(miscounted(living, used)?.map(|id| format!("message body {id:#x} is counted wrongly")));
    let living = parts.iter()?.map(|entry| {
        let (id, row) = entry?;
        Ok((id.value(), catalogue::value::<SharedRow>(row.value())?.references))
    });
    lines.extend(miscounted(living, shared)?.map(|id| format!("shared attachment {id:#x} is counted wrongly")));
    Ok(lines)
}

/// The numbers, given with their counts in order, that are not used as often as they count.
fn miscounted(
    counts: impl Iterator<Item = Result<(u64, u32)>>,
    mut used: Vec<u64>,
) -> Result<impl Iterator<Item = u64>> {
    used.sort_unstable();
    let mut wrong = Vec::new();
    let mut used = used.into_iter().peekable();
    for entry in counts {
        let (id, references) = entry?;
        // what is used and not there is found when it is read
        while used.next_if(|u| *u < id).is_some() {}
        let mut times = 0;
        while used.next_if_eq(&id).is_some() {
            times += 1;
        }
        if times != references {
            wrong.push(id);
        }
    }
    Ok(wrong.into_iter())
}

/// The messages whose bytes are in damaged stretches of the log, or cannot be read before `begin` or in segments `without` dictionary.
fn unreadable(
    shared: &Shared,
    view: &ReadTransaction,
    begin: Position,
    damage: &[Damage],
    without: &BTreeSet<u32>,
) -> Result<Vec<String>> {
    let mut lost = BTreeSet::new();
    let mut lines = Vec::new();
    if damage.is_empty() && without.is_empty() && begin == Position::default() {
        return Ok(lines);
    }
    let (Some(blobs), Some(parts)) = (open(view, BLOBS)?, open(view, SHARED)?) else { return Ok(lines) };
    for entry in blobs.iter()? {
        let (id, row) = entry?;
        let row: BlobRow = catalogue::value(row.value())?;
        if row.references == 0 {
            continue;
        }
        for extent in catalogue::body(&blobs, &parts, BlobId(id.value()))?.extents {
            let hit = damage.iter().any(|d| d.at <= extent.at && extent.at < d.next);
            let doubtful = hit || extent.at < begin || without.contains(&extent.at.segment);
            if doubtful && shared.segments.read_extent(BlobId(id.value()), &extent).is_err() {
                lost.insert(id.value());
            }
        }
    }
    if let Some(queue) = open(view, QUEUE)? {
        for entry in queue.iter()? {
            let (id, row) = entry?;
            if lost.contains(&catalogue::value::<QueueRow>(row.value())?.blob) {
                lines.push(format!("entry {} of the queue cannot be read", id.value()));
            }
        }
    }
    let mailboxes = view.open_table(MAILBOXES)?;
    for entry in view.open_table(MESSAGES)?.iter()? {
        let (key, bytes) = entry?;
        let (mailbox, page) = key.value();
        for entry in on_page(page, bytes.value())? {
            let (uid, row) = entry?;
            if lost.contains(&row.blob) {
                let row = catalogue::mailbox_row(&mailboxes, mailbox)?;
                lines.push(format!("message {uid} in {:?} of account {} cannot be read", row.name, row.account));
            }
        }
    }
    Ok(lines)
}

/// Segments that do not carry their dictionary any more, and what of them is damaged.
fn without_dictionary(shared: &Shared, end: Position) -> Result<BTreeMap<u32, &'static str>> {
    let (mut found, segments) = (BTreeMap::new(), &shared.segments);
    for number in segment::numbers(segments.disk().as_ref())? {
        if number > end.segment || segments.carried(number).is_some() {
            continue;
        }
        if segments.pointer(number)?.is_some() {
            found.insert(number, "dictionary");
        } else if segments.has_records(number)? {
            found.insert(number, "header");
        }
    }
    Ok(found)
}

/// The catalogue there is and the one made from the log.
struct Both<'a> {
    have: &'a ReadTransaction,
    rebuilt: &'a ReadTransaction,
}

impl Both<'_> {
    fn compare<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'static, K, V>,
        faults: &mut Vec<String>,
        name: impl Fn(K::SelfType<'_>) -> String,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        let (Some(have), Some(rebuilt)) = (open(self.have, definition)?, open(self.rebuilt, definition)?) else {
            return Ok(());
        };
        // what none has any more leaves the catalogue when its space is given back, which the log does not say
        merge(
            (entries(&have, definition.name())?, entries(&rebuilt, definition.name())?),
            faults,
            |key| name(key.value()),
            |x: &AccessGuard<'_, K>, y| K::compare(K::as_bytes(&x.value()).as_ref(), K::as_bytes(&y.value()).as_ref()),
            |x, y| same(V::as_bytes(&x.value()).as_ref(), V::as_bytes(&y.value()).as_ref()),
        )
    }

    fn messages(&self, faults: &mut Vec<String>) -> Result<()> {
        let (Some(have), Some(rebuilt)) = (open(self.have, MESSAGES)?, open(self.rebuilt, MESSAGES)?) else {
            return Ok(());
        };
        merge(
            (every_message(&have)?, every_message(&rebuilt)?),
            faults,
            |(mailbox, uid)| format!("message {uid} of mailbox {mailbox}"),
            Ord::cmp,
            |x, y| x == y,
        )
    }
}

/// What a table holds of things that are used.
fn entries<'a, K: Key, V: Value>(
    table: &'a ReadOnlyTable<K, V>,
    name: &'a str,
) -> Result<impl Iterator<Item = Result<(AccessGuard<'a, K>, AccessGuard<'a, V>)>>> {
    let counts = move |value: &AccessGuard<'_, V>| !unused(name, V::as_bytes(&value.value()).as_ref());
    let entries = table.iter()?.filter(move |entry| entry.as_ref().map_or(true, |(_, value)| counts(value)));
    Ok(entries.map(|entry| entry.map_err(StoreError::from)))
}

/// All messages: mailbox, UID, row.
fn every_message(
    table: &ReadOnlyTable<(u32, u32), &'static [u8]>,
) -> Result<impl Iterator<Item = Result<((u32, u32), Row)>>> {
    Ok(table.iter()?.flat_map(|entry| {
        let rows = entry.map_err(StoreError::from).and_then(|(key, bytes)| {
            let (mailbox, page) = key.value();
            on_page(page, bytes.value())?.map(|row| row.map(|(uid, row)| ((mailbox, uid), row))).collect()
        });
        let rows: Vec<Result<_>> = match rows {
            Ok(rows) => Vec::into_iter(rows).map(Ok).collect(),
            Err(e) => vec![Err(e)],
        };
        rows
    }))
}

/// Two tables side by side: the catalogue's and the one made from the log.
fn merge<K, V>(
    (mut left, mut right): (impl Iterator<Item = Result<(K, V)>>, impl Iterator<Item = Result<(K, V)>>),
    faults: &mut Vec<String>,
    name: impl Fn(&K) -> String,
    order: impl Fn(&K, &K) -> Ordering,
    same: impl Fn(&V, &V) -> bool,
) -> Result<()> {
    let (mut a, mut b) = (left.next().transpose()?, right.next().transpose()?);
    while a.is_some() || b.is_some() {
        let order = match (&a, &b) {
            (Some((x, _)), Some((y, _))) => order(x, y),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let fault = match (order, &a, &b) {
            (Ordering::Less, Some((key, _)), _) => {
                Some(format!("{} is in the catalogue but not in the log", name(key)))
            }
            (Ordering::Greater, _, Some((key, _))) => {
                Some(format!("{} is in the log but not in the catalogue", name(key)))
            }
            (_, Some((key, x)), Some((_, y))) => {
                (!same(x, y)).then(|| format!("{} differs between catalogue and log", name(key)))
            }
            _ => None,
        };
        faults.extend(fault.filter(|_| faults.len() < NAMED));
        if order != Ordering::Greater {
            a = left.next().transpose()?;
        }
        if order != Ordering::Less {
            b = right.next().transpose()?;
        }
    }
    Ok(())
}

fn open<K: Key, V: Value>(
    txn: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>> {
    match txn.open_table(definition) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
