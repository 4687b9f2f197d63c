//! Reverse-path and forward-path (RFC 5321 §4.1.2; UTF-8: RFC 6531 §3.3), parsed once.

use crate::limits;
use smol_str::SmolStr;
use std::fmt;

/// What MAIL FROM names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReversePath {
    /// `<>`: notices that must not be answered.
    Null,
    /// Somebody.
    Mailbox(Mailbox),
}

/// What RCPT TO names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForwardPath {
    /// `<postmaster>` without a domain (RFC 5321 §4.5.1).
    Postmaster,
    /// Somebody.
    Mailbox(Mailbox),
}

/// `local@domain` as written, the local part with its quotes. Holds no control characters and no angle brackets outside quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    local: SmolStr,
    domain: SmolStr,
}

/// What is wrong with a path, as a sentence for the client's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathError(pub(crate) &'static str);

type Result<T> = std::result::Result<T, PathError>;

impl Mailbox {
    /// The part after the `@`.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }
    /// Whether SMTPUTF8 is needed to write it.
    pub(crate) fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }
}

impl ReversePath {
    /// Whether SMTPUTF8 is needed to write it.
    pub(crate) fn is_ascii(&self) -> bool {
        matches!(self, ReversePath::Null) || matches!(self, ReversePath::Mailbox(m) if m.is_ascii())
    }
}

/// Takes a reverse-path off the front; what follows it is returned with it.
pub(crate) fn reverse(text: &str) -> Result<(ReversePath, &str)> {
    if let Some(rest) = text.strip_prefix("<>") {
        return Ok((ReversePath::Null, rest));
    }
    let (mailbox, rest) = bracketed(text)?;
    Ok((ReversePath::Mailbox(mailbox), rest))
}

/// Takes a forward-path off the front; what follows it is returned with it.
pub(crate) fn forward(text: &str) -> Result<(ForwardPath, &str)> {
    const POSTMASTER: &str = "<postmaster>";
    if let Some((head, rest)) = text.split_at_checked(POSTMASTER.len())
        && head.eq_ignore_ascii_case(POSTMASTER)
    {
        return Ok((ForwardPath::Postmaster, rest));
    }
    let (mailbox, rest) = bracketed(text)?;
    Ok((ForwardPath::Mailbox(mailbox), rest))
}

fn bracketed(text: &str) -> Result<(Mailbox, &str)> {
    let inside = text.strip_prefix('<').ok_or(PathError("an address stands in angle brackets"))?;
    let inside = skip_source_route(inside)?;
    let (local, rest) = local_part(inside)?;
    let rest = rest.strip_prefix('@').ok_or(PathError("the address has no domain"))?;
    let (domain, rest) = domain(rest)?;
    let rest = rest.strip_prefix('>').ok_or(PathError("the address does not end where it should"))?;
    if local.len() + 1 + domain.len() > limits::PATH {
        return Err(PathError("the address is too long"));
    }
    Ok((Mailbox { local: SmolStr::new(local), domain: SmolStr::new(domain) }, rest))
}

/// `@one.example,@two.example:` is read and forgotten (RFC 5321 §3.6.1 and appendix C).
fn skip_source_route(text: &str) -> Result<&str> {
    let mut rest = text;
    while let Some(hop) = rest.strip_prefix('@') {
        let (_, after) = domain(hop)?;
        if let Some(end) = after.strip_prefix(':') {
            return Ok(end);
        }
        rest = after.strip_prefix(',').ok_or(PathError("the source route has no end"))?;
    }
    if rest.len() == text.len() { Ok(rest) } else { Err(PathError("the source route has no end")) }
}

fn local_part(text: &str) -> Result<(&str, &str)> {
    let length = if text.starts_with('"') { quoted_length(text)? } else { atoms_length(text) };
    if length == 0 {
        return Err(PathError("the address has no part before the @"));
    }
    Ok(text.split_at(length))
}

/// Dots may stand anywhere: some providers' addresses have two in a row or one at the end.
fn atoms_length(text: &str) -> usize {
    text.find(|c: char| !(is_atext(c) || c == '.')).unwrap_or(text.len())
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn quoted_length(text: &str) -> Result<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(at + 1),
            '\\' if chars.next().is_some_and(|(_, c)| matches!(c, ' '..='~')) => {}
            '\\' => break,
            c if c.is_control() => break,
            _ => {}
        }
    }
    Err(PathError("the quoted part of the address has no end"))
}

