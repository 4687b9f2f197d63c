//! Header fields of a header block (RFC 5322 §2.2): splitting, unfolding, selecting.

use crate::builder;
use memchr::memchr;

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

/// The fields of a header block in order; stops at the empty line. Lines that are no field are passed over.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        loop {
            let first = line(rest);
            if first.is_empty() || is_blank(first) {
                return None;
            }
            let (raw, after) = rest.split_at(field_length(rest, first.len()));
            rest = after;
            if let Some(field) = split(raw) {
                return Some(field);
            }
        }
    })
}

/// The first field of that name.
pub fn find<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(header).find(|f| f.name.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether the header block has a field of that name.
pub fn has(header: &[u8], name: &str) -> bool {
    find(header, name).is_some()
}

/// The value with folds removed (CRLF dropped, the white space kept) and outer white space trimmed.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(end) = memchr(b'\n', rest) {
        out.extend_from_slice(without_line_end(&rest[..=end]));
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    let end = out.trim_ascii_end().len();
    out.truncate(end);
    let start = out.len() - out.trim_ascii_start().len();
    out.drain(..start);
    out
}

/// `HEADER.FIELDS` (`not` = false) or `HEADER.FIELDS.NOT`: the selected fields as they came, and the empty line (RFC 9051 §6.4.5.1).
pub fn select(header: &[u8], names: &[impl AsRef<[u8]>], not: bool) -> Vec<u8> {
    // Sorted: there may be as many names as fields.
    let mut names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable_by(|a, b| lower(a).cmp(lower(b)));
    let mut out = Vec::new();
    for field in fields(header) {
        if names.binary_search_by(|name| lower(name).cmp(lower(field.name))).is_ok() == not {
            continue;
        }
        out.extend_from_slice(field.raw);
        if !field.raw.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn lower(text: &[u8]) -> impl Iterator<Item = u8> {
    text.iter().map(u8::to_ascii_lowercase)
}

/// The length of the header block at the beginning of a message, its empty line included: where [`crate::Part::header`] ends.
/// `None` if these bytes hold no empty line.
pub fn length(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &message[at..]) {
        let line = &message[at..=at + end];
        at += line.len();
        // The builder decides by the beginning of a line, too.
        if is_blank(&line[..line.len().min(builder::HEAD)]) {
            return Some(at);
        }
    }
    None
}

/// The first line of `bytes` with its line end.
fn line(bytes: &[u8]) -> &[u8] {
    memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..=end])
}

/// Whether a line with its line end is empty; a stray CR in front of the line end does not count.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.split_last().is_some_and(|(last, rest)| *last == b'\n' && rest.iter().all(|b| *b == b'\r'))
}

/// The length of the field whose first line has `first` bytes: continuation lines start with white space.
fn field_length(bytes: &[u8], first: usize) -> usize {
    let mut end = first;
    while matches!(bytes.get(end), Some(b' ' | b'\t')) {
        end += line(&bytes[end..]).len();
    }
    end
}

/// Splits at the colon. A name is printable (RFC 5322 §3.6.8), white space may stand before the colon (§4.5).
fn split(raw: &[u8]) -> Option<Field<'_>> {
    let colon = memchr(b':', line(raw))?;
    let name = raw[..colon].trim_ascii_end();
    let printable = !name.is_empty() && name.iter().all(|b| *b > b' ' && *b != 0x7f);
    printable.then_some(Field { name, value: &raw[colon + 1..], raw })
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"From: a@b\r\nSubject : one\r\n\ttwo\r\n \r\nX-Empty:\r\nno field\r\n of any kind\r\nfrom:\n\r\nTo: body\r\n";

    #[test]
    fn fields_with_folds() {
        let all: Vec<_> = fields(HEADER).map(|f| (f.name, f.value)).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"From", b" a@b\r\n"), (b"Subject", b" one\r\n\ttwo\r\n \r\n"), (b"X-Empty", b"\r\n"), (b"from", b"\n")];
        assert_eq!(all, expected);
        assert!(has(HEADER, "SUBJECT") && !has(HEADER, "To"));
        assert_eq!(find(HEADER, "from").map(|f| f.raw), Some(&b"From: a@b\r\n"[..]));
    }

    #[test]
    fn unfolding() {
        for (value, expected) in [
            ("  one\r\n two\r\n\tthree \r\n", "one two\tthree"),
            ("one\n  two\n", "one  two"),
            ("a\rb\r\r\n c", "a\rb\r c"),
            ("\r\n \r\n", ""),
            ("", ""),
        ] {
            assert_eq!(unfold(value.as_bytes()), expected.as_bytes(), "{value:?}");
        }
    }

    #[test]
    fn selecting() {
        assert_eq!(select(HEADER, &["FROM", "nothing"], false), b"From: a@b\r\nfrom:\n\r\n");
        assert_eq!(select(HEADER, &["from", "x-empty"], true), b"Subject : one\r\n\ttwo\r\n \r\n\r\n");
        assert_eq!(select(HEADER, &["x", "To", "SUBJECT", "a"], false), b"Subject : one\r\n\ttwo\r\n \r\n\r\n");
        assert_eq!(select(b"A: b", &["a"], false), b"A: b\r\n\r\n");
        assert_eq!(select(b"", &["a"], false), b"\r\n");
    }

    #[test]
    fn the_empty_line_may_have_stray_carriage_returns() {
        assert_eq!(fields(b"A: b\r\r\n\r\r\nC: d\r\n").count(), 1);
        assert_eq!(fields(b"A: b\r\rC: d\r\n").count(), 1);
    }
}
