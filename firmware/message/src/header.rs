//! Header fields of a header block (RFC 5322 §2.2): splitting, unfolding, selecting.

/// One field as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name without colon and surrounding white space.
    pub name: &'a [u8],
    /// Everything after the colon with folds and the final line end.
    pub value: &'a [u8],
    /// The whole field with name and line end(s).
    pub raw: &'a [u8],
}

/// The fields of a header block in order; stops at the empty line.
pub fn fields(_header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::empty::<Field<'_>>()
}

/// The value with folds removed (CRLF dropped, the white space kept) and outer white space trimmed.
pub fn unfold(_value: &[u8]) -> Vec<u8> {
    todo!()
}

/// `HEADER.FIELDS` (`not` = false) or `HEADER.FIELDS.NOT`: the selected fields as they came, and the empty line (RFC 9051 §6.4.5.1).
pub fn select(_header: &[u8], _names: &[impl AsRef<[u8]>], _not: bool) -> Vec<u8> {
    todo!()
}
