//! The catalogue: what the log amounts to, in redb tables. Derived, lazily durable, rebuilt from the log when lost.

use crate::StoreError;
use crate::backend::{Backend, Failed};
use crate::body::Hash;
use crate::disk::{Disk, DiskFile};
use crate::model::*;
use crate::pages::{MESSAGES, Page, page_of, row};
use crate::quota::{self, HOLDINGS};
use crate::record::{DELETED, Extent, Position, SEEN, flag_bits};
use crate::threads::{IDS, THREADS};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The file's name.
pub const FILE: &str = "catalogue.redb";
/// Stands beside it when the catalogue is not to be trusted.
const SUSPECT: &str = "catalogue.suspect";
/// The version of the tables; another one is rebuilt from the log.
const VERSION: u32 = 9;

type Bytes = &'static [u8];
/// One row: [`Meta`].
pub const META: TableDefinition<u8, Bytes> = TableDefinition::new("meta");
/// Account numbers.
pub const ACCOUNTS: TableDefinition<u32, ()> = TableDefinition::new("accounts");
/// (account, name) to mailbox.
pub const NAMES: TableDefinition<(u32, &str), u32> = TableDefinition::new("names");
/// (account, name) of subscriptions.
pub const SUBSCRIPTIONS: TableDefinition<(u32, &str), ()> = TableDefinition::new("subscriptions");
/// Mailbox to [`MailboxRow`].
pub const MAILBOXES: TableDefinition<u32, Bytes> = TableDefinition::new("mailboxes");
/// (mailbox, number) to keyword: the numbers are bits of [`Row::keywords`].
pub const KEYWORDS: TableDefinition<(u32, u16), &str> = TableDefinition::new("keywords");
/// (mailbox, MODSEQ, first UID) to last UID.
pub const VANISHED: TableDefinition<(u32, u64, u32), u32> = TableDefinition::new("vanished");
/// Blob to [`BlobRow`].
pub const BLOBS: TableDefinition<u64, Bytes> = TableDefinition::new("blobs");
/// PART to [`SharedRow`].
pub const SHARED: TableDefinition<u64, Bytes> = TableDefinition::new("shared");
/// Hash to the PART with these octets.
pub const HASHES: TableDefinition<Hash, u64> = TableDefinition::new("hashes");

/// How far the catalogue is, and what was given out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of the tables.
    pub version: u32,
    /// The store it belongs to.
    pub store: u64,
    /// The last record applied.
    pub lsn: u64,
    /// Where it ended.
    pub end: Position,
    /// The last mailbox number given.
    pub last_mailbox: u32,
    /// The last UIDVALIDITY given.
    pub last_uid_validity: u32,
    /// Messages held.
    pub messages: u64,
    /// Their sizes.
    pub message_bytes: u64,
    /// Octets of bodies in the log that messages have.
    pub live: u64,
    /// Octets that none has any more, since space was last given back.
    pub dead: u64,
    /// What the store cost its disk up to the last checkpoint.
    pub lifetime: Lifetime,
}

impl Meta {
    /// None has these octets any more.
    pub fn die(&mut self, octets: u64) {
        self.live = self.live.saturating_sub(octets);
        self.dead = self.dead.saturating_add(octets);
    }
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRow {
    /// Whose.
    pub account: u32,
    /// Name.
    pub name: SmolStr,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// Role.
    pub special_use: Option<SpecialUse>,
    /// Next UID.
    pub uid_next: u32,
    /// Highest MODSEQ.
    pub modseq: u64,
    /// Messages.
    pub messages: u32,
    /// Those without `\Seen`.
    pub unseen: u32,
    /// Those with `\Deleted`.
    pub deleted: u32,
    /// Sum of sizes.
    pub size: u64,
    /// UID from which messages are `\Recent`, as last kept.
    pub recent: u32,
}

impl MailboxRow {
    /// Counts a message in or out.
    pub fn count(&mut self, row: &Row, come: bool) {
        let step = |n: &mut u32, by: bool| {
            *n = if come { n.saturating_add(by.into()) } else { n.saturating_sub(by.into()) };
        };
        step(&mut self.messages, true);
        step(&mut self.unseen, row.bits & SEEN == 0);
        step(&mut self.deleted, row.bits & DELETED != 0);
        self.size = if come { self.size.saturating_add(row.size) } else { self.size.saturating_sub(row.size) };
    }
}

/// A set of keyword numbers.
pub type KeywordBits = [u64; 4];

/// A message in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// MODSEQ.
    pub modseq: u64,
    /// System flags.
    pub bits: u8,
    /// INTERNALDATE.
    pub internal_date: i64,
    /// SAVEDATE.
    pub save_date: i64,
    /// Size.
    pub size: u64,
    /// Bytes.
    pub blob: u64,
    /// Keywords.
    pub keywords: KeywordBits,
}

