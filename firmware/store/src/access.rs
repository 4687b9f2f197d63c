//! Slots for who may do what with a mailbox (RFC 4314) and for what is noted about it (RFC 5464). Kept, not judged: what the
//! rights of an identifier mean for a session is for who asks.

use crate::catalogue::{Change, Tables};
use crate::jobs::Decision;
use crate::model::{AccountId, MailboxId, NameError};
use crate::record::{Event, Ranges};
use crate::writer::Shared;
use crate::{Store, StoreError, limits, quota, reader};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// (mailbox, identifier) to [`Rights`].
pub const ACLS: TableDefinition<(u32, &str), u16> = TableDefinition::new("acls");
/// (mailbox or 0, account or 0, entry) to its value: the account 0 is whoever has the mailbox.
pub const METADATA: TableDefinition<(u32, u32, &str), &[u8]> = TableDefinition::new("metadata");

/// Rights in the order in which they are written (RFC 4314 §2.1).
const LETTERS: &str = "lrswipkxtea";

/// A set of rights (RFC 4314 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Rights(u16);

impl Rights {
    /// All of them.
    pub const ALL: Rights = Rights((1 << LETTERS.len()) - 1);

    /// Reads letters; the old `c` and `d` stand for what they once meant (RFC 4314 §2.1.1). `None`: one is unknown.
    pub fn parse(letters: &str) -> Option<Rights> {
        letters.chars().try_fold(Rights::default(), |so_far, letter| {
            let one = match letter {
                'c' => Rights::parse("kx")?,
                'd' => Rights::parse("te")?,
                _ => Rights(1 << LETTERS.find(letter)?),
            };
            Some(so_far.with(one))
        })
    }
    /// Whether all of these are among them.
    pub fn has(self, these: Rights) -> bool {
        self.0 & these.0 == these.0
    }
    /// With these.
    pub fn with(self, these: Rights) -> Rights {
        Rights(self.0 | these.0)
    }
    /// Without these.
    pub fn without(self, these: Rights) -> Rights {
        Rights(self.0 & !these.0)
    }
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LETTERS
            .chars()
            .enumerate()
            .filter(|(n, _)| self.0 >> n & 1 == 1)
            .try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

/// The name of a note, in lower case: `/private/...`, which each account has for itself, or `/shared/...` (RFC 5464 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryName(SmolStr);

impl EntryName {
    /// Checks it.
    pub fn parse(text: &str) -> Result<EntryName, NameError> {
        if text.len() > limits::METADATA_NAME {
            return Err(NameError("the name of an entry is too long"));
        }
        if !text.bytes().all(|b| (0x20..0x7f).contains(&b) && !b"*%".contains(&b)) {
            return Err(NameError("the name of an entry is ASCII without control characters, * or %"));
        }
        let lower = text.to_ascii_lowercase();
        let inside = lower.strip_prefix("/private/").or_else(|| lower.strip_prefix("/shared/"));
        match inside {
            Some(inside) if inside.split('/').all(|level| !level.is_empty()) => Ok(EntryName(SmolStr::new(lower))),
            Some(_) => Err(NameError("the name of an entry has no empty level")),
            None => Err(NameError("the name of an entry begins with /private/ or /shared/")),
        }
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether all who reach the mailbox have the same.
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("/shared/")
    }
}

/// ACL: the rights that an identifier has now; none if it has gone from the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The mailbox.
    pub mailbox: u32,
    /// Whose rights.
    pub identifier: SmolStr,
    /// The rights.
    pub rights: Rights,
}

/// METADATA: what an entry says now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The mailbox, or 0 for the account as a whole.
    pub mailbox: u32,
    /// The account that has it for itself, or 0.
    pub owner: u32,
    /// The entry.
    pub entry: SmolStr,
    /// What it says; nothing if it has gone.
    pub value: Option<Vec<u8>>,
}

fn grant_size(identifier: &str) -> u64 {
    identifier.len() as u64 + 2
}

fn note_size(entry: &str, value: &[u8]) -> u64 {
    (entry.len() + value.len()) as u64
}

/// The slots of an account take up so much more and so much less.
fn charge(t: &mut Tables<'_>, account: u32, more: u64, less: u64) -> Result<()> {
    let had = quota::holdings(&t.holdings, account)?;
    let slots = had.slots.saturating_add(more).saturating_sub(less);
    quota::put(t, account, &quota::Holdings { slots, ..had })
}

/// Whether an account's slots may take up so much more instead of so much.
fn check_room(t: &Tables<'_>, account: u32, more: u64, less: u64) -> Result<()> {
    let slots = quota::holdings(&t.holdings, account)?.slots;
    match more > less && slots.saturating_sub(less) + more > limits::SLOTS {
        true => Err(StoreError::Limit("octets of rights and annotations of an account")),
        false => Ok(()),
    }
}

