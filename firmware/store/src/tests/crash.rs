//! The power goes at a random moment, with any mixture of unflushed writes left behind; again while the store recovers.
//! The contents must be those after exactly N operations, N between what was acknowledged and what was attempted.
//!
//! `ROOST_CRASH_POINTS=n` tries n moments instead of a few hundred.

use super::model::{Model, Op, difference};
use super::properties::{options, small};
use super::sim::{Fault, Random, Sim};
use super::*;
use crate::open::open_tuned;
use crate::tuning::{Rule, Tuning};
use std::collections::BTreeMap;

/// How a run is done wrong, to see that it is noticed.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    rule: Option<Rule>,
    fault: Fault,
    /// Only runs that are mostly so: the others hardly ever show it.
    only: Option<Mostly>,
}

/// What most operations of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mostly {
    /// Anything.
    Mixed,
    /// Flags change, and each change makes a checkpoint.
    Flags,
    /// Messages come and go, so that space is given back.
    Churn,
}

pub const HONEST: Mutant = Mutant { rule: None, fault: Fault::None, only: None };

/// Done right, and space is given back.
pub const CHURN: Mutant = Mutant { only: Some(Mostly::Churn), ..HONEST };

pub struct Run {
    pub random: Random,
    tuning: Tuning,
    /// What most operations are.
    mostly: Mostly,
    /// The model after each operation attempted.
    pub states: Vec<Model>,
    /// Operations that are in the store for good.
    pub acknowledged: usize,
    /// The highest MODSEQ of each mailbox that anybody may have seen, also if its change was lost with the power.
    told: BTreeMap<u32, u64>,
    /// The first answer that was not the model's, or the first MODSEQ that was given again.
    wrong: Option<String>,
}

impl Run {
    pub fn new(seed: u64, mutant: Mutant) -> Run {
        let mut random = Random::new(seed);
        let kinds = [Mostly::Mixed, Mostly::Flags, Mostly::Churn, Mostly::Churn];
        let mostly = mutant.only.unwrap_or(kinds[random.below(4) as usize]);
        let checkpoint_records =
            if mutant.only == Some(Mostly::Flags) || random.chance(25) { 1 } else { 2 + random.below(16) };
        let mut tuning = Tuning { broken: mutant.rule, checkpoint_records, ..small() };
        if mostly == Mostly::Churn {
            (tuning.segment, tuning.reclaim) = (32 * 1024, 2_000);
            if random.chance(50) {
                tuning.spares = 0;
            }
            if random.chance(50) {
                tuning.checkpoint_bytes = u64::MAX;
                tuning.checkpoint_records = 20 + random.below(100);
            }
        }
        if matches!(mutant.rule, Some(Rule::OwnDictionary | Rule::HeaderFirst)) || random.chance(25) {
            (tuning.learn, tuning.dictionary) = (500 + random.below(3_000), 512);
            (tuning.gain, tuning.learn_aside) = (-100, false);
        }
        Run {
            random,
            tuning,
            mostly,
            states: vec![Model::default()],
            acknowledged: 0,
            told: BTreeMap::new(),
            wrong: None,
        }
    }

    pub fn open(&self, disk: &Sim) -> Result<Store, String> {
        open_tuned(Arc::new(disk.clone()), options(), self.tuning).map_err(|e| format!("{e:?}"))
    }