fn domain(text: &str) -> Result<(&str, &str)> {
    let length = if text.starts_with('[') { literal_length(text)? } else { name_length(text) };
    let (domain, rest) = text.split_at(length);
    let empty_label = !domain.starts_with('[') && domain.split('.').any(str::is_empty);
    if empty_label {
        return Err(PathError("the address has no proper domain"));
    }
    Ok((domain, rest))
}

/// Underscores are no part of host names but occur in them.
fn name_length(text: &str) -> usize {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || (!c.is_ascii() && !c.is_control());
    text.find(|c| !part_of_name(c)).unwrap_or(text.len())
}

/// An address literal in brackets (RFC 5321 §4.1.3).
fn literal_length(text: &str) -> Result<usize> {
    let end = text.find(']').ok_or(PathError("the address literal has no end"))?;
    let content = &text[1..end];
    if content.is_empty() || !content.chars().all(|c| c.is_ascii_graphic() && !"[\\<>".contains(c)) {
        return Err(PathError("the address literal is malformed"));
    }
    Ok(end + 1)
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => f.write_str("<>"),
            ReversePath::Mailbox(m) => write!(f, "<{m}>"),
        }
    }
}
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardPath::Postmaster => f.write_str("<postmaster>"),
            ForwardPath::Mailbox(m) => write!(f, "<{m}>"),
        }
    }
}
impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The path as we write it and what follows it.
    fn check(text: &str, written: &str, rest: &str) {
        let (path, left) = reverse(text).unwrap();
        assert_eq!((path.to_string().as_str(), left), (written, rest), "{text}");
    }

    #[test]
    fn paths() {
        check("<anna@home.example>", "<anna@home.example>", "");
        check("<> SIZE=1", "<>", " SIZE=1");
        check("<Anna.B+x@[192.0.2.1]> BODY=7BIT", "<Anna.B+x@[192.0.2.1]>", " BODY=7BIT");
        check("<a@[IPv6:2001:db8::1]>", "<a@[IPv6:2001:db8::1]>", "");
        check("<@one.example,@two.example:a@b.example>", "<a@b.example>", "");
        check("<@one.example:a@b>x", "<a@b>", "x");
        check(r#"<"a > \" @b"@c.example>"#, r#"<"a > \" @b"@c.example>"#, "");
        check("<grün@exämple.example>", "<grün@exämple.example>", "");
        check("<a..b.@docomo.example>", "<a..b.@docomo.example>", "");
    }

    #[test]
    fn the_postmaster_needs_no_domain() {
        assert_eq!(forward("<PostMaster> x"), Ok((ForwardPath::Postmaster, " x")));
        assert!(matches!(forward("<postmaster@b.example>"), Ok((ForwardPath::Mailbox(_), ""))));
        assert!(reverse("<postmaster>").is_err());
        assert!(forward("<>").is_err());
    }

    #[test]
    fn no_paths() {
        let long = format!("<{}@b.example>", "a".repeat(limits::PATH));
        let bad = [
            "",
            "<",
            "a@b.example",
            " <a@b>",
            "<a>",
            "<a@>",
            "<@b>",
            "<a@b",
            "<a b@c>",
            "<a@b c>",
            "<a@b..c>",
            "<a@.b>",
            "<a@b.>",
            "<@one.example a@b>",
            "<@one.example,a@b>",
            "<@one.example,@two.example>",
            "<\"a@b>",
            "<\"a\\",
            "<a@[>",
            "<a@[]>",
            "<a@[1.2>3]>",
            "<a@b@c>",
            "<a\"b@c>",
            "<(x)a@b>",
            "<a\u{7f}@b>",
            "<\"a\u{1}\"@b>",
            &long,
        ];
        for text in bad {
            assert!(reverse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[<>@,:\"\\\\a.\\[\\]é \u{0}-\u{7f}]{0,40}") {
            if let Ok((path, rest)) = reverse(&text) {
                let written = format!("{path}{rest}");
                prop_assert_eq!(reverse(&written), Ok((path, rest)));
            }
            let _ = forward(&text);
        }
    }
}
