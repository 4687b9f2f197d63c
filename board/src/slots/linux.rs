//! The slots of the machine this runs on: which partitions they are, and what an update has to be like here.

use super::{Restart, Slots};
use crate::blocks::Device;
use crate::boot_state::SlotName;
use crate::bundle::{Policy, Refusal, from_hex};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the image says what it is and whom it trusts.
const RELEASE: &str = "etc/roost-release";
const KEYS: &str = "etc/roost-update.keys";

impl Slots<Device> {
    /// The slots of this machine; the daemon's store format is the one that the mail is in.
    pub fn of_this_machine(store_format: u32, restart: Restart) -> Result<Slots<Device>, Refusal> {
        let found = Found::look(Path::new("/"), rustix::fs::stat("/").map_err(std::io::Error::from)?.st_dev)?;
        let release = Release::read(Path::new("/"))?;
        let keys = keys(Path::new("/"))?;
        let policy = Policy { keys, board: release.board, store_format, capacity: u64::MAX };
        let devices = (Device::open(&found.disk)?, Device::open(&found.idle)?);
        Ok(Slots::new(devices, found.running, &release.version, policy, restart)?)
    }
}

/// The devices of a machine with slots.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    disk: PathBuf,
    idle: PathBuf,
    running: SlotName,
}

impl Found {
    /// Looks at `/proc` and `/sys` below `root`.
    fn look(root: &Path, root_device: u64) -> Result<Found, Refusal> {
        let none = |why: &str| Refusal::NoSlots(why.to_owned());
        let arguments = fs::read_to_string(root.join("proc/cmdline")).unwrap_or_default();
        if !arguments.split_ascii_whitespace().any(|word| word.starts_with("roost.slot=")) {
            return Err(none("it was not started by our boot loader"));
        }
        let (major, minor) = (rustix::fs::major(root_device), rustix::fs::minor(root_device));
        let partition = fs::canonicalize(root.join(format!("sys/dev/block/{major}:{minor}")))
            .map_err(|_| none("its root is on no partition"))?;
        let number = |folder: &Path| fs::read_to_string(folder.join("partition")).ok()?.trim().parse().ok();
        let running =
            number(&partition).and_then(SlotName::of_partition).ok_or_else(|| none("its root is on no slot"))?;
        let disk = partition.parent().ok_or_else(|| none("its root is on no disk"))?;
        let wanted = Some(running.other().partition());
        let mut siblings = fs::read_dir(disk)?.flatten().map(|entry| entry.path());
        let idle = siblings.find(|path| number(path) == wanted).ok_or_else(|| none("there is no other slot"))?;
        let device = |path: &Path| path.file_name().map(|name| root.join("dev").join(name));
        let (disk, idle) = (device(disk), device(&idle));
        disk.zip(idle).map(|(disk, idle)| Found { disk, idle, running }).ok_or_else(|| none("its root is on no disk"))
    }
}

/// What `/etc/roost-release` says.
#[derive(Debug, PartialEq, Eq)]
struct Release {
    version: String,
    board: String,
}

impl Release {
    fn read(root: &Path) -> Result<Release, Refusal> {
        let text = fs::read_to_string(root.join(RELEASE)).unwrap_or_default();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        match (value("VERSION"), value("BOARD")) {
            (Some(version), Some(board)) if !board.is_empty() => {
                Ok(Release { version: version.to_owned(), board: board.to_owned() })
            }
            _ => Err(Refusal::NoSlots(format!("/{RELEASE} does not say version and board"))),
        }
    }
}

/// The public keys whose updates are taken: one a line, in hexadecimal.
fn keys(root: &Path) -> Result<Vec<[u8; 32]>, Refusal> {
    let text = fs::read_to_string(root.join(KEYS)).unwrap_or_default();
    let keys: Option<Vec<_>> = text.lines().filter(|line| !line.is_empty()).map(|line| from_hex(line.trim())).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(keys),
        _ => Err(Refusal::NoSlots(format!("/{KEYS} has no key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A machine whose root is partition `number` of vda.
    fn machine(number: u32, cmdline: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join("sys/devices/virtio0/block/vda");
        for n in 1..=4 {
            let partition = disk.join(format!("vda{n}"));
            fs::create_dir_all(&partition).unwrap();
            fs::write(partition.join("partition"), format!("{n}\n")).unwrap();
        }
        fs::create_dir_all(root.path().join("sys/dev/block")).unwrap();
        symlink(disk.join(format!("vda{number}")), root.path().join("sys/dev/block/254:7")).unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/cmdline"), cmdline).unwrap();
        root
    }

    #[test]
    fn the_idle_slot_is_the_one_that_is_not_the_root() {
        let device = rustix::fs::makedev(254, 7);
        for (number, running, idle) in [(2, SlotName::A, "dev/vda3"), (3, SlotName::B, "dev/vda2")] {
            let root = machine(number, "quiet roost.slot=A panic=-1\n");
            let found = Found::look(root.path(), device).unwrap();
            let (disk, idle) = (root.path().join("dev/vda"), root.path().join(idle));
            assert_eq!(found, Found { disk, idle, running });
        }
    }

    #[test]
    fn machines_without_slots_say_why() {
        let device = rustix::fs::makedev(254, 7);
        let why = |root: &tempfile::TempDir, device| Found::look(root.path(), device).unwrap_err().to_string();
        assert!(why(&machine(2, "root=/dev/vda2"), device).contains("boot loader"));
        assert!(why(&machine(4, "roost.slot=A"), device).contains("no slot"));
        assert!(why(&machine(2, "roost.slot=A"), 0).contains("no partition"));
        // The machine of this test.
        let here = Slots::of_this_machine(1, Box::new(|| std::io::ErrorKind::Unsupported.into()));
        assert!(matches!(here, Err(Refusal::NoSlots(_))));
    }

    #[test]
    fn release_and_keys_are_read() {
        let root = tempfile::tempdir().unwrap();
        assert!(Release::read(root.path()).is_err() && keys(root.path()).is_err());
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join(RELEASE), "VERSION=1.2\nBUILT=17\nBOARD=virt\n").unwrap();
        assert_eq!(Release::read(root.path()).unwrap(), Release { version: "1.2".into(), board: "virt".into() });
        fs::write(root.path().join(KEYS), format!("{}\n{}\n", "00".repeat(32), "0a".repeat(32))).unwrap();
        assert_eq!(keys(root.path()).unwrap(), [[0; 32], [10; 32]]);
        fs::write(root.path().join(KEYS), "00\n").unwrap();
        assert!(keys(root.path()).is_err());
    }
}
