//! What the store should do, in maps; and random operations on both.

use super::model_state::*;
use super::sim::Random;
use super::*;
use std::collections::{BTreeMap, BTreeSet};

pub const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];
const NAMES: [&str; 8] = ["INBOX", "Sent", "Trash", "a", "a/b", "a/b/c", "x", "x/y"];
const TEXT: [&str; 6] =
    ["Subject: boiler ", "\r\nReceived: from ", "the garden ", "on Tuesday ", "invoice 2", "umbrella\r\n"];
pub const WORDS: [&str; 4] = ["$Junk", "work", "$MDNSent", "x"];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    pub subscriptions: BTreeSet<(AccountId, String)>,
    pub mailboxes: BTreeMap<u32, ModelBox>,
    quotas: BTreeMap<AccountId, QuotaLimits>,
    pub acls: BTreeMap<(u32, String), Rights>,
    /// The outgoing queue: envelopes and bodies, in the order they came.
    /// Messages that ever came.
    pub arrived: usize,
    /// By account and arrival: the arrival that the thread began with.
    pub threads: BTreeMap<(AccountId, usize), usize>,
    /// Ids of messages as they became known, and their threads.
    pub ids: BTreeMap<AccountId, Vec<(String, usize)>>,
    pub queue: Vec<(Envelope, Arc<Vec<u8>>)>,
    /// By mailbox or 0, account or 0, and name.
    notes: BTreeMap<(u32, u32, EntryName), Vec<u8>>,
    /// By mailbox, reader and UID: whether it is seen, and the MODSEQ of that.
    pub seen: BTreeMap<(u32, AccountId, u32), (bool, u64)>,
    accounts: BTreeSet<AccountId>,
    last_mailbox: u32,
    last_uid_validity: u32,
    /// MODSEQs are given from above this.
    above: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBox {
    pub account: AccountId,
    pub name: String,
    pub uid_validity: u32,
    pub special_use: Option<SpecialUse>,
    pub uid_next: u32,
    pub modseq: u64,
    /// MODSEQs are given from above this.
    above: u64,
    pub messages: BTreeMap<u32, ModelMessage>,
    /// UID and MODSEQ of what is gone.
    pub vanished: Vec<(u32, u64)>,
    /// MODSEQ and number of the ranges remembered, and the MODSEQ up to which none is.
    remembered: Vec<(u64, usize)>,
    floor: u64,
    pub keywords: BTreeSet<Keyword>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMessage {
    pub modseq: u64,
    pub flags: Flags,
    pub internal_date: i64,
    pub save_date: i64,
    pub body: Arc<Vec<u8>>,
    /// Which arrival it is, shared by copies.
    pub arrival: usize,
}

/// What a client may ask for.
#[derive(Debug, Clone)]
pub enum Op {
    Ensure(AccountId, i64),
    Remove(AccountId),
    Create(AccountId, MailboxName, Option<SpecialUse>, i64),
    Delete(AccountId, MailboxName),
    Rename(AccountId, MailboxName, MailboxName, i64),
    Subscribe(AccountId, MailboxName, bool),
    Deliver(Vec<Target>, Arc<Vec<u8>>),
    Abandon(Vec<u8>),
    Copy(MailboxId, Vec<Uid>, MailboxId, i64),
    Move(MailboxId, Vec<Uid>, MailboxId, i64),
    Flags(MailboxId, Vec<Uid>, FlagChange, Option<ModSeq>),
    ExpungeDeleted(MailboxId),
    ExpungeAmong(MailboxId, Vec<Uid>),
    ExpungeThese(MailboxId, Vec<Uid>),
    Quota(AccountId, QuotaLimits),
    Acl(MailboxId, &'static str, Rights),
    Note(AccountId, Option<MailboxId>, EntryName, Option<Vec<u8>>),
    Enqueue(Vec<Target>, Arc<Vec<u8>>, Envelope),
    EnqueueMessage(MailboxId, Uid, Envelope),
    /// Of the entry at this place.
    Attempt(usize, Vec<Attempt>),
    Dequeue(usize),
    Seen(MailboxId, AccountId, Vec<Uid>, bool),
}

impl Op {
    /// Whether its answer does not promise that it is durable.
    pub fn is_lazy(&self) -> bool {
        matches!(self, Op::Flags(..) | Op::Abandon(_) | Op::Seen(..))
    }

    /// One that mostly makes sense in this state.
    pub fn random(r: &mut Random, model: &Model, largest: u64) -> Op {
        let account = ACCOUNTS[r.below(ACCOUNTS.len() as u64) as usize];
        let now = 1_000 + r.below(1_000) as i64;
        match r.below(100) {
            _ if model.accounts.is_empty() => Op::Ensure(account, now),
            0..5 => Op::Ensure(account, now),
            5 => Op::Remove(account),
            6 => Op::Acl(some_mailbox(r, model), WORDS[r.below(4) as usize], some_rights(r)),
            7 => some_note(r, model, account),
            8..12 => Op::Create(account, some_name(r), r.chance(20).then_some(SpecialUse::Junk), now),
            12..15 => Op::Delete(account, some_name(r)),
            15..19 => Op::Rename(account, some_name(r), some_name(r), now),
            19 => Op::Quota(account, some_limits(r)),
            20..22 => Op::Subscribe(account, some_name(r), r.chance(50)),
            22..52 => {
                let targets = (0..1 + r.below(2)).map(|_| some_target(r, model)).collect();
                Op::Deliver(targets, Arc::new(some_mail(r, largest)))
            }
            52 => {
                let targets = (0..r.below(2)).map(|_| some_target(r, model)).collect();
                Op::Enqueue(targets, Arc::new(some_mail(r, largest)), some_envelope(r, account))
            }
            53 => Op::EnqueueMessage(some_mailbox(r, model), some_uids(r)[0], some_envelope(r, account)),
            54 => Op::Attempt(r.below(1 + model.queue.len() as u64) as usize, some_attempts(r)),
            55 => Op::Dequeue(r.below(1 + model.queue.len() as u64) as usize),
            56..58 => Op::Abandon(some_body(r, largest)),
            58..64 => Op::Copy(some_mailbox(r, model), some_uids(r), some_mailbox(r, model), now),
            64..70 => Op::Move(some_mailbox(r, model), some_uids(r), some_mailbox(r, model), now),
            70..75 => Op::Seen(some_mailbox(r, model), account, some_uids(r), r.chance(70)),
            75..90 => {
                let flags = some_flags(r);
                let change = match r.below(3) {
                    0 => FlagChange::Replace(flags),
                    1 => FlagChange::Add(flags),
                    _ => FlagChange::Remove(flags),
                };
                let since = r.chance(20).then(|| ModSeq(r.below(12)));
                Op::Flags(some_mailbox(r, model), some_uids(r), change, since)
            }
            90..94 => Op::ExpungeDeleted(some_mailbox(r, model)),
            94..97 => Op::ExpungeAmong(some_mailbox(r, model), some_uids(r)),
            _ => Op::ExpungeThese(some_mailbox(r, model), some_uids(r)),
        }
    }

    /// Does it to the store.
    pub fn run(&self, store: &Store) -> Result<Answer> {
        Ok(match self {
            Op::Ensure(a, now) => unit(store.ensure_account(*a, *now))?,
            Op::Remove(a) => unit(store.remove_account(*a))?,
            Op::Create(a, name, role, now) => Answer::Made(store.create_mailbox(*a, name, *role, *now)?),
            Op::Delete(a, name) => unit(store.delete_mailbox(*a, name))?,
            Op::Rename(a, from, to, now) => unit(store.rename_mailbox(*a, from, to, *now))?,
            Op::Subscribe(a, name, on) => unit(store.set_subscribed(*a, name, *on))?,
            Op::Deliver(targets, body) => {
                let mut draft = store.draft()?;
                body.chunks(777).try_for_each(|c| draft.write(c))?;
                let answers = store.deliver(draft, targets)?;
                Answer::Appended(answers.into_iter().map(|a| a.ok()).collect())
            }
            Op::Abandon(body) => unit(store.draft()?.write(body))?,
            Op::Copy(from, uids, to, now) => Answer::Copied(store.copy(*from, uids, *to, *now)?),
            Op::Move(from, uids, to, now) => Answer::Copied(store.move_messages(*from, uids, *to, *now)?),
            Op::Flags(m, uids, change, since) => {
                let done = store.change_flags(*m, uids, change, *since)?;
                let rows = done.rows.into_iter().map(|m| (m.uid, m.modseq, m.flags)).collect();
                Answer::Flags(rows, done.modified)
            }
            Op::ExpungeDeleted(m) => Answer::Expunged(store.expunge(*m, Expunge::Deleted)?),
            Op::ExpungeAmong(m, uids) => Answer::Expunged(store.expunge(*m, Expunge::DeletedAmong(uids))?),
            Op::ExpungeThese(m, uids) => Answer::Expunged(store.expunge(*m, Expunge::These(uids))?),
            Op::Quota(a, limits) => unit(store.set_quota(*a, *limits))?,
            Op::Seen(m, reader, uids, seen) => {
                let done = store.set_seen(*m, *reader, uids, *seen, None)?;
                // a MODSEQ may be higher than it need be
                Answer::Flags(done.rows.into_iter().map(|m| (m.uid, ModSeq(0), m.flags)).collect(), done.modified)
            }
            Op::Enqueue(targets, body, envelope) => {
                let mut draft = store.draft()?;
                body.chunks(777).try_for_each(|c| draft.write(c))?;
                let (_, answers) = store.enqueue(draft, targets, envelope.clone())?;
                Answer::Appended(answers.into_iter().map(|a| a.ok()).collect())
            }
            Op::EnqueueMessage(m, u, envelope) => unit(store.enqueue_message(*m, *u, envelope.clone()).map(drop))?,
            Op::Attempt(place, attempts) => unit(store.note_attempts(place_of(store, *place)?, attempts))?,
            Op::Dequeue(place) => unit(store.dequeue(place_of(store, *place)?))?,
            Op::Acl(m, who, rights) => unit(store.set_acl(*m, who, *rights))?,
            Op::Note(a, m, entry, value) => unit(store.set_metadata(*a, *m, entry, value.as_deref()))?,
        })
    }
}

/// What an operation answers; `None` of the model is any refusal.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Made(Mailbox),
    Appended(Vec<Option<Appended>>),
    Copied(Copied),
    Flags(Vec<(Uid, ModSeq, Flags)>, Vec<Uid>),
    Expunged(Vec<Uid>),
}

fn unit(result: Result<()>) -> Result<Answer> {
    result.map(|()| Answer::Done)
}

fn some_name(r: &mut Random) -> MailboxName {
    name(NAMES[r.below(NAMES.len() as u64) as usize])
}

pub fn some_mailbox(r: &mut Random, model: &Model) -> MailboxId {
    let known: Vec<u32> = model.mailboxes.keys().copied().collect();
    // mostly the same few, so that they fill
    let few = known.len().min(if r.chance(70) { 2 } else { 99 });
    match known.is_empty() || r.chance(3) {
        true => MailboxId(77),
        false => MailboxId(known[r.below(few as u64) as usize]),
    }
}

fn some_uids(r: &mut Random) -> Vec<Uid> {
    (0..1 + r.below(5)).map(|_| uid(1 + r.below(12) as u32)).collect()
}

fn some_limits(r: &mut Random) -> QuotaLimits {
    let limits = QuotaLimits { octets: Some(r.below(60_000)), messages: r.chance(50).then(|| r.below(20)) };
    if r.chance(30) { limits } else { QuotaLimits::default() }
}

fn some_flags(r: &mut Random) -> Flags {
    let keywords = WORDS.iter().filter(|_| r.chance(30)).map(|w| Keyword::parse(w).unwrap()).collect();
    Flags {
        seen: r.chance(40),
        answered: r.chance(20),
        flagged: r.chance(20),
        deleted: r.chance(40),
        draft: r.chance(10),
        keywords,
    }
}

fn some_target(r: &mut Random, model: &Model) -> Target {
    Target {
        mailbox: some_mailbox(r, model),
        flags: some_flags(r),
        internal_date: r.next() as i64,
        save_date: r.below(1_000) as i64,
    }
}

pub fn some_body(r: &mut Random, largest: u64) -> Vec<u8> {
    let len = if r.chance(30) { r.below(largest) } else { r.below(largest.min(600)) };
    let mut body: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| r.next().to_le_bytes()).collect();
    body.truncate(len as usize);
    if r.chance(40) {
        // text that is like others', and an attachment that others have too
        for _ in 0..r.below(60) {
            let word = TEXT[r.below(TEXT.len() as u64) as usize];
            body.extend_from_slice(word.as_bytes());
        }
        let which = r.below(5);
        let octets: Vec<u8> = (0..300 + which * 700).map(|n| (((n + which) * n) >> 3) as u8).collect();
        body.extend_from_slice(b"\r\n");
        crate::body::to_base64(&octets, 76, &mut body);
    }
    body
}

