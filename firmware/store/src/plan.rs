//! Decides what an operation will do: checks it against the catalogue and gives out UIDs, MODSEQs and UIDVALIDITYs.
//! What comes out is an event that replay can repeat without deciding anything.

use crate::catalogue::{KeywordBits, Keywords, MailboxRow, Row, Tables, flags_of, keywords};
use crate::model::*;
use crate::pages::rows;
use crate::quota::{Holdings, holdings};
use crate::record::{
    Copied, Created, DELETED, Delivered, Event, Expunged, FlagsSet, LoggedFlags, Moved, Ranges, Renamed, flag_bits,
    ranges,
};
use crate::{StoreError, limits};
use smol_str::SmolStr;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Mailboxes every account begins with (RFC 6154 roles).
const DEFAULTS: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Archive", Some(SpecialUse::Archive)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
];

/// Gives out numbers of new mailboxes.
struct Numbers {
    mailbox: u32,
    uid_validity: u32,
    now: u32,
}

impl Numbers {
    fn new(t: &Tables<'_>, now: i64) -> Numbers {
        let now = u32::try_from(now).unwrap_or(0);
        Numbers { mailbox: t.meta.last_mailbox, uid_validity: t.meta.last_uid_validity, now }
    }

    fn create(&mut self, name: &str, special_use: Option<SpecialUse>, subscribed: bool) -> Result<Created> {
        let next = |n: u32| n.checked_add(1).ok_or(StoreError::Limit("mailboxes ever made"));
        self.mailbox = next(self.mailbox)?;
        self.uid_validity = next(self.uid_validity)?.max(self.now);
        Ok(Created {
            mailbox: self.mailbox,
            name: SmolStr::new(name),
            uid_validity: self.uid_validity,
            special_use,
            subscribed,
        })
    }
}

/// The first mailboxes of an account; nothing if it has some.
pub fn ensure_account(t: &Tables<'_>, account: u32, now: i64) -> Result<Option<Event>> {
    // INBOX is gone only where the record that made it is damaged
    let (whole, mut mailboxes) = (t.by_name(account, DEFAULTS[0].0)?.is_some(), Vec::new());
    if whole && t.has_account(account)? {
        return Ok(None);
    }
    let mut numbers = Numbers::new(t, now);
    for (name, role) in DEFAULTS {
        if t.by_name(account, name)?.is_none() {
            mailboxes.push(numbers.create(name, role, true)?);
        }
    }
    Ok(Some(Event::Account(mailboxes)))
}

/// A mailbox and its missing parents.
fn with_parents(
    t: &Tables<'_>,
    account: u32,
    name: &MailboxName,
    taken: &BTreeSet<SmolStr>,
    numbers: &mut Numbers,
) -> Result<Vec<Created>> {
    let mut parents = Vec::new();
    let mut parent = name.parent();
    while let Some(p) = parent {
        if taken.contains(p.as_str()) || t.by_name(account, p.as_str())?.is_some() {
            break;
        }
        parent = p.parent();
        parents.push(p);
    }
    parents.iter().rev().map(|p| numbers.create(p.as_str(), None, false)).collect()
}

fn check_room(t: &Tables<'_>, account: u32, more: usize) -> Result<()> {
    let have = crate::catalogue::names(&t.names, account)?.len();
    if have + more > limits::MAILBOXES { Err(StoreError::Limit("mailboxes of an account")) } else { Ok(()) }
}

/// CREATE.
pub fn create(
    t: &Tables<'_>,
    account: u32,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
    now: i64,
) -> Result<Vec<Created>> {
    t.check_account(account)?;
    if t.by_name(account, name.as_str())?.is_some() {
        return Err(StoreError::Exists);
    }
    let mut numbers = Numbers::new(t, now);
    let mut created = with_parents(t, account, name, &BTreeSet::new(), &mut numbers)?;
    created.push(numbers.create(name.as_str(), special_use, false)?);
    check_room(t, account, created.len())?;
    Ok(created)
}

