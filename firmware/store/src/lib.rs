//! Mailboxes on an append-only log with a redb catalogue (DESIGN: the log is the durable truth, the catalogue is derived).
//!
//! One writer thread writes; readers never wait for it. Every call that changes something returns after it is durable,
//! except flags, which are durable within [`limits::LAZY_FLUSH`].

pub mod disk;
pub mod draft;
pub mod error;
pub mod limits;
pub mod model;

mod access;
mod apply;
mod backend;
mod body;
mod catalogue;
mod check;
mod dictionary;
mod jobs;
mod learn;
mod log;
mod notify;
mod open;
mod pages;
mod perform;
mod plan;
mod pool;
mod queue;
mod quota;
mod reader;
mod reclaim;
mod record;
mod replay;
mod rescue;
mod salvage;
mod scan;
mod seen;
mod segment;
mod snapshot;
mod split;
mod structures;
#[cfg(test)]
mod tests;
mod threads;
mod tuning;
mod vanished;
mod writer;

pub use access::{EntryName, Rights};
pub use catalogue::note_panic;
pub use draft::Draft;
pub use error::{OpenError, StoreError};
pub use model::*;
pub use notify::Watch;
pub use queue::{Attempt, Envelope, QueueId, Queued, Recipient, RecipientState};
pub use quota::{Quota, QuotaLimits};
pub use rescue::{Rescued, has_log, rescue};
pub use threads::ThreadId;

use jobs::{Decision, Job, Reply};
use plan::Which;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The version of the format in which this program writes the store; a store of another version it does not open.
pub const FORMAT: u32 = segment::VERSION;

/// Called after a commit that changed a watched mailbox. Carries no data, may come early, late or doubled; must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The store. Cloning shares it. When the last clone goes, it is closed.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<writer::Shared>,
    sender: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Inner {
    /// Lets the writer finish and waits for it.
    fn finish(&self) {
        drop(disk::lock(&self.sender).take());
        let thread = disk::lock(&self.thread).take();
        // a waker may have held the last clone: the writer cannot wait for itself
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.finish();
    }
}

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

impl Default for Options {
    fn default() -> Options {
        Options { max_message: 50 << 20, reserve: 64 << 20, cache: 8 << 20 }
    }
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

fn sorted(uids: &[Uid]) -> Vec<u32> {
    let mut uids: Vec<u32> = uids.iter().map(|u| u.get()).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

impl Store {
    /// Opens (or makes) the store in a directory of the file system, replaying the log's tail.
    pub fn open(dir: &Path, options: Options) -> Result<Store, OpenError> {
        let disk = Arc::new(disk::Directory::open(dir)?);
        open::open(disk, options).map_err(|fault| fault.at(dir))
    }
    /// Opens (or makes) the store on a disk.
    pub fn on_disk(disk: Arc<dyn disk::Disk>, options: Options) -> Result<Store, OpenError> {
        open::open(disk, options).map_err(|fault| fault.at(Path::new("")))
    }
    /// A store on a disk in memory, for tests.
    pub fn in_memory() -> Store {
        let store = Store::on_disk(Arc::new(disk::Memory::new()), Options::default());
        #[allow(clippy::panic)] // reason: nothing from outside takes part, and its users are tests
        store.unwrap_or_else(|e| panic!("a store in memory: {e}"))
    }
    /// Writes a durable checkpoint and stops the writer. Later calls answer [`StoreError::Stopped`].
    pub fn close(&self) -> Result<()> {
        let done = self.ask(Job::Close);
        self.inner.finish();
        done
    }

    /// Hands the writer a job and waits for its answer.
    pub(crate) fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let sender = disk::lock(&self.inner.sender).clone().ok_or(StoreError::Stopped)?;
        let (reply, answer) = sync_channel(1);
        sender.send(job(reply)).map_err(|_| StoreError::Stopped)?;
        drop(sender);
        answer.recv().map_err(|_| StoreError::Stopped)?
    }

    /// Has the writer decide on an event, log it and apply it; answers what was decided. Durable on return.
    pub(crate) fn change<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&catalogue::Tables<'_>) -> Result<(Decision, T)> + Send + 'static,
    ) -> Result<T> {
        self.plan(plan, true)
    }

