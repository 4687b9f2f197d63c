//! What the kernel's log says of a disk that fails (Linux: Documentation/ABI/testing/dev-kmsg). Only administrators may read it: the
//! keeper counts and leaves the number where the daemon may read it.

use std::path::Path;

/// Where the number of faults since the start lies, below the root folder.
pub const FAULTS: &str = "run/hardware/faults";
/// Octets of a record, at most.
pub const RECORD: usize = 8192;

/// What the block layer says that means a fault of the disk; there is more, such as commands that it does not know.
const FAILURES: [&str; 6] =
    ["I/O", "timeout", "critical medium", "protection", "recoverable transport", "device offline"];
/// What it was about to do.
const DEEDS: [&str; 3] = [":(READ)", ":(WRITE)", ":(FLUSH)"];
/// What XFS says of octets that are not those that it wrote.
const DAMAGE: [&str; 2] = ["Metadata CRC error detected", "Metadata corruption detected"];

/// The name of the disk that holds a folder: `mmcblk0`.
pub fn disk_of(folder: &Path) -> Option<String> {
    let device = rustix::fs::stat(folder).ok()?.st_dev;
    let (disk, _) = crate::linux::hardware::disk_of(Path::new("/"), device)?;
    disk.file_name()?.to_str().map(str::to_owned)
}

/// Whether a record of `/dev/kmsg` tells of a fault of this disk. What programs wrote there says nothing.
pub fn is_fault(record: &[u8], disk: &str) -> bool {
    let record = String::from_utf8_lossy(record);
    let Some((prefix, text)) = record.split_once(';') else { return false };
    // Facility and level; the kernel's own is 0.
    let from_kernel = prefix.split(',').next().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n < 8);
    let text = text.lines().next().unwrap_or_default();
    from_kernel && (is_failure(text, disk) || is_damage(text, disk))
}

/// "I/O error, dev mmcblk0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"
fn is_failure(text: &str, disk: &str) -> bool {
    let Some((before, after)) = text.split_once(" error, dev ") else { return false };
    let ours = after.strip_prefix(disk).is_some_and(|rest| rest.starts_with(", sector "));
    ours && FAILURES.contains(&before) && DEEDS.iter().any(|deed| after.contains(deed))
}

/// "XFS (mmcblk0p4): Metadata CRC error detected at xfs_agf_read_verify+0xbc/0x100, xfs_agf block 0x1"
fn is_damage(text: &str, disk: &str) -> bool {
    let Some((device, said)) = text.strip_prefix("XFS (").and_then(|rest| rest.split_once("): ")) else { return false };
    let partition = |rest: &str| rest.trim_start_matches('p').chars().all(|c| c.is_ascii_digit());
    device.strip_prefix(disk).is_some_and(partition) && DAMAGE.iter().any(|damage| said.starts_with(damage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_goes_wrong_with_the_disk_is_a_fault() {
        for text in [
            "I/O error, dev mmcblk0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "I/O error, dev mmcblk0, sector 8 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2\n SUBSYSTEM=block",
            "timeout error, dev mmcblk0, sector 0 op 0x2:(FLUSH) flags 0x0 phys_seg 0 prio class 2",
            "critical medium error, dev mmcblk0, sector 81 op 0x0:(READ) flags 0x80700 phys_seg 4 prio class 2",
            "XFS (mmcblk0p4): Metadata CRC error detected at xfs_agf_read_verify+0xbc/0x100, xfs_agf block 0x1",
            "XFS (mmcblk0p4): Metadata corruption detected at xfs_inode_buf_verify+0x1/0x2, xfs_inode block 0x80",
        ] {
            assert!(is_fault(format!("3,339,5140900,-;{text}\n").as_bytes(), "mmcblk0"), "{text}");
        }
    }

    #[test]
    fn what_is_said_of_others_or_by_others_is_none() {
        for record in [
            // another disk
            "3,339,5140900,-;I/O error, dev mmcblk1, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "3,339,5140900,-;I/O error, dev mmcblk0boot0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "3,339,5140900,-;XFS (sda1): Metadata CRC error detected at xfs_agf_read_verify, xfs_agf block 0x1",
            // nothing was lost
            "3,339,5140900,-;I/O error, dev mmcblk0, sector 8 op 0x3:(DISCARD) flags 0x800 phys_seg 1 prio class 2",
            "3,1,2,-;operation not supported error, dev mmcblk0, sector 8 op 0x9:(WRITE_ZEROES) flags 0x0 phys_seg 0",
            "6,1,2,-;XFS (mmcblk0p4): Ending clean mount",
            // a program
            "11,339,5140900,-;I/O error, dev mmcblk0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "6,1,2,-;usb 1-1: I/O error, dev mmcblk0, sector 8 op 0x0:(READ)",
            "6,1,2,-;x\nI/O error, dev mmcblk0, sector 8 op 0x0:(READ)",
            "",
        ] {
            assert!(!is_fault(record.as_bytes(), "mmcblk0"), "{record}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_record_holds_is_read(record in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
            prop_assert!(!is_fault(&record, "mmcblk0"));
            let record = ["3,1,2,-;", &text].concat();
            prop_assert!(!is_fault(record.as_bytes(), "mmcblk0"));
        }
    }
}
