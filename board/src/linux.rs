//! The board as the Linux kernel describes it.

pub(crate) mod hardware;
mod network;

use crate::hardware::Hardware;
use crate::network::Interfaces;
use crate::{Board, Network, Storage};
use if_addrs::{IfOperStatus, Interface};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The machine this runs on.
#[derive(Debug)]
pub struct LinuxBoard {
    data: PathBuf,
}

impl LinuxBoard {
    /// A board whose data partition holds this folder.
    pub fn new(data: impl Into<PathBuf>) -> LinuxBoard {
        LinuxBoard { data: data.into() }
    }
}

impl Board for LinuxBoard {
    fn network(&self) -> Network {
        let name = rustix::system::uname();
        let mut network = Network { host: host(&name.nodename().to_string_lossy()), ..Network::default() };
        let up = |i: &Interface| matches!(i.oper_status, IfOperStatus::Up | IfOperStatus::Unknown);
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let addresses = sorted(interfaces.iter().filter(|i| up(i)).map(Interface::ip).collect());
        network.addresses.extend(addresses.into_iter().take(network.addresses.capacity()));
        network
    }

    fn interfaces(&self) -> Interfaces {
        network::interfaces(Path::new("/"), &if_addrs::get_if_addrs().unwrap_or_default())
    }

    fn storage(&self) -> Storage {
        match rustix::fs::statvfs(&self.data) {
            Ok(s) => {
                Storage { total: s.f_blocks.saturating_mul(s.f_frsize), free: s.f_bavail.saturating_mul(s.f_frsize) }
            }
            Err(_) => Storage::default(),
        }
    }

    fn hardware(&self) -> Hardware {
        let device = rustix::fs::stat(&self.data).map(|data| data.st_dev);
        hardware::look(Path::new("/"), device.unwrap_or(0))
    }
}

/// The first label of a node name, without what no host name has.
fn host(node: &str) -> heapless::String<64> {
    let label = node.split('.').next().unwrap_or_default();
    label.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(63).collect()
}

/// Those a person would type first: IPv4, then global IPv6, then loopback. Link-local IPv6 needs a zone that only this machine
/// knows, so it is of no use to anybody else.
fn sorted(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let rank = |a: &IpAddr| match a {
        a if a.is_loopback() => 4,
        IpAddr::V4(v4) if v4.is_link_local() => 3,
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unique_local() => 1,
        IpAddr::V6(_) => 2,
    };
    addresses.retain(|a| !matches!(a, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    addresses.sort_by_key(|a| (rank(a), *a));
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        let folder = tempfile::tempdir().unwrap();
        let board = LinuxBoard::new(folder.path());
        let storage = board.storage();
        assert!(storage.total > 0 && storage.free <= storage.total);
        let network = board.network();
        assert!(network.addresses.iter().any(IpAddr::is_loopback));
        assert!(network.addresses.is_sorted_by_key(IpAddr::is_loopback), "loopback last");
        assert_eq!(LinuxBoard::new("/no/such/folder").storage(), Storage::default());
        assert_eq!(LinuxBoard::new("/no/such/folder").hardware().disk, None);
    }

    #[test]
    fn a_host_name_is_one_plain_label() {
        assert_eq!(host("roost.lan"), "roost");
        assert_eq!(host("<b>\u{202e}x</b>"), "bxb");
        assert_eq!(host(""), "");
        assert_eq!(host(&"a".repeat(1000)).len(), 63);
    }

    #[test]
    fn addresses_come_in_a_useful_order() {
        let given =
            ["::1", "fe80::1", "127.0.0.1", "2001:db8::1", "fd00::1", "192.168.1.5", "169.254.1.1", "192.168.1.5"];
        let order = sorted(given.iter().map(|a| a.parse().unwrap()).collect());
        let order: Vec<_> = order.iter().map(|a| a.to_string()).collect();
        assert_eq!(order, ["192.168.1.5", "fd00::1", "2001:db8::1", "169.254.1.1", "127.0.0.1", "::1"]);
    }
}
