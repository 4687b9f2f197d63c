//! Commands as values: what RFC 3501 §6 and the extensions let a client ask for.

use super::sequence::SequenceSet;
use message::Section;
use message::date::{DateTime, Day};
use smol_str::SmolStr;
use store::{FlagChange, Flags, Keyword, MailboxName, NameError, SpecialUse};

/// A command's tag.
pub type Tag = heapless::String<{ crate::limits::TAG }>;

/// A mailbox name as given: some are well-formed for the protocol but cannot name a mailbox.
pub type Mailbox = Result<MailboxName, NameError>;

/// A client's command. The message of APPEND is not part of it: it streams by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// ID (RFC 2971): what the client says about itself.
    Id(Vec<(String, String)>),
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE with the initial response of RFC 4959, still in base64.
    Authenticate(SmolStr, Option<Vec<u8>>),
    /// LOGIN: user and password.
    Login(Vec<u8>, Vec<u8>),
    /// ENABLE (RFC 5161)
    Enable(Vec<SmolStr>),
    /// SELECT
    Select(Select),
    /// EXAMINE
    Examine(Select),
    /// CREATE with the special uses of RFC 6154.
    Create(Mailbox, Vec<UseAttribute>),
    /// DELETE
    Delete(Mailbox),
    /// RENAME
    Rename(Mailbox, Mailbox),
    /// SUBSCRIBE
    Subscribe(Mailbox),
    /// UNSUBSCRIBE
    Unsubscribe(Mailbox),
    /// LIST
    List(List),
    /// LSUB: reference and pattern together.
    Lsub(String),
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// STATUS
    Status(Mailbox, Vec<StatusItem>),
    /// IDLE (RFC 2177)
    Idle,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE
    Expunge,
    /// UID EXPUNGE (RFC 4315)
    UidExpunge(SequenceSet),
    /// SEARCH, UID SEARCH
    Search(Numbers, Search),
    /// FETCH, UID FETCH
    Fetch(Numbers, Fetch),
    /// STORE, UID STORE
    Store(Numbers, StoreFlags),
    /// COPY, UID COPY
    Copy(Numbers, SequenceSet, Mailbox),
    /// MOVE, UID MOVE (RFC 6851)
    Move(Numbers, SequenceSet, Mailbox),
}

impl Command {
    /// The UIDs by which it names messages to do something with them.
    pub fn uids(&self) -> Option<&SequenceSet> {
        match self {
            Command::UidExpunge(set)
            | Command::Fetch(Numbers::Uid, Fetch { set, .. })
            | Command::Store(Numbers::Uid, StoreFlags { set, .. })
            | Command::Copy(Numbers::Uid, set, _)
            | Command::Move(Numbers::Uid, set, _) => Some(set),
            _ => None,
        }
    }
}

/// What the numbers of a command and its answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Message sequence numbers.
    Sequence,
    /// UIDs.
    Uid,
}

/// Arguments of SELECT and EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Which mailbox.
    pub mailbox: Mailbox,
    /// CONDSTORE (RFC 7162 §3.1.8).
    pub condstore: bool,
    /// QRESYNC (RFC 7162 §3.2.5).
    pub qresync: Option<Qresync>,
}

/// What a client remembers of a mailbox (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qresync {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// The last MODSEQ.
    pub modseq: u64,
    /// The UIDs it knows, if it says so.
    pub known_uids: Option<SequenceSet>,
}

/// A special use of CREATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseAttribute {
    /// One that a mailbox here can have.
    Known(SpecialUse),
    /// Any other.
    Unsupported,
}

/// Arguments of LIST (RFC 3501 §6.3.8, RFC 5258).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Patterns, each with the reference before it. Decoded from modified UTF-7.
    pub patterns: Vec<String>,
    /// Which names.
    pub select: ListSelect,
    /// What about them.
    pub returns: ListReturn,
    /// Whether selection or return options or several patterns were given (RFC 5258 §3).
    pub extended: bool,
}

