//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034).

use std::fmt::Display;
use std::io::Write;

/// Writes one line: `code` is a reply code with its enhanced status code where one belongs, as in `250 2.1.0`.
pub(crate) fn line(out: &mut Vec<u8>, code: &str, text: impl Display) {
    let _infallible = write!(out, "{code} {text}\r\n");
}

/// Writes a reply of several lines, as EHLO's (RFC 5321 §4.2.1).
pub(crate) fn lines(out: &mut Vec<u8>, code: &str, texts: &[String]) {
    for (i, text) in texts.iter().enumerate() {
        let mark = if i + 1 == texts.len() { ' ' } else { '-' };
        let _infallible = write!(out, "{code}{mark}{text}\r\n");
    }
}

/// An address for a reply; UTF-8 only where the client asked for it (RFC 6531 §3.7.4.2).
pub(crate) fn shown(address: &impl Display, utf8: bool) -> String {
    let text = address.to_string();
    if utf8 || text.is_ascii() { text } else { text.replace(|c: char| !c.is_ascii(), "?") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let mut out = Vec::new();
        line(&mut out, "250 2.0.0", "fine");
        lines(&mut out, "250", &["a".into(), "b".into()]);
        assert_eq!(out, b"250 2.0.0 fine\r\n250-a\r\n250 b\r\n");
        assert_eq!(shown(&"<grün@b>", false), "<gr?n@b>");
        assert_eq!(shown(&"<grün@b>", true), "<grün@b>");
    }
}
