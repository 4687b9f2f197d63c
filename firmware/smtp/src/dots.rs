//! Transparency of DATA (RFC 5321 §4.5.2): takes away the stuffed dots and finds the end, which is CRLF.CRLF and nothing else.

/// Where the bytes stand; they may come cut anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DotUnstuffer {
    /// At the start of a line: after a CRLF, or nothing came yet.
    #[default]
    LineStart,
    /// After a dot at the start of a line, which is not passed on.
    Dot,
    /// After a dot and a CR at the start of a line; the CR is held back.
    DotCr,
    /// After a CR.
    Cr,
    /// Anywhere else.
    Text,
}

impl DotUnstuffer {
    /// Passes the message's bytes in `input` on to `sink`. `Some(n)`: the message ended with the n-th byte.
    pub(crate) fn feed(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> Option<usize> {
        let mut from = 0; // bytes from here on are not passed on yet
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (*self, byte) {
                (DotUnstuffer::DotCr, b'\n') => return Some(at + 1),
                (DotUnstuffer::LineStart, b'.') => {
                    pass_on(&input[from..at], sink);
                    from = at + 1;
                    *self = DotUnstuffer::Dot;
                }
                (DotUnstuffer::Dot, b'\r') => {
                    from = at + 1;
                    *self = DotUnstuffer::DotCr;
                }
                (DotUnstuffer::DotCr, _) => {
                    sink(b"\r");
                    from = at;
                    *self = if byte == b'\r' { DotUnstuffer::Cr } else { DotUnstuffer::Text };
                }
                (DotUnstuffer::Cr, b'\n') => *self = DotUnstuffer::LineStart,
                (_, b'\r') => *self = DotUnstuffer::Cr,
                (_, _) => {
                    *self = DotUnstuffer::Text;
                    at += text_before_cr(&input[at + 1..]);
                }
            }
            at += 1;
        }
        pass_on(&input[from.min(at)..at], sink);
        None
    }
}

fn pass_on(bytes: &[u8], sink: &mut impl FnMut(&[u8])) {
    if !bytes.is_empty() {
        sink(bytes);
    }
}

fn text_before_cr(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| b == b'\r').unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The message and what is left of the input behind its end.
    fn unstuff<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut state, mut message, mut rest) = (DotUnstuffer::default(), Vec::new(), None::<Vec<u8>>);
        for chunk in chunks {
            match &mut rest {
                Some(rest) => rest.extend_from_slice(chunk),
                None => rest = state.feed(chunk, &mut |b| message.extend_from_slice(b)).map(|n| chunk[n..].to_vec()),
            }
        }
        (message, rest)
    }

    fn check(input: &str, message: &str, rest: Option<&str>) {
        let expected = (message.as_bytes().to_vec(), rest.map(|r| r.as_bytes().to_vec()));
        assert_eq!(unstuff([input.as_bytes()]), expected, "{input:?} at once");
        assert_eq!(unstuff(input.as_bytes().chunks(1)), expected, "{input:?} byte by byte");
    }

    #[test]
    fn dots_and_ends() {
        check("a\r\n.\r\n", "a\r\n", Some(""));
        check(".\r\nQUIT\r\n", "", Some("QUIT\r\n"));
        check("..\r\n.\r\n", ".\r\n", Some(""));
        check("a\r\n..b\r\n...\r\n.c\r\n.\r\nx", "a\r\n.b\r\n..\r\nc\r\n", Some("x"));
        check("a.\r\n.\r\n", "a.\r\n", Some(""));
    }

    #[test]
    fn nothing_else_ends_a_message() {
        check("a\n.\nb", "a\n.\nb", None);
        check("a\r.\rb", "a\r.\rb", None);
        check("a\n.\r\nb", "a\n.\r\nb", None);
        check("a\r\n.\nb", "a\r\n\nb", None);
        check("a\r\n.\rb", "a\r\n\rb", None);
        check("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", Some(""));
        check("a\r\r\n.\r\n", "a\r\r\n", Some(""));
        check("a\r\n\0.\r\nb", "a\r\n\0.\r\nb", None);
    }

    fn stuff(message: &[u8]) -> Vec<u8> {
        let mut stuffed = Vec::new();
        let mut line_start = true;
        for (i, &b) in message.iter().enumerate() {
            if line_start && b == b'.' {
                stuffed.push(b'.');
            }
            stuffed.push(b);
            line_start = b == b'\n' && i > 0 && message[i - 1] == b'\r';
        }
        stuffed.extend_from_slice(b".\r\n");
        stuffed
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_out(
            body in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), Just(0)], 0..100),
            cut in 1usize..7,
        ) {
            let mut message = body;
            message.extend_from_slice(b"\r\n");
            let (came, rest) = unstuff(stuff(&message).chunks(cut));
            prop_assert_eq!(came, message);
            prop_assert_eq!(rest, Some(Vec::new()));
        }

        #[test]
        fn cuts_do_not_matter(
            input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x')], 0..100),
            cut in 1usize..7,
        ) {
            prop_assert_eq!(unstuff([&input[..]]), unstuff(input.chunks(cut)));
        }
    }
}