    /// Operations until the disk dies or `most` are done. Answers how many of the last ones may have happened or not.
    pub fn operate(&mut self, store: &Store, most: u64) -> usize {
        for _ in 0..most {
            let mut next = self.states.last().unwrap().clone();
            next.opened(store);
            let largest = if self.mostly == Mostly::Flags { 20_000 } else { 8_000 };
            let mut op = Op::random(&mut self.random, &next, largest);
            let unwanted = |op: &Op| match self.mostly {
                Mostly::Mixed => false,
                Mostly::Flags => !matches!(op, Op::Flags(..)),
                Mostly::Churn => !matches!(op, Op::Deliver(..) | Op::ExpungeThese(..)),
            };
            while unwanted(&op) && self.random.chance(90) {
                op = Op::random(&mut self.random, &next, largest);
            }
            let wanted = next.run(&op);
            self.states.push(next);
            let before = store.stats().log_syncs;
            let answer = op.run(store);
            let failed = matches!(answer, Err(StoreError::Full | StoreError::Stopped | StoreError::Io(_)));
            if self.wrong.is_none() && !failed && answer.as_ref().ok() != wanted.as_ref() {
                self.wrong = Some(format!("{op:?}: {answer:?} instead of {wanted:?}"));
            }
            if answer.is_ok() {
                self.tell();
            }
            match answer {
                // nothing of it happened
                Err(StoreError::Full) => drop(self.states.pop()),
                // the flush took along all that was answered before it
                Ok(_) if !op.is_lazy() && wanted.is_some() && store.stats().log_syncs > before => {
                    self.acknowledged = self.states.len() - 1;
                }
                Err(StoreError::Stopped | StoreError::Io(_)) => return 1,
                _ => {}
            }
        }
        0
    }

    /// MODSEQs that the last operation gave are seen (RFC 7162 §3.1: they are never given again).
    fn tell(&mut self) {
        let [.., before, now] = self.states.as_slice() else { return };
        let before: BTreeMap<u32, u64> = before.modseqs().collect();
        for (mailbox, modseq) in now.modseqs().filter(|(id, modseq)| before.get(id) != Some(modseq)) {
            let told = self.told.insert(mailbox, modseq);
            if self.wrong.is_none() && told.is_some_and(|told| told >= modseq) {
                self.wrong = Some(format!("mailbox {mailbox} has MODSEQ {modseq} after {told:?}"));
            }
        }
    }

    /// Which of the states the store is in; from now on it must not go back.
    pub fn settle(&mut self, store: &Store) -> Result<(), String> {
        self.wrong.take().map_or(Ok(()), Err)?;
        let mut differences = Vec::new();
        for n in (self.acknowledged..self.states.len()).rev() {
            match difference(store, &self.states[n]) {
                Ok(None) => {
                    self.states.truncate(n + 1);
                    self.acknowledged = n;
                    return Ok(());
                }
                Ok(Some(different)) => differences.push(format!("after {n}: {different}")),
                Err(e) => return Err(format!("reading: {e}")),
            }
        }
        Err(format!("acknowledged {}: {differences:#?}", self.acknowledged))
    }
}

/// What a run came as far as after its crashes.
#[derive(Debug, Default)]
struct Seen {
    /// The power went a second time before the store was open again.
    twice: bool,
    /// Space was given back.
    given_back: bool,
    /// The log is written with a dictionary of its own.
    learned: bool,
}

/// One run with one crash while working and one while recovering.
fn crash(seed: u64, mutant: Mutant) -> Result<Seen, String> {
    let mut run = Run::new(seed, mutant);
    let disk = Sim::new();
    // within an operation, or between two
    let most = if run.mostly == Mostly::Churn { 120 } else { 60 };
    let (after, most) = match run.random.chance(70) {
        true => (1 + run.random.below(300), most),
        false => (u64::MAX, 1 + run.random.below(most)),
    };
    if mutant.only.is_some() || run.random.chance(50) {
        disk.count_log_only();
    }
    disk.arm(if run.random.chance(50) { after } else { after / 4 + 1 }, mutant.fault);
    if let Ok(store) = run.open(&disk) {
        run.operate(&store, most);
        // what the writer still does at its end must not help
        disk.die();
    }
    let disk = if run.random.chance(70) { disk.reboot(&mut run.random) } else { disk.restart() };
    let during = 1 + run.random.below(16);
    disk.arm(during, mutant.fault);
    let opened = run.open(&disk);
    let twice = disk.is_dead();
    if let Ok(store) = opened {
        if run.settle(&store).is_err() && disk.is_dead() {
            // the power went while it was looked at
        } else {
            run.settle(&store)?;
            let most = run.random.below(4);
            run.operate(&store, most);
        }
        disk.die();
    }
    let disk = disk.reboot(&mut run.random);
    let store = run.open(&disk)?;
    run.settle(&store)?;
    run.operate(&store, 12);
    run.acknowledged = run.states.len() - 1;
    run.settle(&store)?;
    let faults = store.check().map_err(|e| e.to_string())?;
    if !faults.is_empty() {
        return Err(format!("{faults:#?}"));
    }
    super::dictionary::check_codings(&store)?;
    let shared = &store.inner.shared;
    let seen = Seen {
        twice,
        given_back: shared.reclaims.load(std::sync::atomic::Ordering::Relaxed) > 0,
        learned: shared.segments.codec.dictionary.present().number != crate::dictionary::BUILT_IN,
    };
    store.close().map_err(|e| e.to_string())?;
    crate::disk::Disk::remove(&disk, crate::catalogue::FILE).map_err(|e| e.to_string())?;
    run.settle(&run.open(&disk)?)?;
    Ok(seen)
}