/// DELETE.
pub fn delete(t: &Tables<'_>, account: u32, name: &MailboxName) -> Result<u32> {
    if name.is_inbox() {
        return Err(StoreError::Inbox);
    }
    t.by_name(account, name.as_str())?.ok_or(StoreError::NoSuchMailbox)
}

/// RENAME.
pub fn rename(t: &Tables<'_>, account: u32, from: &MailboxName, to: &MailboxName, now: i64) -> Result<Renamed> {
    let source = t.by_name(account, from.as_str())?;
    // a name may be a mere level above mailboxes: then those are renamed
    let is_child = |name: &SmolStr| MailboxName::stored(name.clone()).is_below(from);
    if source.is_none() && !crate::catalogue::names(&t.names, account)?.iter().any(|(name, _)| is_child(name)) {
        return Err(StoreError::NoSuchMailbox);
    }
    if to.is_inbox() {
        return Err(StoreError::Inbox);
    }
    if t.by_name(account, to.as_str())?.is_some() {
        return Err(StoreError::Exists);
    }
    let mut numbers = Numbers::new(t, now);
    if let (true, Some(source)) = (from.is_inbox(), source) {
        let mut created = with_parents(t, account, to, &BTreeSet::new(), &mut numbers)?;
        let target = numbers.create(to.as_str(), None, false)?;
        let moved = move_all(t, source, target.mailbox, now)?;
        created.push(target);
        check_room(t, account, created.len())?;
        return Ok(Renamed { names: Vec::new(), created, moved });
    }
    if to.is_below(from) {
        return Err(StoreError::Limit("a mailbox cannot move below itself"));
    }
    let names = renamed_names(t, account, from, to)?;
    let taken = names.iter().map(|(_, n)| n.clone()).collect();
    let created = with_parents(t, account, to, &taken, &mut numbers)?;
    check_room(t, account, created.len())?;
    Ok(Renamed { names, created, moved: None })
}

/// A mailbox and its children with their new names.
fn renamed_names(t: &Tables<'_>, account: u32, from: &MailboxName, to: &MailboxName) -> Result<Vec<(u32, SmolStr)>> {
    let mut names = Vec::new();
    for (name, id) in crate::catalogue::names(&t.names, account)? {
        let old = MailboxName::stored(name);
        if old != *from && !old.is_below(from) {
            continue;
        }
        let new = format!("{}{}", to.as_str(), &old.as_str()[from.as_str().len()..]);
        let new = MailboxName::parse(&new).map_err(|_| StoreError::Limit("length or levels of a mailbox name"))?;
        if t.by_name(account, new.as_str())?.is_some() {
            return Err(StoreError::Exists);
        }
        names.push((id, SmolStr::new(new.as_str())));
    }
    Ok(names)
}

fn move_all(t: &Tables<'_>, from: u32, to: u32, now: i64) -> Result<Option<Moved>> {
    let mut uids = Vec::new();
    rows(&t.messages, from, (0, u32::MAX), |uid, _| {
        uids.push(uid);
        Ok(true)
    })?;
    if uids.is_empty() {
        return Ok(None);
    }
    let copied = Copied { from, to, modseq: t.modseq_floor.max(1) + 1, first: 1, save_date: now, uids: ranges(uids) };
    Ok(Some(Moved { copied, from_modseq: t.next_modseq(&t.mailbox(from)?) }))
}

/// SUBSCRIBE; nothing if it is so already.
pub fn subscribe(t: &Tables<'_>, account: u32, name: &MailboxName, on: bool) -> Result<Option<Event>> {
    t.check_account(account)?;
    Ok((t.is_subscribed(account, name.as_str())? != on).then(|| Event::Subscribe(SmolStr::new(name.as_str()), on)))
}

/// Room for one more message.
fn next_uid(uid_next: u32, messages: usize) -> Result<()> {
    let room = (u32::MAX - uid_next) as usize;
    if messages > room { Err(StoreError::Limit("UIDs of a mailbox")) } else { Ok(()) }
}

/// What earlier targets of the same delivery have taken already.
#[derive(Default)]
pub struct Taken {
    mailboxes: HashMap<u32, (MailboxRow, Option<Keywords>)>,
    accounts: HashMap<u32, Holdings>,
}