/// Whom a note is charged to: who has it for himself, or who has the mailbox.
fn payer(t: &Tables<'_>, mailbox: u32, owner: u32) -> Result<Option<u32>> {
    if owner != 0 {
        return Ok(Some(owner));
    }
    Ok(t.find_mailbox(mailbox)?.map(|row| row.account))
}

/// A row as an event that makes it.
pub fn granted((mailbox, identifier): (u32, &str), rights: u16) -> Granted {
    Granted { mailbox, identifier: identifier.into(), rights: Rights(rights) }
}

/// A row as an event that makes it.
pub fn noted((mailbox, owner, entry): (u32, u32, &str), value: &[u8]) -> Noted {
    Noted { mailbox, owner, entry: entry.into(), value: Some(value.to_vec()) }
}

/// Applies ACL.
pub fn grant(t: &mut Tables<'_>, e: &Granted) -> Result<()> {
    let Some(mailbox) = t.find_mailbox(e.mailbox)? else { return Ok(()) };
    let key = (e.mailbox, e.identifier.as_str());
    let mut table = t.txn.open_table(ACLS)?;
    let had = match e.rights.is_empty() {
        true => table.remove(key)?.is_some(),
        false => table.insert(key, e.rights.0)?.is_some(),
    };
    drop(table);
    let size = |there: bool| if there { grant_size(&e.identifier) } else { 0 };
    charge(t, mailbox.account, size(!e.rights.is_empty()), size(had))?;
    t.changes.push(Change {
        mailbox: e.mailbox,
        modseq: mailbox.modseq,
        changed: Ranges::new(),
        vanished: Ranges::new(),
    });
    Ok(())
}

/// Applies METADATA.
pub fn note(t: &mut Tables<'_>, e: &Noted) -> Result<()> {
    let Some(payer) = payer(t, e.mailbox, e.owner)? else { return Ok(()) };
    let key = (e.mailbox, e.owner, e.entry.as_str());
    let mut table = t.txn.open_table(METADATA)?;
    let had = match &e.value {
        Some(value) => table.insert(key, value.as_slice())?,
        None => table.remove(key)?,
    };
    let less = had.map_or(0, |had| note_size(&e.entry, had.value()));
    drop(table);
    charge(t, payer, e.value.as_ref().map_or(0, |value| note_size(&e.entry, value)), less)
}

/// A mailbox goes, with its rights and notes.
pub fn forget_mailbox(t: &mut Tables<'_>, mailbox: u32, account: u32) -> Result<()> {
    let mut freed = 0;
    let identifiers: Vec<(String, u16)> = grants(&t.txn.open_table(ACLS)?, mailbox)?;
    let mut table = t.txn.open_table(ACLS)?;
    for (identifier, _) in &identifiers {
        table.remove((mailbox, identifier.as_str()))?;
        freed += grant_size(identifier);
    }
    drop(table);
    charge(t, account, 0, freed)?;
    forget_notes(t, (mailbox, 0), |of, _| of == mailbox)
}

/// An account goes, with what it noted for itself anywhere.
pub fn forget_account(t: &mut Tables<'_>, account: u32) -> Result<()> {
    forget_notes(t, (0, 0), |_, owner| owner == account)
}

fn forget_notes(t: &mut Tables<'_>, from: (u32, u32), which: impl Fn(u32, u32) -> bool) -> Result<()> {
    let mut found = Vec::new();
    for entry in t.txn.open_table(METADATA)?.range((from.0, from.1, "")..)? {
        let (key, value) = entry?;
        let (mailbox, owner, name) = key.value();
        if which(mailbox, owner) {
            found.push((mailbox, owner, SmolStr::new(name), note_size(name, value.value())));
        } else if from.0 > 0 {
            break;
        }
    }
    for (mailbox, owner, name, size) in found {
        let payer = payer(t, mailbox, owner)?;
        t.txn.open_table(METADATA)?.remove((mailbox, owner, name.as_str()))?;
        if let Some(payer) = payer {
            charge(t, payer, 0, size)?;
        }
    }
    Ok(())
}

