//! What sessions are told: watchers' wakers, the memory of recent changes, and who has claimed `\Recent`.

use crate::Waker;
use crate::catalogue::Change;
use crate::disk::lock;
use crate::limits;
use crate::model::MailboxId;
use crate::record::{Ranges, joined};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Those who want to know of changes.
#[derive(Default)]
pub struct Watchers {
    inner: Mutex<WatchersInner>,
}

#[derive(Default)]
struct WatchersInner {
    last: u64,
    by_mailbox: HashMap<u32, Vec<(u64, Waker)>>,
}

/// A subscription to a mailbox's changes; ends when dropped.
pub struct Watch {
    watchers: Arc<Watchers>,
    mailbox: u32,
    id: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut inner = lock(&self.watchers.inner);
        let mut gone = Vec::new();
        if let Some(list) = inner.by_mailbox.get_mut(&self.mailbox) {
            gone.extend(list.extract_if(.., |(id, _)| *id == self.id));
            if list.is_empty() {
                inner.by_mailbox.remove(&self.mailbox);
            }
        }
        // the waker may own what takes this lock again when it goes
        drop(inner);
        drop(gone);
    }
}

impl Watchers {
    /// Adds a waker.
    pub fn watch(self: &Arc<Self>, mailbox: MailboxId, waker: Waker) -> Watch {
        let mut inner = lock(&self.inner);
        inner.last += 1;
        let id = inner.last;
        inner.by_mailbox.entry(mailbox.0).or_default().push((id, waker));
        Watch { watchers: self.clone(), mailbox: mailbox.0, id }
    }

    /// Wakes those of these mailboxes.
    pub fn wake(&self, mailboxes: &BTreeSet<u32>) {
        let inner = lock(&self.inner);
        let wakers: Vec<Waker> =
            mailboxes.iter().filter_map(|m| inner.by_mailbox.get(m)).flatten().map(|(_, w)| w.clone()).collect();
        drop(inner);
        for waker in wakers {
            waker();
        }
    }
}

/// Recent changes of all mailboxes, so that `changes_since` need not search the tables.
#[derive(Default)]
pub struct Recent {
    inner: Mutex<RecentInner>,
}

#[derive(Default)]
struct RecentInner {
    ranges: usize,
    by_mailbox: HashMap<u32, Ring>,
}

struct Ring {
    /// Changes after this MODSEQ are all here.
    since: u64,
    changes: VecDeque<(u64, Ranges, Ranges)>,
}

impl Recent {
    /// Notes changes. Must be told of each before readers can see it.
    pub fn note(&self, changes: &[Change]) {
        let mut inner = lock(&self.inner);
        for change in changes {
            let ranges = change.changed.len() + change.vanished.len();
            if ranges == 0 {
                continue;
            }
            if inner.ranges + ranges > limits::RECENT_CHANGES {
                *inner = RecentInner::default();
            }
            if ranges > limits::RECENT_CHANGES / 8 {
                inner.forget(change.mailbox);
                continue;
            }
            inner.ranges += ranges;
            let fresh = || Ring { since: change.modseq - 1, changes: VecDeque::new() };
            let ring = inner.by_mailbox.entry(change.mailbox).or_insert_with(fresh);
            ring.changes.push_back((change.modseq, change.changed.clone(), change.vanished.clone()));
        }
    }

    /// Forgets everything: what was noted did not happen.
    pub fn clear(&self) {
        *lock(&self.inner) = RecentInner::default();
    }

    /// UIDs changed and vanished in `(since, until]`, ascending; `None` if that is not known any more.
    pub fn between(&self, mailbox: MailboxId, since: u64, until: u64) -> Option<(Ranges, Ranges)> {
        let inner = lock(&self.inner);
        let ring = inner.by_mailbox.get(&mailbox.0).filter(|r| r.since <= since)?;
        let (mut changed, mut vanished) = (Ranges::new(), Ranges::new());
        for (_, new, gone) in ring.changes.iter().filter(|(m, ..)| *m > since && *m <= until) {
            changed.extend_from_slice(new);
            vanished.extend_from_slice(gone);
        }
        Some((joined(changed), joined(vanished)))
    }
}

impl RecentInner {
    fn forget(&mut self, mailbox: u32) {
        if let Some(ring) = self.by_mailbox.remove(&mailbox) {
            self.ranges -= ring.changes.iter().map(|(_, a, b)| a.len() + b.len()).sum::<usize>();
        }
    }
}

/// UIDs from which messages are `\Recent` (RFC 3501 §2.3.2), where a claim has moved them.
#[derive(Debug, Default)]
pub struct Floors {
    inner: Mutex<HashMap<u32, (u32, bool)>>,
}

impl Floors {
    /// The floor of a mailbox whose row says `kept`.
    pub fn get(&self, mailbox: MailboxId, kept: u32) -> u32 {
        lock(&self.inner).get(&mailbox.0).map_or(kept, |(floor, _)| *floor)
    }

    /// Claims what is below `uid_next`; `read` answers the row's kept floor and UIDNEXT.
    pub fn claim<E>(&self, mailbox: MailboxId, read: impl FnOnce() -> Result<(u32, u32), E>) -> Result<u32, E> {
        let mut inner = lock(&self.inner);
        let (kept, uid_next) = read()?;
        let floor = inner.get(&mailbox.0).map_or(kept, |(floor, _)| *floor);
        if uid_next > floor {
            inner.insert(mailbox.0, (uid_next, true));
        }
        Ok(floor.min(uid_next))
    }

    /// The floors that the catalogue does not have yet, which it is about to get.
    pub fn unkept(&self) -> Vec<(u32, u32)> {
        lock(&self.inner).iter().filter(|(_, (_, unkept))| *unkept).map(|(m, (floor, _))| (*m, *floor)).collect()
    }

    /// The catalogue has these now.
    pub fn kept(&self, floors: &[(u32, u32)]) {
        let mut inner = lock(&self.inner);
        for (mailbox, floor) in floors {
            if inner.get(mailbox) == Some(&(*floor, true)) {
                inner.remove(mailbox);
            }
        }
    }
}
