//! A store learns a dictionary from its own mail: what was written before stays readable, wherever it is moved.

use super::properties::{options, small};
use super::sim::{Random, Sim};
use super::*;
use crate::catalogue::{BLOBS, BlobRow, FILE, SHARED, SharedRow, value};
use crate::dictionary::BUILT_IN;
use crate::open::open_tuned;
use crate::record::{HEADER, PART_HEADER, PartHead, Position};
use crate::segment::{self, path};
use crate::tuning::Tuning;
use redb::ReadableTable;
use std::collections::{BTreeMap, BTreeSet};

/// Learns soon, and takes what it learned in any case.
pub fn learning() -> Tuning {
    Tuning { learn: 4_000, dictionary: 1_024, gain: -100, learn_aside: false, ..small() }
}

fn open(disk: &Sim, tuning: Tuning) -> Store {
    open_tuned(Arc::new(disk.clone()), options(), tuning).map_err(|f| f.at(Path::new(""))).unwrap()
}

/// Text such as a household gets.
fn text(seed: u64, words: u64) -> Vec<u8> {
    const WORDS: [&str; 8] = ["boiler", "garden", "invoice", "Tuesday", "children", "platform", "concert", "umbrella"];
    let mut random = Random::new(seed);
    let mut text = format!("Subject: {seed}\r\n\r\n");
    for _ in 0..words {
        text += WORDS[random.below(8) as usize];
        text += [" ", ", ", ".\r\n"][random.below(3) as usize];
    }
    text.into_bytes()
}

/// The dictionaries that segments carry, and how many carry each.
pub fn carried(store: &Store) -> BTreeMap<u32, usize> {
    let mut found = BTreeMap::new();
    let segments = &store.inner.shared.segments;
    for number in segment::numbers(segments.disk().as_ref()).unwrap() {
        if let Some(dictionary) = segments.carried(number) {
            *found.entry(dictionary.number).or_default() += 1;
        }
    }
    found
}

fn present(store: &Store) -> u32 {
    store.inner.shared.segments.codec.dictionary.present().number
}

/// Whether each living part is compressed with the dictionary that its own segment carries.
pub fn check_codings(store: &Store) -> Result<(), String> {
    let shared = &store.inner.shared;
    // meanwhile nothing is given back
    let _all = shared.segments.pin([0]);
    let (_, view) = store.ask(crate::jobs::Job::Barrier).map_err(|e| e.to_string())?;
    let mut places = BTreeSet::<Position>::new();
    if let Ok(blobs) = view.open_table(BLOBS) {
        for entry in blobs.iter().unwrap() {
            let row: BlobRow = value(entry.unwrap().1.value()).unwrap();
            let own = row.extents.iter().filter(|e| e.shared.is_none() && row.references > 0);
            places.extend(own.map(|extent| extent.at));
        }
    }
    if let Ok(parts) = view.open_table(SHARED) {
        for entry in parts.iter().unwrap() {
            let row: SharedRow = value(entry.unwrap().1.value()).unwrap();
            places.extend((row.references > 0).then_some(row.at));
        }
    }
    for at in places {
        let mut head = [0; PART_HEADER];
        let file = shared.segments.file(at.segment).map_err(|e| e.to_string())?;
        file.read(u64::from(at.offset) + HEADER as u64, &mut head).map_err(|e| e.to_string())?;
        let coding = PartHead::decode(&head).unwrap().0.coding;
        let carried = shared.segments.carried(at.segment).map(|d| d.number);
        if coding != 0 && Some(coding) != carried {
            return Err(format!("{at:?} is compressed with {coding}, its segment carries {carried:?}"));
        }
    }
    Ok(())
}

