//! Finds the parts of a message in a stream of bytes (RFC 2046 §5): lines, boundaries and a stack of open parts.
//!
//! A line ends with LF; one CR before it belongs to the line end. Any other CR is a character of its line
//! (RFC 5322 §2.3). A header block ends with an empty line, or with a boundary where that line is missing.

use crate::envelope::Envelope;
use crate::limits;
use crate::mime;
use crate::structure::{Content, Part};
use memchr::{memchr, memchr_iter, memmem};

/// Bytes of a line that decide what it is: two hyphens, the boundary, two hyphens.
pub(crate) const HEAD: usize = limits::BOUNDARY + 4;

/// Builds the structure while the bytes stream by; memory is bounded by `limits`, whatever the message's size.
#[derive(Debug)]
pub struct Builder {
    /// Offset of the next byte.
    pos: u64,
    /// Line ends so far.
    lines: u64,
    /// The last three bytes, the latest last.
    tail: [u8; 3],
    scan: Scan,
    /// How the current line starts, as far as that matters.
    head: Vec<u8>,
    /// Where a part ends if the current line is a boundary.
    cut: Cut,
    /// The header block being read, up to its limit.
    header: Vec<u8>,
    /// From the message down to the part being read.
    open: Vec<Open>,
    /// Parts begun.
    parts: usize,
    /// Memory that the descriptions take.
    weight: usize,
    /// The Envelope of the message itself, once its header is read.
    envelope: Envelope,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scan {
    /// A header block; the innermost open part waits for it.
    Header,
    /// The start of a line of a body.
    LineStart,
    /// The rest of a line of a body that is no boundary.
    Body,
}

/// The two places where what came before a line can end.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    /// Before the line end in front of the line: that line end is part of the boundary (RFC 2046 §5.1.1).
    before: Place,
    /// Right in front of the line.
    after: Place,
}

/// An offset and the number of lines up to it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: u64,
    lines: u64,
}

/// A part that has begun.
#[derive(Debug)]
struct Open {
    part: Part,
    /// The number of lines in front of the body.
    lines_before: u64,
    inside: Inside,
}

/// What an open part contains.
#[derive(Debug)]
enum Inside {
    Leaf,
    Multipart {
        boundary: Vec<u8>,
        parts: Vec<Part>,
        digest: bool,
        closed: bool,
    },
    Message {
        envelope: Envelope,
        inner: Option<Box<Part>>,
    },
    /// message/rfc822 with a transfer encoding, against RFC 2046 §5.2.1 (message/global may: RFC 6532 §3.7).
    EncodedMessage,
}

impl Default for Builder {
    fn default() -> Builder {
        let mut builder = Builder {
            pos: 0,
            lines: 0,
            tail: [0; 3],
            scan: Scan::Header,
            head: Vec::with_capacity(HEAD),
            cut: Cut::default(),
            header: Vec::new(),
            open: Vec::new(),
            parts: 0,
            weight: 0,
            envelope: Envelope::default(),
        };
        builder.begin_part(0, false);
        builder
    }
}

