//! The values of the store: numbers, names, flags, rows (RFC 9051 §2.3).

use crate::limits;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// An account's number, as `auth` gives it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountId(pub u32);
/// A mailbox's number in the store; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MailboxId(pub u32);
/// Where a message's bytes are; shared by its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobId(pub u64);
/// Unique identifier of a message in a mailbox (RFC 9051 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uid(pub NonZeroU32);
/// UIDVALIDITY of a mailbox; never given twice in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UidValidity(pub NonZeroU32);
/// Modification sequence (RFC 7162), at most 2^63-1; 0 is before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct ModSeq(pub u64);

/// A mailbox name: UTF-8, hierarchy separator `/`, no empty level, no control characters, no `*` or `%`, INBOX in canonical case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MailboxName(SmolStr);

/// Roles of RFC 6154.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

/// A mailbox as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its number.
    pub id: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Its role.
    pub special_use: Option<SpecialUse>,
    /// Whether its name is subscribed.
    pub subscribed: bool,
}

/// Counters of a mailbox (RFC 9051 §6.3.11, RFC 8438).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Messages.
    pub messages: u32,
    /// Messages nobody has claimed as `\Recent` yet.
    pub recent: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// The UID the next message will have at least.
    pub uid_next: Uid,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Highest MODSEQ.
    pub highest_modseq: ModSeq,
    /// Sum of the messages' sizes, octets.
    pub size: u64,
}

/// Flags of a message: system flags and keywords (RFC 9051 §2.3.2). `\Recent` is not one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flags {
    /// `\Seen`
    pub seen: bool,
    /// `\Answered`
    pub answered: bool,
    /// `\Flagged`
    pub flagged: bool,
    /// `\Deleted`
    pub deleted: bool,
    /// `\Draft`
    pub draft: bool,
    /// Keywords; compared without ASCII case, spelled as first seen in the mailbox.
    pub keywords: BTreeSet<Keyword>,
}

/// A keyword: an IMAP atom of at most `limits::KEYWORD` octets; equality without ASCII case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keyword(SmolStr);

/// What STORE asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// `FLAGS`
    Replace(Flags),
    /// `+FLAGS`
    Add(Flags),
    /// `-FLAGS`
    Remove(Flags),
}

/// The outcome of a flag change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagsChanged {
    /// Rows after the change, ascending UID.
    pub rows: Vec<Message>,
    /// UIDs left alone because of UNCHANGEDSINCE.
    pub modified: Vec<Uid>,
}

/// One message's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// UID.
    pub uid: Uid,
    /// MODSEQ of its last change.
    pub modseq: ModSeq,
    /// Flags.
    pub flags: Flags,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// When it came into this mailbox, Unix seconds (RFC 8514).
    pub save_date: i64,
    /// RFC822.SIZE, octets.
    pub size: u64,
    /// Its bytes.
    pub blob: BlobId,
}

/// Where a draft goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Initial flags.
    pub flags: Flags,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// Now, Unix seconds.
    pub save_date: i64,
}

/// Where a message landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// UID of the message.
    pub uid: Uid,
}

/// The outcome of COPY or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: UidValidity,
    /// Source and target UIDs.
    pub uids: Vec<(Uid, Uid)>,
}

/// Which messages to expunge.
#[derive(Debug, Clone, Copy)]
pub enum Expunge<'a> {
    /// All with `\Deleted`.
    Deleted,
    /// Those of these UIDs with `\Deleted` (UID EXPUNGE).
    DeletedAmong(&'a [Uid]),
    /// These, whatever their flags (POP3, MOVE).
    These(&'a [Uid]),
}

/// A mailbox at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// Complete to here.
    pub highest_modseq: ModSeq,
    /// UIDs of all messages, ascending: the sequence numbers.
    pub uids: Vec<Uid>,
    /// The first message without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Keywords in use in the mailbox.
    pub keywords: Vec<Keyword>,
}

/// Changes after a MODSEQ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Complete to here.
    pub highest_modseq: ModSeq,
    /// New and changed rows, ascending UID.
    pub changed: Vec<Message>,
    /// First and last of UIDs expunged since (may name some that were already gone), ascending.
    pub vanished: Vec<(Uid, Uid)>,
}

