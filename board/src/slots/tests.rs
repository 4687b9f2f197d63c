//! Updates into slots in memory: whole ones, and ones that are cut, changed, meant for others or hit by a power cut anywhere.

use super::*;
use crate::blocks::Memory;
use crate::bundle::{self, CHUNK};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

const SLOT: usize = 3 * CHUNK;

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn contents() -> Vec<u8> {
    (0..2 * CHUNK + 1000).map(|n| (n % 251) as u8).collect()
}

fn manifest() -> Manifest {
    let (size, chunks) = bundle::hash(contents().as_slice()).unwrap();
    Manifest {
        board: "virt".into(),
        version: "2.0".into(),
        built: 1_795_219_200,
        store_format: 3,
        store_reads: 2,
        size,
        chunks,
    }
}

fn packed(manifest: &Manifest, seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    bundle::write(manifest, &key(seed), contents().as_slice(), &mut bytes).unwrap();
    bytes
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| packed(&manifest(), 1));

/// A box that runs slot A, version 1.0, store format 2.
struct House {
    disk: Memory,
    idle: Memory,
    restarts: Arc<AtomicU32>,
}

impl House {
    fn new() -> House {
        House { disk: Memory::new(1 << 20), idle: Memory::new(SLOT), restarts: Arc::default() }
    }
    fn slots(&self) -> Slots<Memory> {
        let mut public = [0; 32];
        public.copy_from_slice(key(1).public_key().as_ref());
        let policy = Policy { keys: vec![[9; 32], public], board: "virt".into(), store_format: 2, capacity: u64::MAX };
        let restarts = self.restarts.clone();
        let restart = Box::new(move || {
            restarts.fetch_add(1, Ordering::Relaxed);
            io::Error::other("in a test nothing restarts")
        });
        Slots::new((self.disk.clone(), self.idle.clone()), SlotName::A, "1.0", policy, restart).unwrap()
    }
    fn install(&self, bytes: &[u8], piece: usize) -> Result<(), Refusal> {
        let mut slots = self.slots();
        let mut update = slots.initiate_update()?;
        for piece in bytes.chunks(piece) {
            update.write(piece)?;
        }
        update.complete()
    }
    fn next_start(&self) -> SlotName {
        BootState::read(&self.disk).unwrap().start().0
    }
}

fn refused(bytes: &[u8]) -> (Refusal, House) {
    let house = House::new();
    (house.install(bytes, 100_000).unwrap_err(), house)
}

#[test]
fn a_good_update_is_started_next_and_has_to_prove_itself() {
    let house = House::new();
    house.install(&GOOD, 65_536).unwrap();
    assert_eq!(house.next_start(), SlotName::B);
    assert_eq!(house.idle.contents()[..contents().len()], contents());
    let slot = house.slots().get_update_slot().unwrap();
    assert_eq!((slot.label.as_str(), slot.state), ("B", SlotState::Unverified));
    assert_eq!(slot.firmware.unwrap().version, "2.0");
    assert_eq!(house.slots().get_running_slot().unwrap().state, SlotState::Valid);
}

#[test]
fn one_octet_at_a_time_is_the_same() {
    let house = House::new();
    let mut slots = house.slots();
    let mut update = slots.initiate_update().unwrap();
    let (head, rest) = GOOD.split_at(2000);
    head.iter().for_each(|byte| assert_eq!(update.write(&[*byte]).unwrap(), 1));
    assert!(update.manifest().is_some());
    update.write(rest).unwrap();
    update.complete().unwrap();
    assert_eq!(house.next_start(), SlotName::B);
}

#[test]
fn a_bundle_that_is_not_for_this_houseis_refused_before_anything_is_written() {
    let good = manifest();
    type Case = (Manifest, u8, fn(&Refusal) -> bool);
    let cases: [Case; 7] = [
        (good.clone(), 2, |r| matches!(r, Refusal::Signature)),
        (Manifest { board: "rpi".into(), ..good.clone() }, 1, |r| matches!(r, Refusal::Board(_))),
        (Manifest { store_format: 1, store_reads: 1, ..good.clone() }, 1, |r| matches!(r, Refusal::StoreFormat { .. })),
        (Manifest { store_format: 4, store_reads: 3, ..good.clone() }, 1, |r| matches!(r, Refusal::StoreFormat { .. })),
        (Manifest { version: "a b".into(), ..good.clone() }, 1, |r| matches!(r, Refusal::Manifest(_))),
        (Manifest { size: 1, ..good.clone() }, 1, |r| matches!(r, Refusal::Manifest(_))),
        (Manifest { size: 4 * CHUNK as u64, chunks: vec![good.chunks[0]; 4], ..good.clone() }, 1, |r| {
            matches!(r, Refusal::TooLarge)
        }),
    ];
    for (manifest, seed, expected) in cases {
        let (refusal, house) = refused(&packed(&manifest, seed));
        assert!(expected(&refusal), "{manifest:?}: {refusal}");
        assert_eq!((house.idle.written(), house.disk.written()), (0, 0), "{refusal}");
    }
}

