//! Every record in turn rots or lies in a sector that the disk does not give back: what is in it is damaged, and nothing else.

use super::filled::{self, Filled, Record, bodies, open, rescued};
use crate::catalogue::FILE;
use crate::disk::Disk;
use crate::limits;
use crate::open::open_tuned;
use crate::record::Kind;
use crate::segment::path;
use crate::tests::sim::Sim;
use crate::tests::*;
use crate::tuning::Tuning;
use std::collections::BTreeSet;

const BLOCK: usize = limits::BLOCK as usize;

/// What happens to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// One bit of it changes.
    Rots,
    /// One sector with octets of it cannot be read.
    Unreadable,
}

/// The records that are damaged with an octet of this one: a disk is read in blocks.
fn hit<'a>(filled: &'a Filled, record: &'a Record, octet: usize, how: How) -> Vec<&'a Record> {
    let block = octet / BLOCK * BLOCK..octet / BLOCK * BLOCK + BLOCK;
    let touches = |r: &&Record| r.segment == record.segment && r.at < block.end && r.at + r.len > block.start;
    match how {
        How::Rots => vec![record],
        How::Unreadable => filled.records.iter().filter(touches).collect(),
    }
}

/// Opens, reads, checks and rescues with a record damaged.
fn damage(filled: &Filled, record: &Record, octet: usize, how: How, without_catalogue: bool) {
    let Record { kind, lsn, segment, at, .. } = record;
    let what = format!(
        "{how:?}: octet {octet}, in {kind:?} {lsn:#x} at {segment}:{at}, catalogue lost: {without_catalogue}, snapshot {:#x}",
        filled.snapshot
    );
    let disk = filled.disk.copy();
    match how {
        How::Rots => disk.tamper(&path(record.segment), |bytes| bytes[octet] ^= 4),
        How::Unreadable => disk.spoil(&path(record.segment), octet..octet + 1),
    }
    if without_catalogue {
        disk.remove(FILE).unwrap();
    }
    let hit = hit(filled, record, octet, how);
    let theirs: BTreeSet<_> = hit.iter().flat_map(|r| r.messages.iter().cloned()).collect();
    // rows of the snapshot, and where parts were copied to
    let many = hit.iter().any(|r| matches!(r.kind, Kind::SnapshotRows | Kind::Relocate));
    let (brought_out, _) = rescued(&disk);
    let store = open(&disk).unwrap();
    let (found, damaged) = bodies(&store);
    let lost: BTreeSet<_> = filled.mail.difference(&found).cloned().collect();
    let missing: BTreeSet<_> = filled.mail.difference(&brought_out).cloned().collect();
    // nothing says any more whose the attachments are
    let attached = |body: &&Vec<u8>| many && body.windows(6).any(|w| w == b"base64");
    let unexpected = missing.iter().filter(|body| !attached(body) && !theirs.contains(*body));
    let unexpected: Vec<_> = unexpected.map(|body| String::from_utf8_lossy(&body[..12])).collect();
    assert!(unexpected.is_empty(), "{what}: {unexpected:?}");
    if !without_catalogue || !many {
        assert!(lost.is_subset(&theirs), "{what}");
    }
    let faults = store.check().unwrap();
    if record.lsn > filled.snapshot {
        assert!(faults.iter().any(|f| f.contains("is damaged at octet")), "{what}: {faults:?}");
    } else if record.lsn == filled.snapshot {
        let named = |f: &String| f.starts_with("the snapshot at octet") || f.starts_with("the last snapshot");
        assert!(faults.iter().any(named), "{what}: {faults:?}");
    }
    assert_eq!(
        faults.iter().filter(|f| f.contains("cannot be read") && f.contains("message")).count(),
        damaged,
        "{what}: {faults:?}"
    );
    // the rest is in use as before
    put(&store, inbox(&store), &filled::body(20));
    assert!(bodies(&store).0.contains(&filled::body(20)), "{what}");
    store.close().unwrap();
    assert!(bodies(&open(&disk).unwrap()).0.contains(&filled::body(20)), "{what}");
}

/// Some records of every kind.
fn every_kind(filled: &Filled, how: How) {
    let (mut done, mut count) = (BTreeSet::<(u8, u32, usize)>::new(), 0);
    for record in &filled.records {
        let kind = record.kind as u8;
        for octet in [record.at + 4, record.at + record.len - 1] {
            let place = if how == How::Unreadable { octet / BLOCK } else { octet };
            if done.iter().filter(|(other, ..)| *other == kind).count() < 12
                && done.insert((kind, record.segment, place))
            {
                damage(filled, record, octet, how, false);
                damage(filled, record, octet, how, true);
                count += 2;
            }
        }
    }
    crate::tests::crash::report(&format!("{how:?}: records of every kind, with and without the catalogue: {count}"));
}

#[test]
fn bit_rot_in_a_record_of_any_kind_costs_what_is_in_it() {
    every_kind(&filled::of_events(), How::Rots);
    every_kind(&filled::with_snapshot(), How::Rots);
}

#[test]
fn an_unreadable_sector_costs_what_is_in_it() {
    every_kind(&filled::of_events(), How::Unreadable);
}

