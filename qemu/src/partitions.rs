//! The partition table of a disk: an MBR with four primary entries.

use crate::{Error, Result};

/// Octets of a sector, the unit of the table.
const SECTOR: u64 = 512;
/// Where the four entries of 16 octets begin.
const TABLE: usize = 446;

/// One entry of the table, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// First octet.
    pub start: u64,
    /// Size in octets.
    pub size: u64,
    /// Its type, 0x83 for Linux.
    pub kind: u8,
}

impl Partition {
    /// First octet behind it.
    pub fn end(&self) -> u64 {
        self.start + self.size
    }
}

/// The partitions that the first sector of a disk tells of, in the table's order.
pub fn read_partitions(sector: &[u8]) -> Result<Vec<Partition>> {
    if sector.get(510..512) != Some(&[0x55, 0xaa]) {
        return Err(Error::new("the disk has no MBR"));
    }
    let entries = sector[TABLE..510].chunks_exact(16);
    Ok(entries.filter(|entry| entry[4] != 0).map(parse_entry).collect())
}

fn parse_entry(entry: &[u8]) -> Partition {
    let number = |at: usize| u64::from(u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]));
    Partition { start: number(8) * SECTOR, size: number(12) * SECTOR, kind: entry[4] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector_with(entries: &[(u8, u32, u32)]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        for (n, (kind, start, size)) in entries.iter().enumerate() {
            let at = TABLE + n * 16;
            sector[at + 4] = *kind;
            sector[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            sector[at + 12..at + 16].copy_from_slice(&size.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    #[test]
    fn entries_are_told_in_octets() {
        let sector = sector_with(&[(0x0c, 2048, 131_072), (0x83, 133_120, 65_536)]);
        let table = read_partitions(&sector).unwrap();
        assert_eq!(
            table,
            [
                Partition { start: 1 << 20, size: 64 << 20, kind: 0x0c },
                Partition { start: 65 << 20, size: 32 << 20, kind: 0x83 },
            ]
        );
        assert_eq!(table[0].end(), table[1].start);
    }

    #[test]
    fn the_largest_entry_does_not_overflow() {
        let table = read_partitions(&sector_with(&[(0x83, u32::MAX, u32::MAX)])).unwrap();
        assert_eq!(table[0].end(), 2 * u64::from(u32::MAX) * 512);
    }

    #[test]
    fn unused_entries_are_left_out() {
        assert_eq!(read_partitions(&sector_with(&[])).unwrap(), []);
    }

    #[test]
    fn a_disk_without_a_table_is_an_error() {
        assert!(read_partitions(&[0; 512]).is_err());
        assert!(read_partitions(&[0; 10]).is_err());
    }
}
