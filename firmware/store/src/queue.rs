//! The outgoing queue: messages on their way to other servers, with what is known of each recipient. The body is shared with its copies
//! in mailboxes; an entry stays until it is taken out.

use crate::apply;
use crate::catalogue::{self, Change, Tables};
use crate::jobs::Job;
use crate::model::{AccountId, Appended, BlobId, MailboxId, Target, Uid};
use crate::quota::{self, Holdings};
use crate::record::{Deliver, Event, Ranges};
use crate::writer::Shared;
use crate::{Draft, Store, StoreError, Waker, Watch, limits, reader};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Entry to [`QueueRow`].
pub const QUEUE: TableDefinition<u64, &[u8]> = TableDefinition::new("queue");
/// (when it is due, entry).
pub const DUE: TableDefinition<(i64, u64), ()> = TableDefinition::new("due");
/// Stands for the queue among the mailboxes that are watched.
const WATCHED: u32 = 0;

/// The number of an entry of the queue; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// How far a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum RecipientState {
    /// The message is still to be handed over.
    #[default]
    Waiting,
    /// It was handed over.
    Sent,
    /// It cannot be handed over.
    Failed,
}

/// A recipient of a queued message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// The address, without angle brackets.
    pub address: SmolStr,
    /// Parameters of RCPT to be passed on (RFC 3461 §4).
    pub parameters: SmolStr,
    /// How far it is.
    pub state: RecipientState,
    /// Attempts made.
    pub attempts: u32,
    /// When the next attempt is due, Unix seconds.
    pub next: i64,
    /// What the other side said last.
    pub answer: SmolStr,
}

/// Who sends what to whom (RFC 5321 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who sends it.
    pub account: AccountId,
    /// The address that failures are reported to, without angle brackets; empty for a report.
    pub sender: SmolStr,
    /// Parameters of MAIL to be passed on (RFC 3461 §4, RFC 6531 §3.4).
    pub parameters: SmolStr,
    /// To whom, as the message comes into the queue.
    pub recipients: Vec<Recipient>,
    /// Now, Unix seconds.
    pub now: i64,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its number.
    pub id: QueueId,
    /// Its bytes.
    pub blob: BlobId,
    /// Its size, octets.
    pub size: u64,
    /// Its envelope, with what is known of the recipients by now; `now` is when it came.
    pub envelope: Envelope,
}

/// What an attempt to hand a message over came to, for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The recipient's place in the envelope.
    pub recipient: u32,
    /// How far it is now.
    pub state: RecipientState,
    /// When the next attempt is due, Unix seconds.
    pub next: i64,
    /// What the other side said; cut at [`limits::QUEUE_ANSWER`].
    pub answer: SmolStr,
}

/// A message in the queue, as stored and as logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    account: u32,
    /// Its bytes.
    pub blob: u64,
    size: u64,
    sender: SmolStr,
    parameters: SmolStr,
    since: i64,
    recipients: Vec<Recipient>,
}

/// ENQUEUE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The entry.
    pub entry: u64,
    /// What it is.
    pub row: QueueRow,
    /// The message, if it came just now.
    pub deliver: Option<Deliver>,
}

/// ATTEMPT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The entry.
    pub entry: u64,
    /// What came of it.
    pub attempts: Vec<Attempt>,
}

impl Enqueued {
    /// Its payload.
    pub fn encode(&self) -> postcard::Result<Vec<u8>> {
        let mut payload = postcard::to_stdvec(&(self.entry, &self.row))?;
        if let Some(deliver) = &self.deliver {
            payload.extend(deliver.encode()?);
        }
        Ok(payload)
    }

    /// Reads its payload.
    pub fn decode(payload: &[u8]) -> Option<Enqueued> {
        let ((entry, row), rest) = postcard::take_from_bytes(payload).ok()?;
        let deliver = if rest.is_empty() { None } else { Some(Deliver::decode(rest)?) };
        Some(Enqueued { entry, row, deliver })
    }
}

impl QueueRow {
    /// When something is to be done: at once if no recipient waits any more, as the entry is to be taken out.
    fn due(&self) -> i64 {
        let waiting = self.recipients.iter().filter(|r| r.state == RecipientState::Waiting);
        waiting.map(|r| r.next).min().unwrap_or(i64::MIN)
    }

    fn shown(self, entry: u64) -> Queued {
        let QueueRow { account, blob, size, sender, parameters, since, recipients } = self;
        let envelope = Envelope { account: AccountId(account), sender, parameters, recipients, now: since };
        Queued { id: QueueId(entry), blob: BlobId(blob), size, envelope }
    }
}