/// Where a message's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRow {
    /// Size.
    pub size: u64,
    /// Messages that share it; kept at 0 for views that still show them, until its space is reclaimed.
    pub references: u32,
    /// Its records.
    pub extents: Vec<Extent>,
}

impl BlobRow {
    /// Octets it has in the log for itself.
    pub fn own(&self) -> u64 {
        self.extents.iter().filter(|e| e.shared.is_none()).map(|e| u64::from(e.stored)).sum()
    }
}

/// Where the octets of an attachment are that messages share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedRow {
    /// Where the record starts.
    pub at: Position,
    /// Octets it stores.
    pub stored: u32,
    /// Bodies that use it, as often as they do.
    pub references: u32,
    /// Keyed hash of the octets.
    pub hash: Hash,
}

/// Keywords of a mailbox, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub struct Keywords(pub Vec<Keyword>);

impl Keywords {
    /// The number of a keyword.
    pub fn number(&self, keyword: &Keyword) -> Option<usize> {
        self.0.iter().position(|k| k == keyword)
    }

    /// The bits of those that are known.
    pub fn bits<'a>(&self, keywords: impl IntoIterator<Item = &'a Keyword>) -> KeywordBits {
        let mut bits = KeywordBits::default();
        for n in keywords.into_iter().filter_map(|k| self.number(k)) {
            if let Some(word) = bits.get_mut(n / 64) {
                *word |= 1 << (n % 64);
            }
        }
        bits
    }

    /// The keywords of these bits.
    pub fn named(&self, bits: &KeywordBits) -> impl Iterator<Item = &Keyword> {
        let bits = *bits;
        self.0
            .iter()
            .enumerate()
            .filter(move |(n, _)| bits.get(n / 64).is_some_and(|w| w >> (n % 64) & 1 == 1))
            .map(|(_, k)| k)
    }
}

/// A row as the public sees it.
pub fn message(uid: u32, row: &Row, keywords: &Keywords) -> Result<Message> {
    let has = |bit: u8| row.bits & bit != 0;
    Ok(Message {
        uid: Uid::new(uid).ok_or_else(damaged)?,
        modseq: ModSeq(row.modseq),
        flags: Flags {
            seen: has(1),
            answered: has(2),
            flagged: has(4),
            deleted: has(8),
            draft: has(16),
            keywords: keywords.named(&row.keywords).cloned().collect(),
        },
        internal_date: row.internal_date,
        save_date: row.save_date,
        size: row.size,
        blob: BlobId(row.blob),
    })
}

/// Flags as a row keeps them.
pub fn flags_of(flags: &Flags, keywords: &Keywords) -> (u8, KeywordBits) {
    (flag_bits(flags), keywords.bits(&flags.keywords))
}

/// The catalogue contradicts itself.
pub fn damaged() -> StoreError {
    StoreError::Io(Arc::new(io::Error::new(io::ErrorKind::InvalidData, "the catalogue is damaged")))
}

/// Reads a row.
pub fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|_| damaged())
}

/// Makes a row.
pub fn stored<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|_| damaged())
}

// What readers and the writer read alike.

/// The meta row.
pub fn meta(t: &impl ReadableTable<u8, Bytes>) -> Result<Option<Meta>> {
    t.get(0)?.map(|v| value(v.value())).transpose()
}

/// A mailbox.
pub fn mailbox_row(t: &impl ReadableTable<u32, Bytes>, mailbox: u32) -> Result<MailboxRow> {
    value(t.get(mailbox)?.ok_or(StoreError::NoSuchMailbox)?.value())
}

