//! One job of a group: plan it, log it, apply it.

use crate::StoreError;
use crate::apply::apply;
use crate::catalogue::{MailboxRow, Tables, keywords, message, row};
use crate::jobs::{Answer, Delivery, Job, Reply, answer};
use crate::log::Log;
use crate::model::*;
use crate::plan;
use crate::record::{self, Event};
use crate::writer::Shared;
use std::sync::atomic::Ordering::Relaxed;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The writer's hands: catalogue and log.
struct Hands<'a, 't> {
    t: &'a mut Tables<'t>,
    log: &'a mut Log,
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
        Job::Part(..) => (part(h.log, job, full), None),
        Job::Deliver(_, reply) if full => (answer(reply, Err(StoreError::Full)), None),
        Job::Deliver(delivery, reply) => settle(reply, h.deliver(delivery, shared)),
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
        Job::Barrier(_) | Job::Close(_) => (Box::new(move |_| job.refuse(StoreError::Stopped)), None),
    }
}

/// Logs bytes of a message.
pub fn part(log: &mut Log, job: Job, full: bool) -> Answer {
    match job {
        Job::Part(.., reply) if full => answer(reply, Err(StoreError::Full)),
        Job::Part(blob, position, bytes, reply) => answer(reply, Ok(log.append_part(blob, position, &bytes))),
        other => Box::new(move |_| other.refuse(StoreError::Stopped)),
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
        self.log.append(account, event)?;
        apply(self.t, account, event)
    }

    fn account_of(&self, mailbox: u32) -> Result<u32> {
        Ok(self.t.mailbox(mailbox)?.account)
    }

    fn deliver(&mut self, d: Delivery, shared: &Shared) -> Result<Vec<Result<Appended>>> {
        let mut taken = plan::Taken::default();
        let (mut targets, mut answers, mut account) = (Vec::new(), Vec::new(), 0);
        for target in &d.targets {
            match plan::deliver(self.t, &mut taken, target) {
                Ok((owner, delivered, appended)) => {
                    account = owner;
                    targets.push(delivered);
                    answers.push(Ok(appended));
                }
                Err(e @ (StoreError::NoSuchMailbox | StoreError::Limit(_))) => answers.push(Err(e)),
                Err(e) => return Err(e),
            }
        }
        if targets.is_empty() {
            return Ok(answers);
        }
        let (mut blob, mut extents) = (d.blob, d.extents);
        if !d.rest.is_empty() || extents.is_empty() {
            let (first, extent) = self.log.append_part(blob, d.size - d.rest.len() as u64, &d.rest);
            blob = first;
            extents.push(extent);
        }
        self.record(account, &Event::Deliver(record::Deliver { blob, size: d.size, extents, targets }))?;
        shared.deliveries.fetch_add(1, Relaxed);
        Ok(answers)
    }

    fn copy(&mut self, from: u32, uids: &[u32], to: u32, now: i64, remove: bool) -> Result<Copied> {
        let (copied, uids) = plan::copy(self.t, from, uids, to, now)?;
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
            self.record(account, &Event::Flags(event))?;
        }
        let known = keywords(&self.t.keywords, mailbox)?;
        let mut rows = Vec::with_capacity(uids.len());
        for uid in uids {
            if let Some(row) = row(&self.t.messages, mailbox, *uid)? {
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

    fn subscribe(&mut self, account: u32, name: &MailboxName, on: bool) -> Result<()> {
        match plan::subscribe(self.t, account, name, on)? {
            Some(event) => self.record(account, &event),
            None => Ok(()),
        }
    }
}
