//! A session's view of its mailbox: message sequence numbers (RFC 3501 §2.3.1.2) and what the client was told.
//!
//! [`View::catch_up`] is the only place where untagged EXISTS, RECENT, EXPUNGE, VANISHED and unasked FETCH leave. It asks the
//! store what happened since the last time; messages that are gone keep their numbers until a command comes that may
//! report them (RFC 3501 §7.4.1, RFC 2180 §4).

use crate::codec::command::Numbers;
use crate::codec::encode::{self, put};
use crate::codec::sequence::{Runs, SequenceSet};
use crate::limits;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use store::{FlagsChanged, Keyword, MailboxId, Message, ModSeq, Snapshot, Store, StoreError, Uid};

/// What a session may be told, and in which words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enabled {
    /// MODSEQ comes with flags (RFC 7162 §3.1).
    pub condstore: bool,
    /// VANISHED comes instead of EXPUNGE (RFC 7162 §3.2).
    pub qresync: bool,
}

/// A selected mailbox as the client knows it.
#[derive(Debug)]
pub struct View {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// Whether it was opened with EXAMINE.
    pub read_only: bool,
    /// The messages: the one with sequence number n is at n-1.
    uids: Vec<Uid>,
    /// The highest UID that ever was in `uids`.
    highest_uid: u32,
    /// Everything up to here is in `uids` or `gone`.
    modseq: ModSeq,
    /// UIDs still in `uids` of messages that are expunged. Ascending.
    gone: Vec<Uid>,
    /// UIDs that are `\Recent` in this session, as ascending runs.
    recent: VecDeque<(u32, u32)>,
    /// What the last RECENT said.
    told_recent: u32,
    /// Keywords of the last FLAGS, and the same to look them up.
    keywords: Vec<Keyword>,
    heard: BTreeSet<Keyword>,
    /// Flag changes the client knows already, because they are its own.
    told: Vec<(Uid, ModSeq)>,
}

impl View {
    /// Opens a mailbox. `\Recent` messages are claimed first: of what comes in between, nothing is lost.
    pub fn open(store: &Store, mailbox: MailboxId, read_only: bool) -> Result<(View, Snapshot), StoreError> {
        let claimed = if read_only { None } else { Some(store.claim_recent(mailbox)?) };
        let mut snapshot = store.snapshot(mailbox)?;
        let uids = std::mem::take(&mut snapshot.uids);
        let recent_from = match claimed {
            Some(from) => Some(from),
            None => {
                // Nothing is claimed by looking; the last ones are those that nobody has claimed.
                let unclaimed = store.status(mailbox)?.recent as usize;
                uids.get(uids.len().saturating_sub(unclaimed)).copied()
            }
        };
        let mut view = View {
            mailbox,
            read_only,
            highest_uid: uids.last().map_or(0, |uid| uid.get()),
            uids,
            modseq: snapshot.highest_modseq,
            gone: Vec::new(),
            recent: VecDeque::new(),
            told_recent: 0,
            heard: snapshot.keywords.iter().cloned().collect(),
            keywords: snapshot.keywords.clone(),
            told: Vec::new(),
        };
        if let Some(from) = recent_from {
            view.mark_recent(from.get());
        }
        view.told_recent = view.recent_count();
        Ok((view, snapshot))
    }

    /// Messages, those included that are gone but not yet reported.
    pub fn count(&self) -> u32 {
        self.uids.len() as u32
    }

    /// Messages that are `\Recent` in this session.
    pub fn recent_count(&self) -> u32 {
        let below = |n: u32| self.uids.partition_point(|uid| uid.get() < n);
        let through = |n: u32| self.uids.partition_point(|uid| uid.get() <= n);
        self.recent.iter().map(|&(first, last)| (through(last) - below(first)) as u32).sum()
    }