/// Names of an account with their mailboxes, in order.
pub fn names(t: &impl ReadableTable<(u32, &'static str), u32>, account: u32) -> Result<Vec<(SmolStr, u32)>> {
    let mut out = Vec::new();
    for entry in t.range((account, "")..)? {
        let (key, id) = entry?;
        let (owner, name) = key.value();
        if owner != account {
            break;
        }
        out.push((SmolStr::new(name), id.value()));
    }
    Ok(out)
}

/// Subscribed names of an account, in order.
pub fn subscriptions(t: &impl ReadableTable<(u32, &'static str), ()>, account: u32) -> Result<Vec<SmolStr>> {
    let mut out = Vec::new();
    for entry in t.range((account, "")..)? {
        let (key, ()) = entry.map(|(k, v)| (k, v.value()))?;
        let (owner, name) = key.value();
        if owner != account {
            break;
        }
        out.push(SmolStr::new(name));
    }
    Ok(out)
}

/// Keywords of a mailbox.
pub fn keywords(t: &impl ReadableTable<(u32, u16), &'static str>, mailbox: u32) -> Result<Keywords> {
    let mut out = Keywords::default();
    for entry in t.range((mailbox, 0)..=(mailbox, u16::MAX))? {
        out.0.push(Keyword::stored(entry?.1.value()));
    }
    Ok(out)
}

/// A blob.
pub fn blob(t: &impl ReadableTable<u64, Bytes>, blob: u64) -> Result<Option<BlobRow>> {
    t.get(blob)?.map(|v| value(v.value())).transpose()
}

/// A body, with its shared parts where they are now.
pub fn body(
    blobs: &impl ReadableTable<u64, Bytes>,
    parts: &impl ReadableTable<u64, Bytes>,
    id: BlobId,
) -> Result<BlobRow> {
    let mut row = blob(blobs, id.0)?.ok_or(StoreError::Damaged(id))?;
    for extent in &mut row.extents {
        if let Some(part) = extent.shared
            && let Some(now) = shared(parts, part.part)?
        {
            (extent.at, extent.stored) = (now.at, now.stored);
        }
    }
    Ok(row)
}

/// A shared part.
pub fn shared(t: &impl ReadableTable<u64, Bytes>, part: u64) -> Result<Option<SharedRow>> {
    t.get(part)?.map(|v| value(v.value())).transpose()
}

/// The shared part with this hash.
pub fn shared_part(
    hashes: &impl ReadableTable<Hash, u64>,
    parts: &impl ReadableTable<u64, Bytes>,
    hash: &Hash,
) -> Result<Option<(u64, SharedRow)>> {
    let Some(part) = hashes.get(hash)?.map(|v| v.value()) else { return Ok(None) };
    Ok(shared(parts, part)?.map(|row| (part, row)))
}

/// All tables, open for one transaction of the writer.
pub struct Tables<'t> {
    /// For tables that few operations need.
    pub txn: &'t WriteTransaction,
    meta_table: Table<'t, u8, Bytes>,
    /// The meta row, stored by [`Tables::finish`].
    pub meta: Meta,
    /// [`ACCOUNTS`]
    pub accounts: Table<'t, u32, ()>,
    /// [`NAMES`]
    pub names: Table<'t, (u32, &'static str), u32>,
    /// [`SUBSCRIPTIONS`]
    pub subscriptions: Table<'t, (u32, &'static str), ()>,
    mailboxes: Table<'t, u32, Bytes>,
    /// [`MESSAGES`]; changes to it wait until [`Tables::settle`].
    pub messages: Table<'t, (u32, u32), Bytes>,
    /// The page of messages that is being changed: mailbox, page.
    changing: Option<((u32, u32), Page)>,
    /// [`KEYWORDS`]
    pub keywords: Table<'t, (u32, u16), &'static str>,
    /// [`VANISHED`]
    pub vanished: Table<'t, (u32, u64, u32), u32>,
    blobs: Table<'t, u64, Bytes>,
    shared: Table<'t, u64, Bytes>,
    /// [`HASHES`]
    pub hashes: Table<'t, Hash, u64>,
    /// [`HOLDINGS`]
    pub holdings: Table<'t, u32, Bytes>,
    /// [`THREADS`]
    pub threads: Table<'t, (u64, u32), u64>,
    /// [`IDS`]
    pub ids: Table<'t, (u32, u32, u64), u64>,
    /// MODSEQs are given from above this: those of before the last start may have been told and then lost with the power.
    pub modseq_floor: u64,
    /// What changed in which mailbox, for watchers and the memory of recent changes.
    pub changes: Vec<Change>,
}

/// What one event did to one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The mailbox.
    pub mailbox: u32,
    /// Its MODSEQ after it.
    pub modseq: u64,
    /// New and changed messages.
    pub changed: crate::record::Ranges,
    /// Messages that are gone.
    pub vanished: crate::record::Ranges,
}

