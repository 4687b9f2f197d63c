//! What is inside a message, read only as far as it is asked for: its header alone, which is most of what mail programs ask
//! for, or its whole structure.

use crate::limits;
use ::store::{BlobId, Message, Store, StoreError};
use message::{Envelope, Part, header};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// What is known of a message's inside.
#[derive(Debug)]
pub struct Inside {
    blob: BlobId,
    size: u64,
    /// The header, if it was read alone; `Some(None)` if it is too long for that.
    header: Option<Option<Vec<u8>>>,
    structure: Option<Arc<(Envelope, Part)>>,
    /// The structure is needed in any case.
    deep: bool,
}

impl Inside {
    /// Nothing is known yet. `deep`: somebody will ask for the structure, so the header is not worth reading alone.
    pub fn new(message: &Message, deep: bool) -> Inside {
        Inside { blob: message.blob, size: message.size, header: None, structure: None, deep }
    }

    /// The structure will be asked for.
    pub fn deepen(&mut self) {
        self.deep = true;
    }

    /// Envelope and structure.
    pub fn structure(&mut self, store: &Store) -> Result<Arc<(Envelope, Part)>, StoreError> {
        if let Some(structure) = &self.structure {
            return Ok(structure.clone());
        }
        let structure = store.structure(self.blob)?;
        Ok(self.structure.insert(structure).clone())
    }

    /// The Envelope.
    pub fn envelope(&mut self, store: &Store) -> Result<Cow<'_, Envelope>, StoreError> {
        if self.short_header(store)?.is_none() {
            self.structure(store)?;
        }
        match (&self.structure, &self.header) {
            (Some(structure), _) => Ok(Cow::Borrowed(&structure.0)),
            (None, header) => {
                Ok(Cow::Owned(Envelope::parse(header.iter().flatten().next().map_or(b"", Vec::as_slice))))
            }
        }
    }

    /// The whole header, if it can be had without the structure: it is no longer than what is interpreted of one, and
    /// nobody needs the structure.
    pub fn short_header(&mut self, store: &Store) -> Result<Option<&[u8]>, StoreError> {
        if self.header.is_none() {
            self.header = Some(if self.deep { None } else { read_alone(store, self.blob, self.size)? });
        }
        Ok(self.header.as_ref().and_then(Option::as_deref))
    }

    /// These octets of the message, if they are in memory.
    pub fn known(&self, octets: &Range<u64>) -> Option<&[u8]> {
        let header = self.header.as_ref()?.as_ref()?;
        header.get(usize::try_from(octets.start).ok()?..usize::try_from(octets.end).ok()?)
    }

    /// The header, up to what is interpreted of one.
    pub fn header(&mut self, store: &Store) -> Result<Cow<'_, [u8]>, StoreError> {
        if self.short_header(store)?.is_none() {
            let range = self.structure(store)?.1.header.clone();
            let whole = range.end - range.start <= message::limits::HEADER_BYTES as u64;
            let header = read_header(store, self.blob, range)?;
            if !whole {
                return Ok(Cow::Owned(header));
            }
            self.header = Some(Some(header));
        }
        Ok(Cow::Borrowed(self.header.iter().flatten().next().map_or(b"", Vec::as_slice)))
    }
}

/// Reads a message from its beginning until its header has ended; `None` if that is too far.
fn read_alone(store: &Store, blob: BlobId, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len() as u64;
        store.read(blob, start..start + limits::CHUNK, &mut bytes)?;
        let whole = bytes.len() as u64 >= size;
        if !whole && bytes.len() as u64 == start {
            return Err(StoreError::Damaged(blob));
        }
        let length = header::length(&bytes).or(whole.then_some(bytes.len()));
        if let Some(length) = length.filter(|length| *length <= message::limits::HEADER_BYTES) {
            // Kept while the answer goes out: without the body that came with it.
            bytes.truncate(length);
            bytes.shrink_to_fit();
            return Ok(Some(bytes));
        }
        if bytes.len() >= message::limits::HEADER_BYTES {
            return Ok(None);
        }
    }
}

/// A header, up to what is interpreted of one.
pub fn read_header(store: &Store, blob: BlobId, header: Range<u64>) -> Result<Vec<u8>, StoreError> {
    let end = header.end.min(header.start + message::limits::HEADER_BYTES as u64);
    let mut bytes = Vec::new();
    store.read(blob, header.start..end, &mut bytes)?;
    Ok(bytes)
}
