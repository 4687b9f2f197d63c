//! MIME header fields: media type, parameters with RFC 2231 continuations, disposition (RFC 2045 §5, 2183, 2231).

use crate::header::{self, unfold};
use crate::limits;
use crate::structure::{Content, Disposition, Param, Part};
use memchr::memchr;
use std::borrow::Cow;

/// A part with everything its header block tells about it; ranges and content are for the caller to fill in.
pub(crate) fn describe(header: &[u8], in_digest: bool) -> Part {
    let mut part = blank(in_digest);
    let mut seen = 0_u8;
    for field in header::fields(header) {
        let Some(bit) = content_field(field.name) else { continue };
        // Of a field that should be there once the first counts.
        if seen & (1 << bit) == 0 {
            seen |= 1 << bit;
            take(&mut part, bit, unfold(field.value));
        }
    }
    part
}

/// A part without header: text/plain, or message/rfc822 in a digest (RFC 2046 §5.1.5).
pub(crate) fn blank(in_digest: bool) -> Part {
    let (media_type, subtype): (&[u8], &[u8]) = if in_digest { (b"message", b"rfc822") } else { (b"text", b"plain") };
    Part {
        header: 0..0,
        body: 0..0,
        lines: 0,
        media_type: media_type.to_vec(),
        subtype: subtype.to_vec(),
        params: Vec::new(),
        id: None,
        description: None,
        encoding: None,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        content: Content::Leaf,
    }
}

const FIELDS: [&[u8]; 8] =
    [b"type", b"transfer-encoding", b"disposition", b"id", b"description", b"md5", b"language", b"location"];

fn content_field(name: &[u8]) -> Option<usize> {
    let (prefix, rest) = name.split_at_checked(8)?;
    if !prefix.eq_ignore_ascii_case(b"content-") {
        return None;
    }
    FIELDS.iter().position(|f| rest.eq_ignore_ascii_case(f))
}

fn take(part: &mut Part, field: usize, value: Vec<u8>) {
    match field {
        0 => content_type(part, &value),
        1 => part.encoding = present(word(&Scan::new(&value).until(b";"))),
        2 => part.disposition = disposition(&value),
        3 => part.id = present(value),
        4 => part.description = present(value),
        5 => part.md5 = present(value),
        6 => part.language = languages(&value),
        _ => part.location = present(value),
    }
}

fn present(value: Vec<u8>) -> Option<Vec<u8>> {
    (!value.is_empty()).then_some(value)
}

fn content_type(part: &mut Part, value: &[u8]) {
    let mut scan = Scan::new(value);
    let media_type = scan.until(b"/;");
    if scan.eat(b'/') {
        // Where the semicolon is missing a parameter follows after white space.
        let subtype = word(&scan.until(b";"));
        if is_name(&media_type) && is_name(&subtype) {
            (part.media_type, part.subtype) = (media_type, subtype);
        }
    }
    part.params = parameters(scan);
}

fn disposition(value: &[u8]) -> Option<Disposition> {
    let mut scan = Scan::new(value);
    let kind = scan.until(b";");
    is_name(&kind).then(|| Disposition { kind, params: parameters(scan) })
}

fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut scan = Scan::new(value);
    let mut out = Vec::new();
    while !scan.at_end() && out.len() < limits::PARAMS {
        let tag = scan.until(b",");
        scan.eat(b',');
        if is_name(&tag) {
            out.push(tag);
        }
    }
    out
}

fn word(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    text[..end].to_vec()
}

/// Whether it can be a type, a disposition or a language: more lenient than a token, yet one visible ASCII word.
fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_graphic() && !b"\"(),;<>\\".contains(b))
}

/// `*(";" attribute "=" value)`.
fn parameters(mut scan: Scan<'_>) -> Vec<Param> {
    let mut params = Vec::new();
    while !scan.at_end() && params.len() < limits::PARAMS {
        scan.skip_past(b';');
        let name = scan.until(b"=;");
        if scan.eat(b'=') {
            let value = scan.value();
            if is_name(&name) {
                params.push(Param { name, value });
            }
        }
    }
    join(params)
}