impl Model {
    /// The store was opened, perhaps anew.
    pub fn opened(&mut self, store: &Store) {
        self.above = store.inner.shared.modseq_floor;
        self.mailboxes.values_mut().for_each(|mailbox| mailbox.above = self.above);
    }

    /// Mailboxes with their MODSEQs.
    pub fn modseqs(&self) -> impl Iterator<Item = (u32, u64)> {
        self.mailboxes.iter().map(|(id, mailbox)| (*id, mailbox.modseq))
    }

    fn find(&self, account: AccountId, name: &MailboxName) -> Option<u32> {
        self.mailboxes.iter().find(|(_, m)| m.account == account && m.name == name.as_str()).map(|(id, _)| *id)
    }

    fn make(&mut self, account: AccountId, name: &str, special_use: Option<SpecialUse>, now: i64) -> u32 {
        self.last_mailbox += 1;
        self.last_uid_validity = (self.last_uid_validity + 1).max(now as u32);
        let new = ModelBox {
            account,
            name: name.to_owned(),
            uid_validity: self.last_uid_validity,
            special_use,
            uid_next: 1,
            modseq: 1,
            above: self.above,
            messages: BTreeMap::new(),
            vanished: Vec::new(),
            remembered: Vec::new(),
            floor: 0,
            keywords: BTreeSet::new(),
        };
        self.mailboxes.insert(self.last_mailbox, new);
        self.last_mailbox
    }

