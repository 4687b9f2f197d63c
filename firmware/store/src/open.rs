//! Opening a store: its format, its log's end, its catalogue, its writer.

use crate::catalogue::{Catalogue, FILE};
use crate::disk::{Disk, read_around};
use crate::log::{Log, LogCounters};
use crate::notify::{Floors, Recent, Watchers};
use crate::replay::replay;
use crate::segment::{self, Segments, VERSION};
use crate::structures::Structures;
use crate::tuning::Tuning;
use crate::writer::{Shared, Writer};
use crate::{Inner, OpenError, Options, Store, StoreError, limits};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

const FORMAT: &str = "FORMAT";

/// Why a store on some disk cannot be opened.
#[derive(Debug)]
pub enum Fault {
    /// Written by another version.
    Version(String),
    /// The disk said no.
    Io(io::Error),
}

impl Fault {
    /// With the directory.
    pub fn at(self, dir: &Path) -> OpenError {
        match self {
            Fault::Version(v) => OpenError::Version(dir.to_path_buf(), v),
            Fault::Io(e) => OpenError::Io(dir.to_path_buf(), e),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Fault {
        Fault::Io(e)
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Fault {
        Fault::Io(match e {
            StoreError::Full => io::ErrorKind::StorageFull.into(),
            e => io::Error::other(e),
        })
    }
}

/// Opens or makes a store on a disk.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Store, Fault> {
    open_tuned(disk, options, Tuning::default())
}

/// The same with other sizes.
pub fn open_tuned(disk: Arc<dyn Disk>, options: Options, tuning: Tuning) -> Result<Store, Fault> {
    let store = format(disk.as_ref())?;
    let segments = Arc::new(Segments::new(disk.clone(), store, tuning));
    let catalogue = Catalogue::open(disk.clone(), FILE, options.cache)?;
    let end = replay(&catalogue, &segments)?;
    segments.go_on_with_newest_dictionary()?;
    let counters = Arc::new(LogCounters::default());
    let mut log = Log::open(segments.clone(), counters.clone(), (end.position, end.lsn), end.snapshot)?;
    log.skip_to_newest()?;
    // the catalogue's name, and those of segments made just before a crash
    disk.sync_names()?;
    let progress = catalogue.progress(store)?;
    let (before, space) = (progress.lifetime, (progress.live, progress.dead));
    let shared = Arc::new(Shared {
        options,
        segments,
        catalogue,
        catching_up: Default::default(),
        watchers: Arc::new(Watchers::default()),
        recent: Recent::default(),
        floors: Floors::default(),
        structures: Structures::default(),
        drafts: Default::default(),
        modseq_floor: (end.lsn >> 32) << 28,
        before,
        opened: Instant::now(),
        deliveries: Default::default(),
        received: Default::default(),
        checkpoints: Default::default(),
        reclaims: Default::default(),
        log: counters,
        snapshot_wanted: end.snapshot_damaged.into(),
        closed: Default::default(),
        failed: Default::default(),
    });
    let (sender, jobs) = mpsc::sync_channel(limits::QUEUE);
    let writer = Writer::new(shared.clone(), log, end.records, space);
    let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&jobs))?;
    let inner = Inner { shared, sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) };
    Ok(Store { inner: Arc::new(inner) })
}

/// The store's number; writes the FORMAT file of a new store.
fn format(disk: &dyn Disk) -> Result<u64, Fault> {
    let file = disk.open(FORMAT, true)?;
    let mut text = vec![0; file.len()?.min(256) as usize];
    read_around(file.as_ref(), 0, &mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let newest = segment::numbers(disk)?.last().copied();
    let header = match newest {
        Some(segment) => segment::header(disk, segment)?,
        None => None,
    };
    let said = parse(&text);
    let version = said.map(|(v, _)| v).into_iter().chain(header.map(|h| h.version)).max();
    if let Some(version) = version.filter(|v| *v != VERSION) {
        return Err(Fault::Version(format!("store format {version}, this program knows {VERSION}")));
    }
    if let Some((_, Some(store))) = said {
        return Ok(store);
    }
    let store = match (newest, header) {
        (Some(_), Some(header)) => header.store,
        (Some(_), None) => surviving_header(disk)?
            .ok_or_else(|| Fault::Version("FORMAT and the log's headers are not those of a store".into()))?,
        (None, _) => RandomState::new().hash_one(0).max(1),
    };
    let text = format!("roost store {VERSION}\nnumber {store:016x}\n");
    file.set_len(0)?;
    file.write(0, text.as_bytes())?;
    file.sync()?;
    disk.sync_names()?;
    Ok(store)
}

/// Version and store number of a FORMAT file, as far as it is whole.
fn parse(text: &str) -> Option<(u32, Option<u64>)> {
    let (first, rest) = text.strip_prefix("roost store ")?.split_once('\n')?;
    let store = rest.strip_prefix("number ").and_then(|n| n.strip_suffix('\n')).filter(|n| n.len() == 16);
    Some((first.parse().ok()?, store.and_then(|n| u64::from_str_radix(n, 16).ok())))
}

fn surviving_header(disk: &dyn Disk) -> Result<Option<u64>, Fault> {
    for segment in segment::numbers(disk)? {
        if let Some(header) = segment::header(disk, segment)? {
            return Ok(Some(header.store));
        }
    }
    Ok(None)
}
