//! Raw storage, as the boot state and the root slots need it: a block device, or memory in tests.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets at places. Nothing is durable before [`Blocks::sync`].
pub trait Blocks {
    /// Octets there are.
    fn size(&self) -> io::Result<u64>;
    /// Fills the buffer from a place.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes at a place.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything written is on the medium.
    fn sync(&self) -> io::Result<()>;
    /// Makes later reads come from the medium where that can be asked for.
    fn forget(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A block device, or a file that stands for one.
#[derive(Debug)]
pub struct Device(File);

impl Device {
    /// Opens one that exists, for reading and writing.
    pub fn open(path: &Path) -> io::Result<Device> {
        OpenOptions::new().read(true).write(true).open(path).map(Device)
    }
}

impl Blocks for Device {
    fn size(&self) -> io::Result<u64> {
        // A device has no length in its metadata, but an end.
        io::Seek::seek(&mut &self.0, io::SeekFrom::End(0))
    }
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn forget(&self) -> io::Result<()> {
        // Clean pages are dropped from the cache, so that a read-back reads what the medium has.
        Ok(rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed)?)
    }
}

/// Storage in memory whose power can be cut: shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// Octets that may still be written before the power fails.
    left: Option<usize>,
    /// Octets written so far.
    written: u64,
}

impl Memory {
    /// Storage of this size, zeroed.
    pub fn new(size: usize) -> Memory {
        Memory(Arc::new(Mutex::new(Contents { bytes: vec![0; size], ..Contents::default() })))
    }
    /// The power fails after this many more octets; `None`: it does not.
    pub fn fail_after(&self, octets: Option<usize>) {
        self.lock().left = octets;
    }
    /// Octets written since the beginning.
    pub fn written(&self) -> u64 {
        self.lock().written
    }
    /// A copy of what is stored.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks for Memory {
    fn size(&self) -> io::Result<u64> {
        Ok(self.lock().bytes.len() as u64)
    }
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let contents = self.lock();
        let from = usize::try_from(at).ok().and_then(|at| contents.bytes.get(at..at.checked_add(buffer.len())?));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.lock();
        let take = contents.left.map_or(bytes.len(), |left| left.min(bytes.len()));
        let at = usize::try_from(at).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = at.checked_add(bytes.len()).filter(|end| *end <= contents.bytes.len());
        end.ok_or(io::ErrorKind::StorageFull)?;
        contents.bytes[at..at + take].copy_from_slice(&bytes[..take]);
        contents.written += take as u64;
        if let Some(left) = &mut contents.left {
            *left -= take;
        }
        if take == bytes.len() { Ok(()) } else { Err(io::Error::other("the power failed")) }
    }
    fn sync(&self) -> io::Result<()> {
        if self.lock().left == Some(0) { Err(io::Error::other("the power failed")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_for_a_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let device = Device::open(file.path()).unwrap();
        assert_eq!(device.size().unwrap(), 8192);
        device.write_at(8000, b"here").unwrap();
        device.sync().unwrap();
        device.forget().unwrap();
        let mut buffer = [0; 4];
        device.read_at(8000, &mut buffer).unwrap();
        assert_eq!(&buffer, b"here");
        assert!(device.read_at(8190, &mut buffer).is_err());
    }

    #[test]
    fn memory_loses_power_in_the_middle_of_a_write() {
        let memory = Memory::new(10);
        memory.fail_after(Some(3));
        assert!(memory.write_at(2, b"abcdef").is_err());
        assert_eq!(memory.contents(), *b"\0\0abc\0\0\0\0\0");
        assert!(memory.sync().is_err());
        memory.fail_after(None);
        assert!(memory.write_at(8, b"abc").is_err() && memory.read_at(8, &mut [0; 3]).is_err());
        assert_eq!(memory.written(), 3);
    }
}