    fn make_parents(&mut self, account: AccountId, name: &MailboxName, now: i64) {
        if let Some(parent) = name.parent()
            && self.find(account, &parent).is_none()
        {
            self.make_parents(account, &parent, now);
            self.make(account, parent.as_str(), None, now);
        }
    }

    /// The state after the operation and its answer; `None` if it is refused, and the state stays.
    pub fn run(&mut self, op: &Op) -> Option<Answer> {
        let mut next = self.clone();
        let answer = next.try_run(op)?;
        next.tidy();
        *self = next;
        Some(answer)
    }

    fn try_run(&mut self, op: &Op) -> Option<Answer> {
        match op {
            Op::Ensure(account, now) => {
                if self.accounts.insert(*account) {
                    let roles = [
                        ("INBOX", None),
                        ("Drafts", Some(SpecialUse::Drafts)),
                        ("Sent", Some(SpecialUse::Sent)),
                        ("Archive", Some(SpecialUse::Archive)),
                        ("Junk", Some(SpecialUse::Junk)),
                        ("Trash", Some(SpecialUse::Trash)),
                    ];
                    for (name, role) in roles {
                        self.make(*account, name, role, *now);
                        self.subscriptions.insert((*account, name.to_owned()));
                    }
                }
                Some(Answer::Done)
            }
            Op::Remove(account) => {
                self.accounts.remove(account);
                self.mailboxes.retain(|_, m| m.account != *account);
                self.subscriptions.retain(|(a, _)| a != account);
                self.quotas.remove(account);
                self.ids.remove(account);
                self.threads.retain(|(a, _), _| a != account);
                self.notes.retain(|(_, a, _), _| *a != account.0);
                self.queue.retain(|(envelope, _)| envelope.account != *account);
                Some(Answer::Done)
            }
            Op::Create(account, name, role, now) => self.create(*account, name, *role, *now),
            Op::Delete(account, name) => {
                let id = self.find(*account, name).filter(|_| !name.is_inbox())?;
                self.mailboxes.remove(&id);
                Some(Answer::Done)
            }
            Op::Rename(account, from, to, now) => self.rename(*account, from, to, *now),
            Op::Subscribe(account, ..) if !self.accounts.contains(account) => None,
            Op::Subscribe(account, name, on) => {
                let key = (*account, name.as_str().to_owned());
                if *on {
                    self.subscriptions.insert(key)
                } else {
                    self.subscriptions.remove(&key)
                };
                Some(Answer::Done)
            }
            Op::Deliver(targets, body) => Some(Answer::Appended(self.arrive(targets, body))),
            Op::Abandon(_) => Some(Answer::Done),
            Op::Copy(from, uids, to, now) => Some(Answer::Copied(self.copy(from.0, uids, to.0, *now, true)?)),
            Op::Move(from, uids, to, now) => {
                let grows = self.mailboxes.get(&from.0)?.account != self.mailboxes.get(&to.0)?.account;
                let copied = self.copy(from.0, uids, to.0, *now, grows)?;
                let gone: Vec<u32> = copied.uids.iter().map(|(a, _)| a.get()).collect();
                self.mailboxes.get_mut(&from.0)?.expunge(&gone);
                Some(Answer::Copied(copied))
            }
            Op::Flags(mailbox, uids, change, since) => self.mailboxes.get_mut(&mailbox.0)?.flags(uids, change, *since),
            Op::ExpungeDeleted(mailbox) => self.expunge(mailbox.0, |_, m| m.flags.deleted),
            Op::ExpungeAmong(mailbox, uids) => self.expunge(mailbox.0, |u, m| m.flags.deleted && uids.contains(&u)),
            Op::ExpungeThese(mailbox, uids) => self.expunge(mailbox.0, |u, _| uids.contains(&u)),
            Op::Seen(mailbox, reader, uids, seen) => self.set_seen(mailbox.0, *reader, uids, *seen),
            Op::Enqueue(targets, body, envelope) => {
                self.enqueue(envelope, body.clone())?;
                Some(Answer::Appended(self.arrive(targets, body)))
            }
            Op::EnqueueMessage(mailbox, uid, envelope) => {
                let body = self.mailboxes.get(&mailbox.0)?.messages.get(&uid.get())?.body.clone();
                self.enqueue(envelope, body)
            }
            Op::Attempt(place, attempts) => {
                let (envelope, _) = self.queue.get_mut(*place)?;
                for attempt in attempts {
                    let recipient = envelope.recipients.get_mut(attempt.recipient as usize)?;
                    recipient.attempts += 1;
                    recipient.state = attempt.state;
                    (recipient.next, recipient.answer) = (attempt.next, attempt.answer.clone());
                }
                Some(Answer::Done)
            }
            Op::Dequeue(place) => {
                self.queue.get(*place)?;
                self.queue.remove(*place);
                Some(Answer::Done)
            }
            Op::Acl(mailbox, who, rights) => self.acl(mailbox.0, who, *rights),
            Op::Note(account, mailbox, entry, value) => self.note(*account, *mailbox, entry, value),
            Op::Quota(account, _) if !self.accounts.contains(account) => None,
            Op::Quota(account, limits) => {
                self.quotas.insert(*account, *limits);
                Some(Answer::Done)
            }
        }
    }