    /// The same, durable within [`limits::LAZY_FLUSH`].
    pub(crate) fn change_lazily<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&catalogue::Tables<'_>) -> Result<(Decision, T)> + Send + 'static,
    ) -> Result<T> {
        self.plan(plan, false)
    }

    fn plan<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&catalogue::Tables<'_>) -> Result<(Decision, T)> + Send + 'static,
        urgent: bool,
    ) -> Result<T> {
        let (tell, told) = sync_channel(1);
        let plan = move |t: &catalogue::Tables<'_>| {
            let (event, answer) = plan(t)?;
            // a caller that has gone does not care
            let _ = tell.send(answer);
            Ok(event)
        };
        self.ask(|reply| Job::Change { plan: Box::new(plan), urgent, reply })?;
        told.recv().map_err(|_| StoreError::Stopped)
    }

    /// Makes the default mailboxes (INBOX, Drafts, Sent, Archive, Junk, Trash; all subscribed) if the account has none. Cheap if it has.
    pub fn ensure_account(&self, account: AccountId, now: i64) -> Result<()> {
        match self.inner.shared.has_account(account) {
            Ok(true) => Ok(()),
            Ok(false) => self.ask(|reply| Job::EnsureAccount(account.0, now, reply)),
            // a catalogue that failed is not read any more either
            Err(e) => Err(self.health().err().unwrap_or(e)),
        }
    }
    /// Removes an account with all its mail.
    pub fn remove_account(&self, account: AccountId) -> Result<()> {
        self.ask(|reply| Job::RemoveAccount(account.0, reply))
    }
    /// All mailboxes of the account, by name.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        self.inner.shared.mailboxes(account)
    }
    /// The mailbox with this name.
    pub fn mailbox(&self, account: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
        self.inner.shared.mailbox(account, name)
    }
    /// Makes a mailbox, and its missing parents (RFC 9051 §6.3.4). [`StoreError::Exists`], [`StoreError::Limit`].
    pub fn create_mailbox(
        &self,
        account: AccountId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
        now: i64,
    ) -> Result<Mailbox> {
        let name = name.clone();
        self.ask(|reply| Job::Create { account: account.0, name, special_use, now, reply })
    }
    /// Deletes a mailbox and its messages; children stay (RFC 9051 §6.3.5). INBOX: [`StoreError::Inbox`]. Subscription stays.
    pub fn delete_mailbox(&self, account: AccountId, name: &MailboxName) -> Result<()> {
        self.ask(|reply| Job::Delete(account.0, name.clone(), reply))
    }
    /// Renames a mailbox with its children, keeping UIDs and UIDVALIDITY, making missing parents; renaming INBOX moves
    /// its messages into a new mailbox and leaves INBOX empty (RFC 9051 §6.3.6).
    pub fn rename_mailbox(&self, account: AccountId, from: &MailboxName, to: &MailboxName, now: i64) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.ask(|reply| Job::Rename { account: account.0, from, to, now, reply })
    }
    /// Subscribes or unsubscribes a name (it need not exist).
    pub fn set_subscribed(&self, account: AccountId, name: &MailboxName, subscribed: bool) -> Result<()> {
        self.ask(|reply| Job::Subscribe(account.0, name.clone(), subscribed, reply))
    }
    /// Subscribed names, in order; a name without mailbox is possible.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<MailboxName>> {
        self.inner.shared.subscriptions(account)
    }
    /// Counters of a mailbox.
    pub fn status(&self, mailbox: MailboxId) -> Result<Status> {
        self.inner.shared.status(mailbox)
    }

    /// A new message to be filled; its bytes stream to the log as they come.
    pub fn draft(&self) -> Result<Draft> {
        if self.inner.shared.closed.load(Relaxed) {
            return Err(StoreError::Stopped);
        }
        Ok(Draft::new(self.clone()))
    }
    /// Delivers a finished draft to every target (the body is stored once), durable on return. One answer per target, in order.
    pub fn deliver(&self, draft: Draft, targets: &[Target]) -> Result<Vec<Result<Appended>>> {
        draft.deliver(targets)
    }
    /// Copies messages (RFC 9051 §6.4.7): flags and internal date kept, no body byte written. All or nothing. UIDs that
    /// are gone are skipped. Answers pairs of source and new UID in ascending order, and the target's UIDVALIDITY.
    pub fn copy(&self, from: MailboxId, uids: &[Uid], to: MailboxId, now: i64) -> Result<Copied> {
        let (from, to, uids) = (from.0, to.0, sorted(uids));
        self.ask(|reply| Job::Copy { from, uids, to, now, remove: false, reply })
    }
    /// Moves messages atomically (RFC 6851).
    pub fn move_messages(&self, from: MailboxId, uids: &[Uid], to: MailboxId, now: i64) -> Result<Copied> {
        let (from, to, uids) = (from.0, to.0, sorted(uids));
        self.ask(|reply| Job::Copy { from, uids, to, now, remove: true, reply })
    }
    /// Changes flags. Answers the rows as they are after it (of the messages that still exist, changed or not) and the UIDs
    /// left alone because their MODSEQ is above `unchanged_since` (RFC 7162 §3.1.3). Lazily durable.
    pub fn change_flags(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        let (mailbox, uids, change) = (mailbox.0, sorted(uids), change.clone());
        self.ask(|reply| Job::Flags { mailbox, uids, change, unchanged_since, reply })
    }
    /// Removes messages for good; answers the UIDs that were removed, ascending.
    pub fn expunge(&self, mailbox: MailboxId, which: Expunge<'_>) -> Result<Vec<Uid>> {
        let which = match which {
            Expunge::Deleted => Which::Deleted,
            Expunge::DeletedAmong(uids) => Which::Among { uids: sorted(uids), only_deleted: true },
            Expunge::These(uids) => Which::Among { uids: sorted(uids), only_deleted: false },
        };
        self.ask(|reply| Job::Expunge { mailbox: mailbox.0, which, reply })
    }

    /// Everything a session needs to begin a view of the mailbox, from one moment.
    pub fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.inner.shared.snapshot(mailbox)
    }
    /// Claims the `\Recent` messages (RFC 3501 §2.3.2): the UID from which messages were recent, up to the present UIDNEXT.
    /// No later claim answers the same messages. Held in memory, kept lazily.
    pub fn claim_recent(&self, mailbox: MailboxId) -> Result<Uid> {
        self.inner.shared.claim_recent(mailbox)
    }
    /// What happened after `since`: new and changed rows (ascending UID), vanished UIDs, the MODSEQ this answer is complete to.
    /// Where that is longer ago than is remembered, all UIDs that are not there have vanished.
    pub fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Changes> {
        self.inner.shared.changes_since(mailbox, since, None)
    }
    /// Rows of messages with UIDs in the range, ascending, at most `limit`.
    pub fn messages(&self, mailbox: MailboxId, uids: RangeInclusive<Uid>, limit: usize) -> Result<Vec<Message>> {
        self.inner.shared.messages(mailbox, uids, limit, None)
    }
    /// One row.
    pub fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        self.inner.shared.message(mailbox, uid)
    }
    /// Appends bytes of a message to `out`: `range` is cut to the message's size. Checks the log's crc. Its own short read.
    pub fn read(&self, blob: BlobId, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        self.inner.shared.read(blob, range, out)
    }
    /// Appends the first bytes of the range to `out`, as many as one stored piece holds; nothing if the message ends before.
    /// Who reads a long range this way reads and decompresses no piece twice.
    pub fn read_some(&self, blob: BlobId, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        self.inner.shared.read_pieces(blob, range, 1, out)
    }
    /// Envelope and structure of a message, from a bounded cache or by reading it once.
    pub fn structure(&self, blob: BlobId) -> Result<Arc<(message::Envelope, message::Part)>> {
        self.inner.shared.structure(blob)
    }
    /// Tells `waker` of every change to the mailbox from now on. Subscribe first, then read.
    pub fn watch(&self, mailbox: MailboxId, waker: Waker) -> Watch {
        self.inner.shared.watchers.watch(mailbox, waker)
    }
    /// Counters since the store was made or opened.
    pub fn stats(&self) -> Stats {
        self.inner.shared.stats()
    }
    /// Whether the store takes mail; [`StoreError::Stopped`] after a failed write or flush, once a part of the catalogue could not be
    /// read (the next start makes it anew), or once closed.
    pub fn health(&self) -> Result<()> {
        let shared = &self.inner.shared;
        let failed = shared.failed.load(Relaxed) || shared.catalogue.read_failed();
        if shared.closed.load(Relaxed) || failed { Err(StoreError::Stopped) } else { Ok(()) }
    }
    /// Verifies every record's crc and the catalogue against the log; one line per fault found, empty if all is well.
    pub fn check(&self) -> Result<Vec<String>> {
        let faults = self.faults()?;
        Ok(faults.log.into_iter().chain(faults.catalogue).collect())
    }
    /// Verifies as [`Store::check`] does and, if the log is whole, has the catalogue made anew from it when the store is opened next.
    /// Answers what is damaged in the log, one line per fault: then the catalogue stays, for it may know what the log has lost.
    pub fn rebuild_when_opened(&self) -> Result<Vec<String>> {
        let damaged = self.faults()?.log;
        if damaged.is_empty() {
            self.inner.shared.catalogue.distrust()?;
        }
        Ok(damaged)
    }
    fn faults(&self) -> Result<check::Faults> {
        let shared = &self.inner.shared;
        // meanwhile nothing is given back
        let _all = shared.segments.pin([0]);
        let (end, view) = self.ask(Job::Barrier)?;
        check::check(&self.inner.shared, end, &view)
    }
}
