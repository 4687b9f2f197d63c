//! FETCH (RFC 3501 §6.4.5, §7.4.2; CHANGEDSINCE: RFC 7162 §3.1.4), a reply buffer at a time.
//!
//! A FETCH is a cursor: over the messages, the items of a message, the octets of an item. It holds some rows and one
//! message's structure, never a message.

use super::inside::{Inside, read_header};
use super::{Step, copy::some_gone, enable, no_such_number};
use crate::answer::Answer;
use crate::codec::command::{BodySection, Fetch, FetchItem, Numbers, SectionName};
use crate::codec::encode::{self, put};
use crate::codec::structure;
use crate::limits;
use crate::session::User;
use crate::view::{self, Enabled, Places, View};
use ::store::{FlagChange, Flags, Message, ModSeq, Store, StoreError, Uid};
use conversation::HIGH_WATER;
use message::{Section, SectionText};
use std::collections::VecDeque;
use std::ops::Range;

/// A FETCH in progress.
pub struct Job {
    numbers: Numbers,
    items: Vec<FetchItem>,
    changed_since: Option<u64>,
    /// Whether a section is fetched that sets `\Seen`.
    sets_seen: bool,
    /// Whether an item needs the message's structure.
    deep: bool,
    places: Places,
    rows: VecDeque<Row>,
    current: Option<Response>,
    /// Whether some of the messages are gone, and whether some are not.
    gone: bool,
    found: bool,
    failed: Option<Answer>,
    completed: Answer,
}

/// A message that is to be written.
struct Row {
    sequence: u32,
    message: Message,
    /// Whether this FETCH has just set `\Seen`.
    newly_seen: bool,
}

/// A response that is being written.
struct Response {
    row: Row,
    inside: Inside,
    /// The next item.
    next: usize,
    /// Octets of a literal that are missing.
    octets: Range<u64>,
}

/// Begins a FETCH.
pub fn begin(
    store: &Store,
    view: &View,
    user: &mut User,
    numbers: Numbers,
    args: Fetch,
    out: &mut Vec<u8>,
) -> Result<Job, Answer> {
    let places = view.places(numbers, &args.set).ok_or_else(no_such_number)?;
    if args.vanished {
        vanished(store, view, user.enabled, numbers, &args, out)?;
    }
    let Fetch { mut items, changed_since, .. } = args;
    // RFC 3501 §6.4.8; RFC 7162 §3.1.4.1
    let implied = [(numbers == Numbers::Uid, FetchItem::Uid), (changed_since.is_some(), FetchItem::ModSeq)];
    for (wanted, item) in implied.into_iter().rev() {
        if wanted && !items.contains(&item) {
            items.insert(0, item);
        }
    }
    if items.contains(&FetchItem::ModSeq) {
        enable::condstore(user, view, out);
    }
    let sets_seen = items.iter().any(|item| matches!(item, FetchItem::Section(section) if !section.peek));
    let sets_seen = sets_seen && !view.read_only;
    Ok(Job { sets_seen, ..Job::new(numbers, items, changed_since, places, Answer::ok("FETCH completed")) })
}

/// What the messages with these UIDs that changed after a MODSEQ have become, for the SELECT of RFC 7162 §3.2.5.
pub fn resync(places: Places, since: u64, completed: Answer) -> Job {
    Job::new(Numbers::Uid, vec![FetchItem::Uid, FetchItem::Flags, FetchItem::ModSeq], Some(since), places, completed)
}

/// Tells which of the UIDs have vanished since a MODSEQ (RFC 7162 §3.2.6).
fn vanished(
    store: &Store,
    view: &View,
    enabled: Enabled,
    numbers: Numbers,
    args: &Fetch,
    out: &mut Vec<u8>,
) -> Result<(), Answer> {
    let Some(since) = args.changed_since.filter(|_| enabled.qresync && numbers == Numbers::Uid) else {
        return Err(Answer::bad("VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC"));
    };
    let gone = store.changes_since(view.mailbox, ModSeq(since))?.vanished;
    view::put_vanished_earlier(&gone, &args.set.resolve_ever(), out);
    Ok(())
}

impl Job {
    fn new(
        numbers: Numbers,
        items: Vec<FetchItem>,
        changed_since: Option<u64>,
        places: Places,
        completed: Answer,
    ) -> Job {
        Job {
            numbers,
            deep: items.iter().any(needs_structure),
            items,
            changed_since,
            sets_seen: false,
            places,
            rows: VecDeque::new(),
            current: None,
            gone: false,
            found: false,
            failed: None,
            completed,
        }
    }

    /// Whether a response is half written.
    pub fn in_response(&self) -> bool {
        self.current.is_some()
    }