    /// What mailboxes, messages and accounts had goes with them.
    fn tidy(&mut self) {
        let boxes = &self.mailboxes;
        self.acls.retain(|(m, _), _| boxes.contains_key(m));
        self.notes.retain(|(m, ..), _| *m == 0 || boxes.contains_key(m));
        let there = |m: u32, uid: u32| boxes.get(&m).is_some_and(|m| m.messages.contains_key(&uid));
        self.seen.retain(|(m, reader, uid), _| there(*m, *uid) && self.accounts.contains(reader));
    }

    fn set_seen(&mut self, mailbox: u32, reader: AccountId, uids: &[Uid], seen: bool) -> Option<Answer> {
        let target = self.mailboxes.get_mut(&mailbox)?;
        if !self.accounts.contains(&reader) {
            return None;
        }
        if target.account == reader {
            let flags = Flags { seen: true, ..Flags::default() };
            let change = if seen { FlagChange::Add(flags) } else { FlagChange::Remove(flags) };
            let Answer::Flags(rows, modified) = target.flags(uids, &change, None)? else { return None };
            return Some(Answer::Flags(rows.into_iter().map(|(u, _, f)| (u, ModSeq(0), f)).collect(), modified));
        }
        let (mut rows, mut any) = (Vec::new(), false);
        for uid in uids.iter().collect::<BTreeSet<_>>() {
            let Some(message) = target.messages.get(&uid.get()) else { continue };
            let now = self.seen.entry((mailbox, reader, uid.get())).or_default();
            if now.0 != seen {
                *now = (seen, target.next());
                any = true;
            }
            rows.push((*uid, ModSeq(0), Flags { seen, ..message.flags.clone() }));
        }
        target.rise(any);
        Some(Answer::Flags(rows, Vec::new()))
    }

