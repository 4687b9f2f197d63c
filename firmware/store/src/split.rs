//! Takes a message apart as it comes: text, and attachments out of their base64 where that can be undone exactly.
//!
//! No MIME structure is needed: any long run of equally long lines of canonical base64 will do, whatever the headers say.

use crate::body::{encoded_len, from_base64, to_base64};
use crate::limits;

/// A part of a message, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// As it is.
    Text(Vec<u8>),
    /// Lines of base64 of so many characters stand for these octets.
    Attachment(Vec<u8>, u8),
}

/// The state between two pieces of input.
#[derive(Debug)]
pub struct Splitter {
    /// Octets of text in a piece.
    part: usize,
    /// Least octets of an attachment.
    least: usize,
    text: Vec<u8>,
    /// A line whose end has not come yet; empty while one is passed through because it is too long.
    line: Vec<u8>,
    passing: bool,
    /// Octets decoded from the present run of lines, and the length of its lines, 0 without one.
    run: Vec<u8>,
    width: u8,
    /// Pieces of the present run have gone out.
    long: bool,
}

impl Splitter {
    /// Pieces of at most about `part` octets.
    pub fn new(part: usize, least: usize) -> Splitter {
        let (text, line, run) = (Vec::new(), Vec::new(), Vec::new());
        Splitter { part, least, text, line, passing: false, run, width: 0, long: false }
    }

    /// Takes input; answers pieces that are complete.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Split>) {
        while !bytes.is_empty() {
            let (piece, ended) = match memchr(bytes) {
                Some(end) => (&bytes[..=end], true),
                None => (bytes, false),
            };
            bytes = &bytes[piece.len()..];
            if self.passing || self.line.len() + piece.len() > limits::BASE64_LINE + 2 {
                self.pass(piece, ended, out);
            } else {
                self.line.extend_from_slice(piece);
                if ended {
                    self.take_line(out);
                }
            }
        }
    }

    /// The message has ended.
    pub fn finish(&mut self, out: &mut Vec<Split>) {
        self.end_run(out);
        let line = std::mem::take(&mut self.line);
        self.push_text(&line, out);
        self.flush_text(out);
    }

    /// A line too long for base64.
    fn pass(&mut self, piece: &[u8], ended: bool, out: &mut Vec<Split>) {
        if !self.passing {
            self.end_run(out);
            let begun = std::mem::take(&mut self.line);
            self.push_text(&begun, out);
        }
        self.push_text(piece, out);
        self.passing = !ended;
    }

    fn take_line(&mut self, out: &mut Vec<Split>) {
        let line = std::mem::take(&mut self.line);
        if !self.continue_run(&line, out) {
            self.end_run(out);
            if !self.begin_run(&line) {
                self.push_text(&line, out);
            }
        }
        self.line = line;
        self.line.clear();
    }

    fn begin_run(&mut self, line: &[u8]) -> bool {
        let Some(base64) = line.strip_suffix(b"\r\n") else { return false };
        let long = (limits::BASE64_SHORTEST..=limits::BASE64_LINE).contains(&base64.len());
        if !long || base64.ends_with(b"=") || !from_base64(base64, &mut self.run) {
            return false;
        }
        self.width = base64.len() as u8;
        true
    }

    fn continue_run(&mut self, line: &[u8], out: &mut Vec<Split>) -> bool {
        if self.width == 0 {
            return false;
        }
        let Some(base64) = line.strip_suffix(b"\r\n") else { return false };
        if base64.len() > self.width.into() || !from_base64(base64, &mut self.run) {
            return false;
        }
        if base64.len() < self.width.into() || base64.ends_with(b"=") {
            self.end_run(out);
        } else if self.run.len() + usize::from(self.width) > self.part {
            // whole lines, so that each piece can be encoded alone
            self.flush_text(out);
            out.push(Split::Attachment(std::mem::take(&mut self.run), self.width));
            self.long = true;
        }
        true
    }

    fn end_run(&mut self, out: &mut Vec<Split>) {
        let (run, width) = (std::mem::take(&mut self.run), std::mem::take(&mut self.width));
        let long = std::mem::take(&mut self.long);
        if run.is_empty() {
            return;
        }
        if long || run.len() >= self.least {
            self.flush_text(out);
            out.push(Split::Attachment(run, width));
        } else {
            let mut text = Vec::with_capacity(encoded_len(run.len(), width));
            to_base64(&run, width, &mut text);
            self.push_text(&text, out);
        }
    }

    fn push_text(&mut self, mut bytes: &[u8], out: &mut Vec<Split>) {
        while self.text.len() + bytes.len() > self.part {
            let (now, later) = bytes.split_at(self.part - self.text.len());
            self.text.extend_from_slice(now);
            bytes = later;
            self.flush_text(out);
        }
        self.text.extend_from_slice(bytes);
    }

    fn flush_text(&mut self, out: &mut Vec<Split>) {
        if !self.text.is_empty() {
            out.push(Split::Text(std::mem::take(&mut self.text)));
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(message: &[u8], chunk: usize, part: usize, least: usize) -> Vec<Split> {
        let (mut splitter, mut out) = (Splitter::new(part, least), Vec::new());
        message.chunks(chunk).for_each(|c| splitter.feed(c, &mut out));
        splitter.finish(&mut out);
        out
    }

    fn joined(pieces: &[Split]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Split::Text(text) => out.extend_from_slice(text),
                Split::Attachment(octets, line) => to_base64(octets, *line, &mut out),
            }
        }
        out
    }

    fn attachment(octets: usize, line: u8) -> Vec<u8> {
        let octets: Vec<u8> = (0..octets).map(|i| ((i * i) >> 3) as u8).collect();
        let mut text = Vec::new();
        to_base64(&octets, line, &mut text);
        text
    }

    #[test]
    fn an_attachment_is_found_between_text() {
        let message = [b"Subject: x\r\n\r\n".to_vec(), attachment(500, 76), b"\r\n--b--\r\n".to_vec()].concat();
        let pieces = split(&message, 7, 10_000, 100);
        assert!(matches!(&pieces[..], [Split::Text(_), Split::Attachment(a, 76), Split::Text(_)] if a.len() == 500));
        assert_eq!(joined(&pieces), message);
        // too small to be worth it
        assert_eq!(split(&message, 7, 10_000, 501), [Split::Text(message)]);
    }

    #[test]
    fn a_long_one_is_cut_at_lines() {
        let message = attachment(5_000, 76);
        let pieces = split(&message, 1000, 1_000, 100);
        let lens: Vec<usize> = pieces
            .iter()
            .map(|p| match p {
                Split::Attachment(a, 76) => a.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lens, [969, 969, 969, 969, 969, 155]);
        assert_eq!(joined(&pieces), message);
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (1..400_usize, prop_oneof![Just(60_u8), Just(64), Just(76)]).prop_map(|(n, line)| attachment(n, line)),
            "[ -~]{0,90}\r\n".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..120),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn joined_again_it_is_the_same(
            lines in proptest::collection::vec(line(), 0..12),
            changes in proptest::collection::vec((any::<u16>(), any::<u8>(), 0..3_u8), 0..4),
            chunk in 1..300_usize,
        ) {
            let mut message = lines.concat();
            for (at, octet, how) in changes {
                let at = usize::from(at) % message.len().max(1);
                match how {
                    _ if message.is_empty() => {}
                    0 => message[at] = octet,
                    1 => message.insert(at, octet),
                    _ => drop(message.remove(at)),
                }
            }
            let pieces = split(&message, chunk, 700, 80);
            prop_assert_eq!(joined(&pieces), message);
        }
    }
}
