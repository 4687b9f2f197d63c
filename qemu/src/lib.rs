//! Boots a board image in QEMU, reads its console, runs commands on it, cuts its power, counts its writes.
//!
//! `image.sh` makes the image, [`Image`] finds it, [`Disk`] is a card that was written with it, [`Board`] is the machine
//! with that card in it. Tests hold a `Board`, talk to the ports it forwards on the loopback address, and drop it.

mod board;
mod console;
mod disk;
mod forward;
mod greeting;
mod partitions;
mod qmp;
mod shell;

pub use board::{Board, GUEST_PORTS, Machine, Network, Options, Ports, SECOND_ADDRESS, Start};
pub use console::Line;
pub use disk::{Cache, Disk, Image};
pub use greeting::wait_for_greeting;
pub use partitions::{Partition, read_partitions};
pub use qmp::BlockStats;
pub use shell::Output;

/// What went wrong, in one line.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// An error with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when an error came.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error(format!("{}: {error}", what())))
    }
}