fn healthy(store: &Store) {
    check_codings(store).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_learned_dictionary_makes_mail_smaller_and_stays_after_a_start() {
    let disk = Sim::new();
    let store = open(&disk, learning());
    let inbox = inbox(&store);
    let mut mail = Vec::new();
    let mut fill = |store: &Store, from: u64| {
        let before = store.stats().mail_bytes;
        mail.extend((from..from + 30).map(|n| (put(store, inbox, &text(n, 60)), n)));
        for (uid, n) in &mail {
            assert_eq!(get(store, inbox, *uid), text(*n, 60));
        }
        healthy(store);
        store.stats().mail_bytes - before
    };
    let first = fill(&store, 0);
    let own = present(&store);
    assert!(carried(&store).into_keys().eq([BUILT_IN, own]), "{:?}", carried(&store));
    let second = fill(&store, 100);
    assert!(second * 100 < first * 95, "{second} after {first}");
    store.close().unwrap();
    // it goes on with the same until it has learned again and a segment is full
    let store = open(&disk, learning());
    assert_eq!(present(&store), own);
    let mut n = 1_000;
    while present(&store) == own {
        put(&store, inbox, &text(n, 60));
        assert_eq!(carried(&store).len(), if present(&store) == own { 2 } else { 3 });
        n += 1;
        assert!(n < 1_400, "no segment with another dictionary begins");
    }
    assert!(n > 1_008, "a segment begins before its time");
    fill(&store, 400);
    assert_eq!(carried(&store).len(), 3);
    store.close().unwrap();
    crate::disk::Disk::remove(&disk, FILE).unwrap();
    fill(&open(&disk, learning()), 500);
}

#[test]
fn it_is_learned_beside_the_writer() {
    let disk = Sim::new();
    let store = open(&disk, Tuning { learn_aside: true, ..learning() });
    let inbox = inbox(&store);
    let mut uids = Vec::new();
    while present(&store) == BUILT_IN {
        uids.push(put(&store, inbox, &text(uids.len() as u64, 20)));
        assert!(uids.len() < 20_000, "nothing is learned");
    }
    for (n, uid) in uids.iter().enumerate() {
        assert_eq!(get(&store, inbox, *uid), text(n as u64, 20));
    }
    healthy(&store);
}

#[test]
fn nothing_is_learned_from_what_does_not_compress() {
    let disk = Sim::new();
    let store = open(&disk, Tuning { gain: 3, ..learning() });
    let inbox = inbox(&store);
    let mut random = Random::new(1);
    for _ in 0..30 {
        let noise: Vec<u8> = (0..500).map(|_| (random.next() >> 32) as u8).collect();
        put(&store, inbox, &noise);
    }
    assert!(carried(&store).into_keys().eq([BUILT_IN]));
    healthy(&store);
}

#[test]
fn a_message_on_its_way_in_is_compressed_again() {
    let disk = Sim::new();
    let store = open(&disk, learning());
    let inbox = inbox(&store);
    let (slow, slower) = (text(1, 400), text(2, 300));
    let mut drafts = [draft(&store, &slow), draft(&store, &slower[..2_000])];
    for n in 10..30 {
        put(&store, inbox, &text(n, 60));
    }
    assert_ne!(present(&store), BUILT_IN);
    drafts[1].write(&slower[2_000..]).unwrap();
    let bodies = [slow, slower];
    for (draft, body) in drafts.into_iter().zip(&bodies) {
        let uid = store.deliver(draft, &[target(inbox, Flags::default())]).unwrap().remove(0).unwrap().uid;
        assert_eq!(get(&store, inbox, uid), *body);
    }
    healthy(&store);
}

/// Mail comes and most of it goes until none is left where it was written first.
#[test]
fn what_lives_is_copied_with_another_dictionary() {
    let disk = Sim::new();
    let tuning = Tuning { segment: 32 * 1024, ..learning() };
    let mut store = open(&disk, tuning);
    let inbox = inbox(&store);
    let with_attachment = |n: u64| {
        let octets: Vec<u8> = (0..900_u64).map(|k| ((k * n) >> 3) as u8 & 0x3F).collect();
        let mut message = text(n, 40);
        crate::body::to_base64(&octets, 76, &mut message);
        message
    };
    let kept: Vec<(Uid, u64)> = (0..5).map(|n| (put(&store, inbox, &with_attachment(n)), n)).collect();
    let (mut copied, mut numbers) = (0, BTreeSet::new());
    for round in 0..4 {
        for n in 0..100 {
            let uids: Vec<Uid> =
                (0..6).map(|k| put(&store, inbox, &text(1_000 + round * 1_000 + n * 6 + k, 200))).collect();
            store.expunge(inbox, Expunge::These(&uids)).unwrap();
        }
        for (uid, n) in &kept {
            assert_eq!(get(&store, inbox, *uid), with_attachment(*n));
        }
        healthy(&store);
        numbers.insert(present(&store));
        copied += store.stats().reclaim_bytes;
        store.close().unwrap();
        if round % 2 == 1 {
            crate::disk::Disk::remove(&disk, FILE).unwrap();
        }
        store = open(&disk, tuning);
    }
    assert!(copied > 0 && numbers.len() > 2, "{copied} {numbers:?}");
    let left = carried(&store);
    assert!(!left.contains_key(&BUILT_IN) && left.len() < numbers.len(), "{left:?} of {numbers:?}");
    for (uid, n) in &kept {
        assert_eq!(get(&store, inbox, *uid), with_attachment(*n));
    }
    store.health().unwrap();
}

/// A store whose second segment and `more` after it carry a dictionary of its own, and its mail by segments.
fn learned(more: usize) -> (Sim, BTreeMap<u32, Vec<(Uid, u64)>>) {
    let disk = Sim::new();
    let store = open(&disk, learning());
    let inbox = inbox(&store);
    let mut mail = BTreeMap::<u32, Vec<_>>::new();
    let mut n = 0;
    while carried(&store).values().sum::<usize>() < 2 + more || mail.values().last().is_none_or(|last| last.len() < 5) {
        let uid = put(&store, inbox, &text(n, 60));
        let segment = *segment::numbers(store.inner.shared.segments.disk().as_ref()).unwrap().last().unwrap();
        mail.entry(segment).or_default().push((uid, n));
        n += 1;
    }
    assert_eq!(carried(&store).len(), 2);
    store.close().unwrap();
    (disk, mail)
}

fn lost(store: &Store, mail: &[(Uid, u64)]) -> usize {
    let inbox = mailbox(store, "INBOX");
    let unreadable = |(uid, n): &&(Uid, u64)| {
        let row = store.message(inbox, *uid).unwrap().unwrap();
        let mut out = Vec::new();
        match store.read(row.blob, 0..u64::MAX, &mut out) {
            Ok(()) => {
                assert_eq!(out, text(*n, 60));
                false
            }
            Err(e) => {
                assert!(matches!(e, StoreError::Damaged(blob) if blob == row.blob));
                true
            }
        }
    };
    mail.iter().filter(unreadable).count()
}

#[test]
fn a_damaged_dictionary_is_found_in_another_segment() {
    for segment in [2, 3] {
        let (disk, mail) = learned(1);
        disk.tamper(&path(segment), |bytes| bytes[4_096 + 200] ^= 1);
        let store = open(&disk, learning());
        for mail in mail.values() {
            assert_eq!(lost(&store, mail), 0);
        }
        assert_eq!(store.check().unwrap(), [format!("the dictionary of log segment {segment} is damaged")]);
        // what comes now does not hang on the damaged one
        let own = present(&store);
        let uid = put(&store, inbox(&store), &text(7_000, 60));
        assert_eq!(lost(&store, &[(uid, 7_000)]), 0);
        check_codings_of_new(&store, own);
    }
}

/// The newest segment carries this dictionary.
fn check_codings_of_new(store: &Store, number: u32) {
    let segments = &store.inner.shared.segments;
    let newest = *segment::numbers(segments.disk().as_ref()).unwrap().last().unwrap();
    assert_eq!(segments.carried(newest).map(|d| d.number), Some(number));
}

#[test]
fn a_dictionary_lost_for_good_costs_what_was_compressed_with_it() {
    for (octet, what) in [(4_096 + 200, "dictionary"), (30, "header")] {
        let (disk, mail) = learned(0);
        disk.tamper(&path(2), |bytes| bytes[octet] ^= 1);
        let store = open(&disk, learning());
        // the built-in one is all there is
        assert_eq!(present(&store), BUILT_IN);
        assert_eq!((lost(&store, &mail[&1]), lost(&store, &mail[&2])), (0, mail[&2].len()));
        let faults = store.check().unwrap();
        assert_eq!(faults[0], format!("the {what} of log segment 2 is damaged"));
        assert_eq!(faults.len(), 1 + mail[&2].len());
        assert!(faults[1..].iter().all(|f| f.ends_with("in \"INBOX\" of account 1 cannot be read")), "{faults:?}");
        let inbox = inbox(&store);
        let more: Vec<(Uid, u64)> = (8_000..8_030).map(|n| (put(&store, inbox, &text(n, 60)), n)).collect();
        assert_eq!(lost(&store, &more), 0);
        // the number of what was lost is not given again
        let numbers = carried(&store);
        assert!(numbers.len() == 2 && !numbers.contains_key(&(BUILT_IN + 2)), "{numbers:?}");
    }
}
