//! Mail addresses of accounts, parsed once (RFC 5321 §4.1.2, RFC 6531 for UTF-8).

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

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
    /// Parses `example.org`.
    pub fn parse(_text: &str) -> Result<Domain, AddressError> {
        todo!()
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Parses `anna@example.org` (dot-string or quoted local part), lowercasing both parts.
    pub fn parse(_text: &str) -> Result<Address, AddressError> {
        todo!()
    }
    /// The part before the `@`, lower case, unquoted.
    pub fn local(&self) -> &str {
        &self.local
    }
    /// The part after it.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
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
        write!(f, "{}@{}", self.local, self.domain)
    }
}
impl std::fmt::Display for AddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for AddressError {}
