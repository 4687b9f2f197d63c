//! A message on its way in.

use crate::jobs::{Delivery, Job};
use crate::model::{Appended, Target};
use crate::record::Extent;
use crate::{Store, StoreError};

/// Bytes of a message that is not delivered yet. Dropping it leaves nothing behind but dead bytes in the log.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    /// Its number in the log, 0 as long as nothing of it is there.
    blob: u64,
    extents: Vec<Extent>,
    len: u64,
    /// What is not in the log yet.
    rest: Vec<u8>,
    void: Option<StoreError>,
}

impl Draft {
    pub(crate) fn new(store: Store) -> Draft {
        Draft { store, blob: 0, extents: Vec::new(), len: 0, rest: Vec::new(), void: None }
    }

    /// Appends bytes; large drafts stream to the log. [`StoreError::TooLarge`], [`StoreError::Full`]: the draft is then void.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(e) = &self.void {
            return Err(e.clone());
        }
        let done = self.append(bytes);
        if let Err(e) = &done {
            self.void = Some(e.clone());
            self.rest = Vec::new();
        }
        done
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        if self.len > self.store.inner.shared.options.max_message {
            return Err(StoreError::TooLarge);
        }
        let part = self.store.inner.shared.segments.tuning.part;
        while !bytes.is_empty() {
            if self.rest.len() == part {
                self.log_rest()?;
            }
            let take = bytes.len().min(part - self.rest.len());
            self.rest.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
        }
        Ok(())
    }

    /// Hands a full buffer to the log.
    fn log_rest(&mut self) -> Result<(), StoreError> {
        let bytes = std::mem::take(&mut self.rest);
        let position = self.extents.iter().map(|e| u64::from(e.len)).sum();
        let (blob, extent) = self.store.ask(|reply| Job::Part(self.blob, position, bytes, reply))?;
        self.blob = blob;
        self.extents.push(extent);
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
        if let Some(e) = self.void {
            return Err(e);
        }
        let Draft { store, blob, extents, len, rest, .. } = self;
        let delivery = Delivery { blob, extents, size: len, rest, targets: targets.to_vec() };
        store.ask(|reply| Job::Deliver(delivery, reply))
    }
}
