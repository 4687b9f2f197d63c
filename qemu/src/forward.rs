//! Which ports of the board are reached through which of this machine: QEMU chooses free ones and tells them.

use crate::{Error, Result};
use std::collections::BTreeMap;

/// The `hostfwd` options of QEMU's user network: every port of the board on the loopback address, at 0 (QEMU chooses)
/// or at the port plus an offset.
pub(crate) fn rules(guest_ports: &[u16], offset: Option<u16>) -> Result<String> {
    let mut rules = String::new();
    for &port in guest_ports {
        let host = match offset {
            None => 0,
            Some(offset) => {
                port.checked_add(offset).ok_or_else(|| Error::new(format!("port {port} + {offset} is too large")))?
            }
        };
        rules.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{port}"));
    }
    Ok(rules)
}

/// Reads `info usernet`: board port to host port of each forwarding of one cable.
///
/// ```text
/// Hub -1 (net):
///   Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
///   TCP[HOST_FORWARD]  12       127.0.0.1 40123       10.0.2.15   143     0     0
/// ```
pub(crate) fn parse_usernet(text: &str, cable: &str) -> BTreeMap<u16, u16> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [kind, _, _, host, _, guest, ..] = fields.as_slice() else { return None };
        (*kind == "TCP[HOST_FORWARD]").then_some((guest.parse().ok()?, host.parse().ok()?))
    };
    let title = format!("({cable}):");
    let its = text.lines().skip_while(|line| !line.trim_end().ends_with(&title)).skip(1);
    its.take_while(|line| line.starts_with(' ')).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_the_loopback_address_only() {
        assert_eq!(rules(&[143, 25], None).unwrap(), ",hostfwd=tcp:127.0.0.1:0-:143,hostfwd=tcp:127.0.0.1:0-:25");
        assert_eq!(rules(&[143], Some(2000)).unwrap(), ",hostfwd=tcp:127.0.0.1:2143-:143");
        assert!(rules(&[993], Some(65_000)).is_err());
    }

    #[test]
    fn forwardings_are_told_from_connections() {
        let text = "Hub -1 (n):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n\
            \x20 TCP[ESTABLISHED]  33       127.0.0.1 50000       10.0.2.15   993     0     0\r\n\
            \x20 TCP[HOST_FORWARD]  13       127.0.0.1 38001       10.0.2.15   993     0     0\r\n\
            \x20 TCP[HOST_FORWARD]  12       127.0.0.1 38000       10.0.2.15    25     0     0\r\n\
            \x20 UDP[236 sec]       14       10.0.2.15    68        10.0.2.2    67     0     0\r\n";
        assert_eq!(parse_usernet(text, "n"), BTreeMap::from([(25, 38_000), (993, 38_001)]));
        let two = format!("Hub -1 (air):\r\n  TCP[HOST_FORWARD]  9  127.0.0.1 38002  10.9.9.15  25  0  0\r\n{text}");
        assert_eq!(parse_usernet(&two, "n"), parse_usernet(text, "n"));
        assert_eq!(parse_usernet(&two, "air"), BTreeMap::from([(25, 38_002)]));
        assert_eq!(parse_usernet("garbage", "n"), BTreeMap::new());
        assert_eq!(parse_usernet(text, "other"), BTreeMap::new());
    }
}