fn grants<T: From<String>>(t: &impl ReadableTable<(u32, &'static str), u16>, mailbox: u32) -> Result<Vec<(T, u16)>> {
    let mut found = Vec::new();
    for entry in t.range((mailbox, "")..)? {
        let (key, rights) = entry?;
        let (of, identifier) = key.value();
        if of != mailbox {
            break;
        }
        found.push((T::from(identifier.to_owned()), rights.value()));
    }
    Ok(found)
}

/// An entry, and what it says.
type Note = (EntryName, Vec<u8>);

fn notes(t: &impl ReadableTable<(u32, u32, &'static str), &'static [u8]>, of: (u32, u32)) -> Result<Vec<Note>> {
    let mut found = Vec::new();
    for entry in t.range((of.0, of.1, "")..)? {
        let (key, value) = entry?;
        let (mailbox, owner, name) = key.value();
        if (mailbox, owner) != of {
            break;
        }
        found.push((EntryName(SmolStr::new(name)), value.value().to_vec()));
    }
    Ok(found)
}

/// ACL, decided.
fn plan_grant(t: &Tables<'_>, mailbox: u32, identifier: &str, rights: Rights) -> Result<Decision> {
    let account = t.mailbox(mailbox)?.account;
    if identifier.is_empty() || identifier.len() > limits::ACL_IDENTIFIER || identifier.contains(char::is_control) {
        return Err(StoreError::Limit("length or characters of an identifier"));
    }
    let table = t.txn.open_table(ACLS)?;
    let have = table.get((mailbox, identifier))?.map(|v| v.value());
    if have.unwrap_or(0) == rights.0 {
        return Ok(None);
    }
    if have.is_none() {
        if grants::<String>(&table, mailbox)?.len() >= limits::ACL_ENTRIES {
            return Err(StoreError::Limit("identifiers with rights of a mailbox"));
        }
        check_room(t, account, grant_size(identifier), 0)?;
    }
    Ok(Some((account, Event::Acl(Granted { mailbox, identifier: SmolStr::new(identifier), rights }))))
}

/// METADATA, decided.
fn plan_note(
    t: &Tables<'_>,
    account: u32,
    mailbox: Option<u32>,
    entry: &EntryName,
    value: Option<Vec<u8>>,
) -> Result<Decision> {
    t.check_account(account)?;
    let mine = mailbox.map(|mailbox| t.mailbox(mailbox)).transpose()?.map_or(account, |row| row.account);
    let (mailbox, owner, payer) = match mailbox {
        Some(mailbox) if entry.is_shared() => (mailbox, 0, mine),
        mailbox => (mailbox.unwrap_or(0), account, account),
    };
    if value.as_ref().is_some_and(|value| value.len() > limits::METADATA_VALUE) {
        return Err(StoreError::Limit("octets of an annotation"));
    }
    let table = t.txn.open_table(METADATA)?;
    let have = table.get((mailbox, owner, entry.as_str()))?.map(|v| v.value().to_vec());
    if have == value {
        return Ok(None);
    }
    if have.is_none() && notes(&table, (mailbox, owner))?.len() >= limits::METADATA_ENTRIES {
        return Err(StoreError::Limit("annotations of a mailbox"));
    }
    let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |value| note_size(entry.as_str(), value));
    check_room(t, payer, size(&value), size(&have))?;
    Ok(Some((account, Event::Metadata(Noted { mailbox, owner, entry: entry.0.clone(), value }))))
}

impl Shared {
    fn acl(&self, mailbox: MailboxId) -> Result<Vec<(SmolStr, Rights)>> {
        let reader = self.read_catalogue()?;
        reader::mailbox_in(&reader, mailbox)?;
        let Some(t) = reader::table(&reader, ACLS)? else { return Ok(Vec::new()) };
        Ok(grants::<SmolStr>(&t, mailbox.0)?.into_iter().map(|(name, rights)| (name, Rights(rights))).collect())
    }

    fn metadata(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Note>> {
        let reader = self.read_catalogue()?;
        if let Some(mailbox) = mailbox {
            reader::mailbox_in(&reader, mailbox)?;
        }
        let Some(t) = reader::table(&reader, METADATA)? else { return Ok(Vec::new()) };
        let mut found = notes(&t, (mailbox.map_or(0, |m| m.0), account.0))?;
        if let Some(mailbox) = mailbox {
            found.extend(notes(&t, (mailbox.0, 0))?);
        }
        Ok(found)
    }
}

impl Store {
    /// Sets what an identifier (RFC 4314 §2) may do with a mailbox; no rights: it leaves the list (SETACL, DELETEACL). The list
    /// belongs to the mailbox, whatever its name becomes, and goes with it.
    pub fn set_acl(&self, mailbox: MailboxId, identifier: &str, rights: Rights) -> Result<()> {
        let identifier = SmolStr::new(identifier);
        self.change(move |t| Ok((plan_grant(t, mailbox.0, &identifier, rights)?, ())))
    }
    /// The identifiers with rights to a mailbox, in order.
    pub fn acl(&self, mailbox: MailboxId) -> Result<Vec<(SmolStr, Rights)>> {
        self.inner.shared.acl(mailbox)
    }

    /// Sets or removes what an entry of a mailbox says (RFC 5464), or of the account as a whole where no mailbox is named. Each
    /// account that reaches the mailbox has its `/private/` entries for itself. They belong to the mailbox like its rights.
    pub fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entry: &EntryName,
        value: Option<&[u8]>,
    ) -> Result<()> {
        let (mailbox, entry, value) = (mailbox.map(|m| m.0), entry.clone(), value.map(<[u8]>::to_vec));
        self.change(move |t| Ok((plan_note(t, account.0, mailbox, &entry, value)?, ())))
    }
    /// The entries that an account has for a mailbox, or as a whole: `/private/` ones before `/shared/` ones.
    pub fn metadata(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<(EntryName, Vec<u8>)>> {
        self.inner.shared.metadata(account, mailbox)
    }
}
