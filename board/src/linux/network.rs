//! The interfaces as Linux tells of them: `/sys/class/net`, and their addresses.

use crate::network::{Interface, Interfaces, Kind};
use if_addrs::IfAddr;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// The type of an Ethernet-like interface (`ARPHRD_ETHER`).
const ETHERNET: &str = "1";

/// Those that have hardware behind them, or look as if: cables first, each kind in the order of names.
pub fn interfaces(root: &Path, addresses: &[if_addrs::Interface]) -> Interfaces {
    let class = root.join("sys/class/net");
    let mut names: Vec<String> = fs::read_dir(&class)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.sort();
    let mut found: Vec<Interface> = names.iter().filter_map(|name| interface(&class.join(name), name)).collect();
    found.sort_by_key(|interface| interface.kind == Kind::Radio);
    for interface in &mut found {
        let own = addresses.iter().filter(|address| address.name == interface.name.as_str());
        let mut own: Vec<(IpAddr, u8)> = own.map(|address| with_prefix(&address.addr)).collect();
        own.retain(|(address, _)| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
        own.sort();
        let room = interface.addresses.capacity();
        interface.addresses.extend(own.into_iter().take(room));
    }
    let mut all = Interfaces::new();
    let room = all.capacity();
    all.extend(found.into_iter().take(room));
    all
}

fn interface(folder: &Path, name: &str) -> Option<Interface> {
    let said = |file: &str| fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned());
    // Bridges, tunnels and the like are no sockets that a person sees.
    let virtual_kind = ["bridge", "bonding", "tun_flags"].iter().any(|part| folder.join(part).exists());
    if said("type").ok()? != ETHERNET || virtual_kind {
        return None;
    }
    let kind = if folder.join("phy80211").exists() { Kind::Radio } else { Kind::Cable };
    let mac = said("address").unwrap_or_default();
    let mac = if mac.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') { mac } else { String::new() };
    Some(Interface {
        name: heapless::String::try_from(name).ok()?,
        kind,
        mac: mac.chars().take(17).collect(),
        // An interface that is down does not tell. A radio is dormant until its Wi-Fi has let it in.
        link: said("carrier").is_ok_and(|carrier| carrier == "1") && !said("operstate").is_ok_and(|s| s == "dormant"),
        addresses: heapless::Vec::new(),
    })
}

fn with_prefix(address: &IfAddr) -> (IpAddr, u8) {
    match address {
        IfAddr::V4(v4) => (v4.ip.into(), v4.prefixlen),
        IfAddr::V6(v6) => (v6.ip.into(), v6.prefixlen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cables_and_radios_are_told_from_all_else() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str, files: &[(&str, &str)]| {
            let folder = root.path().join("sys/class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, text) in files {
                fs::write(folder.join(file), text).unwrap();
            }
            folder
        };
        make("eth0", &[("type", "1\n"), ("address", "dc:a6:32:00:00:01\n"), ("carrier", "1\n")]);
        let radio = make("wlan0", &[("type", "1\n"), ("address", "dc:a6:32:00:00:02\n"), ("carrier", "0\n")]);
        fs::create_dir(radio.join("phy80211")).unwrap();
        let refused = make("wlan1", &[("type", "1\n"), ("carrier", "1\n"), ("operstate", "dormant\n")]);
        fs::create_dir(refused.join("phy80211")).unwrap();
        make("a-strange-one", &[("type", "1\n"), ("address", "<script>\n")]);
        make("lo", &[("type", "772\n")]);
        make("tun0", &[("type", "1\n"), ("tun_flags", "0x1002\n")]);
        make("a-name-that-is-too-long", &[("type", "1\n")]);
        let seen = interfaces(root.path(), &[]);
        let told: Vec<_> = seen.iter().map(|i| (i.name.as_str(), i.kind, i.mac.as_str(), i.link)).collect();
        assert_eq!(
            told,
            [
                ("a-strange-one", Kind::Cable, "", false),
                ("eth0", Kind::Cable, "dc:a6:32:00:00:01", true),
                ("wlan0", Kind::Radio, "dc:a6:32:00:00:02", false),
                ("wlan1", Kind::Radio, "", false),
            ]
        );
        assert!(interfaces(Path::new("/no/such/root"), &[]).is_empty());
    }
}
