//! Charsets of bodies and encoded-words as they stream by, in whatever pieces.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A streaming decoder.
pub(crate) enum Charset {
    /// A charset by its name.
    Named(Box<Decoder>),
    /// No charset, an unknown one, US-ASCII or UTF-8: what is valid UTF-8 is taken for it, other 8-bit for windows-1252. Holds
    /// the start of a character whose end is still to come.
    Guess(Vec<u8>),
}

impl Default for Charset {
    fn default() -> Self {
        Charset::Guess(Vec::new())
    }
}

/// Room for a character in the output buffer, so that a decoder always moves on.
const ROOM: usize = 64;

impl Charset {
    /// The charset of that name, if known; quotes of the wrong kind around it, as occur, do not count.
    pub fn named(name: &[u8]) -> Option<Charset> {
        let name = name.strip_prefix(b"'").and_then(|n| n.strip_suffix(b"'")).unwrap_or(name).trim_ascii();
        let encoding = Encoding::for_label_no_replacement(name)?;
        let ascii = name.eq_ignore_ascii_case(b"us-ascii") || name.eq_ignore_ascii_case(b"ascii");
        if ascii || encoding == UTF_8 {
            return Some(Charset::default());
        }
        // Where the order of bytes is not sure a byte order mark decides it.
        let decoder = if encoding == UTF_16LE || encoding == UTF_16BE {
            encoding.new_decoder()
        } else {
            encoding.new_decoder_with_bom_removal()
        };
        Some(Charset::Named(Box::new(decoder)))
    }

    /// Converts the next bytes onto `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut String) {
        self.convert(bytes, out, false);
    }

    /// Ends the text: what is held of a character is converted as it stands.
    pub fn finish(&mut self, out: &mut String) {
        self.convert(b"", out, true);
    }

    fn convert(&mut self, bytes: &[u8], out: &mut String, last: bool) {
        match self {
            Charset::Named(decoder) => named(decoder, bytes, out, last),
            Charset::Guess(held) => guess(held, bytes, out, last),
        }
    }
}

fn named(decoder: &mut Decoder, bytes: &[u8], out: &mut String, last: bool) {
    let mut rest = bytes;
    loop {
        out.reserve(rest.len() + ROOM);
        let (result, read, _) = decoder.decode_to_string(rest, out, last);
        rest = &rest[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

fn guess(held: &mut Vec<u8>, bytes: &[u8], out: &mut String, last: bool) {
    held.extend_from_slice(bytes);
    let mut rest = held.as_slice();
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                rest = b"";
                break;
            }
            Err(error) => error,
        };
        let (valid, after) = rest.split_at(error.valid_up_to());
        out.push_str(std::str::from_utf8(valid).unwrap_or_default());
        rest = after;
        let bad = match error.error_len() {
            Some(length) => length,
            None if last => after.len(),
            None => break,
        };
        out.push_str(&WINDOWS_1252.decode_without_bom_handling(&after[..bad]).0);
        rest = &after[bad..];
    }
    let kept = rest.len();
    held.drain(..held.len() - kept);
}
