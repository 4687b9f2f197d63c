//! Every limit this crate enforces.

use std::time::Duration;

/// Threads that answer requests.
pub const WORKERS: usize = 4;
/// Octets of a request's target.
pub const TARGET: usize = 2 * 1024;
/// Octets of a form.
pub const BODY: usize = 32 * 1024;
/// Octets of the head of a part of a form with a file, and of a text beside the file.
pub const PART_HEAD: usize = 4 * 1024;
/// Fields of a form or a query.
pub const FIELDS: usize = 64;
/// People that can be added in one go.
pub const PEOPLE: usize = 8;

/// Octets of a download that are read at a time.
pub const PIECE: usize = 64 * 1024;

/// Sessions at a time; the longest unused one makes room.
pub const SESSIONS: usize = 64;
/// A session ends when nothing was asked for this long.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends this long after it began, whatever happens.
pub const SESSION_AGE: Duration = Duration::from_secs(12 * 60 * 60);
/// New app passwords a session remembers until they have been entered.
pub const FRESH: usize = 64;

/// Wrong tries of one client that cost nothing but the next try.
pub const TRIES: u32 = 4;
/// Wrong setup codes of everybody together before everybody waits.
pub const TRIES_IN_ALL: u32 = 40;
/// The first wait; each further wrong try doubles it.
pub const WAIT_FIRST: Duration = Duration::from_secs(60);
/// The longest wait.
pub const WAIT_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Wrong tries are forgotten after this long without one.
pub const TRIES_FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Clients whose wrong tries are remembered.
pub const CLIENTS: usize = 1024;
/// A thread without requests looks this often whether it is still needed.
pub const LOOK_UP: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
