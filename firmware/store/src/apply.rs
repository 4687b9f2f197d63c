//! What each event does to the catalogue: the same for the live writer and for replay.
//!
//! A replay may have lost records to damage, so an event that refers to what is not there does as much as it can.

use crate::StoreError;
use crate::catalogue::{BlobRow, Change, KeywordBits, MailboxRow, Row, SharedRow, Tables, keywords};
use crate::model::{Keyword, SpecialUse};
use crate::pages::rows;
use crate::record::{
    Copied, Created, Deliver, Event, Expunged, Extent, FlagsSet, Moved, Ranges, Relocated, Renamed, Shared, ranges,
};
use crate::{access, queue, quota, seen, threads, vanished};
use redb::ReadableTable;
use smol_str::{SmolStr, format_smolstr};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Applies an event of an account.
pub fn apply(t: &mut Tables<'_>, account: u32, event: &Event) -> Result<()> {
    apply_to(t, account, event)?;
    t.settle()
}

fn apply_to(t: &mut Tables<'_>, account: u32, event: &Event) -> Result<()> {
    match event {
        Event::Open(_) => Ok(()),
        Event::Deliver(e) => deliver(t, account, e),
        Event::Flags(all) => all.iter().try_for_each(|e| flags(t, e)),
        Event::Copy(e) => copy(t, account, e),
        Event::Move(e) => move_messages(t, account, e),
        Event::Expunge(e) => expunge(t, e),
        Event::Create(e) => e.iter().try_for_each(|c| create(t, account, c)),
        Event::Delete(mailbox) => delete(t, *mailbox),
        Event::Rename(e) => rename(t, account, e),
        Event::Subscribe(name, true) => Ok(t.subscriptions.insert((account, name.as_str()), ()).map(drop)?),
        Event::Subscribe(name, false) => Ok(t.subscriptions.remove((account, name.as_str())).map(drop)?),
        Event::Account(e) => {
            t.accounts.insert(account, ())?;
            e.iter().try_for_each(|c| create(t, account, c))
        }
        Event::RemoveAccount => remove_account(t, account),
        Event::SnapshotBegin(_) | Event::SnapshotRows(_) | Event::SnapshotEnd(..) => Ok(()),
        Event::Relocate(e) => relocate(t, e),
        Event::Quota(limits) => quota::limit(t, account, limits),
        Event::Acl(e) => access::grant(t, e),
        Event::Metadata(e) => access::note(t, e),
        Event::Enqueue(e) => queue::enqueue(t, account, e),
        Event::Attempt(e) => queue::attempted(t, e),
        Event::Dequeue(entry) => queue::dequeue(t, *entry),
        Event::Seen(e) => seen::set(t, e),
    }
}

/// The mailbox; one whose CREATE was lost is made again under a name that says so.
fn mailbox(t: &mut Tables<'_>, account: u32, id: u32) -> Result<MailboxRow> {
    if let Some(row) = t.find_mailbox(id)? {
        return Ok(row);
    }
    let created = Created {
        mailbox: id,
        name: format_smolstr!("Recovered-{id}"),
        uid_validity: t.meta.last_uid_validity.saturating_add(1),
        special_use: None::<SpecialUse>,
        subscribed: true,
    };
    t.accounts.insert(account, ())?;
    create(t, account, &created)?;
    t.mailbox(id)
}

fn create(t: &mut Tables<'_>, account: u32, c: &Created) -> Result<()> {
    // names are free when they are given; only after damage may one be taken
    let free = t.by_name(account, &c.name)?.is_none_or(|other| other == c.mailbox);
    let name = if free { c.name.clone() } else { format_smolstr!("{}-{}", c.name, c.mailbox) };
    let row = MailboxRow {
        account,
        name: name.clone(),
        uid_validity: c.uid_validity,
        special_use: c.special_use,
        uid_next: 1,
        modseq: 1,
        messages: 0,
        unseen: 0,
        deleted: 0,
        size: 0,
        recent: 1,
    };
    t.put_mailbox(c.mailbox, &row)?;
    t.names.insert((account, name.as_str()), c.mailbox)?;
    if c.subscribed {
        t.subscriptions.insert((account, name.as_str()), ())?;
    }
    t.meta.last_mailbox = t.meta.last_mailbox.max(c.mailbox);
    t.meta.last_uid_validity = t.meta.last_uid_validity.max(c.uid_validity);
    Ok(())
}

