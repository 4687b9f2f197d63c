//! Cuts the stream of bytes into commands (RFC 3501 §2.2.1, §4.3; RFC 7888), wherever packets begin and end.
//!
//! A command is collected with its literals in place. At every announced literal the owner decides: collect it, let its
//! octets stream by, or refuse it. No byte is looked at twice, none beyond a limit is kept.

use heapless::HistoryBuf;

/// How lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A command: a line may announce a literal.
    Command,
    /// A bare line: the answer to a continuation request.
    Line,
}

/// A literal announced at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// Its octets.
    pub size: u64,
    /// Whether the client waits for a continuation request.
    pub synchronizing: bool,
}

/// What came out of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'i> {
    /// More bytes are needed.
    Incomplete,
    /// A command or line is whole: see [`Framer::take`].
    Complete,
    /// A literal is announced: call [`Framer::collect`], [`Framer::stream`] or [`Framer::refuse`].
    Announced(Literal),
    /// Octets of a literal that streams by.
    Octets(&'i [u8]),
    /// A command of which something was refused has ended; [`Framer::take`] gives its beginning.
    Refused,
}

/// Longest announcement `{18446744073709551615+}` and line end.
const TAIL: usize = 26;

/// Collects one command at a time.
#[derive(Debug)]
pub struct Framer {
    text: Vec<u8>,
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Collecting a line.
    Line,
    /// The owner has to decide about a literal.
    Deciding(Literal),
    /// Collecting a literal: octets that are missing.
    Collecting(u64),
    /// Letting a literal stream by: octets that are missing.
    Streaming(u64),
    /// Throwing the rest of the command away: octets of a literal, then a line, of which only the tail is kept.
    Discarding(u64, HistoryBuf<u8, TAIL>),
}

impl Framer {
    /// Collects commands of at most `limit` octets.
    pub fn new(limit: usize) -> Framer {
        Framer { text: Vec::new(), limit, state: State::Line }
    }

    /// Changes the limit from the next bytes on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// What is collected: with literals in place, without the final line end.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Hands the command out and begins the next; an idle framer holds no memory.
    pub fn take(&mut self) -> Vec<u8> {
        self.state = State::Line;
        std::mem::take(&mut self.text)
    }

    /// Takes bytes off `input` until something is to be told.
    pub fn advance<'i>(&mut self, input: &mut &'i [u8], expect: Expect) -> Frame<'i> {
        loop {
            match &mut self.state {
                State::Deciding(literal) => return Frame::Announced(*literal),
                _ if input.is_empty() => return Frame::Incomplete,
                State::Line => match self.line(input, expect) {
                    Some(frame) => return frame,
                    None => continue,
                },
                State::Collecting(missing) => {
                    self.text.extend_from_slice(take(input, missing));
                    if *missing == 0 {
                        self.state = State::Line;
                    }
                }
                State::Streaming(missing) => {
                    let octets = take(input, missing);
                    if *missing == 0 {
                        self.state = State::Line;
                    }
                    return Frame::Octets(octets);
                }
                State::Discarding(missing, _) if *missing > 0 => {
                    take(input, missing);
                }
                State::Discarding(missing, tail) => match discard_line(input, tail) {
                    None => return Frame::Incomplete,
                    Some(Some(next)) if !next.synchronizing => *missing = next.size,
                    // A client that waits for a continuation request sends nothing more.
                    Some(_) => return Frame::Refused,
                },
            }
        }
    }

    /// Collects a line up to its end.
    fn line<'i>(&mut self, input: &mut &'i [u8], expect: Expect) -> Option<Frame<'i>> {
        let end = input.iter().position(|&b| b == b'\n');
        let length = end.map_or(input.len(), |at| at + 1);
        let room = (self.limit + 2).saturating_sub(self.text.len());
        let (kept, rest) = input.split_at(length.min(room));
        self.text.extend_from_slice(kept);
        *input = rest;
        if length > room {
            let mut tail = HistoryBuf::new();
            tail.extend_from_slice(&self.text[self.text.len().saturating_sub(TAIL)..]);
            self.state = State::Discarding(0, tail);
            return None;
        }
        end?;
        if expect == Expect::Command
            && let Some(literal) = announced(&self.text)
        {
            self.state = State::Deciding(literal);
            return None;
        }
        self.text.truncate(without_line_end(&self.text).len());
        Some(Frame::Complete)
    }

    /// Octets that may still be collected.
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.text.len()) as u64
    }

    /// Puts the announced literal's octets into the text. The owner has checked its size.
    pub fn collect(&mut self) {
        if let State::Deciding(literal) = self.state {
            self.state = if literal.size == 0 { State::Line } else { State::Collecting(literal.size) };
        }
    }

    /// Hands the announced literal's octets out as they come; the text goes on behind it.
    pub fn stream(&mut self) {
        if let State::Deciding(literal) = self.state {
            self.state = if literal.size == 0 { State::Line } else { State::Streaming(literal.size) };
        }
    }

    /// Refuses the announced literal. If it is synchronizing the command has ended here; else its rest is thrown away
    /// and [`Frame::Refused`] tells of its end.
    pub fn refuse(&mut self) {
        match self.state {
            State::Deciding(literal) if literal.synchronizing => drop(self.take()),
            State::Deciding(literal) => self.state = State::Discarding(literal.size, HistoryBuf::new()),
            _ => {}
        }
    }
}

