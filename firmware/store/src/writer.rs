//! The one thread that writes. It takes all that waits, logs it, makes it durable with one flush, lets readers see it,
//! wakes watchers and answers: commit, then wake, then reply.

use crate::catalogue::{Catalogue, Change, Tables, commit_durably, commit_lazily};
use crate::jobs::{Answer, Job, Reply};
use crate::learn::Learner;
use crate::log::{Log, LogCounters, LogError, Mark};
use crate::model::Lifetime;
use crate::notify::{Floors, Recent, Watchers};
use crate::reclaim::{ReclaimError, reclaim};
use crate::replay::replay;
use crate::segment::{Pointer, Segments};
use crate::snapshot::Writing;
use crate::structures::Structures;
use crate::tuning::{Rule, Tuning};
use crate::{Options, StoreError, limits, perform};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

type Result<T, E = StoreError> = std::result::Result<T, E>;
type Group = std::vec::IntoIter<Job>;

/// What readers and the writer share.
pub struct Shared {
    /// How it was opened.
    pub options: Options,
    /// The log's files.
    pub segments: Arc<Segments>,
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Held by the writer while the catalogue catches up with the log: nobody is shown what once was.
    pub catching_up: RwLock<()>,
    /// Who is told of changes.
    pub watchers: Arc<Watchers>,
    /// What changed lately.
    pub recent: Recent,
    /// Who claimed `\Recent`.
    pub floors: Floors,
    /// Structures of messages.
    pub structures: Structures,
    /// Deliveries.
    pub deliveries: AtomicU64,
    /// Octets of the messages delivered.
    pub received: AtomicU64,
    /// Durable commits of the catalogue.
    pub checkpoints: AtomicU64,
    /// Times that space was given back.
    pub reclaims: AtomicU64,
    /// Messages on their way in.
    pub drafts: AtomicUsize,
    /// MODSEQs given before it was opened are not above this. Flags are answered before they are durable, so some may have been told and
    /// then lost with the power; every start has 2^28 of its own.
    pub modseq_floor: u64,
    /// What it had cost its disk when it was opened.
    pub before: Lifetime,
    /// When that was.
    pub opened: Instant,
    /// What the log wrote.
    pub log: Arc<LogCounters>,
    /// The last snapshot is damaged: a new one is to be written.
    pub snapshot_wanted: AtomicBool,
    /// The store was closed.
    pub closed: AtomicBool,
    /// A write failed: nothing is accepted until a restart.
    pub failed: AtomicBool,
}

fn deliveries<'a>(group: impl IntoIterator<Item = &'a Job>) -> usize {
    group.into_iter().filter(|job| matches!(job, Job::Deliver(..) | Job::Enqueue(..))).count()
}

/// The writer's state.
pub struct Writer {
    shared: Arc<Shared>,
    log: Log,
    /// Since when flags wait for a flush.
    lazy_since: Option<Instant>,
    last_write: Instant,
    /// How long the last flush took.
    flush_took: Duration,
    /// Deliveries that will come together: those that shared a flush, and those that came during it.
    together: usize,
    /// How many came together last.
    came: usize,
    /// What came during the last flush.
    backlog: VecDeque<Job>,
    bytes_at_checkpoint: u64,
    records: u64,
    /// Something was committed that the catalogue does not have durably.
    behind: bool,
    /// The catalogue failed and does not have all that the log has.
    lost: bool,
    /// Nothing is accepted any more.
    stopped: bool,
    /// A snapshot that is being written, and operations since its last step.
    snapshot: Option<(Writing, u32)>,
    /// Octets of bodies that messages have, and that none has any more.
    space: (u64, u64),
    /// So many octets must be dead before a snapshot is begun.
    reclaim_at: u64,
    mail_at_reclaim: u64,
    learner: Learner,
}

impl Writer {
    /// With the log at its end. `replayed`: records that the catalogue does not have durably; `space`: octets that live, and dead ones.
    pub fn new(shared: Arc<Shared>, log: Log, replayed: u64, space: (u64, u64)) -> Writer {
        let bytes_at_checkpoint = shared.log.bytes.load(Relaxed);
        let reclaim_at = shared.segments.tuning.reclaim;
        let learner = Learner::new(&shared.segments.tuning);
        Writer {
            shared,
            log,
            lazy_since: None,
            last_write: Instant::now(),
            flush_took: Duration::ZERO,
            together: 1,
            came: 1,
            backlog: VecDeque::new(),
            bytes_at_checkpoint,
            records: replayed,
            behind: replayed > 0,
            lost: false,
            stopped: false,
            snapshot: None,
            space,
            reclaim_at,
            mail_at_reclaim: 0,
            learner,
        }
    }

