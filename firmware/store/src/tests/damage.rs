//! Bits rot, versions change, headers go: one record lost costs its message alone, and what cannot be read is named.

mod filled;
mod records;

use super::properties::{options, small};
use super::sim::Sim;
use super::*;
use crate::catalogue::FILE;
use crate::disk::Disk;
use crate::open::open_tuned;
use crate::record::{HEADER, Kind, footprint};
use crate::scan::Scanner;
use crate::segment::path;
use filled::bodies;

fn open(disk: &Sim) -> Result<Store, OpenError> {
    open_tuned(Arc::new(disk.clone()), options(), small()).map_err(|fault| fault.at(Path::new("data")))
}

fn body(n: u8) -> Vec<u8> {
    format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(usize::from(n) * 300)).into_bytes()
}

/// A store with messages of one or more parts, changed flags, and its durable records: kind, segment, octet, length.
fn filled() -> (Sim, Vec<(Kind, u32, usize, usize)>) {
    let disk = Sim::new();
    let store = open(&disk).unwrap();
    let inbox = inbox(&store);
    for n in 1..=9 {
        put(&store, inbox, &body(n));
    }
    let seen = Flags { seen: true, ..Flags::default() };
    store.change_flags(inbox, &[uid(2), uid(3)], &FlagChange::Add(seen), None).unwrap();
    store.copy(inbox, &[uid(4)], mailbox(&store, "Archive"), 9).unwrap();
    // shows that all before it was durable
    put(&store, inbox, &body(10));
    let mut scanner = Scanner::whole(store.inner.shared.segments.clone(), None).unwrap();
    let (mut records, mut durable) = (Vec::new(), 0);
    while let Some(found) = scanner.next().unwrap() {
        let (kind, len) = (found.header.kind, found.header.len as usize);
        let (lsn, found_durable) = (found.header.lsn, found.header.durable);
        let end = scanner.position();
        durable = found_durable;
        records.push((lsn, (kind, end.segment, end.offset as usize - footprint(len), HEADER + len)));
    }
    store.close().unwrap();
    // the loss of one that is not known to have been durable looks like a torn end
    (disk, records.into_iter().filter(|(lsn, _)| *lsn <= durable).map(|(_, record)| record).collect())
}

#[test]
fn bit_rot_in_any_record_costs_that_message_alone() {
    let (_, records) = filled();
    assert!(records.len() > 20);
    super::crash::report(&format!("records damaged in five ways each: {}", records.len()));
    for (kind, segment, at, len) in &records {
        for (octet, without_catalogue) in [(4, false), (len / 2, false), (len - 1, false), (9, true), (len - 1, true)] {
            let what = format!("octet {octet} of {kind:?} at {at}, catalogue lost: {without_catalogue}");
            let (disk, _) = filled();
            disk.tamper(&path(*segment), |bytes| bytes[at + octet] ^= 4);
            if without_catalogue {
                Disk::remove(&disk, FILE).unwrap();
            }
            let store = open(&disk).unwrap();
            let (found, damaged) = bodies(&store);
            let lost = (1..=10).filter(|n| !found.contains(&body(*n))).count();
            match kind {
                Kind::Part => assert_eq!((lost, damaged >= 1), (1, true), "{what}"),
                Kind::Deliver => assert_eq!((lost, damaged), (usize::from(without_catalogue), 0), "{what}"),
                _ => assert_eq!((lost, damaged), (0, 0), "{what}"),
            }
            let faults = store.check().unwrap();
            assert!(faults.iter().any(|f| f.contains("damaged at octet")), "{what}: {faults:?}");
            let named = faults.iter().any(|f| f.contains("cannot be read") && f.contains("INBOX"));
            assert_eq!(named, *kind == Kind::Part, "{what}: {faults:?}");
            // the rest is in use as before
            put(&store, store.mailboxes(ME).unwrap()[0].id, &body(11));
            assert!(bodies(&store).0.contains(&body(11)), "{what}");
        }
    }
}

