//! Which names the pages answer to. A stranger's page that points its own name at this box (DNS rebinding) gets nothing.

use crate::Context;
use std::net::IpAddr;

/// Last labels that no stranger can register: private (RFC 6762, RFC 8375, `internal`) or set by home routers.
const PRIVATE: [&str; 8] = ["local", "internal", "home.arpa", "lan", "home", "localdomain", "localhost", "fritz.box"];

/// Whether a `Host` header names this box: an address, a name of its certificate, a name without dots, or a name that exists
/// only in a home. Requests without one (HTTP/1.0) come from no browser.
pub(crate) fn is_ours(header: Option<&str>, context: &Context) -> bool {
    let Some(header) = header else { return true };
    let name = without_port(header.trim());
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) && !name.is_empty();
    let private = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    is_address(&name)
        || context.server_names.iter().any(|ours| ours.eq_ignore_ascii_case(&name))
        || plain && (!name.contains('.') || PRIVATE.iter().any(|suffix| private(suffix)))
}

/// A sentence with the addresses at which the pages can be opened.
pub(crate) fn addresses(context: &Context) -> String {
    let addresses: Vec<_> = context.server_names.iter().map(|name| address(name, context.ports.https)).collect();
    format!("Please open this box by one of its own addresses: {}", addresses.join("  "))
}

/// The address of the pages under this name.
pub(crate) fn address(name: &str, port: u16) -> String {
    let name = if name.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    if port == 443 { format!("https://{name}/") } else { format!("https://{name}:{port}/") }
}

fn without_port(header: &str) -> &str {
    match header.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        _ => header,
    }
}

fn is_address(name: &str) -> bool {
    name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    #[test]
    fn our_names_are_ours_and_public_names_are_not() {
        let mut context = context();
        context.server_names.push("mail.example.org".into());
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
    fn addresses_can_be_opened() {
        assert_eq!(address("roost.local", 443), "https://roost.local/");
        assert_eq!(address("fd00::1", 1443), "https://[fd00::1]:1443/");
    }
}