impl Builder {
    /// An empty builder.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.scan {
                Scan::Body => self.skip(rest),
                Scan::Header | Scan::LineStart => self.line(rest),
            };
            rest = &rest[taken..];
        }
    }

    /// The whole message's tree and its Envelope.
    pub fn finish(mut self) -> (Envelope, Part) {
        if !self.head.is_empty() && self.scan != Scan::Body {
            self.end_line();
        }
        let partial = self.pos > 0 && self.tail[2] != b'\n';
        let end = Place { at: self.pos, lines: self.lines + u64::from(partial) };
        let message = self.close(0, end).unwrap_or_else(|| mime::blank(false));
        (self.envelope, message)
    }

    /// Skips what cannot be a boundary: up to the next line that starts with two hyphens.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let skipped = if !self.open.iter().any(Open::awaits_boundary) {
            bytes.len()
        } else if let Some(found) = memmem::find(bytes, b"\n--") {
            found + 1
        } else {
            // A boundary may begin at the very end.
            bytes.len() - usize::from(bytes.ends_with(b"\n-"))
        };
        let (skipped_bytes, _) = bytes.split_at(skipped);
        self.lines += memchr_iter(b'\n', skipped_bytes).count() as u64;
        self.advance(skipped_bytes);
        if self.tail[2] == b'\n' {
            self.begin_line();
        }
        skipped
    }

    /// Takes a line, or what there is of it.
    fn line(&mut self, bytes: &[u8]) -> usize {
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let (line, _) = bytes.split_at(taken);
        self.head.extend_from_slice(&line[..line.len().min(HEAD - self.head.len())]);
        if self.scan == Scan::Header {
            let room = limits::HEADER_BYTES - self.header.len();
            self.header.extend_from_slice(&line[..line.len().min(room)]);
        }
        self.advance(line);
        if end.is_some() {
            self.lines += 1;
            self.end_line();
            self.begin_line();
        } else if self.scan == Scan::LineStart && !b"--".starts_with(&self.head[..self.head.len().min(2)]) {
            self.scan = Scan::Body;
        }
        taken
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.pos += bytes.len() as u64;
        for byte in &bytes[bytes.len().saturating_sub(3)..] {
            self.tail = [self.tail[1], self.tail[2], *byte];
        }
    }

    /// The next byte is the first of a line.
    fn begin_line(&mut self) {
        self.head.clear();
        let (line_end, previous) = match self.tail {
            [previous, b'\r', b'\n'] => (2, previous),
            [_, previous, _] => (1, previous),
        };
        let before = self.pos - line_end;
        let empty = before == 0 || previous == b'\n';
        self.cut = Cut {
            before: Place { at: before, lines: self.lines - u64::from(empty) },
            after: Place { at: self.pos, lines: self.lines },
        };
        if self.scan == Scan::Body {
            self.scan = Scan::LineStart;
        }
    }

    /// The current line is complete.
    fn end_line(&mut self) {
        match self.boundary() {
            Some((level, true)) => self.close_delimiter(level),
            Some((level, false)) if self.parts < limits::PARTS => self.delimiter(level),
            _ if self.scan == Scan::Header && crate::header::is_blank(&self.head) => {
                self.end_header(Place { at: self.pos, lines: self.lines });
            }
            _ => {}
        }
    }

    /// The open multipart whose boundary the current line is, and whether it closes it. RFC 2046 §5.1.2: it is
    /// sufficient that the line starts with the boundary; so among boundaries with a common start the longest counts.
    fn boundary(&self) -> Option<(usize, bool)> {
        let line = self.head.strip_prefix(b"--")?;
        let mut best: Option<(usize, &[u8])> = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            if let Inside::Multipart { boundary, closed: false, .. } = &open.inside
                && line.starts_with(boundary)
                && best.is_none_or(|(_, longest)| longest.len() < boundary.len())
            {
                best = Some((level, boundary));
            }
        }
        best.map(|(level, boundary)| (level, line[boundary.len()..].starts_with(b"--")))
    }

    fn delimiter(&mut self, level: usize) {
        self.end_parts_inside(level);
        let in_digest = matches!(self.open[level].inside, Inside::Multipart { digest: true, .. });
        self.begin_part(self.pos, in_digest);
    }

    fn close_delimiter(&mut self, level: usize) {
        self.end_parts_inside(level);
        if let Inside::Multipart { closed, .. } = &mut self.open[level].inside {
            *closed = true;
        }
        self.scan = Scan::LineStart;
    }

    /// Ends what is open inside the multipart at `level`: the current line is its boundary.
    fn end_parts_inside(&mut self, level: usize) {
        let Some(innermost) = self.open.last() else { return };
        // A line end that already ended a header is not also the one in front of the boundary.
        let in_header = self.scan == Scan::Header || innermost.part.body.start == self.cut.after.at;
        let end = if in_header { self.cut.after } else { self.cut.before };
        self.close(level + 1, end);
    }

    fn begin_part(&mut self, at: u64, in_digest: bool) {
        self.parts += 1;
        let mut part = mime::blank(in_digest);
        part.header = at..at;
        self.open.push(Open { part, lines_before: 0, inside: Inside::Leaf });
        self.header.clear();
        self.scan = Scan::Header;
    }

    /// The header block of the innermost part has ended: now it is known what the part is.
    fn end_header(&mut self, end: Place) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else { return };
        let in_digest = open.part.is("message", "rfc822");
        let start = open.part.header.start;
        let mut part = mime::describe(&self.header, in_digest);
        part.header = start..end.at;
        part.body = end.at..end.at;
        let inside = Inside::of(&mut part, depth <= limits::DEPTH && self.parts < limits::PARTS);
        self.weight += part.description_weight();
        if self.weight > limits::WEIGHT {
            part = undescribed(part);
        }
        *open = Open { part, lines_before: end.lines, inside };
        self.take_envelope();
        self.scan = Scan::LineStart;
        if matches!(self.open.last(), Some(Open { inside: Inside::Message { .. }, .. })) {
            self.begin_part(end.at, false);
        }
    }

    /// If the innermost part is a message, its header has an Envelope.
    fn take_envelope(&mut self) {
        let slot = match self.open.as_mut_slice() {
            [_] => &mut self.envelope,
            [.., Open { inside: Inside::Message { envelope, .. }, .. }, _] => envelope,
            _ => return,
        };
        let envelope = Envelope::parse(&self.header);
        self.weight += envelope.weight();
        if self.weight <= limits::WEIGHT {
            *slot = envelope;
        }
    }

    /// Ends the open parts from `level` on; the outermost of them goes to its parent, or is returned if it has none.
    fn close(&mut self, level: usize, end: Place) -> Option<Part> {
        while self.scan == Scan::Header && self.open.len() > level {
            self.end_header(end);
        }
        while self.open.len() > level {
            let part = self.open.pop()?.end(end);
            match self.open.last_mut().map(|parent| &mut parent.inside) {
                Some(Inside::Multipart { parts, .. }) => parts.push(part),
                Some(Inside::Message { inner, .. }) => *inner = Some(Box::new(part)),
                _ => return Some(part),
            }
        }
        None
    }
}

