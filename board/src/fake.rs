//! A board for tests: it says what it was told.

use crate::hardware::Hardware;
use crate::network::Interfaces;
use crate::{Board, Network, Storage};
use std::net::IpAddr;

/// A board without hardware.
#[derive(Debug, Clone, Default)]
pub struct FakeBoard {
    /// What [`Board::network`] answers.
    pub network: Network,
    /// What [`Board::interfaces`] answers.
    pub interfaces: Interfaces,
    /// What [`Board::storage`] answers.
    pub storage: Storage,
    /// What [`Board::hardware`] answers.
    pub hardware: Hardware,
}

impl FakeBoard {
    /// A board called `roost` with this address and a half-full 32 GB card.
    pub fn new(address: IpAddr) -> FakeBoard {
        let mut network = Network { host: "roost".chars().collect(), ..Network::default() };
        network.addresses.extend([address]);
        FakeBoard { network, storage: Storage { total: 32_000_000_000, free: 16_000_000_000 }, ..FakeBoard::default() }
    }
}

impl Board for FakeBoard {
    fn network(&self) -> Network {
        self.network.clone()
    }
    fn interfaces(&self) -> Interfaces {
        self.interfaces.clone()
    }
    fn storage(&self) -> Storage {
        self.storage
    }
    fn hardware(&self) -> Hardware {
        self.hardware.clone()
    }
}