    /// Whether a message is `\Recent` in this session.
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.iter().rev().any(|&(first, last)| (first..=last).contains(&uid.get()))
    }

    /// Up to where this view is complete.
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }

    /// Whether one of these UIDs, if there is such a message, is one that came since the last time.
    pub fn is_behind(&self, uids: &SequenceSet) -> bool {
        uids.exceeds(self.highest_uid)
    }

    /// The sequence number of a message.
    pub fn sequence_of(&self, uid: Uid) -> Option<u32> {
        self.uids.binary_search(&uid).ok().map(|at| at as u32 + 1)
    }

    /// UIDs of a range of places.
    pub fn uids(&self, places: Range<usize>) -> &[Uid] {
        self.uids.get(places).unwrap_or_default()
    }

    /// The largest number a set may mean with `*`.
    pub fn largest(&self, numbers: Numbers) -> u32 {
        match numbers {
            Numbers::Sequence => self.count(),
            Numbers::Uid => self.uids.last().map_or(0, |uid| uid.get()),
        }
    }

    /// The places of the messages that a set names, ascending. `None`: it has a sequence number above the count.
    pub fn places(&self, numbers: Numbers, set: &SequenceSet) -> Option<Places> {
        if numbers == Numbers::Sequence && set.exceeds(self.count()) {
            return None;
        }
        let runs = set.resolve(self.largest(numbers));
        let place = |&(first, last): &(u32, u32)| match numbers {
            Numbers::Sequence => first as usize - 1..last as usize,
            Numbers::Uid => {
                self.uids.partition_point(|uid| uid.get() < first)..self.uids.partition_point(|uid| uid.get() <= last)
            }
        };
        Some(Places(runs.runs().iter().map(place).filter(|range| !range.is_empty()).collect()))
    }

    /// The UIDs at these places.
    pub fn uids_at(&self, places: &Places) -> Vec<Uid> {
        places.0.iter().flat_map(|range| self.uids(range.clone())).copied().collect()
    }

    /// Whether one of these UIDs is known to be gone.
    pub fn some_gone(&self, uids: &[Uid]) -> bool {
        !self.gone.is_empty() && uids.iter().any(|uid| self.gone.binary_search(uid).is_ok())
    }

    /// Writes a FETCH with a message's flags.
    pub fn put_flags(&self, row: &Message, with_uid: bool, enabled: Enabled, out: &mut Vec<u8>) {
        let Some(sequence) = self.sequence_of(row.uid) else { return };
        put!(out, "* {sequence} FETCH (");
        if with_uid || enabled.qresync {
            put!(out, "UID {} ", row.uid.get());
        }
        if enabled.condstore {
            put!(out, "MODSEQ ({}) ", row.modseq.0);
        }
        out.extend_from_slice(b"FLAGS ");
        encode::flags(&row.flags, self.is_recent(row.uid), out);
        out.extend_from_slice(b")\r\n");
    }

    /// Writes a FETCH with a message's MODSEQ alone.
    pub fn put_modseq(&self, row: &Message, with_uid: bool, enabled: Enabled, out: &mut Vec<u8>) {
        let Some(sequence) = self.sequence_of(row.uid) else { return };
        put!(out, "* {sequence} FETCH (");
        if with_uid || enabled.qresync {
            put!(out, "UID {} ", row.uid.get());
        }
        put!(out, "MODSEQ ({}))\r\n", row.modseq.0);
    }

    /// Remembers changes that the client knows, so that [`View::catch_up`] does not repeat them.
    pub fn know(&mut self, changed: &FlagsChanged) {
        let news = changed.rows.iter().filter(|row| row.modseq > self.modseq);
        self.told.extend(news.map(|row| (row.uid, row.modseq)));
    }

    /// Writes FLAGS (and PERMANENTFLAGS) if one of the rows has a keyword that the client has not heard of.
    pub fn announce_keywords<'r>(&mut self, rows: impl IntoIterator<Item = &'r Message>, out: &mut Vec<u8>) {
        let before = self.keywords.len();
        for keyword in rows.into_iter().flat_map(|row| &row.flags.keywords) {
            if !self.heard.contains(keyword) {
                self.heard.insert(keyword.clone());
                self.keywords.push(keyword.clone());
            }
        }
        if self.keywords.len() > before {
            self.put_flag_lists(out);
        }
    }

    /// FLAGS and PERMANENTFLAGS (RFC 3501 §7.2.6, §7.1).
    pub fn put_flag_lists(&self, out: &mut Vec<u8>) {
        let mut flags = String::from("\\Answered \\Flagged \\Deleted \\Seen \\Draft");
        for keyword in &self.keywords {
            flags.push(' ');
            flags.push_str(keyword.as_str());
        }
        put!(out, "* FLAGS ({flags})\r\n");
        if self.read_only {
            out.extend_from_slice(b"* OK [PERMANENTFLAGS ()] Nothing can be changed\r\n");
        } else {
            put!(out, "* OK [PERMANENTFLAGS ({flags} \\*)] New keywords are welcome\r\n");
        }
    }

    /// Tells the client what happened since the last time; expunged messages only if `expunge`.
    pub fn catch_up(
        &mut self,
        store: &Store,
        expunge: bool,
        enabled: Enabled,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut changes = store.changes_since(self.mailbox, self.modseq)?;
        let fresh = |changed: &[Message], highest: u32| changed.last().is_some_and(|row| row.uid.get() > highest);
        if !self.read_only && fresh(&changes.changed, self.highest_uid) {
            // Claim, then look again: nothing that is claimed is unknown.
            let from = store.claim_recent(self.mailbox)?;
            changes = store.changes_since(self.mailbox, self.modseq)?;
            let last = changes.changed.last().map_or(0, |row| row.uid.get());
            self.push_recent(from.get(), last);
        }
        self.modseq = self.modseq.max(changes.highest_modseq);
        self.hold_gone(&changes.vanished);
        if expunge {
            self.put_expunged(enabled, out);
        }
        let known = self.highest_uid;
        self.grow(&changes.changed, out);
        self.announce_keywords(&changes.changed, out);
        let mut told = std::mem::take(&mut self.told);
        told.sort_unstable();
        let old = &changes.changed[..changes.changed.partition_point(|row| row.uid.get() <= known)];
        for row in old.iter().filter(|row| told.binary_search(&(row.uid, row.modseq)).is_err()) {
            self.put_flags(row, false, enabled, out);
        }
        Ok(())
    }

    /// Gives back memory that an idle session does not need.
    pub fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.gone.shrink_to_fit();
        self.told = Vec::new();
    }

    /// Notes messages that are gone and not yet reported.
    fn hold_gone(&mut self, vanished: &[(Uid, Uid)]) {
        let before = self.gone.len();
        for (first, last) in vanished {
            let from = self.uids.partition_point(|uid| uid < first);
            self.gone.extend(self.uids[from..].iter().take_while(|uid| *uid <= last));
        }
        if self.gone.len() > before {
            self.gone.sort_unstable();
            self.gone.dedup();
        }
    }

    /// Reports what is gone. EXPUNGE counts on what the one before it left: ascending, each number is less those before it.
    fn put_expunged(&mut self, enabled: Enabled, out: &mut Vec<u8>) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        if enabled.qresync {
            put!(out, "* VANISHED {}\r\n", Runs::from_ascending(gone.iter().map(|uid| uid.get())));
        } else {
            for (before, uid) in gone.iter().enumerate() {
                if let Some(sequence) = self.sequence_of(*uid) {
                    put!(out, "* {} EXPUNGE\r\n", sequence - before as u32);
                }
            }
        }
        self.uids.retain(|uid| gone.binary_search(uid).is_err());
    }

    /// Takes new messages in and reports the new counts.
    fn grow(&mut self, changed: &[Message], out: &mut Vec<u8>) {
        let new = changed.partition_point(|row| row.uid.get() <= self.highest_uid);
        let new = &changed[new..];
        self.uids.extend(new.iter().map(|row| row.uid));
        if let Some(last) = new.last() {
            self.highest_uid = last.uid.get();
        }
        let recent = self.recent_count();
        if !new.is_empty() {
            put!(out, "* {} EXISTS\r\n", self.count());
        }
        if !new.is_empty() || recent != self.told_recent {
            put!(out, "* {recent} RECENT\r\n");
            self.told_recent = recent;
        }
    }

    /// UIDs from here to the highest are recent.
    fn mark_recent(&mut self, from: u32) {
        self.push_recent(from, self.highest_uid);
    }

    fn push_recent(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        match self.recent.back_mut() {
            Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
            _ => self.recent.push_back((first, last)),
        }
        if self.recent.len() > limits::RECENT_RUNS {
            self.recent.pop_front();
        }
    }
}