/// One target of a delivery, and the account it belongs to.
pub fn deliver(t: &Tables<'_>, taken: &mut Taken, target: &Target, size: u64) -> Result<(u32, Delivered, Appended)> {
    let id = target.mailbox.0;
    let (mailbox, known) = match taken.mailboxes.entry(id) {
        Entry::Occupied(e) => e.into_mut(),
        Entry::Vacant(e) => e.insert((t.mailbox(id)?, None)),
    };
    next_uid(mailbox.uid_next, 1)?;
    if !target.flags.keywords.is_empty() {
        let known = match known {
            Some(known) => known,
            None => known.insert(keywords(&t.keywords, id)?),
        };
        let mut more = known.clone();
        learn(&mut more, &target.flags.keywords)?;
        *known = more;
    }
    match taken.accounts.entry(mailbox.account) {
        Entry::Occupied(e) => e.into_mut(),
        Entry::Vacant(e) => e.insert(holdings(&t.holdings, mailbox.account)?),
    }
    .take(size, 1)?;
    let uid = mailbox.uid_next;
    mailbox.uid_next += 1;
    mailbox.modseq = t.next_modseq(mailbox);
    let delivered = Delivered {
        mailbox: id,
        uid,
        modseq: mailbox.modseq,
        flags: logged(&target.flags),
        internal_date: target.internal_date,
        save_date: target.save_date,
    };
    let appended =
        Appended { uid_validity: uid_validity(mailbox)?, uid: Uid::new(uid).ok_or_else(crate::catalogue::damaged)? };
    Ok((mailbox.account, delivered, appended))
}

/// A mailbox's UIDVALIDITY.
pub fn uid_validity(mailbox: &MailboxRow) -> Result<UidValidity> {
    std::num::NonZeroU32::new(mailbox.uid_validity).map(UidValidity).ok_or_else(crate::catalogue::damaged)
}

fn logged(flags: &Flags) -> LoggedFlags {
    LoggedFlags { bits: flag_bits(flags), keywords: flags.keywords.iter().cloned().collect() }
}

/// Adds keywords to those of a mailbox, within the limit.
fn learn<'a>(known: &mut Keywords, new: impl IntoIterator<Item = &'a Keyword>) -> Result<()> {
    for keyword in new {
        if known.number(keyword).is_none() {
            if known.0.len() >= limits::KEYWORDS {
                return Err(StoreError::Limit("keywords of a mailbox"));
            }
            known.0.push(keyword.clone());
        }
    }
    Ok(())
}

/// COPY, or the first half of MOVE: the event and the pairs of UIDs; nothing if no message is left.
pub fn copy(
    t: &Tables<'_>,
    from: u32,
    uids: &[u32],
    to: u32,
    now: i64,
    remove: bool,
) -> Result<(Copied, Vec<(Uid, Uid)>)> {
    let source = t.mailbox(from)?;
    let target = t.mailbox(to)?;
    let source_keywords = keywords(&t.keywords, from)?;
    let mut target_keywords = keywords(&t.keywords, to)?;
    let mut found = Vec::new();
    let mut seen = KeywordBits::default();
    let mut octets = 0;
    for uid in uids {
        if let Some(row) = t.row(from, *uid)? {
            for (all, one) in seen.iter_mut().zip(row.keywords) {
                *all |= one;
            }
            octets += row.size;
            found.push(*uid);
        }
    }
    // what only moves is no more than before
    if !(remove && source.account == target.account) {
        holdings(&t.holdings, target.account)?.take(octets, found.len() as u64)?;
    }
    learn(&mut target_keywords, source_keywords.named(&seen))?;
    next_uid(target.uid_next, found.len())?;
    let pairs = found.iter().zip(target.uid_next..).filter_map(|(a, b)| Some((Uid::new(*a)?, Uid::new(b)?))).collect();
    let copied = Copied {
        from,
        to,
        modseq: t.next_modseq(&target),
        first: target.uid_next,
        save_date: now,
        uids: ranges(found),
    };
    Ok((copied, pairs))
}

