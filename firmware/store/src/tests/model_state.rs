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