impl Envelope {
    /// Whether it is within the limits.
    fn check(&self) -> Result<()> {
        let plain = |text: &str, limit| text.len() <= limit && !text.contains(char::is_control);
        let address = |text: &str| plain(text, limits::QUEUE_ADDRESS);
        let parameters = |text: &str| plain(text, limits::QUEUE_PARAMETERS);
        let good = |r: &Recipient| {
            !r.address.is_empty()
                && address(&r.address)
                && parameters(&r.parameters)
                && r.answer.len() <= limits::QUEUE_ANSWER
        };
        if self.recipients.is_empty() || self.recipients.len() > limits::QUEUE_RECIPIENTS {
            return Err(StoreError::Limit("recipients of a message"));
        }
        match address(&self.sender) && parameters(&self.parameters) && self.recipients.iter().all(good) {
            true => Ok(()),
            false => Err(StoreError::Limit("length or characters of an envelope")),
        }
    }

    /// The row of a body.
    pub fn row(self, blob: u64, size: u64) -> QueueRow {
        let Envelope { account, sender, parameters, recipients, now } = self;
        QueueRow { account: account.0, blob, size, sender, parameters, since: now, recipients }
    }
}

/// Whether one more message of the account may be queued.
pub fn check_room(t: &Tables<'_>, account: u32) -> Result<()> {
    t.check_account(account)?;
    match quota::holdings(&t.holdings, account)?.queued < limits::QUEUE_MESSAGES {
        true => Ok(()),
        false => Err(StoreError::Limit("messages of an account in the queue")),
    }
}

fn row(t: &impl ReadableTable<u64, &'static [u8]>, entry: u64) -> Result<Option<QueueRow>> {
    t.get(entry)?.map(|v| catalogue::value(v.value())).transpose()
}

fn count(t: &mut Tables<'_>, account: u32, come: bool) -> Result<()> {
    let had = quota::holdings(&t.holdings, account)?;
    let queued = if come { had.queued + 1 } else { had.queued.saturating_sub(1) };
    quota::put(t, account, &Holdings { queued, ..had })
}

/// Stores an entry, or takes it out.
fn put(t: &mut Tables<'_>, entry: u64, new: Option<&QueueRow>) -> Result<Option<QueueRow>> {
    let mut queue = t.txn.open_table(QUEUE)?;
    let mut due = t.txn.open_table(DUE)?;
    let old = row(&queue, entry)?;
    if let Some(old) = &old {
        due.remove((old.due(), entry))?;
    }
    match new {
        Some(new) => {
            due.insert((new.due(), entry), ())?;
            queue.insert(entry, catalogue::stored(new)?.as_slice())?;
        }
        None => drop(queue.remove(entry)?),
    }
    drop((queue, due));
    match (&old, new) {
        (None, Some(new)) => count(t, new.account, true)?,
        (Some(old), None) => count(t, old.account, false)?,
        _ => {}
    }
    Ok(old)
}

/// A row of a snapshot.
pub fn load(t: &mut Tables<'_>, entry: u64, row: &QueueRow) -> Result<()> {
    put(t, entry, Some(row)).map(drop)
}

/// Applies ENQUEUE.
pub fn enqueue(t: &mut Tables<'_>, account: u32, e: &Enqueued) -> Result<()> {
    if let Some(deliver) = &e.deliver {
        apply::deliver(t, account, deliver)?;
    }
    apply::refer(t, e.row.blob)?;
    put(t, e.entry, Some(&e.row))?;
    t.changes.push(change());
    Ok(())
}

fn change() -> Change {
    Change { mailbox: WATCHED, modseq: 0, changed: Ranges::new(), vanished: Ranges::new() }
}

/// Applies ATTEMPT.
pub fn attempted(t: &mut Tables<'_>, e: &Attempted) -> Result<()> {
    let Some(mut row) = row(&t.txn.open_table(QUEUE)?, e.entry)? else { return Ok(()) };
    for attempt in &e.attempts {
        if let Some(recipient) = row.recipients.get_mut(attempt.recipient as usize) {
            recipient.attempts = recipient.attempts.saturating_add(1);
            recipient.state = attempt.state;
            recipient.next = attempt.next;
            recipient.answer = attempt.answer.clone();
        }
    }
    put(t, e.entry, Some(&row))?;
    t.changes.push(change());
    Ok(())
}

/// Applies DEQUEUE.
pub fn dequeue(t: &mut Tables<'_>, entry: u64) -> Result<()> {
    match put(t, entry, None)? {
        Some(row) => {
            t.changes.push(change());
            apply::release(t, row.blob)
        }
        None => Ok(()),
    }
}

/// An account goes with what it has in the queue.
pub fn forget_account(t: &mut Tables<'_>, account: u32) -> Result<()> {
    let mut mine = Vec::new();
    for entry in t.txn.open_table(QUEUE)?.iter()? {
        let (entry, row) = entry?;
        if catalogue::value::<QueueRow>(row.value())?.account == account {
            mine.push(entry.value());
        }
    }
    mine.into_iter().try_for_each(|entry| dequeue(t, entry))
}