/// Reads a structured header value: white space, comments and quoted strings (RFC 2045 §5.1).
struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Scan { rest }
    }
    fn at_end(&self) -> bool {
        self.rest.is_empty()
    }
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }
    fn skip_past(&mut self, byte: u8) {
        while !self.at_end() {
            self.skip_blanks();
            if self.eat(byte) {
                return;
            }
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
    }
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            // An unclosed comment takes all there is.
            self.rest = &self.rest[comment_length(self.rest).unwrap_or(self.rest.len())..];
        }
    }
    /// The text up to one of `stops`, trimmed, without comments.
    fn until(&mut self, stops: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let before = self.rest.len();
            self.skip_blanks();
            let Some(byte) = self.rest.first().filter(|b| !stops.contains(b)) else { return out };
            if before != self.rest.len() && !out.is_empty() {
                out.push(b' ');
            }
            out.push(*byte);
            self.rest = &self.rest[1..];
        }
    }
    /// A parameter's value: a quoted string, or everything up to `;` (names of files come with bare spaces and parentheses).
    fn value(&mut self) -> Vec<u8> {
        self.skip_blanks();
        if self.eat(b'"') {
            return self.quoted();
        }
        let end = memchr(b';', self.rest).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        let comment = value.windows(2).position(|w| w[0].is_ascii_whitespace() && w[1] == b'(');
        value[..comment.unwrap_or(value.len())].trim_ascii_end().to_vec()
    }
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = self.rest.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => out.extend(bytes.next()),
                _ => out.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        out
    }
}

/// The length of the comment that `bytes` starts with, if it ends; comments nest (RFC 5322 §3.2.2).
pub(crate) fn comment_length(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\\' => at += 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// A parameter's name as RFC 2231 splits it: `name*3*`.
struct Segment<'a> {
    base: &'a [u8],
    number: usize,
    extended: bool,
}

impl<'a> Segment<'a> {
    fn of(param: &'a Param) -> Option<Segment<'a>> {
        let (name, extended) = match param.name.strip_suffix(b"*") {
            Some(name) => (name, true),
            None => (param.name.as_slice(), false),
        };
        let star = memchr(b'*', name)?;
        let number = std::str::from_utf8(&name[star + 1..]).ok()?.parse().ok()?;
        (star > 0).then_some(Segment { base: &name[..star], number, extended })
    }
}

/// Joins the continuations of RFC 2231 §3 where the first of them stood. With a charset (§4) the result is `name*`,
/// its plain segments percent-encoded.
fn join(params: Vec<Param>) -> Vec<Param> {
    let mut out = Vec::with_capacity(params.len());
    for (index, param) in params.iter().enumerate() {
        let Some(segment) = Segment::of(param) else {
            out.push(param.clone());
            continue;
        };
        let same = |p: &&Param| Segment::of(p).is_some_and(|s| s.base.eq_ignore_ascii_case(segment.base));
        if !params[..index].iter().any(|p| same(&p)) {
            out.push(joined(segment.base, params.iter().filter(same)));
        }
    }
    out
}

fn joined<'a>(base: &[u8], params: impl Iterator<Item = &'a Param>) -> Param {
    let mut segments: Vec<_> = params.filter_map(|p| Some((Segment::of(p)?, &p.value))).collect();
    segments.sort_by_key(|(segment, _)| segment.number);
    segments.dedup_by_key(|(segment, _)| segment.number);
    let extended = segments.iter().any(|(segment, _)| segment.extended);
    // Only the first segment can name the charset (RFC 2231 §4.1).
    let charset = segments.first().is_some_and(|(segment, _)| segment.extended);
    let mut name = base.to_vec();
    let mut value = Vec::new();
    if extended {
        name.push(b'*');
        if !charset {
            value.extend_from_slice(b"''");
        }
    }
    for (segment, text) in segments {
        if extended && !segment.extended {
            percent_encode(text, &mut value);
        } else {
            value.extend_from_slice(text);
        }
    }
    Param { name, value }
}

fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~!#$&+^`{|}".contains(byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// The value of a parameter; one of RFC 2231 §4 (`name*=charset'language'text`) without its charset and percent signs.
pub(crate) fn parameter<'p>(params: &'p [Param], name: &str) -> Option<Cow<'p, [u8]>> {
    let name = name.as_bytes();
    let plain = params.iter().find(|p| p.name.eq_ignore_ascii_case(name));
    if let Some(param) = plain {
        return Some(Cow::Borrowed(&param.value));
    }
    let is_extended = |p: &&Param| p.name.strip_suffix(b"*").is_some_and(|n| n.eq_ignore_ascii_case(name));
    params.iter().find(is_extended).map(|p| Cow::Owned(percent_decode(text_of(&p.value))))
}

/// What follows `charset'language'`.
fn text_of(value: &[u8]) -> &[u8] {
    let mut rest = value;
    for _ in 0..2 {
        let Some(quote) = memchr(b'\'', rest) else { return value };
        rest = &rest[quote + 1..];
    }
    rest
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match after {
            [high, low, tail @ ..] if *byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            _ => out.push(*byte),
        }
    }
    out
}

