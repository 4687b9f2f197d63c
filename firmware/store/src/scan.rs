//! Reads the log from front to back, telling a torn end (what was in flight when the power went) from damage (what was
//! durable and is no more).
//!
//! A record that cannot be read is damaged if any later record says that it was durable; otherwise the log ends there. It is all the
//! same whether its checksum is wrong or the disk does not give it back.

use crate::limits;
use crate::record::{HEADER, Header, Kind, Position, Seed, footprint};
use crate::segment::{self, Pointer, Segments, Window, align};
use crate::tuning::Tuning;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// A stretch of the log that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where it starts.
    pub at: Position,
    /// The first record lost.
    pub first_lsn: u64,
    /// Where the first record after it starts.
    pub next: Position,
    /// The first record after it.
    pub next_lsn: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { at, first_lsn, next_lsn, .. } = self;
        let Position { segment, offset } = at;
        write!(
            f,
            "log segment {segment} is damaged at octet {offset}: records {first_lsn:#x} to before {next_lsn:#x} cannot be read"
        )
    }
}

/// A record found.
#[derive(Debug)]
pub struct Found<'a> {
    /// Where it starts.
    pub at: Position,
    /// The segment it is in.
    pub segment: u32,
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The reader.
#[derive(Debug)]
pub struct Scanner {
    segments: Arc<Segments>,
    window: Option<Window>,
    rest: VecDeque<u32>,
    position: Position,
    lsn: u64,
    damage: Vec<Damage>,
    limit: Option<Position>,
    thorough: bool,
}

impl Scanner {
    /// Starts after a record that ended at `position`; no further than `limit`, the writer's place, if it writes now.
    pub fn new(segments: Arc<Segments>, position: Position, lsn: u64, limit: Option<Position>) -> io::Result<Scanner> {
        let mut rest: VecDeque<u32> = segment::numbers(segments.disk().as_ref())?.into();
        rest.retain(|s| *s > position.segment && limit.is_none_or(|l| *s <= l.segment));
        let window = match segments.file(position.segment) {
            Ok(file) => Some(Window::new(file)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        Ok(Scanner { segments, window, rest, position, lsn, damage: Vec::new(), limit, thorough: false })
    }

    /// Starts at the very beginning; looks everywhere for how the log goes on.
    pub fn whole(segments: Arc<Segments>, limit: Option<Position>) -> io::Result<Scanner> {
        Ok(Scanner { thorough: true, ..Scanner::new(segments, Position::default(), 0, limit)? })
    }

    /// Starts with the first record of a snapshot.
    pub fn at(segments: Arc<Segments>, pointer: Pointer) -> io::Result<Scanner> {
        Ok(Scanner { thorough: true, ..Scanner::new(segments, pointer.at, pointer.lsn - 1, None)? })
    }

    /// Looks everywhere for how the log goes on.
    pub fn thorough(self) -> Scanner {
        Scanner { thorough: true, ..self }
    }

    /// Whether the next record is the first of the snapshot with this number.
    pub fn begins(&mut self, lsn: u64) -> io::Result<bool> {
        let next = self.expected()?;
        Ok(next.is_some_and(|p| p.header.kind == Kind::SnapshotBegin && p.header.lsn == lsn))
    }

    /// Where the last good record ended.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The last good record.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }

    /// How large things are.
    pub fn tuning(&self) -> &Tuning {
        &self.segments.tuning
    }

    /// Damage met so far.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The next record; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        let place = match self.expected()? {
            Some(place) => Some(place),
            None => self.resync()?,
        };
        let Some(place) = place else { return Ok(None) };
        let Place { at, header, .. } = place;
        self.position = place.end();
        self.lsn = header.lsn;
        let Some(window) = &mut self.window else { return Ok(None) };
        match window.get(u64::from(at.offset) + HEADER as u64, header.len as usize)? {
            Some(payload) => Ok(Some(Found { at, segment: at.segment, header, payload })),
            // the log does not end because what was read a moment ago cannot be read again
            None => Err(io::Error::other("the disk reads a part of the log only now and then")),
        }
    }

