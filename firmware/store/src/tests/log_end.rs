//! Where the log ends, record by record: torn ends, leftovers, damage.

use super::properties::small;
use crate::body::Piece;
use crate::disk::{Disk, Memory};
use crate::limits;
use crate::log::{Log, LogCounters};
use crate::record::{Event, FlagsSet, HEADER, LoggedFlags, PART_HEADER, Position};
use crate::scan::Scanner;
use crate::segment::{Segments, path};
use crate::tuning::{Rule, Tuning};
use std::sync::Arc;

const BLOCK: usize = 4096;
/// The first block after the first flush.
const SECOND: usize = 2 * BLOCK + 16 * 1024;

struct Bench {
    disk: Memory,
    segments: Arc<Segments>,
}

impl Bench {
    fn new(tuning: Tuning) -> Bench {
        let disk = Memory::new();
        let segments = Arc::new(Segments::new(Arc::new(disk.clone()), 42, tuning));
        Bench { disk, segments }
    }

    /// The records there are, by their payloads' first octet after the length, and how much damage.
    fn scan(&self) -> (Vec<u64>, usize, Position, u64) {
        let mut scanner = Scanner::whole(self.segments.clone(), None).unwrap();
        let mut found = Vec::new();
        while let Some(record) = scanner.next().unwrap() {
            if let Some(Event::Delete(n)) = Event::decode(record.header.kind, record.payload) {
                found.push(n.into());
            } else if record.header.kind == crate::record::Kind::Part {
                found.push(record.payload[PART_HEADER].into());
            }
        }
        (found, scanner.damage().len(), scanner.position(), scanner.lsn())
    }

    fn reopen(&self) -> Log {
        let (_, _, end, lsn) = self.scan();
        Log::open(self.segments.clone(), Arc::new(LogCounters::default()), (end, lsn), None).unwrap()
    }

    fn flush(&self, log: &mut Log, records: &[u8]) {
        log.begin_group().unwrap();
        for n in records {
            log.append(0, &Event::Delete((*n).into())).unwrap();
        }
        log.flush().unwrap();
    }

    /// Overwrites octets of the first segment.
    fn overwrite(&self, at: usize, bytes: &[u8]) {
        self.disk.open(&path(1), false).unwrap().write(at as u64, bytes).unwrap();
    }
}

/// Message bytes that fill a block to its end together with what goes before.
fn filler(used: usize, n: u8) -> Piece {
    let data = vec![n; BLOCK - used - HEADER - PART_HEADER];
    let len = data.len() as u32;
    Piece { len, line: 0, raw: len, with: None, data, hash: None }
}

#[test]
fn flushes_follow_each_other_over_segments() {
    let bench = Bench::new(small());
    let mut log = bench.reopen();
    for n in 1..=20 {
        bench.flush(&mut log, &[n]);
    }
    let (found, damage, end, _) = bench.scan();
    assert_eq!(found, (1..=20).collect::<Vec<u64>>());
    assert_eq!((damage, end.segment), (0, 2));
}

#[test]
fn a_torn_end_is_not_damage() {
    let bench = Bench::new(small());
    let mut log = bench.reopen();
    bench.flush(&mut log, &[1]);
    bench.flush(&mut log, &[2, 3]);
    // of the second flush only the second record arrived
    bench.overwrite(SECOND, &[0; HEADER]);
    let (found, damage, ..) = bench.scan();
    assert_eq!((found, damage), (vec![1], 0));
    // the next start goes on behind it
    let mut log = bench.reopen();
    bench.flush(&mut log, &[4]);
    bench.flush(&mut log, &[5]);
    let (found, damage, ..) = bench.scan();
    assert_eq!((found, damage), (vec![1, 4, 5], 0));
}

#[test]
fn damage_in_the_middle_costs_what_is_damaged() {
    let bench = Bench::new(small());
    let mut log = bench.reopen();
    bench.flush(&mut log, &[1]);
    bench.flush(&mut log, &[2, 3]);
    bench.flush(&mut log, &[4]);
    for at in [0, 5, 9, 20, 28, 30, 33] {
        let file = bench.disk.open(&path(1), false).unwrap();
        let mut octet = [0];
        file.read((SECOND + at) as u64, &mut octet).unwrap();
        bench.overwrite(SECOND + at, &[octet[0] ^ 0x10]);
        let (found, damage, ..) = bench.scan();
        match at {
            // in the padding of a short record nothing is lost
            33 => assert_eq!((found, damage), (vec![1, 2, 3, 4], 0)),
            _ => assert_eq!((found, damage), (vec![1, 3, 4], 1), "octet {at}"),
        }
        bench.overwrite(SECOND + at, &octet);
    }
}

