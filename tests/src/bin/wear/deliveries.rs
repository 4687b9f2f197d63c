//! Deliveries: on a fresh device, into space that was used before, and with older mail going as new mail comes.

use crate::report::Report;
use crate::rig::{Load, Mail, Rig};
use crate::server::ask;

/// Rounds of the churn.
const ROUNDS: u64 = 10;
/// What a flush of a card takes, more or less.
const SLOW: std::time::Duration = std::time::Duration::from_millis(5);

/// Delivers this to a server; `again` names a second time.
pub fn deliver(report: &mut Report, rig: &mut Rig, load: &Load, again: &str) -> Result<(), String> {
    let mut octets = 0;
    let began = std::time::Instant::now();
    let mut seconds = 0.0;
    let cost = rig.measure(|rig| {
        octets = rig.deliver(load)?;
        seconds = began.elapsed().as_secs_f64();
        Ok(())
    })?;
    let count = (load.numbers.end - load.numbers.start) as f64;
    let how = if load.parallel == 1 { "one at a time".to_owned() } else { format!("{} in parallel", load.parallel) };
    let name = format!("{}, {how}{again}", load.mail.name());
    let (bytes, syncs) = targets(load, again);
    report.put(&name, "device bytes per mail byte", bytes, cost.all.written as f64 / octets as f64);
    if load.mail == Mail::New {
        // fewer mails than numbers
        return Ok(());
    }
    report.put(&name, "device flushes per mail", "", cost.soon.flushes as f64 / count);
    if let Some(log) = cost.syncs {
        report.put(&name, "fdatasync per mail", syncs, log as f64 / count);
    }
    if let Some(memory) = cost.memory {
        report.put(&name, "MB of memory of the daemon", "", memory as f64 / 1e6);
    }
    eprintln!("wear: {:.0} mails in a second", count / seconds);
    Ok(())
}

fn targets(load: &Load, again: &str) -> (&'static str, &'static str) {
    match (load.mail, load.parallel) {
        (Mail::Small, 1) if again.is_empty() => ("≤ 0.99", "1"),
        (Mail::Small, 1) => ("≤ 0.60", "1"),
        (Mail::Whole, 1) => ("≤ 0.65", "1"),
        (Mail::New, _) => ("≤ 0.75", "1"),
        (Mail::Small, _) => ("≤ 0.48", "≤ 0.14"),
        (Mail::Whole, _) => ("≤ 0.70", "≤ 0.14"),
    }
}

/// Delivers mails in parallel to a card whose flushes take as long as a card's: more mails wait for each.
pub fn deliver_slowly(report: &mut Report, rig: &mut Rig, load: &Load) -> Result<(), String> {
    let cost = rig.measure(|rig| {
        let slow = rig.server.slow_flushes(SLOW)?;
        rig.deliver(load)?;
        drop(slow);
        Ok(())
    })?;
    let name = format!("{}, {} in parallel, flushes {} ms slower", load.mail.name(), load.parallel, SLOW.as_millis());
    if let Some(log) = cost.syncs {
        report.put(&name, "fdatasync per mail", "≤ 0.14", log as f64 / (load.numbers.end - load.numbers.start) as f64);
    }
    Ok(())
}

/// Removes all mail of the first account, so many messages, and waits until their space is given back.
pub fn empty(report: &mut Report, rig: &mut Rig, messages: u64) -> Result<(), String> {
    let cost = rig.measure(|rig| {
        let mut wire = rig.server.open(0, "INBOX")?;
        ask(&mut wire, "STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
        ask(&mut wire, "EXPUNGE")?;
        rig.settle()
    })?;
    let name = "all mail expunged at once, its space given back";
    report.put(name, "B each", "≤ 3,400", cost.all.written as f64 / messages as f64);
    Ok(())
}

/// Octets on the device for each octet of mail that is there.
pub fn space(report: &mut Report, rig: &Rig, when: &str, target: &'static str) -> Result<(), String> {
    let (octets, _) = rig.live()?;
    let used = rig.device.used()?.saturating_sub(rig.empty);
    report.put(&format!("space in use, {when}"), "of the live mail's size", target, used as f64 / octets as f64);
    Ok(())
}

/// A tenth of the mail comes anew and as many of the oldest go, until all has changed once.
pub fn churn(report: &mut Report, rig: &mut Rig, messages: u64) -> Result<(), String> {
    let step = (messages / ROUNDS).max(1);
    let mut octets = 0;
    let cost = rig.measure(|rig| {
        for round in 0..ROUNDS {
            let first = messages + round * step;
            octets += rig.deliver(&Load { mail: Mail::Whole, numbers: first..first + step, parallel: 1 })?;
            let mut wire = rig.server.open(0, "INBOX")?;
            ask(&mut wire, &format!("STORE 1:{step} +FLAGS.SILENT (\\Deleted)"))?;
            ask(&mut wire, "EXPUNGE")?;
            ask(&mut wire, "LOGOUT")?;
        }
        rig.settle()
    })?;
    let name = "churn: mail comes one at a time, the oldest is expunged in tenths";
    report.put(name, "device bytes per mail byte", "≤ 0.77", cost.all.written as f64 / octets as f64);
    space(report, rig, "after the churn", "≤ 0.85")
}
