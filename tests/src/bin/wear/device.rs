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
    Xfs,
    /// With `fast_commit`.
    Ext4,
    /// Without.
    Ext4Plain,
    /// The flash file system.
    F2fs,
}

impl Format {
    /// All of them, the appliance's first.
    pub const ALL: [Format; 4] = [Format::Xfs, Format::Ext4, Format::Ext4Plain, Format::F2fs];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ext4 => "ext4 with fast_commit",
            Format::Ext4Plain => "ext4",
            Format::Xfs => "XFS",
            Format::F2fs => "f2fs",
        }
    }

    /// Its name on the command line.
    pub fn parse(name: &str) -> Option<Format> {
        match name {
            "ext4-fast-commit" => Some(Format::Ext4),
            "ext4" => Some(Format::Ext4Plain),
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
        const LAZY: &str = "lazy_itable_init=0,lazy_journal_init=0";
        let appliance;
        let (program, arguments) = match self {
            Format::Ext4 => ("mkfs.ext4", ["-q", "-F", "-O", "fast_commit", "-E", LAZY].to_vec()),
            Format::Ext4Plain => ("mkfs.ext4", ["-q", "-F", "-E", LAZY].to_vec()),
            Format::Xfs => {
                appliance = Appliance::read()?;
                ("mkfs.xfs", appliance.make.split_whitespace().collect())
            }
            Format::F2fs => ("mkfs.f2fs", ["-q", "-f"].to_vec()),
        };
        run(program, &[arguments, vec![device]].concat()).map(|_| ())
    }

    fn options(self) -> Result<String, String> {
        Ok(match self {
            Format::Ext4 | Format::Ext4Plain => "noatime,commit=300,nosuid,nodev,noexec".to_owned(),
            Format::Xfs => Appliance::read()?.mount,
            Format::F2fs => "noatime,nosuid,nodev,noexec".to_owned(),
        })
    }
}

/// What the image's own script does with its data partition.
#[derive(Debug)]
struct Appliance {
    make: String,
    mount: String,
    /// Hundredths of a second between two looks at the journal.
    pause: String,
}

impl Appliance {
    fn read() -> Result<Appliance, String> {
        let path = here().join("../buildroot/overlay/etc/init.d/S20data");
        let script = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let between = |start: &str, end: &str| {
            let found = script.split_once(start).and_then(|(_, rest)| rest.split_once(end));
            found.map(|(found, _)| found.to_owned()).ok_or_else(|| format!("{}: no {start}", path.display()))
        };
        Ok(Appliance {
            make: between("mkfs.xfs ", " \"$partition\"")?,
            mount: between("mount -t xfs -o ", " ")?,
            pause: between("echo ", &format!(" >{PAUSE}"))?.rsplit(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

/// How often the kernel looks at the journals of all XFS file systems.
const PAUSE: &str = "/proc/sys/fs/xfs/xfssyncd_centisecs";

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
    /// What this machine had for [`PAUSE`].
    pause: Option<String>,
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
        let mut device = Device { format, path, open: Some(open), directory, mounted: false, pause: None };
        format.make(&device.path)?;
        device.mount()?;
        if format == Format::Xfs {
            device.pause = Some(std::fs::read_to_string(PAUSE).map_err(|e| format!("{PAUSE}: {e}"))?);
            std::fs::write(PAUSE, Appliance::read()?.pause).map_err(|e| format!("{PAUSE}: {e}"))?;
        }
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
        if let Some(pause) = &self.pause {
            drop(std::fs::write(PAUSE, pause));
        }
    }
}
