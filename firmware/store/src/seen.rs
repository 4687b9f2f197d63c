//! `\Seen` of accounts other than the owner in a mailbox they share: whoever reads a message there has read it for himself alone.
//!
//! Kept as runs of UIDs in pages of [`PAGE`], so that a change costs a page and not the mailbox. A message in no run is unseen. Every
//! change takes a MODSEQ of the mailbox; for the reader a message has the higher of its own and its run's.

use crate::catalogue::{self, Change, Row, Tables};
use crate::jobs::Decision;
use crate::model::*;
use crate::pages::row;
use crate::record::{Event, Ranges, SEEN as SEEN_BIT, ranges};
use crate::writer::Shared;
use crate::{Store, StoreError, limits, plan, reader, sorted};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// (mailbox, account, page) to runs.
pub const SEEN: TableDefinition<(u32, u32, u32), &[u8]> = TableDefinition::new("seen");
/// UIDs of a page.
const PAGE: u32 = 4_096;

/// UIDs of a page that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    first: u16,
    last: u16,
    seen: bool,
    modseq: u64,
}

/// SEEN: what an account has read, or marked as not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenSet {
    /// The mailbox.
    pub mailbox: u32,
    /// Whose view it is.
    pub reader: u32,
    /// MODSEQ of the change.
    pub modseq: u64,
    /// Whether they are seen now.
    pub seen: bool,
    /// Which messages.
    pub uids: Ranges,
}

/// A page, UID by UID.
type Cells = Vec<Option<(bool, u64)>>;

fn cells(runs: &[Run]) -> Cells {
    let mut cells = vec![None; PAGE as usize];
    for run in runs {
        if let Some(part) = cells.get_mut(usize::from(run.first)..=usize::from(run.last)) {
            part.fill(Some((run.seen, run.modseq)));
        }
    }
    cells
}

/// As few runs as there can be; of too many, neighbours become one with the higher MODSEQ: then a change is told twice.
fn runs(cells: &Cells) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    let merge = |run: Run, alike: fn(&Run, &Run) -> bool, out: &mut Vec<Run>| match out.last_mut() {
        Some(last) if last.last + 1 == run.first && last.seen == run.seen && alike(last, &run) => {
            last.last = run.last;
            last.modseq = last.modseq.max(run.modseq);
        }
        _ => out.push(run),
    };
    for (n, cell) in (0..).zip(cells) {
        if let Some((seen, modseq)) = *cell {
            merge(Run { first: n, last: n, seen, modseq }, |a, b| a.modseq == b.modseq, &mut out);
        }
    }
    if out.len() > limits::SEEN_RUNS {
        let all = std::mem::take(&mut out);
        all.into_iter().for_each(|run| merge(run, |_, _| true, &mut out));
    }
    out
}

/// UID ranges as they lie in pages: page, first and last in it.
fn by_page(uids: &Ranges) -> BTreeMap<u32, Vec<RangeInclusive<usize>>> {
    let mut pages = BTreeMap::<u32, Vec<_>>::new();
    for (first, last) in uids {
        for page in first / PAGE..=last / PAGE {
            let inside = |uid: u32| uid.saturating_sub(page * PAGE).min(PAGE - 1) as usize;
            pages.entry(page).or_default().push(inside(*first)..=inside(*last));
        }
    }
    pages
}

/// What an account has seen of some UIDs of a mailbox.
#[derive(Debug, Default)]
struct View(Vec<(u32, u32, bool, u64)>);

impl View {
    fn read(
        t: &impl ReadableTable<(u32, u32, u32), &'static [u8]>,
        mailbox: u32,
        reader: u32,
        (first, last): (u32, u32),
    ) -> Result<View> {
        let mut view = View::default();
        if first > last {
            return Ok(view);
        }
        for entry in t.range((mailbox, reader, first / PAGE)..=(mailbox, reader, last / PAGE))? {
            let (key, bytes) = entry?;
            let from = key.value().2 * PAGE;
            let runs: Vec<Run> = catalogue::value(bytes.value())?;
            view.0.extend(runs.iter().map(|r| (from + u32::from(r.first), from + u32::from(r.last), r.seen, r.modseq)));
        }
        Ok(view)
    }

    /// Whether a message is seen, and the MODSEQ of that.
    fn of(&self, uid: u32) -> (bool, u64) {
        let at = self.0.partition_point(|(_, last, ..)| *last < uid);
        self.0.get(at).filter(|(first, ..)| *first <= uid).map_or((false, 0), |(_, _, seen, modseq)| (*seen, *modseq))
    }

    /// The row as the account sees it.
    fn show(&self, uid: u32, row: Row) -> Row {
        let (seen, modseq) = self.of(uid);
        let bits = row.bits & !SEEN_BIT | if seen { SEEN_BIT } else { 0 };
        Row { bits, modseq: row.modseq.max(modseq), ..row }
    }

