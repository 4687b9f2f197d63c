//! Reading: every call is one short read transaction from which everything is copied.

use crate::StoreError;
use crate::body::Hash;
use crate::catalogue::{
    self, BLOBS, HASHES, KEYWORDS, Keywords, MAILBOXES, META, MailboxRow, NAMES, Reader, Row, SHARED, SUBSCRIPTIONS,
    SharedRow, keywords, mailbox_row, message, names,
};
use crate::model::*;
use crate::pages::{MESSAGES, rows, uids};
use crate::plan::uid_validity;
use crate::seen::Viewer;
use crate::structures::Structure;
use crate::vanished;
use crate::writer::Shared;
use redb::{ReadOnlyTable, TableError};
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Tables are made by the first write; before it there is nothing to read.
pub fn table<K: redb::Key, V: redb::Value>(
    reader: &Reader<'_>,
    definition: redb::TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>> {
    match reader.open_table(definition) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The row of a mailbox.
pub fn mailbox_in(reader: &Reader<'_>, mailbox: MailboxId) -> Result<MailboxRow> {
    mailbox_row(&table(reader, MAILBOXES)?.ok_or(StoreError::NoSuchMailbox)?, mailbox.0)
}

/// The messages.
pub fn messages_in(reader: &Reader<'_>) -> Result<ReadOnlyTable<(u32, u32), &'static [u8]>> {
    table(reader, MESSAGES)?.ok_or_else(catalogue::damaged)
}

/// The keywords of a mailbox.
pub fn keywords_in(reader: &Reader<'_>, mailbox: MailboxId) -> Result<Keywords> {
    keywords(&table(reader, KEYWORDS)?.ok_or_else(catalogue::damaged)?, mailbox.0)
}

/// Whose view of some messages it is, if it is of somebody.
fn viewer(reader: &Reader<'_>, mailbox: MailboxId, account: Option<AccountId>, uids: (u32, u32)) -> Result<Viewer> {
    account.map_or(Ok(Viewer::default()), |account| Viewer::new(reader, mailbox, account, uids))
}

fn listed(id: u32, row: &MailboxRow, subscribed: bool) -> Result<Mailbox> {
    Ok(Mailbox {
        id: MailboxId(id),
        name: MailboxName::stored(row.name.clone()),
        uid_validity: uid_validity(row)?,
        special_use: row.special_use,
        subscribed,
    })
}

impl Shared {
    /// Begins to read.
    pub fn read_catalogue(&self) -> Result<Reader<'_>> {
        let _whole = self.catching_up.read().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Relaxed) { Err(StoreError::Stopped) } else { self.catalogue.read() }
    }

    /// Whether the account has its mailboxes.
    pub fn has_account(&self, account: AccountId) -> Result<bool> {
        let reader = self.read_catalogue()?;
        match (table(&reader, catalogue::ACCOUNTS)?, table(&reader, NAMES)?) {
            (Some(accounts), Some(names)) => {
                Ok(accounts.get(account.0)?.is_some() && names.get((account.0, "INBOX"))?.is_some())
            }
            _ => Ok(false),
        }
    }

    /// Mailboxes by name.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        let reader = self.read_catalogue()?;
        let (Some(by_name), Some(rows)) = (table(&reader, NAMES)?, table(&reader, MAILBOXES)?) else {
            return Ok(Vec::new());
        };
        let subscribed: BTreeSet<_> = match table(&reader, SUBSCRIPTIONS)? {
            Some(t) => catalogue::subscriptions(&t, account.0)?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let all = names(&by_name, account.0)?;
        all.iter().map(|(name, id)| listed(*id, &mailbox_row(&rows, *id)?, subscribed.contains(name))).collect()
    }

    /// One mailbox by name.
    pub fn mailbox(&self, account: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
        let reader = self.read_catalogue()?;
        let Some(by_name) = table(&reader, NAMES)? else { return Ok(None) };
        let key = (account.0, name.as_str());
        let Some(id) = by_name.get(key)?.map(|v| v.value()) else { return Ok(None) };
        let subscribed = match table(&reader, SUBSCRIPTIONS)? {
            Some(t) => t.get(key)?.is_some(),
            None => false,
        };
        Ok(Some(listed(id, &mailbox_in(&reader, MailboxId(id))?, subscribed)?))
    }

    /// Subscribed names.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<MailboxName>> {
        let reader = self.read_catalogue()?;
        match table(&reader, SUBSCRIPTIONS)? {
            Some(t) => Ok(catalogue::subscriptions(&t, account.0)?.into_iter().map(MailboxName::stored).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Counters.
    pub fn status(&self, mailbox: MailboxId) -> Result<Status> {
        let reader = self.read_catalogue()?;
        let row = mailbox_in(&reader, mailbox)?;
        let floor = self.floors.get(mailbox, row.recent);
        let mut recent = 0;
        if floor < row.uid_next {
            uids(&messages_in(&reader)?, mailbox.0, floor, |_, _| recent += 1)?;
        }
        Ok(Status {
            messages: row.messages,
            recent,
            unseen: row.unseen,
            deleted: row.deleted,
            uid_next: Uid::new(row.uid_next).ok_or_else(catalogue::damaged)?,
            uid_validity: uid_validity(&row)?,
            highest_modseq: ModSeq(row.modseq),
            size: row.size,
        })
    }

    /// The beginning of a view.
    pub fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        let reader = self.read_catalogue()?;
        let row = mailbox_in(&reader, mailbox)?;
        let mut all = Vec::with_capacity(row.messages as usize);
        let mut first_unseen = None;
        uids(&messages_in(&reader)?, mailbox.0, 0, |uid, seen| {
            if let Some(uid) = Uid::new(uid) {
                all.push(uid);
                first_unseen = first_unseen.or_else(|| (!seen).then_some(uid));
            }
        })?;
        Ok(Snapshot {
            uid_validity: uid_validity(&row)?,
            uid_next: Uid::new(row.uid_next).ok_or_else(catalogue::damaged)?,
            highest_modseq: ModSeq(row.modseq),
            uids: all,
            first_unseen,
            keywords: keywords_in(&reader, mailbox)?.0,
        })
    }

    /// Claims `\Recent` messages.
    pub fn claim_recent(&self, mailbox: MailboxId) -> Result<Uid> {
        let floor = self.floors.claim(mailbox, || {
            let row = mailbox_in(&self.read_catalogue()?, mailbox)?;
            Ok::<_, StoreError>((row.recent, row.uid_next))
        })?;
        Uid::new(floor).ok_or_else(catalogue::damaged)
    }

    /// Changes after a MODSEQ.
    pub fn changes_since(&self, mailbox: MailboxId, since: ModSeq, account: Option<AccountId>) -> Result<Changes> {
        let reader = self.read_catalogue()?;
        let MailboxRow { modseq: highest, uid_next, .. } = mailbox_in(&reader, mailbox)?;
        let mut changes = Changes { highest_modseq: ModSeq(highest), ..Changes::default() };
        if highest <= since.0 {
            return Ok(changes);
        }
        let table = messages_in(&reader)?;
        let known = keywords_in(&reader, mailbox)?;
        let viewer = viewer(&reader, mailbox, account, (0, u32::MAX))?;
        let mut add = |uid: u32, row: Row| {
            let row = viewer.show(uid, row);
            if row.modseq > since.0 {
                changes.changed.push(message(uid, &row, &known)?);
            }
            Ok(true)
        };
        let vanished = match self.recent.between(mailbox, since.0, highest) {
            Some((changed, vanished)) => {
                changed.into_iter().try_for_each(|uids| rows(&table, mailbox.0, uids, &mut add))?;
                vanished
            }
            None => {
                rows(&table, mailbox.0, (0, u32::MAX), add)?;
                vanished::since(&reader, mailbox, since, uid_next)?
            }
        };
        changes.vanished = vanished.into_iter().filter_map(|(a, b)| Some((Uid::new(a)?, Uid::new(b)?))).collect();
        Ok(changes)
    }

    /// Rows.
    pub fn messages(
        &self,
        mailbox: MailboxId,
        uids: RangeInclusive<Uid>,
        limit: usize,
        account: Option<AccountId>,
    ) -> Result<Vec<Message>> {
        let reader = self.read_catalogue()?;
        mailbox_in(&reader, mailbox)?;
        let known = keywords_in(&reader, mailbox)?;
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let uids = (uids.start().get(), uids.end().get());
        let viewer = viewer(&reader, mailbox, account, uids)?;
        rows(&messages_in(&reader)?, mailbox.0, uids, |uid, row| {
            found.push(message(uid, &viewer.show(uid, row), &known)?);
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// One row.
    pub fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>> {
        Ok(self.messages(mailbox, uid..=uid, 1, None)?.pop())
    }

    fn blob(&self, blob: BlobId) -> Result<catalogue::BlobRow> {
        let reader = self.read_catalogue()?;
        let damaged = || StoreError::Damaged(blob);
        let blobs = table(&reader, BLOBS)?.ok_or_else(damaged)?;
        let parts = table(&reader, SHARED)?.ok_or_else(damaged)?;
        catalogue::body(&blobs, &parts, blob)
    }

    /// The part that has these octets already.
    pub fn shared_part(&self, hash: &Hash) -> Result<Option<(u64, SharedRow)>> {
        let reader = self.read_catalogue()?;
        match (table(&reader, HASHES)?, table(&reader, SHARED)?) {
            (Some(hashes), Some(parts)) => catalogue::shared_part(&hashes, &parts, hash),
            _ => Ok(None),
        }
    }

    /// Does something with a body; once more if its bytes were moved meanwhile.
    fn with_body<T>(&self, blob: BlobId, mut act: impl FnMut(&catalogue::BlobRow) -> Result<T>) -> Result<T> {
        let row = self.blob(blob)?;
        match act(&row) {
            Err(StoreError::Damaged(_)) => {
                let now = self.blob(blob)?;
                if now == row { Err(StoreError::Damaged(blob)) } else { act(&now) }
            }
            other => other,
        }
    }

    /// Bytes of a message.
    pub fn read(&self, blob: BlobId, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        self.read_pieces(blob, range, usize::MAX, out).inspect_err(|_| out.truncate(before))
    }

    /// Bytes of a message, from at most so many of its pieces.
    pub fn read_pieces(&self, blob: BlobId, range: Range<u64>, pieces: usize, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        self.with_body(blob, |row| {
            out.truncate(before);
            let (mut start, mut left) = (0, pieces);
            for extent in &row.extents {
                let end = start + u64::from(extent.len);
                let (from, to) = (range.start.max(start), range.end.min(end));
                if from < to {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    let bytes = self.segments.read_extent(blob, extent)?;
                    out.extend_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
                }
                start = end;
            }
            Ok(())
        })
    }

    /// Envelope and structure.
    pub fn structure(&self, blob: BlobId) -> Result<Structure> {
        if self.closed.load(Relaxed) {
            return Err(StoreError::Stopped);
        }
        if let Some(known) = self.structures.get(blob) {
            return Ok(known);
        }
        let (envelope, part) = self.with_body(blob, |row| {
            let mut builder = message::Builder::new();
            for extent in &row.extents {
                builder.feed(&self.segments.read_extent(blob, extent)?);
            }
            Ok(builder.finish())
        })?;
        let weight = part.weight() + size_of_val(&envelope) + 512;
        let structure = Arc::new((envelope, part));
        self.structures.put(blob, structure.clone(), weight);
        Ok(structure)
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let meta = self.read_catalogue().and_then(|reader| match table(&reader, META)? {
            Some(t) => catalogue::meta(&t),
            None => Ok(None),
        });
        let meta = meta.ok().flatten().unwrap_or_default();
        Stats {
            received_bytes: self.received.load(Relaxed),
            mail_bytes: self.log.mail.load(Relaxed),
            flag_bytes: self.log.flags.load(Relaxed),
            reclaim_bytes: self.log.reclaim.load(Relaxed),
            log_bytes: self.log.bytes.load(Relaxed),
            catalogue_bytes: self.catalogue.written.load(Relaxed),
            log_syncs: self.log.syncs.load(Relaxed),
            checkpoints: self.checkpoints.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            messages: meta.messages,
            message_bytes: meta.message_bytes,
            disk_bytes: self.segments.disk().size(),
            lifetime: self.lifetime(),
        }
    }

    /// What it cost the disk until now.
    pub fn lifetime(&self) -> Lifetime {
        let written = self.log.bytes.load(Relaxed) + self.catalogue.written.load(Relaxed);
        let before = &self.before;
        Lifetime {
            written_bytes: before.written_bytes.saturating_add(written),
            received_bytes: before.received_bytes.saturating_add(self.received.load(Relaxed)),
            open_seconds: before.open_seconds.saturating_add(self.opened.elapsed().as_secs()),
        }
    }
}
