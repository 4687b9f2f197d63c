//! A message on its way in.

use crate::body::Piece;
use crate::jobs::{Delivery, Job, Reply};
use crate::model::{Appended, Target};
use crate::record::Extent;
use crate::segment::Pins;
use crate::split::{Split, Splitter};
use crate::threads::Header;
use crate::writer::Shared;
use crate::{Store, StoreError, limits};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a message that is not delivered yet. Dropping it leaves nothing behind but dead bytes in the log.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    /// Its number in the log, 0 as long as nothing of its own is there.
    blob: u64,
    extents: Vec<Extent>,
    len: u64,
    splitter: Splitter,
    header: Header,
    /// What is not in the log yet.
    pieces: Vec<Piece>,
    /// What is in the log stays there.
    pins: Vec<Pins>,
    /// It is on its way in.
    counted: Counted,
    void: Option<StoreError>,
}

/// Counts a message as on its way in until it is dropped.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Counted {
        shared.drafts.fetch_add(1, Relaxed);
        Counted(shared.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drafts.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counted")
    }
}

impl Draft {
    pub(crate) fn new(store: Store) -> Draft {
        let tuning = &store.inner.shared.segments.tuning;
        let splitter = Splitter::new(tuning.part, tuning.attachment);
        let counted = Counted::new(&store.inner.shared);
        Draft {
            store,
            blob: 0,
            extents: Vec::new(),
            len: 0,
            splitter,
            header: Header::new(),
            pieces: Vec::new(),
            pins: Vec::new(),
            counted,
            void: None,
        }
    }

    /// Appends bytes; large drafts stream to the log. [`StoreError::TooLarge`], [`StoreError::Full`]: the draft is then void.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(e) = &self.void {
            return Err(e.clone());
        }
        let done = self.append(bytes);
        if let Err(e) = &done {
            self.void = Some(e.clone());
            self.pieces = Vec::new();
        }
        done
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        if self.len > self.store.inner.shared.options.max_message {
            return Err(StoreError::TooLarge);
        }
        self.header.feed(bytes);
        let mut found = Vec::new();
        for bytes in bytes.chunks(limits::PART) {
            self.splitter.feed(bytes, &mut found);
            self.take(&mut found)?;
            self.log_pieces()?;
        }
        Ok(())
    }

    /// Makes pieces of what the splitter found.
    fn take(&mut self, found: &mut Vec<Split>) -> Result<(), StoreError> {
        let codec = &self.store.inner.shared.segments.codec;
        for split in found.drain(..) {
            self.pieces.push(match split {
                Split::Text(text) => codec.text(text)?,
                Split::Attachment(octets, line) => codec.attachment(octets, line)?,
            });
        }
        Ok(())
    }

    /// Hands pieces to the log when they have become much.
    fn log_pieces(&mut self) -> Result<(), StoreError> {
        let waiting: usize = self.pieces.iter().map(|p| p.data.len()).sum();
        if waiting < self.store.inner.shared.segments.tuning.part {
            return Ok(());
        }
        let pieces = std::mem::take(&mut self.pieces);
        let position = self.extents.iter().map(|e| u64::from(e.len)).sum();
        let (blob, extents, pins) = self.store.ask(|reply| Job::Parts { blob: self.blob, position, pieces, reply })?;
        self.blob = blob;
        self.extents.extend(extents);
        self.pins.push(pins);
        Ok(())
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn deliver(self, targets: &[Target]) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
        self.hand_over(targets, Job::Deliver)
    }

    /// Gives the writer what it has not got yet, for a job.
    pub(crate) fn hand_over<T>(
        mut self,
        targets: &[Target],
        job: impl FnOnce(Delivery, Reply<T>) -> Job,
    ) -> Result<T, StoreError> {
        if let Some(e) = self.void {
            return Err(e);
        }
        let mut found = Vec::new();
        self.splitter.finish(&mut found);
        self.take(&mut found)?;
        let Draft { store, blob, extents, len, header, pieces, pins, counted, .. } = self;
        // others need not wait for it any more: it is there
        drop(counted);
        let ids = header.ids(store.inner.shared.segments.store());
        let delivery = Delivery { blob, extents, size: len, pieces, ids, targets: targets.to_vec() };
        let done = store.ask(|reply| job(delivery, reply));
        drop(pins);
        done
    }
}
