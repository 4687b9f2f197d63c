//! A message on its way in.

use crate::StoreError;

/// Bytes of a message that is not delivered yet. Dropping it leaves nothing behind but dead bytes in the log.
#[derive(Debug)]
pub struct Draft {}

impl Draft {
    /// Appends bytes; large drafts stream to the log. [`StoreError::TooLarge`], [`StoreError::Full`]: the draft is then void.
    pub fn write(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        todo!()
    }
    /// Octets so far.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
