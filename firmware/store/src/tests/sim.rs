//! A disk that loses power: it records writes and flushes, stops at a chosen operation, and comes back with any mixture
//! of what was not flushed: kept, dropped, torn in sectors, later writes without earlier ones, new names gone.

use crate::disk::{Disk, DiskFile, lock, read_slice, resize, write_slice};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

/// What a disk can lose a part of.
const SECTOR: usize = 512;

/// Random numbers that can be had again (xorshift*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n.max(1)
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What this disk does wrong, besides losing power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Flushes of the log do nothing.
    LogFlushLies,
    /// New names are not made durable.
    NameFlushLies,
    /// Writes from the chosen operation on find no space, until told otherwise.
    NoSpace,
    /// Only the chosen operation finds no space, after writing half.
    NoSpaceOnce,
    /// The chosen operation, if it is a flush, fails, and what it should have flushed is lost.
    FlushFails,
    /// The chosen operation, if it is a write, fails after half of it.
    WriteFails,
}

#[derive(Debug, Clone)]
pub struct Sim {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, Arc<Mutex<Contents>>>,
    /// Names removed but not durably so.
    removed: Vec<(String, Arc<Mutex<Contents>>)>,
    /// Writes and flushes so far; of the log only, or of all but the log, if it is said.
    operations: u64,
    of_log: Option<bool>,
    stop_at: u64,
    fault: Fault,
    dead: bool,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    /// Its durable name.
    named: Option<String>,
    now: Vec<u8>,
    flushed: Vec<u8>,
    pending: Vec<Pending>,
    /// Sectors that cannot be read until they are written again.
    bad: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Pending {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Pending::Write(at, bytes) => write_slice(to, *at, bytes),
            Pending::SetLen(len) => resize(to, *len),
        }
    }
}

impl Sim {
    pub fn new() -> Sim {
        Sim::holding(BTreeMap::new())
    }

    fn holding(files: BTreeMap<String, Arc<Mutex<Contents>>>) -> Sim {
        let state = State {
            files,
            removed: Vec::new(),
            operations: 0,
            of_log: None,
            stop_at: u64::MAX,
            fault: Fault::None,
            dead: false,
        };
        Sim { state: Arc::new(Mutex::new(state)) }
    }

    /// At this operation, counted from now, it loses power or does what `fault` says.
    pub fn arm(&self, after: u64, fault: Fault) {
        let mut state = lock(&self.state);
        state.stop_at = state.operations.saturating_add(after);
        state.fault = fault;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// From now on only operations on the log count.
    pub fn count_log_only(&self) {
        lock(&self.state).of_log = Some(true);
    }

    /// From now on only operations on the catalogue count.
    pub fn count_catalogue_only(&self) {
        lock(&self.state).of_log = Some(false);
    }

    /// Whether the fault that happens once has happened.
    pub fn has_failed(&self) -> bool {
        lock(&self.state).fault == Fault::None
    }

    pub fn is_dead(&self) -> bool {
        lock(&self.state).dead
    }

    /// The power goes: what was going on does nothing any more.
    pub fn die(&self) {
        lock(&self.state).dead = true;
    }

    /// The disk after the power came back.
    pub fn reboot(&self, random: &mut Random) -> Sim {
        self.die();
        let state = lock(&self.state);
        let mut files = BTreeMap::new();
        for (name, contents) in &state.files {
            let contents = lock(contents);
            let name = match &contents.named {
                None if random.chance(50) => continue,
                // a rename that may not have been kept
                Some(old) if random.chance(50) => old.clone(),
                _ => name.clone(),
            };
            let survived = contents.survive(random);
            files.insert(name.clone(), Contents::durable(&name, survived, contents.bad.clone()));
        }
        for (name, contents) in &state.removed {
            if !files.contains_key(name) && random.chance(50) {
                let contents = lock(contents);
                let survived = contents.survive(random);
                files.insert(name.clone(), Contents::durable(name, survived, contents.bad.clone()));
            }
        }
        Sim::holding(files)
    }

    /// The disk for the next process: the last one was killed, but what it wrote is still in the system's memory.
    pub fn restart(&self) -> Sim {
        self.die();
        let copy = |c: &Arc<Mutex<Contents>>| Arc::new(Mutex::new(lock(c).as_cached()));
        let state = lock(&self.state);
        let next = Sim::holding(state.files.iter().map(|(name, c)| (name.clone(), copy(c))).collect());
        lock(&next.state).removed = state.removed.iter().map(|(name, c)| (name.clone(), copy(c))).collect();
        next
    }

    /// Changes bytes of a file behind the store's back.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = lock(&self.state);
        let mut contents = lock(&state.files[name]);
        change(&mut contents.now);
        contents.flushed = contents.now.clone();
    }

