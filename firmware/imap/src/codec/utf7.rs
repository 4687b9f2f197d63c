//! Modified UTF-7 of mailbox names (RFC 3501 §5.1.3), both ways.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// A name in its wire form: printable US-ASCII, the rest as base64 of UTF-16BE between `&` and `-`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut shifted, &mut out);
    out
}

/// Writes what is to be shifted and empties it.
fn flush(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut held) = (0u32, 0u32);
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        held += 16;
        while held >= 6 {
            held -= 6;
            out.push(digit(bits >> held));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        out.push(digit(bits << (6 - held)));
    }
    out.push('-');
}

fn digit(bits: u32) -> char {
    char::from(ALPHABET[(bits & 63) as usize])
}

/// Reads a name. `None` if it is not modified UTF-7: a byte that is not printable US-ASCII, a `&` without its `-`, base64
/// that is no UTF-16. Text that need not have been shifted is accepted.
pub fn decode(wire: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'&' => {
                let end = rest.iter().position(|&b| b == b'-')?;
                let shifted = &rest[..end];
                rest = &rest[end + 1..];
                if shifted.is_empty() {
                    out.push('&');
                } else {
                    out.push_str(&String::from_utf16(&units(shifted)?).ok()?);
                }
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(out)
}

/// The UTF-16 code units in base64 without padding; what is left over must be less than six zero bits.
fn units(shifted: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(shifted.len() * 3 / 8);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in shifted {
        let value = ALPHABET.iter().position(|a| a == byte)?;
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push((bits >> held) as u16);
            bits &= (1 << held) - 1;
        }
    }
    (held < 6 && bits == 0 && !units.is_empty()).then_some(units)
}

/// Reads a name from a client that may not know about modified UTF-7: what is not valid as such is taken as UTF-8 as it
/// stands. `None` if it is neither.
pub fn decode_leniently(wire: &[u8]) -> Option<String> {
    decode(wire).or_else(|| std::str::from_utf8(wire).ok().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (text, wire) in [
            ("INBOX", "INBOX"),
            ("", ""),
            ("A & B", "A &- B"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Gel\u{f6}schte Elemente", "Gel&APY-schte Elemente"),
            ("☺!", "&Jjo-!"),
            ("📧", "&2D3c5w-"),
            ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            ("&", "&-"),
            ("äöü&", "&AOQA9gD8-&-"),
        ] {
            assert_eq!(encode(text), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(text));
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        for wire in ["&", "&Jjo", "A & B", "&Jj-", "&J-", "&****-", "&Jjp-", "&2D0-", "a\u{e4}", "a\tb", "&AAA=-"] {
            assert_eq!(decode(wire.as_bytes()), None, "{wire}");
        }
        assert_eq!(decode_leniently(b"A & B").as_deref(), Some("A & B"));
        assert_eq!(decode_leniently("Entwürfe".as_bytes()).as_deref(), Some("Entwürfe"));
        assert_eq!(decode_leniently(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC*") {
            let wire = encode(&text);
            prop_assert!(wire.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(decode(wire.as_bytes()), Some(text));
        }

        #[test]
        fn any_bytes_are_harmless(wire in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(text) = decode(&wire) {
                prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
            }
        }
    }
}
