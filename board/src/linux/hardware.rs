//! The hardware as sysfs tells of it (Linux: Documentation/ABI). Everything is looked up below a root folder, which tests replace.

use crate::hardware::{Disk, DiskKind, Hardware, Reserve, SinceStart, Wear};
use crate::{kernel_log, smart};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Octets of a file of sysfs that are looked at.
const VALUE: u64 = 256;

/// The hardware below `root`, with the data on the file system of this device.
pub(super) fn look(root: &Path, device: u64) -> Hardware {
    Hardware {
        disk: disk_of(root, device).map(|(whole, _)| disk(root, &whole)),
        temperature: temperature(root),
        undervoltage: undervoltage(root),
    }
}

/// What sysfs has of the disk with this device, and of the device.
pub(crate) fn disk_of(root: &Path, device: u64) -> Option<(PathBuf, PathBuf)> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let partition = fs::canonicalize(root.join(format!("sys/dev/block/{major}:{minor}"))).ok()?;
    // A partition lies in the folder of its disk.
    let whole = if partition.join("partition").exists() { partition.parent()?.to_owned() } else { partition.clone() };
    Some((whole, partition))
}

fn disk(root: &Path, whole: &Path) -> Disk {
    let device = whole.join("device");
    let Some(name) = whole.file_name().map(|name| name.to_string_lossy().into_owned()) else { return Disk::default() };
    let kind = match text(&device.join("type")).as_deref() {
        Some("SD") => DiskKind::Sd,
        Some("MMC") => DiskKind::Emmc,
        _ if name.starts_with("nvme") => DiskKind::Nvme,
        _ if name.starts_with("sd") => DiskKind::Scsi,
        _ => DiskKind::Other,
    };
    let model = ["model", "name"].iter().find_map(|file| text(&device.join(file))).unwrap_or_default();
    let asked = matches!(kind, DiskKind::Nvme | DiskKind::Scsi);
    let smart = asked.then(|| smart::understand(&beginning(&root.join(smart::ANSWER), smart::ANSWER_SIZE)?, &name));
    let smart = smart.flatten().unwrap_or_default();
    Disk {
        kind,
        model: model.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect(),
        wear: smart.wear.or_else(|| wear(&device)),
        faults: smart.faults,
        written: smart.written,
        since_start: SinceStart { faults: number(&root.join(kernel_log::FAULTS)), written: written(whole) },
    }
}

/// Octets, from the counters of the disk (Linux: Documentation/block/stat), the seventh of which is of sectors of 512.
fn written(whole: &Path) -> Option<u64> {
    let counters = text(&whole.join("stat"))?;
    counters.split_ascii_whitespace().nth(6)?.parse::<u64>().ok()?.checked_mul(512)
}

/// `life_time` has two estimates, for memory of two types, each in tenths of the promised life; 0 is "not told".
fn wear(device: &Path) -> Option<Wear> {
    let hexadecimal = |word: &str| u8::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let life_time = text(&device.join("life_time"))?;
    let tenths = life_time.split_ascii_whitespace().filter_map(hexadecimal).max().filter(|n| (1..=11).contains(n))?;
    let reserve = match text(&device.join("pre_eol_info")).as_deref().and_then(hexadecimal) {
        Some(1) => Reserve::Normal,
        Some(2) => Reserve::Low,
        Some(3) => Reserve::Urgent,
        _ => Reserve::Unknown,
    };
    Some(Wear { used: tenths * 10, reserve })
}

fn temperature(root: &Path) -> Option<i32> {
    // Sensors that are switched off tell nonsense.
    let plausible = |value: &i32| (-60_000..200_000).contains(value);
    let zones = folders(&root.join("sys/class/thermal"), "thermal_zone");
    zones.iter().filter_map(|zone| number(&zone.join("temp"))).filter(plausible).max()
}

/// The Raspberry Pi's firmware tells the kernel, whose driver is called so.
fn undervoltage(root: &Path) -> Option<bool> {
    let monitors = folders(&root.join("sys/class/hwmon"), "hwmon");
    let monitor = monitors.iter().find(|monitor| text(&monitor.join("name")).as_deref() == Some("rpi_volt"))?;
    number::<u8>(&monitor.join("in0_lcrit_alarm")).map(|alarm| alarm != 0)
}

fn folders(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()).filter(named).collect()
}