impl Open {
    fn awaits_boundary(&self) -> bool {
        matches!(self.inside, Inside::Multipart { closed: false, .. })
    }

    fn end(self, end: Place) -> Part {
        let mut part = self.part;
        part.body.end = end.at;
        part.lines = u32::try_from(end.lines.saturating_sub(self.lines_before)).unwrap_or(u32::MAX);
        match self.inside {
            Inside::Leaf => {}
            // Without a part no BODYSTRUCTURE could be written; what is there may be text.
            Inside::Multipart { parts, .. } if parts.is_empty() => retype(&mut part, b"text", b"plain"),
            Inside::Multipart { parts, .. } => part.content = Content::Multipart(parts),
            Inside::Message { envelope, inner } => {
                let inner = inner.unwrap_or_else(|| Box::new(mime::blank(false)));
                part.content = Content::Message(Box::new(envelope), inner);
            }
            Inside::EncodedMessage => {
                let inner = encoded_text(&part);
                part.content = Content::Message(Box::default(), Box::new(inner));
            }
        }
        part
    }
}

impl Inside {
    /// What a part contains by its type; changes the type if that cannot be described. `room`: it may contain parts.
    fn of(part: &mut Part, room: bool) -> Inside {
        let multipart = part.media_type.eq_ignore_ascii_case(b"multipart");
        let message = part.is("message", "rfc822") || part.is("message", "global");
        if (multipart || message) && !room {
            retype(part, b"application", b"octet-stream");
            return Inside::Leaf;
        }
        if multipart {
            let boundary = part.param("boundary").unwrap_or_default().trim_ascii_end().to_vec();
            let digest = part.subtype.eq_ignore_ascii_case(b"digest");
            if boundary.is_empty() || boundary.len() > limits::BOUNDARY {
                retype(part, b"text", b"plain");
                return Inside::Leaf;
            }
            return Inside::Multipart { boundary, parts: Vec::new(), digest, closed: false };
        }
        match message {
            true if is_encoded(part) => Inside::EncodedMessage,
            true => Inside::Message { envelope: Envelope::default(), inner: None },
            false => Inside::Leaf,
        }
    }
}

fn is_encoded(part: &Part) -> bool {
    let encoding = part.encoding.as_deref().unwrap_or_default();
    encoding.eq_ignore_ascii_case(b"base64") || encoding.eq_ignore_ascii_case(b"quoted-printable")
}

/// Stands for the message inside an encoded one: the bytes are there, in that encoding, but nothing is known of them.
fn encoded_text(outer: &Part) -> Part {
    let mut inner = mime::blank(false);
    inner.header = outer.body.start..outer.body.start;
    inner.body = outer.body.clone();
    inner.lines = outer.lines;
    inner.encoding = outer.encoding.clone();
    inner
}

fn retype(part: &mut Part, media_type: &[u8], subtype: &[u8]) {
    part.media_type = media_type.to_vec();
    part.subtype = subtype.to_vec();
    part.params.clear();
}

/// A part of the same type of which nothing more is told. A type too long to be one becomes opaque data.
fn undescribed(part: Part) -> Part {
    let mut out = mime::blank(false);
    if part.media_type.len() + part.subtype.len() <= limits::BOUNDARY {
        (out.media_type, out.subtype) = (part.media_type, part.subtype);
    } else if part.media_type.eq_ignore_ascii_case(b"multipart") {
        retype(&mut out, b"multipart", b"mixed");
    } else {
        retype(&mut out, b"application", b"octet-stream");
    }
    (out.header, out.body) = (part.header, part.body);
    out
}
