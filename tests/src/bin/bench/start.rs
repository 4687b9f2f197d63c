//! How long `roost serve` takes until it is ready.

use crate::deliver::deliver;
use crate::flash::Flash;
use crate::report::Report;
use crate::server::{Roost, first_start};

const SECTION: &str = "Start of `roost serve`, to \"is ready\"";
/// The log's tail after the crash: just less than what makes the catalogue durable (16 MiB).
const TAIL: u64 = 15 << 20;
/// Mails between two looks at the log.
const STEP: usize = 50;

/// On fresh data: settings, store, certificates are made.
pub fn fresh(report: &mut Report, flash: &Flash, runs: usize) {
    for _ in 0..runs {
        let took = first_start(&flash.fresh("fresh"));
        report.row(SECTION, "fresh data", "ms").add(true, took.as_secs_f64() * 1e3).aim("< 2,000");
    }
}

/// After kill -9, at the worst moment: the longest tail of the log has to be read again.
pub fn crashed(report: &mut Report, server: &mut Roost, mails: &[Vec<u8>], runs: usize) -> Result<(), String> {
    let checkpoints = server.counter("checkpoints");
    let mut steps = mails.chunks(STEP).cycle();
    let mut step = |server: &Roost| deliver(server, steps.next().ok_or("no mail")?, 8);
    while server.counter("checkpoints") == checkpoints {
        step(server)?;
    }
    let (checkpoints, mark) = (server.counter("checkpoints"), server.counter("log_bytes"));
    while server.counter("log_bytes") < mark + TAIL && server.counter("checkpoints") == checkpoints {
        step(server)?;
    }
    let messages = server.counter("messages");
    for _ in 0..runs {
        let took = server.crash();
        let what = "10,000 mails after kill -9, 15 MiB of log to replay";
        report.row(SECTION, what, "ms").add(true, took.as_secs_f64() * 1e3).aim("< 2,000");
    }
    if server.counter("messages") != messages {
        return Err(format!("{} messages after the crash, {messages} before", server.counter("messages")));
    }
    Ok(())
}

/// After a clean stop.
pub fn stopped(report: &mut Report, flash: &mut Flash, server: &mut Roost, runs: usize) -> Result<(), String> {
    for _ in 0..runs {
        let took = server.start_cold(flash)?;
        report.row(SECTION, "10,000 mails after a clean stop", "ms").add(true, took.as_secs_f64() * 1e3);
    }
    Ok(())
}
