//! Mail out of a bare log: a copied folder of segments, without catalogue and settings, whole or not.

use crate::catalogue::{self, BLOBS, BlobRow, Catalogue, MAILBOXES, NAMES, SHARED};
use crate::disk::{Disk, DiskFile, Memory, ReadOnly};
use crate::model::{AccountId, BlobId, MailboxName, Uid};
use crate::pages::{MESSAGES, rows};
use crate::replay::replay;
use crate::salvage::Parts;
use crate::segment::{self, Segments, VERSION};
use crate::tuning::Tuning;
use crate::{OpenError, StoreError, limits};
use redb::ReadableTable;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mailbox, of account 0, for messages of which a damaged log does not say whose they are.
const RECOVERED: &str = "Recovered";

/// A message found in a bare log.
#[derive(Debug)]
pub struct Rescued {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub mailbox: MailboxName,
    /// Its UID there.
    pub uid: Uid,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// Its octets, or why they cannot be read.
    pub body: Result<Vec<u8>, StoreError>,
}

/// Segments below a folder, read only; anything else in memory.
#[derive(Debug)]
struct Bare {
    /// Where each lies, by the name that it should have.
    segments: BTreeMap<String, PathBuf>,
    memory: Memory,
}

impl Bare {
    /// Segments are known by what they say of themselves: the repair of a file system may have given them other names.
    fn look(dir: &Path) -> io::Result<Bare> {
        let mut bare = Bare { segments: BTreeMap::new(), memory: Memory::new() };
        bare.enter(dir, limits::RESCUE_DEPTH)?;
        Ok(bare)
    }

    fn enter(&mut self, dir: &Path, depth: u32) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && depth > 0 {
                self.enter(&path, depth - 1)?;
            } else if kind.is_file()
                && let Some(number) = segment::recognise(&path)
            {
                // One in the log's own folder counts more than one that was found without a name.
                let name = format!("{number:010}");
                let genuine = path.file_name().is_some_and(|own| own == name.as_str());
                if genuine || !self.segments.contains_key(&name) {
                    self.segments.insert(name, path);
                }
            }
        }
        Ok(())
    }
}

