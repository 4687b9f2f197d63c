//! The MIME structure of a message: the tree behind BODYSTRUCTURE (RFC 9051 §7.5.2) and `BODY[1.2]` (§6.4.5.1).

use crate::envelope::Envelope;
use std::ops::Range;

/// One body part, or the message itself. Offsets are absolute in the message's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The header of this part with the empty line that ends it (empty range if there is none).
    pub header: Range<u64>,
    /// The body, without the CRLF that belongs to the following boundary.
    pub body: Range<u64>,
    /// Lines in `body` (a last line without line end counts).
    pub lines: u32,
    /// Media type as written, e.g. `text`; the default of RFC 2045 §5.2 (or RFC 2046 §5.1.5 in a digest) if absent or unreadable.
    pub media_type: Vec<u8>,
    /// Media subtype as written, e.g. `plain`.
    pub subtype: Vec<u8>,
    /// Content-Type parameters in order, RFC 2231 continuations joined.
    pub params: Vec<Param>,
    /// Content-ID.
    pub id: Option<Vec<u8>>,
    /// Content-Description.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding as written; `None` means 7bit.
    pub encoding: Option<Vec<u8>>,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language tags.
    pub language: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// What is inside.
    pub content: Content,
}

/// What a part contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing this crate looks into.
    Leaf,
    /// `multipart/*`, with at least one part.
    Multipart(Vec<Part>),
    /// `message/rfc822` (or `message/global`): the Envelope of the enclosed message, and it.
    Message(Box<Envelope>, Box<Part>),
}

/// One parameter of a structured header, e.g. `charset=utf-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Name as written.
    pub name: Vec<u8>,
    /// Value without quotes.
    pub value: Vec<u8>,
}

/// Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment`, … as written.
    pub kind: Vec<u8>,
    /// Its parameters.
    pub params: Vec<Param>,
}

/// Builds the structure while the bytes stream by; memory is bounded by `limits`, whatever the message's size.
#[derive(Debug, Default)]
pub struct Builder {}

impl Builder {
    /// An empty builder.
    pub fn new() -> Builder {
        Builder::default()
    }
    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, _bytes: &[u8]) {
        todo!()
    }
    /// The whole message's tree and its Envelope.
    pub fn finish(self) -> (Envelope, Part) {
        todo!()
    }
}

impl Part {
    /// The structure and Envelope of a message held in memory.
    pub fn parse(raw: &[u8]) -> (Envelope, Part) {
        let mut b = Builder::new();
        b.feed(raw);
        b.finish()
    }
    /// Rough bytes of memory this tree takes, for caches.
    pub fn weight(&self) -> usize {
        todo!()
    }
}
