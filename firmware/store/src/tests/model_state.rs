//! The parts of the model that are not mail: rights, annotations, the outgoing queue, what readers have seen.

use super::model::{ACCOUNTS, Model, ModelBox, Op, WORDS, some_body, some_mailbox};
use super::sim::Random;
use super::*;

/// The entry of the queue at a place.
pub fn place_of(store: &Store, place: usize) -> Result<QueueId> {
    Ok(store.queue(None, place + 1)?.get(place).map_or(QueueId(0), |queued| queued.id))
}

pub fn some_envelope(r: &mut Random, account: AccountId) -> Envelope {
    let recipient = |r: &mut Random| Recipient {
        address: format!("{}@example.net", r.below(9)).into(),
        next: r.below(50) as i64,
        ..Recipient::default()
    };
    let recipients = (0..1 + r.below(3)).map(|_| recipient(r)).collect();
    let sender = WORDS[r.below(4) as usize].into();
    Envelope { account, sender, parameters: "SMTPUTF8".into(), recipients, now: r.below(50) as i64 }
}

pub fn some_attempts(r: &mut Random) -> Vec<Attempt> {
    let states = [RecipientState::Waiting, RecipientState::Sent, RecipientState::Failed];
    let attempt = |r: &mut Random| Attempt {
        recipient: r.below(2) as u32,
        state: states[r.below(3) as usize],
        next: r.below(99) as i64,
        answer: WORDS[r.below(4) as usize].into(),
    };
    (0..1 + r.below(2)).map(|_| attempt(r)).collect()
}

pub fn some_rights(r: &mut Random) -> Rights {
    Rights::parse(["", "lr", "lrswipkxtea", "a"][r.below(4) as usize]).unwrap()
}

pub fn some_note(r: &mut Random, model: &Model, account: AccountId) -> Op {
    let entry = ["/private/comment", "/shared/comment", "/shared/vendor/x"][r.below(3) as usize];
    let mailbox = r.chance(70).then(|| some_mailbox(r, model));
    let value = r.chance(70).then(|| some_body(r, 200));
    Op::Note(account, mailbox, EntryName::parse(entry).unwrap(), value)
}

pub fn queue_difference(store: &Store, model: &Model) -> Result<Option<String>> {
    let queue = store.queue(None, 99)?;
    for (have, (envelope, body)) in queue.iter().zip(&model.queue) {
        let mut read = Vec::new();
        store.read(have.blob, 0..u64::MAX, &mut read)?;
        if have.envelope != *envelope || read != **body || have.size != body.len() as u64 {
            return Ok(Some(format!("queued {have:?}, not {envelope:?}")));
        }
    }
    let due = |envelope: &Envelope| {
        let waiting = envelope.recipients.iter().filter(|r| r.state == RecipientState::Waiting);
        waiting.map(|r| r.next).min().unwrap_or(i64::MIN)
    };
    let mut want: Vec<(i64, usize)> = model.queue.iter().enumerate().map(|(n, (e, _))| (due(e), n)).collect();
    want.sort_unstable();
    want.retain(|(at, _)| *at <= 20);
    let place = |id: QueueId| queue.iter().position(|q| q.id == id);
    let have: Vec<_> = store.due(20, 99)?.iter().map(|q| (due(&q.envelope), place(q.id).unwrap_or(99))).collect();
    match queue.len() == model.queue.len() && have == want {
        true => Ok(None),
        false => Ok(Some(format!("queue {queue:?}, due {have:?}, not {want:?}"))),
    }
}

pub fn slots_difference(store: &Store, model: &Model, mailbox: MailboxId) -> Result<Option<String>> {
    let acl = store.acl(mailbox)?;
    let want = model.acls.iter().filter(|((m, _), _)| *m == mailbox.0);
    let want: Vec<_> = want.map(|((_, who), rights)| (who.as_str(), *rights)).collect();
    if acl.iter().map(|(who, rights)| (who.as_str(), *rights)).collect::<Vec<_>>() != want {
        return Ok(Some(format!("rights {acl:?}, not {want:?}")));
    }
    for account in ACCOUNTS {
        let have = store.metadata(account, Some(mailbox))?;
        if have != model.notes_of(account, mailbox.0) {
            return Ok(Some(format!("notes of {account:?}: {have:?}")));
        }
    }
    Ok(None)
}

