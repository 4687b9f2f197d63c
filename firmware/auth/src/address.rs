//! Mail addresses of accounts, parsed once (RFC 5321 §4.1.2, RFC 6531 for UTF-8).

use crate::limits;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization;

/// A mail domain in lower case, A-labels or UTF-8 as given, or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Domain(SmolStr);

/// `local@domain`. Compared without case in both parts: a household does not tell `Anna` from `anna`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Address {
    local: SmolStr,
    domain: Domain,
}

/// Why a text is no address or domain; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(pub &'static str);

impl Domain {
    /// Parses `example.org`, `bücher.example` (kept as UTF-8) or an address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`).
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        if text.is_empty() {
            return Err(AddressError("The domain is missing."));
        }
        // Measured first, so that nothing long is worked on, and again because lowering the case may lengthen UTF-8.
        if text.len() > limits::DOMAIN {
            return Err(AddressError("The domain is too long."));
        }
        if let Some(literal) = text.strip_prefix('[') {
            return address_literal(literal);
        }
        let domain = lower(text);
        if domain.len() > limits::DOMAIN {
            return Err(AddressError("The domain is too long."));
        }
        for label in domain.split('.') {
            check_label(label)?;
        }
        Ok(Domain(SmolStr::new(domain)))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Parses `anna@example.org` (dot-string or quoted local part), lowercasing both parts.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (local, domain) = match text.strip_prefix('"') {
            Some(rest) => quoted_local(rest)?,
            None => {
                let (local, domain) = text.split_once('@').ok_or(AddressError("An address has an @ in it."))?;
                if local.len() > limits::LOCAL_PART {
                    return Err(TOO_LONG);
                }
                if !is_dot_string(local) {
                    return Err(AddressError("The part before the @ has a character that is not possible there."));
                }
                (local.to_owned(), domain)
            }
        };
        let address = Address { local: SmolStr::new(lower(&local)), domain: Domain::parse(domain)? };
        if address.shown_local().len() > limits::LOCAL_PART {
            return Err(TOO_LONG);
        }
        Ok(address)
    }
    /// The part before the `@`, lower case, unquoted.
    pub fn local(&self) -> &str {
        &self.local
    }
    /// The part after it.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
    /// `postmaster` at this domain.
    pub(crate) fn postmaster(domain: &Domain) -> Address {
        Address { local: SmolStr::new_static("postmaster"), domain: domain.clone() }
    }
    /// `local@domain` of `local+detail@domain` (RFC 5233); `None` without a detail.
    pub fn without_detail(&self) -> Option<Address> {
        let (local, _) = self.local.split_once('+').filter(|(local, _)| !local.is_empty())?;
        Some(Address { local: SmolStr::new(local), domain: self.domain.clone() })
    }
    /// The local part as it is written in an address: quoted where it must be.
    fn shown_local(&self) -> SmolStr {
        if is_dot_string(&self.local) {
            return self.local.clone();
        }
        let mut shown = String::from('"');
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                shown.push('\\');
            }
            shown.push(c);
        }
        shown.push('"');
        SmolStr::new(shown)
    }
}

const TOO_LONG: AddressError = AddressError("The part before the @ is too long.");

/// Lower case in normal form C (RFC 6530 §10.1): what different keyboards make of the same word must compare equal.
fn lower(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// `atom *("." atom)`, with UTF-8 as RFC 6531 §3.3 has it.
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_text(c)
}

/// UTF-8 in names, without what cannot be seen or turns the reading direction.
fn is_utf8_text(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}');
    !c.is_ascii() && !c.is_control() && !c.is_whitespace() && !unseen
}

/// Reads a quoted local part after its opening quote and answers it unquoted, with the domain's text.
fn quoted_local(rest: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '"' => {
                let domain = rest[at + 1..].strip_prefix('@').ok_or(AddressError("After the quotes comes an @."))?;
                if local.is_empty() {
                    return Err(AddressError("The part before the @ is missing."));
                }
                return Ok((local, domain));
            }
            '\\' => chars.next().map_or('\\', |(_, escaped)| escaped),
            c => c,
        };
        if !(matches!(c, ' '..='~') || is_utf8_text(c)) {
            return Err(AddressError("The part before the @ has a character that is not possible there."));
        }
        local.push(c);
        if local.len() > limits::LOCAL_PART {
            return Err(TOO_LONG);
        }
    }
    Err(AddressError("The closing quote is missing."))
}

/// The rest of `[192.0.2.1]` or `[IPv6:...]` after the bracket (RFC 5321 §4.1.3), made canonical.
fn address_literal(rest: &str) -> Result<Domain, AddressError> {
    const WRONG: AddressError = AddressError("This is not an address of a machine.");
    let inner = rest.strip_suffix(']').ok_or(WRONG)?;
    if let Ok(ip) = inner.parse::<Ipv4Addr>() {
        return Ok(Domain(SmolStr::new(format!("[{ip}]"))));
    }
    let (tag, ip) = inner.split_at_checked(5).ok_or(WRONG)?;
    if !tag.eq_ignore_ascii_case("ipv6:") {
        return Err(WRONG);
    }
    let ip: Ipv6Addr = ip.parse().map_err(|_| WRONG)?;
    Ok(Domain(SmolStr::new(format!("[ipv6:{ip}]"))))
}