    /// From now on the sectors with these octets of a file cannot be read, until they are written again.
    pub fn spoil(&self, name: &str, octets: std::ops::Range<usize>) {
        let state = lock(&self.state);
        lock(&state.files[name]).bad.extend(sectors(octets.start as u64, octets.len()));
    }

    /// Another disk with the same on it.
    pub fn copy(&self) -> Sim {
        let copy = |c: &Arc<Mutex<Contents>>| Arc::new(Mutex::new(lock(c).clone()));
        Sim::holding(lock(&self.state).files.iter().map(|(name, c)| (name.clone(), copy(c))).collect())
    }

    pub fn names(&self) -> Vec<String> {
        lock(&self.state).files.keys().cloned().collect()
    }
}

/// What a disk says of a sector that it cannot read or write.
fn bad_sector() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

/// The sectors that octets are in.
fn sectors(at: u64, len: usize) -> std::ops::Range<u64> {
    at / SECTOR as u64..(at + len as u64).div_ceil(SECTOR as u64)
}

impl Contents {
    fn durable(name: &str, bytes: Vec<u8>, bad: BTreeSet<u64>) -> Arc<Mutex<Contents>> {
        let (named, flushed) = (Some(name.to_owned()), bytes.clone());
        Arc::new(Mutex::new(Contents { named, now: bytes, flushed, pending: Vec::new(), bad }))
    }

    fn write(&mut self, at: u64, bytes: Vec<u8>) {
        write_slice(&mut self.now, at, &bytes);
        for sector in sectors(at, bytes.len()) {
            self.bad.remove(&sector);
        }
        self.pending.push(Pending::Write(at, bytes));
    }

    /// As the next process sees it, with the write that was in flight.
    fn as_cached(&self) -> Contents {
        let mut next = self.clone();
        next.now = self.flushed.clone();
        self.pending.iter().for_each(|p| p.apply(&mut next.now));
        next
    }

    /// What is left of it after a power cut.
    fn survive(&self, random: &mut Random) -> Vec<u8> {
        let mut left = self.flushed.clone();
        let style = random.below(5);
        let upto = random.below(self.pending.len() as u64 + 1) as usize;
        for (n, pending) in self.pending.iter().enumerate() {
            let keep = match style {
                0 => true,
                1 => false,
                2 => n < upto,
                3 => random.chance(50),
                _ => random.chance(80),
            };
            match pending {
                Pending::SetLen(len) if keep => resize(&mut left, *len),
                // the write in flight, or any in the wilder styles, may be torn
                Pending::Write(at, bytes) if keep && style < 3 && n + 1 < upto => write_slice(&mut left, *at, bytes),
                Pending::Write(at, bytes) if keep => {
                    let all = random.chance(50);
                    for (s, sector) in bytes.chunks(SECTOR).enumerate() {
                        if all || random.chance(50) {
                            write_slice(&mut left, at + (s * SECTOR) as u64, sector);
                        }
                    }
                }
                _ => {}
            }
        }
        left
    }
}

/// What becomes of an operation.
enum Verdict {
    Do,
    /// It is in flight when the power goes.
    Last,
    NoSpace(bool),
    FlushFails,
    WriteFails,
}

impl State {
    /// A name is made or changed: if the power goes, or there is no space, it is not. It is no write that can fail.
    fn name(&mut self, name: &str) -> io::Result<()> {
        if self.fault == Fault::WriteFails {
            return Ok(());
        }
        match self.step(false, name.starts_with("log/"))? {
            Verdict::Last => Err(io::Error::other("no power")),
            Verdict::NoSpace(_) => Err(io::ErrorKind::StorageFull.into()),
            Verdict::Do | Verdict::FlushFails | Verdict::WriteFails => Ok(()),
        }
    }

    fn step(&mut self, flush: bool, is_log: bool) -> io::Result<Verdict> {
        if self.dead {
            return Err(io::Error::other("no power"));
        }
        let counts = self.of_log.is_none_or(|log| log == is_log);
        self.operations += u64::from(counts);
        let now = counts && self.operations >= self.stop_at;
        match self.fault {
            Fault::NoSpace if now && !flush => Ok(Verdict::NoSpace(false)),
            Fault::NoSpaceOnce if now && !flush => {
                self.fault = Fault::None;
                self.stop_at = u64::MAX;
                Ok(Verdict::NoSpace(true))
            }
            Fault::FlushFails if now && flush => {
                self.fault = Fault::None;
                self.stop_at = u64::MAX;
                Ok(Verdict::FlushFails)
            }
            Fault::WriteFails if now && !flush => {
                self.fault = Fault::None;
                self.stop_at = u64::MAX;
                Ok(Verdict::WriteFails)
            }
            Fault::NoSpace | Fault::NoSpaceOnce | Fault::FlushFails | Fault::WriteFails => Ok(Verdict::Do),
            _ if now => {
                self.dead = true;
                Ok(Verdict::Last)
            }
            _ => Ok(Verdict::Do),
        }
    }
}