impl<'t> Tables<'t> {
    /// Opens them, making those that are missing.
    pub fn open(txn: &'t WriteTransaction) -> Result<Tables<'t>> {
        let meta_table = txn.open_table(META)?;
        let meta = meta(&meta_table)?.unwrap_or_default();
        Ok(Tables {
            txn,
            meta_table,
            meta,
            accounts: txn.open_table(ACCOUNTS)?,
            names: txn.open_table(NAMES)?,
            subscriptions: txn.open_table(SUBSCRIPTIONS)?,
            mailboxes: txn.open_table(MAILBOXES)?,
            messages: txn.open_table(MESSAGES)?,
            changing: None,
            keywords: txn.open_table(KEYWORDS)?,
            vanished: txn.open_table(VANISHED)?,
            blobs: txn.open_table(BLOBS)?,
            shared: txn.open_table(SHARED)?,
            hashes: txn.open_table(HASHES)?,
            holdings: txn.open_table(HOLDINGS)?,
            threads: txn.open_table(THREADS)?,
            ids: txn.open_table(IDS)?,
            modseq_floor: 0,
            changes: Vec::new(),
        })
    }

    /// Notes how far the log is applied.
    pub fn finish(&mut self, lsn: u64, end: Position) -> Result<()> {
        self.settle()?;
        self.meta.lsn = lsn;
        self.meta.end = end;
        self.meta_table.insert(0, stored(&self.meta)?.as_slice())?;
        Ok(())
    }

    /// A mailbox.
    pub fn mailbox(&self, mailbox: u32) -> Result<MailboxRow> {
        mailbox_row(&self.mailboxes, mailbox)
    }

    /// The MODSEQ of the next change to a mailbox (RFC 7162 §3.1: greater than all that were given before).
    pub fn next_modseq(&self, row: &MailboxRow) -> u64 {
        row.modseq.max(self.modseq_floor) + 1
    }

    /// A mailbox, if it is there.
    pub fn find_mailbox(&self, mailbox: u32) -> Result<Option<MailboxRow>> {
        match self.mailbox(mailbox) {
            Ok(row) => Ok(Some(row)),
            Err(StoreError::NoSuchMailbox) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The mailbox of this name.
    pub fn by_name(&self, account: u32, name: &str) -> Result<Option<u32>> {
        Ok(self.names.get((account, name))?.map(|v| v.value()))
    }

    /// Whether an account exists.
    pub fn has_account(&self, account: u32) -> Result<bool> {
        Ok(self.accounts.get(account)?.is_some())
    }

    /// Whether a name is subscribed.
    pub fn is_subscribed(&self, account: u32, name: &str) -> Result<bool> {
        Ok(self.subscriptions.get((account, name))?.is_some())
    }

    /// Nothing is made for an account that was not.
    pub fn check_account(&self, account: u32) -> Result<()> {
        if self.has_account(account)? { Ok(()) } else { Err(StoreError::NoSuchMailbox) }
    }

    /// Stores a mailbox; its account holds what its mailboxes hold.
    pub fn put_mailbox(&mut self, mailbox: u32, row: &MailboxRow) -> Result<()> {
        let old = self.mailboxes.insert(mailbox, stored(row)?.as_slice())?;
        let old = old.map(|v| value::<MailboxRow>(v.value())).transpose()?;
        let before = old.map_or((0, 0), |old| (old.size, old.messages));
        quota::recount(self, row.account, before, (row.size, row.messages))
    }

    /// Removes a mailbox's row.
    pub fn remove_mailbox(&mut self, mailbox: u32) -> Result<()> {
        let old = self.mailboxes.remove(mailbox)?.map(|v| value::<MailboxRow>(v.value())).transpose()?;
        match old {
            Some(old) => quota::recount(self, old.account, (old.size, old.messages), (0, 0)),
            None => Ok(()),
        }
    }

    /// Numbers of all mailboxes.
    pub fn all_mailboxes(&self) -> Result<Vec<u32>> {
        self.mailboxes.iter()?.map(|entry| Ok(entry?.0.value())).collect()
    }

    /// The page with a message, to be changed.
    fn change(&mut self, mailbox: u32, uid: u32) -> Result<&mut Page> {
        let key = (mailbox, page_of(uid));
        if self.changing.as_ref().is_none_or(|(open, _)| *open != key) {
            self.settle()?;
        }
        let page = match self.changing.take() {
            Some((_, page)) => page,
            None => self.messages.get(key)?.map(|bytes| Page::decode(bytes.value())).transpose()?.unwrap_or_default(),
        };
        Ok(&mut self.changing.insert((key, page)).1)
    }

    /// Stores a message.
    pub fn put_row(&mut self, mailbox: u32, uid: u32, row: &Row) -> Result<()> {
        *self.change(mailbox, uid)?.slot(uid) = Some(*row);
        Ok(())
    }

    /// Removes a message.
    pub fn remove_row(&mut self, mailbox: u32, uid: u32) -> Result<()> {
        *self.change(mailbox, uid)?.slot(uid) = None;
        Ok(())
    }

    /// A message, also one whose change waits.
    pub fn row(&self, mailbox: u32, uid: u32) -> Result<Option<Row>> {
        match &self.changing {
            Some((key, page)) if *key == (mailbox, page_of(uid)) => Ok(page.get(uid)),
            _ => row(&self.messages, mailbox, uid),
        }
    }

    /// Puts the changes of messages that wait into their table.
    pub fn settle(&mut self) -> Result<()> {
        if let Some((key, page)) = self.changing.take() {
            let bytes = page.encode()?;
            match bytes.is_empty() {
                true => drop(self.messages.remove(key)?),
                false => drop(self.messages.insert(key, bytes.as_slice())?),
            }
        }
        Ok(())
    }

    /// A blob.
    pub fn blob(&self, id: u64) -> Result<Option<BlobRow>> {
        blob(&self.blobs, id)
    }

    /// Removes a blob.
    pub fn remove_blob(&mut self, id: u64) -> Result<()> {
        self.blobs.remove(id)?;
        Ok(())
    }

    /// Removes a shared part.
    pub fn remove_shared(&mut self, id: u64) -> Result<()> {
        self.shared.remove(id)?;
        Ok(())
    }

    /// A shared part.
    pub fn shared(&self, part: u64) -> Result<Option<SharedRow>> {
        shared(&self.shared, part)
    }

    /// Stores a shared part.
    pub fn put_shared(&mut self, part: u64, row: &SharedRow) -> Result<()> {
        self.shared.insert(part, stored(row)?.as_slice())?;
        Ok(())
    }

    /// The shared part with this hash.
    pub fn shared_part(&self, hash: &Hash) -> Result<Option<(u64, SharedRow)>> {
        shared_part(&self.hashes, &self.shared, hash)
    }

    /// Stores a blob.
    pub fn put_blob(&mut self, id: u64, row: &BlobRow) -> Result<()> {
        self.blobs.insert(id, stored(row)?.as_slice())?;
        Ok(())
    }
}

/// One opening of the database.
#[derive(Debug)]
struct Opening {
    database: Database,
    /// Cleared when it is given up.
    alive: Arc<AtomicBool>,
    file: Arc<dyn DiskFile>,
}

/// The database, which may have to be opened anew.
#[derive(Debug)]
pub struct Catalogue {
    disk: Arc<dyn Disk>,
    cache: usize,
    name: &'static str,
    open: RwLock<Option<Opening>>,
    /// Octets written.
    pub written: Arc<AtomicU64>,
    failed: Arc<Failed>,
}

/// A read transaction. Short: copy out and drop.
pub struct Reader<'a> {
    txn: ReadTransaction,
    _open: RwLockReadGuard<'a, Option<Opening>>,
}

impl std::ops::Deref for Reader<'_> {
    type Target = ReadTransaction;
    fn deref(&self) -> &ReadTransaction {
        &self.txn
    }
}

impl Catalogue {
    /// Opens the file, or makes an empty one where there is none that can be read.
    pub fn open(disk: Arc<dyn Disk>, name: &'static str, cache: usize) -> Result<Catalogue> {
        if name == FILE && disk.list(".")?.iter().any(|n| n == SUSPECT) {
            tracing::warn!("the catalogue is not to be trusted: it is rebuilt from the log");
            disk.remove(FILE)?;
            disk.remove(SUSPECT)?;
        }
        let written = Arc::<AtomicU64>::default();
        let catalogue = Catalogue { disk, cache, name, open: RwLock::new(None), written, failed: Arc::default() };
        catalogue.reopen_or_start_over()?;
        Ok(catalogue)
    }