impl Disk for Bare {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        match name.strip_prefix("log/") {
            Some(segment) if !create => {
                let path = self.segments.get(segment).ok_or(io::ErrorKind::NotFound)?;
                Ok(Arc::new(ReadOnly::open(path)?))
            }
            Some(_) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            None => self.memory.open(name, create),
        }
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.memory.remove(name)
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        if folder != "log" {
            return self.memory.list(folder);
        }
        Ok(self.segments.keys().cloned().collect())
    }
    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
    fn free(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

/// Whether there is a segment of a log in or below this folder.
pub fn has_log(dir: &Path) -> bool {
    Bare::look(dir).is_ok_and(|bare| !bare.segments.is_empty())
}

/// Hands every message of the log in or below this folder to `each`, until that fails. The folder is only read. Where the log is damaged,
/// what can be read and is in no mailbox comes last, in `Recovered` of account 0: also what was deleted and is still there.
pub fn rescue(dir: &Path, each: impl FnMut(Rescued) -> io::Result<()>) -> Result<(), OpenError> {
    let bare = Bare::look(dir).map_err(|e| OpenError::Io(dir.to_path_buf(), e))?;
    rescue_from(Arc::new(bare), dir, each)
}

/// The same from any disk without a catalogue; `dir` is what it is called.
pub(crate) fn rescue_from(
    disk: Arc<dyn Disk>,
    dir: &Path,
    each: impl FnMut(Rescued) -> io::Result<()>,
) -> Result<(), OpenError> {
    let io = |e| OpenError::Io(dir.to_path_buf(), e);
    let mut store = None;
    for number in segment::numbers(disk.as_ref()).map_err(io)? {
        if let Some(header) = segment::header(disk.as_ref(), number).map_err(io)? {
            if header.version != VERSION {
                let version = format!("log format {}, this program knows {VERSION}", header.version);
                return Err(OpenError::Version(dir.to_path_buf(), version));
            }
            store = Some(header.store);
        }
    }
    let store = store.ok_or_else(|| io(io::Error::new(io::ErrorKind::NotFound, "no segment of a log is here")))?;
    // nothing is written: what can be read is wanted, however little it is
    let tuning = Tuning { unreadable: usize::MAX, ..Tuning::default() };
    let segments = Arc::new(Segments::new(disk.clone(), store, tuning));
    all(&segments, each).map_err(|e| match e {
        StoreError::Io(e) => OpenError::Io(dir.to_path_buf(), io::Error::other(e)),
        e => io(io::Error::other(e)),
    })
}

fn all(segments: &Arc<Segments>, mut each: impl FnMut(Rescued) -> io::Result<()>) -> Result<(), StoreError> {
    let catalogue = Catalogue::open(segments.disk().clone(), catalogue::FILE, limits::RESCUE_CACHE)?;
    let end = replay(&catalogue, segments)?;
    let parts = if end.damaged { Parts::look(segments)? } else { Parts::default() };
    let view = catalogue.view()?;
    let (names, messages) = (view.open_table(NAMES)?, view.open_table(MESSAGES)?);
    let (mailboxes, blobs, shared) = (view.open_table(MAILBOXES)?, view.open_table(BLOBS)?, view.open_table(SHARED)?);
    let octets = |blob| match catalogue::body(&blobs, &shared, blob) {
        Ok(body) => body_of(segments, &parts, blob, &body),
        // nothing says any more of what it consists
        Err(e) => parts.whole(segments, blob).ok_or(e),
    };
    let mut named = BTreeSet::new();
    for entry in names.iter()? {
        let (name, id) = entry?;
        let id = id.value();
        let account = AccountId(catalogue::mailbox_row(&mailboxes, id)?.account);
        let mailbox = MailboxName::stored(name.value().1.into());
        rows(&messages, id, (0, u32::MAX), |uid, row| {
            let whole = |octets: &Vec<u8>| octets.len() as u64 == row.size;
            let body = octets(BlobId(row.blob)).and_then(|octets| match whole(&octets) {
                true => Ok(octets),
                false => Err(StoreError::Damaged(BlobId(row.blob))),
            });
            if end.damaged && body.is_ok() {
                named.insert(row.blob);
            }
            let uid = Uid::new(uid).ok_or_else(catalogue::damaged)?;
            let (mailbox, internal_date) = (mailbox.clone(), row.internal_date);
            each(Rescued { account, mailbox, uid, internal_date, body })?;
            Ok(true)
        })?;
    }
    if !end.damaged {
        return Ok(());
    }
    // nothing says any more who had these and where, or that they were deleted
    let mut uid = 0;
    let mut give = |octets| {
        uid += 1;
        let mailbox = MailboxName::stored(RECOVERED.into());
        let uid = Uid::new(uid).ok_or_else(catalogue::damaged)?;
        Ok::<_, StoreError>(each(Rescued { account: AccountId(0), mailbox, uid, internal_date: 0, body: Ok(octets) })?)
    };
    for entry in blobs.iter()? {
        let id = entry?.0.value();
        if !named.contains(&id)
            && let Ok(octets) = octets(BlobId(id))
        {
            named.insert(id);
            give(octets)?;
        }
    }
    let known = |id| named.contains(&id) || shared.get(id).is_ok_and(|row| row.is_some());
    let given = parts.unknown(segments, known, |octets| match give(octets) {
        Ok(()) => ControlFlow::Continue(()),
        Err(e) => ControlFlow::Break(e),
    });
    given.break_value().map_or(Ok(()), Err)
}

/// The octets of a message; what is not where the log says is looked for among `parts`.
fn body_of(segments: &Segments, parts: &Parts, blob: BlobId, body: &BlobRow) -> Result<Vec<u8>, StoreError> {
    let (mut octets, mut position) = (Vec::new(), 0);
    for extent in &body.extents {
        let read = segments.read_extent(blob, extent);
        let read = read.or_else(|e| parts.read(segments, blob, position, extent).ok_or(e))?;
        octets.extend_from_slice(&read);
        position += u64::from(extent.len);
    }
    Ok(octets)
}
