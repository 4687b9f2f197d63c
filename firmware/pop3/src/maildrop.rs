//! The maildrop of a session: INBOX as it was at login, and which messages are marked as deleted (RFC 1939 §5).

use crate::codec;
use crate::limits;
use crate::refusal::Refusal;
use auth::Account;
use store::{Expunge, MailboxId, MailboxName, Store, Uid, UidValidity};

/// A snapshot of INBOX. Message numbers are its indices plus one.
pub(crate) struct Maildrop {
    pub(crate) account: auth::AccountId,
    pub(crate) mailbox: MailboxId,
    uid_validity: UidValidity,
    entries: Vec<Entry>,
    /// Indices of the messages marked as deleted. What follows is counted along, because a client may ask for it
    /// thousands of times in one packet.
    marked: Vec<usize>,
    /// Octets of the messages not marked.
    size: u64,
}

/// A message, as small as possible: a mailbox may have a hundred thousand.
#[derive(Clone, Copy)]
struct Entry {
    uid: Uid,
    deleted: bool,
    size: u64,
}

/// A message as commands see it.
#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) number: usize,
    pub(crate) uid: Uid,
    pub(crate) size: u64,
}

impl Maildrop {
    /// Opens INBOX of an account.
    pub(crate) fn open(store: &Store, account: &Account, now: i64) -> Result<Maildrop, Refusal> {
        let id = store::AccountId(account.id.0);
        store.ensure_account(id, now)?;
        let inbox = store.mailbox(id, &MailboxName::inbox())?.ok_or(store::StoreError::NoSuchMailbox)?;
        let mut entries = Vec::new();
        let mut from = Some(Uid::MIN);
        while let Some(first) = from {
            let rows = store.messages(inbox.id, first..=Uid::MAX, limits::ROWS)?;
            from = rows.last().and_then(|last| Uid::new(last.uid.get().checked_add(1)?));
            entries.extend(rows.iter().map(|row| Entry { uid: row.uid, deleted: false, size: row.size }));
        }
        entries.shrink_to_fit();
        let size = entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        let uid_validity = inbox.uid_validity;
        Ok(Maildrop { account: account.id, mailbox: inbox.id, uid_validity, entries, marked: Vec::new(), size })
    }

    /// The message with the number in this word.
    pub(crate) fn find(&self, word: &[u8]) -> Result<Item, Refusal> {
        let number = codec::number(word)? as usize;
        let entry = number.checked_sub(1).and_then(|index| self.entries.get(index));
        match entry {
            None => Err(Refusal::No("no such message")),
            Some(entry) if entry.deleted => Err(Refusal::No("the message is marked as deleted")),
            Some(entry) => Ok(Item { number, uid: entry.uid, size: entry.size }),
        }
    }

    /// The messages not marked as deleted, from this number on.
    pub(crate) fn items(&self, from: usize) -> impl Iterator<Item = Item> {
        let entries = self.entries.iter().enumerate().skip(from.saturating_sub(1)).filter(|(_, entry)| !entry.deleted);
        entries.map(|(index, entry)| Item { number: index + 1, uid: entry.uid, size: entry.size })
    }

    /// How many messages there are, and their octets.
    pub(crate) fn totals(&self) -> (usize, u64) {
        (self.entries.len() - self.marked.len(), self.size)
    }

    /// What UIDL calls a message: at most 21 of the 70 characters allowed, and never another message again.
    pub(crate) fn unique_id(&self, item: Item) -> String {
        format!("{}.{}", self.uid_validity.0, item.uid.get())
    }

    pub(crate) fn mark(&mut self, item: Item) {
        let index = item.number - 1;
        if let Some(entry) = self.entries.get_mut(index).filter(|entry| !entry.deleted) {
            entry.deleted = true;
            self.marked.push(index);
            self.size -= entry.size;
        }
    }

    pub(crate) fn unmark_all(&mut self) {
        for index in self.marked.drain(..) {
            if let Some(entry) = self.entries.get_mut(index) {
                entry.deleted = false;
                self.size += entry.size;
            }
        }
    }

    /// UPDATE state: removes what is marked, all or nothing; answers how many there were.
    pub(crate) fn update(&self, store: &Store) -> Result<usize, Refusal> {
        let mut uids: Vec<Uid> = self.marked.iter().filter_map(|&index| Some(self.entries.get(index)?.uid)).collect();
        if uids.is_empty() {
            return Ok(0);
        }
        uids.sort_unstable();
        store.expunge(self.mailbox, Expunge::These(&uids)).map(|removed| removed.len()).map_err(Refusal::Update)
    }
}
