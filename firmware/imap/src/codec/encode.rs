//! Writing the terminals of RFC 3501 §9: the choice between atom, quoted string, literal and NIL.

use super::lexer::is_astring_char;
use super::utf7;
use message::date::DateTime;
use std::fmt::{self, Write as _};
use store::Flags;

/// Longest text that is quoted; RFC 2683 §3.4.2 asks not to make lines long without need.
const QUOTED: usize = 1_000;

/// Writes formatted text; a `Vec` takes all of it.
pub fn text(out: &mut Vec<u8>, args: fmt::Arguments<'_>) {
    struct Sink<'a>(&'a mut Vec<u8>);
    impl fmt::Write for Sink<'_> {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            self.0.extend_from_slice(s.as_bytes());
            Ok(())
        }
    }
    // Only a `Display` of ours could fail, and none does.
    let _ = Sink(out).write_fmt(args);
}

/// `write!` into a reply.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { $crate::codec::encode::text($out, format_args!($($arg)*)) };
}
pub(crate) use put;

/// A string: quoted if it is short printable US-ASCII, else a literal.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    let quotable = bytes.len() <= QUOTED && bytes.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    if !quotable {
        return literal(bytes, out);
    }
    out.push(b'"');
    for &b in bytes {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
}

/// A literal with its size.
pub fn literal(bytes: &[u8], out: &mut Vec<u8>) {
    put!(out, "{{{}}}\r\n", bytes.len());
    octets(bytes, out);
}

/// Octets of a literal. A literal may not contain NUL (`CHAR8`); what came with one goes out with 0x80 in its place.
pub fn octets(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(bytes);
    without_nul(&mut out[start..]);
}

/// Replaces NUL in octets that are already in a reply; see [`octets`].
pub fn without_nul(octets: &mut [u8]) {
    for b in octets {
        if *b == 0 {
            *b = 0x80;
        }
    }
}

/// A string or `NIL`.
pub fn nstring(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => string(bytes, out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An astring: bare if it can be, so that simple names stay readable.
pub fn astring(bytes: &[u8], out: &mut Vec<u8>) {
    let bare = !bytes.is_empty() && bytes.iter().all(|&b| is_astring_char(b)) && !bytes.eq_ignore_ascii_case(b"NIL");
    if bare { out.extend_from_slice(bytes) } else { string(bytes, out) }
}

/// A mailbox name in modified UTF-7.
pub fn mailbox(name: &str, out: &mut Vec<u8>) {
    astring(utf7::encode(name).as_bytes(), out);
}

/// A flag list with its parentheses.
pub fn flags(flags: &Flags, recent: bool, out: &mut Vec<u8>) {
    out.push(b'(');
    let start = out.len();
    let system = [
        (flags.answered, "\\Answered"),
        (flags.flagged, "\\Flagged"),
        (flags.deleted, "\\Deleted"),
        (flags.seen, "\\Seen"),
        (flags.draft, "\\Draft"),
        (recent, "\\Recent"),
    ];
    let set = system.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
    for name in set.chain(flags.keywords.iter().map(|k| k.as_str())) {
        if out.len() > start {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// A `date-time` with its quotes, in UTC.
pub fn date_time(unix: i64, out: &mut Vec<u8>) {
    put!(out, "\"{}\"", DateTime { unix, offset: 0 }.to_imap());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_choice_of_form() {
        let long = "x".repeat(QUOTED + 1);
        for (text, as_string, as_astring) in [
            ("", "\"\"", "\"\""),
            ("INBOX", "\"INBOX\"", "INBOX"),
            ("NIL", "\"NIL\"", "\"NIL\""),
            ("nil", "\"nil\"", "\"nil\""),
            ("a b", "\"a b\"", "\"a b\""),
            ("a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\""),
            ("a]", "\"a]\"", "a]"),
            ("50%", "\"50%\"", "\"50%\""),
            ("a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb"),
            ("ü", "{2}\r\nü", "{2}\r\nü"),
            (&long, &format!("{{1001}}\r\n{long}"), &long),
        ] {
            assert_eq!(written(|out| string(text.as_bytes(), out)), as_string);
            assert_eq!(written(|out| astring(text.as_bytes(), out)), as_astring);
        }
        assert_eq!(written(|out| nstring(None, out)), "NIL");
        assert_eq!(written(|out| mailbox("Entwürfe 1", out)), "\"Entw&APw-rfe 1\"");
    }

    #[test]
    fn no_nul_leaves() {
        let mut out = Vec::new();
        string(b"a\0b", &mut out);
        assert_eq!(out, b"{3}\r\na\x80b");
    }

    #[test]
    fn flag_lists() {
        let mut set = Flags { seen: true, deleted: true, ..Flags::default() };
        assert_eq!(written(|out| flags(&set, false, out)), "(\\Deleted \\Seen)");
        assert_eq!(written(|out| flags(&Flags::default(), false, out)), "()");
        set.seen = false;
        assert_eq!(written(|out| flags(&set, true, out)), "(\\Deleted \\Recent)");
    }
}
