//! Stores with records of every kind in their logs, to be damaged.

use crate::catalogue::{BLOBS, SHARED};
use crate::disk::Disk;
use crate::open::open_tuned;
use crate::record::{Event, HEADER, Kind, footprint};
use crate::segment::{self, Window};
use crate::tests::properties::{options, small};
use crate::tests::sim::{Random, Sim};
use crate::tests::*;
use crate::tuning::Tuning;
use std::collections::{BTreeMap, BTreeSet};

const OTHER: AccountId = AccountId(2);
/// Of a mailbox that was lost, and of messages whose account is not known.
const ACCOUNTS: std::ops::Range<u32> = 0..4;

/// A record in the log that was durable.
#[derive(Debug, Clone)]
pub struct Record {
    pub kind: Kind,
    pub lsn: u64,
    pub segment: u32,
    pub at: usize,
    pub len: usize,
    /// The messages that it brings or has octets of.
    pub messages: BTreeSet<Vec<u8>>,
}

/// A store that was closed.
pub struct Filled {
    pub disk: Sim,
    pub records: Vec<Record>,
    /// Messages in mailboxes.
    pub mail: BTreeSet<Vec<u8>>,
    /// The number of the last snapshot's BEGIN, or 0.
    pub snapshot: u64,
}

pub fn tuning() -> Tuning {
    Tuning { reclaim: 3_000, spares: 1, ..small() }
}

pub fn open(disk: &Sim) -> Result<Store, OpenError> {
    open_tuned(Arc::new(disk.clone()), options(), tuning()).map_err(|fault| fault.at(Path::new("data")))
}

/// A message; every third has octets that no other has in the same order.
pub fn body(n: u8) -> Vec<u8> {
    let text = match n % 3 {
        0 => noise(n.into(), usize::from(n) * 200),
        _ => "x".repeat(usize::from(n) * 300),
    };
    format!("Subject: {n}\r\n\r\n{text}\r\n").into_bytes()
}

fn noise(seed: u64, octets: usize) -> String {
    let mut random = Random::new(seed);
    (0..octets).map(|_| char::from(b'!' + random.below(90) as u8)).collect()
}

/// With an attachment that others have too.
fn attached(n: u8) -> Vec<u8> {
    let mut message = format!("Subject: {n}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n").into_bytes();
    message.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
    crate::body::to_base64(noise(1, 900).as_bytes(), 76, &mut message);
    message.extend_from_slice(b"--b--\r\n");
    message
}

fn envelope() -> Envelope {
    let recipient = Recipient { address: "a@example.net".into(), next: 9, ..Recipient::default() };
    Envelope { account: ME, sender: "me".into(), parameters: "".into(), recipients: vec![recipient], now: 9 }
}

/// Everything that can be asked of a store but to give space back.
fn events(store: &Store) {
    let inbox = inbox(store);
    for account in [2, 3] {
        store.ensure_account(AccountId(account), 1).unwrap();
    }
    (1..=6).for_each(|n| {
        put(store, inbox, &body(n));
    });
    (7..=8).for_each(|n| {
        put(store, inbox, &attached(n));
    });
    let seen = Flags { seen: true, ..keywords(&["work"]) };
    store.change_flags(inbox, &[uid(2), uid(3)], &FlagChange::Add(seen), None).unwrap();
    store.copy(inbox, &[uid(4)], mailbox(store, "Archive"), 9).unwrap();
    store.move_messages(inbox, &[uid(5)], mailbox(store, "Archive"), 9).unwrap();
    let made = store.create_mailbox(ME, &name("New"), None, 9).unwrap().id;
    put(store, made, &body(9));
    store.rename_mailbox(ME, &name("New"), &name("Renamed"), 9).unwrap();
    store.create_mailbox(ME, &name("Gone"), None, 9).unwrap();
    store.delete_mailbox(ME, &name("Gone")).unwrap();
    store.set_subscribed(ME, &name("elsewhere"), true).unwrap();
    store.set_quota(ME, QuotaLimits { octets: Some(1_000_000), messages: None }).unwrap();
    store.set_acl(inbox, "other", Rights::parse("lrs").unwrap()).unwrap();
    let entry = EntryName::parse("/private/comment").unwrap();
    store.set_metadata(ME, Some(inbox), &entry, Some(b"note")).unwrap();
    store.set_seen(inbox, OTHER, &[uid(1), uid(2)], true, None).unwrap();
    store.enqueue(draft(store, &body(10)), &[target(inbox, Flags::default())], envelope()).unwrap();
    let entry = store.enqueue_message(inbox, uid(1), envelope()).unwrap();
    let tried = Attempt { recipient: 0, state: RecipientState::Waiting, next: 20, answer: "later".into() };
    store.note_attempts(entry, &[tried]).unwrap();
    store.dequeue(entry).unwrap();
    store.expunge(inbox, Expunge::These(&[uid(6)])).unwrap();
    store.remove_account(AccountId(3)).unwrap();
}

/// Nothing is given back.
fn keeping(disk: &Sim) -> Store {
    open_tuned(Arc::new(disk.clone()), options(), Tuning { reclaim: u64::MAX, ..tuning() }).unwrap()
}

/// Records of every kind but those of a snapshot.
pub fn of_events() -> Filled {
    let disk = Sim::new();
    let store = keeping(&disk);
    events(&store);
    store.close().unwrap();
    finish(disk)
}