    fn enqueue(&mut self, envelope: &Envelope, body: Arc<Vec<u8>>) -> Option<Answer> {
        let mine = self.queue.iter().filter(|(e, _)| e.account == envelope.account).count();
        if !self.accounts.contains(&envelope.account) || mine >= limits::QUEUE_MESSAGES as usize {
            return None;
        }
        self.queue.push((envelope.clone(), body));
        Some(Answer::Done)
    }

    fn acl(&mut self, mailbox: u32, who: &str, rights: Rights) -> Option<Answer> {
        self.mailboxes.get(&mailbox)?;
        self.acls.insert((mailbox, who.to_owned()), rights);
        self.acls.retain(|_, rights| !rights.is_empty());
        Some(Answer::Done)
    }

    fn note(
        &mut self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entry: &EntryName,
        value: &Option<Vec<u8>>,
    ) -> Option<Answer> {
        let mailbox = mailbox.map_or(0, |m| m.0);
        if !self.accounts.contains(&account) || mailbox > 0 && !self.mailboxes.contains_key(&mailbox) {
            return None;
        }
        let owner = if mailbox > 0 && entry.is_shared() { 0 } else { account.0 };
        match value {
            Some(value) => self.notes.insert((mailbox, owner, entry.clone()), value.clone()),
            None => self.notes.remove(&(mailbox, owner, entry.clone())),
        };
        Some(Answer::Done)
    }

    /// What an account has noted for a mailbox or 0.
    pub fn notes_of(&self, account: AccountId, mailbox: u32) -> Vec<(EntryName, Vec<u8>)> {
        let mine = |m: u32, a: u32| m == mailbox && (a == account.0 || a == 0 && m > 0);
        let found = self.notes.iter().filter(|((m, a, _), _)| mine(*m, *a));
        let mut found: Vec<_> = found.map(|((_, _, entry), value)| (entry.clone(), value.clone())).collect();
        found.sort();
        found
    }

