//! Trace information in front of a delivered message: Return-Path and Received (RFC 5321 §4.4; protocol names: RFC 3848, RFC 6531).

use crate::Role;
use crate::state::{Client, Transaction};
use conversation::Peer;
use message::date::DateTime;
use smol_str::{SmolStr, format_smolstr};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn unix(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// A date for a header.
pub(crate) fn date(now: SystemTime) -> String {
    DateTime { unix: unix(now), offset: 0 }.to_rfc5322()
}

/// A name for a message on its way in, different for each in a process and, by the time in it, across restarts.
pub(crate) fn new_id(now: SystemTime) -> SmolStr {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let nanoseconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format_smolstr!("{nanoseconds:x}.{:x}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// The lines that go in front of the message. The recipient is named only if it is the only one: nobody learns of a blind copy.
pub(crate) fn lines(
    role: Role,
    peer: &Peer,
    transaction: &Transaction,
    host: &str,
    id: &str,
    now: SystemTime,
) -> String {
    let client = &transaction.client;
    let recipient = match &transaction.recipients[..] {
        [only] => format!("\r\n\tfor {}", only.path),
        _ => String::new(),
    };
    format!(
        "Return-Path: {}\r\nReceived: from {} ({})\r\n\tby {host} with {} id {id}{recipient};\r\n\t{}\r\n",
        transaction.reverse,
        printable(&client.name),
        literal(peer.ip),
        protocol(role, peer.security.is_tls(), client, transaction.utf8),
        date(now),
    )
}

/// What a client calls itself may hold anything printable; in a header only what belongs in a name.
fn printable(name: &str) -> String {
    name.replace(|c: char| !(c.is_ascii_alphanumeric() || "-._:[]".contains(c)), "?")
}

/// An address literal (RFC 5321 §4.1.3).
fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// `ESMTP` and its relatives: S for TLS, A for a login.
fn protocol(role: Role, tls: bool, client: &Client, utf8: bool) -> String {
    let base = match (role, utf8) {
        (Role::Lmtp, false) => "LMTP",
        (Role::Lmtp, true) => "UTF8LMTP",
        (_, true) => "UTF8SMTP",
        (_, false) if client.extended => "ESMTP",
        // HELO knows no extensions, and RFC 3848 no name for it under TLS.
        (_, false) => return "SMTP".to_owned(),
    };
    let s = if tls { "S" } else { "" };
    let a = if client.account.is_some() { "A" } else { "" };
    format!("{base}{s}{a}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path;
    use crate::state::Recipient;
    use conversation::Security;
    use std::time::Duration;

    fn transaction(recipients: &[&str], utf8: bool) -> Transaction {
        let client = Client { name: "p(c)é\u{200b}".into(), extended: true, account: None };
        let recipient = |r: &&str| Recipient { path: path::forward(r).unwrap().0, account: auth::AccountId(1) };
        Transaction {
            client,
            reverse: path::reverse("<@a.example:x@b.example>").unwrap().0,
            utf8,
            recipients: recipients.iter().map(recipient).collect(),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_261_663)
    }

    #[test]
    fn one_recipient() {
        let peer = Peer { ip: "::ffff:192.0.2.7".parse().unwrap(), security: Security::Plain };
        let text =
            lines(Role::Reception, &peer, &transaction(&["<anna@c.example>"], false), "box.example", "1.2", now());
        let expected = "Return-Path: <x@b.example>\r\nReceived: from p?c??? ([192.0.2.7])\r\n\tby box.example with ESMTP id 1.2\r\n\
                        \tfor <anna@c.example>;\r\n\tSat, 21 Nov 2026 11:47:43 +0000\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn several_recipients_stay_unnamed() {
        let peer = Peer { ip: "2001:db8::1".parse().unwrap(), security: Security::Tls(Default::default()) };
        let transaction = transaction(&["<anna@c.example>", "<postmaster>"], true);
        let text = lines(Role::Lmtp, &peer, &transaction, "box.example", "1.2", now());
        assert!(text.contains("([IPv6:2001:db8::1])\r\n\tby box.example with UTF8LMTPS id 1.2;\r\n\tSat,"), "{text}");
        assert!(!text.contains("anna"), "{text}");
    }

    #[test]
    fn ids_differ() {
        assert_ne!(new_id(now()), new_id(now()));
    }
}