/// The value of a hexadecimal digit (anything else is the caller's mistake and counts as 0).
pub(crate) fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'F' => digit - b'A' + 10,
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(header: &str) -> String {
        let part = describe(header.as_bytes(), false);
        let text = |t: &[u8]| String::from_utf8_lossy(t).into_owned();
        let params =
            |p: &[Param]| p.iter().map(|p| format!(";{}={}", text(&p.name), text(&p.value))).collect::<String>();
        let disposition = part.disposition.map(|d| format!(" {}{}", text(&d.kind), params(&d.params)));
        format!("{}/{}{}", text(&part.media_type), text(&part.subtype), params(&part.params))
            + &disposition.unwrap_or_default()
    }

    #[test]
    fn content_types() {
        for (value, expected) in [
            ("text/plain", "text/plain"),
            (" TEXT / Html ; Charset = us-ascii (Plain text)", "TEXT/Html;Charset=us-ascii"),
            ("text/plain; charset=\"us-ascii\"; format=flowed", "text/plain;charset=us-ascii;format=flowed"),
            ("(a) text (b) / (c) plain (d (e)) ; (f) a (g) = (h) \"b\\\"c\" (i)", "text/plain;a=b\"c"),
            ("text/plain;;a=b; ;c", "text/plain;a=b"),
            ("image/png; name=my file (1).png; x=y", "image/png;name=my file;x=y"),
            ("image/png; name=file(1).png", "image/png;name=file(1).png"),
            ("image/png; name=\"never closed; x=y", "image/png;name=never closed; x=y"),
            ("text/html charset=utf-8", "text/html"),
            ("image/png; name=\"a\r\n b\"", "image/png;name=a b"),
            ("text", "text/plain"),
            ("text; charset=utf-8", "text/plain;charset=utf-8"),
            ("/", "text/plain"),
            ("\"text\"/plain", "text/plain"),
            ("\u{e9}/\u{e9}", "text/plain"),
            ("", "text/plain"),
            ("application/x; =a; b=", "application/x;b="),
        ] {
            assert_eq!(show(&format!("Content-Type: {value}\r\n")), expected, "{value}");
        }
    }

    #[test]
    fn examples_of_rfc_2231() {
        for (value, expected) in [
            (
                "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
                "message/external-body;access-type=URL;URL=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar",
            ),
            (
                "application/x-stuff;\r\n title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
                "application/x-stuff;title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            ),
            (
                "application/x-stuff;\r\n title*2=\"isn't it!\"; x=y;\r\n title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n\x20\
                 title*1*=%2A%2A%2Afun%2A%2A%2A%20",
                "application/x-stuff;title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!;x=y",
            ),
            ("a/b; n*0=x; n*1*=%20", "a/b;n*=''x%20"),
            ("a/b; n*1=x; N*1=y; *0=z", "a/b;n=x;*0=z"),
        ] {
            assert_eq!(show(&format!("Content-Type: {value}\r\n")), expected, "{value}");
        }
    }

    #[test]
    fn decoded_parameters() {
        let part = describe(
            b"Content-Type: a/b; title*0*=us-ascii'en'even%20more%2; title*1*=A!; title*2=\"isn't it\"; x*=%41; y=%41; y*=z\n",
            false,
        );
        assert_eq!(part.param("TITLE").as_deref(), Some(&b"even more*!isn't it"[..]));
        assert_eq!(part.param("x").as_deref(), Some(&b"A"[..]));
        assert_eq!(part.param("y").as_deref(), Some(&b"%41"[..]));
        assert_eq!(part.param("z"), None);
    }

    #[test]
    fn other_fields() {
        let part = describe(
            b"content-type: text/plain\nContent-Type: image/png\nCONTENT-ID: <a@b>\nContent-Description: a (b)\n  c\n\
              Content-Transfer-Encoding: Base64 (really)\nContent-MD5: x==\nContent-Language: en, (x) de-CH,\n\
              Content-Location: http://x/\nContent-Disposition: attachment; filename=\"a;b\"\nContent-Nothing: x\n",
            false,
        );
        assert!(part.is("TEXT", "Plain"));
        assert_eq!(part.id.as_deref(), Some(&b"<a@b>"[..]));
        assert_eq!(part.description.as_deref(), Some(&b"a (b)  c"[..]));
        assert_eq!(part.encoding.as_deref(), Some(&b"Base64"[..]));
        assert_eq!(part.md5.as_deref(), Some(&b"x=="[..]));
        assert_eq!(part.language, [b"en".to_vec(), b"de-CH".to_vec()]);
        assert_eq!(part.location.as_deref(), Some(&b"http://x/"[..]));
        assert_eq!(show("Content-Disposition: inline (x); size=1\n"), "text/plain inline;size=1");
        assert_eq!(show("Content-Disposition: ; filename=x\n"), "text/plain");
        assert!(describe(b"Content-Transfer-Encoding:\n", true).encoding.is_none());
        assert!(describe(b"", true).is("message", "rfc822"));
    }
}
