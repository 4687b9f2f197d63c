//! Reading a mailbox of many messages over IMAP with TLS.

use crate::flash::Flash;
use crate::mails::NEEDLE;
use crate::measure::processor;
use crate::report::{Report, median};
use crate::server::{Server, ask, log_in};
use std::net::Ipv4Addr;
use std::time::Instant;
use system_tests::wire::Wire;

const SECTION: &str = "Reading a mailbox of 10,000 small mails by IMAP over TLS";
const WHOLE: &str = "FETCH BODY.PEEK[]";

/// What a client asks for: the row's name and the command.
fn commands() -> Vec<(&'static str, String)> {
    let all = |what: &str| format!("FETCH 1:* ({what})");
    vec![
        ("SELECT", "SELECT INBOX".to_owned()),
        ("FETCH FLAGS", all("FLAGS")),
        ("FETCH ENVELOPE", all("ENVELOPE")),
        ("FETCH BODYSTRUCTURE", all("BODYSTRUCTURE")),
        ("FETCH BODY.PEEK[HEADER]", all("BODY.PEEK[HEADER]")),
        (WHOLE, all("BODY.PEEK[]")),
        ("UID SEARCH SUBJECT", format!("UID SEARCH SUBJECT {NEEDLE}")),
        ("UID SEARCH TEXT", format!("UID SEARCH TEXT {NEEDLE}")),
    ]
}

/// Asks for everything: cold, each on a server that was just started and finds nothing of its disk in memory, and warm.
pub fn run(
    report: &mut Report,
    flash: &mut Flash,
    mut server: Box<dyn Server>,
    runs: usize,
    mailbox: (usize, u64),
) -> Result<Box<dyn Server>, String> {
    let ours = server.is_roost();
    for (name, command) in commands() {
        let mut time = |wire: &mut Wire, how: &str| {
            let began = Instant::now();
            let came = ask(wire, &command)?;
            let took = began.elapsed().as_secs_f64();
            check(name, came, mailbox)?;
            report.row(SECTION, format!("{name}, {how}"), "ms").add(ours, took * 1e3);
            Ok::<f64, String>(took)
        };
        for _ in 0..runs {
            server = server.restart(flash)?;
            time(&mut enter(&*server, name)?, "cold")?;
        }
        let mut wire = enter(&*server, name)?;
        time(&mut wire, "warm")?;
        let before = processor(&server.processes());
        let warm = (0..runs).map(|_| time(&mut wire, "warm")).collect::<Result<Vec<_>, _>>()?;
        let taken = (processor(&server.processes()) - before) / runs as f64;
        report.row(SECTION, format!("{name}, warm: processor time of the server"), "ms").add(ours, taken * 1e3);
        if let Some(took) = median(&warm).filter(|_| name == WHOLE) {
            report.row(SECTION, "the same as a rate", "MB/s").add(ours, mailbox.1 as f64 / took / 1e6);
        }
    }
    Ok(server)
}

/// Logs in and, if the command needs it, selects the mailbox.
fn enter(server: &dyn Server, name: &str) -> Result<Wire, String> {
    let mut wire = log_in(server, 0, Ipv4Addr::LOCALHOST)?;
    if name != "SELECT" {
        ask(&mut wire, "SELECT INBOX")?;
    }
    Ok(wire)
}

/// Too few octets are not an answer.
fn check(name: &str, came: u64, (messages, octets): (usize, u64)) -> Result<(), String> {
    let least = match name {
        WHOLE => octets,
        _ if name.starts_with("FETCH") => messages as u64 * 10,
        _ => 1,
    };
    if came < least { Err(format!("{name}: only {came} octets came")) } else { Ok(()) }
}
