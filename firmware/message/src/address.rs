//! Address lists (RFC 5322 §3.4 with the obsolete forms of §4.4), read leniently: every entry gives something.

use crate::encoded;
use crate::envelope::Address;
use crate::header::unfold;
use crate::limits;
use crate::mime::comment_length;

/// Parses an address header's value (RFC 5322 §3.4 with the obsolete forms), leniently.
pub fn addresses(value: &[u8]) -> Vec<Address> {
    let mut out = Vec::new();
    append(value, &mut out, limits::ADDRESSES);
    out
}

/// Adds the addresses of a header's value to a list that must not exceed `limit`.
pub(crate) fn append(value: &[u8], out: &mut Vec<Address>, limit: usize) {
    let text = unfold(value);
    Parser { lexer: Lexer::new(&text), entry: Entry::default(), in_group: false, out, limit }.run();
}

/// A piece of an address list.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    /// White space or a comment (its text without the parentheses).
    Blank(Option<&'a [u8]>),
    /// An atom, a domain literal, or whatever else is no special character.
    Atom(&'a [u8]),
    /// The inside of a quoted string, still with its backslashes.
    Quoted(&'a [u8]),
    /// One of `,:;<>@.`.
    Special(u8),
}

struct Lexer<'a> {
    rest: &'a [u8],
    /// An unclosed parenthesis or quote was met: from there on they are ordinary characters.
    plain_parentheses: bool,
    plain_quotes: bool,
}

impl<'a> Lexer<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Lexer { rest, plain_parentheses: false, plain_quotes: false }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let first = *self.rest.first()?;
        Some(match first {
            b' ' | b'\t' | b'\r' | b'\n' => {
                let length = self.rest.len() - self.rest.trim_ascii_start().len();
                self.take(length.max(1));
                Token::Blank(None)
            }
            b'(' if !self.plain_parentheses => return self.comment(),
            b'"' if !self.plain_quotes => return self.quoted(),
            b',' | b':' | b';' | b'<' | b'>' | b'@' | b'.' => Token::Special(self.take(1)[0]),
            b'[' => Token::Atom(self.literal()),
            _ => Token::Atom(self.atom()),
        })
    }

    fn comment(&mut self) -> Option<Token<'a>> {
        let Some(length) = comment_length(self.rest) else {
            self.plain_parentheses = true;
            return self.next();
        };
        let comment = self.take(length);
        Some(Token::Blank(comment.get(1..length - 1)))
    }

    fn quoted(&mut self) -> Option<Token<'a>> {
        let mut at = 1;
        while let Some(byte) = self.rest.get(at) {
            match byte {
                b'"' => {
                    let quoted = self.take(at + 1);
                    return Some(Token::Quoted(&quoted[1..at]));
                }
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.plain_quotes = true;
        self.next()
    }

    /// `[127.0.0.1]`; without its end it is a mere bracket.
    fn literal(&mut self) -> &'a [u8] {
        let end = self.rest[1..].iter().position(|b| b"[],;<> ".contains(b)).map(|end| end + 1);
        match end {
            Some(end) if self.rest[end] == b']' => self.take(end + 1),
            _ => self.take(1),
        }
    }

    fn atom(&mut self) -> &'a [u8] {
        // Commas and the like inside an encoded-word are against RFC 2047 §5 (3), and occur.
        let encoded = encoded::word(self.rest).map(|word| word.length);
        let end = || self.rest[1..].iter().position(|b| b" \t\r\n(\",:;<>@.[".contains(b));
        let length = encoded.unwrap_or_else(|| end().map_or(self.rest.len(), |end| end + 1));
        self.take(length)
    }

    /// The source route at the start of an angle-addr, `@a,@b:` (RFC 5322 §4.4).
    fn route(&mut self) -> Option<Vec<u8>> {
        let text = self.rest.trim_ascii_start();
        if text.first() != Some(&b'@') {
            return None;
        }
        let end = text.iter().position(|b| b":<>;\"".contains(b)).filter(|end| text[*end] == b':')?;
        self.rest = &text[end + 1..];
        Some(text[..end].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect())
    }
}

/// An address as it is being read, `local@domain`.
#[derive(Default)]
struct Spec {
    local: Vec<u8>,
    domain: Option<Vec<u8>>,
    /// Something followed the domain that is no part of it.
    ended: bool,
}

