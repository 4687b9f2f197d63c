//! redb's storage on our disk. What a full disk does not take waits in memory until it can be made durable, so that readers are shown all that the
//! log has also when the catalogue cannot grow.

use crate::disk::{DiskFile, is_unreadable, lock};
use crate::limits;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

const BLOCK: u64 = limits::BLOCK as u64;

/// One opening of the catalogue's file.
#[derive(Debug)]
pub struct Backend {
    file: Arc<dyn DiskFile>,
    /// Cleared when a database is given up: what it still holds in memory must not reach the file, which is no longer what it was.
    alive: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    failed: Arc<Failed>,
    waiting: Mutex<Waiting>,
}

/// What failed since the file was last made anew.
#[derive(Debug, Default)]
pub struct Failed {
    /// Making something durable.
    pub sync: AtomicBool,
    /// Reading a place that the disk does not give back.
    pub read: AtomicBool,
}

/// What the disk had no space for.
#[derive(Debug, Default)]
struct Waiting {
    /// The length that the file should have, if it could not be made longer.
    len: Option<u64>,
    /// Whole blocks by their numbers.
    blocks: BTreeMap<u64, Box<[u8]>>,
}

fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The blocks that `len` octets from `offset` touch: number, start within the block, start within the octets, count.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK) as usize;
        let count = (BLOCK as usize - within).min(len - done);
        let piece = (count > 0).then_some((at / BLOCK, within, done, count));
        done += count;
        piece
    })
}

impl Backend {
    /// On a file; `alive` is cleared when nothing more may reach it.
    pub fn new(
        file: Arc<dyn DiskFile>,
        alive: Arc<AtomicBool>,
        written: Arc<AtomicU64>,
        failed: Arc<Failed>,
    ) -> Backend {
        Backend { file, alive, written, failed, waiting: Mutex::default() }
    }

    fn read_disk(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.file.read(offset, out);
        if read.as_ref().is_err_and(is_unreadable) {
            self.failed.read.store(true, Relaxed);
        }
        read
    }

    fn alive(&self) -> io::Result<()> {
        if self.alive.load(Relaxed) { Ok(()) } else { Err(io::Error::other("given up")) }
    }

    /// What the file has at a place; zeros beyond its end.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = self.file.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
        let (out, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if out.is_empty() { Ok(()) } else { self.read_disk(offset, out) }
    }

    /// Keeps octets in memory; `full` is answered if they are too many.
    fn keep(&self, waiting: &mut Waiting, offset: u64, data: &[u8], full: io::Error) -> io::Result<()> {
        if waiting.blocks.len() as u64 * BLOCK + data.len() as u64 > limits::CATALOGUE_WAITING {
            return Err(full);
        }
        for (number, within, from, count) in blocks(offset, data.len()) {
            let mut block = match waiting.blocks.remove(&number) {
                Some(block) => block,
                None => {
                    let mut block = vec![0; BLOCK as usize].into_boxed_slice();
                    self.read_file(number * BLOCK, &mut block)?;
                    block
                }
            };
            block[within..within + count].copy_from_slice(&data[from..from + count]);
            waiting.blocks.insert(number, block);
        }
        Ok(())
    }