    fn create(&mut self, account: AccountId, name: &MailboxName, role: Option<SpecialUse>, now: i64) -> Option<Answer> {
        if self.find(account, name).is_some() || !self.accounts.contains(&account) {
            return None;
        }
        self.make_parents(account, name, now);
        let id = self.make(account, name.as_str(), role, now);
        Some(Answer::Made(Mailbox {
            id: MailboxId(id),
            name: name.clone(),
            uid_validity: UidValidity(self.last_uid_validity.try_into().unwrap()),
            special_use: role,
            subscribed: self.subscriptions.contains(&(account, name.as_str().to_owned())),
        }))
    }

    fn rename(&mut self, account: AccountId, from: &MailboxName, to: &MailboxName, now: i64) -> Option<Answer> {
        let source = self.find(account, from)?;
        if to.is_inbox() || to.is_below(from) && !from.is_inbox() || self.find(account, to).is_some() {
            return None;
        }
        if from.is_inbox() {
            self.make_parents(account, to, now);
            let id = self.make(account, to.as_str(), None, now);
            let uids: Vec<Uid> = self.mailboxes[&source].messages.keys().map(|u| uid(*u)).collect();
            self.try_run(&Op::Move(MailboxId(source), uids, MailboxId(id), now))?;
            return Some(Answer::Done);
        }
        let moving: Vec<u32> = self.mailboxes.iter().filter(|(_, m)| m.account == account).map(|(id, _)| *id).collect();
        for id in moving {
            let old = name(&self.mailboxes[&id].name);
            if old == *from || old.is_below(from) {
                let new = format!("{}{}", to.as_str(), &old.as_str()[from.as_str().len()..]);
                if self.find(account, &name(&new)).is_some() {
                    return None;
                }
                self.mailboxes.get_mut(&id)?.name = new;
            }
        }
        self.make_parents(account, to, now);
        Some(Answer::Done)
    }

    /// What an account holds, and how much it may.
    fn quota(&self, account: AccountId) -> Quota {
        let mine = self.mailboxes.values().filter(|m| m.account == account).flat_map(|m| m.messages.values());
        let mut quota = Quota { limits: self.quotas.get(&account).copied().unwrap_or_default(), ..Quota::default() };
        for message in mine {
            quota.octets += message.body.len() as u64;
            quota.messages += 1;
        }
        quota
    }

    fn has_room(&self, account: AccountId, octets: usize, messages: usize) -> bool {
        let quota = self.quota(account);
        quota.limits.octets.is_none_or(|limit| quota.octets + octets as u64 <= limit)
            && quota.limits.messages.is_none_or(|limit| quota.messages + messages as u64 <= limit)
    }

    fn arrive(&mut self, targets: &[Target], body: &Arc<Vec<u8>>) -> Vec<Option<Appended>> {
        self.arrived += 1;
        let answers: Vec<_> = targets.iter().map(|t| self.deliver(t, body)).collect();
        let taken = targets.iter().zip(&answers).filter(|(_, answer)| answer.is_some());
        let accounts: BTreeSet<_> = taken.map(|(target, _)| self.mailboxes[&target.mailbox.0].account).collect();
        accounts.into_iter().for_each(|account| self.thread(account, body));
        answers
    }

    fn deliver(&mut self, target: &Target, body: &Arc<Vec<u8>>) -> Option<Appended> {
        let account = self.mailboxes.get(&target.mailbox.0)?.account;
        if !self.has_room(account, body.len(), 1) {
            return None;
        }
        let mailbox = self.mailboxes.get_mut(&target.mailbox.0)?;
        mailbox.rise(true);
        let message = ModelMessage {
            modseq: mailbox.modseq,
            flags: target.flags.clone(),
            internal_date: target.internal_date,
            save_date: target.save_date,
            body: body.clone(),
            arrival: self.arrived,
        };
        Some(Appended {
            uid_validity: UidValidity(mailbox.uid_validity.try_into().unwrap()),
            uid: uid(mailbox.add(message)),
        })
    }

    fn copy(&mut self, from: u32, uids: &[Uid], to: u32, now: i64, grows: bool) -> Option<Copied> {
        let source = self.mailboxes.get(&from)?.messages.clone();
        let wanted: BTreeSet<Uid> = uids.iter().copied().filter(|u| source.contains_key(&u.get())).collect();
        let octets = wanted.iter().map(|u| source[&u.get()].body.len()).sum();
        let account = self.mailboxes.get(&to)?.account;
        if grows && !self.has_room(account, octets, wanted.len()) {
            return None;
        }
        let target = self.mailboxes.get_mut(&to)?;
        let mut pairs = Vec::new();
        target.rise(!wanted.is_empty());
        for old in wanted {
            let message = ModelMessage { modseq: target.modseq, save_date: now, ..source[&old.get()].clone() };
            pairs.push((old, uid(target.add(message))));
        }
        Some(Copied { uid_validity: UidValidity(target.uid_validity.try_into().unwrap()), uids: pairs })
    }