/// Places of messages in a view, as ascending ranges, taken a piece at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places(VecDeque<Range<usize>>);

impl Places {
    /// All messages of a view.
    pub fn all(view: &View) -> Places {
        Places(std::iter::once(0..view.uids.len()).collect())
    }

    /// Takes the next places, at most `limit`, without a gap.
    pub fn take(&mut self, limit: usize) -> Option<Range<usize>> {
        let first = self.0.front_mut()?;
        let piece = first.start..first.end.min(first.start + limit);
        first.start = piece.end;
        if first.start >= first.end {
            self.0.pop_front();
        }
        (!piece.is_empty()).then_some(piece)
    }
}

/// Writes which of the UIDs that a client knew have vanished (RFC 7162 §3.2.10).
pub fn put_vanished_earlier(vanished: &[(Uid, Uid)], known: &Runs, out: &mut Vec<u8>) {
    let vanished = known.within(vanished.iter().map(|(first, last)| (first.get(), last.get())));
    if !vanished.is_empty() {
        put!(out, "* VANISHED (EARLIER) {vanished}\r\n");
    }
}

/// The rows of the messages at `places`, with their sequence numbers. Messages that are gone have none.
pub fn rows(store: &Store, view: &View, places: Range<usize>) -> Result<Vec<(u32, Message)>, StoreError> {
    let (Some(&first), Some(&last)) = (view.uids(places.clone()).first(), view.uids(places.clone()).last()) else {
        return Ok(Vec::new());
    };
    let rows = store.messages(view.mailbox, first..=last, places.len())?;
    Ok(rows.into_iter().filter_map(|row| Some((view.sequence_of(row.uid)?, row))).collect())
}
