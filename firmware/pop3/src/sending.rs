//! Replies that may be longer than the reply buffer: messages and listings, sent in pieces.

use crate::codec::{Body, Part};
use crate::maildrop::{Item, Maildrop};
use crate::refusal::Refusal;
use conversation::HIGH_WATER;
use std::io::Write;
use store::{BlobId, Store, StoreError};

/// A reply that is being sent.
pub(crate) enum Sending {
    /// LIST or UIDL of all messages.
    Listing { column: Column, next: usize },
    /// RETR or TOP.
    Message { blob: BlobId, next: u64, size: u64, body: Body },
}

/// What a listing says of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Size,
    UniqueId,
}

impl Column {
    /// The line about one message, without its end.
    pub(crate) fn line(self, maildrop: &Maildrop, item: Item) -> String {
        match self {
            Column::Size => format!("{} {}", item.number, item.size),
            Column::UniqueId => format!("{} {}", item.number, maildrop.unique_id(item)),
        }
    }
}

impl Sending {
    /// Begins to send a message. Its first piece is read before the reply says `+OK`, so that a damaged one is refused.
    pub(crate) fn message(
        store: &Store,
        maildrop: &Maildrop,
        item: Item,
        part: Part,
        out: &mut Vec<u8>,
    ) -> Result<Sending, Refusal> {
        let row = store.message(maildrop.mailbox, item.uid)?.ok_or(Refusal::Gone)?;
        let mut first = Vec::new();
        store.read_some(row.blob, 0..row.size, &mut first)?;
        match part {
            Part::Whole => out.extend_from_slice(format!("+OK {} octets\r\n", row.size).as_bytes()),
            Part::Header { .. } | Part::Lines(_) => out.extend_from_slice(b"+OK top of message follows\r\n"),
        }
        let mut body = Body::new(part);
        body.encode(&first, out);
        Ok(Sending::Message { blob: row.blob, next: first.len() as u64, size: row.size, body })
    }

    /// Appends to the reply buffer until it is full; `true`: all is sent.
    pub(crate) fn go_on(&mut self, store: &Store, maildrop: &Maildrop, out: &mut Vec<u8>) -> Result<bool, StoreError> {
        match self {
            Sending::Listing { column, next } => Ok(list(maildrop, *column, next, out)),
            Sending::Message { blob, next, size, body } => {
                let mut piece = Vec::new();
                while *next < *size && !body.is_complete() {
                    if out.len() >= HIGH_WATER {
                        return Ok(false);
                    }
                    piece.clear();
                    store.read_some(*blob, *next..*size, &mut piece)?;
                    if piece.is_empty() {
                        return Err(StoreError::Damaged(*blob));
                    }
                    body.encode(&piece, out);
                    *next += piece.len() as u64;
                }
                body.finish(out);
                Ok(true)
            }
        }
    }
}

fn list(maildrop: &Maildrop, column: Column, next: &mut usize, out: &mut Vec<u8>) -> bool {
    for item in maildrop.items(*next) {
        if out.len() >= HIGH_WATER {
            return false;
        }
        *next = item.number + 1;
        // Writing to memory cannot fail.
        let _ = write!(out, "{}\r\n", column.line(maildrop, item));
    }
    out.extend_from_slice(b".\r\n");
    true
}