/// MOVE, made of the COPY.
pub fn move_messages(t: &Tables<'_>, copied: Copied) -> Result<Moved> {
    let from_modseq = t.next_modseq(&t.mailbox(copied.from)?) + u64::from(copied.from == copied.to);
    Ok(Moved { copied, from_modseq })
}

/// Which of these messages an EXPUNGE removes.
pub fn expunge(t: &Tables<'_>, mailbox: u32, which: &Which) -> Result<Option<Expunged>> {
    let row = t.mailbox(mailbox)?;
    let mut uids = Vec::new();
    match which {
        Which::Deleted if row.deleted == 0 => {}
        Which::Deleted => rows(&t.messages, mailbox, (0, u32::MAX), |uid, row| {
            if row.bits & DELETED != 0 {
                uids.push(uid);
            }
            Ok(true)
        })?,
        Which::Among { uids: among, only_deleted } => {
            for uid in among {
                let row = t.row(mailbox, *uid)?;
                if row.is_some_and(|r| !only_deleted || r.bits & DELETED != 0) {
                    uids.push(*uid);
                }
            }
        }
    }
    let gone = Expunged { mailbox, modseq: t.next_modseq(&row), uids: ranges(uids) };
    Ok((!gone.uids.is_empty()).then_some(gone))
}

/// [`Expunge`] with its UIDs owned and sorted.
#[derive(Debug)]
pub enum Which {
    /// All with `\Deleted`.
    Deleted,
    /// Among these.
    Among {
        /// Ascending.
        uids: Vec<u32>,
        /// Only those with `\Deleted`.
        only_deleted: bool,
    },
}

/// What STORE changes, and which messages it leaves alone.
pub struct FlagsPlan {
    /// The event; nothing if no flag changes.
    pub event: Option<FlagsSet>,
    /// Messages left alone because of UNCHANGEDSINCE.
    pub modified: Vec<Uid>,
}

/// STORE.
pub fn change_flags(
    t: &Tables<'_>,
    mailbox: u32,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Result<FlagsPlan> {
    let modseq = t.next_modseq(&t.mailbox(mailbox)?);
    let mut known = keywords(&t.keywords, mailbox)?;
    match change {
        FlagChange::Replace(flags) | FlagChange::Add(flags) => learn(&mut known, &flags.keywords)?,
        FlagChange::Remove(_) => {}
    }
    let (bits, names) = match change {
        FlagChange::Replace(f) | FlagChange::Add(f) | FlagChange::Remove(f) => flags_of(f, &known),
    };
    let mut groups: BTreeMap<(u8, KeywordBits), Vec<u32>> = BTreeMap::new();
    let mut modified = Vec::new();
    for uid in uids {
        let Some(old) = t.row(mailbox, *uid)? else { continue };
        if unchanged_since.is_some_and(|limit| old.modseq > limit.0) {
            modified.extend(Uid::new(*uid));
            continue;
        }
        let new = changed(&old, change, bits, &names);
        if new != (old.bits, old.keywords) {
            groups.entry(new).or_default().push(*uid);
        }
    }
    let groups: Vec<(LoggedFlags, Ranges)> = groups
        .into_iter()
        .map(|((bits, names), uids)| {
            (LoggedFlags { bits, keywords: known.named(&names).cloned().collect() }, ranges(uids))
        })
        .collect();
    let event = (!groups.is_empty()).then_some(FlagsSet { mailbox, modseq, groups });
    Ok(FlagsPlan { event, modified })
}

fn changed(old: &Row, change: &FlagChange, bits: u8, names: &KeywordBits) -> (u8, KeywordBits) {
    let merge = |with: fn(u64, u64) -> u64| std::array::from_fn(|i| with(old.keywords[i], names[i]));
    match change {
        FlagChange::Replace(_) => (bits, *names),
        FlagChange::Add(_) => (old.bits | bits, merge(|a, b| a | b)),
        FlagChange::Remove(_) => (old.bits & !bits, merge(|a, b| a & !b)),
    }
}