    /// Works until the store is closed or dropped.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let closing = loop {
            let first = match (self.backlog.pop_front(), self.deadline()) {
                (Some(job), _) => Ok(job),
                (None, Some(wait)) => jobs.recv_timeout(wait),
                (None, None) => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(job) => {
                    if let Some(reply) = self.work(job, jobs) {
                        break Some(reply);
                    }
                    // also while there is always more to do
                    self.flush_if_due();
                }
                Err(RecvTimeoutError::Timeout) => self.on_time(),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        let last = self.end();
        if let Some(reply) = closing {
            let _ = reply.send(last);
        }
    }

    fn end(&mut self) -> Result<()> {
        self.stop_if_unreadable();
        let last = if self.stopped { Err(StoreError::Stopped) } else { self.checkpoint() };
        self.shared.closed.store(true, Relaxed);
        self.shared.catalogue.close();
        self.shared.segments.disk().release();
        last
    }

    /// How long to wait for work at most.
    fn deadline(&self) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        if self.snapshot.is_some() {
            return Some(Duration::ZERO);
        }
        let left = |since: Instant, limit: Duration| limit.saturating_sub(since.elapsed());
        let lazy = self.lazy_since.map(|since| left(since, limits::LAZY_FLUSH));
        let idle = self.is_far_behind().then(|| left(self.last_write, limits::CHECKPOINT_IDLE));
        lazy.into_iter().chain(idle).min()
    }

    /// Makes flags durable that have waited for as long as they may.
    fn flush_if_due(&mut self) {
        if self.stopped || self.lazy_since.is_none_or(|since| since.elapsed() < limits::LAZY_FLUSH) {
            return;
        }
        match self.log.flush() {
            Ok(()) => self.lazy_since = None,
            Err(LogError::NoSpace) => self.lazy_since = Some(Instant::now()),
            Err(LogError::Broken(e)) => self.stop("the log cannot be written", &e.into()),
        }
    }

    fn on_time(&mut self) {
        self.flush_if_due();
        self.continue_snapshot();
        if self.is_far_behind() && self.last_write.elapsed() >= limits::CHECKPOINT_IDLE {
            self.last_write = Instant::now();
            self.try_checkpoint();
        }
    }

    /// Whether a start would have much to replay. A flag now and then is not worth the pages of a checkpoint.
    fn is_far_behind(&self) -> bool {
        let bytes = self.shared.log.bytes.load(Relaxed) - self.bytes_at_checkpoint;
        self.behind && (bytes >= limits::REPLAY_BYTES || self.records >= limits::REPLAY_RECORDS)
    }

    /// Does a job with all that wait beside it. Answers who asked to close, if someone did.
    fn work(&mut self, first: Job, jobs: &Receiver<Job>) -> Option<Reply<()>> {
        let (mut group, mut bytes, mut control) = (Vec::new(), 0, None);
        let mut next = Some(first);
        let came = Instant::now();
        while let Some(job) = next {
            if job.is_control() {
                control = Some(job);
                break;
            }
            bytes += job.bytes();
            if matches!(job, Job::Parts { .. }) && !group.is_empty() {
                // who sends a large message need not wait for a flush that others wait for
                self.commit(vec![job].into_iter(), jobs);
            } else {
                group.push(job);
            }
            let room = group.len() < limits::GROUP_JOBS && bytes < limits::GROUP_BYTES;
            next = if room { self.next(jobs).or_else(|| self.await_company(&group, came, jobs)) } else { None };
        }
        if !group.is_empty() {
            self.last_write = Instant::now();
            let together = deliveries(&group);
            self.commit(group.into_iter(), jobs);
            if together > 0 {
                // who was late is still on the way, and waited for once more
                let late = self.came.saturating_sub(together).min(self.shared.drafts.load(Relaxed));
                self.together = together + late + deliveries(&self.backlog);
                self.came = together;
            }
            self.checkpoint_if_due();
            self.begin_snapshot_if_due();
            self.learner.learn_if_due(&self.shared);
        }
        match control {
            Some(Job::Close(reply)) => return Some(reply),
            Some(Job::Barrier(reply)) => drop(reply.send(self.barrier())),
            _ => {}
        }
        None
    }

    /// What waits.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        self.backlog.pop_front().or_else(|| jobs.try_recv().ok())
    }

    /// Deliveries wait a little for others to share their flush. Who was answered sends the next message; without waiting, those and
    /// the ones that came during the flush take turns for ever. While more are on their way in, half as long as a flush takes. A lone
    /// message waits for nothing.
    fn await_company(&self, group: &[Job], came: Instant, jobs: &Receiver<Job>) -> Option<Job> {
        let deliveries = deliveries(group);
        if deliveries == 0 || self.stopped {
            return None;
        }
        let patience = if deliveries < self.together {
            limits::COMPANY.max(self.flush_took.min(limits::COMPANY_OF_SLOW))
        } else if self.shared.drafts.load(Relaxed) > 0 {
            (self.flush_took / 2).min(limits::COMPANY)
        } else {
            return None;
        };
        let left = patience.saturating_sub(came.elapsed());
        if left.is_zero() { None } else { jobs.recv_timeout(left).ok() }
    }

    /// All that was answered becomes durable.
    fn barrier(&mut self) -> Result<(crate::record::Position, redb::ReadTransaction)> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        self.log.flush().map_err(|e| self.log_failed(e))?;
        self.lazy_since = None;
        Ok((self.log.end(), self.shared.catalogue.view()?))
    }

    fn commit(&mut self, mut group: Group, jobs: &Receiver<Job>) {
        let mut answers = Vec::new();
        let outcome = self.commit_group(&mut group, &mut answers);
        // before anybody is answered: what comes later is the same senders' next
        let room = limits::QUEUE.saturating_sub(self.backlog.len());
        self.backlog.extend(jobs.try_iter().take(room));
        match &outcome {
            Ok(changes) => {
                let mailboxes: BTreeSet<u32> = changes.iter().map(|c| c.mailbox).collect();
                self.shared.watchers.wake(&mailboxes);
            }
            Err(_) => self.shared.recent.clear(),
        }
        let failed = outcome.err();
        answers.into_iter().for_each(|answer| answer(failed.as_ref()));
        if let Some(e) = failed {
            group.for_each(|job| job.refuse(e.clone()));
        }
    }

    /// What of the catalogue cannot be read stays so until the next start makes it anew: nobody sees it while it is empty.
    fn stop_if_unreadable(&mut self) {
        if self.stopped || !self.shared.catalogue.read_failed() {
            return;
        }
        self.stop("a part of the catalogue cannot be read", &io::Error::from(io::ErrorKind::InvalidData).into());
        if let Err(e) = self.shared.catalogue.distrust() {
            tracing::error!("that cannot be noted for the next start: {e}");
        }
    }

    /// Logs, makes durable, lets readers see. On an error nothing has happened, unless it is `Stopped`.
    fn commit_group(&mut self, group: &mut Group, answers: &mut Vec<Answer>) -> Result<Vec<Change>> {
        self.stop_if_unreadable();
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        if self.lost {
            self.recover()?;
        }
        let mark = self.log.begin_group().map_err(|e| self.log_failed(e))?;
        let jobs = group.as_slice();
        // the first record after a start says that there was one: nothing is answered before that is durable
        let first = self.log.reopened() && self.tuning().holds(Rule::StartBeforeAnswer);
        let urgent = first || jobs.iter().any(Job::urgent) || self.log.waiting() > self.tuning().log_buffer;
        let bodies_only = jobs.iter().all(|job| matches!(job, Job::Parts { .. }));
        let full = jobs.iter().any(Job::brings_mail) && self.is_full();
        if bodies_only {
            group.for_each(|job| answers.push(perform::parts(&mut self.log, &self.shared, job, full)));
            self.log.spill().map_err(|e| self.group_failed(mark, e))?;
            return Ok(Vec::new());
        }
        let (before, appended) = (self.log.lsn(), self.log.appended());
        let done = self.shared.catalogue.write().and_then(|txn| {
            let changes = self.perform_all(&txn, group, full, answers)?;
            Ok((txn, changes))
        });
        let (txn, changes) = done.map_err(|e| {
            self.log.rewind(mark, false);
            self.catalogue_failed(e)
        })?;
        if urgent && self.log.lsn() > before && self.tuning().holds(Rule::FlushBeforeAnswer) {
            let began = Instant::now();
            self.log.flush().map_err(|e| self.group_failed(mark, e))?;
            self.flush_took = began.elapsed();
            self.lazy_since = None;
        } else if self.log.lsn() > before {
            self.lazy_since.get_or_insert_with(Instant::now);
        }
        self.shared.recent.note(&changes);
        self.records += self.log.appended() - appended;
        self.behind |= self.log.lsn() > before;
        if let Err(e) = commit_lazily(txn) {
            let e = self.catalogue_failed(e);
            if self.log.needs_flush() {
                // only in memory: it can be taken back
                self.log.rewind(mark, false);
                return Err(e);
            }
            // the log has it for good: the catalogue must follow
            self.recover().map_err(|_| StoreError::Stopped)?;
        }
        Ok(changes)
    }

    fn perform_all(
        &mut self,
        txn: &redb::WriteTransaction,
        group: &mut Group,
        full: bool,
        answers: &mut Vec<Answer>,
    ) -> Result<Vec<Change>> {
        let mut tables = Tables::open(txn)?;
        tables.modseq_floor = self.shared.modseq_floor;
        for job in group {
            let (answer, failed) = perform::perform(&mut tables, &mut self.log, &self.shared, job, full);
            answers.push(answer);
            if let Some(e) = failed {
                return Err(e);
            }
        }
        tables.finish(self.log.lsn(), self.log.end())?;
        self.space = (tables.meta.live, tables.meta.dead);
        Ok(std::mem::take(&mut tables.changes))
    }

    fn tuning(&self) -> &Tuning {
        &self.shared.segments.tuning
    }

    fn is_full(&self) -> bool {
        let segments = &self.shared.segments;
        segments
            .disk()
            .free()
            .is_ok_and(|free| free.saturating_add(segments.spare_octets()) < self.shared.options.reserve)
    }

    /// The group is taken back; what there is of it on the disk never counts.
    fn group_failed(&mut self, mark: Mark, e: LogError) -> StoreError {
        if matches!(e, LogError::NoSpace) {
            self.log.rewind(mark, true);
        }
        self.log_failed(e)
    }

    fn log_failed(&mut self, e: LogError) -> StoreError {
        match e {
            LogError::NoSpace => StoreError::Full,
            LogError::Broken(e) => {
                self.stop("the log cannot be written", &e.into());
                StoreError::Stopped
            }
        }
    }

    fn stop(&mut self, what: &str, e: &StoreError) {
        tracing::error!("{what}: {e}; nothing is accepted until a restart");
        self.stopped = true;
        self.shared.failed.store(true, Relaxed);
        self.lazy_since = None;
    }

    /// The transaction is gone; the next group begins by opening the catalogue anew.
    fn catalogue_failed(&mut self, e: StoreError) -> StoreError {
        if self.shared.catalogue.sync_failed() {
            self.stop("the catalogue cannot be made durable", &e);
            return StoreError::Stopped;
        }
        self.stop_if_unreadable();
        if self.stopped {
            return StoreError::Stopped;
        }
        self.lost = true;
        tracing::warn!("the catalogue failed: {e}");
        e
    }

    /// Opens the catalogue as it was and lets it catch up with the log.
    fn recover(&mut self) -> Result<()> {
        self.snapshot = None;
        self.shared.recent.clear();
        let shared = self.shared.clone();
        let catching_up = shared.catching_up.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.try_recover();
        match &outcome {
            Ok(()) => self.lost = false,
            Err(StoreError::Full) => {}
            Err(e) => {
                self.stop("the catalogue cannot be opened again", e);
                shared.catalogue.close();
            }
        }
        drop(catching_up);
        outcome
    }

    fn try_recover(&mut self) -> Result<()> {
        self.shared.catalogue.reopen_or_start_over()?;
        let flushed = self.log.flush();
        let end = replay(&self.shared.catalogue, &self.shared.segments)?;
        self.records += end.records;
        self.behind = true;
        flushed.map_err(|e| self.log_failed(e))
    }

    fn checkpoint_if_due(&mut self) {
        let bytes = self.shared.log.bytes.load(Relaxed) - self.bytes_at_checkpoint;
        if bytes >= self.tuning().checkpoint_bytes || self.records >= self.tuning().checkpoint_records {
            self.try_checkpoint();
        }
    }

    fn try_checkpoint(&mut self) {
        if self.stopped || self.lost {
            return;
        }
        if let Err(e) = self.checkpoint() {
            tracing::warn!("no checkpoint: {e}");
        }
        // also after a failure: not again with every operation
        self.bytes_at_checkpoint = self.shared.log.bytes.load(Relaxed);
        self.records = 0;
    }

    /// When enough is dead, what lives is written down so that the rest can be given back.
    fn begin_snapshot_if_due(&mut self) {
        if let Some((_, operations)) = &mut self.snapshot {
            *operations += 1;
            if *operations >= limits::SNAPSHOT_EVERY {
                *operations = 0;
                self.continue_snapshot();
            }
            return;
        }
        let (live, dead) = self.space;
        // A full disk cannot wait for more to die: new mail needs whatever there is.
        let wanted = self.shared.snapshot_wanted.load(Relaxed);
        let due = dead >= self.reclaim_at && (dead >= live / 8 || self.is_full());
        if self.stopped || self.lost || !(due || wanted) {
            return;
        }
        self.shared.snapshot_wanted.store(false, Relaxed);
        let begun = self.log.begin_snapshot().and_then(|()| self.log.begin_group()).map_err(|e| self.log_failed(e));
        match begun.and_then(|_| Writing::begin(&self.shared.catalogue, &mut self.log)) {
            Ok(writing) => self.snapshot = Some((writing, 0)),
            Err(e) => self.no_snapshot(&e),
        }
    }

    fn no_snapshot(&mut self, e: &StoreError) {
        tracing::warn!("no space is given back: {e}");
        // not again with every operation
        self.reclaim_at = self.space.1 + self.tuning().reclaim / 4;
    }

    fn continue_snapshot(&mut self) {
        let Some((mut writing, operations)) = self.snapshot.take() else { return };
        if self.stopped || self.lost {
            return;
        }
        match self.step(&mut writing) {
            Ok(false) => self.snapshot = Some((writing, operations)),
            Ok(true) => {
                let pointer = writing.pointer;
                // its view of the catalogue costs space
                drop(writing);
                match self.give_back(pointer) {
                    Ok(()) => self.reclaim_at = self.tuning().reclaim,
                    Err(e) => self.no_snapshot(&e),
                }
            }
            Err(e) => self.no_snapshot(&e),
        }
    }

    fn step(&mut self, writing: &mut Writing) -> Result<bool> {
        self.log.begin_group().map_err(|e| self.log_failed(e))?;
        let whole = writing.step(&self.shared.segments.codec, &mut self.log)?;
        self.log.spill().map_err(|e| self.log_failed(e))?;
        Ok(whole)
    }

    /// A snapshot is whole: what came before it and is dead is given back.
    fn give_back(&mut self, pointer: Pointer) -> Result<()> {
        if self.tuning().holds(Rule::SnapshotBeforeRecycle) {
            self.log.name_snapshot(pointer).map_err(|e| self.log_failed(e))?;
        }
        // an older catalogue would have to be made anew after a power cut
        self.checkpoint()?;
        let mail = self.shared.log.mail.load(Relaxed);
        let budget = (mail - self.mail_at_reclaim) / limits::COPY_BUDGET;
        self.mail_at_reclaim = mail;
        self.behind = true;
        match reclaim(&self.shared, &mut self.log, pointer.at.segment, budget) {
            Ok(outcome) => {
                tracing::info!(
                    "{} segments and {} octets given back, {} octets copied",
                    outcome.recycled,
                    outcome.punched,
                    outcome.copied
                );
                self.space.1 = 0;
                self.log.prefer_recycled().map_err(|e| self.log_failed(e))?;
                self.shared.reclaims.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(ReclaimError::Log(e)) => Err(self.log_failed(e)),
            Err(ReclaimError::Store(e)) => Err(self.catalogue_failed(e)),
        }
    }

    /// Makes the catalogue durable, the log before it.
    fn checkpoint(&mut self) -> Result<()> {
        if self.lost {
            self.recover()?;
        }
        if self.log.needs_flush() && self.tuning().holds(Rule::LogBeforeCheckpoint) {
            self.log.flush().map_err(|e| self.log_failed(e))?;
        }
        self.lazy_since = None;
        let floors = self.shared.floors.unkept();
        if !self.behind && floors.is_empty() {
            return Ok(());
        }
        let committed = self.shared.catalogue.write().and_then(|txn| {
            let mut tables = Tables::open(&txn)?;
            for (mailbox, floor) in &floors {
                if let Some(mut row) = tables.find_mailbox(*mailbox)? {
                    row.recent = *floor;
                    tables.put_mailbox(*mailbox, &row)?;
                }
            }
            tables.meta.lifetime = self.shared.lifetime();
            let (lsn, end) = (tables.meta.lsn, tables.meta.end);
            tables.finish(lsn, end)?;
            drop(tables);
            commit_durably(txn)
        });
        committed.map_err(|e| {
            let e = self.catalogue_failed(e);
            if self.stopped { e } else { self.recover().err().unwrap_or(e) }
        })?;
        self.shared.floors.kept(&floors);
        self.shared.checkpoints.fetch_add(1, Relaxed);
        self.behind = false;
        Ok(())
    }
}