    /// Gives the disk what it had no space for.
    fn drain(&self) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        if let Some(len) = waiting.len {
            self.file.set_len(len)?;
            waiting.len = None;
        }
        let len = self.file.len()?;
        while let Some(entry) = waiting.blocks.first_entry() {
            let start = entry.key() * BLOCK;
            let count = len.saturating_sub(start).min(BLOCK) as usize;
            self.file.write(start, &entry.get()[..count])?;
            entry.remove();
        }
        Ok(())
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        let waiting = lock(&self.waiting);
        waiting.len.map_or_else(|| self.file.len(), Ok)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        // who still looks at what was given up would take the pages of the next database for its own
        self.alive()?;
        let waiting = lock(&self.waiting);
        if waiting.len.is_none() && waiting.blocks.is_empty() {
            drop(waiting);
            return self.read_disk(offset, out);
        }
        self.read_file(offset, out)?;
        for (number, within, from, count) in blocks(offset, out.len()) {
            if let Some(block) = waiting.blocks.get(&number) {
                out[from..from + count].copy_from_slice(&block[within..within + count]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alive()?;
        let mut waiting = lock(&self.waiting);
        waiting.len = match self.file.set_len(len) {
            Err(e) if is_full(&e) => Some(len),
            other => other.map(|()| None)?,
        };
        waiting.blocks.split_off(&len.div_ceil(BLOCK));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.alive()?;
        self.drain()?;
        self.file.sync().inspect_err(|_| self.failed.sync.store(true, Relaxed))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.alive()?;
        self.written.fetch_add(data.len() as u64, Relaxed);
        let mut waiting = lock(&self.waiting);
        let beyond = waiting.len.is_some() && offset + data.len() as u64 > self.file.len()?;
        // a file that could not be made longer would become so by the write, block by block
        let outcome = if beyond { Err(io::ErrorKind::StorageFull.into()) } else { self.file.write(offset, data) };
        match outcome {
            Err(e) if is_full(&e) => self.keep(&mut waiting, offset, data, e),
            Ok(()) if blocks(offset, data.len()).any(|(n, ..)| waiting.blocks.contains_key(&n)) => {
                // the newer octets belong into what waits too
                self.keep(&mut waiting, offset, data, io::ErrorKind::StorageFull.into())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{read_slice, resize, write_slice};
    use proptest::prelude::*;
    use redb::StorageBackend as _;

    /// A file of which no more than so many octets find space.
    #[derive(Debug, Default)]
    struct Small {
        content: Mutex<Vec<u8>>,
        space: AtomicU64,
    }

    impl Small {
        fn fits(&self, end: u64) -> io::Result<()> {
            let grows = end > lock(&self.content).len() as u64;
            if grows && end > self.space.load(Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl DiskFile for Small {
        fn len(&self) -> io::Result<u64> {
            Ok(lock(&self.content).len() as u64)
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            read_slice(&lock(&self.content), offset, out)
        }
        fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.fits(offset + bytes.len() as u64)?;
            write_slice(&mut lock(&self.content), offset, bytes);
            Ok(())
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.fits(len)?;
            resize(&mut lock(&self.content), len);
            Ok(())
        }
        fn punch(&self, _: u64, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Len(u64),
        Write(u64, Vec<u8>),
        Space(u64),
        Sync,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        const MOST: u64 = 40_000;
        prop_oneof![
            // whole pages, as redb has them
            (0..MOST / BLOCK).prop_map(|blocks| Step::Len(blocks * BLOCK)),
            (0..MOST, prop::collection::vec(any::<u8>(), 1..9_000)).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            (0..2 * MOST).prop_map(Step::Space),
            Just(Step::Sync),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_whether_there_is_space_or_not(steps in prop::collection::vec(any_step(), 1..40)) {
            let file = Arc::new(Small::default());
            let backend = Backend::new(file.clone(), Arc::new(true.into()), Arc::default(), Arc::default());
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Len(len) => {
                        backend.set_len(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Write(at, bytes) => {
                        // redb writes within the file's length only
                        let at = at.min(model.len() as u64) as usize;
                        let bytes = &bytes[..bytes.len().min(model.len() - at)];
                        backend.write(at as u64, bytes).unwrap();
                        model[at..at + bytes.len()].copy_from_slice(bytes);
                    }
                    Step::Space(octets) => file.space.store(octets, Relaxed),
                    Step::Sync => {
                        let enough = file.space.load(Relaxed) >= model.len() as u64;
                        let synced = backend.sync_data();
                        prop_assert!(synced.is_ok() || !enough);
                        if synced.is_ok() {
                            prop_assert!(*lock(&file.content) == model);
                        }
                    }
                }
                prop_assert_eq!(backend.len().unwrap(), model.len() as u64);
                let mut all = vec![1; model.len()];
                backend.read(0, &mut all).unwrap();
                prop_assert!(all == model);
            }
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let file = Arc::new(Small::default());
        let backend = Backend::new(file, Arc::new(true.into()), Arc::default(), Arc::default());
        backend.set_len(1 << 30).unwrap();
        let block = [7; BLOCK as usize];
        let most = limits::CATALOGUE_WAITING / BLOCK;
        (0..most).for_each(|n| backend.write(n * BLOCK, &block).unwrap());
        assert_eq!(backend.write(most * BLOCK, &block).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
