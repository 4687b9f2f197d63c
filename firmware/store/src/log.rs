//! The writer's end of the log: records gather in a buffer and go to the disk in padded flushes.
//!
//! Whatever fails is undone in the buffer. What a failed write left on the disk is overwritten later, and its numbers are
//! never given again: the next record is an OPEN that names the last good one.

use crate::body::Piece;
use crate::dictionary::Dictionary;
use crate::limits;
use crate::record::{self, Event, Extent, HEADER, Header, Kind, PartHead, Position, Shared};
use crate::segment::{self, Pointer, SegmentHeader, Segments, VERSION, align};
use crate::tuning::Rule;
use crate::{StoreError, disk::DiskFile};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was appended, by cause.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Octets written.
    pub bytes: AtomicU64,
    /// Octets of message bodies in them.
    pub mail: AtomicU64,
    /// Octets of changes of flags in them.
    pub flags: AtomicU64,
    /// Octets of text of messages before compression.
    pub text: AtomicU64,
    /// Octets of snapshots and copies in them.
    pub reclaim: AtomicU64,
    /// Flushes.
    pub syncs: AtomicU64,
}

/// The end of the log.
#[derive(Debug)]
pub struct Log {
    segments: Arc<Segments>,
    counters: Arc<LogCounters>,
    file: Option<Arc<dyn DiskFile>>,
    /// Where the buffer goes: a block boundary.
    base: Position,
    buffer: Vec<u8>,
    /// The last record.
    lsn: u64,
    /// Records appended since it was opened.
    appended: u64,
    /// The highest number that may be on the disk.
    top: u64,
    /// Records up to here are on the disk for good.
    durable: u64,
    /// The next record must be an OPEN.
    reopened: bool,
    /// Something was written since the last flush.
    dirty: bool,
    /// The last whole snapshot.
    snapshot: Option<Pointer>,
    /// Where the segment is full: if it was another one before, where that one ended.
    limit: u32,
    /// The segment does not carry the dictionary that is written with, because what it carries is damaged.
    foreign: bool,
    /// The last record, if it can take more changes of flags.
    series: Option<Series>,
}

/// A FLAGS record at the buffer's end. Nothing of it has gone to the disk, so it may still grow: somebody who reads message after
/// message pays for one header.
#[derive(Debug, Clone, Copy)]
struct Series {
    account: u32,
    /// Where in the buffer it starts.
    start: usize,
    /// Octets of its payload.
    len: usize,
}

/// A point to which the buffer can be taken back.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    base: Position,
    len: usize,
    lsn: u64,
    reopened: bool,
    series: Option<Series>,
}

/// How a write to the log failed.
#[derive(Debug)]
pub enum LogError {
    /// Nothing of it counts; more can be written once there is space.
    NoSpace,
    /// The disk cannot be trusted any more.
    Broken(io::Error),
}

impl From<io::Error> for LogError {
    fn from(e: io::Error) -> LogError {
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::NoSpace,
            _ => LogError::Broken(e),
        }
    }
}

/// Where a segment is full of which so many octets were written once, and which goes on at `from`. What is written over needs no new
/// space; so a segment that was another one before is as long as that was.
fn limit(segments: &Segments, from: u32, written: u64) -> u32 {
    let segment = segments.tuning.segment;
    let again = u32::try_from(written).ok().filter(|len| len.saturating_sub(from) >= segment / 8);
    again.map_or(segment, |len| len.min(segment))
}

