//! Deliveries by LMTP: how many in a second, and what they cost the disk.

use crate::flash::Flash;
use crate::mails::total;
use crate::measure::written;
use crate::report::Report;
use crate::server::{Server, address};
use std::time::Instant;
use system_tests::Protocol;
use system_tests::lmtp::Sender;

const SECTION: &str = "Deliveries by LMTP";
const PER_BYTE: &str = "bytes written per mail byte";

/// What is delivered, and how.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The mail, in words.
    pub corpus: &'static str,
    /// The mail.
    pub mails: &'a [Vec<u8>],
    /// Connections at a time; each sends its next mail when the last one was acknowledged.
    pub parallel: usize,
}

/// Delivers this mail to the first account over so many connections.
pub fn deliver(server: &dyn Server, mails: &[Vec<u8>], parallel: usize) -> Result<(), String> {
    let reach = server.reach();
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..parallel)
            .map(|first| {
                scope.spawn(move || {
                    let mut sender = Sender::new(reach.connect(Protocol::Lmtp, std::net::Ipv4Addr::LOCALHOST)?)?;
                    let mut mine = mails.iter().skip(first).step_by(parallel);
                    mine.try_for_each(|mail| sender.deliver_one(&address(0), mail))
                })
            })
            .collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| "a sender broke off".to_owned())?)
    })
}

/// One run on a server that was just started on fresh data; ends it.
pub fn run(report: &mut Report, flash: &Flash, plan: &Plan, server: Box<dyn Server>) -> Result<(), String> {
    let ours = server.is_roost();
    let process = server.processes()[0];
    let (own, kernel) = (server.counted(), written(process));
    let before = flash.counters();
    let began = Instant::now();
    deliver(&*server, plan.mails, plan.parallel)?;
    let seconds = began.elapsed().as_secs_f64();
    let (own_after, kernel_after) = (server.counted(), written(process));
    server.stop();
    let after = flash.counters();
    let (count, octets) = (plan.mails.len() as f64, total(plan.mails) as f64);
    let how = if plan.parallel == 1 { "alone".to_owned() } else { format!("{} in parallel", plan.parallel) };
    let (bytes_aim, sync_aim) = aims(plan);
    let mut row = |what: &str, unit: &'static str, value: f64, aim: &'static str| {
        report.row(SECTION, format!("{}, {how}: {what}", plan.corpus), unit).add(ours, value).aim(aim);
    };
    row("rate", "mails/s", count / seconds, "");
    row("mail taken in", "MB/s", octets / seconds / 1e6, "");
    if let Some((before, after)) = before.zip(after) {
        let bytes = (after.bytes - before.bytes) as f64;
        row("reached the block device, to the end of the server", PER_BYTE, bytes / octets, bytes_aim);
        row("flushes of the block device", "per mail", (after.flushes - before.flushes) as f64 / count, "");
    }
    if let Some((before, after)) = kernel.zip(kernel_after).filter(|_| ours) {
        row("/proc/PID/io, to the last acknowledgement", PER_BYTE, (after - before) as f64 / octets, "");
    }
    if let Some((before, after)) = own.zip(own_after) {
        row(
            "its own counters, to the last acknowledgement",
            PER_BYTE,
            (after.bytes - before.bytes) as f64 / octets,
            "",
        );
        row("fdatasync of the log", "per mail", (after.syncs - before.syncs) as f64 / count, sync_aim);
    }
    Ok(())
}

fn aims(plan: &Plan) -> (&'static str, &'static str) {
    match (plan.corpus, plan.parallel) {
        ("small mails", 1) => ("≤ 1.1", "1"),
        ("small mails", _) => ("≤ 0.55 (with compression)", "≤ 0.15"),
        (_, 1) => ("≤ 0.8 (with compression)", "1"),
        _ => ("", "≤ 0.15"),
    }
}