impl Spec {
    /// White space belongs to an address only inside a local part that should have been quoted.
    fn push(&mut self, text: &[u8], spaced: bool) {
        let part = self.domain.as_mut().unwrap_or(&mut self.local);
        let apart = spaced && !part.is_empty() && !part.ends_with(b".") && text != b".";
        match &mut self.domain {
            Some(domain) => {
                self.ended |= apart;
                if !self.ended {
                    domain.extend_from_slice(text);
                }
            }
            None => {
                if apart {
                    self.local.push(b' ');
                }
                self.local.extend_from_slice(text);
            }
        }
    }

    fn at(&mut self) {
        match self.domain {
            Some(_) => self.push(b"@", false),
            None => self.domain = Some(Vec::new()),
        }
    }

    fn is_empty(&self) -> bool {
        self.local.is_empty() && self.domain.is_none()
    }
}

/// One entry of the list as it is being read.
#[derive(Default)]
struct Entry {
    place: Place,
    spec: Spec,
    route: Option<Vec<u8>>,
    /// The words in front of the angle.
    phrase: Vec<u8>,
    comment: Option<Vec<u8>>,
    spaced: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Place {
    /// A phrase or an address without angles: which of them shows later.
    #[default]
    Start,
    Angle,
    AfterAngle,
}

impl Entry {
    fn word(&mut self, text: &[u8]) {
        let spaced = std::mem::take(&mut self.spaced);
        match self.place {
            Place::Start => {
                self.spec.push(text, spaced);
                self.phrase_word(text, spaced);
            }
            Place::Angle => self.spec.push(text, spaced),
            Place::AfterAngle => {}
        }
    }

    fn phrase_word(&mut self, text: &[u8], spaced: bool) {
        if spaced && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(text);
    }

    fn at(&mut self) {
        if self.place != Place::AfterAngle {
            self.spec.at();
        }
        if self.place == Place::Start {
            self.phrase_word(b"@", self.spaced);
        }
        self.spaced = false;
    }

    fn blank(&mut self, comment: Option<&[u8]>) {
        self.spaced = true;
        if let Some(comment) = comment.filter(|_| self.comment.is_none()) {
            self.comment = Some(unescape(comment.trim_ascii()));
        }
    }

    fn address(self) -> Option<Address> {
        let Entry { place, spec, route, phrase, comment, .. } = self;
        let name = if place == Place::Start || phrase.is_empty() { comment } else { Some(phrase) };
        let name = name.filter(|n| !n.is_empty());
        let nothing = spec.is_empty() && route.is_none() && (place == Place::Start || name.is_none());
        let (mailbox, host) = (spec.local, spec.domain.unwrap_or_default());
        (!nothing).then_some(Address::Mailbox { name, route, mailbox, host })
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(*byte),
        }
    }
    out
}

struct Parser<'a, 'o> {
    lexer: Lexer<'a>,
    entry: Entry,
    in_group: bool,
    out: &'o mut Vec<Address>,
    limit: usize,
}

impl Parser<'_, '_> {
    fn run(mut self) {
        while self.has_room() {
            let Some(token) = self.lexer.next() else { break };
            match token {
                Token::Blank(comment) => self.entry.blank(comment),
                Token::Atom(text) => self.entry.word(text),
                Token::Quoted(text) => self.entry.word(&unescape(text)),
                Token::Special(special) => self.special(special),
            }
        }
        self.end_entry();
        self.end_group();
    }

    /// The end of an open group has its place kept.
    fn has_room(&self) -> bool {
        self.out.len() + usize::from(self.in_group) < self.limit
    }

    fn special(&mut self, special: u8) {
        match special {
            b',' => self.end_entry(),
            b';' => {
                self.end_entry();
                self.end_group();
            }
            b'<' => self.angle(),
            b'>' if self.entry.place == Place::Angle => self.entry.place = Place::AfterAngle,
            b'>' => {}
            b'@' => self.entry.at(),
            b':' if self.starts_group() => self.group(),
            other => self.entry.word(&[other]),
        }
    }

    fn angle(&mut self) {
        // The comma was forgotten, or the angle is doubled.
        if self.entry.place != Place::Start && !self.entry.spec.is_empty() {
            self.end_entry();
        }
        self.entry.place = Place::Angle;
        self.entry.spec = Spec::default();
        self.entry.route = self.lexer.route();
    }