/// Moments to try, of which the ordinary test tries `few`.
pub fn points(few: u64) -> u64 {
    std::env::var("ROOST_CRASH_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let (mut twice, mut given_back, mut learned, points) = (0, 0, 0, points(300));
    for seed in 0..points {
        match crash(seed, HONEST) {
            Ok(seen) => {
                twice += u64::from(seen.twice);
                given_back += u64::from(seen.given_back);
                learned += u64::from(seen.learned);
            }
            Err(e) => panic!("seed {seed}: {e}"),
        }
    }
    assert!(twice > points / 20, "the power went while recovering only {twice} times");
    assert!(given_back > 0, "no run came as far as giving space back");
    assert!(learned > 0, "no run came as far as a dictionary of its own");
    report(&format!(
        "power cuts while working: {points}, and once more while recovering: {twice}; given space back after: {given_back}; \
         with a dictionary of their own: {learned}"
    ));
}

/// A line of `make crash`.
#[allow(clippy::print_stdout, reason = "shown only when asked for")]
pub fn report(line: &str) {
    println!("\n== {line}");
}

/// Whether the harness finds the mistake within as many runs.
fn noticed(mutant: Mutant) -> bool {
    let after = (0..1_000).find(|seed| crash(*seed, mutant).is_err());
    let what = mutant.rule.map_or(format!("{:?}", mutant.fault), |rule| format!("without {rule:?}"));
    report(&format!("mutant {what}: {}", after.map_or("not noticed".into(), |n| format!("noticed in run {n}"))));
    after.is_some()
}

#[test]
fn a_log_that_is_not_flushed_is_noticed() {
    assert!(noticed(Mutant { fault: Fault::LogFlushLies, ..HONEST }));
}

#[test]
fn names_that_are_not_flushed_are_noticed() {
    assert!(noticed(Mutant { fault: Fault::NameFlushLies, ..HONEST }));
}

#[test]
fn an_answer_before_the_flush_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::FlushBeforeAnswer), ..HONEST }));
}

#[test]
fn a_checkpoint_before_the_log_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::LogBeforeCheckpoint), only: Some(Mostly::Flags), ..HONEST }));
}

#[test]
fn showing_what_is_not_durable_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::FlushBeforeShowing), ..HONEST }));
}

#[test]
fn giving_back_before_the_snapshot_is_durable_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::SnapshotBeforeRecycle), only: Some(Mostly::Churn), ..HONEST }));
}

#[test]
fn giving_back_before_the_copies_are_durable_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::CopyBeforeRecycle), only: Some(Mostly::Churn), ..HONEST }));
}

#[test]
fn records_before_the_header_of_their_segment_are_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::HeaderFirst), only: Some(Mostly::Churn), ..HONEST }));
}

#[test]
fn records_with_the_dictionary_of_another_segment_are_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::OwnDictionary), only: Some(Mostly::Churn), ..HONEST }));
}

#[test]
fn an_answer_before_the_start_is_in_the_log_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::StartBeforeAnswer), only: Some(Mostly::Flags), ..HONEST }));
}

#[test]
fn taking_torn_records_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::WholeRecords), ..HONEST }));
}
