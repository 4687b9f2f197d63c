//! A flash card of our own: a sparse file as loop device, formatted and mounted as the appliance's data partition is. The
//! device counts every sector that is read and written and every flush of its cache.
//!
//! Nothing of it outlives this process: the file has no name once the device is there, the device goes when its last user
//! is gone, and the mount is private to this process and those it starts.

use std::fs::File;
use std::path::{Path, PathBuf};
use system_tests::here;
use system_tests::own_mounts::run;

/// Octets of the card; the file holds only what is written.
const SIZE: u64 = 24 << 30;

/// A file system and how it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As the appliance has it.
    Ext4,
    /// The same without `fast_commit`.
    Ext4Plain,
    /// With small speculative allocation.
    Xfs,
    /// The flash file system.
    F2fs,
}

impl Format {
    /// All of them, the appliance's first.
    pub const ALL: [Format; 4] = [Format::Ext4, Format::Ext4Plain, Format::Xfs, Format::F2fs];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ext4 => "ext4",
            Format::Ext4Plain => "ext4 without fast_commit",
            Format::Xfs => "XFS",
            Format::F2fs => "f2fs",
        }
    }

    /// Its name on the command line.
    pub fn parse(name: &str) -> Option<Format> {
        match name {
            "ext4" => Some(Format::Ext4),
            "ext4-plain" => Some(Format::Ext4Plain),
            "xfs" => Some(Format::Xfs),
            "f2fs" => Some(Format::F2fs),
            _ => None,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Format::Ext4 | Format::Ext4Plain => "ext4",
            Format::Xfs => "xfs",
            Format::F2fs => "f2fs",
        }
    }

    /// Whether this kernel has it.
    pub fn is_known(self) -> bool {
        let known = || {
            let text = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
            text.lines().any(|line| line.split_whitespace().last() == Some(self.kind()))
        };
        known() || (run("modprobe", &[self.kind()]).is_ok() && known())
    }

    fn make(self, device: &str) -> Result<(), String> {
        let appliance = Appliance::read()?;
        let ext4 = |features: &str| {
            let mut arguments = vec!["-q", "-F"];
            if !features.is_empty() {
                arguments.extend(["-O", features]);
            }
            arguments.extend(appliance.extra.split_whitespace());
            arguments.push(device);
            run("mkfs.ext4", &arguments)
        };
        match self {
            Format::Ext4 => ext4(&appliance.features),
            Format::Ext4Plain => ext4(""),
            Format::Xfs => run("mkfs.xfs", &["-q", "-f", device]),
            Format::F2fs => run("mkfs.f2fs", &["-q", "-f", device]),
        }
        .map(|_| ())
    }

    fn options(self) -> Result<String, String> {
        let appliance = Appliance::read()?.mount;
        Ok(match self {
            Format::Ext4 | Format::Ext4Plain => appliance,
            Format::Xfs => "noatime,nosuid,nodev,noexec,allocsize=64k".to_owned(),
            Format::F2fs => "noatime,nosuid,nodev,noexec".to_owned(),
        })
    }
}

/// What the image's own files say of its data partition.
#[derive(Debug)]
struct Appliance {
    features: String,
    extra: String,
    mount: String,
}

impl Appliance {
    fn read() -> Result<Appliance, String> {
        let tree = here().join("../buildroot");
        let read = |path: &str| std::fs::read_to_string(tree.join(path)).map_err(|e| format!("{path}: {e}"));
        let between = |text: &str, start: &str, end: &str, path: &str| {
            let found = text.split_once(start).and_then(|(_, rest)| rest.split_once(end));
            found.map(|(found, _)| found.to_owned()).ok_or_else(|| format!("{path}: no {start}"))
        };
        let (partitions, script) = ("board/common/partitions.cfg", "overlay/etc/init.d/S20data");
        let text = read(partitions)?;
        Ok(Appliance {
            features: between(&text, "features = \"", "\"", partitions)?,
            extra: between(&text, "extraargs = \"", "\"", partitions)?,
            mount: between(&read(script)?, "mount -t ext4 -o ", " ", script)?,
        })
    }
}

/// What the device has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Octets read.
    pub read: u64,
    /// Octets written.
    pub written: u64,
    /// Flushes of its cache.
    pub flushes: u64,
}