impl Disk for Sim {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.state);
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        let contents = match state.files.get(name) {
            Some(contents) => contents.clone(),
            None if create => {
                state.name(name)?;
                let contents = Arc::<Mutex<Contents>>::default();
                state.files.insert(name.to_owned(), contents.clone());
                contents
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimFile { state: self.state.clone(), contents, is_log: name.starts_with("log/") }))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        if let Some(contents) = state.files.remove(name)
            && let Some(old) = lock(&contents).named.clone()
        {
            state.removed.push((old, contents.clone()));
        }
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        state.name(to)?;
        let contents = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        if let Some(before) = state.files.insert(to.to_owned(), contents)
            && let Some(old) = lock(&before).named.clone()
        {
            state.removed.push((old, before.clone()));
        }
        Ok(())
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        let inside = |name: &String| match folder {
            "." => Some(name.split('/').next()?.to_owned()),
            _ => Some(name.strip_prefix(folder)?.strip_prefix('/')?.to_owned()),
        };
        Ok(state.files.keys().filter_map(inside).collect())
    }
    fn sync_names(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let needs_space = matches!(state.fault, Fault::NoSpace | Fault::NoSpaceOnce);
        match state.step(!needs_space, true)? {
            Verdict::Do if state.fault == Fault::NameFlushLies => Ok(()),
            Verdict::Do => {
                state.files.iter().for_each(|(name, c)| lock(c).named = Some(name.clone()));
                state.removed.clear();
                Ok(())
            }
            Verdict::Last => Err(io::Error::other("no power")),
            Verdict::NoSpace(_) => Err(io::ErrorKind::StorageFull.into()),
            Verdict::WriteFails => Ok(()),
            Verdict::FlushFails => Err(io::Error::other("flush failed")),
        }
    }
    fn free(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    contents: Arc<Mutex<Contents>>,
    is_log: bool,
}

impl SimFile {
    fn change(&self, pending: Pending) -> io::Result<()> {
        let verdict = lock(&self.state).step(false, self.is_log)?;
        let mut contents = lock(&self.contents);
        let pending = match (verdict, pending) {
            (Verdict::NoSpace(false), Pending::SetLen(len)) if len <= contents.now.len() as u64 => Pending::SetLen(len),
            (Verdict::NoSpace(true), Pending::Write(at, mut bytes)) => {
                bytes.truncate(bytes.len() / 2);
                contents.write(at, bytes);
                return Err(io::ErrorKind::StorageFull.into());
            }
            // what is written over needs no space
            (Verdict::NoSpace(false), Pending::Write(at, bytes))
                if at + bytes.len() as u64 <= contents.now.len() as u64 =>
            {
                Pending::Write(at, bytes)
            }
            (Verdict::NoSpace(_), _) => return Err(io::ErrorKind::StorageFull.into()),
            (Verdict::WriteFails, Pending::Write(at, mut bytes)) => {
                bytes.truncate(bytes.len() / 2);
                contents.write(at, bytes);
                return Err(bad_sector());
            }
            (Verdict::WriteFails, _) => return Err(bad_sector()),
            (Verdict::Last, pending) => {
                contents.pending.push(pending);
                return Err(io::Error::other("no power"));
            }
            (_, pending) => pending,
        };
        match pending {
            Pending::Write(at, bytes) => contents.write(at, bytes),
            pending => {
                pending.apply(&mut contents.now);
                contents.pending.push(pending);
            }
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.contents).now.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if lock(&self.state).dead {
            return Err(io::Error::other("no power"));
        }
        let contents = lock(&self.contents);
        if contents.bad.range(sectors(offset, out.len())).next().is_some() {
            return Err(bad_sector());
        }
        read_slice(&contents.now, offset, out)
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(Pending::Write(offset, bytes.to_vec()))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Pending::SetLen(len))
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change(Pending::Write(offset, vec![0; len as usize]))
    }
    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let verdict = state.step(true, self.is_log)?;
        let lies = state.fault == Fault::LogFlushLies && self.is_log;
        drop(state);
        let mut contents = lock(&self.contents);
        match verdict {
            Verdict::Last => Err(io::Error::other("no power")),
            Verdict::FlushFails => {
                contents.pending.clear();
                Err(io::Error::other("flush failed"))
            }
            _ if lies => Ok(()),
            _ => {
                for pending in std::mem::take(&mut contents.pending) {
                    pending.apply(&mut contents.flushed);
                }
                Ok(())
            }
        }
    }
}
