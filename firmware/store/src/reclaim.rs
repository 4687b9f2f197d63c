//! Gives space back. Before a whole snapshot only bodies count: a segment with none that lives is written again from its start, large
//! dead stretches become holes, and the little that lives in nearly dead segments is copied to the end of the log.

use crate::StoreError;
use crate::apply::apply;
use crate::catalogue::{self, BLOBS, BlobRow, SHARED, Tables, commit_lazily};
use crate::dictionary::What;
use crate::limits;
use crate::log::{Log, LogError};
use crate::record::{Event, PART_HEADER, Position, Relocated, footprint};
use crate::segment;
use crate::tuning::Rule;
use crate::writer::Shared;
use redb::{ReadTransaction, ReadableTable};
use std::collections::{BTreeMap, BTreeSet};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What was given back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Segments to be written again, or removed.
    pub recycled: usize,
    /// Octets of bodies copied.
    pub copied: u64,
    /// Octets made holes.
    pub punched: u64,
}

/// Whose a live part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Blob(u64),
    Shared(u64),
}

/// A live part: its place, its octets in the log, its owner.
type Live = (Position, u32, Owner);

fn size(stored: u32) -> u32 {
    footprint(PART_HEADER + stored as usize) as u32
}

/// Calls `each` for every part that lives.
fn live(view: &ReadTransaction, mut each: impl FnMut(Live)) -> Result<()> {
    for entry in view.open_table(BLOBS)?.iter()? {
        let (id, row) = entry?;
        let row: BlobRow = catalogue::value(row.value())?;
        for extent in row.extents.iter().filter(|e| e.shared.is_none() && row.references > 0) {
            each((extent.at, size(extent.stored), Owner::Blob(id.value())));
        }
    }
    for entry in view.open_table(SHARED)?.iter()? {
        let (id, row) = entry?;
        let row: catalogue::SharedRow = catalogue::value(row.value())?;
        if row.references > 0 {
            each((row.at, size(row.stored), Owner::Shared(id.value())));
        }
    }
    Ok(())
}

/// Gives back what is dead in segments before `before`, copying at most `budget` octets.
pub fn reclaim(shared: &Shared, log: &mut Log, before: u32, budget: u64) -> Result<Outcome, ReclaimError> {
    let segments = &shared.segments;
    let pinned = segments.pinned();
    // the little that lives in a segment may always be copied: a whole one is given back for it
    let budget = budget.max(u64::from(segments.tuning.segment) / limits::COPY_ALWAYS);
    if pinned.contains(&0) {
        return Ok(Outcome::default());
    }
    forget_dead(shared, before)?;
    let view = shared.catalogue.view()?;
    let mut alive = BTreeMap::<u32, u64>::new();
    for number in segment::numbers(segments.disk().as_ref())? {
        if number < before && !pinned.contains(&number) {
            alive.insert(number, 0);
        }
    }
    live(&view, |(at, len, _)| {
        if let Some(sum) = alive.get_mut(&at.segment) {
            *sum += u64::from(len);
        }
    })?;
    let mut outcome = Outcome::default();
    let mut copy = BTreeSet::new();
    let mut order: Vec<(u64, u32)> = alive.iter().map(|(n, live)| (*live, *n)).collect();
    order.sort_unstable();
    for (live, number) in order.into_iter().filter(|(live, _)| *live > 0) {
        let nearly_dead = live < u64::from(segments.tuning.segment) / 100 * limits::COPY_BELOW;
        if !nearly_dead || outcome.copied + live > budget || copy.len() == limits::COPY_SEGMENTS {
            break;
        }
        outcome.copied += live;
        copy.insert(number);
    }
    let parts = parts_in(&view, &alive.iter().filter(|(_, l)| **l > 0).map(|(n, _)| *n).collect())?;
    drop(view);
    let moved = relocate(shared, log, parts.iter().filter(|(n, _)| copy.contains(n)).flat_map(|(_, p)| p))?;
    for (number, live) in &alive {
        if *live == 0 || (copy.contains(number) && moved) {
            segments.give_back(*number)?;
            outcome.recycled += 1;
        } else if let Some(parts) = parts.get(number) {
            outcome.punched += punch(shared, *number, parts)?;
        }
    }
    Ok(outcome)
}

/// Why nothing more was given back.
#[derive(Debug)]
pub enum ReclaimError {
    /// The catalogue or the disk.
    Store(StoreError),
    /// The log.
    Log(LogError),
}

impl<E: Into<StoreError>> From<E> for ReclaimError {
    fn from(e: E) -> ReclaimError {
        ReclaimError::Store(e.into())
    }
}

/// Bodies that none has any more, with all they had in these segments, leave the catalogue.
fn forget_dead(shared: &Shared, before: u32) -> Result<()> {
    let view = shared.catalogue.view()?;
    let (mut blobs, mut parts) = (Vec::new(), Vec::new());
    for entry in view.open_table(BLOBS)?.iter()? {
        let (id, row) = entry?;
        let row: BlobRow = catalogue::value(row.value())?;
        if row.references == 0 && row.extents.iter().all(|e| e.shared.is_some() || e.at.segment < before) {
            blobs.push(id.value());
        }
    }
    for entry in view.open_table(SHARED)?.iter()? {
        let (id, row) = entry?;
        let row: catalogue::SharedRow = catalogue::value(row.value())?;
        if row.references == 0 && row.at.segment < before {
            parts.push(id.value());
        }
    }
    drop(view);
    let txn = shared.catalogue.write()?;
    {
        let mut tables = Tables::open(&txn)?;
        blobs.into_iter().try_for_each(|id| tables.remove_blob(id))?;
        parts.into_iter().try_for_each(|id| tables.remove_shared(id))?;
        tables.meta.dead = 0;
        let (lsn, end) = (tables.meta.lsn, tables.meta.end);
        tables.finish(lsn, end)?;
    }
    commit_lazily(txn)
}

