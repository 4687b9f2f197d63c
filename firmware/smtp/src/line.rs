//! Command lines out of a stream of bytes (RFC 5321 §2.3.8: only CRLF ends a line).

use crate::limits;

/// Collects one line at a time; bytes may come cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    buffer: heapless::Vec<u8, { limits::AUTH_LINE }>,
    discarding: Option<Discarding>,
}

/// The rest of a refused line is thrown away up to its CRLF.
#[derive(Debug, Clone, Copy)]
struct Discarding {
    octets: usize,
    after_cr: bool,
}

/// What the reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line without its CRLF.
    Text(Vec<u8>),
    /// Longer than allowed; told once, when the limit is passed.
    TooLong,
    /// An LF without CR, told once. It never ends a line, so nothing behind it can become a command.
    BareLf,
    /// The line before was refused and still has no end.
    Endless,
}

impl LineReader {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = LineReader::default();
    }

    /// Takes bytes off the front of `input` up to the next finding; `None` once all are taken. In a `login` exchange lines
    /// may be longer.
    pub(crate) fn next(&mut self, input: &mut &[u8], login: bool) -> Option<Line> {
        while !input.is_empty() {
            let found = match self.discarding {
                Some(rest) => self.discard(rest, input),
                None => self.collect(input, login),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn collect(&mut self, input: &mut &[u8], login: bool) -> Option<Line> {
        let (piece, ended) = split_after_lf(input);
        let start = self.buffer.len();
        let room = self.limit(piece, login).saturating_sub(start);
        if piece.len() > room {
            return Some(self.refuse(Line::TooLong));
        }
        *input = &input[piece.len()..];
        if self.buffer.extend_from_slice(piece).is_err() {
            return Some(self.refuse(Line::TooLong));
        }
        if !ended {
            return None;
        }
        match self.buffer.strip_suffix(b"\r\n") {
            Some(text) => {
                let text = text.to_vec();
                self.buffer.clear();
                Some(Line::Text(text))
            }
            None => Some(self.refuse(Line::BareLf)),
        }
    }

    /// Only AUTH may be long, whether its first letters came in this piece or before.
    fn limit(&self, piece: &[u8], login: bool) -> usize {
        let first = self.buffer.iter().chain(piece).take(5).map(u8::to_ascii_uppercase);
        if login || first.eq(*b"AUTH ") { limits::AUTH_LINE } else { limits::LINE }
    }

    fn refuse(&mut self, why: Line) -> Line {
        self.discarding = Some(Discarding { octets: 0, after_cr: self.buffer.last() == Some(&b'\r') });
        self.buffer.clear();
        why
    }

    fn discard(&mut self, rest: Discarding, input: &mut &[u8]) -> Option<Line> {
        let (piece, ended) = split_after_lf(input);
        *input = &input[piece.len()..];
        let crlf = ended && piece.iter().rev().nth(1).map_or(rest.after_cr, |&before| before == b'\r');
        if crlf {
            self.discarding = None;
            return None;
        }
        let octets = rest.octets.saturating_add(piece.len());
        self.discarding = Some(Discarding { octets, after_cr: piece.last() == Some(&b'\r') });
        (octets > limits::DISCARDED_LINE).then_some(Line::Endless)
    }
}

/// The bytes up to and with the next LF, and whether there is one.
fn split_after_lf<'a>(input: &&'a [u8]) -> (&'a [u8], bool) {
    match input.iter().position(|&b| b == b'\n') {
        Some(at) => (&input[..=at], true),
        None => (input, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(reader: &mut LineReader, mut input: &[u8]) -> Vec<Line> {
        std::iter::from_fn(|| reader.next(&mut input, false)).collect()
    }

    fn text(s: &str) -> Line {
        Line::Text(s.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_with_crlf_only() {
        let mut reader = LineReader::default();
        assert_eq!(read_all(&mut reader, b"NOOP\r\nRSET\r\nQU"), [text("NOOP"), text("RSET")]);
        assert_eq!(read_all(&mut reader, b"IT\r"), []);
        assert_eq!(read_all(&mut reader, b"\n"), [text("QUIT")]);
        assert_eq!(read_all(&mut reader, b"a\rb\r\n"), [text("a\rb")]);
    }

    #[test]
    fn nothing_behind_a_bare_lf_is_a_command() {
        let mut reader = LineReader::default();
        let found = read_all(&mut reader, b"NOOP\nRSET\nQUIT\r\nHELP\r\n");
        assert_eq!(found, [Line::BareLf, text("HELP")]);
    }

    #[test]
    fn too_long_is_told_once() {
        let mut reader = LineReader::default();
        let mut input = vec![b'x'; limits::LINE * 3];
        input.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(read_all(&mut reader, &input), [Line::TooLong, text("NOOP")]);
        let longest = [vec![b'x'; limits::LINE - 2], b"\r\n".to_vec()].concat();
        assert!(matches!(read_all(&mut reader, &longest)[..], [Line::Text(_)]));
        let longer = [vec![b'x'; limits::LINE - 1], b"\r\n".to_vec()].concat();
        assert_eq!(read_all(&mut reader, &longer), [Line::TooLong]);
    }

    #[test]
    fn auth_may_be_longer() {
        let mut reader = LineReader::default();
        let line = [b"auth plain ".to_vec(), vec![b'A'; 3000], b"\r\n".to_vec()].concat();
        assert!(matches!(read_all(&mut reader, &line)[..], [Line::Text(_)]));
        let line = [b"AUTH PLAIN ".to_vec(), vec![b'A'; limits::AUTH_LINE], b"\r\n".to_vec()].concat();
        assert_eq!(read_all(&mut reader, &line), [Line::TooLong]);
    }

    #[test]
    fn an_endless_line_is_told() {
        let mut reader = LineReader::default();
        let found = read_all(&mut reader, &vec![b'x'; limits::DISCARDED_LINE + limits::LINE + 1]);
        assert_eq!(found, [Line::TooLong, Line::Endless]);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'x')], 0..200)) {
            let whole = read_all(&mut LineReader::default(), &input);
            let mut reader = LineReader::default();
            let bytewise: Vec<Line> = input.chunks(1).flat_map(|byte| read_all(&mut reader, byte)).collect();
            prop_assert_eq!(whole, bytewise);
        }
    }
}