    /// Messages seen. Runs are of messages that are there.
    fn seen(&self) -> u32 {
        self.0.iter().filter(|(_, _, seen, _)| *seen).map(|(first, last, ..)| last - first + 1).sum()
    }
}

/// Whose view of a mailbox it is: nothing special for the owner.
#[derive(Debug, Default)]
pub struct Viewer(Option<View>);

impl Viewer {
    /// An account's view of some UIDs of a mailbox.
    pub fn new(
        reader: &catalogue::Reader<'_>,
        mailbox: MailboxId,
        account: AccountId,
        uids: (u32, u32),
    ) -> Result<Viewer> {
        if reader::mailbox_in(reader, mailbox)?.account == account.0 {
            return Ok(Viewer(None));
        }
        Ok(Viewer(Some(match reader::table(reader, SEEN)? {
            Some(t) => View::read(&t, mailbox.0, account.0, uids)?,
            None => View::default(),
        })))
    }

    /// The row in this view.
    pub fn show(&self, uid: u32, row: Row) -> Row {
        self.0.as_ref().map_or(row, |view| view.show(uid, row))
    }

    /// Of so many messages, how many are unseen in this view, if the owner has not seen so many.
    fn unseen(&self, messages: u32, owner: u32) -> u32 {
        self.0.as_ref().map_or(owner, |view| messages.saturating_sub(view.seen()))
    }
}

/// Changes pages of an account's view.
fn change(
    t: &mut Tables<'_>,
    (mailbox, reader): (u32, u32),
    pages: &BTreeMap<u32, Vec<RangeInclusive<usize>>>,
    to: Option<(bool, u64)>,
) -> Result<()> {
    let mut table = t.txn.open_table(SEEN)?;
    for (page, parts) in pages {
        let key = (mailbox, reader, *page);
        let old: Option<Vec<Run>> = table.get(key)?.map(|v| catalogue::value(v.value())).transpose()?;
        if old.is_none() && to.is_none() {
            continue;
        }
        let mut cells = cells(&old.unwrap_or_default());
        for part in parts {
            if let Some(part) = cells.get_mut(part.clone()) {
                part.fill(to);
            }
        }
        let new = runs(&cells);
        match new.is_empty() {
            true => drop(table.remove(key)?),
            false => drop(table.insert(key, catalogue::stored(&new)?.as_slice())?),
        }
    }
    Ok(())
}

/// Applies SEEN.
pub fn set(t: &mut Tables<'_>, e: &SeenSet) -> Result<()> {
    let Some(mut mailbox) = t.find_mailbox(e.mailbox)? else { return Ok(()) };
    change(t, (e.mailbox, e.reader), &by_page(&e.uids), Some((e.seen, e.modseq)))?;
    mailbox.modseq = mailbox.modseq.max(e.modseq);
    t.put_mailbox(e.mailbox, &mailbox)?;
    t.changes.push(Change { mailbox: e.mailbox, modseq: e.modseq, changed: e.uids.clone(), vanished: Ranges::new() });
    Ok(())
}

/// A row of a snapshot.
pub fn load(t: &mut Tables<'_>, key: (u32, u32, u32), runs: &[Run]) -> Result<()> {
    t.txn.open_table(SEEN)?.insert(key, catalogue::stored(&runs)?.as_slice())?;
    Ok(())
}

/// Messages go, from every view.
pub fn expunge(t: &mut Tables<'_>, mailbox: u32, uids: &Ranges) -> Result<()> {
    let mut readers = Vec::new();
    let table = t.txn.open_table(SEEN)?;
    while let Some(entry) = table.range((mailbox, readers.last().map_or(0, |r| r + 1), 0)..)?.next() {
        let (of, reader, _) = entry?.0.value();
        if of != mailbox {
            break;
        }
        readers.push(reader);
    }
    drop(table);
    if readers.is_empty() {
        return Ok(());
    }
    let pages = by_page(uids);
    readers.into_iter().try_for_each(|reader| change(t, (mailbox, reader), &pages, None))
}

/// A mailbox goes.
pub fn forget_mailbox(t: &mut Tables<'_>, mailbox: u32) -> Result<()> {
    t.txn.open_table(SEEN)?.retain_in((mailbox, 0, 0)..=(mailbox, u32::MAX, u32::MAX), |_, _| false)?;
    Ok(())
}

/// An account goes, with its views.
pub fn forget_account(t: &mut Tables<'_>, account: u32) -> Result<()> {
    t.txn.open_table(SEEN)?.retain(|(_, reader, _), _| reader != account)?;
    Ok(())
}