    fn expunge(&mut self, mailbox: u32, which: impl Fn(Uid, &ModelMessage) -> bool) -> Option<Answer> {
        let mailbox = self.mailboxes.get_mut(&mailbox)?;
        let gone: Vec<u32> = mailbox.messages.iter().filter(|(u, m)| which(uid(**u), m)).map(|(u, _)| *u).collect();
        mailbox.expunge(&gone);
        Some(Answer::Expunged(gone.into_iter().map(uid).collect()))
    }
}

impl ModelBox {
    /// The MODSEQ of the next change.
    fn next(&self) -> u64 {
        self.modseq.max(self.above) + 1
    }

    /// It changes, if it does.
    fn rise(&mut self, changes: bool) {
        if changes {
            self.modseq = self.next();
        }
    }

    fn add(&mut self, message: ModelMessage) -> u32 {
        self.keywords.extend(message.flags.keywords.iter().cloned());
        self.messages.insert(self.uid_next, message);
        self.uid_next += 1;
        self.uid_next - 1
    }

    fn expunge(&mut self, gone: &[u32]) {
        self.rise(!gone.is_empty());
        for uid in gone {
            self.messages.remove(uid);
            self.vanished.push((*uid, self.modseq));
        }
        self.remember(crate::record::ranges(gone.iter().copied()).len());
    }

    fn remember(&mut self, ranges: usize) {
        self.remembered.push((self.modseq, ranges));
        let sum = |remembered: &[(u64, usize)]| remembered.iter().map(|(_, n)| n).sum::<usize>();
        if ranges > limits::VANISHED {
            self.remembered.clear();
            self.floor = self.modseq;
        } else if sum(&self.remembered) > limits::VANISHED {
            while sum(&self.remembered) > limits::VANISHED / 4 * 3 {
                self.floor = self.remembered.remove(0).0;
            }
        }
    }

    /// UIDs that are said to have vanished after a MODSEQ.
    fn gone_since(&self, since: u64) -> Vec<u32> {
        let mut gone: Vec<u32> = match since < self.floor {
            true => (1..self.uid_next).filter(|uid| !self.messages.contains_key(uid)).collect(),
            false => self.vanished.iter().filter(|(_, m)| *m > since).map(|(u, _)| *u).collect(),
        };
        gone.sort_unstable();
        gone
    }

    fn flags(&mut self, uids: &[Uid], change: &FlagChange, since: Option<ModSeq>) -> Option<Answer> {
        let (mut rows, mut modified, mut any) = (Vec::new(), Vec::new(), false);
        let next = self.next();
        for uid in uids.iter().collect::<BTreeSet<_>>() {
            let Some(message) = self.messages.get_mut(&uid.get()) else { continue };
            if since.is_some_and(|s| message.modseq > s.0) {
                modified.push(*uid);
            } else {
                let old = message.flags.clone();
                message.flags = changed(old.clone(), change);
                if message.flags != old {
                    any = true;
                    message.modseq = next;
                    self.keywords.extend(message.flags.keywords.iter().cloned());
                }
            }
            rows.push((*uid, ModSeq(message.modseq), message.flags.clone()));
        }
        self.rise(any);
        Some(Answer::Flags(rows, modified))
    }
}

fn changed(old: Flags, change: &FlagChange) -> Flags {
    let merge = |f: &Flags, with: fn(bool, bool) -> bool, keywords| Flags {
        seen: with(old.seen, f.seen),
        answered: with(old.answered, f.answered),
        flagged: with(old.flagged, f.flagged),
        deleted: with(old.deleted, f.deleted),
        draft: with(old.draft, f.draft),
        keywords,
    };
    match change {
        FlagChange::Replace(new) => new.clone(),
        FlagChange::Add(f) => merge(f, |a, b| a || b, old.keywords.union(&f.keywords).cloned().collect()),
        FlagChange::Remove(f) => merge(f, |a, b| a && !b, old.keywords.difference(&f.keywords).cloned().collect()),
    }
}