/// Takes at most `missing` bytes off the input.
fn take<'i>(input: &mut &'i [u8], missing: &mut u64) -> &'i [u8] {
    let n = usize::try_from(*missing).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at(n);
    *input = rest;
    *missing -= n as u64;
    taken
}

/// Throws a line away; at its end tells what it announced. The inner `None`: nothing.
fn discard_line(input: &mut &[u8], tail: &mut HistoryBuf<u8, TAIL>) -> Option<Option<Literal>> {
    let end = input.iter().position(|&b| b == b'\n');
    let (line, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
    *input = rest;
    tail.extend_from_slice(&line[line.len().saturating_sub(TAIL)..]);
    end?;
    let ordered: heapless::Vec<u8, TAIL> = tail.oldest_ordered().copied().collect();
    tail.clear();
    Some(announced(&ordered))
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The literal that a line announces at its end: `{n}` or `{n+}`.
fn announced(line: &[u8]) -> Option<Literal> {
    let inner = without_line_end(line).strip_suffix(b"}")?;
    let inner = &inner[inner.len().saturating_sub(TAIL)..];
    let (inner, synchronizing) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let open = inner.iter().rposition(|b| !b.is_ascii_digit())?;
    let digits = inner.get(open..)?.strip_prefix(b"{").filter(|digits| !digits.is_empty())?;
    // More digits than a u64 has are still a literal, one over every limit.
    let size = digits.iter().fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')));
    Some(Literal { size, synchronizing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `wire` in the given cuts, collecting literals up to 20 octets, streaming those up to 50, refusing the others,
    /// and tells what happened.
    fn story(wire: &[u8], cuts: &[usize]) -> Vec<String> {
        let mut framer = Framer::new(60);
        let mut told = Vec::new();
        let mut stream = Vec::new();
        let mut rest = wire;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let n = cuts.next().map_or(rest.len(), |&n| n.clamp(1, rest.len()));
            let (mut packet, after) = rest.split_at(n);
            rest = after;
            loop {
                match framer.advance(&mut packet, Expect::Command) {
                    Frame::Incomplete => break,
                    Frame::Octets(octets) => {
                        stream.extend_from_slice(octets);
                        continue;
                    }
                    Frame::Complete => told.push(format!("complete {}", framer.text().escape_ascii())),
                    Frame::Refused => told.push(format!("refused {}", framer.text()[..2].escape_ascii())),
                    Frame::Announced(literal) => {
                        told.push(format!("{literal:?}"));
                        match literal.size {
                            0..=20 => framer.collect(),
                            21..=50 => framer.stream(),
                            _ => framer.refuse(),
                        }
                        continue;
                    }
                }
                framer.take();
            }
        }
        told.push(format!("streamed {}", stream.escape_ascii()));
        told
    }

    #[test]
    fn pipelined_commands() {
        assert_eq!(
            story(b"a NOOP\r\nb NOOP\n\r\nc", &[]),
            ["complete a NOOP", "complete b NOOP", "complete ", "streamed "]
        );
    }

    #[test]
    fn literals_are_collected_streamed_or_refused() {
        let wire = b"a LOGIN {4}\r\nanna {0+}\r\n\r\nb X {21+}\r\n123456789012345678901 y\r\nc NOOP\r\n";
        assert_eq!(
            story(wire, &[]),
            [
                "Literal { size: 4, synchronizing: true }",
                "Literal { size: 0, synchronizing: false }",
                "complete a LOGIN {4}\\r\\nanna {0+}\\r\\n",
                "Literal { size: 21, synchronizing: false }",
                "complete b X {21+}\\r\\n y",
                "complete c NOOP",
                "streamed 123456789012345678901",
            ]
        );
    }

    #[test]
    fn a_refused_literal_is_skipped_with_what_follows() {
        let long = "z\n".repeat(30);
        let wire = format!("a X {{60+}}\r\n{long} {{2+}}\r\n\n\n more\r\nb X {{60}}\r\nc NOOP\r\n");
        assert_eq!(
            story(wire.as_bytes(), &[]),
            [
                "Literal { size: 60, synchronizing: false }",
                "refused a ",
                "Literal { size: 60, synchronizing: true }",
                "complete c NOOP",
                "streamed ",
            ]
        );
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_with_its_literals() {
        let long = "z".repeat(61);
        let wire = format!("a {long} {{3+}}\r\n\n\n\n\r\nb NOOP\r\nc {long} {{3}}\r\nd NOOP\r\n");
        assert_eq!(
            story(wire.as_bytes(), &[7]),
            ["refused a ", "complete b NOOP", "refused c ", "complete d NOOP", "streamed "]
        );
    }

    #[test]
    fn announcements() {
        let literal = |size, synchronizing| Some(Literal { size, synchronizing });
        assert_eq!(announced(b"{5}\r\n"), literal(5, true));
        assert_eq!(announced(b"a ~{05+}\n"), literal(5, false));
        assert_eq!(announced(b"a {99999999999999999999}\r\n"), literal(u64::MAX, true));
        for line in
            ["{}\r\n", "5}\r\n", "{5}x\r\n", "{a5}\r\n", "{5++}\r\n", "{5-}\r\n", "\r\n", "{5\r\n", "\"{5}\"\r\n"]
        {
            assert_eq!(announced(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_bare_line_announces_nothing() {
        let mut framer = Framer::new(60);
        let mut wire = &b"DONE {5}\r\n"[..];
        assert_eq!(framer.advance(&mut wire, Expect::Line), Frame::Complete);
        assert_eq!(framer.text(), b"DONE {5}");
    }

    /// Lines that often hold announcements.
    fn wire() -> impl Strategy<Value = Vec<u8>> {
        let piece =
            prop_oneof!["[a-z ]{0,8}", "\\{[0-9]{1,2}\\+?\\}\r\n", "\r\n", "[\\x00-\\x7f]{0,6}", Just("x".repeat(70)),];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn where_packets_are_cut_does_not_matter(wire in wire(), cuts in proptest::collection::vec(1usize..9, 1..20)) {
            let mut wire = [&b"ab"[..], &wire].concat();
            wire.extend_from_slice(b"\r\n");
            prop_assume!(!story(&wire, &[]).is_empty());
            prop_assert_eq!(story(&wire, &[]), story(&wire, &cuts));
            prop_assert_eq!(story(&wire, &[]), story(&wire, &[1]));
        }

        #[test]
        fn memory_stays_below_the_limit(wire in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut framer = Framer::new(60);
            let mut rest = &wire[..];
            loop {
                match framer.advance(&mut rest, Expect::Command) {
                    Frame::Incomplete => break,
                    Frame::Announced(_) => framer.refuse(),
                    Frame::Octets(_) => {}
                    Frame::Complete | Frame::Refused => drop(framer.take()),
                }
                prop_assert!(framer.text().len() <= 62);
            }
        }
    }
}
