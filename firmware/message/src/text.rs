//! Text for searching: transfer encodings (RFC 2045 §6), charsets, encoded-words (RFC 2047), i;unicode-casemap (RFC 5051).

use crate::charset::Charset;
use crate::encoded;
use crate::fold::Folder;
use crate::header::unfold;
use crate::structure::Part;
use crate::transfer::Transfer;
use memchr::memmem;
use std::fmt;

/// A string prepared for substring search under i;unicode-casemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    folded: Vec<u8>,
}

impl Needle {
    /// Folds the string searched for; `None` if `charset` is unknown. An empty needle matches everything.
    pub fn new(bytes: &[u8], charset: Option<&str>) -> Option<Needle> {
        let mut charset = Charset::named(charset.unwrap_or("utf-8").as_bytes())?;
        let mut text = String::new();
        charset.feed(bytes, &mut text);
        charset.finish(&mut text);
        Some(Needle { folded: folded(&text) })
    }

    /// Whether a header value (raw, folded, perhaps with encoded-words or bare 8-bit) contains it.
    pub fn in_header_value(&self, value: &[u8]) -> bool {
        self.in_text(&decode_header(value))
    }

    /// Whether plain UTF-8 text contains it.
    pub fn in_text(&self, text: &str) -> bool {
        memmem::find(&folded(text), &self.folded).is_some()
    }
}

fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut folder = Folder::default();
    folder.feed(text, &mut out);
    folder.finish(&mut out);
    out
}

/// Searches one leaf part's raw body as it streams by: decodes, converts, folds, compares, in bounded memory.
pub struct BodySearch<'n> {
    needle: memmem::Finder<'n>,
    transfer: Transfer,
    charset: Charset,
    folder: Folder,
    /// Decoded bytes and text of the piece at hand, kept for their allocations.
    decoded: Vec<u8>,
    text: String,
    /// Folded text not yet searched, after as much of the searched text as a match may start in.
    folded: Vec<u8>,
    found: bool,
}

/// Bytes taken through the decoders at once.
const PIECE: usize = 8 * 1024;
/// Folded bytes that are collected for one search.
const BATCH: usize = 4 * 1024;

impl<'n> BodySearch<'n> {
    /// A search through `part`; `None` if the part is not text (its raw bytes are then of no interest).
    pub fn new(needle: &'n Needle, part: &Part) -> Option<BodySearch<'n>> {
        if !part.media_type.eq_ignore_ascii_case(b"text") {
            return None;
        }
        let charset = part.param("charset").and_then(|name| Charset::named(&name)).unwrap_or_default();
        Some(BodySearch {
            needle: memmem::Finder::new(&needle.folded),
            transfer: Transfer::new(part.encoding.as_deref()),
            charset,
            folder: Folder::default(),
            decoded: Vec::new(),
            text: String::new(),
            folded: Vec::new(),
            found: needle.folded.is_empty(),
        })
    }

    /// Takes the next raw bytes of the body; true once found (which may show only later, at the latest in `finish`).
    pub fn feed(&mut self, raw: &[u8]) -> bool {
        for piece in raw.chunks(PIECE) {
            if self.found {
                break;
            }
            self.transfer.feed(piece, &mut self.decoded);
            self.charset.feed(&self.decoded, &mut self.text);
            self.folder.feed(&self.text, &mut self.folded);
            self.decoded.clear();
            self.text.clear();
            if self.folded.len() >= BATCH + 2 * self.needle.needle().len() {
                self.search();
            }
        }
        self.found
    }

    /// Ends the body; true if found.
    pub fn finish(mut self) -> bool {
        if !self.found {
            self.transfer.finish(&mut self.decoded);
            self.charset.feed(&self.decoded, &mut self.text);
            self.charset.finish(&mut self.text);
            self.folder.feed(&self.text, &mut self.folded);
            self.folder.finish(&mut self.folded);
            self.search();
        }
        self.found
    }

    fn search(&mut self) {
        self.found = self.needle.find(&self.folded).is_some();
        let overlap = self.needle.needle().len().saturating_sub(1);
        self.folded.drain(..self.folded.len().saturating_sub(overlap));
    }
}

impl fmt::Debug for BodySearch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySearch").field("found", &self.found).finish_non_exhaustive()
    }
}

/// Decodes encoded-words and stray 8-bit of a header value into readable text.
pub fn decode_header(value: &[u8]) -> String {
    let mut value = unfold(value);
    // What was folded with a tab is looked for with a space.
    value.iter_mut().filter(|b| **b == b'\t').for_each(|b| *b = b' ');
    let mut decoder = HeaderDecoder::default();
    let mut rest = value.as_slice();
    while let Some(at) = memmem::find(rest, b"=?") {
        let (plain, from) = rest.split_at(at);
        match encoded::word(from) {
            Some(word) => {
                decoder.plain(plain);
                decoder.word(&word);
                rest = &from[word.length..];
            }
            None => {
                decoder.plain(&rest[..at + 2]);
                rest = &from[2..];
            }
        }
    }
    decoder.plain(rest);
    decoder.flush();
    decoder.out
}

/// Puts the text of a header value together.
#[derive(Default)]
struct HeaderDecoder<'a> {
    out: String,
    /// The charset of the encoded-words in `bytes`; none if they stood plainly.
    charset: Option<&'a [u8]>,
    /// Not yet converted: adjacent encoded-words may share a character, against RFC 2047 §5.
    bytes: Vec<u8>,
    /// White space after an encoded-word: it counts only if no other one follows (RFC 2047 §6.2).
    blanks: &'a [u8],
}