    /// Writes while there is room.
    pub fn step(&mut self, store: &Store, view: &mut View, enabled: Enabled, out: &mut Vec<u8>) -> Step {
        while out.len() <= HIGH_WATER {
            if let Some(response) = self.current.take() {
                // Its beginning is with the client already.
                match self.go_on(response, store, view, enabled, out) {
                    Ok(()) => continue,
                    Err(error) => {
                        tracing::error!(%error, "imap: a message cannot be read to its end");
                        return Step::Broken;
                    }
                }
            }
            if let Some(row) = self.rows.pop_front() {
                let start = out.len();
                put!(out, "* {} FETCH (", row.sequence);
                let inside = Inside::new(&row.message, self.deep);
                let response = Response { row, inside, next: 0, octets: 0..0 };
                if let Err(error) = self.go_on(response, store, view, enabled, out) {
                    // Nothing of this response has left: as if it had not been begun.
                    out.truncate(start);
                    tracing::error!(%error, "imap: a message cannot be read");
                    self.failed = Some(error.into());
                }
                continue;
            }
            match self.load(store, view, out) {
                Ok(true) => {}
                Ok(false) => return Step::Done(self.answer()),
                Err(error) => return Step::Done(error.into()),
            }
        }
        Step::More
    }

    fn answer(&mut self) -> Answer {
        match self.failed.take() {
            Some(failure) => failure,
            None if self.gone && self.numbers == Numbers::Sequence => some_gone(self.found),
            None => self.completed.clone(),
        }
    }

    /// Reads the next rows and sets their `\Seen` in one change. False at the end.
    fn load(&mut self, store: &Store, view: &mut View, out: &mut Vec<u8>) -> Result<bool, StoreError> {
        let Some(places) = self.places.take(limits::FETCH_ROWS) else { return Ok(false) };
        let wanted = places.len();
        let rows = view::rows(store, view, places)?;
        self.gone |= rows.len() < wanted;
        self.found |= !rows.is_empty();
        let changed = |row: &Message| self.changed_since.is_none_or(|since| row.modseq.0 > since);
        let rows = rows.into_iter().filter(|(_, row)| changed(row));
        self.rows = rows.map(|(sequence, message)| Row { sequence, message, newly_seen: false }).collect();
        if self.sets_seen {
            self.set_seen(store, view);
        }
        view.announce_keywords(self.rows.iter().map(|row| &row.message), out);
        Ok(true)
    }

    /// Sets `\Seen`. If the disk is full, the messages can be read even so.
    fn set_seen(&mut self, store: &Store, view: &mut View) {
        let unseen = self.rows.iter().filter(|row| !row.message.flags.seen);
        let unseen: Vec<Uid> = unseen.map(|row| row.message.uid).collect();
        if unseen.is_empty() {
            return;
        }
        let seen = FlagChange::Add(Flags { seen: true, ..Flags::default() });
        match store.change_flags(view.mailbox, &unseen, &seen, None) {
            Ok(changed) => {
                view.know(&changed);
                for row in &mut self.rows {
                    if let Ok(at) = changed.rows.binary_search_by_key(&row.message.uid, |changed| changed.uid) {
                        row.message = changed.rows[at].clone();
                        row.newly_seen = true;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "imap: cannot set \\Seen"),
        }
    }

    /// Writes a response until it is whole or there is no more room.
    fn go_on(
        &mut self,
        mut response: Response,
        store: &Store,
        view: &View,
        enabled: Enabled,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        loop {
            // Before every item: some are large, and may be asked for again and again.
            if out.len() > HIGH_WATER {
                self.current = Some(response);
                return Ok(());
            }
            if !response.octets.is_empty() {
                response.octets(store, out)?;
                continue;
            }
            let Some(item) = self.items.get(response.next) else { break };
            if response.next > 0 {
                out.push(b' ');
            }
            response.next += 1;
            response.item(item, store, view, out)?;
        }
        if response.row.newly_seen {
            self.put_news(&response.row.message, view, enabled, out);
        }
        out.extend_from_slice(b")\r\n");
        Ok(())
    }

    /// The flags that this FETCH has changed, unless they were asked for.
    fn put_news(&self, message: &Message, view: &View, enabled: Enabled, out: &mut Vec<u8>) {
        if !self.items.contains(&FetchItem::Flags) {
            out.extend_from_slice(b" FLAGS ");
            encode::flags(&message.flags, view.is_recent(message.uid), out);
        }
        if enabled.condstore && !self.items.contains(&FetchItem::ModSeq) {
            put!(out, " MODSEQ ({})", message.modseq.0);
        }
        if enabled.qresync && !self.items.contains(&FetchItem::Uid) {
            put!(out, " UID {}", message.uid.get());
        }
    }
}

impl Response {
    /// Writes an item, or its beginning if it is long.
    fn item(&mut self, item: &FetchItem, store: &Store, view: &View, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let message = &self.row.message;
        match item {
            FetchItem::Uid => put!(out, "UID {}", message.uid.get()),
            FetchItem::ModSeq => put!(out, "MODSEQ ({})", message.modseq.0),
            FetchItem::Size => put!(out, "RFC822.SIZE {}", message.size),
            FetchItem::Flags => {
                out.extend_from_slice(b"FLAGS ");
                encode::flags(&message.flags, view.is_recent(message.uid), out);
            }
            FetchItem::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                encode::date_time(message.internal_date, out);
            }
            FetchItem::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                structure::envelope(&*self.inside.envelope(store)?, out);
            }
            FetchItem::Body => {
                out.extend_from_slice(b"BODY ");
                structure::body(&self.inside.structure(store)?.1, false, out);
            }
            FetchItem::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                structure::body(&self.inside.structure(store)?.1, true, out);
            }
            FetchItem::Section(section) => self.section(section, store, out)?,
        }
        Ok(())
    }

    /// Writes the beginning of a section: its name and size; the octets follow.
    fn section(&mut self, wanted: &BodySection, store: &Store, out: &mut Vec<u8>) -> Result<(), StoreError> {
        put_name(wanted, out);
        out.push(b' ');
        let Some(found) = self.locate(&wanted.section, store)? else {
            out.extend_from_slice(b"NIL");
            return Ok(());
        };
        let selected = match &wanted.section.text {
            Some(SectionText::HeaderFields(names)) => Some((names, false)),
            Some(SectionText::HeaderFieldsNot(names)) => Some((names, true)),
            _ => None,
        };
        if let Some((names, not)) = selected {
            let header = match wanted.section.path.is_empty() {
                true => self.inside.header(store)?,
                false => read_header(store, self.row.message.blob, found)?.into(),
            };
            let fields = message::header::select(&header, names, not);
            let cut = partial(wanted.partial, 0..fields.len() as u64);
            encode::literal(&fields[cut.start as usize..cut.end as usize], out);
            return Ok(());
        }
        self.octets = partial(wanted.partial, found);
        let size = self.octets.end - self.octets.start;
        if size == 0 {
            out.extend_from_slice(b"\"\"");
        } else {
            put!(out, "{{{size}}}\r\n");
        }
        Ok(())
    }

    /// Which octets of the message a section is.
    fn locate(&mut self, section: &Section, store: &Store) -> Result<Option<Range<u64>>, StoreError> {
        let size = self.row.message.size;
        if section.path.is_empty() {
            let Some(text) = &section.text else { return Ok(Some(0..size)) };
            if let Some(header) = self.inside.short_header(store)? {
                let end = header.len() as u64;
                return Ok(Some(if *text == SectionText::Text { end..size } else { 0..end }));
            }
        }
        Ok(section.locate(&self.inside.structure(store)?.1))
    }

    /// Reads the next octets of a literal into the reply.
    fn octets(&mut self, store: &Store, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let start = out.len();
        match self.inside.known(&self.octets) {
            Some(octets) => out.extend_from_slice(octets),
            None => store.read_some(self.row.message.blob, self.octets.clone(), out)?,
        }
        if out.len() == start {
            return Err(StoreError::Damaged(self.row.message.blob));
        }
        encode::without_nul(&mut out[start..]);
        self.octets.start += (out.len() - start) as u64;
        Ok(())
    }
}

