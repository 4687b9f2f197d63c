//! The log's files: their names, headers, and positioned reads of records (LOG-FORMAT.md).

use crate::body::{Codec, to_base64};
use crate::dictionary::{BUILT_IN, Dictionary, Known};
use crate::disk::{Disk, DiskFile, is_unreadable, lock, read_around};
use crate::record::{self, Extent, HEADER, Header, PART_HEADER, PartHead, Position, Seed};
use crate::tuning::{Rule, Tuning};
use crate::{BlobId, StoreError, limits};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The version of the log's format.
pub const VERSION: u32 = 2;
/// Of the octets of a segment, one in so many must have been written for it to be kept for writing again.
const SHORT: u32 = 4;
/// What the names of segments that hold nothing any more begin with.
const SPARE: &str = "spare-";
const MAGIC: [u8; 8] = *b"ROOSTLOG";
/// What every version says in the same place.
const CHECKED: usize = 24;
const MORE: std::ops::Range<usize> = 28..56;

/// What the first block of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Format version.
    pub version: u32,
    /// The segment's number.
    pub segment: u32,
    /// The store's number.
    pub store: u64,
    /// The last whole snapshot before it.
    pub snapshot: Option<Pointer>,
}

/// Where a snapshot begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// Its BEGIN record.
    pub at: Position,
    /// That record's number.
    pub lsn: u64,
}

impl SegmentHeader {
    /// The first block, and the dictionary that messages of the segment are compressed with.
    pub fn encode(&self, dictionary: &Dictionary) -> Vec<u8> {
        let mut block = vec![0; limits::BLOCK as usize];
        block[0..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&self.version.to_le_bytes());
        block[12..16].copy_from_slice(&self.segment.to_le_bytes());
        block[16..24].copy_from_slice(&self.store.to_le_bytes());
        let crc = crc32c::crc32c(&block[..CHECKED]);
        block[CHECKED..CHECKED + 4].copy_from_slice(&crc.to_le_bytes());
        block[28..32].copy_from_slice(&dictionary.number.to_le_bytes());
        block[32..36].copy_from_slice(&(dictionary.bytes.len() as u32).to_le_bytes());
        block[36..40].copy_from_slice(&crc32c::crc32c(&dictionary.bytes).to_le_bytes());
        if let Some(Pointer { at, lsn }) = self.snapshot {
            block[40..44].copy_from_slice(&at.segment.to_le_bytes());
            block[44..48].copy_from_slice(&at.offset.to_le_bytes());
            block[48..56].copy_from_slice(&lsn.to_le_bytes());
        }
        let crc = crc32c::crc32c(&block[MORE]);
        block[MORE.end..MORE.end + 4].copy_from_slice(&crc.to_le_bytes());
        block.extend_from_slice(&dictionary.bytes);
        block.resize(align(block.len() as u32) as usize, 0);
        block
    }

    /// The number, length and checksum of the dictionary behind it.
    fn dictionary(block: &[u8]) -> Option<(u32, usize, u32)> {
        let word = |at: usize| Some(u32::from_le_bytes(block.get(at..at + 4)?.try_into().ok()?));
        let intact = word(MORE.end)? == crc32c::crc32c(block.get(MORE)?);
        Some((word(28)?, word(32)? as usize, word(36)?)).filter(|_| intact)
    }

    /// Reads it; `None` if it is damaged.
    pub fn decode(block: &[u8]) -> Option<SegmentHeader> {
        let word = |at: usize| Some(u32::from_le_bytes(block.get(at..at + 4)?.try_into().ok()?));
        let intact = block.starts_with(&MAGIC) && word(CHECKED)? == crc32c::crc32c(&block[..CHECKED]);
        let store = u64::from_le_bytes(block.get(16..24)?.try_into().ok()?);
        let mut snapshot = None;
        if word(MORE.end)? == crc32c::crc32c(block.get(MORE)?) && word(40)? != 0 {
            let lsn = u64::from_le_bytes(block.get(48..56)?.try_into().ok()?);
            snapshot = Some(Pointer { at: Position { segment: word(40)?, offset: word(44)? }, lsn });
        }
        intact.then_some(SegmentHeader { version: word(8)?, segment: word(12)?, store, snapshot })
    }
}

/// The segments of a store, open for reading.
pub struct Segments {
    disk: Arc<dyn Disk>,
    store: u64,
    /// How large things are.
    pub tuning: Tuning,
    open: Mutex<HashMap<u32, Arc<dyn DiskFile>>>,
    /// Compresses and decompresses.
    pub codec: Codec,
    /// Those that were written with once.
    dictionaries: Mutex<HashMap<u32, Known>>,
    space: Mutex<Space>,
}

