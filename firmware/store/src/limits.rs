//! Every limit this crate enforces.

use std::time::Duration;

/// Flags are durable after this time at the latest.
pub const LAZY_FLUSH: Duration = Duration::from_secs(5);
/// Octets of a mailbox name.
pub const MAILBOX_NAME: usize = 512;
/// Levels of a mailbox name.
pub const MAILBOX_DEPTH: usize = 32;
/// Mailboxes of an account.
pub const MAILBOXES: usize = 10_000;
/// Octets of a keyword.
pub const KEYWORD: usize = 128;
/// Different keywords of a mailbox.
pub const KEYWORDS: usize = 256;
