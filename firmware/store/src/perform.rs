//! One job of a group: plan it, log it, apply it.

use crate::StoreError;
use crate::apply::apply;
use crate::body::{Hash, Piece};
use crate::catalogue::{MailboxRow, SharedRow, Tables, keywords, message};
use crate::jobs::{Answer, Delivery, Job, Plan, Reply, answer};
use crate::log::Log;
use crate::model::*;
use crate::plan;
use crate::queue::{self, Enqueued, Envelope, QueueId, QueueRow};
use crate::record::{self, Delivered, Event, Extent};
use crate::threads::{self, Threaded};
use crate::writer::Shared;
use std::sync::atomic::Ordering::Relaxed;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The writer's hands: catalogue and log.
struct Hands<'a, 't> {
    t: &'a mut Tables<'t>,
    log: &'a mut Log,
}

/// The targets that take a message.
#[derive(Default)]
struct Accepted {
    targets: Vec<Delivered>,
    /// Whose they are.
    accounts: Vec<u32>,
    threads: Vec<Threaded>,
}

/// Does a job. The error, if there is one, is the store's, not the caller's: the whole group is void then.
pub fn perform(
    t: &mut Tables<'_>,
    log: &mut Log,
    shared: &Shared,
    job: Job,
    full: bool,
) -> (Answer, Option<StoreError>) {
    let mut h = Hands { t, log };
    match job {
        Job::Parts { .. } => (parts(h.log, shared, job, full), None),
        Job::Deliver(_, reply) if full => (answer(reply, Err(StoreError::Full)), None),
        Job::Deliver(delivery, reply) => settle(reply, h.deliver(delivery, shared)),
        Job::Enqueue(_, _, reply) if full => (answer(reply, Err(StoreError::Full)), None),
        Job::Enqueue(delivery, envelope, reply) => settle(reply, h.enqueue(delivery, envelope, shared)),
        Job::EnqueueMessage(mailbox, uid, envelope, reply) => settle(reply, h.enqueue_message(mailbox, uid, envelope)),
        Job::Copy { from, uids, to, now, remove, reply } => settle(reply, h.copy(from, &uids, to, now, remove)),
        Job::Flags { mailbox, uids, change, unchanged_since, reply } => {
            settle(reply, h.flags(mailbox, &uids, &change, unchanged_since))
        }
        Job::Expunge { mailbox, which, reply } => settle(reply, h.expunge(mailbox, &which)),
        Job::EnsureAccount(account, now, reply) => settle(reply, h.ensure_account(account, now)),
        Job::RemoveAccount(account, reply) => settle(reply, h.remove_account(account)),
        Job::Create { account, name, special_use, now, reply } => {
            settle(reply, h.create(account, &name, special_use, now))
        }
        Job::Delete(account, name, reply) => settle(reply, h.delete(account, &name)),
        Job::Rename { account, from, to, now, reply } => settle(reply, h.rename(account, &from, &to, now)),
        Job::Subscribe(account, name, on, reply) => settle(reply, h.subscribe(account, &name, on)),
        Job::Change { plan, reply, .. } => settle(reply, h.change(plan)),
        Job::Barrier(_) | Job::Close(_) => (Box::new(move |_| job.refuse(StoreError::Stopped)), None),
    }
}

/// Logs bytes of a message.
pub fn parts(log: &mut Log, shared: &Shared, job: Job, full: bool) -> Answer {
    match job {
        Job::Parts { reply, .. } if full => answer(reply, Err(StoreError::Full)),
        Job::Parts { mut blob, position, pieces, reply } => {
            let mut extents = Vec::new();
            append(log, &mut blob, position, &pieces, &mut extents, |hash| shared.shared_part(hash));
            // until the message is delivered, nothing in the catalogue says that they are needed
            let pins = shared.segments.pin(extents.iter().map(|e| e.at.segment));
            answer(reply, Ok((blob, extents, pins)))
        }
        other => Box::new(move |_| other.refuse(StoreError::Stopped)),
    }
}

