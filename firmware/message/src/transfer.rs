//! Transfer encodings (RFC 2045 §6.7, §6.8), decoded as they stream by, whatever is damaged in them.

use crate::mime::hex;

/// A decoder of a body's transfer encoding.
#[derive(Debug)]
pub(crate) enum Transfer {
    /// 7bit, 8bit, binary, and what is unknown.
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl Transfer {
    pub fn new(encoding: Option<&[u8]>) -> Transfer {
        match encoding.unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"base64" => Transfer::Base64(Base64::default()),
            b"quoted-printable" => Transfer::QuotedPrintable(QuotedPrintable::default()),
            _ => Transfer::Identity,
        }
    }

    /// Decodes the next bytes onto `out`.
    pub fn feed(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        match self {
            Transfer::Identity => out.extend_from_slice(raw),
            Transfer::Base64(base64) => base64.feed(raw, out),
            Transfer::QuotedPrintable(quoted) => quoted.feed(raw, out),
        }
    }

    /// Whatever was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Transfer::QuotedPrintable(quoted) = self {
            quoted.finish(out);
        }
    }
}

/// Base64 that skips what is not of its alphabet (RFC 2045 §6.8) and goes on after padding.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    bits: u32,
    count: u8,
}

/// The value of each character; 64: padding, 65: skipped.
const ALPHABET: [u8; 256] = {
    let mut table = [65; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = 64;
    table
};

impl Base64 {
    pub fn feed(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        out.reserve(raw.len() / 4 * 3 + 3);
        for byte in raw {
            match ALPHABET[usize::from(*byte)] {
                65 => {}
                64 => self.count = 0,
                value => self.sextet(value, out),
            }
        }
    }

    fn sextet(&mut self, value: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            out.push((self.bits >> self.count) as u8);
        }
    }
}

/// Quoted-printable; an `=` that starts nothing stands for itself.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintable {
    /// An escape that is not complete: `=`, `=` and white space, `=` and one digit.
    held: Vec<u8>,
}

impl QuotedPrintable {
    pub fn feed(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        let mut rest = raw;
        while let Some((byte, after)) = rest.split_first() {
            if self.held.is_empty() {
                let plain = memchr::memchr(b'=', rest).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..plain]);
                rest = &rest[plain..];
                if !rest.is_empty() {
                    self.held.push(b'=');
                    rest = &rest[1..];
                }
            } else if self.escape(*byte, out) {
                rest = after;
            }
        }
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Goes on with an escape; false if the byte is no part of it.
    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match (self.held.as_slice(), byte) {
            // A soft line break, perhaps with white space added on the way (rule 3).
            (_, b'\n') if self.held.iter().all(|b| !b.is_ascii_hexdigit()) => self.held.clear(),
            (held, b' ' | b'\t' | b'\r') if held.len() < MAX_HELD && held.iter().all(|b| !b.is_ascii_hexdigit()) => {
                self.held.push(byte);
            }
            (b"=", _) if byte.is_ascii_hexdigit() => self.held.push(byte),
            (&[b'=', high], _) if high.is_ascii_hexdigit() && byte.is_ascii_hexdigit() => {
                out.push(hex(high) << 4 | hex(byte));
                self.held.clear();
            }
            _ => {
                out.append(&mut self.held);
                return false;
            }
        }
        true
    }
}

/// White space after `=` that may still be a soft line break: a line has at most 76 characters.
const MAX_HELD: usize = 80;

/// The `Q` encoding of a header (RFC 2047 §4.2): an underscore is a space.
pub(crate) fn quoted_printable_word(text: &[u8], out: &mut Vec<u8>) {
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
    let mut decoder = QuotedPrintable::default();
    decoder.feed(&spaced, out);
    decoder.finish(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: &str, raw: &str) -> String {
        let whole = {
            let (mut transfer, mut out) = (Transfer::new(Some(encoding.as_bytes())), Vec::new());
            transfer.feed(raw.as_bytes(), &mut out);
            transfer.finish(&mut out);
            out
        };
        let (mut transfer, mut out) = (Transfer::new(Some(encoding.as_bytes())), Vec::new());
        raw.bytes().for_each(|byte| transfer.feed(&[byte], &mut out));
        transfer.finish(&mut out);
        assert_eq!(out, whole, "byte by byte: {raw}");
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn base64() {
        for (raw, expected) in [
            ("aGVsbG8=", "hello"),
            ("aGVs\r\nbG8", "hello"),
            ("a G-V!s bG8=\r\naGk=", "hellohi"),
            ("aGk=aGk=", "hihi"),
            ("a===", ""),
            ("", ""),
        ] {
            assert_eq!(decode("BASE64", raw), expected, "{raw}");
        }
    }

    #[test]
    fn quoted_printable() {
        for (raw, expected) in [
            ("a=3Db=3d", "a=b="),
            ("soft=\r\nbreak=\nand= \t\r\nblanks", "softbreakandblanks"),
            ("=zz=4z==41=", "=zz=4z=A="),
            ("=4\r\n", "=4\r\n"),
            ("= x", "= x"),
            ("caf=C3=A9", "caf\u{e9}"),
        ] {
            assert_eq!(decode("Quoted-Printable", raw), expected, "{raw}");
        }
    }

    #[test]
    fn other_encodings_are_left_alone() {
        assert_eq!(decode("8bit", "a=3D"), "a=3D");
        assert_eq!(decode("x-uuencode", "aGk="), "aGk=");
    }
}
