//! What the start of the data partition is asked to do, and what it remembers: one word in a sector of the gap before the first
//! partition, between the table and the boot state. The other side is `buildroot/overlay/etc/init.d/S20data`.
//!
//! | word | means |
//! |---|---|
//! | none, `new` | a card as it was written, or erased: a data partition that begins with zeros is formatted |
//! | `made` | the partition was mounted once: whatever it looks like now, it is not formatted |
//! | `repair` | the next start repairs the file system before it mounts it |
//! | `afresh` | the next start erases the partition and formats it |
//!
//! A word is one sector, written at once: a power cut leaves it or the one before.

use crate::blocks::Blocks;
use std::io;

/// Where the word lies on the disk.
pub const PLACE: u64 = 256 * 1024;
/// Octets of its sector.
pub const SIZE: usize = 512;
/// What stands before the word.
const BEFORE: &str = "roost-data ";

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Repair the file system.
    Repair,
    /// Erase everything.
    Afresh,
}

/// Asks the next start of this disk.
pub fn ask(disk: &impl Blocks, mend: Mend) -> io::Result<()> {
    let word = match mend {
        Mend::Repair => "repair",
        Mend::Afresh => "afresh",
    };
    let mut sector = [0; SIZE];
    let text = format!("{BEFORE}{word}\n");
    sector[..text.len()].copy_from_slice(text.as_bytes());
    disk.write_at(PLACE, &sector)?;
    disk.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Memory;
    use crate::boot_state::PLACES;

    #[test]
    fn the_script_reads_what_is_asked_and_the_boot_state_stays() {
        let disk = Memory::new(1 << 20);
        let before = disk.contents();
        ask(&disk, Mend::Afresh).unwrap();
        ask(&disk, Mend::Repair).unwrap();
        let after = disk.contents();
        let place = PLACE as usize;
        assert_eq!(after[place..].iter().copied().take_while(|b| *b != 0).collect::<Vec<_>>(), b"roost-data repair\n");
        assert_eq!(after[place + SIZE..], before[place + SIZE..]);
        assert!(PLACES.iter().all(|copy| PLACE + SIZE as u64 <= *copy));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../buildroot/overlay/etc/init.d/S20data");
        let script = std::fs::read_to_string(script).unwrap();
        for said in
            [format!("memory_sector={}", place / SIZE), format!("'{BEFORE}%s"), "repair)".into(), "afresh)".into()]
        {
            assert!(script.contains(&said), "{said}");
        }
    }
}
