//! What software may ask of the hardware: network, storage and update slots; Linux and fake.
//!
//! Everything handed over is bounded (`heapless`): a page or a log line never depends on what the hardware says.

pub mod blocks;
pub mod boot_state;
pub mod bundle;
pub mod button;
pub mod hardware;
pub mod health;
pub mod kernel_log;
pub mod light;
pub mod limits;
pub mod mending;
pub mod network;
pub mod slots;
pub mod smart;
pub mod watchdog;

mod fake;
mod linux;

pub use fake::FakeBoard;
pub use linux::LinuxBoard;

use heapless::{String, Vec};
use std::net::IpAddr;

/// The board, as the pages and the daemon see it.
pub trait Board: Send + Sync {
    /// Name on the network and its addresses.
    fn network(&self) -> Network;
    /// Its sockets for cables, and its radios.
    fn interfaces(&self) -> network::Interfaces;
    /// The data partition.
    fn storage(&self) -> Storage;
    /// How the hardware is.
    fn hardware(&self) -> hardware::Hardware;
}

/// Name and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Host name, without domain; empty if there is none.
    pub host: String<64>,
    /// Addresses of the interfaces that are up, those a person would type first, loopback last.
    pub addresses: Vec<IpAddr, 16>,
}

/// Room on the data partition, octets; both zero if it cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Storage {
    /// Size.
    pub total: u64,
    /// Free for the daemon.
    pub free: u64,
}
