//! The MIME structure of a message: the tree behind BODYSTRUCTURE (RFC 9051 §7.5.2) and `BODY[1.2]` (§6.4.5.1).

use crate::envelope::Envelope;
use crate::mime;
use std::borrow::Cow;
use std::ops::Range;

pub use crate::builder::Builder;

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
    /// Nothing this crate looks into. Never of a type that needs a content (`multipart/*`, `message/rfc822`,
    /// `message/global`): where that content is missing or beyond the limits another type stands in its place.
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

impl Part {
    /// The structure and Envelope of a message held in memory.
    pub fn parse(raw: &[u8]) -> (Envelope, Part) {
        let mut b = Builder::new();
        b.feed(raw);
        b.finish()
    }
    /// Rough bytes of memory this tree takes, for caches.
    pub fn weight(&self) -> usize {
        let inside = match &self.content {
            Content::Leaf => 0,
            Content::Multipart(parts) => parts.iter().map(Part::weight).sum(),
            Content::Message(envelope, inner) => envelope.weight() + inner.weight(),
        };
        size_of::<Part>() + self.description_weight() + inside
    }

    /// Whether the part is of that media type.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The value of a Content-Type parameter, percent-decoded if it came as RFC 2231 `name*`.
    pub fn param(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        mime::parameter(&self.params, name)
    }

    /// Bytes on the heap for what the header told.
    pub(crate) fn description_weight(&self) -> usize {
        let texts = [&self.id, &self.description, &self.encoding, &self.md5, &self.location];
        let disposition = self.disposition.as_ref().map_or(0, |d| ALLOCATION + d.kind.len() + params_weight(&d.params));
        self.media_type.len()
            + self.subtype.len()
            + params_weight(&self.params)
            + texts.iter().filter_map(|t| t.as_ref()).map(|t| ALLOCATION + t.len()).sum::<usize>()
            + disposition
            + self.language.iter().map(|l| size_of::<Vec<u8>>() + ALLOCATION + l.len()).sum::<usize>()
    }
}

/// What an allocator takes beside the bytes asked for, roughly.
pub(crate) const ALLOCATION: usize = 16;

fn params_weight(params: &[Param]) -> usize {
    params.iter().map(|p| size_of::<Param>() + 2 * ALLOCATION + p.name.len() + p.value.len()).sum()
}
