//! What mail programs cost that wait for mail: connections over TLS, logged in, a mailbox selected, in IDLE.

use crate::measure::{memory, threads};
use crate::report::Report;
use crate::server::{Server, address, ask, log_in};
use std::net::Ipv4Addr;
use std::time::Duration;
use system_tests::Protocol;
use system_tests::lmtp::Sender;
use system_tests::play::Line as _;
use system_tests::wire::Wire;

const SECTION: &str = "Memory with idle IMAP connections over TLS";
/// The daemon allows 60 connections of one account.
pub const PER_ACCOUNT: usize = 50;
/// The daemon allows 100 connections from one address.
const PER_ADDRESS: usize = 80;
/// The daemon keeps threads for ten seconds after work; then they are gone.
const SETTLED: Duration = Duration::from_secs(11);
/// The peer ends processes at once.
const PEER_SETTLED: Duration = Duration::from_secs(2);
const KB: f64 = 1024.0;

/// A connection that waits; dropped, it is cut off.
fn idle(server: &dyn Server, n: usize, account: usize) -> Result<Wire, String> {
    let from = Ipv4Addr::new(127, 0, 0, u8::try_from(1 + n / PER_ADDRESS).map_err(|_| "too many addresses")?);
    let mut wire = log_in(server, account, from)?;
    ask(&mut wire, "SELECT INBOX")?;
    wire.send(b"a IDLE\r\n")?;
    wire.skip_to("+ ")?;
    Ok(wire)
}

fn settle(server: &dyn Server) {
    std::thread::sleep(if server.is_roost() { SETTLED } else { PEER_SETTLED });
}

/// Gives each account a mailbox of so many mails.
pub fn fill(server: &dyn Server, accounts: usize, mails: &[Vec<u8>]) -> Result<(), String> {
    let wire = server.reach().connect(Protocol::Lmtp, Ipv4Addr::LOCALHOST)?;
    let mut sender = Sender::new(wire)?;
    let everybody: Vec<String> = (0..accounts).map(address).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    for mail in mails {
        let answers = sender.deliver(&everybody, mail)?;
        if let Some(refused) = answers.iter().find(|a| !a.starts_with("250")) {
            return Err(refused.clone());
        }
    }
    Ok(())
}

/// Measures with these numbers of connections, ascending; the server was just started.
pub fn run(report: &mut Report, server: &dyn Server, counts: &[usize]) -> Result<(), String> {
    let ours = server.is_roost();
    // One comes and goes, so that what is made on first use is there.
    drop(idle(server, 0, 0)?);
    settle(server);
    let empty = memory(&server.processes());
    let mut all = |name: String, kind: &str, octets: u64| {
        report.row(SECTION, format!("{name}: {kind} of the whole server"), "MB").add(ours, octets as f64 / KB / KB);
    };
    all("0 connections".to_owned(), "PSS", empty.pss);
    all("0 connections".to_owned(), "RSS", empty.rss);
    let mut wires = Vec::new();
    for &count in counts {
        while wires.len() < count {
            wires.push(idle(server, wires.len(), wires.len() / PER_ACCOUNT)?);
        }
        let busy = memory(&server.processes());
        settle(server);
        let now = memory(&server.processes());
        let mut all = |name: &str, octets: u64| {
            report.row(SECTION, format!("{count} connections: {name}"), "MB").add(ours, octets as f64 / KB / KB);
        };
        all("PSS of the whole server", now.pss);
        all("RSS of the whole server", now.rss);
        all("PSS of the whole server, right after they came", busy.pss);
        let each = now.pss.saturating_sub(empty.pss) as f64 / KB / count as f64;
        report.row(SECTION, format!("{count} connections: PSS of each"), "KB").add(ours, each).aim("≤ 40");
        if let Some(threads) = threads(server.processes()[0]).filter(|_| ours) {
            report.row(SECTION, format!("{count} connections: threads"), "").add(ours, threads as f64);
        }
    }
    Ok(())
}

/// What each costs whose mailbox is large.
pub fn run_large(report: &mut Report, server: &dyn Server) -> Result<(), String> {
    drop(idle(server, 0, 0)?);
    settle(server);
    let empty = memory(&server.processes());
    let wires = (0..PER_ACCOUNT).map(|n| idle(server, n, 0)).collect::<Result<Vec<_>, _>>()?;
    settle(server);
    let now = memory(&server.processes());
    let each = now.pss.saturating_sub(empty.pss) as f64 / KB / wires.len() as f64;
    let name = format!("{PER_ACCOUNT} connections, each with a mailbox of 10,000 mails: PSS of each");
    report.row(SECTION, name, "KB").add(server.is_roost(), each);
    Ok(())
}