/// Selection options of LIST.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListSelect {
    /// SUBSCRIBED
    pub subscribed: bool,
    /// REMOTE; there are none.
    pub remote: bool,
    /// RECURSIVEMATCH
    pub recursive: bool,
    /// SPECIAL-USE (RFC 6154 §2)
    pub special_use: bool,
}

/// Return options of LIST. `\HasChildren` and special uses come always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// SUBSCRIBED
    pub subscribed: bool,
    /// STATUS (RFC 5819)
    pub status: Option<Vec<StatusItem>>,
}

/// Data items of STATUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// SIZE (RFC 8438)
    Size,
    /// APPENDLIMIT (RFC 7889)
    AppendLimit,
    /// HIGHESTMODSEQ (RFC 7162)
    HighestModSeq,
}

/// Arguments of APPEND before the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: Mailbox,
    /// Initial flags.
    pub flags: Flags,
    /// Internal date.
    pub date: Option<DateTime>,
}

/// Arguments of FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which messages.
    pub set: SequenceSet,
    /// What of them.
    pub items: Vec<FetchItem>,
    /// CHANGEDSINCE (RFC 7162 §3.1.4.1).
    pub changed_since: Option<u64>,
    /// VANISHED (RFC 7162 §3.2.6).
    pub vanished: bool,
}

/// Data items of FETCH; the macros are already taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY without section
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// MODSEQ (RFC 7162)
    ModSeq,
    /// `BODY[…]`, `BODY.PEEK[…]` and the three old names.
    Section(BodySection),
}

/// One `BODY[…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySection {
    /// Which bytes.
    pub section: Section,
    /// `<origin.count>`
    pub partial: Option<(u32, u32)>,
    /// Whether `\Seen` stays as it is.
    pub peek: bool,
    /// How it was asked for, and is answered.
    pub name: SectionName,
}

/// The spelling of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionName {
    /// `BODY[…]`
    Body,
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
}

/// Arguments of STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFlags {
    /// Which messages.
    pub set: SequenceSet,
    /// What to do with their flags.
    pub change: FlagChange,
    /// Whether the new flags need not be told.
    pub silent: bool,
    /// UNCHANGEDSINCE (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
}

/// Arguments of SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// RETURN options (RFC 4731); `None` for the plain answer.
    pub returns: Option<SearchReturn>,
    /// CHARSET of the strings.
    pub charset: Option<SmolStr>,
    /// What must be true of a message.
    pub key: SearchKey,
}

/// RETURN options of SEARCH (RFC 4731 §3.1); none of them means ALL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
}

/// System flags that SEARCH asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemFlag {
    /// `\Answered`
    Answered,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
    /// `\Flagged`
    Flagged,
    /// `\Seen`
    Seen,
}

/// How a day is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Earlier than the day.
    Before,
    /// On the day.
    On,
    /// On the day or later.
    Since,
}

/// Search keys (RFC 3501 §6.4.4). The keys that only negate others are written with [`SearchKey::Not`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every one of these; ALL is the empty list.
    And(Vec<SearchKey>),
    /// One of the two.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// A message sequence set.
    Sequence(SequenceSet),
    /// UID
    Uid(SequenceSet),
    /// ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
    Flag(SystemFlag),
    /// RECENT
    Recent,
    /// KEYWORD; `None` for a keyword that no message can have.
    Keyword(Option<Keyword>),
    /// LARGER
    Larger(u32),
    /// SMALLER
    Smaller(u32),
    /// BEFORE, ON, SINCE: the internal date.
    Internal(When, Day),
    /// SENTBEFORE, SENTON, SENTSINCE: the Date header.
    Sent(When, Day),
    /// HEADER and FROM, TO, CC, BCC, SUBJECT: field name and string.
    Header(Vec<u8>, Vec<u8>),
    /// BODY
    Body(Vec<u8>),
    /// TEXT
    Text(Vec<u8>),
    /// MODSEQ (RFC 7162 §3.1.5); the entry name changes nothing here.
    ModSeq(u64),
}