/// The bits of keywords in a mailbox, numbering new ones.
fn keyword_bits(t: &mut Tables<'_>, mailbox: u32, names: &[Keyword]) -> Result<KeywordBits> {
    if names.is_empty() {
        return Ok(KeywordBits::default());
    }
    let mut known = keywords(&t.keywords, mailbox)?;
    for name in names {
        if known.number(name).is_none() {
            t.keywords.insert((mailbox, known.0.len() as u16), name.as_str())?;
            known.0.push(name.clone());
        }
    }
    Ok(known.bits(names))
}

/// Puts a message into a mailbox whose row the caller stores.
fn insert(t: &mut Tables<'_>, id: u32, mailbox: &mut MailboxRow, uid: u32, row: &Row) -> Result<()> {
    t.put_row(id, uid, row)?;
    mailbox.count(row, true);
    mailbox.uid_next = mailbox.uid_next.max(uid.saturating_add(1));
    mailbox.modseq = mailbox.modseq.max(row.modseq);
    t.meta.messages += 1;
    t.meta.message_bytes = t.meta.message_bytes.saturating_add(row.size);
    Ok(())
}

/// DELIVER.
pub fn deliver(t: &mut Tables<'_>, account: u32, e: &Deliver) -> Result<()> {
    let blob = BlobRow { size: e.size, references: e.targets.len() as u32, extents: e.extents.clone() };
    t.meta.live += blob.own();
    t.put_blob(e.blob, &blob)?;
    for extent in &e.extents {
        if let Some(shared) = extent.shared {
            share(t, extent, shared)?;
        }
    }
    for target in &e.targets {
        let mut into = mailbox(t, account, target.mailbox)?;
        let row = Row {
            modseq: target.modseq,
            bits: target.flags.bits,
            internal_date: target.internal_date,
            save_date: target.save_date,
            size: e.size,
            blob: e.blob,
            keywords: keyword_bits(t, target.mailbox, &target.flags.keywords)?,
        };
        insert(t, target.mailbox, &mut into, target.uid, &row)?;
        t.put_mailbox(target.mailbox, &into)?;
        changed(t, target.mailbox, target.modseq, vec![(target.uid, target.uid)], Ranges::new());
    }
    e.threads.iter().try_for_each(|threaded| threads::thread(t, e.blob, threaded))
}

/// One more body uses a part.
fn share(t: &mut Tables<'_>, extent: &Extent, Shared { part, hash }: Shared) -> Result<()> {
    let mut row = t.shared(part)?.unwrap_or(SharedRow { at: extent.at, stored: extent.stored, references: 0, hash });
    if row.references == 0 {
        t.meta.live += u64::from(row.stored);
    }
    row.references += 1;
    t.put_shared(part, &row)?;
    if t.hashes.get(hash)?.is_none() {
        t.hashes.insert(hash, part)?;
    }
    Ok(())
}

/// Parts are somewhere else now.
fn relocate(t: &mut Tables<'_>, e: &Relocated) -> Result<()> {
    let mut stored = e.stored.iter().copied();
    let mut live = t.meta.live;
    for (id, from, to) in &e.blobs {
        let now = stored.next();
        if let Some(mut blob) = t.blob(*id)? {
            for x in blob.extents.iter_mut().filter(|x| x.at == *from && x.shared.is_none()) {
                let now = now.unwrap_or(x.stored);
                live = (live + u64::from(now)).saturating_sub(x.stored.into());
                (x.at, x.stored) = (*to, now);
            }
            t.put_blob(*id, &blob)?;
        }
    }
    for (id, to) in &e.shared {
        let now = stored.next();
        if let Some(row) = t.shared(*id)? {
            let stored = now.unwrap_or(row.stored);
            live = (live + u64::from(stored)).saturating_sub(row.stored.into());
            t.put_shared(*id, &SharedRow { at: *to, stored, ..row })?;
        }
    }
    t.meta.live = live;
    Ok(())
}

