//! Every limit this crate enforces.

/// Octets of an update's manifest: hashes for 512 MiB.
pub const MANIFEST: usize = 192 * 1024;
/// Characters of a version.
pub const VERSION: usize = 24;
/// Network interfaces that are told of.
pub const INTERFACES: usize = 8;
