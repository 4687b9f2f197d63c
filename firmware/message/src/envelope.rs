//! ENVELOPE (RFC 9051 §7.5.2): the fields of RFC 5322 that mail programs show in lists.

/// The fields of a message's header that mail programs list. Bytes as they came, unfolded; encoded-words stay encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date header as written.
    pub date: Option<Vec<u8>>,
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender; the same as From if absent or empty.
    pub sender: Vec<Address>,
    /// Reply-To; the same as From if absent or empty.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID.
    pub message_id: Option<Vec<u8>>,
}

/// One entry of an address list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `Name <mailbox@host>`; `route` is the obsolete source route.
    Mailbox { name: Option<Vec<u8>>, route: Option<Vec<u8>>, mailbox: Vec<u8>, host: Vec<u8> },
    /// Start of a group, with its name.
    GroupStart(Vec<u8>),
    /// End of a group.
    GroupEnd,
}

impl Envelope {
    /// Reads the Envelope out of a header block (with or without the empty line that ends it).
    pub fn parse(_header: &[u8]) -> Envelope {
        todo!()
    }
}

/// Parses an address header's value (RFC 5322 §3.4 with the obsolete forms), leniently.
pub fn addresses(_value: &[u8]) -> Vec<Address> {
    todo!()
}