/// One body less uses a part; new ones do not find what none uses.
fn unshare(t: &mut Tables<'_>, Shared { part, hash }: Shared) -> Result<()> {
    let Some(mut row) = t.shared(part)? else { return Ok(()) };
    row.references = row.references.saturating_sub(1);
    t.put_shared(part, &row)?;
    if row.references == 0 {
        t.meta.die(row.stored.into());
    }
    if row.references == 0 && t.hashes.get(hash)?.is_some_and(|v| v.value() == part) {
        t.hashes.remove(hash)?;
    }
    Ok(())
}

fn changed(t: &mut Tables<'_>, mailbox: u32, modseq: u64, changed: Ranges, vanished: Ranges) {
    t.changes.push(Change { mailbox, modseq, changed, vanished });
}

/// The messages there are among these.
fn present(t: &mut Tables<'_>, mailbox: u32, uids: &Ranges) -> Result<Vec<(u32, Row)>> {
    t.settle()?;
    let mut found = Vec::new();
    for range in uids {
        rows(&t.messages, mailbox, *range, |uid, row| {
            found.push((uid, row));
            Ok(true)
        })?;
    }
    Ok(found)
}

fn flags(t: &mut Tables<'_>, e: &FlagsSet) -> Result<()> {
    let Some(mut mailbox) = t.find_mailbox(e.mailbox)? else { return Ok(()) };
    let mut uids = Vec::new();
    for (flags, range) in &e.groups {
        let keywords = keyword_bits(t, e.mailbox, &flags.keywords)?;
        for (uid, old) in present(t, e.mailbox, range)? {
            let new = Row { modseq: e.modseq, bits: flags.bits, keywords, ..old };
            mailbox.count(&old, false);
            mailbox.count(&new, true);
            t.put_row(e.mailbox, uid, &new)?;
            uids.push(uid);
        }
    }
    mailbox.modseq = mailbox.modseq.max(e.modseq);
    t.put_mailbox(e.mailbox, &mailbox)?;
    uids.sort_unstable();
    changed(t, e.mailbox, e.modseq, ranges(uids), Ranges::new());
    Ok(())
}

fn copy(t: &mut Tables<'_>, account: u32, e: &Copied) -> Result<()> {
    let mut into = mailbox(t, account, e.to)?;
    let source_keywords = keywords(&t.keywords, e.from)?;
    // every UID of the ranges existed when this was logged: its copy's UID follows from its place among them
    let sources = e.uids.iter().flat_map(|(first, last)| *first..=*last);
    let mut last = None;
    let mut same: Option<(KeywordBits, KeywordBits)> = None;
    for (source, uid) in sources.zip(e.first..) {
        last = Some(uid);
        let Some(old) = t.row(e.from, source)? else { continue };
        // neighbours mostly have the same keywords
        let translated = match same.filter(|(from, _)| *from == old.keywords) {
            Some((_, to)) => to,
            None => {
                let names: Vec<Keyword> = source_keywords.named(&old.keywords).cloned().collect();
                keyword_bits(t, e.to, &names)?
            }
        };
        same = Some((old.keywords, translated));
        let row = Row { modseq: e.modseq, save_date: e.save_date, keywords: translated, ..old };
        insert(t, e.to, &mut into, uid, &row)?;
        refer(t, row.blob)?;
    }
    if let Some(last) = last {
        into.uid_next = into.uid_next.max(last.saturating_add(1));
        changed(t, e.to, e.modseq, vec![(e.first, last)], Ranges::new());
    }
    t.put_mailbox(e.to, &into)
}

fn move_messages(t: &mut Tables<'_>, account: u32, e: &Moved) -> Result<()> {
    copy(t, account, &e.copied)?;
    expunge(t, &Expunged { mailbox: e.copied.from, modseq: e.from_modseq, uids: e.copied.uids.clone() })
}

