//! The terminals of RFC 3501 §9: atoms, strings, numbers, and the lists built of them.

use std::borrow::Cow;

/// Why a command is not understood, for the BAD answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad(pub &'static str);

/// Reads terminals off the front of a command that [`super::framing`] has collected.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    rest: &'a [u8],
}

/// `ATOM-CHAR`: printable US-ASCII that is not special.
pub fn is_atom_char(b: u8) -> bool {
    matches!(b, b'!'..=b'~') && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`: an atom's character or `]`.
pub fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

impl<'a> Lexer<'a> {
    /// Begins at the front of `text`.
    pub fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: text }
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the next byte if it is this one.
    pub fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        if hit {
            self.rest = &self.rest[1..];
        }
        hit
    }

    /// Takes this word, in any case, if it comes next.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let hit = self.rest.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        if hit {
            self.rest = &self.rest[word.len()..];
        }
        hit
    }

    /// Takes this byte, which must come.
    pub fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Bad> {
        if self.eat(byte) { Ok(()) } else { Err(Bad(otherwise)) }
    }

    /// One space, and the further ones that some clients send.
    pub fn sp(&mut self) -> Result<(), Bad> {
        self.expect(b' ', "Missing argument")?;
        while self.eat(b' ') {}
        Ok(())
    }

    /// The end of the command; spaces before it are forgiven.
    pub fn end(&mut self) -> Result<(), Bad> {
        while self.eat(b' ') {}
        if self.rest.is_empty() { Ok(()) } else { Err(Bad("Unexpected text after the arguments")) }
    }

    /// The longest run of bytes that `keep` accepts; may be empty.
    pub fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&b| !keep(b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// An atom as text.
    pub fn atom(&mut self) -> Result<&'a str, Bad> {
        ascii(self.take_while(is_atom_char))
    }

    /// An astring: an atom that may hold `]`, or a string.
    pub fn astring(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(is_astring_char) {
                [] => Err(Bad("Missing or malformed string")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// A quoted string or a literal.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Bad("Missing or malformed string")),
        }
    }

    /// A string, or `NIL` for none.
    pub fn nstring(&mut self) -> Result<Option<Cow<'a, [u8]>>, Bad> {
        if self.eat_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// A quoted string. Bytes above 127 are let through: clients send UTF-8 in passwords and search strings.
    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        self.expect(b'"', "Missing quote")?;
        let plain = self.take_while(|b| !matches!(b, b'"' | b'\\' | b'\r' | b'\n' | 0));
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        while self.eat(b'\\') {
            match self.peek() {
                Some(b @ (b'"' | b'\\')) => text.push(b),
                _ => return Err(Bad("Only a quote or a backslash may follow a backslash")),
            }
            self.rest = &self.rest[1..];
            text.extend_from_slice(self.take_while(|b| !matches!(b, b'"' | b'\\' | b'\r' | b'\n' | 0)));
        }
        self.expect(b'"', "Unfinished quoted string")?;
        Ok(Cow::Owned(text))
    }

    /// A literal: `{n}` or `{n+}`, the line end, n octets (RFC 7888). NUL is no CHAR8.
    fn literal(&mut self) -> Result<&'a [u8], Bad> {
        const MALFORMED: &str = "Malformed literal";
        self.expect(b'{', MALFORMED)?;
        let size = usize::try_from(self.number64()?).map_err(|_| Bad(MALFORMED))?;
        self.eat(b'+');
        self.expect(b'}', MALFORMED)?;
        self.eat(b'\r');
        self.expect(b'\n', MALFORMED)?;
        let text = self.rest.get(..size).ok_or(Bad(MALFORMED))?;
        self.rest = &self.rest[size..];
        if text.contains(&0) { Err(Bad("NUL in a literal")) } else { Ok(text) }
    }

    /// `number64` (RFC 7162 §7): at most 2^63-1.
    pub fn number64(&mut self) -> Result<u64, Bad> {
        let digits = ascii(self.take_while(|b| b.is_ascii_digit())).map_err(|_| Bad("Missing number"))?;
        digits.parse().ok().filter(|&n| n <= i64::MAX as u64).ok_or(Bad("Number too large"))
    }

    /// `number`: 32 bits.
    pub fn number(&mut self) -> Result<u32, Bad> {
        self.number64().and_then(|n| u32::try_from(n).map_err(|_| Bad("Number too large")))
    }

    /// `nz-number`: 32 bits and not 0.
    pub fn nz_number(&mut self) -> Result<u32, Bad> {
        match self.number()? {
            0 => Err(Bad("Number must not be 0")),
            n => Ok(n),
        }
    }

    /// A parenthesized list of at most `limit` things with a space between them; may be empty.
    pub fn list<T>(
        &mut self,
        limit: usize,
        mut one: impl FnMut(&mut Lexer<'a>) -> Result<T, Bad>,
    ) -> Result<Vec<T>, Bad> {
        self.expect(b'(', "Missing parenthesis")?;
        let mut all = Vec::new();
        while self.eat(b' ') {}
        while !self.eat(b')') {
            if all.len() == limit {
                return Err(Bad("Too many words in parentheses"));
            }
            all.push(one(self)?);
            if self.peek() != Some(b')') {
                self.expect(b' ', "Missing closing parenthesis")?;
                while self.eat(b' ') {}
            }
        }
        Ok(all)
    }
}

/// Bytes already known to be US-ASCII and not empty.
fn ascii(bytes: &[u8]) -> Result<&str, Bad> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Bad("Missing or malformed word")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;
    use proptest::prelude::*;

    fn astring(text: &[u8]) -> Result<Vec<u8>, Bad> {
        let mut lexer = Lexer::new(text);
        let s = lexer.astring()?.into_owned();
        lexer.end()?;
        Ok(s)
    }

    #[test]
    fn strings() {
        for (wire, text) in [
            (&b"atom"[..], &b"atom"[..]),
            (b"a]b", b"a]b"),
            (b"\"\"", b""),
            (b"\"a b\"", b"a b"),
            (b"\"a\\\"b\\\\\"", b"a\"b\\"),
            (b"{0}\r\n", b""),
            (b"{3}\r\na\r\n", b"a\r\n"),
            (b"{3+}\r\n\"()", b"\"()"),
            (b"{1}\na", b"a"),
            ("\"grüß\"".as_bytes(), "grüß".as_bytes()),
        ] {
            assert_eq!(astring(wire).as_deref(), Ok(text));
        }
    }

    #[test]
    fn malformed_strings() {
        for wire in [
            &b""[..],
            b"\"",
            b"\"a",
            b"\"a\\",
            b"\"\\a\"",
            b"\"a\r\n\"",
            b"{3}\r\nab",
            b"{3}abc",
            b"{-1}\r\n",
            b"{}\r\n",
            b"{1",
            b"{1}\r\n\0",
            b"(",
            b"a b",
            b"a\"",
            b"*",
            b"{99999999999999999999}\r\n",
            b"\xe4",
            b"{3++}\r\nabc",
        ] {
            assert!(astring(wire).is_err(), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(Lexer::new(b"4294967295").number(), Ok(u32::MAX));
        assert!(Lexer::new(b"4294967296").number().is_err());
        assert!(Lexer::new(b"9223372036854775808").number64().is_err());
        assert!(Lexer::new(b"0").nz_number().is_err());
        assert!(Lexer::new(b"x").number().is_err());
    }

    #[test]
    fn lists() {
        let words = |text: &'static [u8]| Lexer::new(text).list(2, |l| l.atom());
        assert_eq!(words(b"()"), Ok(vec![]));
        assert_eq!(words(b"(a  b )"), Ok(vec!["a", "b"]));
        for text in [&b"(a b c)"[..], b"(a", b"(a(", b"a", b"(a b"] {
            assert!(words(text).is_err());
        }
    }

    proptest! {
        #[test]
        fn strings_written_are_read(text in proptest::collection::vec(1u8.., 0..40)) {
            let mut wire = Vec::new();
            encode::string(&text, &mut wire);
            prop_assert_eq!(astring(&wire), Ok(text.clone()));
            let mut wire = Vec::new();
            encode::astring(&text, &mut wire);
            prop_assert_eq!(astring(&wire), Ok(text));
        }
    }
}