    /// The record that should come here.
    fn expected(&mut self) -> io::Result<Option<Place>> {
        let Some(window) = &mut self.window else { return Ok(None) };
        let seed = self.segments.seed(self.position.segment);
        let mut at = self.position;
        // length, checksum and number are never all zero
        if window.get(at.offset.into(), 16)?.is_none_or(|start| start == [0; 16]) {
            at.offset = align(at.offset);
        }
        if self.limit.is_some_and(|l| at >= l) {
            return Ok(None);
        }
        let place = place(window, seed, at, &self.segments.tuning)?;
        Ok(place.filter(|p| p.continues(self.lsn)))
    }

    /// Looks for the log's continuation behind a place where the expected record is not.
    fn resync(&mut self) -> io::Result<Option<Place>> {
        let mut start = self.position;
        let mut window = self.window.take();
        let mut rest = self.rest.clone();
        let mut first: Option<(Place, VecDeque<u32>)> = None;
        let mut unreadable = 0;
        loop {
            if let Some(w) = &mut window {
                while let Some(place) = self.search(w, start)? {
                    if place.continues(self.lsn) {
                        return self.go_on(place, rest).map(Some);
                    }
                    if place.header.durable > self.lsn || place.open_after.is_some_and(|after| after > self.lsn) {
                        // what an OPEN does not acknowledge is left over from a torn end
                        let real = |p: &Place| place.open_after.is_none_or(|after| p.header.lsn <= after);
                        let (to, rest) = first.filter(|(p, _)| real(p)).unwrap_or((place, rest));
                        self.damage.push(Damage {
                            at: self.position,
                            first_lsn: self.lsn + 1,
                            next: to.at,
                            next_lsn: to.header.lsn,
                        });
                        return self.go_on(to, rest).map(Some);
                    }
                    start = place.end();
                    first.get_or_insert_with(|| (place, rest.clone()));
                }
                unreadable += w.unreadable();
            }
            let Some(next) = rest.pop_front() else { break };
            window = Some(Window::new(self.segments.file(next)?)?);
            start = segment::first(next);
        }
        // a disk that is hardly there must not make the log end: what follows would be written over
        if self.limit.is_none() && unreadable > self.segments.tuning.unreadable {
            return Err(io::Error::other(format!("{unreadable} blocks behind the log's end cannot be read")));
        }
        Ok(None)
    }

    fn go_on(&mut self, place: Place, rest: VecDeque<u32>) -> io::Result<Place> {
        self.window = Some(Window::new(self.segments.file(place.at.segment)?)?);
        self.rest = rest;
        Ok(place)
    }

    /// The next intact record of this segment that could come later than the last good one.
    fn search(&self, window: &mut Window, start: Position) -> io::Result<Option<Place>> {
        let seed = self.segments.seed(start.segment);
        let end = match self.limit {
            Some(l) if l.segment == start.segment => window.len().min(l.offset.into()),
            _ => window.len(),
        };
        let end = if self.thorough { end } else { end.min(u64::from(start.offset) + limits::RESYNC) };
        let mut at = start;
        while u64::from(at.offset) + HEADER as u64 <= end {
            // a cheap look before checksums are computed: a plausible number
            let lsn =
                window.get(u64::from(at.offset) + 8, 8)?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
            if lsn > self.lsn && lsn >> 32 <= (self.lsn >> 32) + 0xFFFF {
                let found = place(window, seed, at, &self.segments.tuning)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            at.offset += 8;
        }
        Ok(None)
    }
}

/// An intact record.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: Position,
    header: Header,
    /// What an OPEN record says it comes after.
    open_after: Option<u64>,
}

impl Place {
    fn end(&self) -> Position {
        Position { offset: self.at.offset + footprint(self.header.len as usize) as u32, ..self.at }
    }

    /// Whether it is the one after record `lsn`.
    fn continues(&self, lsn: u64) -> bool {
        match self.open_after {
            Some(after) => after == lsn && self.header.lsn > lsn,
            None => self.header.lsn == lsn + 1,
        }
    }
}

fn place(window: &mut Window, seed: Seed, at: Position, tuning: &Tuning) -> io::Result<Option<Place>> {
    let Some(header) = window.record(seed, at.offset.into(), tuning)? else { return Ok(None) };
    let open_after = match header.kind {
        Kind::Open => {
            let payload = window.get(u64::from(at.offset) + HEADER as u64, header.len as usize)?;
            Some(payload.and_then(|p| p.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes))
        }
        _ => None,
    };
    Ok(Some(Place { at, header, open_after }))
}