/// What is known of the space of segments.
#[derive(Default)]
struct Space {
    /// Segments that hold nothing any more and will be written again, with their lengths.
    spares: Vec<(u32, u64)>,
    /// Segments that messages on their way in need, and how many do; 0 stands for all.
    pins: BTreeMap<u32, u32>,
    /// Holes made: segment, first octet, end.
    holes: BTreeSet<(u32, u64, u64)>,
}

/// Keeps segments as they are until it is dropped.
pub struct Pins {
    segments: Arc<Segments>,
    numbers: Vec<u32>,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pins").field(&self.numbers).finish()
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut space = lock(&self.segments.space);
        for number in &self.numbers {
            if let Some(count) = space.pins.get_mut(number) {
                *count -= 1;
                if *count == 0 {
                    space.pins.remove(number);
                }
            }
        }
    }
}

impl std::fmt::Debug for Segments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// The path of a segment.
pub fn path(segment: u32) -> String {
    format!("log/{segment:010}")
}

/// The name that a segment has while it waits to be written again.
fn spare_path(segment: u32) -> String {
    format!("log/{SPARE}{segment:010}")
}

/// Segments that wait to be written again, with their lengths.
fn spares(disk: &dyn Disk) -> Vec<(u32, u64)> {
    let names = disk.list("log").unwrap_or_default();
    let numbers = names.iter().filter_map(|name| name.strip_prefix(SPARE)?.parse().ok());
    numbers.filter_map(|number| Some((number, disk.open(&spare_path(number), false).ok()?.len().ok()?))).collect()
}

/// Numbers of the segments there are, ascending.
pub fn numbers(disk: &dyn Disk) -> io::Result<Vec<u32>> {
    Ok(disk.list("log")?.iter().filter(|n| n.len() == 10).filter_map(|n| n.parse().ok()).collect())
}

/// The number of the segment that a file is, by its header or else by its name.
pub fn recognise(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let mut block = Vec::new();
    let read = File::open(path).and_then(|file| file.take(u64::from(limits::BLOCK)).read_to_end(&mut block));
    match read.ok().and_then(|_| SegmentHeader::decode(&block)) {
        _ if name.starts_with(SPARE) => None,
        Some(header) => Some(header.segment),
        None => Some(name).filter(|name| name.len() == 10)?.parse().ok(),
    }
}

impl Segments {
    /// Those of the store with this number.
    pub fn new(disk: Arc<dyn Disk>, store: u64, tuning: Tuning) -> Segments {
        let (open, dictionaries) = (Mutex::default(), Mutex::default());
        let space = Mutex::new(Space { spares: spares(disk.as_ref()), ..Space::default() });
        Segments { disk, store, tuning, open, codec: Codec::new(store, tuning.attachment), dictionaries, space }
    }

    /// The disk they are on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The store's number.
    pub fn store(&self) -> u64 {
        self.store
    }

    /// Where checksums of a segment start.
    pub fn seed(&self, segment: u32) -> Seed {
        Seed::new(self.store, segment)
    }

