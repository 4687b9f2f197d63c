//! Every limit this crate enforces.

use std::time::Duration;

/// Octets of one line, command (RFC 2449 §4 asks for 255) or SASL response, without its end. Holds the longest
/// password `auth` accepts in base64.
pub const LINE: usize = 2048;
/// Octets of a line that is too long anyway; after them the connection ends.
pub const ENDLESS_LINE: usize = 64 * 1024;
/// Octets of commands that came before the replies to earlier ones were written.
pub const PENDING: usize = 256 * 1024;
/// Octets of buffer an idle session keeps.
pub const IDLE_BUFFER: usize = 1024;
/// Commands that are no commands, or not now; after them the connection ends.
pub const BAD_COMMANDS: u32 = 10;
/// Wrong logins; after them the connection ends.
pub const WRONG_LOGINS: u32 = 5;
/// Rows read from the store at a time when a maildrop is opened.
pub const ROWS: usize = 1000;
/// How long a client may be silent (RFC 1939 §3: at least ten minutes).
pub const IDLE: Duration = Duration::from_secs(10 * 60);
/// The same before it has logged in.
pub const IDLE_BEFORE_LOGIN: Duration = Duration::from_secs(60);