impl Log {
    /// Goes on after the last good record, which ended at `end`. Makes durable what recovery accepted. `snapshot`: the last whole one.
    pub fn open(
        segments: Arc<Segments>,
        counters: Arc<LogCounters>,
        (end, lsn): (Position, u64),
        snapshot: Option<Pointer>,
    ) -> io::Result<Log> {
        let (file, base) = match end.segment {
            0 => (None, Position { segment: 0, offset: segments.tuning.segment }),
            n => (Some(segments.file(n)?), Position { segment: n, offset: align(end.offset) }),
        };
        if let Some(file) = &file
            && segments.tuning.holds(Rule::FlushBeforeShowing)
        {
            file.sync()?;
        }
        let reopened = segments.tuning.holds(Rule::FreshNumbers);
        let written = file.as_ref().map_or(Ok(0), |file| file.len())?;
        let limit = limit(&segments, base.offset, written);
        Ok(Log {
            segments,
            counters,
            file,
            base,
            buffer: Vec::new(),
            lsn,
            appended: 0,
            top: lsn,
            durable: lsn,
            reopened,
            dirty: false,
            snapshot,
            limit,
            foreign: false,
            series: None,
        })
    }

    /// After a start: if there is a newer segment than the one with the last record, it has nothing but its header, and is gone on in.
    pub fn skip_to_newest(&mut self) -> io::Result<()> {
        let newest = segment::numbers(self.segments.disk().as_ref())?.pop().unwrap_or(0);
        if newest > self.base.segment {
            let file = self.segments.file(newest)?;
            self.limit = limit(&self.segments, 0, file.len()?);
            self.file = Some(file);
            self.base = Position { segment: newest, offset: 0 };
            self.buffer = self.header(&self.segments.codec.dictionary.present());
        } else if newest > 0 {
            let present = self.segments.codec.dictionary.present();
            self.foreign = self.segments.carried(newest).is_none_or(|carried| carried != present);
        }
        Ok(())
    }

    /// The present segment's first octets.
    fn header(&self, dictionary: &Dictionary) -> Vec<u8> {
        let (segment, store, snapshot) = (self.base.segment, self.segments.store(), self.snapshot);
        SegmentHeader { version: VERSION, segment, store, snapshot }.encode(dictionary)
    }

    /// Where the next record starts.
    pub fn end(&self) -> Position {
        Position { offset: self.base.offset + self.buffer.len() as u32, ..self.base }
    }

    /// The last record.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }

    /// Records appended since it was opened, those among them that were taken back.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Octets that wait for a flush.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Whether records wait for a flush.
    pub fn needs_flush(&self) -> bool {
        self.lsn > self.durable
    }

    fn is_dirty(&self) -> bool {
        self.dirty || !self.buffer.is_empty()
    }

    /// Makes room for a group of records: they never straddle segments.
    pub fn begin_group(&mut self) -> Result<Mark, LogError> {
        let full = self.end().offset >= self.limit;
        if full || self.foreign || self.segments.codec.dictionary.is_urgent() {
            if self.is_dirty() {
                self.flush()?;
            }
            self.next_segment(true)?;
        }
        // no record is kept without the dictionary that it needs
        if self.base.offset == 0 && self.segments.tuning.holds(Rule::HeaderFirst) {
            self.flush()?;
        }
        Ok(self.mark())
    }

    fn next_segment(&mut self, may_recycle: bool) -> io::Result<()> {
        let segment = self.base.segment + 1;
        let (file, written) = self.segments.create(segment, may_recycle)?;
        self.limit = limit(&self.segments, 0, written);
        self.file = Some(file);
        self.base = Position { segment, offset: 0 };
        self.foreign = false;
        self.buffer = self.header(&self.segments.codec.dictionary.begin(segment));
        Ok(())
    }

    /// A snapshot is whole: goes on in a new segment whose header says so, and makes that durable.
    pub fn name_snapshot(&mut self, pointer: Pointer) -> Result<(), LogError> {
        self.flush()?;
        self.snapshot = Some(pointer);
        self.next_segment(true)?;
        self.flush()
    }

    /// The present point.
    pub fn mark(&self) -> Mark {
        Mark { base: self.base, len: self.buffer.len(), lsn: self.lsn, reopened: self.reopened, series: self.series }
    }

