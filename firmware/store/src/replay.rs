//! Lets the catalogue catch up with the log: after a power cut its tail, after the loss of the catalogue all of it.

use crate::StoreError;
use crate::apply::apply;
use crate::catalogue::{Catalogue, Tables, commit_durably, commit_lazily};
use crate::limits;
use crate::record::{Event, Position};
use crate::scan::Scanner;
use crate::segment::{self, Pointer, Segments};
use crate::snapshot;
use std::io;
use std::sync::Arc;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Where the log ends.
#[derive(Debug)]
pub struct End {
    /// End of the last good record.
    pub position: Position,
    /// Its number.
    pub lsn: u64,
    /// Records applied.
    pub records: u64,
    /// The last whole snapshot.
    pub snapshot: Option<Pointer>,
    /// Its beginning, or what was loaded of it, is damaged.
    pub snapshot_damaged: bool,
    /// Something of what was read is damaged.
    pub damaged: bool,
}

/// Applies what the catalogue does not have yet; all, if it cannot be read.
pub fn replay(catalogue: &Catalogue, segments: &Arc<Segments>) -> Result<End> {
    let end = match catch_up(catalogue, segments) {
        Err(e) if catalogue.read_failed() => {
            tracing::warn!("the catalogue cannot be read ({e}): it is rebuilt from the log");
            catalogue.start_over()?;
            catch_up(catalogue, segments)
        }
        other => other,
    }?;
    catalogue.caught_up();
    Ok(end)
}

fn catch_up(catalogue: &Catalogue, segments: &Arc<Segments>) -> Result<End> {
    let mut meta = catalogue.progress(segments.store())?;
    let mut tail = segment::numbers(segments.disk().as_ref())?;
    tail.retain(|number| *number >= meta.end.segment);
    for number in &tail {
        segments.file(*number)?.forget_cached()?;
    }
    if meta.end.segment != 0 && !has_segment(segments, meta.end)? {
        tracing::warn!("the catalogue does not fit the log: it is rebuilt");
        catalogue.start_over()?;
        meta = catalogue.progress(segments.store())?;
    }
    // headers of segments to come must name it, also if the last header was all there was after it
    let snapshot = snapshot::find(segments)?;
    // space is given back after a checkpoint: what a catalogue older than the snapshot lacks is there, unless it is not this log's
    let gaps = tail.iter().zip(meta.end.segment..).any(|(have, want)| *have != want);
    if meta.lsn > 0 && gaps && snapshot.is_some_and(|s| s.lsn > meta.lsn) {
        tracing::warn!("the catalogue is older than the log's beginning: it is rebuilt");
        catalogue.start_over()?;
        meta = catalogue.progress(segments.store())?;
    }
    let rebuild = meta.lsn == 0;
    let mut snapshot_damaged = snapshot::is_gone(segments)?;
    if let Some(snapshot) = snapshot {
        snapshot_damaged |= match rebuild {
            true => !snapshot::load(catalogue, segments, snapshot)?,
            false => !snapshot::begins(segments, snapshot)?,
        };
        meta = catalogue.progress(segments.store())?;
    }
    if snapshot_damaged {
        tracing::warn!("the log's last snapshot is damaged");
    }
    let mut scanner = Scanner::new(segments.clone(), meta.end, meta.lsn, None)?;
    if rebuild {
        scanner = scanner.thorough();
    }
    let mut records = 0;
    loop {
        let batch = apply_batch(catalogue, &mut scanner, Some(records))?;
        records += batch;
        if batch == 0 {
            break;
        }
    }
    if rebuild && records > 0 {
        nothing_recent(catalogue)?;
    }
    for damage in scanner.damage() {
        tracing::warn!("{damage}");
    }
    let damaged = snapshot_damaged || !scanner.damage().is_empty();
    Ok(End { position: scanner.position(), lsn: scanner.lsn(), records, snapshot, snapshot_damaged, damaged })
}

fn has_segment(segments: &Segments, end: Position) -> Result<bool> {
    match segments.file(end.segment) {
        Ok(file) => Ok(file.len()? >= u64::from(end.offset)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Applies some records in one transaction; answers how many. `before`: records applied so far, if it should become durable now and then.
pub fn apply_batch(catalogue: &Catalogue, scanner: &mut Scanner, before: Option<u64>) -> Result<u64> {
    let Some(first) = next_event(scanner)? else { return Ok(0) };
    let txn = catalogue.write()?;
    let mut records = 0;
    {
        let mut tables = Tables::open(&txn)?;
        let mut next = Some(first);
        while let Some((account, event)) = next {
            apply(&mut tables, account, &event)?;
            tables.changes.clear();
            records += 1;
            next = if records < u64::from(limits::REPLAY_BATCH) { next_event(scanner)? } else { None };
        }
        tables.finish(scanner.lsn(), scanner.position())?;
    }
    let each = scanner.tuning().checkpoint_records;
    let checkpoints = |records: u64| records / each;
    let due = before.is_some_and(|before| checkpoints(before + records) > checkpoints(before));
    if due {
        commit_durably(txn)?
    } else {
        commit_lazily(txn)?
    }
    Ok(records)
}

fn next_event(scanner: &mut Scanner) -> Result<Option<(u32, Event)>> {
    while let Some(found) = scanner.next()? {
        if let Some(event) = Event::decode(found.header.kind, found.payload) {
            return Ok(Some((found.header.account, event)));
        }
    }
    Ok(None)
}

/// A rebuilt catalogue does not know what was claimed: better nothing is `\Recent` than everything.
fn nothing_recent(catalogue: &Catalogue) -> Result<()> {
    let txn = catalogue.write()?;
    {
        let mut tables = Tables::open(&txn)?;
        for id in tables.all_mailboxes()? {
            let mut row = tables.mailbox(id)?;
            row.recent = row.uid_next;
            tables.put_mailbox(id, &row)?;
        }
    }
    commit_lazily(txn)
}