/// Logs what is not there yet of these pieces of a message, which belong at `position`.
fn append(
    log: &mut Log,
    blob: &mut u64,
    mut position: u64,
    pieces: &[Piece],
    extents: &mut Vec<Extent>,
    known: impl Fn(&Hash) -> Result<Option<(u64, SharedRow)>>,
) {
    for piece in pieces {
        // what cannot be looked up is stored once more
        let there = piece.hash.and_then(|hash| known(&hash).ok().flatten().map(|found| (hash, found)));
        let extent = match there {
            Some((hash, (part, row))) => Extent {
                at: row.at,
                stored: row.stored,
                len: piece.len,
                line: piece.line,
                shared: Some(record::Shared { part, hash }),
            },
            None => log.append_part(blob, position, piece),
        };
        position += u64::from(piece.len);
        extents.push(extent);
    }
}

/// Tells the caller's mistakes from the store's troubles.
fn settle<T: 'static>(reply: Reply<T>, result: Result<T>) -> (Answer, Option<StoreError>) {
    let trouble = match &result {
        Err(e @ (StoreError::Io(_) | StoreError::Full | StoreError::Stopped | StoreError::Damaged(_))) => {
            Some(e.clone())
        }
        _ => None,
    };
    (answer(reply, result), trouble)
}

impl Hands<'_, '_> {
    fn record(&mut self, account: u32, event: &Event) -> Result<()> {
        let _ = self.log.append(account, event)?;
        apply(self.t, account, event)
    }

    fn account_of(&self, mailbox: u32) -> Result<u32> {
        Ok(self.t.mailbox(mailbox)?.account)
    }

    fn deliver(&mut self, d: Delivery, shared: &Shared) -> Result<Vec<Result<Appended>>> {
        let (accepted, answers) = self.targets(&d)?;
        if let Some(account) = accepted.accounts.last().copied() {
            let deliver = self.body(d, accepted, shared);
            self.record(account, &Event::Deliver(deliver))?;
        }
        Ok(answers)
    }

    fn enqueue(
        &mut self,
        d: Delivery,
        envelope: Envelope,
        shared: &Shared,
    ) -> Result<(QueueId, Vec<Result<Appended>>)> {
        let account = envelope.account.0;
        queue::check_room(self.t, account)?;
        let (accepted, answers) = self.targets(&d)?;
        let deliver = self.body(d, accepted, shared);
        let row = envelope.row(deliver.blob, deliver.size);
        Ok((self.queue(account, row, Some(deliver))?, answers))
    }

    fn enqueue_message(&mut self, mailbox: u32, uid: u32, envelope: Envelope) -> Result<QueueId> {
        let account = envelope.account.0;
        queue::check_room(self.t, account)?;
        self.t.mailbox(mailbox)?;
        let message = self.t.row(mailbox, uid)?.ok_or(StoreError::NoSuchMessage)?;
        self.queue(account, envelope.row(message.blob, message.size), None)
    }

    /// The number of the record is the number of the entry.
    fn queue(&mut self, account: u32, row: QueueRow, deliver: Option<record::Deliver>) -> Result<QueueId> {
        let entry = self.log.upcoming();
        self.record(account, &Event::Enqueue(Enqueued { entry, row, deliver }))?;
        Ok(QueueId(entry))
    }

    /// What becomes of each target.
    fn targets(&self, d: &Delivery) -> Result<(Accepted, Vec<Result<Appended>>)> {
        let mut taken = plan::Taken::default();
        let (mut accepted, mut answers) = (Accepted::default(), Vec::new());
        for target in &d.targets {
            match plan::deliver(self.t, &mut taken, target, d.size) {
                Ok((owner, delivered, appended)) => {
                    if !accepted.accounts.contains(&owner) {
                        accepted.accounts.push(owner);
                        accepted.threads.extend(threads::plan(self.t, owner, &d.ids)?);
                    }
                    accepted.targets.push(delivered);
                    answers.push(Ok(appended));
                }
                Err(e @ (StoreError::NoSuchMailbox | StoreError::Limit(_) | StoreError::OverQuota)) => {
                    answers.push(Err(e))
                }
                Err(e) => return Err(e),
            }
        }
        Ok((accepted, answers))
    }

