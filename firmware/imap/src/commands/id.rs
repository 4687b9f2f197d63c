//! ID (RFC 2971).

use crate::answer::Answer;
use crate::codec::encode::put;
use std::net::IpAddr;

/// Tells what this is, and notes what the client says it is.
pub fn run(fields: &[(String, String)], peer: IpAddr, out: &mut Vec<u8>) -> Answer {
    let said =
        |key: &str| fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str());
    tracing::debug!(%peer, name = ?said("name"), version = ?said("version"), "imap: the client is");
    put!(out, "* ID (\"name\" \"Roost\" \"version\" \"{}\")\r\n", env!("CARGO_PKG_VERSION"));
    Answer::ok("ID completed")
}