    /// Opens the file as it was at its last durable commit, or makes an empty one if it cannot be read.
    pub fn reopen_or_start_over(&self) -> Result<()> {
        match self.reopen() {
            Err(StoreError::Io(e)) if e.kind() == io::ErrorKind::InvalidData || self.read_failed() => {
                tracing::warn!("the catalogue cannot be read ({e}): it is rebuilt from the log");
                self.start_over()
            }
            other => other,
        }
    }

    /// The next opening throws it away.
    pub fn distrust(&self) -> Result<()> {
        self.disk.open(SUSPECT, true)?.sync()?;
        Ok(self.disk.sync_names()?)
    }

    /// Throws away what it holds. The file stays: a full disk would not take a new name.
    pub fn start_over(&self) -> Result<()> {
        self.close();
        if self.disk.open(self.name, true)?.set_len(0).is_err() {
            self.disk.remove(self.name)?;
        }
        self.failed.read.store(false, Relaxed);
        self.reopen()
    }

    fn reopen(&self) -> Result<()> {
        let mut slot = self.open.write().unwrap_or_else(PoisonError::into_inner);
        give_up(&mut slot);
        let alive = Arc::new(AtomicBool::new(true));
        let file = self.disk.open(self.name, true)?;
        file.forget_cached()?;
        // what catching up with the log wants of it is in many places
        file.scattered(true);
        let backend = Backend::new(file.clone(), alive.clone(), self.written.clone(), self.failed.clone());
        let mut builder = Database::builder();
        let database = builder.set_cache_size(self.cache).create_with_backend(backend)?;
        *slot = Some(Opening { database, alive, file });
        Ok(())
    }

