//! The image as `image.sh` leaves it, and a disk that it was written to.

use crate::partitions::{Partition, read_partitions};
use crate::{Context, Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the data partition stands in the table (`buildroot/board/common/partitions.cfg`).
const DATA: usize = 3;

/// A board image: kernel, initrd and what is written to the card.
#[derive(Debug, Clone)]
pub struct Image {
    directory: PathBuf,
}

impl Image {
    /// The image in a directory that `image.sh` filled, or Buildroot.
    pub fn at(directory: impl Into<PathBuf>) -> Result<Self> {
        let image = Self { directory: directory.into() };
        let start = if image.has_kernel() { image.initrd() } else { image.loader() };
        for path in [start, image.disk()] {
            if !path.is_file() {
                let what = path.display();
                return Err(Error::new(format!(
                    "no board image: {what} is missing (make board-image, radio-image or image)"
                )));
            }
        }
        Ok(image)
    }

    /// Whether there is a kernel that QEMU can start without the boot loader: Buildroot's image has it in the slot only.
    pub(crate) fn has_kernel(&self) -> bool {
        self.kernel().is_file()
    }

    /// The developer image of this workspace, made by `make board-image`; ROOST_BOARD_IMAGE names another directory.
    pub fn developer() -> Result<Self> {
        Self::at(Self::developer_directory())
    }

    /// The image for Raspberry Pis, made by `make image BOARD=rpi`; ROOST_PI_IMAGE names another directory.
    pub fn pi() -> Result<Self> {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image/rpi/images");
        Self::at(std::env::var_os("ROOST_PI_IMAGE").map_or_else(default, PathBuf::from))
    }

    /// The developer image with two simulated radios, made by `make radio-image`.
    pub fn radio() -> Result<Self> {
        Self::at(Self::developer_directory().with_file_name("radio"))
    }

    /// Where the developer image of this workspace is.
    pub fn developer_directory() -> PathBuf {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/board/developer");
        std::env::var_os("ROOST_BOARD_IMAGE").map_or_else(default, PathBuf::from)
    }

    pub(crate) fn kernel(&self) -> PathBuf {
        self.directory.join("kernel")
    }

    pub(crate) fn initrd(&self) -> PathBuf {
        self.directory.join("initrd")
    }

    pub(crate) fn loader(&self) -> PathBuf {
        self.directory.join("u-boot.bin")
    }

    /// The kernel's description of a board, in an image of Buildroot's.
    pub(crate) fn device_tree(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.dtb"))
    }

    fn disk(&self) -> PathBuf {
        self.directory.join("disk.img")
    }
}

/// What a power cut does to writes that the board has not flushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cache {
    /// They are on the disk all the same: this machine's page cache outlives QEMU.
    #[default]
    Kept,
    /// All of them are lost: nbdkit holds them until the board flushes, and dies with the power.
    Volatile,
}

/// A card or drive. It outlives the boards that it is put into.
#[derive(Debug, Clone)]
pub struct Disk {
    path: PathBuf,
    cache: Cache,
}

impl Disk {
    /// Writes an image to a new disk of `size` octets at `path` (a sparse file; an existing one is replaced).
    pub fn create(image: &Image, path: impl Into<PathBuf>, size: u64) -> Result<Self> {
        let path = path.into();
        let least = std::fs::metadata(image.disk())?.len();
        if size < least {
            return Err(Error::new(format!("a disk of {size} octets is too small, the image has {least}")));
        }
        copy_sparse(&image.disk(), &path)?;
        OpenOptions::new().write(true).open(&path)?.set_len(size)?;
        Self::open(path)
    }

    /// A disk that is there already.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        Self::data_of(&path)?;
        Ok(Self { path, cache: Cache::Kept })
    }

    /// The same disk, with another answer to power cuts.
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Writes an image's boot partition and root slots over this disk's and leaves table and data partition alone, as an
    /// update does. An error if their layouts differ.
    pub fn update_system(&self, image: &Image) -> Result<()> {
        let start = Self::data_of(&image.disk())?.start;
        if Self::data_of(&self.path)?.start != start {
            return Err(Error::new(format!("{} is partitioned otherwise", self.path.display())));
        }
        let from = File::open(image.disk())?;
        let to = OpenOptions::new().write(true).open(&self.path)?;
        copy_blocks(&from, &to, 512..start, |_| false)
    }

    /// The data partition, as the table tells it now. A copy of it can be looked at with `xfs_repair -n -f`.
    pub fn data_partition(&self) -> Result<Partition> {
        Self::data_of(&self.path)
    }

    /// The file that stands for the disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that keeps the console of the boards with this disk, every line with its time.
    pub fn console_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".console.log");
        name.into()
    }

    /// Its size in octets.
    pub fn size(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)?.len())
    }

    pub(crate) fn cache(&self) -> Cache {
        self.cache
    }

    fn data_of(path: &Path) -> Result<Partition> {
        let mut sector = [0; 512];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut sector));
        read.context(|| path.display().to_string())?;
        let partitions = read_partitions(&sector)?;
        partitions.get(DATA).copied().ok_or_else(|| Error::new(format!("{} has no data partition", path.display())))
    }
}

/// Copies a file; what is zero becomes a hole.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let source = File::open(from).context(|| from.display().to_string())?;
    let target = File::create(to).context(|| to.display().to_string())?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    copy_blocks(&source, &target, 0..length, |block| block.iter().all(|&byte| byte == 0))
}

/// Copies a range of octets, except the blocks that `skip` says.
fn copy_blocks(from: &File, to: &File, range: Range<u64>, skip: impl Fn(&[u8]) -> bool) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut at = range.start;
    while at < range.end {
        let length = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        let block = &mut buffer[..length];
        from.read_exact_at(block, at)?;
        if !skip(block) {
            to.write_all_at(block, at)?;
        }
        at += length as u64;
    }
    Ok(())
}
