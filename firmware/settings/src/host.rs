//! Names and addresses of servers, parsed once.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::net::IpAddr;

/// The name of a host (RFC 1123 §2.1: letters, digits, hyphens) or an IP address, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(SmolStr);

/// Why a text names no host; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError(&'static str);

impl Host {
    /// Parses what a person typed, or a network announced.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        let text = text.trim();
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Host(address.to_string().into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostError("Please enter the name or the address of a server."));
        }
        if name.len() > 253 {
            return Err(HostError("This name is longer than any server’s."));
        }
        let label = |label: &str| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        // A last label of digits would be half an address.
        let number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if number || !name.split('.').all(label) {
            return Err(HostError("This is neither a name nor an address, such as time.example.org or 192.168.1.1."));
        }
        Ok(Host(name.to_ascii_lowercase().into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Host, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        Host::parse(&text).map_err(serde::de::Error::custom)
    }
}
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (typed, host) in [
            (" Time.Example.ORG. ", "time.example.org"),
            ("192.168.1.1", "192.168.1.1"),
            ("[FD00::1]", "fd00::1"),
            ("fritz", "fritz"),
            ("0.pool.ntp.org", "0.pool.ntp.org"),
        ] {
            assert_eq!(Host::parse(typed).unwrap().as_str(), host);
        }
        for wrong in
            ["", " ", ".", "a b", "a..b", "-a", "a-", "192.168.1", "300.1.1.1", "a:123", "a/b", "ä", "<b>", "[a]"]
        {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Host::parse(&["a"; 128].join(".")).is_err());
    }

    #[test]
    fn a_stored_host_is_checked_again() {
        let host = Host::parse("time.example.org").unwrap();
        let text = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
        assert!(serde_json::from_str::<Host>("\"a b\"").is_err());
    }
}
