//! SASL server mechanisms (RFC 4422): PLAIN (4616), LOGIN, SCRAM-SHA-256 and -PLUS (5802, 7677; bindings 9266, 5929).
//!
//! Protocols carry the base64; this module sees decoded messages.

use crate::account::Account;
use crate::directory::Directory;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The mechanisms on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The obsolete two-prompt mechanism that Outlook needs.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
}

/// What TLS offers for channel binding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// RFC 9266 exporter value of this connection (TLS 1.3).
    pub tls_exporter: Option<[u8; 32]>,
    /// RFC 5929 hash of the server's certificate.
    pub tls_server_end_point: Option<[u8; 32]>,
}

/// One exchange in progress.
#[derive(Debug)]
pub struct Exchange {}

/// What the server does next.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (may be empty), then feed the answer.
    Challenge(Vec<u8>),
    /// Logged in. `data`: final server data (SCRAM's `v=`), to be sent as a last challenge whose answer is empty, if any.
    Accepted { account: Arc<Account>, data: Option<Vec<u8>> },
    /// Wrong; answer after `delay`.
    Refused { delay: Duration },
    /// The client's message is malformed.
    Malformed,
}

impl Mechanism {
    /// Parses the name without case.
    pub fn parse(_name: &str) -> Option<Mechanism> {
        todo!()
    }
    /// Its registered name.
    pub fn name(self) -> &'static str {
        todo!()
    }
    /// The mechanisms to announce on a connection that has TLS; `binding` decides about -PLUS.
    pub fn offered(_binding: &ChannelBinding) -> Vec<Mechanism> {
        todo!()
    }
}

impl Exchange {
    /// Begins an exchange. `initial` is the initial response, if the client sent one.
    pub fn start(
        _mechanism: Mechanism,
        _initial: Option<&[u8]>,
        _directory: &Arc<Directory>,
        _binding: &ChannelBinding,
        _peer: IpAddr,
        _now: SystemTime,
    ) -> (Exchange, Step) {
        todo!()
    }
    /// Feeds the client's answer to the last challenge.
    pub fn step(&mut self, _response: &[u8], _now: SystemTime) -> Step {
        todo!()
    }
}