    /// Logs what is not there yet of a message.
    fn body(&mut self, d: Delivery, accepted: Accepted, shared: &Shared) -> record::Deliver {
        let (mut blob, mut extents) = (d.blob, d.extents);
        let position = extents.iter().map(|e| u64::from(e.len)).sum();
        let t = &*self.t;
        append(self.log, &mut blob, position, &d.pieces, &mut extents, |hash| t.shared_part(hash));
        if blob == 0 {
            // nothing but shared attachments
            blob = self.log.upcoming();
        }
        shared.deliveries.fetch_add(1, Relaxed);
        shared.received.fetch_add(d.size, Relaxed);
        record::Deliver { blob, size: d.size, extents, targets: accepted.targets, threads: accepted.threads }
    }

    fn copy(&mut self, from: u32, uids: &[u32], to: u32, now: i64, remove: bool) -> Result<Copied> {
        let (copied, uids) = plan::copy(self.t, from, uids, to, now, remove)?;
        let target = self.t.mailbox(to)?;
        let uid_validity = plan::uid_validity(&target)?;
        if !uids.is_empty() {
            let event = match remove {
                true => Event::Move(plan::move_messages(self.t, copied)?),
                false => Event::Copy(copied),
            };
            self.record(target.account, &event)?;
        }
        Ok(Copied { uid_validity, uids })
    }

    fn flags(
        &mut self,
        mailbox: u32,
        uids: &[u32],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        let plan = plan::change_flags(self.t, mailbox, uids, change, unchanged_since)?;
        if let Some(event) = plan.event {
            let account = self.account_of(mailbox)?;
            self.record(account, &Event::Flags(vec![event]))?;
        }
        let known = keywords(&self.t.keywords, mailbox)?;
        let mut rows = Vec::with_capacity(uids.len());
        for uid in uids {
            if let Some(row) = self.t.row(mailbox, *uid)? {
                rows.push(message(*uid, &row, &known)?);
            }
        }
        Ok(FlagsChanged { rows, modified: plan.modified })
    }

    fn expunge(&mut self, mailbox: u32, which: &plan::Which) -> Result<Vec<Uid>> {
        let Some(gone) = plan::expunge(self.t, mailbox, which)? else { return Ok(Vec::new()) };
        let uids = gone.uids.iter().flat_map(|(a, b)| *a..=*b).filter_map(Uid::new).collect();
        let account = self.account_of(mailbox)?;
        self.record(account, &Event::Expunge(gone))?;
        Ok(uids)
    }

    fn ensure_account(&mut self, account: u32, now: i64) -> Result<()> {
        match plan::ensure_account(self.t, account, now)? {
            Some(event) => self.record(account, &event),
            None => Ok(()),
        }
    }

    fn remove_account(&mut self, account: u32) -> Result<()> {
        match self.t.has_account(account)? {
            true => self.record(account, &Event::RemoveAccount),
            false => Ok(()),
        }
    }

    fn create(
        &mut self,
        account: u32,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
        now: i64,
    ) -> Result<Mailbox> {
        let created = plan::create(self.t, account, name, special_use, now)?;
        let id = created.last().map_or(0, |c| c.mailbox);
        self.record(account, &Event::Create(created))?;
        let row: MailboxRow = self.t.mailbox(id)?;
        let subscribed = self.t.is_subscribed(account, name.as_str())?;
        Ok(Mailbox {
            id: MailboxId(id),
            name: name.clone(),
            uid_validity: plan::uid_validity(&row)?,
            special_use,
            subscribed,
        })
    }

    fn delete(&mut self, account: u32, name: &MailboxName) -> Result<()> {
        let mailbox = plan::delete(self.t, account, name)?;
        self.record(account, &Event::Delete(mailbox))
    }

    fn rename(&mut self, account: u32, from: &MailboxName, to: &MailboxName, now: i64) -> Result<()> {
        let renamed = plan::rename(self.t, account, from, to, now)?;
        self.record(account, &Event::Rename(renamed))
    }

    fn change(&mut self, plan: Plan) -> Result<()> {
        match plan(self.t)? {
            Some((account, event)) => self.record(account, &event),
            None => Ok(()),
        }
    }

    fn subscribe(&mut self, account: u32, name: &MailboxName, on: bool) -> Result<()> {
        match plan::subscribe(self.t, account, name, on)? {
            Some(event) => self.record(account, &event),
            None => Ok(()),
        }
    }
}
