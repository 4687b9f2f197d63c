//! Mailboxes on an append-only log with a redb catalogue (DESIGN: the log is the durable truth, the catalogue is derived).
//!
//! One writer thread writes; readers never wait for it. Every call that changes something returns after it is durable,
//! except flags, which are durable within [`limits::LAZY_FLUSH`].

pub mod disk;
pub mod draft;
pub mod error;
pub mod limits;
pub mod model;

pub use draft::Draft;
pub use error::{OpenError, StoreError};
pub use model::*;

use std::path::Path;
use std::sync::Arc;

/// Called after a commit that changed a watched mailbox. Carries no data, may come early, late or doubled; must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A subscription to a mailbox's changes; ends when dropped.
#[derive(Debug)]
pub struct Watch {}

/// The store. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest message accepted, octets.
    pub max_message: u64,
    /// Free space below which new mail is refused with [`StoreError::Full`], octets.
    pub reserve: u64,
    /// redb's cache, octets.
    pub cache: usize,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Store {
    /// Opens (or makes) the store in a directory of the file system, replaying the log's tail.
    pub fn open(_dir: &Path, _options: Options) -> Result<Store, OpenError> {
        todo!()
    }
    /// A store on a disk in memory, for tests.
    pub fn in_memory() -> Store {
        todo!()
    }
    /// Writes a durable checkpoint and stops the writer. Later calls answer [`StoreError::Stopped`].
    pub fn close(&self) -> Result<()> {
        todo!()
    }

    /// Makes the default mailboxes (INBOX, Drafts, Sent, Archive, Junk, Trash; all subscribed) if the account has none. Cheap if it has.
    pub fn ensure_account(&self, _account: AccountId, _now: i64) -> Result<()> {
        todo!()
    }
    /// Removes an account with all its mail.
    pub fn remove_account(&self, _account: AccountId) -> Result<()> {
        todo!()
    }
    /// All mailboxes of the account, by name.
    pub fn mailboxes(&self, _account: AccountId) -> Result<Vec<Mailbox>> {
        todo!()
    }
    /// The mailbox with this name.
    pub fn mailbox(&self, _account: AccountId, _name: &MailboxName) -> Result<Option<Mailbox>> {
        todo!()
    }
    /// Makes a mailbox, and its missing parents (RFC 9051 §6.3.4). [`StoreError::Exists`], [`StoreError::Limit`].
    pub fn create_mailbox(
        &self,
        _account: AccountId,
        _name: &MailboxName,
        _special_use: Option<SpecialUse>,
        _now: i64,
    ) -> Result<Mailbox> {
        todo!()
    }
    /// Deletes a mailbox and its messages; children stay (RFC 9051 §6.3.5). INBOX: [`StoreError::Inbox`]. Subscription stays.
    pub fn delete_mailbox(&self, _account: AccountId, _name: &MailboxName) -> Result<()> {
        todo!()
    }
    /// Renames a mailbox with its children, keeping UIDs and UIDVALIDITY, making missing parents; renaming INBOX moves
    /// its messages into a new mailbox and leaves INBOX empty (RFC 9051 §6.3.6).
    pub fn rename_mailbox(&self, _account: AccountId, _from: &MailboxName, _to: &MailboxName, _now: i64) -> Result<()> {
        todo!()
    }
    /// Subscribes or unsubscribes a name (it need not exist).
    pub fn set_subscribed(&self, _account: AccountId, _name: &MailboxName, _subscribed: bool) -> Result<()> {
        todo!()
    }
    /// Subscribed names, in order; a name without mailbox is possible.
    pub fn subscriptions(&self, _account: AccountId) -> Result<Vec<MailboxName>> {
        todo!()
    }
    /// Counters of a mailbox.
    pub fn status(&self, _mailbox: MailboxId) -> Result<Status> {
        todo!()
    }

    /// A new message to be filled; its bytes stream to the log as they come.
    pub fn draft(&self) -> Result<Draft> {
        todo!()
    }
    /// Delivers a finished draft to every target (the body is stored once), durable on return. One answer per target, in order.
    pub fn deliver(&self, _draft: Draft, _targets: &[Target]) -> Result<Vec<Result<Appended>>> {
        todo!()
    }
    /// Copies messages (RFC 9051 §6.4.7): flags and internal date kept, no body byte written. All or nothing. UIDs that
    /// are gone are skipped. Answers pairs of source and new UID in ascending order, and the target's UIDVALIDITY.
    pub fn copy(&self, _from: MailboxId, _uids: &[Uid], _to: MailboxId, _now: i64) -> Result<Copied> {
        todo!()
    }
    /// Moves messages atomically (RFC 6851).
    pub fn move_messages(&self, _from: MailboxId, _uids: &[Uid], _to: MailboxId, _now: i64) -> Result<Copied> {
        todo!()
    }
    /// Changes flags. Answers the rows as they are after it (of the messages that still exist, changed or not) and the UIDs
    /// left alone because their MODSEQ is above `unchanged_since` (RFC 7162 §3.1.3). Lazily durable.
    pub fn change_flags(
        &self,
        _mailbox: MailboxId,
        _uids: &[Uid],
        _change: &FlagChange,
        _unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        todo!()
    }
    /// Removes messages for good; answers the UIDs that were removed, ascending.
    pub fn expunge(&self, _mailbox: MailboxId, _which: Expunge<'_>) -> Result<Vec<Uid>> {
        todo!()
    }

    /// Everything a session needs to begin a view of the mailbox, from one moment.
    pub fn snapshot(&self, _mailbox: MailboxId) -> Result<Snapshot> {
        todo!()
    }
    /// Claims the `\Recent` messages (RFC 3501 §2.3.2): the UID from which messages were recent, up to the present UIDNEXT.
    /// No later claim answers the same messages. Held in memory, kept lazily.
    pub fn claim_recent(&self, _mailbox: MailboxId) -> Result<Uid> {
        todo!()
    }
    /// What happened after `since`: new and changed rows (ascending UID), vanished UIDs, the MODSEQ this answer is complete to.
    pub fn changes_since(&self, _mailbox: MailboxId, _since: ModSeq) -> Result<Changes> {
        todo!()
    }
    /// Rows of messages with UIDs in the range, ascending, at most `limit`.
    pub fn messages(
        &self,
        _mailbox: MailboxId,
        _uids: std::ops::RangeInclusive<Uid>,
        _limit: usize,
    ) -> Result<Vec<Message>> {
        todo!()
    }
    /// One row.
    pub fn message(&self, _mailbox: MailboxId, _uid: Uid) -> Result<Option<Message>> {
        todo!()
    }
    /// Appends bytes of a message to `out`: `range` is cut to the message's size. Checks the log's crc. Its own short read.
    pub fn read(&self, _blob: BlobId, _range: std::ops::Range<u64>, _out: &mut Vec<u8>) -> Result<()> {
        todo!()
    }
    /// Envelope and structure of a message, from a bounded cache or by reading it once.
    pub fn structure(&self, _blob: BlobId) -> Result<Arc<(message::Envelope, message::Part)>> {
        todo!()
    }
    /// Tells `waker` of every change to the mailbox from now on. Subscribe first, then read.
    pub fn watch(&self, _mailbox: MailboxId, _waker: Waker) -> Watch {
        todo!()
    }
    /// Counters since the store was made or opened.
    pub fn stats(&self) -> Stats {
        todo!()
    }
    /// Verifies every record's crc and the catalogue against the log; one line per fault found, empty if all is well.
    pub fn check(&self) -> Result<Vec<String>> {
        todo!()
    }
}
