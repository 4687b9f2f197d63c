//! A disk that is full, or whose flush or write fails, at any moment.

use super::crash::{CHURN, HONEST, Run, points, report};
use super::properties::{options, small};
use super::sim::{Fault, Random, Sim};
use super::*;
use crate::open::open_tuned;
use crate::tuning::Tuning;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Space runs out at some write, for one write or until it is given back; nothing is lost, and everything works after.
fn full(seed: u64) -> Result<(), String> {
    let mut run = Run::new(seed, HONEST);
    let disk = Sim::new();
    if run.random.chance(50) {
        disk.count_log_only();
    }
    let fault = if run.random.chance(50) { Fault::NoSpace } else { Fault::NoSpaceOnce };
    disk.arm(1 + run.random.below(200), fault);
    full_in(run, &disk, 40)
}

fn full_in(mut run: Run, disk: &Sim, operations: u64) -> Result<(), String> {
    match run.open(disk) {
        Ok(store) => {
            let unknown = run.operate(&store, operations);
            store.health().map_err(|e| format!("{e} because of a full disk"))?;
            run.acknowledged = run.states.len() - 1 - unknown;
            // while there is no space, all can be read
            run.settle(&store)?;
            disk.arm(u64::MAX, Fault::None);
            run.operate(&store, 12);
            run.acknowledged = run.states.len() - 1;
            run.settle(&store)?;
            let faults = store.check().map_err(|e| e.to_string())?;
            if !faults.is_empty() {
                return Err(format!("{faults:#?}"));
            }
            store.close().map_err(|e| e.to_string())?;
        }
        Err(e) if e.contains("StorageFull") => disk.arm(u64::MAX, Fault::None),
        Err(e) => return Err(e),
    }
    run.settle(&run.open(&disk.reboot(&mut run.random.clone()))?)
}

#[test]
fn a_full_disk_loses_nothing_and_is_left_behind() {
    let points = points(150);
    for seed in 0..points {
        if let Err(e) = full(seed) {
            panic!("seed {seed}: {e}");
        }
    }
    report(&format!("moments at which space ran out: {points}"));
}

/// Operations of the runs in which space runs out everywhere.
const LONG: u64 = 90;

#[test]
fn a_full_disk_loses_nothing_wherever_it_is_full() {
    // runs that come as far as giving space back
    let churn = |seed| Run::new(seed, CHURN);
    let length = |seed| {
        let (mut run, disk) = (churn(seed), Sim::new());
        let store = run.open(&disk).unwrap();
        run.operate(&store, LONG);
        let reclaims = store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed);
        store.close().unwrap();
        (reclaims > 0).then(|| disk.operations())
    };
    let (runs, few) = if points(0) > 0 { (4, u64::MAX) } else { (2, 30) };
    let long = (0..).filter_map(|seed| Some((seed, length(seed)?))).take(runs);
    let mut moments = 0;
    for (seed, operations) in long {
        for at in (1..=operations).step_by((operations / few).max(1) as usize) {
            for fault in [Fault::NoSpace, Fault::NoSpaceOnce] {
                let disk = Sim::new();
                disk.arm(at, fault);
                if let Err(e) = full_in(churn(seed), &disk, LONG) {
                    panic!("seed {seed}, operation {at}, {fault:?}: {e}");
                }
                moments += 1;
            }
        }
    }
    report(&format!("space ran out in one of all operations, names too: {moments}"));
}

/// A flush fails, or a write to the log: nothing is accepted until a restart, which finds what was acknowledged. What fails of the
/// catalogue alone is made good from the log.
fn fails(seed: u64, fault: Fault) -> Result<bool, String> {
    let mut run = Run::new(seed, HONEST);
    let disk = Sim::new();
    let store = run.open(&disk)?;
    let flushes = store.stats().log_syncs;
    let log_only = fault == Fault::WriteFails && run.random.chance(50);
    if log_only {
        disk.count_log_only();
    }
    disk.arm(1 + run.random.below(200), fault);
    run.operate(&store, 60);
    let happened = disk.has_failed();
    // what the writer still did after its last answer is done when it answers this
    let _ = store.remove_account(AccountId(77));
    let failed = store.health().is_err();
    if log_only && happened {
        assert!(failed, "it goes on after a write that failed");
    }
    if failed {
        let refused = store.ensure_account(AccountId(77), 1);
        assert!(matches!(refused, Err(StoreError::Stopped)), "{refused:?}");
        let seen = store.stats().log_syncs;
        assert!(matches!(store.close(), Err(StoreError::Stopped)));
        assert!(seen >= flushes && store.stats().log_syncs == seen, "it is not tried again");
    }
    drop(store);
    let disk = if run.random.chance(50) { disk.restart() } else { disk.reboot(&mut run.random) };
    let store = run.open(&disk)?;
    run.settle(&store)?;
    run.operate(&store, 12);
    run.acknowledged = run.states.len() - 1;
    run.settle(&store)?;
    Ok(failed)
}

#[test]
fn a_failed_flush_stops_acceptance_until_a_restart() {
    stops(Fault::FlushFails, "flushes that failed");
}

#[test]
fn a_failed_write_to_the_log_stops_acceptance_until_a_restart() {
    stops(Fault::WriteFails, "writes that failed and stopped acceptance");
}

/// The catalogue fails again and again while it is read, and catches up with the log from its last checkpoint.
#[test]
fn nobody_is_shown_what_once_was_while_the_catalogue_catches_up() {
    let disk = Sim::new();
    let tuning = Tuning { checkpoint_records: 9, ..small() };
    let store = open_tuned(Arc::new(disk.clone()), options(), tuning).unwrap();
    let inbox = inbox(&store);
    disk.count_catalogue_only();
    let (mut random, done) = (Random::new(1), AtomicBool::new(false));
    let failures = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut reads) = (ModSeq(0), 0_u64);
            while !done.load(Relaxed) {
                // between the failure and its repair reading fails too
                let Ok(Status { highest_modseq: now, .. }) = store.status(inbox) else { continue };
                assert!(now >= last, "{now:?} after {last:?}");
                (last, reads) = (now, reads + 1);
            }
            reads
        });
        let mut failures = 0;
        for _ in 0..points(300) {
            disk.arm(1 + random.below(30), Fault::WriteFails);
            for _ in 0..20 {
                let draft = draft(&store, b"one more");
                // what failed was not taken in
                let _ = store.deliver(draft, &[target(inbox, Flags::default())]);
            }
            failures += u64::from(disk.has_failed());
        }
        done.store(true, Relaxed);
        assert!(reader.join().unwrap() > 1_000);
        failures
    });
    assert!(failures > 100, "only {failures}");
    store.health().unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    report(&format!("writes of the catalogue that failed while it was read: {failures}"));
}

fn stops(fault: Fault, what: &str) {
    let mut failures = 0;
    for seed in 0..points(100) {
        match fails(seed, fault) {
            Ok(failed) => failures += u64::from(failed),
            Err(e) => panic!("seed {seed}: {e}"),
        }
    }
    assert!(failures > 20, "{what}: only {failures}");
    report(&format!("{what}: {failures}"));
}
