//! The network as the board sees it: its interfaces, the radio, a change that is being tried.

use crate::limits;
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};
use settings::network::{Network, Ssid};
use std::net::IpAddr;

/// An interface that a person knows: a socket for a cable, or a radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As the kernel calls it.
    pub name: String<16>,
    /// What it is.
    pub kind: Kind,
    /// Its hardware address; empty if unknown.
    pub mac: String<17>,
    /// Whether there is somebody at the other end.
    pub link: bool,
    /// Its addresses with their prefixes, without link-local IPv6.
    pub addresses: Vec<(IpAddr, u8), 8>,
}

/// Kinds of interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ethernet.
    Cable,
    /// Wi-Fi.
    Radio,
}

/// How the network is that the keeper sees to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// What was confirmed, without secrets.
    pub kept: Network,
    /// What is being tried.
    pub trial: Option<Trial>,
    /// What was tried last was not confirmed.
    pub went_back: bool,
    /// The Wi-Fi that was tried then, if it did not let the box in.
    pub refused: Option<Ssid>,
    /// The radio, if there is one that works.
    pub radio: Option<Radio>,
}

/// A change that is being tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What is tried, without secrets.
    pub network: Network,
    /// Seconds until the box goes back; nothing while the change is being made.
    pub seconds: Option<u64>,
}

/// What the radio is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Radio {
    /// The Wi-Fi that it has joined.
    pub joined: Option<Ssid>,
    /// The Wi-Fi did not let it in, most likely for a wrong password.
    pub refused: bool,
}

/// A Wi-Fi that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its name.
    pub ssid: Ssid,
    /// How strong it is, dBm.
    pub signal: i16,
    /// Who may join.
    pub lock: Lock,
}

/// Who may join a Wi-Fi.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// Everybody.
    Open,
    /// Who knows its password (WPA2 or WPA3).
    Password,
    /// Others than this box: an account is needed, or its protection is none any more.
    Other,
}

/// Interfaces of a board.
pub type Interfaces = Vec<Interface, { limits::INTERFACES }>;