/// A snapshot with rows of every kind, parts that were copied, and records after it.
pub fn with_snapshot() -> Filled {
    let disk = Sim::new();
    let store = open(&disk).unwrap();
    events(&store);
    let inbox = inbox(&store);
    let reclaims = || store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed);
    for round in 0.. {
        let junk: Vec<Uid> = (0..8).map(|n| put(&store, inbox, noise(100 + round * 8 + n, 4_000).as_bytes())).collect();
        store.expunge(inbox, Expunge::These(&junk)).unwrap();
        // the writer goes on with a snapshot between operations
        for _ in 0..40 {
            store.set_subscribed(ME, &name("settle"), true).unwrap();
        }
        if reclaims() > 0 && store.stats().reclaim_bytes > 4_000 {
            break;
        }
        assert!(round < 60, "no snapshot");
    }
    (11..=12).for_each(|n| {
        put(&store, inbox, &body(n));
    });
    store.close().unwrap();
    finish(disk)
}

/// Mail once more after a restart, which shows that all before it was durable.
fn finish(disk: Sim) -> Filled {
    let store = keeping(&disk);
    let inbox = inbox(&store);
    (13..=14).for_each(|n| {
        put(&store, inbox, &body(n));
    });
    let records = records(&store);
    let (mail, unreadable) = bodies(&store);
    assert_eq!(unreadable, 0);
    let snapshot = crate::snapshot::find(&store.inner.shared.segments).unwrap().map_or(0, |pointer| pointer.lsn);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.close().unwrap();
    Filled { disk, records, mail, snapshot }
}

/// The octets of a body, and the places that they are in.
type Body = (Vec<u8>, BTreeSet<(u32, u32)>);

fn places(store: &Store) -> BTreeMap<u64, Body> {
    let view = store.inner.shared.catalogue.view().unwrap();
    let (blobs, parts) = (view.open_table(BLOBS).unwrap(), view.open_table(SHARED).unwrap());
    let mut found = BTreeMap::new();
    for entry in redb::ReadableTable::iter(&blobs).unwrap() {
        let id = entry.unwrap().0.value();
        let row = crate::catalogue::body(&blobs, &parts, BlobId(id)).unwrap();
        let mut octets = Vec::new();
        if row.references > 0 && store.read(BlobId(id), 0..u64::MAX, &mut octets).is_ok() {
            found.insert(id, (octets, row.extents.iter().map(|e| (e.at.segment, e.at.offset)).collect()));
        }
    }
    found
}

/// What there is in the segments, in their order; only what is known to have been durable: the loss of the rest looks like a torn end.
fn records(store: &Store) -> Vec<Record> {
    let (segments, bodies) = (&store.inner.shared.segments, places(store));
    let (mut records, mut durable) = (Vec::new(), 0);
    for number in segment::numbers(segments.disk().as_ref()).unwrap() {
        let mut window = Window::new(segments.file(number).unwrap()).unwrap();
        let mut at = u64::from(segment::first(number).offset);
        while at < window.len() {
            let Some(header) = window.record(segments.seed(number), at, &segments.tuning).unwrap() else {
                at += 8;
                continue;
            };
            let payload = window.get(at + HEADER as u64, header.len as usize).unwrap().unwrap();
            let brought = match Event::decode(header.kind, payload) {
                Some(Event::Deliver(e)) => e.blob,
                Some(Event::Enqueue(e)) => e.deliver.map_or(0, |e| e.blob),
                _ => 0,
            };
            let here = (number, at as u32);
            let own = bodies.iter().filter(|(id, (_, places))| **id == brought || places.contains(&here));
            let messages = own.map(|(_, (octets, _))| octets.clone()).collect();
            let len = HEADER + header.len as usize;
            let record = Record { kind: header.kind, lsn: header.lsn, segment: number, at: at as usize, len, messages };
            records.push(record);
            durable = durable.max(header.durable);
            at += footprint(header.len as usize) as u64;
        }
    }
    records.retain(|record| record.lsn <= durable);
    records
}

/// Bodies that can be read, in any mailbox, and how many messages have others.
pub fn bodies(store: &Store) -> (BTreeSet<Vec<u8>>, usize) {
    let (mut found, mut damaged) = (BTreeSet::new(), 0);
    for mailbox in ACCOUNTS.flat_map(|account| store.mailboxes(AccountId(account)).unwrap()) {
        for row in store.messages(mailbox.id, Uid::MIN..=Uid::MAX, usize::MAX).unwrap() {
            let mut out = Vec::new();
            match store.read(row.blob, 0..u64::MAX, &mut out) {
                Ok(()) => drop(found.insert(out)),
                Err(StoreError::Damaged(blob)) => {
                    assert_eq!(blob, row.blob);
                    damaged += 1;
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
    (found, damaged)
}

/// Bodies that come out of the bare log, and how many messages have others.
pub fn rescued(disk: &Sim) -> (BTreeSet<Vec<u8>>, usize) {
    let bare = disk.copy();
    bare.remove(crate::catalogue::FILE).unwrap();
    let (mut found, mut damaged) = (BTreeSet::new(), 0);
    crate::rescue::rescue_from(Arc::new(bare), Path::new("data"), |message| {
        match message.body {
            Ok(octets) => drop(found.insert(octets)),
            Err(_) => damaged += 1,
        }
        Ok(())
    })
    .unwrap();
    (found, damaged)
}

#[test]
fn records_of_every_kind_are_damaged_somewhere() {
    let filled = [of_events(), with_snapshot()];
    for kind in Kind::KNOWN {
        assert!(filled.iter().any(|f| f.records.iter().any(|r| r.kind == kind)), "{kind:?}");
    }
    let snapshot = &filled[1];
    let begins = |r: &&Record| r.kind == Kind::SnapshotBegin && r.lsn == snapshot.snapshot;
    assert_eq!(snapshot.records.iter().filter(begins).count(), 1);
}
