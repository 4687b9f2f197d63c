//! Which bytes `BODY[…]` names (RFC 9051 §6.4.5.1).

use crate::structure::{Content, Part};
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
    pub fn locate(&self, message: &Part) -> Option<Range<u64>> {
        let part = message.find(&self.path)?;
        match &self.text {
            None if self.path.is_empty() => Some(part.header.start..part.body.end),
            None => Some(part.body.clone()),
            Some(SectionText::Mime) => (!self.path.is_empty()).then(|| part.header.clone()),
            Some(SectionText::Text) => Some(self.enclosed(part)?.body.clone()),
            Some(_) => Some(self.enclosed(part)?.header.clone()),
        }
    }

    /// The message whose HEADER and TEXT are meant: the whole one, or the one inside the part that the path names.
    fn enclosed<'p>(&self, part: &'p Part) -> Option<&'p Part> {
        match &part.content {
            _ if self.path.is_empty() => Some(part),
            Content::Message(_, inner) => Some(inner),
            _ => None,
        }
    }
}

impl Part {
    /// The part that IMAP part numbers name in this message; the message itself for an empty path.
    pub fn find(&self, path: &[u32]) -> Option<&Part> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        rest.iter().try_fold(self.numbered(*first)?, |part, number| match &part.content {
            Content::Leaf => None,
            Content::Multipart(_) => part.numbered(*number),
            Content::Message(_, inner) => inner.numbered(*number),
        })
    }

    /// Part `number` of a message: every message has at least part 1, its only part if it is no multipart.
    fn numbered(&self, number: u32) -> Option<&Part> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        match &self.content {
            Content::Multipart(parts) => parts.get(index),
            _ => (index == 0).then_some(self),
        }
    }
}
