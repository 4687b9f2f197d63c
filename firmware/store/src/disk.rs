//! The one seam at the very bottom: what the store asks of a disk. Real files, memory, and (in tests) a disk that loses power.

use crate::{OpenError, limits};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A directory of files, some in its folder `log`. Names are relative: `FORMAT`, `log/0000000001`.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file; makes it if asked to. A new file's name is durable only after [`Disk::sync_names`].
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in place of one that had it; durable only after [`Disk::sync_names`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Names of the files in a folder, without the folder, in order.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes the names of new files durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Octets free for new files.
    fn free(&self) -> io::Result<u64>;
    /// Octets of the whole file system; 0 if that is not known.
    fn size(&self) -> u64 {
        0
    }
    /// Gives up the lock that keeps other processes away.
    fn release(&self) {}
}

/// A file read and written at positions, by several threads.
pub trait DiskFile: Debug + Send + Sync {
    /// Length.
    fn len(&self) -> io::Result<u64>;
    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills the buffer; [`io::ErrorKind::UnexpectedEof`] if the file is too short.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// The same, of a place after which nothing is wanted: the system need not read on.
    fn read_alone(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(offset, out)
    }
    /// Writes all of it, making the file longer if need be.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Gives the space of a stretch back, which reads as zeros then; where that is not possible, nothing happens.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Whether reads go to and fro from now on, so that the system had better not read on after each of them. A hint.
    fn scattered(&self, _yes: bool) {}
    /// From now on reads see what the disk has. After a failed flush the system may still show what never got there.
    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A directory of the file system, locked against other processes.
#[derive(Debug)]
pub struct Directory {
    dir: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Directory {
    /// Makes the directory if need be and locks it.
    pub fn open(dir: &Path) -> Result<Directory, OpenError> {
        let io = |e| OpenError::Io(dir.to_path_buf(), e);
        std::fs::create_dir_all(dir.join("log")).map_err(io)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("LOCK")).map_err(io)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Directory { dir: dir.to_path_buf(), lock: Mutex::new(Some(lock)) }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(dir.to_path_buf())),
            Err(e) => Err(io(e.into())),
        }
    }
}

impl Disk for Directory {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file =
            OpenOptions::new().read(true).write(true).create(create).truncate(false).open(self.dir.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.dir.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.dir.join(folder))? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(self.dir.join("log"))?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn size(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |stat| stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    fn release(&self) {
        *lock(&self.lock) = None;
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
    fn read_alone(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::Random)?;
        let done = self.read(offset, out);
        rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::Normal)?;
        done
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.0, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
            Err(e) if e != Errno::OPNOTSUPP && e != Errno::NOSYS => Err(e.into()),
            _ => Ok(()),
        }
    }
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.0)?)
    }
    fn scattered(&self, yes: bool) {
        use rustix::fs::Advice;
        let _ = rustix::fs::fadvise(&self.0, 0, None, if yes { Advice::Random } else { Advice::Normal });
    }
    fn forget_cached(&self) -> io::Result<()> {
        // what still waits to be written stays, and is flushed before it is built upon
        Ok(rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed)?)
    }
}

/// A file that is only read.
#[derive(Debug)]
pub(crate) struct ReadOnly(RealFile);

impl ReadOnly {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> io::Result<ReadOnly> {
        Ok(ReadOnly(RealFile(File::open(path)?)))
    }
}

impl DiskFile for ReadOnly {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn punch(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Memory {
        Memory::default()
    }
}

impl Disk for Memory {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = lock(&self.files);
        match files.get(name) {
            Some(file) => Ok(file.clone()),
            None if create => {
                let file = Arc::new(MemoryFile::default());
                files.insert(name.to_owned(), file.clone());
                Ok(file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name);
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let inside = |name: &String| Some(name.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        Ok(lock(&self.files).keys().filter_map(inside).collect())
    }
    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
    fn free(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

#[derive(Debug, Default)]
struct MemoryFile(RwLock<Vec<u8>>);

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_slice(&self.0.read().unwrap_or_else(PoisonError::into_inner), offset, out)
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_slice(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), offset, bytes);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        resize(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), len);
        Ok(())
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.write(offset, &vec![0; len as usize])
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the disk does not give back what is in one place: a sector that cannot be read any more, or that the file system finds damaged.
pub(crate) fn is_unreadable(e: &io::Error) -> bool {
    use rustix::io::Errno;
    let bad = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::ILSEQ, Errno::NODATA, Errno::REMOTEIO];
    Errno::from_io_error(e).is_some_and(|errno| bad.contains(&errno))
}

/// Fills the buffer, block by block if that is not possible at once. Answers the numbers of the file's blocks that cannot be read; in
/// the buffer they are zeros.
pub(crate) fn read_around(file: &dyn DiskFile, offset: u64, out: &mut [u8]) -> io::Result<Vec<u64>> {
    match file.read(offset, out) {
        Err(e) if is_unreadable(&e) => {}
        other => return other.map(|()| Vec::new()),
    }
    let block = u64::from(limits::BLOCK);
    let (mut lost, mut at, mut rest) = (Vec::new(), offset, out);
    while !rest.is_empty() {
        let len = (block - at % block).min(rest.len() as u64);
        let (piece, after) = rest.split_at_mut(len as usize);
        match file.read(at, piece) {
            Err(e) if is_unreadable(&e) => {
                piece.fill(0);
                lost.push(at / block);
            }
            other => other?,
        }
        (at, rest) = (at + len, after);
    }
    Ok(lost)
}

/// Reads from a file's contents in memory.
pub(crate) fn read_slice(contents: &[u8], offset: u64, out: &mut [u8]) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
    out.copy_from_slice(contents.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}

/// Cuts or extends a file's contents in memory.
pub(crate) fn resize(contents: &mut Vec<u8>, len: u64) {
    let len = len as usize;
    contents.truncate(len);
    // copies zeros at once: without optimisation, Vec::resize goes octet by octet
    contents.extend_from_slice(&vec![0; len - contents.len()]);
}

/// Writes to a file's contents in memory.
pub(crate) fn write_slice(contents: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if contents.len() < end {
        resize(contents, end as u64);
    }
    contents[start..end].copy_from_slice(bytes);
}

/// Locks; a thread that panicked while it held the lock does not matter: every value behind our locks is whole at all times.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
