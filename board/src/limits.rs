//! Every limit this crate enforces.

use std::time::Duration;

/// Octets of an update's manifest: hashes for 512 MiB.
pub const MANIFEST: usize = 192 * 1024;
/// Characters of a version.
pub const VERSION: usize = 24;
/// A daemon that is to be called healthy answers probes within this time.
pub const PROBE: Duration = Duration::from_secs(30);