/// Whether an item needs more of a message than its row, its header and its octets.
fn needs_structure(item: &FetchItem) -> bool {
    match item {
        FetchItem::Body | FetchItem::BodyStructure => true,
        FetchItem::Section(wanted) => !wanted.section.path.is_empty(),
        _ => false,
    }
}

/// The part of a range that `<origin.count>` asks for; empty beyond its end.
fn partial(partial: Option<(u32, u32)>, range: Range<u64>) -> Range<u64> {
    let Some((origin, count)) = partial else { return range };
    let start = (range.start + u64::from(origin)).min(range.end);
    start..(start + u64::from(count)).min(range.end)
}

/// Writes a section's name as it was asked for; the answer to a partial has only its origin.
fn put_name(wanted: &BodySection, out: &mut Vec<u8>) {
    match wanted.name {
        SectionName::Rfc822 => return out.extend_from_slice(b"RFC822"),
        SectionName::Rfc822Header => return out.extend_from_slice(b"RFC822.HEADER"),
        SectionName::Rfc822Text => return out.extend_from_slice(b"RFC822.TEXT"),
        SectionName::Body => out.extend_from_slice(b"BODY["),
    }
    for (i, number) in wanted.section.path.iter().enumerate() {
        put!(out, "{}{number}", if i == 0 { "" } else { "." });
    }
    if let Some(text) = &wanted.section.text {
        if !wanted.section.path.is_empty() {
            out.push(b'.');
        }
        put_text(text, out);
    }
    out.push(b']');
    if let Some((origin, _)) = wanted.partial {
        put!(out, "<{origin}>");
    }
}

fn put_text(text: &SectionText, out: &mut Vec<u8>) {
    let (word, names) = match text {
        SectionText::Header => ("HEADER", None),
        SectionText::Text => ("TEXT", None),
        SectionText::Mime => ("MIME", None),
        SectionText::HeaderFields(names) => ("HEADER.FIELDS", Some(names)),
        SectionText::HeaderFieldsNot(names) => ("HEADER.FIELDS.NOT", Some(names)),
    };
    out.extend_from_slice(word.as_bytes());
    for (i, name) in names.into_iter().flatten().enumerate() {
        out.extend_from_slice(if i == 0 { b" (" } else { b" " });
        encode::astring(name, out);
    }
    if names.is_some() {
        out.push(b')');
    }
}