fn cut(text: &str) -> SmolStr {
    let mut end = text.len().min(limits::QUEUE_ANSWER);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    SmolStr::new(&text[..end])
}

impl Shared {
    fn queued(&self, id: QueueId) -> Result<Option<Queued>> {
        let reader = self.read_catalogue()?;
        let Some(t) = reader::table(&reader, QUEUE)? else { return Ok(None) };
        Ok(row(&t, id.0)?.map(|row| row.shown(id.0)))
    }

    fn queue(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>> {
        let reader = self.read_catalogue()?;
        let Some(t) = reader::table(&reader, QUEUE)? else { return Ok(Vec::new()) };
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        let mut found = Vec::new();
        for entry in t.range(from..)?.take(limit) {
            let (id, row) = entry?;
            found.push(catalogue::value::<QueueRow>(row.value())?.shown(id.value()));
        }
        Ok(found)
    }

    fn due(&self, now: i64, limit: usize) -> Result<Vec<Queued>> {
        let reader = self.read_catalogue()?;
        let (Some(due), Some(t)) = (reader::table(&reader, DUE)?, reader::table(&reader, QUEUE)?) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in due.range(..=(now, u64::MAX))?.take(limit) {
            let (_, id) = entry?.0.value();
            found.extend(row(&t, id)?.map(|row| row.shown(id)));
        }
        Ok(found)
    }

    fn next_due(&self) -> Result<Option<i64>> {
        let reader = self.read_catalogue()?;
        let Some(due) = reader::table(&reader, DUE)? else { return Ok(None) };
        Ok(due.first()?.map(|(key, _)| key.value().0))
    }
}

impl Store {
    /// Queues a finished draft, and delivers it to mailboxes (a copy in Sent) at the same moment, the body stored once. Durable on
    /// return. It is queued whatever the mailboxes answer.
    pub fn enqueue(
        &self,
        draft: Draft,
        targets: &[Target],
        envelope: Envelope,
    ) -> Result<(QueueId, Vec<Result<Appended>>)> {
        envelope.check()?;
        draft.hand_over(targets, |delivery, reply| Job::Enqueue(delivery, envelope, reply))
    }

    /// Queues a message that a mailbox holds. [`StoreError::NoSuchMessage`].
    pub fn enqueue_message(&self, mailbox: MailboxId, uid: Uid, envelope: Envelope) -> Result<QueueId> {
        envelope.check()?;
        self.ask(|reply| Job::EnqueueMessage(mailbox.0, uid.get(), envelope, reply))
    }

    /// Notes what came of attempts, durably. [`StoreError::NoSuchMessage`].
    pub fn note_attempts(&self, id: QueueId, attempts: &[Attempt]) -> Result<()> {
        let cut = |attempt: &Attempt| Attempt { answer: cut(&attempt.answer), ..attempt.clone() };
        let attempts: Vec<Attempt> = attempts.iter().map(cut).collect();
        self.change(move |t| {
            let row = row(&t.txn.open_table(QUEUE)?, id.0)?.ok_or(StoreError::NoSuchMessage)?;
            if attempts.iter().any(|attempt| attempt.recipient as usize >= row.recipients.len()) {
                return Err(StoreError::Limit("recipients of a message"));
            }
            let event = Event::Attempt(Attempted { entry: id.0, attempts });
            Ok((Some((row.account, event)), ()))
        })
    }

    /// Takes a message out of the queue. [`StoreError::NoSuchMessage`].
    pub fn dequeue(&self, id: QueueId) -> Result<()> {
        self.change(move |t| {
            let row = row(&t.txn.open_table(QUEUE)?, id.0)?.ok_or(StoreError::NoSuchMessage)?;
            Ok((Some((row.account, Event::Dequeue(id.0))), ()))
        })
    }

    /// A message in the queue.
    pub fn queued(&self, id: QueueId) -> Result<Option<Queued>> {
        self.inner.shared.queued(id)
    }
    /// Messages in the queue in the order they came, at most `limit`, those after one.
    pub fn queue(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>> {
        self.inner.shared.queue(after, limit)
    }
    /// Messages of which something is to be done by now, the longest due first: an attempt, or to be taken out as no recipient waits.
    pub fn due(&self, now: i64, limit: usize) -> Result<Vec<Queued>> {
        self.inner.shared.due(now, limit)
    }
    /// When there is something to be done next, Unix seconds; long ago if a message is to be taken out.
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.inner.shared.next_due()
    }
    /// Tells `waker` of every change to the queue from now on.
    pub fn watch_queue(&self, waker: Waker) -> Watch {
        self.inner.shared.watchers.watch(MailboxId(WATCHED), waker)
    }
}