/// What the store wrote, by cause, in octets, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Octets of the messages delivered or appended since opening, as they came.
    pub received_bytes: u64,
    /// Octets of message bodies appended to the log, after compression and sharing.
    pub mail_bytes: u64,
    /// Octets of records of changed flags appended to the log.
    pub flag_bytes: u64,
    /// Octets of snapshots and copied bodies appended to the log so that space could be given back.
    pub reclaim_bytes: u64,
    /// Octets of all records and padding appended to the log, bodies included.
    pub log_bytes: u64,
    /// Octets written to the catalogue.
    pub catalogue_bytes: u64,
    /// Flushes of the log.
    pub log_syncs: u64,
    /// Durable commits of the catalogue.
    pub checkpoints: u64,
    /// Messages delivered or appended since opening.
    pub deliveries: u64,
    /// Messages held, copies counted.
    pub messages: u64,
    /// Their sizes, octets.
    pub message_bytes: u64,
    /// Octets of the file system that it is on; 0 if that is not known.
    pub disk_bytes: u64,
    /// Since the store, or its catalogue, was made.
    pub lifetime: Lifetime,
}

/// What a store cost its disk since its catalogue was made, up to the last checkpoint and from its opening on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// Octets written to log and catalogue.
    pub written_bytes: u64,
    /// Octets of the messages delivered or appended, as they came.
    pub received_bytes: u64,
    /// Seconds that it was open.
    pub open_seconds: u64,
}

impl Uid {
    /// From a number; `None` for 0.
    pub fn new(n: u32) -> Option<Uid> {
        NonZeroU32::new(n).map(Uid)
    }
    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
    /// The lowest.
    pub const MIN: Uid = Uid(NonZeroU32::MIN);
    /// The highest.
    pub const MAX: Uid = Uid(NonZeroU32::MAX);
}

/// Why a text is no mailbox name or keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError(pub &'static str);

impl MailboxName {
    /// INBOX.
    pub fn inbox() -> MailboxName {
        MailboxName(SmolStr::new_static("INBOX"))
    }
    /// Checks decoded UTF-8; one trailing separator is dropped; `inbox` in any case, also as first level, becomes `INBOX`.
    pub fn parse(text: &str) -> Result<MailboxName, NameError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.len() > limits::MAILBOX_NAME {
            return Err(NameError("the mailbox name is too long"));
        }
        if text.split('/').any(str::is_empty) {
            return Err(NameError("a mailbox name has no empty level"));
        }
        if text.split('/').count() > limits::MAILBOX_DEPTH {
            return Err(NameError("the mailbox name has too many levels"));
        }
        // RFC 5198 control characters, and those that LIST patterns need
        if text.chars().any(|c| c.is_control() || matches!(c, '*' | '%' | '\u{2028}' | '\u{2029}')) {
            return Err(NameError("a mailbox name has no control characters, * or %"));
        }
        let first = text.split('/').next().unwrap_or_default();
        if first.eq_ignore_ascii_case("INBOX") {
            return Ok(MailboxName(SmolStr::new(format!("INBOX{}", &text[first.len()..]))));
        }
        Ok(MailboxName(SmolStr::new(text)))
    }
    /// A name from the store's own records.
    pub(crate) fn stored(text: SmolStr) -> MailboxName {
        MailboxName(text)
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is INBOX.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }
    /// The name one level up.
    pub fn parent(&self) -> Option<MailboxName> {
        self.0.rsplit_once('/').map(|(p, _)| MailboxName(SmolStr::new(p)))
    }
    /// Whether this name lies below `other`.
    pub fn is_below(&self, other: &MailboxName) -> bool {
        self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Keyword {
    /// Checks an atom that does not begin with `\`.
    pub fn parse(text: &str) -> Result<Keyword, NameError> {
        if text.is_empty() || text.len() > limits::KEYWORD {
            return Err(NameError("a keyword is empty or too long"));
        }
        // atom of RFC 9051 §9, without resp-specials
        let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        if !text.bytes().all(atom) {
            return Err(NameError("a keyword is an atom"));
        }
        Ok(Keyword(SmolStr::new(text)))
    }
    /// A keyword from the store's own records.
    pub(crate) fn stored(text: &str) -> Keyword {
        Keyword(SmolStr::new(text))
    }
    /// As spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Keyword) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Keyword {}
impl Ord for Keyword {
    fn cmp(&self, other: &Keyword) -> std::cmp::Ordering {
        self.0.bytes().map(|b| b.to_ascii_lowercase()).cmp(other.0.bytes().map(|b| b.to_ascii_lowercase()))
    }
}
impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Keyword) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