/// Compares all that can be read from the store with the model; says what differs.
pub fn difference(store: &Store, model: &Model) -> Result<Option<String>> {
    if let Some(different) = queue_difference(store, model)? {
        return Ok(Some(different));
    }
    let mut seen = BTreeSet::new();
    for account in ACCOUNTS {
        let have: BTreeSet<_> = store.subscriptions(account)?.iter().map(|n| n.as_str().to_owned()).collect();
        let want = model.subscriptions.iter().filter(|(a, _)| *a == account).map(|(_, n)| n.clone()).collect();
        if have != want {
            return Ok(Some(format!("subscriptions {have:?} instead of {want:?}")));
        }
        if store.quota(account)? != model.quota(account) {
            return Ok(Some(format!("{:?} instead of {:?}", store.quota(account)?, model.quota(account))));
        }
        if store.metadata(account, None)? != model.notes_of(account, 0) {
            return Ok(Some(format!("notes of {account:?}: {:?}", store.metadata(account, None)?)));
        }
        for mailbox in store.mailboxes(account)? {
            if let Some(different) = slots_difference(store, model, mailbox.id)? {
                return Ok(Some(format!("{:?}: {different}", mailbox.name)));
            }
            let Some(want) = model.mailboxes.get(&mailbox.id.0) else {
                return Ok(Some(format!("{mailbox:?} should not be")));
            };
            if let Some(different) = mailbox_difference(store, account, &mailbox, want)? {
                return Ok(Some(format!("{:?}: {different}", mailbox.name)));
            }
            if let Some(different) = seen_difference(store, &mailbox, want, model)? {
                return Ok(Some(format!("{:?}: {different}", mailbox.name)));
            }
            seen.insert(mailbox.id.0);
        }
    }
    let missing = model.mailboxes.keys().find(|id| !seen.contains(id));
    if let Some(id) = missing {
        return Ok(Some(format!("{:?} is missing", model.mailboxes[id].name)));
    }
    threads_difference(store, model)
}

fn mailbox_difference(store: &Store, account: AccountId, have: &Mailbox, want: &ModelBox) -> Result<Option<String>> {
    let snapshot = store.snapshot(have.id)?;
    let status = store.status(have.id)?;
    let count = |which: fn(&ModelMessage) -> bool| want.messages.values().filter(|m| which(m)).count() as u32;
    let numbers = |uid_next: u32, modseq: u64| (uid_next, modseq);
    let facts = [
        (account == want.account && have.name.as_str() == want.name, "name"),
        (have.uid_validity.0.get() == want.uid_validity, "UIDVALIDITY"),
        (have.special_use == want.special_use, "role"),
        (numbers(snapshot.uid_next.get(), snapshot.highest_modseq.0) == numbers(want.uid_next, want.modseq), "numbers"),
        (snapshot.keywords.iter().cloned().collect::<BTreeSet<_>>() == want.keywords, "keywords"),
        (super::numbers(&snapshot.uids) == want.messages.keys().copied().collect::<Vec<_>>(), "UIDs"),
        (status.messages == count(|_| true), "messages"),
        (status.unseen == count(|m| !m.flags.seen), "unseen"),
        (status.deleted == count(|m| m.flags.deleted), "deleted"),
        (status.size == want.messages.values().map(|m| m.body.len() as u64).sum::<u64>(), "size"),
        (
            snapshot.first_unseen.map(|u| u.get())
                == want.messages.iter().find(|(_, m)| !m.flags.seen).map(|(u, _)| *u),
            "first unseen",
        ),
    ];
    if let Some((_, what)) = facts.iter().find(|(ok, _)| !ok) {
        return Ok(Some(format!("{what}: {snapshot:?} {status:?}")));
    }
    for since in [0, want.modseq.saturating_sub(3)] {
        let changes = store.changes_since(have.id, ModSeq(since))?;
        let exactly: Vec<u32> = want.vanished.iter().filter(|(_, m)| *m > since).map(|(u, _)| *u).collect();
        let vanished = want.gone_since(since);
        let new: Vec<u32> = want.messages.iter().filter(|(_, m)| m.modseq > since).map(|(u, _)| *u).collect();
        let changed: Vec<u32> = changes.changed.iter().map(|m| m.uid.get()).collect();
        // what happened lately is known exactly, as long as the store was not opened anew
        let have = gone(&changes);
        let told = have == vanished || have.len() == exactly.len() && exactly.iter().all(|uid| have.contains(uid));
        if !told || changed != new {
            return Ok(Some(format!("changes since {since}: {changes:?}, not {new:?} {vanished:?}")));
        }
    }
    for row in store.messages(have.id, Uid::MIN..=Uid::MAX, usize::MAX)? {
        let m = &want.messages[&row.uid.get()];
        let mut body = Vec::new();
        store.read(row.blob, 0..u64::MAX, &mut body)?;
        let same = body == *m.body
            && row.size == body.len() as u64
            && (row.modseq.0, &row.flags, row.internal_date, row.save_date)
                == (m.modseq, &m.flags, m.internal_date, m.save_date);
        if !same {
            return Ok(Some(format!("{row:?} is not {m:?}")));
        }
    }
    Ok(None)
}