    /// Takes the buffer back. `written`: some of it may have reached the disk.
    pub fn rewind(&mut self, mark: Mark, written: bool) {
        debug_assert_eq!(self.base, mark.base);
        self.lsn = mark.lsn;
        match mark.series {
            Some(series) => self.put_series(series, &[]),
            None => self.buffer.truncate(mark.len),
        }
        debug_assert_eq!(self.buffer.len(), mark.len);
        self.reopened = mark.reopened || written;
        self.series = mark.series.filter(|_| !written);
    }

    /// Writes the record at the buffer's end again, with what it had and `more`.
    fn put_series(&mut self, series: Series, more: &[u8]) {
        let Series { account, start, len } = series;
        let payload = self.buffer.get(start + HEADER..start + HEADER + len).unwrap_or_default().to_vec();
        self.buffer.truncate(start);
        let header = Header { len: 0, crc: 0, lsn: self.lsn, durable: self.durable, account, kind: Kind::Flags };
        record::encode(&mut self.buffer, self.segments.seed(self.base.segment), &header, &[&payload, more]);
    }

    /// Puts a change of flags into the record before it, if that is one of the same account and still here.
    fn extend_series(&mut self, account: u32, payload: &[u8]) -> Option<Position> {
        let fits = |s: &Series| s.account == account && s.len + payload.len() <= limits::SERIES;
        let series = self.series.filter(|s| !self.reopened && fits(s))?;
        self.put_series(series, payload);
        self.series = Some(Series { len: series.len + payload.len(), ..series });
        self.appended += 1;
        self.counters.flags.fetch_add(payload.len() as u64, Relaxed);
        Some(Position { offset: self.base.offset + series.start as u32, ..self.base })
    }

    /// Goes on in a segment to be written again, if there is one: a file that need not grow costs the file system nothing.
    pub fn prefer_recycled(&mut self) -> Result<(), LogError> {
        let fresh = self.limit == self.segments.tuning.segment;
        if fresh && self.segments.spare_octets() > 0 {
            self.flush()?;
            self.next_segment(true)?;
            // after a restart the log goes on there
            self.flush()?;
        }
        Ok(())
    }

    /// Goes on in a fresh segment: a snapshot begins, so that all before it can be given back. It will be a short one.
    pub fn begin_snapshot(&mut self) -> Result<(), LogError> {
        if self.base.segment > 0 {
            self.flush()?;
            self.next_segment(false)?;
        }
        Ok(())
    }

    /// Appends message bytes that belong at `position`; answers where they are. Their message is `blob`, which becomes
    /// the record's number if it is 0; bytes that can be shared belong to none.
    pub fn append_part(&mut self, blob: &mut u64, position: u64, piece: &Piece) -> Extent {
        let piece = &*match self.segments.tuning.holds(Rule::OwnDictionary) {
            true => self.segments.codec.for_now(piece),
            false => Cow::Borrowed(piece),
        };
        let lsn = self.next_lsn();
        let shared = piece.hash.map(|hash| Shared { part: lsn, hash });
        if shared.is_none() && *blob == 0 {
            *blob = lsn;
        }
        let (owner, position) = if shared.is_some() { (0, 0) } else { (*blob, position) };
        let head = PartHead { blob: owner, position, coding: piece.coding(), raw: piece.raw };
        let at = self.end();
        self.encode(lsn, Kind::Part, 0, &[&head.encode(), &piece.data]);
        self.counters.mail.fetch_add(piece.data.len() as u64, Relaxed);
        if piece.line == 0 {
            self.counters.text.fetch_add(piece.len.into(), Relaxed);
        }
        Extent { at, stored: piece.data.len() as u32, len: piece.len, line: piece.line, shared }
    }

