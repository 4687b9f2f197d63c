//! Which bytes `BODY[…]` names (RFC 9051 §6.4.5.1).

use crate::structure::Part;
use std::ops::Range;

/// A section specification: part numbers and what of that part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Part numbers, e.g. `[1, 2]`; empty for the message itself.
    pub path: Vec<u32>,
    /// `None`: the part's body (for an empty path: the whole message).
    pub text: Option<SectionText>,
}

/// The part specifiers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// `HEADER` of the message, or of the message/rfc822 that the path names.
    Header,
    /// `HEADER.FIELDS (…)`.
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT (…)`.
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`.
    Text,
    /// `MIME`: the part's own MIME header; only with a path.
    Mime,
}

impl Section {
    /// The bytes of the message this section names; `None` if there is no such part. For `HEADER.FIELDS` it is the
    /// header to give to [`crate::header::select`].
    pub fn locate(&self, _message: &Part) -> Option<Range<u64>> {
        todo!()
    }
}
