//! Patterns of LIST and LSUB (RFC 3501 §6.3.8): `*` matches anything, `%` anything within one level.

/// A pattern. Matching follows all its readings at once, byte by byte of the name: no name takes long.
#[derive(Debug, Clone)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`
    Any,
    /// `%`
    Level,
}

impl Pattern {
    /// From a pattern in UTF-8. Neighbouring wildcards are one.
    pub fn new(text: &str) -> Pattern {
        let mut tokens: Vec<Token> = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            let token = match byte {
                b'*' => Token::Any,
                b'%' => Token::Level,
                byte => Token::Byte(byte),
            };
            match (tokens.last_mut(), token) {
                (Some(Token::Any), Token::Any | Token::Level) | (Some(Token::Level), Token::Level) => {}
                (Some(last @ Token::Level), Token::Any) => *last = Token::Any,
                _ => tokens.push(token),
            }
        }
        Pattern { tokens }
    }

    /// Whether it has a `%`.
    pub fn has_level(&self) -> bool {
        self.tokens.contains(&Token::Level)
    }

    /// Whether the whole name matches. INBOX, alone or as first level, matches in any case.
    pub fn matches(&self, name: &str) -> bool {
        let inbox = if name == "INBOX" || name.starts_with("INBOX/") { 5 } else { 0 };
        let mut places = vec![];
        self.reach(0, &mut places);
        let mut next = Vec::with_capacity(places.len());
        for (at, byte) in name.bytes().enumerate() {
            for &place in &places {
                match self.tokens.get(place) {
                    Some(Token::Any) => self.reach(place, &mut next),
                    Some(Token::Level) if byte != b'/' => self.reach(place, &mut next),
                    Some(Token::Byte(b)) if *b == byte || at < inbox && b.eq_ignore_ascii_case(&byte) => {
                        self.reach(place + 1, &mut next);
                    }
                    _ => {}
                }
            }
            if next.is_empty() {
                return false;
            }
            std::mem::swap(&mut places, &mut next);
            next.clear();
        }
        places.last() == Some(&self.tokens.len())
    }

    /// Adds a place, and the ones behind a wildcard there, to ascending places.
    fn reach(&self, mut place: usize, places: &mut Vec<usize>) {
        loop {
            if places.last().is_none_or(|&last| last < place) {
                places.push(place);
            }
            match self.tokens.get(place) {
                Some(Token::Any | Token::Level) => place += 1,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (pattern, yes, no) in [
            ("*", &["", "a", "a/b"][..], &[][..]),
            ("%", &["a", "INBOX"], &["a/b"]),
            ("%/%", &["a/b"], &["a", "a/b/c"]),
            ("a*", &["a", "ab", "a/b"], &["b", "ba"]),
            ("*a", &["a", "ba", "b/a", "aaa"], &["ab"]),
            ("a%b*c", &["abc", "axb/c"], &["a/bc", "ab"]),
            ("inbox", &["INBOX"], &["INBOX/a", "inboxes"]),
            ("InBox/*", &["INBOX/a"], &["INBOX"]),
            ("INBOX/a", &["INBOX/a"], &["INBOX/A"]),
            ("Sent", &["Sent"], &["sent"]),
            ("%%*", &["a/b"], &[]),
            ("", &[""], &["a"]),
        ] {
            let pattern = Pattern::new(pattern);
            assert!(yes.iter().all(|name| pattern.matches(name)), "{pattern:?}");
            assert!(!no.iter().any(|name| pattern.matches(name)), "{pattern:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Pattern::new(&"a*%a".repeat(300));
        assert!(!pattern.matches(&"a".repeat(512)));
    }

    /// The definition, by trying everything.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| model(rest, &name[n..])),
            Some((b'%', rest)) => {
                (0..=name.len()).take_while(|&n| !name[..n].contains(&b'/')).any(|n| model(rest, &name[n..]))
            }
            Some((b, rest)) => name.first() == Some(b) && model(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/%*]{0,7}", name in "[ab/]{0,8}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), model(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