#[test]
fn an_unreadable_sector_after_a_snapshot_costs_what_is_in_it() {
    every_kind(&filled::with_snapshot(), How::Unreadable);
}

#[test]
fn a_damaged_snapshot_is_replaced_while_the_catalogue_is_sound() {
    let filled = filled::with_snapshot();
    let ends = |r: &&Record| r.kind == Kind::SnapshotEnd && r.lsn > filled.snapshot;
    let end = filled.records.iter().filter(ends).map(|r| r.lsn).min().unwrap();
    let of_it = filled.snapshot..end;
    let belongs = |r: &&Record| of_it.contains(&r.lsn) && matches!(r.kind, Kind::SnapshotBegin | Kind::SnapshotRows);
    for record in filled.records.iter().filter(belongs) {
        let disk = filled.disk.copy();
        disk.tamper(&path(record.segment), |bytes| bytes[record.at + record.len - 1] ^= 4);
        let store = open(&disk).unwrap();
        let faults = store.check().unwrap();
        assert!(faults.iter().any(|f| f.starts_with("the snapshot at octet")), "{record:?}: {faults:?}");
        for _ in 0..2_000 {
            store.set_subscribed(ME, &name("settle"), true).unwrap();
            store.set_subscribed(ME, &name("settle"), false).unwrap();
            if store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed) > 0 {
                break;
            }
        }
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        store.close().unwrap();
        disk.remove(FILE).unwrap();
        assert_eq!(bodies(&open(&disk).unwrap()).0, filled.mail, "{record:?}");
    }
}

#[test]
fn headers_and_the_format_file_need_not_be_readable() {
    let filled = filled::of_events();
    let disk = filled.disk.copy();
    disk.spoil("FORMAT", 0..1);
    for segment in disk.names().iter().filter(|n| n.starts_with("log/")).skip(1) {
        disk.spoil(segment, 0..1);
        disk.spoil(segment, BLOCK..BLOCK + 1);
    }
    assert_eq!(rescued(&disk).0, filled.mail);
    let store = open(&disk).unwrap();
    assert_eq!(bodies(&store).0, filled.mail);
    let faults = store.check().unwrap();
    assert!(faults.iter().all(|f| f.starts_with("the header of log segment")), "{faults:?}");
}

#[test]
fn a_catalogue_that_cannot_be_read_is_made_again() {
    let filled = filled::with_snapshot();
    let len = filled.disk.open(FILE, false).unwrap().len().unwrap() as usize;
    for block in 0..len / BLOCK {
        let disk = filled.disk.copy();
        disk.spoil(FILE, block * BLOCK..block * BLOCK + 1);
        let mut store = open(&disk).unwrap();
        let faults = store.check().unwrap();
        assert!(faults.iter().all(|f| f.starts_with("the catalogue cannot be read")), "block {block}: {faults:?}");
        if store.health().is_err() {
            // the start had no use for that block
            assert!(matches!(store.close(), Err(StoreError::Stopped)));
            store = open(&disk).unwrap();
        }
        assert_eq!(bodies(&store).0, filled.mail, "block {block}");
        store.health().unwrap();
    }
}

#[test]
fn a_catalogue_that_fails_while_it_is_used_is_made_again_by_the_next_start() {
    let filled = filled::of_events();
    let disk = filled.disk.copy();
    let without_cache = Options { cache: 0, ..crate::tests::properties::options() };
    let store = open_tuned(Arc::new(disk.clone()), without_cache, filled::tuning()).unwrap();
    let inbox = inbox(&store);
    let len = disk.open(FILE, false).unwrap().len().unwrap() as usize;
    disk.spoil(FILE, 0..len);
    assert!(matches!(store.messages(inbox, Uid::MIN..=Uid::MAX, 9), Err(StoreError::Io(_))));
    assert!(matches!(store.health(), Err(StoreError::Stopped)));
    let refused = store.set_subscribed(ME, &name("x"), true);
    assert!(matches!(refused, Err(StoreError::Stopped)), "{refused:?}");
    assert!(matches!(store.close(), Err(StoreError::Stopped)));
    assert!(disk.names().contains(&"catalogue.suspect".to_owned()));
    let store = open(&disk).unwrap();
    assert_eq!(bodies(&store).0, filled.mail);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert!(!disk.names().contains(&"catalogue.suspect".to_owned()));
}

#[test]
fn a_disk_that_is_hardly_there_is_not_the_end_of_the_log() {
    let filled = filled::of_events();
    let disk: Sim = filled.disk.copy();
    disk.remove(FILE).unwrap();
    let last = filled.records.last().unwrap();
    let len = disk.open(&path(last.segment), false).unwrap().len().unwrap() as usize;
    disk.spoil(&path(last.segment), last.at..len);
    let strict = Tuning { unreadable: 0, ..filled::tuning() };
    let refused = open_tuned(Arc::new(disk.clone()), crate::tests::properties::options(), strict);
    let error = format!("{:?}", refused.err());
    assert!(error.contains("behind the log's end cannot be read"), "{error}");
    // who only wants what is left gets it
    drop(rescued(&disk));
}
