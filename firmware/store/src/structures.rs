//! Envelopes and structures of messages, as many as fit: computed from the log, kept by recent use.

use crate::disk::lock;
use crate::limits;
use crate::model::BlobId;
use message::{Envelope, Part};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What is kept of a message.
pub type Structure = Arc<(Envelope, Part)>;

/// The cache.
#[derive(Default)]
pub struct Structures {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    clock: u64,
    weight: usize,
    by_blob: HashMap<BlobId, (Structure, usize, u64)>,
    by_use: BTreeMap<u64, BlobId>,
}

impl Structures {
    /// What is known of a message.
    pub fn get(&self, blob: BlobId) -> Option<Structure> {
        let mut inner = lock(&self.inner);
        inner.clock += 1;
        let now = inner.clock;
        let (structure, _, used) = inner.by_blob.get_mut(&blob)?;
        let structure = structure.clone();
        let before = std::mem::replace(used, now);
        inner.by_use.remove(&before);
        inner.by_use.insert(now, blob);
        Some(structure)
    }

    /// Keeps it; what was not used for longest goes.
    pub fn put(&self, blob: BlobId, structure: Structure, weight: usize) {
        let mut inner = lock(&self.inner);
        if weight > limits::STRUCTURE_CACHE / 4 || inner.by_blob.contains_key(&blob) {
            return;
        }
        inner.clock += 1;
        let now = inner.clock;
        inner.weight += weight;
        inner.by_blob.insert(blob, (structure, weight, now));
        inner.by_use.insert(now, blob);
        while inner.weight > limits::STRUCTURE_CACHE {
            let Some((_, oldest)) = inner.by_use.pop_first() else { break };
            if let Some((_, weight, _)) = inner.by_blob.remove(&oldest) {
                inner.weight -= weight;
            }
        }
    }
}
