//! Encoded-words in header values (RFC 2047), with the language tag of RFC 2231 §5.

use crate::transfer::{Base64, quoted_printable_word};
use memchr::memchr;

/// One encoded-word.
pub(crate) struct Word<'a> {
    pub charset: &'a [u8],
    base64: bool,
    text: &'a [u8],
    /// Bytes of the whole encoded-word.
    pub length: usize,
}

/// The encoded-word that `bytes` starts with. Its text may hold spaces and exceed 75 characters, as occurs.
pub(crate) fn word(bytes: &[u8]) -> Option<Word<'_>> {
    let rest = bytes.strip_prefix(b"=?")?;
    let (charset, rest) = split(rest)?;
    let (encoding, rest) = split(rest)?;
    let (text, rest) = split(rest)?;
    let base64 = match encoding {
        b"B" | b"b" => true,
        b"Q" | b"q" => false,
        _ => return None,
    };
    if charset.is_empty() || charset.iter().any(|b| !b.is_ascii_graphic()) || rest.first() != Some(&b'=') {
        return None;
    }
    let charset = memchr(b'*', charset).map_or(charset, |star| &charset[..star]);
    Some(Word { charset, base64, text, length: bytes.len() - rest.len() + 1 })
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'?', bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

impl Word<'_> {
    /// Appends the bytes it stands for, in its charset.
    pub fn decode(&self, out: &mut Vec<u8>) {
        if self.base64 {
            Base64::default().feed(self.text, out);
        } else {
            quoted_printable_word(self.text, out);
        }
    }
}