/// What accounts see of a mailbox that is not theirs. A change may be told without having happened.
pub fn seen_difference(store: &Store, have: &Mailbox, want: &ModelBox, model: &Model) -> Result<Option<String>> {
    for reader in ACCOUNTS.into_iter().filter(|a| *a != want.account) {
        let seen = |uid: u32| model.seen.get(&(have.id.0, reader, uid)).copied().unwrap_or_default();
        let rows = store.messages_for(have.id, reader, Uid::MIN..=Uid::MAX, usize::MAX)?;
        for row in &rows {
            let (seen, modseq) = seen(row.uid.get());
            let old = &want.messages[&row.uid.get()];
            let right = row.flags == Flags { seen, ..old.flags.clone() };
            if !right || row.modseq.0 < modseq.max(old.modseq) || row.modseq.0 > want.modseq {
                return Ok(Some(format!("for {reader:?}: {row:?}, not {seen} {modseq}")));
            }
        }
        let unseen = want.messages.keys().filter(|uid| !seen(**uid).0).count() as u32;
        if rows.len() != want.messages.len() || store.unseen_for(have.id, reader)? != unseen {
            return Ok(Some(format!("for {reader:?}: not {unseen} unseen: {rows:?}")));
        }
        for since in [0, want.modseq.saturating_sub(2)] {
            let changes = store.changes_since_for(have.id, reader, ModSeq(since))?;
            let told: Vec<u32> = changes.changed.iter().map(|m| m.uid.get()).collect();
            let changed = want.messages.iter().filter(|(uid, m)| m.modseq.max(seen(**uid).1) > since);
            if let Some((uid, _)) = changed.into_iter().find(|(uid, _)| !told.contains(uid)) {
                return Ok(Some(format!("for {reader:?}: {uid} changed after {since}, told is {told:?}")));
            }
        }
    }
    Ok(None)
}

/// A message with ids, or without.
pub fn some_mail(r: &mut Random, largest: u64) -> Vec<u8> {
    let mut mail = Vec::new();
    if r.chance(70) {
        let id = |r: &mut Random| format!("<{}@a>", r.below(30));
        let references: Vec<String> = (0..r.below(4)).map(|_| id(r)).collect();
        mail = format!("Message-ID: {}\r\nReferences: {}\r\n\r\n", id(r), references.join(" ")).into_bytes();
    }
    mail.extend(some_body(r, largest));
    mail
}

/// The ids of a message, the most telling first.
fn ids(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail);
    let Some((own, rest)) = text.strip_prefix("Message-ID: ").and_then(|rest| rest.split_once("\r\n")) else {
        return Vec::new();
    };
    let references = rest.split("\r\n").next().unwrap().strip_prefix("References: ").unwrap();
    let mut ids = vec![own.to_owned()];
    ids.extend(references.split_whitespace().rev().map(str::to_owned));
    ids
}

impl Model {
    /// The message that came last is one of an account's.
    pub fn thread(&mut self, account: AccountId, mail: &[u8]) {
        let known = self.ids.entry(account).or_default();
        let generation = |n: usize| n as u64 / limits::THREAD_GENERATION;
        let oldest = (generation(known.len()) + 1).saturating_sub(limits::THREAD_GENERATIONS.into());
        let find = |id: &String| {
            let young = known.iter().enumerate().filter(|(n, _)| generation(*n) >= oldest);
            young.map(|(_, known)| known).rfind(|(known, _)| known == id).map(|(_, thread)| *thread)
        };
        let ids = ids(mail);
        let thread = ids.iter().find_map(find).unwrap_or(self.arrived);
        let mut new: Vec<String> = ids.into_iter().filter(|id| find(id).is_none()).collect();
        let mut seen = std::collections::BTreeSet::new();
        new.retain(|id| seen.insert(id.clone()));
        known.extend(new.into_iter().map(|id| (id, thread)));
        self.threads.entry((account, self.arrived)).or_insert(thread);
    }
}

/// Numbers are not those of the model, but the same are equal.
pub fn threads_difference(store: &Store, model: &Model) -> Result<Option<String>> {
    use std::collections::BTreeMap;
    let (mut bodies, mut arrivals) = (BTreeMap::new(), BTreeMap::new());
    for account in ACCOUNTS {
        let (mut have, mut want) = (BTreeMap::new(), BTreeMap::new());
        for (id, mailbox) in model.mailboxes.iter().filter(|(_, m)| m.account == account) {
            for row in store.messages(MailboxId(*id), Uid::MIN..=Uid::MAX, usize::MAX)? {
                let arrival = mailbox.messages[&row.uid.get()].arrival;
                let thread = store.threads(account, &[row.blob])?[0];
                let wanted = model.threads.get(&(account, arrival)).copied().unwrap_or(arrival);
                let same = *bodies.entry(row.blob).or_insert(arrival) == arrival
                    && *arrivals.entry(arrival).or_insert(row.blob) == row.blob
                    && *have.entry(thread).or_insert(wanted) == wanted
                    && *want.entry(wanted).or_insert(thread) == thread;
                if !same {
                    return Ok(Some(format!("{thread:?} of {row:?}, arrival {arrival}, is not {wanted}")));
                }
            }
        }
    }
    Ok(None)
}
