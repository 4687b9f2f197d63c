//! Text for searching: transfer encodings (RFC 2045 §6), charsets, encoded-words (RFC 2047), i;unicode-casemap (RFC 5051).

use crate::structure::Part;

/// A string prepared for substring search under i;unicode-casemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {}

impl Needle {
    /// Folds the string searched for; `None` if `charset` is unknown. An empty needle matches everything.
    pub fn new(_bytes: &[u8], _charset: Option<&str>) -> Option<Needle> {
        todo!()
    }
    /// Whether a header value (raw, folded, perhaps with encoded-words or bare 8-bit) contains it.
    pub fn in_header_value(&self, _value: &[u8]) -> bool {
        todo!()
    }
    /// Whether plain UTF-8 text contains it.
    pub fn in_text(&self, _text: &str) -> bool {
        todo!()
    }
}

/// Searches one leaf part's raw body as it streams by: decodes, converts, folds, compares, in bounded memory.
#[derive(Debug)]
pub struct BodySearch<'n> {
    _needle: &'n Needle,
}

impl<'n> BodySearch<'n> {
    /// A search through `part`; `None` if the part is not text (its raw bytes are then of no interest).
    pub fn new(_needle: &'n Needle, _part: &Part) -> Option<BodySearch<'n>> {
        todo!()
    }
    /// Takes the next raw bytes of the body; true once found.
    pub fn feed(&mut self, _raw: &[u8]) -> bool {
        todo!()
    }
    /// Ends the body; true if found.
    pub fn finish(self) -> bool {
        todo!()
    }
}

/// Decodes encoded-words and stray 8-bit of a header value into readable text.
pub fn decode_header(_value: &[u8]) -> String {
    todo!()
}
