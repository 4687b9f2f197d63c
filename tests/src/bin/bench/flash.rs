//! A disk of our own, whose device counts exactly what reaches it: XFS in a file, on a loop device.
//!
//! The mount is private to this process and those it starts ([`system_tests::own_mounts`]): it ends with them, whatever happens.

use std::fs::File;
use std::path::{Path, PathBuf};
use system_tests::own_mounts::{entered, run};

/// The size of the disk; the file is sparse.
const SIZE: u64 = 6 << 30;

/// A place for data.
#[derive(Debug)]
pub struct Flash {
    directory: PathBuf,
    /// `/sys/block/loopN/stat`, if there is a device.
    stat: Option<PathBuf>,
    /// The file system, in words.
    pub kind: String,
    home: tempfile::TempDir,
}

/// What reached the device.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Octets written.
    pub bytes: u64,
    /// Flushes of the device's cache.
    pub flushes: u64,
}

impl Flash {
    /// Makes one beside this program, on the disk that holds the build. Without root it is a directory; the error says why.
    pub fn new() -> (Flash, Option<String>) {
        let exe = std::env::current_exe().expect("a process knows its file");
        let home = tempfile::Builder::new().prefix("bench-").tempdir_in(exe.parent().expect("it is in a directory"));
        let home = home.expect("the build directory can be written");
        let mut flash = Flash { directory: home.path().join("disk"), stat: None, kind: "a directory".to_owned(), home };
        std::fs::create_dir(&flash.directory).expect("a directory can be made");
        let fault = flash.make().err();
        let why = fault.map(|why| format!("No disk of our own ({why}): bytes are what the kernel counts for the daemon's process, without the file system's own and without the last checkpoint."));
        (flash, why)
    }

    fn make(&mut self) -> Result<(), String> {
        if !entered() {
            return Err("needs root and unshare".to_owned());
        }
        let image = self.image();
        File::create(&image).and_then(|f| f.set_len(SIZE)).map_err(|e| e.to_string())?;
        let image = image.to_str().ok_or("a path in UTF-8")?;
        run("mkfs.xfs", &["-q", "-f", "-m", "reflink=0,rmapbt=0", image])?;
        self.kind = "XFS on a loop device".to_owned();
        self.mount()
    }

    fn image(&self) -> PathBuf {
        self.home.path().join("card")
    }

    fn mount(&mut self) -> Result<(), String> {
        let (image, directory) = (self.image(), self.directory.to_string_lossy().into_owned());
        run("mount", &["-o", "loop,noatime,allocsize=64k", &image.to_string_lossy(), &directory])?;
        let device = run("findmnt", &["-n", "-o", "SOURCE", &directory])?;
        let name = Path::new(device.trim()).file_name().ok_or("no device")?.to_owned();
        self.stat = Some(Path::new("/sys/block").join(name).join("stat"));
        self.counters().map(|_| ()).ok_or_else(|| "the device counts nothing".to_owned())
    }

    /// Makes the kernel forget what is on this disk, so that the next reader waits for it. No file on it may be open. Nothing
    /// happens without a disk of our own.
    pub fn cool(&mut self) -> Result<(), String> {
        if self.stat.take().is_none() {
            return Ok(());
        }
        run("umount", &[&self.directory.to_string_lossy()])?;
        let file = File::open(self.image()).map_err(|e| e.to_string())?;
        file.sync_all().map_err(|e| e.to_string())?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(|e| e.to_string())?;
        self.mount()
    }

    /// An empty directory of this name.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).expect("our own directory can be removed");
        }
        path
    }

    /// What has reached the device, once everything written has. `None` without a device.
    pub fn counters(&self) -> Option<Counters> {
        let stat = self.stat.as_ref()?;
        let directory = File::open(&self.directory).expect("it is there");
        rustix::fs::syncfs(&directory).expect("a file system can be synced");
        let text = std::fs::read_to_string(stat).ok()?;
        let fields: Vec<u64> = text.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        // Documentation/block/stat.rst: sectors written, flush requests.
        Some(Counters { bytes: fields.get(6)? * 512, flushes: fields.get(15).copied().unwrap_or(0) })
    }
}

impl Drop for Flash {
    fn drop(&mut self) {
        if self.stat.is_some() {
            let _ = run("umount", &["--lazy", &self.directory.to_string_lossy()]);
        }
    }
}