#[test]
fn a_lost_block_in_the_middle_is_damage() {
    let bench = Bench::new(small());
    let mut log = bench.reopen();
    for n in 1..=30 {
        bench.flush(&mut log, &[n]);
    }
    bench.overwrite(SECOND + BLOCK, &[0; BLOCK]);
    let (found, damage, ..) = bench.scan();
    let all_but_third: Vec<u64> = (1..=30).filter(|n| *n != 3).collect();
    assert_eq!((found, damage), (all_but_third.clone(), 1));
    // also when the next start was written behind it
    let mut log = bench.reopen();
    bench.flush(&mut log, &[31]);
    let (found, damage, ..) = bench.scan();
    assert_eq!((found.len(), damage), (30, 1));
}

/// What is left of a flush that did not arrive whole must not come back when its place in the order is taken again.
fn leftovers(tuning: Tuning) -> Vec<u64> {
    let bench = Bench::new(tuning);
    let mut log = bench.reopen();
    bench.flush(&mut log, &[1]);
    log.begin_group().unwrap();
    log.append_part(&mut 0, 0, &filler(0, 2));
    log.append_part(&mut 0, 0, &filler(0, 3));
    log.flush().unwrap();
    // only the second block arrived
    bench.overwrite(SECOND, &[0; BLOCK]);
    let mut log = bench.reopen();
    log.begin_group().unwrap();
    // with its OPEN, if there is one, as long as what was lost
    let open = if tuning.holds(Rule::FreshNumbers) { HEADER + 8 } else { 0 };
    log.append_part(&mut 0, 0, &filler(open, 4));
    log.flush().unwrap();
    bench.scan().0
}

#[test]
fn leftovers_stay_dead() {
    assert_eq!(leftovers(small()), [1, 4]);
}

#[test]
fn numbers_given_twice_would_wake_leftovers() {
    assert_eq!(leftovers(Tuning { broken: Some(Rule::FreshNumbers), ..small() }), [1, 4, 3]);
    super::crash::report("mutant without FreshNumbers: noticed");
}

/// Changes of flags found in the log: how many records of how many changes, and the MODSEQs in their order.
fn flag_records(bench: &Bench) -> (Vec<usize>, Vec<u64>) {
    let mut scanner = Scanner::whole(bench.segments.clone(), None).unwrap();
    let (mut sizes, mut modseqs) = (Vec::new(), Vec::new());
    while let Some(record) = scanner.next().unwrap() {
        if let Some(Event::Flags(all)) = Event::decode(record.header.kind, record.payload) {
            sizes.push(all.len());
            modseqs.extend(all.iter().map(|one| one.modseq));
        }
    }
    (sizes, modseqs)
}

fn seen(modseq: u64) -> Event {
    let flags = LoggedFlags { bits: 1, keywords: Vec::new() };
    Event::Flags(vec![FlagsSet { mailbox: 1, modseq, groups: vec![(flags, vec![(7, 7)])] }])
}

#[test]
fn changes_of_flags_that_follow_each_other_share_a_record() {
    let bench = Bench::new(Tuning::default());
    let mut log = bench.reopen();
    log.begin_group().unwrap();
    for (account, modseq) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
        log.append(account, &seen(modseq)).unwrap();
    }
    log.append(2, &Event::Delete(9)).unwrap();
    log.append(2, &seen(5)).unwrap();
    log.flush().unwrap();
    // what is on the disk does not change any more
    log.append(2, &seen(6)).unwrap();
    log.flush().unwrap();
    assert_eq!(flag_records(&bench), (vec![3, 1, 1, 1], (1..=6).collect()));
    // a record has a limit
    for modseq in 7..40 {
        log.append(1, &seen(modseq)).unwrap();
    }
    log.flush().unwrap();
    let (sizes, modseqs) = flag_records(&bench);
    assert!(sizes[4..sizes.len() - 1].iter().all(|n| (4..=limits::SERIES).contains(n)), "{sizes:?}");
    assert_eq!(modseqs, (1..40).collect::<Vec<_>>());
}

#[test]
fn a_change_of_flags_that_is_taken_back_leaves_those_before_it() {
    let bench = Bench::new(Tuning::default());
    let mut log = bench.reopen();
    log.begin_group().unwrap();
    log.append(1, &seen(1)).unwrap();
    let second = log.begin_group().unwrap();
    log.append(1, &seen(2)).unwrap();
    log.append(1, &Event::Delete(9)).unwrap();
    log.rewind(second, false);
    log.append(1, &seen(3)).unwrap();
    log.rewind(second, true);
    // some of it may be on the disk: it goes on with an OPEN
    log.append(1, &seen(4)).unwrap();
    log.flush().unwrap();
    assert_eq!(flag_records(&bench), (vec![1, 1], vec![1, 4]));
    assert_eq!(bench.scan().0, Vec::<u64>::new());
}