impl<'a> HeaderDecoder<'a> {
    fn plain(&mut self, text: &'a [u8]) {
        if self.charset.is_some() && text.trim_ascii().is_empty() {
            self.blanks = text;
            return;
        }
        if self.charset.is_some() {
            self.flush();
        }
        self.bytes.extend_from_slice(text);
    }

    fn word(&mut self, word: &encoded::Word<'a>) {
        self.blanks = b"";
        if !self.charset.is_some_and(|c| c.eq_ignore_ascii_case(word.charset)) {
            self.flush();
        }
        self.charset = Some(word.charset);
        word.decode(&mut self.bytes);
    }

    /// Converts what is there; stray 8-bit and unknown charsets as well as can be guessed.
    fn flush(&mut self) {
        let mut charset = self.charset.take().and_then(Charset::named).unwrap_or_default();
        charset.feed(&self.bytes, &mut self.out);
        charset.finish(&mut self.out);
        self.bytes.clear();
        self.out.extend(std::mem::take(&mut self.blanks).iter().map(|b| char::from(*b)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needle(text: &str) -> Needle {
        Needle::new(text.as_bytes(), None).unwrap()
    }

    fn in_body(header: &str, body: &[u8], text: &str) -> Option<bool> {
        let (_, part) = Part::parse(format!("{header}\r\n\r\n").as_bytes());
        let needle = needle(text);
        let mut search = BodySearch::new(&needle, &part)?;
        search.feed(body);
        Some(search.finish())
    }

    #[test]
    fn headers_are_decoded() {
        for (value, expected) in [
            (" plain \r\n\ttext\r\n", "plain  text"),
            ("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld J\u{f8}rn Simonsen <keld@dkuug.dk>"),
            // RFC 2047 §8.
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            ("=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
            // A character cut in two, against the rules.
            ("=?utf-8?Q?=C3?= =?UTF-8?Q?=A9?=", "\u{e9}"),
            ("=?utf-8?q?a b?= c", "a b c"),
            ("=?x-unknown?q?=E9?=", "\u{e9}"),
            ("=?utf-8?x?a?= =?utf-8?q?a =?", "=?utf-8?x?a?= =?utf-8?q?a =?"),
            ("=?utf-8?q?a?= ", "a"),
            ("caf\u{e9}", "caf\u{e9}"),
        ] {
            assert_eq!(decode_header(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(decode_header(b"caf\xe9 \x80"), "caf\u{e9} \u{20ac}");
    }

    #[test]
    fn needles_match_whatever_the_case() {
        for (text, inside, expected) in [
            ("the HELLO here", "hello", true),
            ("\u{c9}cole", "\u{e9}COLE", true),
            ("e\u{301}cole", "\u{c9}cole", true),
            ("\u{1ec7}", "e\u{302}\u{323}", true),
            (
                "\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}",
                "\u{3c3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c3}",
                true,
            ),
            ("\u{fb01}n", "FIN", true),
            ("\u{ff21}bc", "abc", true),
            ("\u{1c6}", "D\u{17d}", true),
            ("stra\u{df}e", "STRASSE", false),
            ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}", true),
            ("abc", "abd", false),
            ("", "", true),
            ("x", "", true),
        ] {
            assert_eq!(needle(inside).in_text(text), expected, "{inside} in {text}");
        }
        assert!(needle("j\u{f8}rn s").in_header_value(b" =?ISO-8859-1?Q?Keld_J=F8rn?=\r\n =?ISO-8859-1?Q?_Simonsen?="));
    }

    #[test]
    fn needles_in_charsets() {
        let expected = Some(needle("caf\u{e9}"));
        assert_eq!(Needle::new(b"caf\xe9", Some("ISO-8859-1")), expected);
        assert_eq!(Needle::new(b"caf\xc3\xa9", Some("utf-8")), expected);
        assert_eq!(Needle::new(b"cafe", Some("US-ASCII")), Some(needle("cafe")));
        assert_eq!(Needle::new(b"x", Some("utf-7")), None);
        assert_eq!(Needle::new(b"x", Some("")), None);
    }

    #[test]
    fn bodies() {
        let head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding:";
        assert_eq!(in_body(&format!("{head} base64"), b"Y2Fmw6kgYW5kIG1vcmU=", "CAF\u{c9} AND"), Some(true));
        assert_eq!(in_body(&format!("{head} quoted-printable"), b"caf=C3=\r\n=A9 and", "CAF\u{c9} AND"), Some(true));
        assert_eq!(in_body(&format!("{head} 8bit"), b"caf\xc3\xa9", "\u{c9}\u{c9}"), Some(false));
        assert_eq!(
            in_body("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B$3$s\x1b(B", "\u{3053}\u{3093}"),
            Some(true)
        );
        assert_eq!(in_body("Content-Type: text/plain; charset=utf-16", b"\xfe\xff\0a\0b", "AB"), Some(true));
        assert_eq!(in_body("Content-Type: text/plain; charset='ISO-8859-15'", b"\xa4", "\u{20ac}"), Some(true));
        assert_eq!(in_body("Subject: none", b"caf\xc3\xa9 \xe9", "caf\u{e9} \u{e9}"), Some(true));
        assert_eq!(in_body("Content-Type: image/png", b"text", "text"), None);
    }

    #[test]
    fn matches_across_batches() {
        let text = "x".repeat(3 * PIECE) + "needle" + &"y".repeat(PIECE);
        for cut in [1, 2, 3, 5, 4096, 8191, 3 * PIECE + 2] {
            let needle = needle("NEEDLE");
            let (_, part) = Part::parse(b"");
            let mut search = BodySearch::new(&needle, &part).unwrap();
            let found = text.as_bytes().chunks(cut).any(|chunk| search.feed(chunk));
            assert!(found, "cut at {cut}: known before the end");
            assert!(search.folded.len() < 2 * BATCH, "what was searched is dropped");
        }
    }
}