    /// Closes the file as it is after its last durable commit. redb would commit once more, with the free pages' list and a shorter file: what
    /// a start needs is there since the last checkpoint, and what came after it belongs to the log.
    pub fn close(&self) {
        give_up(&mut self.open.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// It has caught up with the log: from now on mailboxes are read from front to back.
    pub fn caught_up(&self) {
        if let Some(open) = &*self.open.read().unwrap_or_else(PoisonError::into_inner) {
            open.file.scattered(false);
        }
    }

    /// Begins to read.
    pub fn read(&self) -> Result<Reader<'_>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let database = &open.as_ref().ok_or(StoreError::Stopped)?.database;
        Ok(Reader { txn: database.begin_read()?, _open: open })
    }

    /// A read transaction that may last: it costs space until it is dropped.
    pub fn view(&self) -> Result<ReadTransaction> {
        Ok(self.read()?.txn)
    }

    /// Whether making something durable failed.
    pub fn sync_failed(&self) -> bool {
        self.failed.sync.load(Relaxed)
    }

    /// Whether a part of it cannot be read.
    pub fn read_failed(&self) -> bool {
        self.failed.read.load(Relaxed)
    }

    /// Begins to write.
    pub fn write(&self) -> Result<WriteTransaction> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let database = &open.as_ref().ok_or(StoreError::Stopped)?.database;
        Ok(database.begin_write()?)
    }

    /// How far it is; starts over if it belongs to another store or version.
    pub fn progress(&self, store: u64) -> Result<Meta> {
        let (found, empty) = match self.read()?.open_table(META) {
            Ok(table) => (meta(&table).ok().flatten(), false),
            Err(redb::TableError::TableDoesNotExist(_)) => (None, true),
            Err(e) => return Err(e.into()),
        };
        if let Some(meta) = found
            && meta.version == VERSION
            && meta.store == store
        {
            return Ok(meta);
        }
        if !empty {
            self.start_over()?;
        }
        let txn = self.write()?;
        {
            let mut tables = Tables::open(&txn)?;
            tables.meta = Meta { version: VERSION, store, ..Meta::default() };
            tables.finish(0, Position::default())?;
        }
        commit_lazily(txn)?;
        Ok(Meta { version: VERSION, store, ..Meta::default() })
    }
}

/// Closes a database without letting it write anything more.
fn give_up(slot: &mut Option<Opening>) {
    if let Some(Opening { database, alive, .. }) = slot.take() {
        alive.store(false, Relaxed);
        drop(database);
    }
}

/// To be called by the hook of a panic, with the data directory and the source file the panic is in. redb trusts its pages: damage
/// to one can end the program, and would again after every restart. Then the next start makes the catalogue anew.
pub fn note_panic(dir: &std::path::Path, source: &str) {
    if source.split(['/', '\\']).any(|part| part == "redb" || part.starts_with("redb-")) {
        let _ = std::fs::File::create(dir.join(SUSPECT)).and_then(|file| file.sync_all());
    }
}

/// Commits so that readers see it, without writing.
pub fn commit_lazily(mut txn: WriteTransaction) -> Result<()> {
    txn.set_durability(redb::Durability::None)?;
    Ok(txn.commit()?)
}

/// Commits durably; opening after a power cut is quick then.
pub fn commit_durably(mut txn: WriteTransaction) -> Result<()> {
    txn.set_quick_repair(true);
    Ok(txn.commit()?)
}