fn check_label(label: &str) -> Result<(), AddressError> {
    if label.is_empty() {
        return Err(AddressError("The domain has a dot too many."));
    }
    if label.len() > limits::LABEL {
        return Err(AddressError("The domain has a part that is too long."));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(AddressError("No part of a domain begins or ends with a hyphen."));
    }
    if label.chars().any(|c| !(c.is_ascii_alphanumeric() || c == '-' || is_utf8_text(c))) {
        return Err(AddressError("The domain has a character that is not possible there."));
    }
    Ok(())
}

impl TryFrom<SmolStr> for Domain {
    type Error = AddressError;
    fn try_from(s: SmolStr) -> Result<Domain, AddressError> {
        Domain::parse(&s)
    }
}
impl From<Domain> for SmolStr {
    fn from(d: Domain) -> SmolStr {
        d.0
    }
}
impl TryFrom<SmolStr> for Address {
    type Error = AddressError;
    fn try_from(s: SmolStr) -> Result<Address, AddressError> {
        Address::parse(&s)
    }
}
impl From<Address> for SmolStr {
    fn from(a: Address) -> SmolStr {
        SmolStr::new(a.to_string())
    }
}
impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.shown_local(), self.domain)
    }
}
impl std::fmt::Display for AddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_parsed_once_and_shown_alike() {
        let cases = [
            ("anna@example.org", "anna", "anna@example.org"),
            ("Anna.Maria@Example.ORG", "anna.maria", "anna.maria@example.org"),
            ("a+b@example.org", "a+b", "a+b@example.org"),
            ("\"Anna\"@example.org", "anna", "anna@example.org"),
            ("\"a b\"@example.org", "a b", "\"a b\"@example.org"),
            ("\"a\\\"\\\\b\"@example.org", "a\"\\b", "\"a\\\"\\\\b\"@example.org"),
            ("\"a@b\"@example.org", "a@b", "\"a@b\"@example.org"),
            ("J\u{00dc}RGEN@B\u{00dc}CHER.example", "j\u{00fc}rgen", "j\u{00fc}rgen@b\u{00fc}cher.example"),
            ("u\u{0308}@example.org", "\u{00fc}", "\u{00fc}@example.org"),
            ("anna@[192.0.2.1]", "anna", "anna@[192.0.2.1]"),
            ("anna@[IPv6:2001:DB8:0::1]", "anna", "anna@[ipv6:2001:db8::1]"),
            ("anna@home", "anna", "anna@home"),
        ];
        for (text, local, shown) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.local(), address.to_string().as_str()), (local, shown), "{text}");
            assert_eq!(Address::parse(shown).unwrap(), address, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_sentence() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_label = format!("a@{}.org", "b".repeat(64));
        let long_domain = format!("a@{}org", "b.".repeat(130));
        let wrong = [
            "",
            "anna",
            "@example.org",
            "anna@",
            "anna@@example.org",
            ".anna@example.org",
            "anna.@example.org",
            "an..na@example.org",
            "an na@example.org",
            "anna@exa mple.org",
            "anna@.org",
            "anna@example.org.",
            "anna@-a.org",
            "anna@a-.org",
            "anna@exam_ple.org",
            "\"anna@example.org",
            "\"\"@example.org",
            "\"a\"b@example.org",
            "\"a\rb\"@example.org",
            "\"a\\",
            "anna@[192.0.2.256]",
            "anna@[192.0.2.1",
            "anna@[IPv6:x]",
            "anna@[\u{fc}\u{fc}\u{fc}]",
            "a\u{202e}b@example.org",
            "a\0@example.org",
            "a@b\r\nc",
            "a,b@example.org",
            &long_local,
            &long_label,
            &long_domain,
        ];
        for text in wrong {
            let error = Address::parse(text).expect_err(text);
            assert!(error.to_string().ends_with('.'), "{text}");
        }
    }

    #[test]
    fn details_come_off() {
        let address = |text| Address::parse(text).unwrap();
        assert_eq!(address("anna+shop+1@example.org").without_detail(), Some(address("anna@example.org")));
        assert_eq!(address("+x@example.org").without_detail(), None);
        assert_eq!(address("anna@example.org").without_detail(), None);
    }

    proptest! {
        #[test]
        fn an_accepted_address_survives_its_record(text in "\\PC{1,20}@\\PC{1,20}|\"\\PC{1,20}\"@[a-zA-Z\u{c0}-\u{24f}]{1,9}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::try_from(SmolStr::from(address.clone())).unwrap(), address);
            }
        }
        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = Address::parse(&text);
            let _ = Domain::parse(&text);
        }
    }
}
