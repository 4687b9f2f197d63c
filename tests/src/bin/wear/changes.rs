//! What changes to mail that is there cost: flags, COPY, MOVE, EXPUNGE. All in the first account's INBOX.

use crate::report::Report;
use crate::rig::{Cost, Rig};
use crate::server::ask;
use std::time::{Duration, Instant};

/// Flags that are set alone. Each takes as long as the store lets a flag wait.
const LONE: u64 = 40;
/// Flags that share a checkpoint: alone, they bring none before there are so many.
const SHARED: u64 = 500;
/// A flag is durable within this time.
const DURABLE: Duration = Duration::from_secs(15);
/// Messages that are moved or deleted one by one.
const SINGLE: u64 = 100;

/// Measures all of them; INBOX has at least so many messages.
pub fn run(report: &mut Report, rig: &mut Rig, messages: u64) -> Result<(), String> {
    let tenth = (messages / 10).max(1);
    let mut put = |name: &str, target, count: u64, cost: Cost| {
        report.put(name, "B each", target, cost.all.written as f64 / count as f64);
    };
    put("a stop in good order and the start after it, two mails before", "", 1, rig.measure(|_| Ok(()))?);
    let some = LONE.min(messages);
    let alone = rig.measure(|rig| lone_flags(rig, some, messages))?;
    let lone = alone.soon.written as f64 / some as f64;
    let shared = SHARED.min(messages);
    let apart = rig.measure(|rig| flags_apart(rig, shared, messages))?;
    let share = apart.all.since(apart.soon).written as f64 / shared as f64;
    put("\\Seen set message by message", "≤ 100", messages, lazy_flags(rig, messages)?);
    let bulk = one(rig, "STORE 1:* +FLAGS.SILENT (\\Answered)")?;
    put("a flag set on all messages at once", "≤ 110", messages, bulk);
    put("COPY of a tenth", "no body", tenth, one(rig, &format!("COPY 1:{tenth} Kept"))?);
    put("MOVE of a tenth", "≤ 550", tenth, one(rig, &format!("MOVE 1:{tenth} Gone"))?);
    let single = SINGLE.min(tenth);
    put("MOVE, one by one", "", single, each(rig, single, &["MOVE 1 Gone"])?);
    one(rig, &format!("STORE 1:{tenth} +FLAGS.SILENT (\\Deleted)"))?;
    put("EXPUNGE of a tenth", "≤ 3,400", tenth, one(rig, "EXPUNGE")?);
    put(
        "\\Deleted and EXPUNGE, one by one",
        "",
        single,
        each(rig, single, &["STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"])?,
    );
    report.put("a flag set alone, durable", "B each", "", lone);
    let forced = alone.all.written as f64 / some as f64;
    report.put("a flag set alone, durable, with its share of a checkpoint after 40", "B each", "", forced);
    let name = "a flag set alone, durable, with its share of a checkpoint after 500";
    report.put(name, "B each", "≤ 8,700", lone + share);
    Ok(())
}

/// One command.
fn one(rig: &mut Rig, command: &str) -> Result<Cost, String> {
    each(rig, 1, &[command])
}

/// These commands, so often.
fn each(rig: &mut Rig, times: u64, commands: &[&str]) -> Result<Cost, String> {
    rig.measure(|rig| {
        let mut wire = rig.server.open(0, "INBOX")?;
        (0..times).try_for_each(|_| commands.iter().try_for_each(|command| ask(&mut wire, command)))
    })
}

/// Flags far apart in time and place. Our store flushes each by itself; the peer leaves it to the kernel, so a sync asks for it.
fn lone_flags(rig: &mut Rig, count: u64, messages: u64) -> Result<(), String> {
    let mut wire = rig.server.open(0, "INBOX")?;
    for n in 0..count {
        let syncs = rig.server.counter("log_syncs");
        ask(&mut wire, &format!("STORE {} +FLAGS.SILENT (\\Flagged)", 1 + n * messages.saturating_sub(1) / count))?;
        if syncs.is_none() {
            rig.device.counters()?;
        }
        let asked = Instant::now();
        while syncs.is_some() && rig.server.counter("log_syncs") == syncs {
            if asked.elapsed() > DURABLE {
                return Err(format!("a flag is not durable after {DURABLE:?}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

/// Flags as far apart in place as those set alone, but not in time: what is left to be written of so many at the end.
fn flags_apart(rig: &mut Rig, count: u64, messages: u64) -> Result<(), String> {
    let mut wire = rig.server.open(0, "INBOX")?;
    let each = |n: u64| 1 + n * messages.saturating_sub(1) / count;
    (0..count).try_for_each(|n| ask(&mut wire, &format!("STORE {} +FLAGS.SILENT (\\Draft)", each(n))))?;
    ask(&mut wire, "LOGOUT")?;
    rig.settle()
}

/// As a reader does: one message after the other.
fn lazy_flags(rig: &mut Rig, count: u64) -> Result<Cost, String> {
    rig.measure(|rig| {
        let mut wire = rig.server.open(0, "INBOX")?;
        (1..=count).try_for_each(|n| ask(&mut wire, &format!("STORE {n} +FLAGS.SILENT (\\Seen)")))
    })
}