/// The live parts of these segments, by their places.
fn parts_in(view: &ReadTransaction, segments: &BTreeSet<u32>) -> Result<BTreeMap<u32, Vec<Live>>> {
    let mut parts = BTreeMap::<u32, Vec<Live>>::new();
    live(view, |part| {
        if segments.contains(&part.0.segment) {
            parts.entry(part.0.segment).or_default().push(part);
        }
    })?;
    parts.values_mut().for_each(|p| p.sort_unstable_by_key(|(at, ..)| *at));
    Ok(parts)
}

/// Copies parts to the end of the log; answers whether all could be read.
fn relocate<'a>(shared: &Shared, log: &mut Log, parts: impl Iterator<Item = &'a Live>) -> Result<bool, ReclaimError> {
    let (mut moved, mut whole) = (Moved::default(), true);
    for (at, len, owner) in parts {
        let number = match owner {
            Owner::Blob(id) | Owner::Shared(id) => *id,
        };
        // what is damaged stays where it is
        let Some(payload) = shared.segments.read_payload(*at, *len as usize)? else {
            whole = false;
            continue;
        };
        log.begin_group().map_err(ReclaimError::Log)?;
        let (before, what) =
            (payload.len(), if matches!(owner, Owner::Blob(_)) { What::Text } else { What::Attachment });
        let find = |number| shared.segments.dictionary(at.segment, number);
        let payload = match shared.segments.tuning.holds(Rule::OwnDictionary) {
            true => shared.segments.codec.part_for_now(payload, what, find),
            false => Some(payload),
        };
        let Some(payload) = payload else {
            whole = false;
            continue;
        };
        moved.other |= payload.len() != before;
        let (to, stored) = (log.append_copy(number, &payload), (payload.len() - PART_HEADER) as u32);
        match owner {
            Owner::Blob(id) => moved.blobs.push(((*id, *at, to), stored)),
            Owner::Shared(id) => moved.shared.push(((*id, to), stored)),
        }
        log.spill().map_err(ReclaimError::Log)?;
        if moved.blobs.len() + moved.shared.len() == limits::COPY_BATCH {
            apply_relocated(shared, log, std::mem::take(&mut moved).event())?;
        }
    }
    if moved != Moved::default() {
        apply_relocated(shared, log, moved.event())?;
    }
    Ok(whole)
}

/// Parts copied, with the octets that the copies store.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moved {
    blobs: Vec<((u64, Position, Position), u32)>,
    shared: Vec<((u64, Position), u32)>,
    /// These are not always as many as before: the log's dictionary is another one now.
    other: bool,
}

impl Moved {
    fn event(self) -> Event {
        let (blobs, mut stored): (Vec<_>, Vec<_>) = self.blobs.into_iter().unzip();
        let (shared, more): (Vec<_>, Vec<_>) = self.shared.into_iter().unzip();
        stored.extend(more);
        stored.retain(|_| self.other);
        Event::Relocate(Relocated { blobs, shared, stored })
    }
}

fn apply_relocated(shared: &Shared, log: &mut Log, event: Event) -> Result<(), ReclaimError> {
    let mark = log.begin_group().map_err(ReclaimError::Log)?;
    log.append(0, &event)?;
    // before readers look for the copies on the disk
    if shared.segments.tuning.holds(Rule::CopyBeforeRecycle)
        && let Err(e) = log.flush()
    {
        if matches!(e, LogError::NoSpace) {
            log.rewind(mark, true);
        }
        return Err(ReclaimError::Log(e));
    }
    let txn = shared.catalogue.write()?;
    {
        let mut tables = Tables::open(&txn)?;
        apply(&mut tables, 0, &event)?;
        tables.finish(log.lsn(), log.end())?;
    }
    Ok(commit_lazily(txn)?)
}

/// Makes holes of the dead stretches of a segment.
fn punch(shared: &Shared, number: u32, parts: &[Live]) -> Result<u64> {
    let file = shared.segments.file(number)?;
    let block = u64::from(limits::BLOCK);
    let len = file.len()? / block * block;
    // the header and the dictionary stay
    let mut from = u64::from(segment::records(&file)?);
    let mut given = 0;
    let ends = parts.iter().map(|(at, len, _)| (u64::from(at.offset), u64::from(at.offset + len)));
    for (start, end) in ends.chain([(len, len)]) {
        let (first, last) = (from.next_multiple_of(block), start / block * block);
        if last.saturating_sub(first) >= limits::HOLE && shared.segments.note_hole(number, first, last) {
            file.punch(first, last - first)?;
            given += last - first;
        }
        from = end;
    }
    Ok(given)
}
