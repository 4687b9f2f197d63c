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

/// How a run is done wrong, to see that it is noticed.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    rule: Option<Rule>,
    fault: Fault,
    /// Only runs in which flags change often and each change makes a checkpoint: the others hardly ever show it.
    lazy: bool,
}

pub const HONEST: Mutant = Mutant { rule: None, fault: Fault::None, lazy: false };

pub struct Run {
    pub random: Random,
    tuning: Tuning,
    /// Flags change between most other operations.
    flags_often: bool,
    /// The model after each operation attempted.
    pub states: Vec<Model>,
    /// Operations that are in the store for good.
    pub acknowledged: usize,
}

impl Run {
    pub fn new(seed: u64, mutant: Mutant) -> Run {
        let mut random = Random::new(seed);
        let checkpoint_records = if mutant.lazy || random.chance(25) { 1 } else { 2 + random.below(16) };
        let tuning = Tuning { broken: mutant.rule, checkpoint_records, ..small() };
        let flags_often = mutant.lazy || random.chance(30);
        Run { random, tuning, flags_often, states: vec![Model::default()], acknowledged: 0 }
    }

    pub fn open(&self, disk: &Sim) -> Result<Store, String> {
        open_tuned(Arc::new(disk.clone()), options(), self.tuning).map_err(|e| format!("{e:?}"))
    }

    /// Operations until the disk dies or `most` are done.
    pub fn operate(&mut self, store: &Store, most: u64) {
        for _ in 0..most {
            let mut next = self.states.last().unwrap().clone();
            let mut op = Op::random(&mut self.random, &next, 8_000);
            while self.flags_often && !op.is_lazy() && self.random.chance(90) {
                op = Op::random(&mut self.random, &next, 8_000);
            }
            let wanted = next.run(&op);
            self.states.push(next);
            let before = store.stats().log_syncs;
            match op.run(store) {
                // nothing of it happened
                Err(StoreError::Full) => drop(self.states.pop()),
                // the flush took along all that was answered before it
                Ok(_) if !op.is_lazy() && wanted.is_some() && store.stats().log_syncs > before => {
                    self.acknowledged = self.states.len() - 1;
                }
                Err(StoreError::Stopped | StoreError::Io(_)) => return,
                _ => {}
            }
        }
    }

    /// Which of the states the store is in; from now on it must not go back.
    pub fn settle(&mut self, store: &Store) -> Result<(), String> {
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

/// One run with one crash while working and one while recovering.
fn crash(seed: u64, mutant: Mutant) -> Result<(), String> {
    let mut run = Run::new(seed, mutant);
    let disk = Sim::new();
    // within an operation, or between two
    let (after, most) = match run.random.chance(70) {
        true => (1 + run.random.below(300), 60),
        false => (u64::MAX, 1 + run.random.below(40)),
    };
    if mutant.lazy || run.random.chance(50) {
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
    if let Ok(store) = run.open(&disk) {
        if run.settle(&store).is_err() && disk.is_dead() {
            // the power went while it was looked at
        } else {
            run.settle(&store)?;
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
    store.close().map_err(|e| e.to_string())?;
    crate::disk::Disk::remove(&disk, crate::catalogue::FILE).map_err(|e| e.to_string())?;
    run.settle(&run.open(&disk)?)
}

/// Moments to try, of which the ordinary test tries `few`.
pub fn points(few: u64) -> u64 {
    std::env::var("ROOST_CRASH_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    for seed in 0..points(300) {
        if let Err(e) = crash(seed, HONEST) {
            panic!("seed {seed}: {e}");
        }
    }
}

/// Whether the harness finds the mistake within as many runs.
fn noticed(mutant: Mutant) -> bool {
    (0..1_000).any(|seed| crash(seed, mutant).is_err())
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
    assert!(noticed(Mutant { rule: Some(Rule::LogBeforeCheckpoint), lazy: true, ..HONEST }));
}

#[test]
fn showing_what_is_not_durable_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::FlushBeforeShowing), ..HONEST }));
}

#[test]
fn taking_torn_records_is_noticed() {
    assert!(noticed(Mutant { rule: Some(Rule::WholeRecords), ..HONEST }));
}