/// SEEN, decided: the event, and the UIDs left alone.
fn plan_set(
    t: &Tables<'_>,
    mailbox: u32,
    reader: u32,
    uids: &[u32],
    seen: bool,
    unchanged_since: Option<ModSeq>,
) -> Result<(Decision, Vec<Uid>)> {
    t.check_account(reader)?;
    let row_of = t.mailbox(mailbox)?;
    if row_of.account == reader {
        let flags = Flags { seen: true, ..Flags::default() };
        let change = if seen { FlagChange::Add(flags) } else { FlagChange::Remove(flags) };
        let plan = plan::change_flags(t, mailbox, uids, &change, unchanged_since)?;
        return Ok((plan.event.map(|event| (reader, Event::Flags(vec![event]))), plan.modified));
    }
    let around = (uids.first().copied().unwrap_or(1), uids.last().copied().unwrap_or(0));
    let view = View::read(&t.txn.open_table(SEEN)?, mailbox, reader, around)?;
    let (mut change, mut modified) = (Vec::new(), Vec::new());
    for uid in uids {
        let Some(row) = t.row(mailbox, *uid)? else { continue };
        let row = view.show(*uid, row);
        if unchanged_since.is_some_and(|limit| row.modseq > limit.0) {
            modified.extend(Uid::new(*uid));
        } else if (row.bits & SEEN_BIT != 0) != seen {
            change.push(*uid);
        }
    }
    let event = SeenSet { mailbox, reader, modseq: t.next_modseq(&row_of), seen, uids: ranges(change) };
    Ok(((!event.uids.is_empty()).then_some((row_of.account, Event::Seen(event))), modified))
}

impl Store {
    /// Changes `\Seen` for one account alone, which shares the mailbox: like [`Store::change_flags`] with that flag, lazily durable.
    /// For the owner it is the message's flag.
    pub fn set_seen(
        &self,
        mailbox: MailboxId,
        reader: AccountId,
        uids: &[Uid],
        seen: bool,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        let uids = sorted(uids);
        let these = uids.clone();
        let modified = self.change_lazily(move |t| plan_set(t, mailbox.0, reader.0, &these, seen, unchanged_since))?;
        let rows = self.inner.shared.these_messages(mailbox, &uids, reader)?;
        Ok(FlagsChanged { rows, modified })
    }
    /// [`Store::messages`] as an account sees them that shares the mailbox.
    pub fn messages_for(
        &self,
        mailbox: MailboxId,
        reader: AccountId,
        uids: RangeInclusive<Uid>,
        limit: usize,
    ) -> Result<Vec<Message>> {
        self.inner.shared.messages(mailbox, uids, limit, Some(reader))
    }
    /// [`Store::changes_since`] as an account sees them that shares the mailbox. May tell of a message that did not change.
    pub fn changes_since_for(&self, mailbox: MailboxId, reader: AccountId, since: ModSeq) -> Result<Changes> {
        self.inner.shared.changes_since(mailbox, since, Some(reader))
    }
    /// Messages of a mailbox that an account has not seen, which shares it.
    pub fn unseen_for(&self, mailbox: MailboxId, reader: AccountId) -> Result<u32> {
        self.inner.shared.unseen_for(mailbox, reader)
    }
}

impl Shared {
    fn unseen_for(&self, mailbox: MailboxId, account: AccountId) -> Result<u32> {
        let reader = self.read_catalogue()?;
        let row = reader::mailbox_in(&reader, mailbox)?;
        Ok(Viewer::new(&reader, mailbox, account, (0, u32::MAX))?.unseen(row.messages, row.unseen))
    }

    /// These messages, as far as they are there.
    fn these_messages(&self, mailbox: MailboxId, uids: &[u32], account: AccountId) -> Result<Vec<Message>> {
        let reader = self.read_catalogue()?;
        let around = (uids.first().copied().unwrap_or(1), uids.last().copied().unwrap_or(0));
        let viewer = Viewer::new(&reader, mailbox, account, around)?;
        let known = reader::keywords_in(&reader, mailbox)?;
        let table = reader::messages_in(&reader)?;
        let mut rows = Vec::with_capacity(uids.len());
        for uid in uids {
            if let Some(row) = row(&table, mailbox.0, *uid)? {
                rows.push(catalogue::message(*uid, &viewer.show(*uid, row), &known)?);
            }
        }
        Ok(rows)
    }
}

/// Runs kept of what an account has seen of a mailbox.
#[cfg(test)]
pub fn runs_of(store: &Store, mailbox: MailboxId, account: AccountId) -> usize {
    let reader = store.inner.shared.read_catalogue().unwrap();
    let table = reader::table(&reader, SEEN).unwrap().unwrap();
    View::read(&table, mailbox.0, account.0, (0, u32::MAX)).unwrap().0.len()
}