    /// A segment's file.
    pub fn file(&self, segment: u32) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&path(segment), false)?;
        if open.len() >= limits::OPEN_SEGMENTS {
            open.clear();
        }
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// Makes a segment; its first block is written with its first records. Answers how many octets of it were written before.
    pub fn create(&self, segment: u32, may_recycle: bool) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        let spare = if may_recycle { lock(&self.space).spares.pop() } else { None };
        let file = match spare {
            // what is written over needs no new space; its old records do not speak under the new number
            Some((spare, _)) => {
                self.disk.rename(&spare_path(spare), &path(segment))?;
                self.disk.open(&path(segment), false)?
            }
            None => {
                let file = self.disk.open(&path(segment), true)?;
                file.set_len(0)?;
                file
            }
        };
        self.disk.sync_names()?;
        lock(&self.open).insert(segment, file.clone());
        let written = file.len()?;
        Ok((file, written))
    }

    /// Gives a segment back that holds nothing any more.
    pub fn give_back(&self, number: u32) -> io::Result<()> {
        let len = self.file(number)?.len()?;
        let long = len >= u64::from(self.tuning.segment / SHORT);
        let mut space = lock(&self.space);
        space.holes.retain(|(segment, ..)| *segment != number);
        if long && space.spares.len() < self.tuning.spares {
            // the name tells it after a restart; should it be lost with the power, the next pass finds the segment dead again
            self.disk.rename(&path(number), &spare_path(number))?;
            lock(&self.open).remove(&number);
            space.spares.push((number, len));
            return Ok(());
        }
        drop(space);
        lock(&self.open).remove(&number);
        self.disk.remove(&path(number))
    }

    /// Octets of segments to be written again.
    pub fn spare_octets(&self) -> u64 {
        lock(&self.space).spares.iter().map(|(_, len)| len).sum()
    }

    /// Keeps these segments as they are; 0 stands for all.
    pub fn pin(self: &Arc<Self>, numbers: impl IntoIterator<Item = u32>) -> Pins {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let mut space = lock(&self.space);
        for number in &numbers {
            *space.pins.entry(*number).or_default() += 1;
        }
        Pins { segments: self.clone(), numbers }
    }

    /// The segments that must stay as they are.
    pub fn pinned(&self) -> BTreeSet<u32> {
        lock(&self.space).pins.keys().copied().collect()
    }

    /// Whether this hole is new.
    pub fn note_hole(&self, number: u32, first: u64, end: u64) -> bool {
        lock(&self.space).holes.insert((number, first, end))
    }

    /// What a segment's header says of snapshots; `None` if it cannot be read.
    pub fn pointer(&self, number: u32) -> io::Result<Option<Option<Pointer>>> {
        let mut block = vec![0; limits::BLOCK as usize];
        match self.file(number).and_then(|file| file.read_alone(0, &mut block)) {
            Ok(()) => Ok(SegmentHeader::decode(&block)
                .filter(|h| h.store == self.store && h.segment == number)
                .filter(|_| SegmentHeader::dictionary(&block).is_some())
                .map(|h| h.snapshot)),
            Err(e) if is_gone(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether records follow a header that cannot be read.
    pub fn has_records(&self, number: u32) -> io::Result<bool> {
        let mut window = Window::new(self.file(number)?)?;
        let longest = limits::BLOCK + align(limits::DICTIONARY as u32);
        for first in (limits::BLOCK..=longest).step_by(limits::BLOCK as usize) {
            if window.record(self.seed(number), first.into(), &self.tuning)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The payload of the record of so many octets at a place, if it is intact.
    pub fn read_payload(&self, at: Position, len: usize) -> io::Result<Option<Vec<u8>>> {
        let mut window = Window::new(self.file(at.segment)?)?;
        let Some(header) = window.record(self.seed(at.segment), at.offset.into(), &self.tuning)? else {
            return Ok(None);
        };
        let payload = window.get(u64::from(at.offset) + HEADER as u64, header.len as usize)?;
        Ok(payload.filter(|_| record::footprint(header.len as usize) == len).map(<[u8]>::to_vec))
    }

    /// The message bytes that an extent of a message stands for, checked.
    pub fn read_extent(&self, blob: BlobId, extent: &Extent) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Damaged(blob);
        let mut bytes = vec![0; HEADER + PART_HEADER + extent.stored as usize];
        let file = self.file(extent.at.segment);
        match file.and_then(|file| read_around(file.as_ref(), extent.at.offset.into(), &mut bytes)) {
            Ok(lost) if lost.is_empty() => {}
            Err(e) if !is_gone(&e) => return Err(e.into()),
            _ => return Err(damaged()),
        }
        let (head, payload) = bytes.split_first_chunk::<HEADER>().ok_or_else(damaged)?;
        let seed = self.seed(extent.at.segment);
        let header = record::decode_header(seed, head).filter(|h| h.len as usize == payload.len());
        let header = header.filter(|_| record::verify(seed, head, payload)).ok_or_else(damaged)?;
        let (part, data) = PartHead::decode(payload).ok_or_else(damaged)?;
        let ours = match extent.shared {
            // a copy says whose it is
            Some(shared) => shared.part == if part.blob == 0 { header.lsn } else { part.blob },
            None => part.blob == blob.0,
        };
        let mut raw = Vec::new();
        let find = |number| self.dictionary(extent.at.segment, number);
        let whole = self.codec.decompress(part.coding, part.raw as usize, data, find, &mut raw);
        whole.filter(|()| ours).ok_or_else(damaged)?;
        let out = match extent.line {
            0 => raw,
            line => {
                let mut out = Vec::with_capacity(extent.len as usize);
                to_base64(&raw, line, &mut out);
                out
            }
        };
        if out.len() == extent.len as usize { Ok(out) } else { Err(damaged()) }
    }

    /// The dictionary that a segment carries, if it is intact.
    pub fn carried(&self, segment: u32) -> Option<Known> {
        let file = self.file(segment).ok()?;
        let mut block = vec![0; limits::BLOCK as usize];
        file.read_alone(0, &mut block).ok()?;
        SegmentHeader::decode(&block).filter(|h| h.store == self.store && h.segment == segment)?;
        let (number, len, crc) = SegmentHeader::dictionary(&block)?;
        if len > limits::DICTIONARY {
            return None;
        }
        let mut bytes = vec![0; len];
        file.read_alone(limits::BLOCK.into(), &mut bytes).ok()?;
        if crc32c::crc32c(&bytes) != crc {
            return None;
        }
        Dictionary::new(number, bytes)
    }

    /// A dictionary that a record of this segment names: the segment carries it. Were it damaged, another segment may too.
    pub fn dictionary(&self, segment: u32, number: u32) -> Option<Known> {
        if let Some(known) = lock(&self.dictionaries).get(&number) {
            return Some(known.clone());
        }
        let wanted = |found: &Known| found.number == number;
        let found = match number {
            BUILT_IN => Dictionary::built_in(),
            _ => match self.carried(segment).filter(wanted) {
                Some(found) => found,
                None => numbers(self.disk.as_ref()).ok()?.iter().rev().find_map(|n| self.carried(*n).filter(wanted))?,
            },
        };
        let mut known = lock(&self.dictionaries);
        if known.len() >= limits::DICTIONARIES {
            known.clear();
        }
        known.insert(number, found.clone());
        Some(found)
    }

    /// The log goes on with the dictionary of its newest segment, or of the newest one where it is intact.
    pub fn go_on_with_newest_dictionary(&self) -> io::Result<()> {
        if let Some(newest) = numbers(self.disk.as_ref())?.iter().rev().find_map(|n| self.carried(*n)) {
            self.codec.dictionary.go_on_with(newest);
        }
        Ok(())
    }
}

/// Whether there is nothing to read in a place (any more).
fn is_gone(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) || is_unreadable(e)
}

/// A window that slides over a segment.
#[derive(Debug)]
pub struct Window {
    file: Arc<dyn DiskFile>,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Blocks in it that the disk cannot read.
    lost: Vec<u64>,
    /// How many of these it met.
    unreadable: usize,
}

impl Window {
    /// Over this file.
    pub fn new(file: Arc<dyn DiskFile>) -> io::Result<Window> {
        let len = file.len()?;
        Ok(Window { file, len, start: 0, bytes: Vec::new(), lost: Vec::new(), unreadable: 0 })
    }

    /// The file's length.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// How many blocks the disk could not read.
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// These octets; `None` if the file ends before, or the disk cannot read them.
    pub fn get(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let end = at + len as u64;
        if end > self.len {
            return Ok(None);
        }
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            let want = (len.max(limits::SCAN_WINDOW) as u64).min(self.len - at);
            if self.bytes.len() as u64 != want {
                self.bytes = vec![0; want as usize];
            }
            self.start = at;
            self.lost = read_around(self.file.as_ref(), at, &mut self.bytes).inspect_err(|_| self.bytes.clear())?;
            self.unreadable += self.lost.len();
        }
        let block = u64::from(limits::BLOCK);
        if self.lost.iter().any(|lost| lost * block < end && at < (lost + 1) * block) {
            return Ok(None);
        }
        let from = (at - self.start) as usize;
        Ok(self.bytes.get(from..from + len))
    }

    /// The record that starts here, if one does, whole and intact.
    pub fn record(&mut self, seed: Seed, at: u64, tuning: &Tuning) -> io::Result<Option<Header>> {
        let Some(head) = self.get(at, HEADER)? else { return Ok(None) };
        let Ok(head) = <[u8; HEADER]>::try_from(head) else { return Ok(None) };
        let Some(header) = record::decode_header(seed, &head) else { return Ok(None) };
        let Some(payload) = self.get(at + HEADER as u64, header.len as usize)? else { return Ok(None) };
        let whole = record::verify(seed, &head, payload) || !tuning.holds(Rule::WholeRecords);
        Ok(whole.then_some(header))
    }
}

/// The first block boundary at or after a place.
pub fn align(offset: u32) -> u32 {
    offset.next_multiple_of(limits::BLOCK)
}

/// A segment's header, if it can be read.
pub fn header(disk: &dyn Disk, segment: u32) -> io::Result<Option<SegmentHeader>> {
    let file = disk.open(&path(segment), false)?;
    let mut block = vec![0; limits::BLOCK as usize];
    match file.read_alone(0, &mut block) {
        Ok(()) => Ok(SegmentHeader::decode(&block)),
        Err(e) if is_gone(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Where a segment's records start, by its header.
pub fn records(file: &Arc<dyn DiskFile>) -> io::Result<u32> {
    let mut block = vec![0; limits::BLOCK as usize];
    read_around(file.as_ref(), 0, &mut block)?;
    let len = SegmentHeader::dictionary(&block).map_or(0, |(_, len, _)| len.min(limits::DICTIONARY));
    Ok(align(limits::BLOCK + len as u32))
}

/// The start of a segment's records.
pub fn first(segment: u32) -> Position {
    Position { segment, offset: limits::BLOCK }
}
