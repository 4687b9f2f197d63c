//! Reads a message's header in passing: where it ends, and how many `Received` fields it has (RFC 5321 §6.3).

const RECEIVED: &[u8] = b"received:";

/// What was seen so far; bytes may come cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct HeaderScan {
    hops: usize,
    line: LineSoFar,
    ended: bool,
}

/// The line of the header in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineSoFar {
    /// As many letters of `Received:` and nothing else.
    Received(usize),
    /// Only a CR.
    Cr,
    /// Anything else.
    Other,
}

impl Default for LineSoFar {
    fn default() -> LineSoFar {
        LineSoFar::Received(0)
    }
}

impl HeaderScan {
    /// `Received` fields seen.
    pub(crate) fn hops(&self) -> usize {
        self.hops
    }

    /// Takes bytes; once, the number of those that still belong to the header with the empty line at its end.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() && !self.ended {
            if self.line == LineSoFar::Other {
                at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
            }
            if let Some(&byte) = bytes.get(at) {
                self.take(byte);
            }
            at += 1;
            if self.ended {
                return Some(at);
            }
        }
        None
    }

    fn take(&mut self, byte: u8) {
        self.line = match (self.line, byte) {
            (LineSoFar::Received(0) | LineSoFar::Cr, b'\n') => {
                self.ended = true;
                LineSoFar::Other
            }
            (_, b'\n') => LineSoFar::default(),
            (LineSoFar::Received(0), b'\r') => LineSoFar::Cr,
            (LineSoFar::Received(n), _) if RECEIVED.get(n) == Some(&byte.to_ascii_lowercase()) => {
                if n + 1 == RECEIVED.len() {
                    self.hops += 1;
                    LineSoFar::Other
                } else {
                    LineSoFar::Received(n + 1)
                }
            }
            _ => LineSoFar::Other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(message: &str, hops: usize, end: Option<usize>) {
        let mut whole = HeaderScan::default();
        assert_eq!(whole.feed(message.as_bytes()), end, "{message:?}");
        assert_eq!(whole.hops(), hops, "{message:?}");
        let mut bytewise = HeaderScan::default();
        let ends: Vec<usize> = (0..message.len())
            .filter(|&i| bytewise.feed(&message.as_bytes()[i..=i]).is_some())
            .map(|i| i + 1)
            .collect();
        assert_eq!(ends, Vec::from_iter(end), "{message:?}");
        assert_eq!(bytewise.hops(), hops, "{message:?}");
    }

    #[test]
    fn header_and_hops() {
        check("Received: a\r\n b\r\nreceived: c\r\nX-Received: d\r\n\r\nReceived: e\r\n", 2, Some(47));
        check("\r\nReceived: x\r\n", 0, Some(2));
        check("A: b\n\nReceived: x\n", 0, Some(6));
        check("RECEIVED", 0, None);
        check("RECEIVED:", 1, None);
        check(" Received: x\r\nReceiveReceived: y\r\n", 0, None);
        check("\r\r\n\r\n", 0, Some(5));
        check("", 0, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut scan = HeaderScan::default();
            let end = scan.feed(&bytes);
            prop_assert!(end.is_none_or(|n| n <= bytes.len() && bytes[n - 1] == b'\n'));
        }
    }
}
