//! The boot state: which root slot the boot loader starts, and how often it still tries. Read and written by this module
//! and by the boot loader's script (`buildroot/board/common/boot.cmd`), which has the same rules.
//!
//! Two copies lie in the gap before the first partition, at octets 524,288 and 786,432 of the disk: 256 KiB apart, so that a
//! flash chip that loses a block while it writes one copy does not lose the other. A copy is one sector:
//!
//! | octet | size | what |
//! |---|---|---|
//! | 0 | 8 | `RoostAB1` |
//! | 8 | 4 | sequence number, little-endian; the valid copy with the larger one counts |
//! | 12 | 1 | active slot: 0 is A (partition 2), 1 is B (partition 3) |
//! | 13 | 1 | tries left for the active slot while it is not good |
//! | 14 | 1 | 1: slot A is good |
//! | 15 | 1 | 1: slot B is good |
//! | 16 | 24 | version in slot A, ASCII, padded with zeros |
//! | 40 | 24 | version in slot B |
//! | 64 | 444 | zero |
//! | 508 | 4 | CRC-32 (IEEE 802.3) of octets 0 to 507, most significant octet first, as U-Boot's `crc32` stores it |
//!
//! A change is written over the copy that does not count, then synced: a write that is torn at any octet leaves the other.
//! At each start the loader boots a good active slot and writes nothing. A slot that is not good costs a try, which is
//! written down before it is started; when no try is left, the other slot's turn comes: for good if it is good, else with tries of
//! its own, because trying in turns is all that is left. A good slot without a kernel that can be loaded is no longer good. Without a valid copy slot A counts as good: that is how an image is shipped.

use crate::blocks::Blocks;
use heapless::String;
use std::fmt;
use std::io;

/// Where the copies lie on the disk.
pub const PLACES: [u64; 2] = [512 * 1024, 768 * 1024];
/// Octets of a copy.
pub const SIZE: usize = 512;
/// Starts that a new slot has to prove itself.
pub const TRIES: u8 = 3;

const MAGIC: &[u8; 8] = b"RoostAB1";
const CHECKSUM: usize = SIZE - 4;

/// A version as slots are labelled with it.
pub type Version = String<24>;

/// One of the two root slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotName {
    /// Partition 2.
    A,
    /// Partition 3.
    B,
}

impl SlotName {
    /// The one that is not this.
    pub fn other(self) -> SlotName {
        if self == SlotName::A { SlotName::B } else { SlotName::A }
    }
    /// Its partition's number.
    pub fn partition(self) -> u32 {
        self.index() as u32 + 2
    }
    /// The slot in this partition.
    pub fn of_partition(number: u32) -> Option<SlotName> {
        [SlotName::A, SlotName::B].into_iter().find(|slot| slot.partition() == number)
    }
    pub(crate) fn index(self) -> usize {
        usize::from(self == SlotName::B)
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == SlotName::A { "A" } else { "B" })
    }
}

/// What the loader goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootState {
    /// Counts the changes.
    pub sequence: u32,
    /// The slot that is started.
    pub active: SlotName,
    /// Starts it still has while it is not good.
    pub tries: u8,
    /// Whether A, and B, proved themselves.
    pub good: [bool; 2],
    /// What lies in A, and in B; empty if unknown.
    pub version: [Version; 2],
}

impl Default for BootState {
    /// As shipped: A is good, B is empty.
    fn default() -> BootState {
        BootState { sequence: 0, active: SlotName::A, tries: 0, good: [true, false], version: Default::default() }
    }
}

impl BootState {
    /// The state of a disk, and which copy it was read from; as shipped if there is none.
    pub fn read(disk: &impl Blocks) -> io::Result<BootState> {
        Ok(newest(disk)?.map(|(_, state)| state).unwrap_or_default())
    }

    /// Makes this the state of a disk: one number above what counts there now, over the copy that does not count.
    pub fn write(&mut self, disk: &impl Blocks) -> io::Result<()> {
        let (target, sequence) = match newest(disk)? {
            Some((copy, state)) => (1 - copy, state.sequence),
            None => (0, 0),
        };
        self.sequence = sequence.wrapping_add(1);
        disk.write_at(PLACES[target], &self.encode())?;
        disk.sync()
    }

