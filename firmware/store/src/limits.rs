//! Every limit this crate enforces.

use std::time::Duration;

/// Flags are durable after this time at the latest.
pub const LAZY_FLUSH: Duration = Duration::from_secs(5);
/// Octets of a record to which changes of flags are added.
pub const SERIES: usize = if cfg!(test) { 64 } else { 4 * 1024 };
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
/// Octets of an identifier in a list of rights.
pub const ACL_IDENTIFIER: usize = 255;
/// Identifiers in the list of rights of a mailbox.
pub const ACL_ENTRIES: usize = 64;
/// Octets of the name of an annotation.
pub const METADATA_NAME: usize = 255;
/// Octets of an annotation.
pub const METADATA_VALUE: usize = 8 * 1024;
/// Annotations of a mailbox that all share, and of each account that has some for itself.
pub const METADATA_ENTRIES: usize = 64;
/// Octets of the rights and annotations of an account.
pub const SLOTS: u64 = 2 * 1024 * 1024;
/// Messages of an account in the outgoing queue.
pub const QUEUE_MESSAGES: u32 = if cfg!(test) { 8 } else { 1_000 };
/// Recipients of a message in the queue.
pub const QUEUE_RECIPIENTS: usize = 1_000;
/// Octets of an address in an envelope (RFC 5321 §4.5.3.1 has 254; more with UTF-8).
pub const QUEUE_ADDRESS: usize = 512;
/// Octets of the parameters of an address in an envelope (RFC 3461 §4).
pub const QUEUE_PARAMETERS: usize = 1_024;
/// Octets kept of what the other side said.
pub const QUEUE_ANSWER: usize = 512;
/// Runs of messages alike in a page of what an account has seen, above which changes are no longer told apart by their MODSEQs.
pub const SEEN_RUNS: usize = if cfg!(test) { 4 } else { 64 };
/// Octets of a message in which its header is looked for ids.
pub const THREAD_HEADER: usize = 64 * 1024;
/// References of a message that count, beside the first.
pub const THREAD_REFERENCES: usize = 7;
/// Ids in In-Reply-To that count.
pub const THREAD_REPLIES: usize = 4;
/// Octets of an id of a message (a line has 998, RFC 5322 §2.1.1).
pub const MESSAGE_ID: usize = 998;
/// Ids of messages of an account that go together, when they are the oldest.
pub const THREAD_GENERATION: u64 = if cfg!(test) { 8 } else { 4_096 };
/// So many times as many ids are known.
pub const THREAD_GENERATIONS: u32 = if cfg!(test) { 3 } else { 16 };
/// Ranges of UIDs remembered of messages that are gone from a mailbox.
pub const VANISHED: usize = if cfg!(test) { 12 } else { 2_048 };
/// Octets of a log segment after which the next group of records begins a new one; a segment is longer by at most one group.
pub const SEGMENT: u32 = 32 * 1024 * 1024;
/// Every flush of the log is padded to a multiple of this, so that no durable block is written again.
pub const BLOCK: u32 = 4096;
/// Octets of a message in one PART record; what a draft holds in memory.
pub const PART: usize = 64 * 1024;
/// Octets of a dictionary; every segment carries one.
pub const DICTIONARY: usize = 96 * 1024;
/// Dictionaries of older segments kept in memory, each about 220 KiB.
pub const DICTIONARIES: usize = 4;
/// Octets of text that come before a store learns a dictionary from its mail.
pub const LEARN: u64 = 512 * 1024;
/// It tries again when so many times as much has come.
pub const LEARN_AGAIN: u64 = 8;
/// Octets of samples that it learns from.
pub const SAMPLES: usize = 2 * 1024 * 1024;
/// Octets of one of them.
pub const SAMPLE: usize = 16 * 1024;
/// How many messages are looked at for samples.
pub const SAMPLED: u64 = 512;
/// By so many percent a learned dictionary has to be better than the one there is.
pub const GAIN: i64 = 3;
/// Octets of an attachment from which it is stored decoded, and of a piece of it from which messages share it.
pub const ATTACHMENT: usize = 2 * 1024;
/// Characters of the longest line of base64 that is decoded (RFC 2045 §6.8 has 76).
pub const BASE64_LINE: usize = 76;
/// Characters of the shortest.
pub const BASE64_SHORTEST: usize = 60;
/// Octets of the payload of one record.
pub const RECORD: usize = 64 * 1024 * 1024;
/// Octets of records that wait in memory for a flush.
pub const LOG_BUFFER: usize = 256 * 1024;
/// Octets of message bodies in one group commit, roughly.
pub const GROUP_BYTES: usize = 1024 * 1024;
/// Operations in one group commit.
pub const GROUP_JOBS: usize = 256;
/// The longest that a delivery waits for others to share its flush.
pub const COMPANY: Duration = Duration::from_millis(30);
/// The same where a flush takes longer than that.
pub const COMPANY_OF_SLOW: Duration = Duration::from_millis(50);
/// Operations that wait for the writer before callers have to wait to hand in theirs.
pub const QUEUE: usize = 256;
/// Octets of log after which the catalogue is made durable.
pub const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;
/// Records after which the catalogue is made durable.
pub const CHECKPOINT_RECORDS: u64 = 10_000;
/// Octets of the catalogue that wait in memory while the disk is full.
pub const CATALOGUE_WAITING: u64 = 16 * 1024 * 1024;
/// Time without writes after which the catalogue is made durable, if a start would have much to replay.
pub const CHECKPOINT_IDLE: Duration = Duration::from_secs(600);
/// Octets of log, and records, that a start replays in no time: for them alone the catalogue is not made durable in an idle hour.
pub const REPLAY_BYTES: u64 = 1024 * 1024;
/// See [`REPLAY_BYTES`].
pub const REPLAY_RECORDS: u64 = 500;
/// Records applied in one transaction of a replay.
pub const REPLAY_BATCH: u32 = 1_000;
/// Octets behind the log's end in which it is looked for going on, when a store is opened.
pub const RESYNC: u64 = 4 * 1024 * 1024;
/// Blocks behind the log's end that cannot be read, above which that is not believed to be its end.
pub const UNREADABLE: usize = 256;
/// Dead octets of bodies after which a snapshot is written and space given back, if they are also an eighth of what lives.
pub const RECLAIM: u64 = 8 * 1024 * 1024;
/// Operations between two steps of a snapshot that is not left any idle time.
pub const SNAPSHOT_EVERY: u32 = 16;
/// Percent of a segment below which the bodies that live in it are copied.
pub const COPY_BELOW: u64 = 30;
/// Segments copied at once.
pub const COPY_SEGMENTS: usize = 8;
/// Parts copied in one transaction.
pub const COPY_BATCH: usize = 256;
/// Of the octets delivered, one in so many may be copied.
pub const COPY_BUDGET: u64 = 4;
/// One in so many octets of a segment may be copied without any delivery.
pub const COPY_ALWAYS: u64 = 64;
/// Dead octets in one place that are worth a hole.
pub const HOLE: u64 = 16 * 1024;
/// Octets of redb's cache when mail is rescued.
pub const RESCUE_CACHE: usize = 16 * 1024 * 1024;
/// Folders below the one that mail is rescued from: the log, or what the repair of a file system found.
pub const RESCUE_DEPTH: u32 = 4;
/// Segments kept to be written again; more are removed.
pub const SPARES: usize = 8;
/// Octets of envelopes and structures kept in memory.
pub const STRUCTURE_CACHE: usize = 4 * 1024 * 1024;
/// UID ranges of recent changes kept in memory, over all mailboxes.
pub const RECENT_CHANGES: usize = 32_768;
/// Log segments kept open for reading.
pub const OPEN_SEGMENTS: usize = 32;
/// Octets read at once when the log is scanned.
pub const SCAN_WINDOW: usize = 256 * 1024;