fn refused(disk: &Sim) -> String {
    match open(disk) {
        Err(e @ OpenError::Version(..)) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let (disk, _) = filled();
    disk.tamper("FORMAT", |text| *text = b"roost store 3\nwhatever follows".to_vec());
    assert_eq!(refused(&disk), "data: written by another version (store format 3, this program knows 2)");
    // and a segment of a newer version under our FORMAT
    let (disk, _) = filled();
    let newest = disk.names().into_iter().rfind(|n| n.starts_with("log/")).unwrap();
    let before = disk.open(&newest, false).unwrap().len().unwrap();
    disk.tamper(&newest, |bytes| {
        bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    });
    assert_eq!(refused(&disk), "data: written by another version (store format 7, this program knows 2)");
    // nothing was changed by looking
    assert_eq!(disk.open(&newest, false).unwrap().len().unwrap(), before);
}

#[test]
fn a_lost_format_file_is_made_again_from_the_log() {
    let (disk, _) = filled();
    disk.tamper("FORMAT", Vec::clear);
    let store = open(&disk).unwrap();
    assert_eq!(bodies(&store).0.len(), 10);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_log_without_format_and_headers_is_refused_by_name() {
    let (disk, _) = filled();
    disk.tamper("FORMAT", |text| *text = b"garbage".to_vec());
    for segment in disk.names().iter().filter(|n| n.starts_with("log/")) {
        disk.tamper(segment, |bytes| bytes[0] ^= 1);
    }
    assert_eq!(
        refused(&disk),
        "data: written by another version (FORMAT and the log's headers are not those of a store)"
    );
}

#[test]
fn a_damaged_catalogue_is_made_again_from_the_log() {
    let (disk, _) = filled();
    disk.tamper(FILE, |bytes| bytes[..64].fill(0xA5));
    let store = open(&disk).unwrap();
    assert_eq!(bodies(&store).0.len(), 10);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_catalogue_that_ended_the_program_is_made_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), Options::default()).unwrap();
    let store = open();
    let inbox = inbox(&store);
    let uid = put(&store, inbox, &body(1));
    store.close().unwrap();
    let file = dir.path().join(FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4_096..].fill(0xA5);
    std::fs::write(&file, &bytes).unwrap();
    // a panic of redb is noted, one of another is not
    crate::note_panic(dir.path(), "/registry/src/index/redb-4.5.0/src/tree_store/btree.rs");
    let store = open();
    assert_eq!(get(&store, inbox, uid), body(1));
    store.close().unwrap();
    let before = std::fs::read(&file).unwrap();
    crate::note_panic(dir.path(), "firmware/store/src/redball.rs");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "FORMAT, LOCK, log and the catalogue");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_second_process_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    match Store::open(dir.path(), Options::default()) {
        Err(e @ OpenError::InUse(_)) => assert!(e.to_string().ends_with(": in use by another process")),
        other => panic!("{other:?}"),
    }
    store.close().unwrap();
    Store::open(dir.path(), Options::default()).unwrap();
}

#[test]
fn a_count_that_is_wrong_is_found_whatever_the_log_says() {
    let (disk, _) = filled();
    let store = open(&disk).unwrap();
    let inbox = mailbox(&store, "INBOX");
    let blob = store.message(inbox, uid(1)).unwrap().unwrap().blob;
    let txn = store.inner.shared.catalogue.write().unwrap();
    {
        let mut t = crate::catalogue::Tables::open(&txn).unwrap();
        crate::apply::refer(&mut t, blob.0).unwrap();
        let row = t.mailbox(inbox.0).unwrap();
        t.put_mailbox(inbox.0, &crate::catalogue::MailboxRow { unseen: row.unseen + 1, ..row }).unwrap();
        let (lsn, end) = (t.meta.lsn, t.meta.end);
        t.finish(lsn, end).unwrap();
    }
    crate::catalogue::commit_lazily(txn).unwrap();
    let faults = store.check().unwrap();
    for fault in [format!("message body {:#x} is counted wrongly", blob.0), "does not hold what it counts".into()] {
        assert!(faults.iter().any(|f| f.contains(&fault)), "{fault}: {faults:?}");
    }
}
