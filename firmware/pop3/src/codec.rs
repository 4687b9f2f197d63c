//! Lines and arguments of POP3 commands, and the dot-stuffing of replies (RFC 1939 §3).

use crate::limits;
use crate::refusal::Refusal;

/// Cuts what comes from the client into lines.
#[derive(Default)]
pub(crate) struct Input {
    /// What came and was not looked at yet, from `at` on.
    pending: Vec<u8>,
    at: usize,
    /// The beginning of a line whose end has not come.
    line: Buffer,
    /// Octets of a line that is too long, which are thrown away.
    overlong: usize,
}

type Buffer = heapless::Vec<u8, { limits::LINE + 1 }>;

/// What the client sent.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, for one command")]
pub(crate) enum Line {
    /// A line without its end.
    Whole(Buffer),
    /// One over the limit; its end has come.
    TooLong,
    /// One so long that it is no mistake.
    Endless,
}

impl Input {
    /// Takes bytes; `false`: there is too much that nobody has looked at.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.pending.extend_from_slice(bytes);
        self.pending.len() <= limits::PENDING
    }

    /// The next line, ended by CRLF; LF alone is understood too, as people type it.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        let rest = &self.pending[self.at..];
        let (piece, ended) = match rest.iter().position(|&b| b == b'\n') {
            Some(end) => (&rest[..end], true),
            None => (rest, false),
        };
        if self.overlong > 0 || self.line.extend_from_slice(piece).is_err() {
            self.overlong += self.line.len() + piece.len();
            self.line.clear();
        }
        self.at += piece.len() + usize::from(ended);
        if self.at == self.pending.len() {
            self.forget_pending();
        }
        if self.overlong > limits::ENDLESS_LINE {
            return Some(Line::Endless);
        }
        ended.then(|| self.end_line())
    }

    /// Throws away all that came.
    pub(crate) fn clear(&mut self) {
        self.forget_pending();
        self.line.clear();
        self.overlong = 0;
    }

    fn end_line(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        let overlong = std::mem::take(&mut self.overlong) > 0;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if overlong || line.len() > limits::LINE { Line::TooLong } else { Line::Whole(line) }
    }

    fn forget_pending(&mut self) {
        self.at = 0;
        self.pending.clear();
        self.pending.shrink_to(limits::IDLE_BUFFER);
    }
}

/// What follows the keyword of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a>(&'a [u8]);

/// Cuts a line into keyword and arguments.
pub(crate) fn split(line: &[u8]) -> (&[u8], Arguments<'_>) {
    match line.iter().position(|&b| b == b' ') {
        Some(space) => (&line[..space], Arguments(&line[space + 1..])),
        None => (line, Arguments(&[])),
    }
}

impl<'a> Arguments<'a> {
    /// All of it, spaces too: names and passwords may have them. Not empty.
    pub(crate) fn whole(self) -> Result<&'a [u8], Refusal> {
        if self.0.is_empty() { Err(Refusal::Bad("an argument is missing")) } else { Ok(self.0) }
    }
    /// Exactly these many words; spaces around them do not matter.
    pub(crate) fn words<const N: usize>(self) -> Result<[&'a [u8]; N], Refusal> {
        self.at_most::<N>()?
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .and_then(|words| words.try_into().ok())
            .ok_or(WRONG_NUMBER)
    }
    /// At most these many words.
    pub(crate) fn at_most<const N: usize>(self) -> Result<[Option<&'a [u8]>; N], Refusal> {
        let mut words = self.0.split(|&b| b == b' ').filter(|word| !word.is_empty());
        let found = std::array::from_fn(|_| words.next());
        if words.next().is_some() { Err(WRONG_NUMBER) } else { Ok(found) }
    }
}

const WRONG_NUMBER: Refusal = Refusal::Bad("wrong number of arguments");

/// A number; one that does not fit is the highest, which no message has.
pub(crate) fn number(word: &[u8]) -> Result<u32, Refusal> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Bad("this is not a number"));
    }
    let digit = |all: u32, b: &u8| all.saturating_mul(10).saturating_add(u32::from(b - b'0'));
    Ok(word.iter().fold(0, digit))
}

/// The body of a multi-line reply, encoded piece by piece (RFC 1939 §3).
///
/// Octets go out as they are stored, with three exceptions. A dot is doubled after a bare LF too: programs that end
/// lines there would take the message to end, and what follows for replies. NUL, which no message may have
/// (RFC 5322 §2.3) and which makes Outlook cut the message off, becomes 0x80. And if the last line has no end it gets one.
pub(crate) struct Body {
    /// How much of it is wanted.
    part: Part,
    /// The last two octets sent.
    last: [u8; 2],
    /// Nothing but line ends since the line began.
    blank: bool,
}

/// How much of a message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// The header, the blank line and so many lines of the body (TOP).
    Header { then: u32 },
    /// So many lines more.
    Lines(u32),
}

impl Body {
    pub(crate) fn new(part: Part) -> Body {
        Body { part, last: *b"\r\n", blank: true }
    }

    /// Encodes a piece of the message, cut anywhere.
    pub(crate) fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() && !self.is_complete() {
            let end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, next) = rest.split_at(end);
            self.encode_line(line, out);
            rest = next;
        }
    }

    /// Whether no more of the message is wanted.
    pub(crate) fn is_complete(&self) -> bool {
        self.part == Part::Lines(0)
    }

    /// The end of the reply.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        if self.last != *b"\r\n" {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    /// A line, or a piece of one; only its last octet may be LF.
    fn encode_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.last[1] == b'\n' && line.first() == Some(&b'.') {
            out.push(b'.');
        }
        let start = out.len();
        out.extend_from_slice(line);
        for octet in out[start..].iter_mut().filter(|octet| **octet == 0) {
            *octet = 0x80;
        }
        match *line {
            [.., a, b] => self.last = [a, b],
            [b] => self.last = [self.last[1], b],
            [] => {}
        }
        self.blank &= line.iter().all(|b| matches!(b, b'\r' | b'\n'));
        if self.last[1] == b'\n' {
            self.part = self.part.after_line(self.blank);
            self.blank = true;
        }
    }
}

impl Part {
    fn after_line(self, blank: bool) -> Part {
        match self {
            Part::Header { then } if blank => Part::Lines(then),
            Part::Lines(more) => Part::Lines(more.saturating_sub(1)),
            part => part,
        }
    }
}

#[cfg(test)]
mod tests;
