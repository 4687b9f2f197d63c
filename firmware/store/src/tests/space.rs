//! Space comes back: dead segments are written again, holes are made, what lives in nearly dead segments is copied.

use super::properties::{options, small};
use super::sim::Random;
use super::*;
use crate::disk::{Disk, Memory};
use crate::open::open_tuned;
use crate::tuning::Tuning;

fn noise(seed: u64, octets: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..octets).map(|_| (random.next() >> 32) as u8).collect()
}

fn open(disk: &Memory, tuning: Tuning) -> Store {
    open_tuned(Arc::new(disk.clone()), options(), tuning).map_err(|f| f.at(Path::new(""))).unwrap()
}

/// Waits until the writer has done what it does when it has time.
fn settle(store: &Store) {
    // every step of a snapshot comes before the next operation that follows a pause
    for _ in 0..2_000 {
        store.set_subscribed(ME, &name("settle"), true).unwrap();
        store.set_subscribed(ME, &name("settle"), false).unwrap();
        if store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            return;
        }
    }
    panic!("nothing was given back");
}

fn log_octets(disk: &Memory) -> u64 {
    disk.list("log").unwrap().iter().map(|n| disk.open(&format!("log/{n}"), false).unwrap().len().unwrap()).sum()
}

#[test]
fn mail_that_comes_and_goes_needs_no_more_and_more_space() {
    let disk = Memory::new();
    let store = open(&disk, small());
    let inbox = inbox(&store);
    let kept: Vec<Uid> = (0..5).map(|n| put(&store, inbox, &noise(n, 2_000))).collect();
    let mut most = 0;
    for round in 0..60 {
        let uids: Vec<Uid> = (0..8).map(|n| put(&store, inbox, &noise(100 + round * 8 + n, 4_000))).collect();
        store.expunge(inbox, Expunge::These(&uids)).unwrap();
        if round == 20 {
            settle(&store);
            most = log_octets(&disk);
        }
    }
    // 40 more rounds wrote 1.3 MB
    assert!(log_octets(&disk) < most + 400_000, "{} after {most}", log_octets(&disk));
    assert!(store.stats().reclaim_bytes > 0);
    for (n, uid) in kept.iter().enumerate() {
        assert_eq!(get(&store, inbox, *uid), noise(n as u64, 2_000));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.close().unwrap();
    // the log alone is enough, although parts of it are gone
    let segments = crate::segment::numbers(&disk).unwrap();
    assert!(segments.len() < *segments.last().unwrap() as usize, "{segments:?}");
    disk.remove(crate::catalogue::FILE).unwrap();
    let store = open(&disk, small());
    for (n, uid) in kept.iter().enumerate() {
        assert_eq!(get(&store, inbox, *uid), noise(n as u64, 2_000));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn segments_are_written_again_after_a_restart_too() {
    let disk = Memory::new();
    let store = open(&disk, small());
    let inbox_id = inbox(&store);
    let spare = || disk.list("log").unwrap().into_iter().filter(|name| name.starts_with("spare-")).count();
    for round in 0.. {
        let uids: Vec<Uid> = (0..8).map(|n| put(&store, inbox_id, &noise(round * 8 + n, 4_000))).collect();
        store.expunge(inbox_id, Expunge::These(&uids)).unwrap();
        settle(&store);
        if spare() > 1 {
            break;
        }
        assert!(round < 100, "nothing is kept to be written again");
    }
    store.close().unwrap();
    let before = spare();
    let store = open(&disk, small());
    let mut kept = Vec::new();
    while spare() >= before {
        kept.push(put(&store, inbox_id, &noise(kept.len() as u64, 4_000)));
        assert!(kept.len() < 100, "none is written again");
    }
    for (n, uid) in kept.iter().enumerate() {
        assert_eq!(get(&store, inbox_id, *uid), noise(n as u64, 4_000));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_damaged_header_does_not_hide_the_snapshot() {
    for octet in [0, 45] {
        let disk = Memory::new();
        let store = open(&disk, small());
        let inbox = inbox(&store);
        let kept = put(&store, inbox, &noise(1, 2_000));
        for round in 0..30 {
            let uids: Vec<Uid> = (0..8).map(|n| put(&store, inbox, &noise(100 + round * 8 + n, 4_000))).collect();
            store.expunge(inbox, Expunge::These(&uids)).unwrap();
        }
        settle(&store);
        let last = put(&store, inbox, &noise(2, 2_000));
        store.close().unwrap();
        // the newest segment that has records, and the catalogue
        let newest = crate::segment::numbers(&disk).unwrap().pop().unwrap();
        disk.open(&crate::segment::path(newest), false).unwrap().write(octet, b"?").unwrap();
        disk.remove(crate::catalogue::FILE).unwrap();
        let store = open(&disk, small());
        assert_eq!(get(&store, inbox, kept), noise(1, 2_000), "octet {octet}");
        assert_eq!(get(&store, inbox, last), noise(2, 2_000), "octet {octet}");
    }
}

#[test]
fn a_message_on_its_way_in_keeps_its_place() {
    let disk = Memory::new();
    let store = open(&disk, small());
    let inbox = inbox(&store);
    let body = noise(1, 20_000);
    let mut slow = draft(&store, &body[..10_000]);
    for round in 0..30 {
        let uids: Vec<Uid> = (0..8).map(|n| put(&store, inbox, &noise(100 + round * 8 + n, 4_000))).collect();
        store.expunge(inbox, Expunge::These(&uids)).unwrap();
    }
    settle(&store);
    slow.write(&body[10_000..]).unwrap();
    let uid = store.deliver(slow, &[target(inbox, Flags::default())]).unwrap().remove(0).unwrap().uid;
    assert_eq!(get(&store, inbox, uid), body);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn the_little_that_lives_is_copied_and_the_rest_punched() {
    let disk = Memory::new();
    let store = open(&disk, small());
    let inbox = inbox(&store);
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for n in 0..120 {
        let uid = put(&store, inbox, &noise(n, 4_000));
        // few of the first ones, more of the later ones
        if n % (if n < 60 { 15 } else { 4 }) == 0 { kept.push((n, uid)) } else { gone.push(uid) }
    }
    store.expunge(inbox, Expunge::These(&gone)).unwrap();
    settle(&store);
    for (n, uid) in &kept {
        assert_eq!(get(&store, inbox, *uid), noise(*n, 4_000));
    }
    let copied = store.stats().reclaim_bytes;
    assert!(copied > 4_000, "{copied}");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.close().unwrap();
    disk.remove(crate::catalogue::FILE).unwrap();
    let store = open(&disk, small());
    for (n, uid) in &kept {
        assert_eq!(get(&store, inbox, *uid), noise(*n, 4_000));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

/// A disk without room for anything new.
#[derive(Debug)]
struct Full(Memory);

impl Disk for Full {
    fn open(&self, name: &str, create: bool) -> std::io::Result<Arc<dyn crate::disk::DiskFile>> {
        self.0.open(name, create)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn list(&self, folder: &str) -> std::io::Result<Vec<String>> {
        self.0.list(folder)
    }
    fn sync_names(&self) -> std::io::Result<()> {
        self.0.sync_names()
    }
    fn free(&self) -> std::io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_gives_space_back_although_it_was_opened_anew_and_takes_nothing() {
    let disk = Memory::new();
    let store = open(&disk, small());
    let inbox_id = inbox(&store);
    let uids: Vec<Uid> = (0..50).map(|n| put(&store, inbox_id, &noise(n, 4_000))).collect();
    // enough to be worth it, but not an eighth of what lives
    store.expunge(inbox_id, Expunge::These(&uids[..5])).unwrap();
    store.close().unwrap();
    let reserve = Options { reserve: 1, ..options() };
    let store = open_tuned(Arc::new(Full(disk.clone())), reserve, small()).map_err(|f| f.at(Path::new(""))).unwrap();
    let reclaims = || store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed);
    for n in 0.. {
        let mut draft = store.draft().unwrap();
        let refused = draft.write(&noise(n, 8_000)).err();
        assert!(matches!(refused, Some(StoreError::Full)), "{refused:?}");
        if reclaims() > 0 {
            break;
        }
        assert!(n < 10_000, "nothing is given back");
    }
    for (n, uid) in uids.iter().enumerate().skip(5) {
        assert_eq!(get(&store, inbox_id, *uid), noise(n as u64, 4_000));
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