    fn starts_group(&self) -> bool {
        let has_name = self.entry.place == Place::Start && !self.entry.phrase.is_empty();
        has_name && !self.in_group && self.out.len() + 2 <= self.limit
    }

    fn group(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        self.out.push(Address::GroupStart(entry.phrase));
        self.in_group = true;
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.out.push(Address::GroupEnd);
        }
    }

    fn end_entry(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        if self.has_room() {
            self.out.extend(entry.address());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per entry: name, route, mailbox, host.
    fn show(value: &str) -> Vec<String> {
        let text = |t: &Vec<u8>| String::from_utf8_lossy(t).into_owned();
        let some = |t: &Option<Vec<u8>>| t.as_ref().map_or("-".into(), text);
        let line = |a: &Address| match a {
            Address::Mailbox { name, route, mailbox, host } => {
                format!("{}|{}|{}|{}", some(name), some(route), text(mailbox), text(host))
            }
            Address::GroupStart(name) => format!("[{}", text(name)),
            Address::GroupEnd => "]".into(),
        };
        addresses(value.as_bytes()).iter().map(line).collect()
    }

    #[test]
    fn known_addresses() {
        for (value, expected) in [
            ("a@b", "-|-|a|b"),
            ("Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|-|john.q.public|example.com"),
            (r#""Giant; \"Big\" Box" <sysservices@example.net>"#, r#"Giant; "Big" Box|-|sysservices|example.net"#),
            (
                "Mary Smith <@node.test,@other.test : mary@example.net>",
                "Mary Smith|@node.test,@other.test|mary|example.net",
            ),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|-|pete|silly.test"),
            ("joe@x.com (Joe (Jr) Doe)", "Joe (Jr) Doe|-|joe|x.com"),
            ("jdoe@test   . example", "-|-|jdoe|test.example"),
            ("\"john doe\"@x", "-|-|john doe|x"),
            ("john . doe @ x . y", "-|-|john.doe|x.y"),
            ("a@[127.0.0.1]", "-|-|a|[127.0.0.1]"),
            ("foo@bar.com <foo@bar.com>", "foo@bar.com|-|foo|bar.com"),
            ("=?utf-8?Q?Doe,_John?= <a@b>", "=?utf-8?Q?Doe,_John?=|-|a|b"),
            ("root", "-|-|root|"),
            ("undisclosed recipients", "-|-|undisclosed recipients|"),
            ("Name <>", "Name|-||"),
            ("Foo (bar <a@b>", "Foo (bar|-|a|b"),
            ("\"Foo <a@b>", "\"Foo|-|a|b"),
            ("<<a@b>>", "-|-|a|b"),
            ("a@b@c", "-|-|a|b@c"),
            ("J\u{f8}rn <j@x>", "J\u{f8}rn|-|j|x"),
            ("\"\" <a@b>", "-|-|a|b"),
        ] {
            assert_eq!(show(value), [expected], "{value}");
        }
    }

    #[test]
    fn lists_and_groups() {
        for (value, expected) in [
            ("a@b, ,c@d,", vec!["-|-|a|b", "-|-|c|d"]),
            ("Undisclosed recipients:;", vec!["[Undisclosed recipients", "]"]),
            (
                "A Group:Chris Jones <c@a.test>,joe@where.test; x@y",
                vec!["[A Group", "Chris Jones|-|c|a.test", "-|-|joe|where.test", "]", "-|-|x|y"],
            ),
            ("G: a@b", vec!["[G", "-|-|a|b", "]"]),
            ("A <a@b, C <c@d>", vec!["A|-|a|b", "C|-|c|d"]),
            ("<a@b> <c@d>", vec!["-|-|a|b", "-|-|c|d"]),
            ("a@b; c@d", vec!["-|-|a|b", "-|-|c|d"]),
            ("a@b,\r\n\tc@d", vec!["-|-|a|b", "-|-|c|d"]),
            ("", vec![]),
            ("<>", vec![]),
            ("(nobody)", vec![]),
            (",;:<>@.", vec![":|-||"]),
        ] {
            assert_eq!(show(value), expected, "{value}");
        }
    }

    #[test]
    fn limits_hold_and_groups_end() {
        let many = "g:".to_owned() + &"a,".repeat(limits::ADDRESSES * 2);
        let list = addresses(many.as_bytes());
        assert_eq!(list.len(), limits::ADDRESSES);
        assert_eq!(list.last(), Some(&Address::GroupEnd));
    }
}
