//! What can go wrong, and whose fault it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an operation was not done. Nothing of it happened, unless it says `Stopped`: then its outcome is unknown.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// No such mailbox (any more).
    NoSuchMailbox,
    /// No such message (any more), in a mailbox or in the queue.
    NoSuchMessage,
    /// A mailbox of that name exists.
    Exists,
    /// INBOX cannot be deleted or be the target of RENAME.
    Inbox,
    /// A name or number is over a limit, which the text names.
    Limit(&'static str),
    /// The message is over the size limit.
    TooLarge,
    /// The account may not hold more (RFC 9208).
    OverQuota,
    /// No space for new mail; reading and deleting go on.
    Full,
    /// A record does not match its checksum: the message is damaged.
    Damaged(crate::BlobId),
    /// A flush failed or the store was closed: nothing is accepted until a restart.
    Stopped,
    /// The disk said no.
    Io(Arc<std::io::Error>),
}

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    InUse(PathBuf),
    /// It was written by a version this one does not know, named in the text.
    Version(PathBuf, String),
    /// The disk said no.
    Io(PathBuf, std::io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NoSuchMailbox => f.write_str("no such mailbox"),
            StoreError::NoSuchMessage => f.write_str("no such message"),
            StoreError::Exists => f.write_str("the mailbox exists already"),
            StoreError::Inbox => f.write_str("not possible with INBOX"),
            StoreError::Limit(what) => write!(f, "over the limit: {what}"),
            StoreError::TooLarge => f.write_str("the message is too large"),
            StoreError::OverQuota => f.write_str("the account is full"),
            StoreError::Full => f.write_str("the disk is full"),
            StoreError::Damaged(blob) => write!(f, "message {} is damaged on the disk", blob.0),
            StoreError::Stopped => f.write_str("the store has stopped"),
            StoreError::Io(e) => write!(f, "disk error: {e}"),
        }
    }
}
impl std::error::Error for StoreError {}

impl From<std::io::Error> for StoreError {
    fn from(e: std::io::Error) -> StoreError {
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Io(Arc::new(e)),
        }
    }
}

/// redb's errors are the disk's, or say that the catalogue is damaged.
fn catalogue(e: redb::Error) -> StoreError {
    match e {
        redb::Error::Io(e) => e.into(),
        e @ (redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::TableTypeMismatch { .. }) => {
            StoreError::Io(Arc::new(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))
        }
        other => StoreError::Io(Arc::new(std::io::Error::other(other))),
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(e: $error) -> StoreError {
                catalogue(e.into())
            }
        }
    )*};
}
from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse(p) => write!(f, "{}: in use by another process", p.display()),
            OpenError::Version(p, v) => write!(f, "{}: written by another version ({v})", p.display()),
            OpenError::Io(p, e) => write!(f, "{}: {e}", p.display()),
        }
    }
}
impl std::error::Error for OpenError {}
