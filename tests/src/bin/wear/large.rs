//! What must not grow with the store: the start after a power cut, SELECT of a large mailbox, memory.

use crate::report::Report;
use crate::rest::{memory, power_cuts};
use crate::rig::{Load, Mail, Rig};
use crate::server::ask;
use std::time::Instant;

/// Mails delivered between two looks at the size.
const STEP: u64 = 2_000;
/// Messages copied by one command; the mailbox grows by COPY, which writes no body.
const COPIED: u64 = 10_000;
/// Sizes of that mailbox: for SELECT, for memory.
const SELECTED: u64 = 200_000;
const MANY: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

/// Fills a store to so many gigabytes, with a power cut at one and at all of them, then to a million messages.
pub fn run(report: &mut Report, rig: &mut Rig, gigabytes: u64) -> Result<(), String> {
    rig.measure(|_| Ok(()))?;
    let without = held(rig)?;
    let (mut next, mut octets) = (0, 0);
    for size in [1, gigabytes] {
        while octets < size * GB || next < COPIED * 2 {
            octets += rig.deliver(&Load { mail: Mail::Whole, numbers: next..next + STEP, parallel: 8 })?;
            next += STEP;
        }
        memory(report, rig, "eight senders at a time")?;
        let aim = if size == 1 { "≤ 24" } else { "≤ 64" };
        of_store(report, rig, &format!("{size} GB from eight senders at a time"), aim, without)?;
        rig.measure(|_| Ok(()))?;
        ask(&mut rig.server.open(0, "INBOX")?, "FETCH 1:* (FLAGS)")?;
        memory(report, rig, "two mails and FETCH of all flags")?;
        power_cuts(report, rig, next, &format!(", {size} GB"))?;
    }
    let mut wire = rig.server.open(0, "INBOX")?;
    ask(&mut wire, "CREATE Many")?;
    copy(rig, 0..SELECTED)?;
    rig.measure(|_| Ok(()))?;
    let mut wire = rig.server.log_in(0)?;
    let began = Instant::now();
    ask(&mut wire, "SELECT Many")?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    report.put(&format!("SELECT of {SELECTED} messages, first after a start"), "ms", "≤ 100", milliseconds);
    copy(rig, SELECTED..MANY)?;
    memory(report, rig, "COPY")?;
    of_store(report, rig, &format!("{MANY} more by COPY"), "≤ 64", without)?;
    Ok(())
}

fn copy(rig: &Rig, numbers: std::ops::Range<u64>) -> Result<(), String> {
    let mut wire = rig.server.open(0, "INBOX")?;
    numbers.step_by(COPIED as usize).try_for_each(|_| ask(&mut wire, &format!("COPY 1:{COPIED} Many")))
}

/// Octets of memory that the daemon holds.
fn held(rig: &Rig) -> Result<u64, String> {
    rig.server.memory().map(|(now, _)| now).ok_or_else(|| "the daemon's memory is not known".to_owned())
}

/// What the daemon holds more than it did without mail: the store, and what is left of the work.
fn of_store(report: &mut Report, rig: &Rig, since: &str, aim: &'static str, without: u64) -> Result<(), String> {
    let (_, messages) = rig.live()?;
    let name = format!("memory of the store, {messages} messages, after {since}");
    report.put(&name, "MB", aim, held(rig)?.saturating_sub(without) as f64 / 1e6);
    Ok(())
}