    /// The sector.
    pub fn encode(&self) -> [u8; SIZE] {
        let mut sector = [0; SIZE];
        sector[..8].copy_from_slice(MAGIC);
        sector[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        sector[12] = self.active.index() as u8;
        sector[13] = self.tries;
        sector[14] = self.good[0].into();
        sector[15] = self.good[1].into();
        for (field, version) in sector[16..64].chunks_exact_mut(24).zip(&self.version) {
            field[..version.len()].copy_from_slice(version.as_bytes());
        }
        let checksum = crc32fast::hash(&sector[..CHECKSUM]);
        sector[CHECKSUM..].copy_from_slice(&checksum.to_be_bytes());
        sector
    }

    /// The state in a sector that is whole.
    pub fn decode(sector: &[u8; SIZE]) -> Option<BootState> {
        let checksum = crc32fast::hash(&sector[..CHECKSUM]).to_be_bytes();
        if sector[..8] != *MAGIC || sector[CHECKSUM..] != checksum {
            return None;
        }
        let version = |at: usize| {
            let text = sector[at..at + 24].iter().take_while(|byte| **byte != 0);
            text.map(|byte| char::from(*byte)).filter(char::is_ascii).collect()
        };
        Some(BootState {
            sequence: u32::from_le_bytes([sector[8], sector[9], sector[10], sector[11]]),
            active: if sector[12] == 1 { SlotName::B } else { SlotName::A },
            tries: sector[13],
            good: [sector[14] == 1, sector[15] == 1],
            version: [version(16), version(40)],
        })
    }

    /// Whether a slot proved itself.
    pub fn is_good(&self, slot: SlotName) -> bool {
        self.good[slot.index()]
    }

    /// The running slot works: it stays.
    pub fn mark_good(&mut self, slot: SlotName) {
        self.good[slot.index()] = true;
        self.active = slot;
        self.tries = 0;
    }

    /// The contents of a slot are about to change.
    pub fn empty(&mut self, slot: SlotName) {
        self.good[slot.index()] = false;
        self.version[slot.index()].clear();
    }

    /// A slot has new contents, which shall be started next.
    pub fn activate(&mut self, slot: SlotName, version: Version) {
        self.good[slot.index()] = false;
        self.version[slot.index()] = version;
        self.active = slot;
        self.tries = TRIES;
    }

    /// A slot does not work; whether there is another to go to.
    pub fn give_up(&mut self, slot: SlotName) -> bool {
        if !self.is_good(slot.other()) {
            return false;
        }
        self.good[slot.index()] = false;
        self.active = slot.other();
        self.tries = 0;
        true
    }

    /// What the loader does when the slot it chose has no kernel that it can start; whether the state changes. One that was
    /// good has two tries more: what could not be read may be read the next time.
    pub fn cannot_start(&mut self) -> bool {
        let was_good = std::mem::take(&mut self.good[self.active.index()]);
        if was_good {
            self.tries = TRIES - 1;
        }
        was_good
    }

    /// What the loader does at a start: the slot, and whether the state changes. The script has the same rules.
    pub fn start(&mut self) -> (SlotName, bool) {
        if self.is_good(self.active) {
            return (self.active, false);
        }
        if self.tries > 0 {
            self.tries -= 1;
        } else {
            self.active = self.active.other();
            self.tries = if self.is_good(self.active) { 0 } else { TRIES - 1 };
        }
        (self.active, true)
    }
}

/// The copy that counts.
fn newest(disk: &impl Blocks) -> io::Result<Option<(usize, BootState)>> {
    let mut found: Option<(usize, BootState)> = None;
    for (copy, place) in PLACES.into_iter().enumerate() {
        let mut sector = [0; SIZE];
        disk.read_at(place, &mut sector)?;
        let state = BootState::decode(&sector);
        if let Some(state) = state.filter(|s| found.as_ref().is_none_or(|(_, other)| s.sequence > other.sequence)) {
            found = Some((copy, state));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Memory;
    use proptest::prelude::*;

    fn disk() -> Memory {
        Memory::new(1 << 20)
    }

    fn states() -> impl Strategy<Value = BootState> {
        let version = || "[a-z0-9.-]{0,24}".prop_map(|text| text.chars().collect::<Version>());
        (any::<bool>(), 0..4u8, any::<[bool; 2]>(), version(), version()).prop_map(|(b, tries, good, v1, v2)| {
            BootState { sequence: 0, active: if b { SlotName::B } else { SlotName::A }, tries, good, version: [v1, v2] }
        })
    }

    #[test]
    fn a_shipped_disk_starts_slot_a_and_writes_nothing() {
        let mut state = BootState::read(&disk()).unwrap();
        assert_eq!(state, BootState::default());
        assert_eq!(state.start(), (SlotName::A, false));
    }

    #[test]
    fn a_new_slot_has_three_starts_then_the_old_one_is_back() {
        let mut state = BootState::default();
        state.activate(SlotName::B, "2".chars().collect());
        let starts: Vec<_> = (0..5).map(|_| state.start()).collect();
        use SlotName::{A, B};
        assert_eq!(starts, [(B, true), (B, true), (B, true), (A, true), (A, false)]);
    }

    #[test]
    fn a_slot_that_proved_itself_stays() {
        let mut state = BootState::default();
        state.activate(SlotName::B, Version::new());
        state.start();
        state.mark_good(SlotName::B);
        assert_eq!(state.start(), (SlotName::B, false));
        assert!(state.is_good(SlotName::A), "the old one is still there to go back to");
    }

    #[test]
    fn without_a_good_slot_both_are_tried_in_turns() {
        let mut state = BootState { good: [false, false], tries: TRIES, ..BootState::default() };
        for slot in [SlotName::A, SlotName::B, SlotName::A] {
            for _ in 0..TRIES {
                assert_eq!(state.start(), (slot, true));
            }
        }
        assert!(!state.give_up(SlotName::A));
    }

    #[test]
    fn an_update_that_broke_off_cannot_be_gone_back_to() {
        let mut state = BootState::default();
        state.mark_good(SlotName::B);
        state.empty(SlotName::A);
        assert!(!state.give_up(SlotName::B));
    }

    #[test]
    fn the_format_is_the_documented_one() {
        let mut state = BootState { sequence: 0x0102_0304, tries: 2, good: [true, false], ..BootState::default() };
        state.active = SlotName::B;
        state.version[1] = "1.2".chars().collect();
        let sector = state.encode();
        assert_eq!(sector[..16], *b"RoostAB1\x04\x03\x02\x01\x01\x02\x01\x00");
        assert_eq!(sector[40..44], *b"1.2\0");
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(sector[508..], crc32fast::hash(&sector[..508]).to_be_bytes());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut state in states(), mut next in states()) {
            let disk = disk();
            state.write(&disk).unwrap();
            prop_assert_eq!(&BootState::read(&disk).unwrap(), &state);
            next.write(&disk).unwrap();
            prop_assert_eq!(next.sequence, state.sequence + 1);
            prop_assert_eq!(BootState::read(&disk).unwrap(), next);
        }

        #[test]
        fn a_write_torn_at_any_octet_leaves_the_old_state_or_the_new(
            mut before in proptest::collection::vec(states(), 1..4), mut new in states(), torn in 0..=SIZE,
        ) {
            let disk = disk();
            for state in &mut before {
                state.write(&disk).unwrap();
            }
            let old = BootState::read(&disk).unwrap();
            disk.fail_after(Some(torn));
            let _ = new.write(&disk);
            disk.fail_after(None);
            let found = BootState::read(&disk).unwrap();
            prop_assert!(found == old || found == new, "{:?}", found);
            prop_assert_eq!(found == new, torn == SIZE);
            // And the next change takes the place of what was torn, never of what counts.
            let mut after = found.clone();
            after.mark_good(after.active);
            disk.fail_after(Some(torn.min(SIZE - 1)));
            prop_assert!(after.write(&disk).is_err());
            disk.fail_after(None);
            prop_assert_eq!(BootState::read(&disk).unwrap(), found);
        }

        #[test]
        fn a_flipped_octet_makes_a_copy_invalid(mut state in states(), at in 0..SIZE, flip in 1..=255u8) {
            let disk = disk();
            state.write(&disk).unwrap();
            let mut sector = state.encode();
            sector[at] ^= flip;
            prop_assert_eq!(BootState::decode(&sector), None);
            disk.write_at(PLACES[0], &sector).unwrap();
            prop_assert_eq!(BootState::read(&disk).unwrap(), BootState::default());
        }

        #[test]
        fn every_start_ends_on_a_good_slot_if_there_is_one(mut state in states()) {
            let some = state.good[0] || state.good[1];
            let last = (0..=TRIES + 1).map(|_| state.start().0).last().unwrap();
            prop_assert!(!some || state.is_good(last), "{:?}", state);
        }
    }
}