fn beginning(file: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(file: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&beginning(file, VALUE)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn number<T: FromStr>(file: &Path) -> Option<T> {
    text(file)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    /// A tree like sysfs.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            Tree(tempfile::tempdir().unwrap())
        }
        fn put(self, file: &str, value: impl AsRef<[u8]>) -> Tree {
            let path = self.0.path().join("sys").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
            self
        }
        /// Partition 4 of this disk is the device 179:4.
        fn disk(self, name: &str, partition: &str) -> Tree {
            let folder = format!("devices/{name}");
            let tree = self.put(&format!("{folder}/{partition}/partition"), "4\n");
            let links = tree.0.path().join("sys/dev/block");
            fs::create_dir_all(&links).unwrap();
            symlink(tree.0.path().join("sys").join(folder).join(partition), links.join("179:4")).unwrap();
            tree
        }
        fn look(&self) -> Hardware {
            look(self.0.path(), rustix::fs::makedev(179, 4))
        }
    }

    #[test]
    fn an_emmc_tells_its_wear() {
        let emmc = || {
            Tree::new()
                .disk("mmcblk0", "mmcblk0p4")
                .put("devices/mmcblk0/device/type", "MMC\n")
                .put("devices/mmcblk0/device/name", "BJTD4R\n")
        };
        let tree = emmc()
            .put("devices/mmcblk0/device/life_time", "0x01 0x03\n")
            .put("devices/mmcblk0/device/pre_eol_info", "0x01\n")
            .put(
                "devices/mmcblk0/stat",
                "     212       38    13352       31       40       36     2000       13        0\n",
            );
        let disk = tree.look().disk.unwrap();
        assert_eq!((disk.kind, disk.model.as_str()), (DiskKind::Emmc, "BJTD4R"));
        assert_eq!(disk.wear, Some(Wear { used: 30, reserve: Reserve::Normal }));
        assert_eq!((disk.faults, disk.written), (None, None), "it counts neither");
        assert_eq!(disk.since_start, SinceStart { faults: None, written: Some(1_024_000) });
        for (life_time, pre_eol, wear) in [
            ("0x0b 0x01", "0x03", Some(Wear { used: 110, reserve: Reserve::Urgent })),
            ("0x01 0x0a", "0x02", Some(Wear { used: 100, reserve: Reserve::Low })),
            ("0x02 0x00", "0x00", Some(Wear { used: 20, reserve: Reserve::Unknown })),
            ("0x00 0x00", "0x01", None),
            ("0xff 0xff", "0x01", None),
            ("", "", None),
        ] {
            let tree = emmc()
                .put("devices/mmcblk0/device/life_time", life_time)
                .put("devices/mmcblk0/device/pre_eol_info", pre_eol);
            assert_eq!(tree.look().disk.unwrap().wear, wear, "{life_time}");
        }
    }

    #[test]
    fn other_disks_tell_what_they_are() {
        let card = Tree::new()
            .disk("mmcblk0", "mmcblk0p4")
            .put("devices/mmcblk0/device/type", "SD\n")
            .put("devices/mmcblk0/device/name", "SC32G\n")
            .put("../run/hardware/faults", "3\n");
        let disk = card.look().disk.unwrap();
        assert_eq!((disk.kind, disk.model.as_str(), disk.wear), (DiskKind::Sd, "SC32G", None));
        assert_eq!((disk.faults, disk.since_start.faults), (None, Some(3)));
        for (name, partition, kind) in [
            ("nvme0n1", "nvme0n1p4", DiskKind::Nvme),
            ("sda", "sda4", DiskKind::Scsi),
            ("vda", "vda4", DiskKind::Other),
        ] {
            let tree =
                Tree::new().disk(name, partition).put(&format!("devices/{name}/device/model"), "Fast   disk  \n");
            let disk = tree.look().disk.unwrap();
            assert_eq!((disk.kind, disk.model.as_str(), disk.faults), (kind, "Fast   disk", None));
        }
        // A file system on a disk without partitions.
        let tree = Tree::new().put("devices/sdb/device/model", "Stick").put("devices/sdb/stat", "1 2 3 4 5 6 7");
        fs::create_dir_all(tree.0.path().join("sys/dev/block")).unwrap();
        symlink(tree.0.path().join("sys/devices/sdb"), tree.0.path().join("sys/dev/block/179:4")).unwrap();
        let disk = tree.look().disk.unwrap();
        assert_eq!((disk.model.as_str(), disk.since_start.written), ("Stick", Some(7 * 512)));
    }

    #[test]
    fn heat_and_voltage() {
        let tree = Tree::new()
            .put("class/thermal/thermal_zone0/temp", "48312\n")
            .put("class/thermal/thermal_zone1/temp", "51000\n")
            .put("class/thermal/thermal_zone2/temp", "-273000\n")
            .put("class/thermal/cooling_device0/temp", "99000\n")
            .put("class/hwmon/hwmon0/name", "cpu_thermal\n")
            .put("class/hwmon/hwmon1/name", "rpi_volt\n")
            .put("class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        let hardware = tree.look();
        assert_eq!((hardware.temperature, hardware.undervoltage), (Some(51_000), Some(false)));
        let tree = tree.put("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        assert_eq!(tree.look().undervoltage, Some(true));
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_fault() {
        assert_eq!(Tree::new().look(), Hardware::default());
    }

    proptest! {
        #[test]
        fn whatever_the_files_say_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let tree = Tree::new()
                .disk("mmcblk0", "mmcblk0p4")
                .put("devices/mmcblk0/device/name", &bytes)
                .put("devices/mmcblk0/device/life_time", &bytes)
                .put("class/thermal/thermal_zone0/temp", &bytes)
                .put("devices/mmcblk0/stat", &bytes)
                .put("../run/hardware/faults", &bytes);
            let hardware = tree.look();
            let disk = hardware.disk.unwrap();
            prop_assert!(disk.model.chars().all(|c| c.is_ascii_graphic() || c == ' '));
            prop_assert!(disk.wear.is_none_or(|wear| wear.used <= 110));
        }
    }
}
