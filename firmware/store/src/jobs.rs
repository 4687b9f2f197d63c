//! What the writer is asked for, and how it answers.

use crate::StoreError;
use crate::body::Piece;
use crate::catalogue::Tables;
use crate::model::*;
use crate::plan::Which;
use crate::queue::{Envelope, QueueId};
use crate::record::{Event, Extent, Position};
use crate::segment::Pins;
use crate::threads::Ids;
use std::sync::mpsc::SyncSender;

type Result<T, E = StoreError> = std::result::Result<T, E>;
/// Where an answer goes.
pub type Reply<T> = SyncSender<Result<T>>;

/// A message to deliver.
#[derive(Debug)]
pub struct Delivery {
    /// Its number, 0 if none of it is logged yet.
    pub blob: u64,
    /// What is logged of it.
    pub extents: Vec<Extent>,
    /// Its size.
    pub size: u64,
    /// What is not logged yet.
    pub pieces: Vec<Piece>,
    /// By which its thread is found.
    pub ids: Ids,
    /// Where it goes.
    pub targets: Vec<Target>,
}

/// An event, if something is to change, and the account it is about.
pub type Decision = Option<(u32, Event)>;
/// Decides.
pub type Plan = Box<dyn FnOnce(&Tables<'_>) -> Result<Decision> + Send>;

/// What the writer is asked for.
pub enum Job {
    /// Bytes of a message on its way in: its number, where they belong, the bytes; answers its number and where they are.
    Parts { blob: u64, position: u64, pieces: Vec<Piece>, reply: Reply<(u64, Vec<Extent>, Pins)> },
    /// A delivery.
    Deliver(Delivery, Reply<Vec<Result<Appended>>>),
    /// A delivery, also to the outgoing queue.
    Enqueue(Delivery, Envelope, Reply<(QueueId, Vec<Result<Appended>>)>),
    /// A message of a mailbox goes to the outgoing queue.
    EnqueueMessage(u32, u32, Envelope, Reply<QueueId>),
    /// COPY, or MOVE if the flag is set.
    Copy { from: u32, uids: Vec<u32>, to: u32, now: i64, remove: bool, reply: Reply<Copied> },
    /// STORE.
    Flags {
        mailbox: u32,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
        reply: Reply<FlagsChanged>,
    },
    /// EXPUNGE.
    Expunge { mailbox: u32, which: Which, reply: Reply<Vec<Uid>> },
    /// First mailboxes of an account.
    EnsureAccount(u32, i64, Reply<()>),
    /// An account and all it has goes.
    RemoveAccount(u32, Reply<()>),
    /// CREATE.
    Create { account: u32, name: MailboxName, special_use: Option<SpecialUse>, now: i64, reply: Reply<Mailbox> },
    /// DELETE.
    Delete(u32, MailboxName, Reply<()>),
    /// RENAME.
    Rename { account: u32, from: MailboxName, to: MailboxName, now: i64, reply: Reply<()> },
    /// SUBSCRIBE.
    Subscribe(u32, MailboxName, bool, Reply<()>),
    /// A change of which the catalogue tells what it is.
    Change { plan: Plan, urgent: bool, reply: Reply<()> },
    /// All that was answered becomes durable; answers the end of the log and a view of the catalogue at that moment.
    Barrier(Reply<(Position, redb::ReadTransaction)>),
    /// A durable checkpoint, then the end.
    Close(Reply<()>),
}

impl Job {
    /// Octets of message it brings.
    pub fn bytes(&self) -> usize {
        match self {
            Job::Parts { pieces, .. }
            | Job::Deliver(Delivery { pieces, .. }, _)
            | Job::Enqueue(Delivery { pieces, .. }, ..) => pieces.iter().map(|p| p.data.len()).sum(),
            _ => 0,
        }
    }

    /// Whether it must be durable before it is answered.
    pub fn urgent(&self) -> bool {
        !matches!(self, Job::Parts { .. } | Job::Flags { .. } | Job::Change { urgent: false, .. })
    }

    /// Whether it stores new message bytes.
    pub fn brings_mail(&self) -> bool {
        matches!(self, Job::Parts { .. } | Job::Deliver(..) | Job::Enqueue(..))
    }

    /// Whether it is about the writer itself.
    pub fn is_control(&self) -> bool {
        matches!(self, Job::Barrier(_) | Job::Close(_))
    }

    /// Answers that it was not done.
    pub fn refuse(self, e: StoreError) {
        let _ = match self {
            Job::Parts { reply: r, .. } => r.send(Err(e)).is_ok(),
            Job::Deliver(_, r) => r.send(Err(e)).is_ok(),
            Job::Enqueue(_, _, r) => r.send(Err(e)).is_ok(),
            Job::EnqueueMessage(_, _, _, r) => r.send(Err(e)).is_ok(),
            Job::Copy { reply, .. } => reply.send(Err(e)).is_ok(),
            Job::Flags { reply, .. } => reply.send(Err(e)).is_ok(),
            Job::Expunge { reply, .. } => reply.send(Err(e)).is_ok(),
            Job::Create { reply, .. } => reply.send(Err(e)).is_ok(),
            Job::Barrier(r) => r.send(Err(e)).is_ok(),
            Job::EnsureAccount(_, _, r)
            | Job::RemoveAccount(_, r)
            | Job::Delete(_, _, r)
            | Job::Subscribe(_, _, _, r)
            | Job::Rename { reply: r, .. }
            | Job::Change { reply: r, .. }
            | Job::Close(r) => r.send(Err(e)).is_ok(),
        };
    }
}

/// An answer that waits for the commit: called with the error if there was none.
pub type Answer = Box<dyn FnOnce(Option<&StoreError>)>;

/// The answer for a caller.
pub fn answer<T: 'static>(reply: Reply<T>, value: Result<T>) -> Answer {
    Box::new(move |failed| {
        // a caller that has gone does not care
        let _ = reply.send(failed.map_or(value, |e| Err(e.clone())));
    })
}
