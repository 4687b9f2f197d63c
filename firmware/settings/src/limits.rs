//! Every limit this crate enforces.

/// Accounts of one box.
pub const ACCOUNTS: usize = 256;
/// Characters of the name of a person or a device.
pub const NAME: usize = 64;
/// Octets of the saved settings: 256 accounts with 64 devices each stay below.
pub const SAVED: usize = 32 * 1024 * 1024;
/// Octets redb may keep of the settings file in memory; they are read once and live in [`crate::Config`] after that.
pub const CACHE: usize = 256 * 1024;
/// Name servers that the owner can name.
pub const NAME_SERVERS: usize = 3;
/// Octets of how the network is kept.
pub const NETWORK: usize = 2048;