impl Counters {
    /// What came since.
    pub fn since(self, before: Counters) -> Counters {
        Counters {
            read: self.read - before.read,
            written: self.written - before.written,
            flushes: self.flushes - before.flushes,
        }
    }
}

/// The card.
#[derive(Debug)]
pub struct Device {
    format: Format,
    /// `/dev/loopN`.
    path: String,
    /// While it is open, the device exists.
    open: Option<File>,
    directory: PathBuf,
    mounted: bool,
}

impl Device {
    /// Makes, formats and mounts one on a directory below `home`, on whose disk the card's content lies.
    pub fn new(home: &Path, format: Format) -> Result<Device, String> {
        let image = home.join("card");
        File::create(&image).and_then(|f| f.set_len(SIZE)).map_err(|e| format!("{}: {e}", image.display()))?;
        let made = attach(&image);
        // The device holds the file; its name is not needed.
        std::fs::remove_file(&image).map_err(|e| e.to_string())?;
        let (path, open) = made?;
        let directory = home.join("mounted");
        std::fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
        let mut device = Device { format, path, open: Some(open), directory, mounted: false };
        format.make(&device.path)?;
        device.mount()?;
        Ok(device)
    }

    /// Where it is mounted.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Mounts it.
    pub fn mount(&mut self) -> Result<(), String> {
        let directory = self.directory.to_string_lossy();
        run("mount", &["-t", self.format.kind(), "-o", &self.format.options()?, &self.path, &directory])?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts it: all that was written has reached it then, and the kernel has forgotten what lies on it.
    pub fn unmount(&mut self) -> Result<(), String> {
        self.mounted = false;
        run("umount", &[&self.directory.to_string_lossy()]).map(|_| ())
    }

    /// As when the power goes: what the kernel has not written yet is lost, in files and in the journal.
    pub fn cut_power(&mut self) -> Result<(), String> {
        run("xfs_io", &["-x", "-c", "shutdown", &self.directory.to_string_lossy()])?;
        self.unmount()
    }

    /// What it has counted; all that programs wrote so far has reached it.
    pub fn counters(&self) -> Result<Counters, String> {
        if self.mounted {
            let directory = File::open(&self.directory).map_err(|e| e.to_string())?;
            rustix::fs::syncfs(&directory).map_err(|e| format!("sync: {e}"))?;
        }
        self.counters_now()
    }

    /// What it has counted.
    pub fn counters_now(&self) -> Result<Counters, String> {
        let name = Path::new(&self.path).file_name().unwrap_or_default();
        let stat = Path::new("/sys/block").join(name).join("stat");
        let text = std::fs::read_to_string(&stat).map_err(|e| format!("{}: {e}", stat.display()))?;
        let fields: Vec<u64> = text.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        // Documentation/block/stat.rst: sectors read, sectors written, flush requests; sectors of 512 octets.
        match fields[..] {
            [_, _, read, _, _, _, written, _, _, _, _, _, _, _, _, flushes, ..] => {
                Ok(Counters { read: read * 512, written: written * 512, flushes })
            }
            _ => Err(format!("{}: a kernel that counts no flushes", stat.display())),
        }
    }

    /// Octets in use on it, those of the file system's own tables too.
    pub fn used(&self) -> Result<u64, String> {
        self.counters()?;
        let space = rustix::fs::statvfs(&self.directory).map_err(|e| e.to_string())?;
        Ok((space.f_blocks - space.f_bfree) * space.f_frsize)
    }
}

/// Makes a loop device of a file, one that goes by itself when nobody uses it any more.
fn attach(image: &Path) -> Result<(String, File), String> {
    let path = run("losetup", &["--find", "--show", &image.to_string_lossy()])?.trim().to_owned();
    let open = File::open(&path).map_err(|e| format!("{path}: {e}"));
    // While somebody has it open, this makes it go after the last use.
    let detached = run("losetup", &["--detach", &path]);
    let open = open?;
    detached?;
    Ok((path, open))
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.mounted {
            // Nothing on it is wanted any more, and who still uses it must not keep it.
            drop(run("umount", &["--lazy", &self.directory.to_string_lossy()]));
        }
        drop(self.open.take());
    }
}