/// Takes a message's share of its blob and of the totals away.
fn forget(t: &mut Tables<'_>, row: &Row) -> Result<()> {
    t.meta.messages = t.meta.messages.saturating_sub(1);
    t.meta.message_bytes = t.meta.message_bytes.saturating_sub(row.size);
    release(t, row.blob)
}

/// One more has this body.
pub fn refer(t: &mut Tables<'_>, id: u64) -> Result<()> {
    if let Some(mut blob) = t.blob(id)? {
        blob.references += 1;
        t.put_blob(id, &blob)?;
    }
    Ok(())
}

/// One less has this body.
pub fn release(t: &mut Tables<'_>, id: u64) -> Result<()> {
    if let Some(mut blob) = t.blob(id)? {
        blob.references = blob.references.saturating_sub(1);
        t.put_blob(id, &blob)?;
        if blob.references == 0 {
            threads::forget_body(t, id)?;
            t.meta.die(blob.own());
            blob.extents.iter().filter_map(|e| e.shared).try_for_each(|shared| unshare(t, shared))?;
        }
    }
    Ok(())
}

fn expunge(t: &mut Tables<'_>, e: &Expunged) -> Result<()> {
    let Some(mut mailbox) = t.find_mailbox(e.mailbox)? else { return Ok(()) };
    for (uid, row) in present(t, e.mailbox, &e.uids)? {
        t.remove_row(e.mailbox, uid)?;
        mailbox.count(&row, false);
        forget(t, &row)?;
    }
    vanished::expunge(t, e.mailbox, e.modseq, &e.uids)?;
    seen::expunge(t, e.mailbox, &e.uids)?;
    mailbox.modseq = mailbox.modseq.max(e.modseq);
    t.put_mailbox(e.mailbox, &mailbox)?;
    changed(t, e.mailbox, e.modseq, Ranges::new(), e.uids.clone());
    Ok(())
}

fn delete(t: &mut Tables<'_>, id: u32) -> Result<()> {
    let Some(mailbox) = t.find_mailbox(id)? else { return Ok(()) };
    for (uid, row) in present(t, id, &vec![(0, u32::MAX)])? {
        t.remove_row(id, uid)?;
        forget(t, &row)?;
    }
    t.keywords.retain_in((id, 0)..=(id, u16::MAX), |_, _| false)?;
    vanished::forget_mailbox(t, id)?;
    access::forget_mailbox(t, id, mailbox.account)?;
    seen::forget_mailbox(t, id)?;
    t.names.remove((mailbox.account, mailbox.name.as_str()))?;
    t.remove_mailbox(id)?;
    changed(t, id, u64::MAX, Ranges::new(), Ranges::new());
    Ok(())
}

fn rename(t: &mut Tables<'_>, account: u32, e: &Renamed) -> Result<()> {
    let mut found: Vec<(u32, MailboxRow, &SmolStr)> = Vec::new();
    for (id, name) in &e.names {
        if let Some(row) = t.find_mailbox(*id)? {
            t.names.remove((account, row.name.as_str()))?;
            found.push((*id, row, name));
        }
    }
    for (id, mut row, name) in found {
        row.name = name.clone();
        t.names.insert((account, name.as_str()), id)?;
        t.put_mailbox(id, &row)?;
        let modseq = row.modseq;
        changed(t, id, modseq, Ranges::new(), Ranges::new());
    }
    e.created.iter().try_for_each(|c| create(t, account, c))?;
    match &e.moved {
        Some(moved) => move_messages(t, account, moved),
        None => Ok(()),
    }
}

fn remove_account(t: &mut Tables<'_>, account: u32) -> Result<()> {
    for (_, mailbox) in crate::catalogue::names(&t.names, account)? {
        delete(t, mailbox)?;
    }
    for name in crate::catalogue::subscriptions(&t.subscriptions, account)? {
        t.subscriptions.remove((account, name.as_str()))?;
    }
    access::forget_account(t, account)?;
    threads::forget_account(t, account)?;
    seen::forget_account(t, account)?;
    queue::forget_account(t, account)?;
    t.holdings.remove(account)?;
    t.accounts.remove(account)?;
    Ok(())
}
