//! How the hardware is: wear and faults of the storage, heat, the power supply.
//!
//! What a device keeps to itself is not guessed. SD cards tell nothing of their wear. NVMe, SATA and USB disks tell it only to
//! administrators: the keeper has them asked ([`crate::smart`]). What goes wrong with any disk the kernel says in its log, which
//! the keeper reads ([`crate::kernel_log`]).

use heapless::String;

/// How the hardware is; what is not known is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The disk that holds the data.
    pub disk: Option<Disk>,
    /// Of the hottest place that is measured, in thousandths of a degree Celsius.
    pub temperature: Option<i32>,
    /// Whether the supply's voltage is too low, or was within the last seconds.
    pub undervoltage: Option<bool>,
}

/// A disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// What kind of disk.
    pub kind: DiskKind,
    /// How its maker calls it; empty if unknown.
    pub model: String<40>,
    /// How much of its life is used.
    pub wear: Option<Wear>,
    /// Faults that the disk has counted in its life.
    pub faults: Option<u64>,
    /// Octets that were written to it in its life.
    pub written: Option<u64>,
    /// What the kernel knows of it.
    pub since_start: SinceStart,
}

/// What happened to a disk since the machine was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinceStart {
    /// Times that reading or writing failed, or that what was read was not what had been written.
    pub faults: Option<u64>,
    /// Octets that were written to it.
    pub written: Option<u64>,
}

/// Kinds of disks, by what they can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiskKind {
    /// An SD card.
    Sd,
    /// Soldered flash.
    Emmc,
    /// A solid-state disk on PCI Express.
    Nvme,
    /// On USB or SATA.
    Scsi,
    /// Another one, or one of a virtual machine.
    #[default]
    Other,
}

/// What a disk tells of its health: an eMMC in tenths of its life (JEDEC JESD84-B51 §7.4.17 to 7.4.19), others exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wear {
    /// At most this many percent of the promised life are used; above 100, more than was promised.
    pub used: u8,
    /// The blocks that replace worn ones.
    pub reserve: Reserve,
}

/// How many blocks are left to replace worn ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// It is not told.
    Unknown,
    /// Enough.
    Normal,
    /// Four fifths are used.
    Low,
    /// Nearly all are used.
    Urgent,
}

/// From here on processors of our boards slow down, in thousandths of a degree Celsius.
pub const HOT: i32 = 80_000;
/// From here on a disk should be replaced, percent of its life.
pub const WORN: u8 = 90;
