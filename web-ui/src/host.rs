//! Which names the pages answer to. A stranger's page that points its own name at this box (DNS rebinding) gets nothing.

use crate::Context;
use std::net::IpAddr;

/// Last labels that no stranger can register: private (RFC 6762, RFC 8375, `internal`) or set by home routers.
const PRIVATE: [&str; 8] = ["local", "internal", "home.arpa", "lan", "home", "localdomain", "localhost", "fritz.box"];

/// Whether a `Host` header names this box: an address, a name of its certificate, a name without dots, or a name that exists
/// only in a home. Requests without one (HTTP/1.0) come from no browser.
pub(crate) fn is_ours(header: Option<&str>, context: &Context) -> bool {
    let Some(header) = header else { return true };
    let name = name(header);
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) && !name.is_empty();
    let private = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    is_address(&name)
        || (context.server_names)().contains(&name)
        || plain && (!name.contains('.') || PRIVATE.iter().any(|suffix| private(suffix)))
}

/// The name or address in a `Host` header, in lower case, without port and brackets.
pub(crate) fn name(header: &str) -> String {
    let header = header.trim();
    let name = match header.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        _ => header,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The names under which other devices may find this box: addresses first, for they always work, and those of IPv4 before all,
/// for people type them. Empty if the box can be asked on this very machine only.
pub(crate) fn reachable(context: &Context) -> Vec<String> {
    let mut names = (context.server_names)();
    names.retain(|name| !is_loopback(name));
    names.sort_by_key(|name| (!is_address(name), name.contains(':')));
    names
}

/// The name to enter on a device: the one that led the visitor here, if the certificate has it. A loopback name leads only
/// programs on this very machine (`here`) anywhere.
pub(crate) fn server(visited: &str, here: bool, context: &Context) -> String {
    let names = (context.server_names)();
    if names.iter().any(|name| name == visited) && (here || !is_loopback(visited)) {
        return visited.to_owned();
    }
    reachable(context).into_iter().next().or_else(|| names.into_iter().next()).unwrap_or_default()
}

/// A sentence with the addresses at which the pages can be opened.
pub(crate) fn addresses(context: &Context) -> String {
    let addresses: Vec<_> = reachable(context).iter().map(|name| address(name, context.ports.https)).collect();
    format!("Please open this box by one of its own addresses: {}", addresses.join("  "))
}

/// The address of the pages under this name.
pub(crate) fn address(name: &str, port: u16) -> String {
    let name = if name.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    if port == 443 { format!("https://{name}/") } else { format!("https://{name}:{port}/") }
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    #[test]
    fn our_names_are_ours_and_public_names_are_not() {
        let context = context();
        for ours in [
            "192.168.1.5",
            "127.0.0.1:1443",
            "[fd00::1]:1443",
            "[::1]",
            "localhost:1443",
            "roost",
            "Roost.local",
            "roost.lan:1443",
            "mail.example.org:1443",
            "mail.example.org.",
        ] {
            assert!(is_ours(Some(ours), &context), "{ours}");
        }
        assert!(is_ours(None, &context));
        for not in [
            "",
            "evil.example",
            "roost.local.evil.example:1443",
            "evil.example:x",
            "127.0.0.1.evil.example",
            "evillocal.com",
            "<b>",
            "a b",
        ] {
            assert!(!is_ours(Some(not), &context), "{not}");
        }
    }

    #[test]
    fn devices_are_told_a_name_that_leads_here() {
        let context = context();
        assert_eq!(reachable(&context), ["192.168.178.40", "roost.local", "mail.example.org"]);
        for (visited, here, told) in [
            ("roost.local", false, "roost.local"),
            ("192.168.178.40", false, "192.168.178.40"),
            ("roost.fritz.box", false, "192.168.178.40"),
            ("localhost", true, "localhost"),
            ("localhost", false, "192.168.178.40"),
            ("", false, "192.168.178.40"),
        ] {
            assert_eq!(server(visited, here, &context), told, "{visited}");
        }
    }

    #[test]
    fn a_host_header_is_a_name_and_a_port() {
        for (header, expected) in [
            ("Roost.local.:1443", "roost.local"),
            ("[fd00::1]:1443", "fd00::1"),
            ("[::1]", "::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("", ""),
            (":", ""),
        ] {
            assert_eq!(name(header), expected);
        }
    }

    #[test]
    fn addresses_can_be_opened() {
        assert_eq!(address("roost.local", 443), "https://roost.local/");
        assert_eq!(address("fd00::1", 1443), "https://[fd00::1]:1443/");
    }
}