    /// Appends a copy of the PART with this payload, for whoever has this number; answers where it is.
    pub fn append_copy(&mut self, number: u64, payload: &[u8]) -> Position {
        let lsn = self.next_lsn();
        let at = self.end();
        self.encode(lsn, Kind::Part, 0, &[&number.to_le_bytes(), payload.get(8..).unwrap_or_default()]);
        self.counters.reclaim.fetch_add(record::footprint(payload.len()) as u64, Relaxed);
        at
    }

    /// Appends an event; answers where it is.
    pub fn append(&mut self, account: u32, event: &Event) -> Result<Position, StoreError> {
        let (kind, payload) = event.encode()?;
        if kind == Kind::Flags
            && let Some(at) = self.extend_series(account, &payload)
        {
            return Ok(at);
        }
        let lsn = self.next_lsn();
        let at = self.end();
        let start = self.buffer.len();
        self.encode(lsn, kind, account, &[&payload]);
        if kind == Kind::Flags {
            self.series = Some(Series { account, start, len: payload.len() });
        }
        let cause = match kind {
            Kind::Flags | Kind::Seen => &self.counters.flags,
            Kind::SnapshotBegin | Kind::SnapshotRows | Kind::SnapshotEnd | Kind::Relocate => &self.counters.reclaim,
            _ => return Ok(at),
        };
        cause.fetch_add(record::footprint(payload.len()) as u64, Relaxed);
        Ok(at)
    }

    /// The number the next record will have.
    pub fn upcoming(&mut self) -> u64 {
        self.next_lsn()
    }

    /// Whether the next record is an OPEN.
    pub fn reopened(&self) -> bool {
        self.reopened
    }

    /// The number of the next record; an OPEN goes before it if the log was reopened.
    fn next_lsn(&mut self) -> u64 {
        if self.reopened {
            self.reopened = false;
            let after = self.lsn;
            let lsn = ((self.top.max(after) >> 32) + 1) << 32;
            self.encode(lsn, Kind::Open, 0, &[&after.to_le_bytes()]);
        }
        self.lsn + 1
    }

    fn encode(&mut self, lsn: u64, kind: Kind, account: u32, payload: &[&[u8]]) {
        let header = Header { len: 0, crc: 0, lsn, durable: self.durable, account, kind };
        record::encode(&mut self.buffer, self.segments.seed(self.base.segment), &header, payload);
        self.lsn = lsn;
        self.appended += 1;
        self.series = None;
    }

    /// Writes all that waits and makes it durable. After `NoSpace` the buffer is as before.
    pub fn flush(&mut self) -> Result<(), LogError> {
        let len = self.buffer.len();
        if len > 0 {
            self.buffer.resize(align(len as u32) as usize, 0);
            let written = self.write(self.buffer.len());
            if written.is_err() {
                self.buffer.truncate(len);
            }
            written?;
        }
        if self.dirty {
            let file = self.file.as_ref().ok_or_else(|| LogError::Broken(io::ErrorKind::NotFound.into()))?;
            file.sync().map_err(LogError::Broken)?;
            self.counters.syncs.fetch_add(1, Relaxed);
            self.dirty = false;
        }
        self.durable = self.lsn;
        Ok(())
    }

    /// Writes the whole blocks of a buffer that has grown large, without making them durable.
    pub fn spill(&mut self) -> Result<(), LogError> {
        let whole = self.buffer.len() & !(limits::BLOCK as usize - 1);
        if self.buffer.len() < self.segments.tuning.log_buffer {
            return Ok(());
        }
        self.write(whole)
    }

    fn write(&mut self, len: usize) -> Result<(), LogError> {
        let file = self.file.as_ref().ok_or_else(|| LogError::Broken(io::ErrorKind::NotFound.into()))?;
        self.top = self.top.max(self.lsn);
        self.series = None;
        file.write(self.base.offset.into(), &self.buffer[..len])?;
        self.buffer.drain(..len);
        self.base.offset += len as u32;
        self.dirty = true;
        self.counters.bytes.fetch_add(len as u64, Relaxed);
        Ok(())
    }
}
