//! Every limit this crate enforces.

use std::time::Duration;

/// Octets of a command's lines and literals together, the message of APPEND not counted.
pub const COMMAND: usize = 64 * 1024;
/// The same before somebody logged in; holds the longest ID (RFC 2971 §3.3: 30 fields of 30 octets with values of 1024).
pub const COMMAND_BEFORE_LOGIN: usize = 34 * 1024;
/// Octets of one literal that is not the message of APPEND.
pub const LITERAL: u64 = 8 * 1024;
/// Octets of a message in APPEND (announced by APPENDLIMIT, RFC 7889).
pub const APPEND: u64 = 50 * 1024 * 1024;
/// Octets of a refused non-synchronizing literal that are read and thrown away; a larger one ends the connection (RFC 7888 §4).
pub const DISCARD: u64 = 4 * APPEND;
/// Octets of a tag.
pub const TAG: usize = 64;
/// Nesting of search keys.
pub const SEARCH_DEPTH: usize = 32;
/// Search keys in one SEARCH.
pub const SEARCH_KEYS: usize = 1_000;
/// Of these, keys that read the bodies of messages.
pub const SEARCH_BODY_KEYS: usize = 32;
/// Data items in one FETCH.
pub const FETCH_ITEMS: usize = 200;
/// Numbers in a part specifier of FETCH.
pub const SECTION_DEPTH: usize = 64;
/// Field names in one `HEADER.FIELDS`.
pub const HEADER_FIELDS: usize = 500;
/// Numbers and ranges in a sequence set.
pub const SEQUENCE_SET: usize = 10_000;
/// Flags in one STORE or APPEND.
pub const FLAGS: usize = 256;
/// Patterns in one LIST.
pub const LIST_PATTERNS: usize = 100;
/// Octets of a pattern of LIST and LSUB, its reference included.
pub const PATTERN: usize = 1_024;
/// Octets of all patterns of one LIST.
pub const ALL_PATTERNS: usize = 4 * 1_024;
/// Names that LIST looks at in one slice.
pub const LIST_NAMES: usize = 50;
/// Words in any other parenthesized list: options, parameters, ENABLE, ID.
pub const WORDS: usize = 100;

/// BAD answers in a row before the connection ends.
pub const BAD_COMMANDS: u32 = 20;
/// Failed logins before the connection ends.
pub const FAILED_LOGINS: u32 = 5;
/// Silence before somebody logged in.
pub const IDLE_BEFORE_LOGIN: Duration = Duration::from_secs(60);
/// Silence after that (RFC 3501 §5.4: at least 30 minutes).
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// Octets in which the header of a message is looked for, at a time.
pub const CHUNK: u64 = 32 * 1024;
/// Rows of messages FETCH asks the store for at a time; the `\Seen` of all of them is one change.
pub const FETCH_ROWS: usize = 64;
/// Messages STORE changes at a time.
pub const STORE_ROWS: usize = 500;
/// Rows of messages SEARCH looks at in one slice.
pub const SEARCH_ROWS: usize = 1_000;
/// Octets of messages SEARCH reads in one slice before it lets others run.
pub const SEARCH_OCTETS: u64 = 1024 * 1024;
/// Runs of `\Recent` UIDs a session remembers; the oldest are forgotten.
pub const RECENT_RUNS: usize = 64;