#[test]
fn octets_behind_the_end_are_refused() {
    let (refusal, house) = refused(&[GOOD.as_slice(), b"x"].concat());
    assert!(matches!(refusal, Refusal::TooLong));
    assert_eq!(house.next_start(), SlotName::A);
}

#[test]
fn a_slot_on_trial_takes_no_update_because_the_other_is_the_way_back() {
    let house = House::new();
    let mut state = BootState::default();
    state.activate(SlotName::A, "1.0".chars().collect());
    state.good[1] = true;
    state.write(&house.disk).unwrap();
    assert!(house.slots().on_trial().unwrap());
    assert!(matches!(house.install(&GOOD, 65_536), Err(Refusal::OnTrial)));

    house.slots().mark_running_slot_valid().unwrap();
    assert!(!house.slots().on_trial().unwrap());
    house.install(&GOOD, 65_536).unwrap();
}

#[test]
fn a_slot_on_trial_mends_no_data() {
    let house = House::new();
    house.slots().mend_data(Mend::Repair).unwrap();
    house.install(&GOOD, 1 << 20).unwrap();
    let mut trial = house.slots();
    trial.running = SlotName::B;
    assert!(matches!(trial.mend_data(Mend::Afresh), Err(Refusal::OnTrial)));
    assert!(house.disk.contents()[crate::mending::PLACE as usize..].starts_with(b"roost-data repair\n"));
}

#[test]
fn a_slot_that_fails_gives_way_to_the_other() {
    let house = House::new();
    let mut state = BootState::default();
    state.activate(SlotName::A, "1.0".chars().collect());
    state.good[1] = true;
    state.write(&house.disk).unwrap();
    let _ = house.slots().mark_running_slot_invalid_and_reboot();
    assert_eq!(house.restarts.load(Ordering::Relaxed), 1);
    assert_eq!(house.next_start(), SlotName::B);
}

#[test]
fn storage_that_does_not_keep_what_is_written_is_found_out() {
    let house = House::new();
    let mut slots = house.slots();
    let mut update = slots.initiate_update().unwrap();
    update.write(&GOOD).unwrap();
    house.idle.write_at(CHUNK as u64 + 7, b"rot").unwrap();
    assert!(matches!(update.finish(), Err(Refusal::ReadBack(1))));
    assert_eq!(house.next_start(), SlotName::A);
}

#[test]
fn after_a_refusal_nothing_more_is_taken() {
    let house = House::new();
    let mut slots = house.slots();
    let mut update = slots.initiate_update().unwrap();
    assert!(update.write(&[0; 100]).is_err());
    assert!(update.write(&GOOD).is_err());
    assert!(update.complete().is_err());
}

#[test]
fn power_lost_while_the_state_is_written_leaves_a_slot_that_can_be_started() {
    // Two changes of 512 octets: the idle slot is no longer good; the idle slot is to be started.
    for left in 0..=1024 {
        let house = House::new();
        let mut before = BootState { good: [true, true], ..BootState::default() };
        before.write(&house.disk).unwrap();
        house.disk.fail_after(Some(left));
        // The sync after the last octet fails too.
        assert!(house.install(&GOOD, 1 << 20).is_err());
        house.disk.fail_after(None);
        let state = BootState::read(&house.disk).unwrap();
        assert!(state.is_good(SlotName::A));
        assert_eq!(state.is_good(SlotName::B), left < 512, "{left}");
        assert_eq!(house.idle.written() > 0, left > 512, "{left}: contents before the state says so");
        assert_eq!(house.next_start() == SlotName::B, left == 1024, "{left}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_bundle_cut_anywhere_is_refused(cut in 0..GOOD.len(), piece in 1..300_000_usize) {
        let house = House::new();
        prop_assert!(matches!(house.install(&GOOD[..cut], piece), Err(Refusal::CutShort)));
        prop_assert_eq!(house.next_start(), SlotName::A);
    }

    #[test]
    fn a_bundle_with_any_octet_changed_is_refused(at in 0..GOOD.len(), flip in 1..=255u8) {
        let mut bytes = GOOD.clone();
        bytes[at] ^= flip;
        let (_, house) = refused(&bytes);
        prop_assert_eq!(house.next_start(), SlotName::A);
        // What was written until then is what was signed.
        let written = usize::try_from(house.idle.written()).unwrap();
        prop_assert_eq!(&house.idle.contents()[..written], &contents()[..written]);
    }

    #[test]
    fn the_head_and_manifest_may_be_anything(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let with_magic = [b"ROOSTUP1".as_slice(), &bytes].concat();
        for bytes in [bytes, with_magic] {
            let (_, house) = refused(&bytes);
            prop_assert_eq!(house.idle.written() + house.disk.written(), 0);
        }
    }

    #[test]
    fn power_lost_while_the_contents_are_written_leaves_the_running_slot(left in 0..contents().len()) {
        let house = House::new();
        house.idle.fail_after(Some(left));
        prop_assert!(matches!(house.install(&GOOD, 65_536), Err(Refusal::Storage(_))));
        let state = BootState::read(&house.disk).unwrap();
        prop_assert!(state.is_good(SlotName::A) && !state.is_good(SlotName::B));
        prop_assert_eq!(house.next_start(), SlotName::A);
    }
}
