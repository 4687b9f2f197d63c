//! What happens between the work: a power cut, and nothing at all.

use crate::report::Report;
use crate::rig::{Load, Mail, Rig};
use crate::server::ask;
use std::time::{Duration, Instant};
use system_tests::play::Line as _;
use system_tests::wire::Wire;

/// Mails in the tail of the log when the power is cut.
const TAIL: u64 = 500;
/// The device is at rest when it was for so long; it is waited for no longer than that. The store makes its last checkpoint after ten
/// idle minutes; XFS looks every five for what it can put in order.
const AT_REST: Duration = Duration::from_secs(12 * 60);
const UNREST: Duration = Duration::from_secs(40 * 60);
/// The same before a short look.
const BRIEFLY_AT_REST: Duration = Duration::from_secs(40);
const SHORT: u64 = 10;
/// A client says so often that it still waits: servers let go of one that has been silent for 30 minutes (RFC 2177).
const STILL_WAITING: Duration = Duration::from_secs(20 * 60);

/// Starts after a power cut that are looked at, in each of which the system reads on after other pages.
const STARTS: u64 = 10;

/// What a start after a power cut found and read.
struct Start {
    /// Octets of all mail.
    mail: u64,
    /// Octets that the log has more than the catalogue.
    tail: u64,
    /// Octets read from the device beyond those.
    beyond: u64,
    /// Seconds until it was ready.
    ready: f64,
}

/// Cuts the power after some deliveries, several times; the most that a start reads then.
pub fn power_cuts(report: &mut Report, rig: &mut Rig, first: u64, size: &str) -> Result<(), String> {
    let mut starts = Vec::new();
    for number in 0..STARTS {
        // each has a tail of its own; a checkpoint for space to be given back must not come into it
        rig.measure(|rig| if number == 0 { rig.settle() } else { Ok(()) })?;
        starts.push(power_cut(rig, first + number * TAIL)?);
    }
    let most = |of: fn(&Start) -> f64| starts.iter().map(of).fold(0.0, f64::max);
    let name = format!("start after a power cut{size}, the most of {STARTS}");
    report.put(&format!("{name}: mail in the store"), "MB", "", most(|start| start.mail as f64 / 1e6));
    report.put(&format!("{name}: tail of the log"), "MB", "", most(|start| start.tail as f64 / 1e6));
    report.put(&format!("{name}: read beyond the tail"), "MB", "≤ 1", most(|start| start.beyond as f64 / 1e6));
    report.put(&format!("{name}: until it is ready"), "s", "", most(|start| start.ready));
    Ok(())
}

/// Cuts the power after some deliveries and starts again. Every acknowledged mail must be there.
fn power_cut(rig: &mut Rig, first: u64) -> Result<Start, String> {
    let counter = |rig: &Rig, name: &str| rig.server.counter(name).ok_or_else(|| format!("no counter {name}"));
    rig.warm_up()?;
    let (log, checkpoints) = (counter(rig, "log_bytes")?, counter(rig, "checkpoints")?);
    rig.deliver(&Load { mail: Mail::Small, numbers: first..first + TAIL, parallel: 1 })?;
    let tail = counter(rig, "log_bytes")? - log;
    if counter(rig, "checkpoints")? != checkpoints {
        return Err(format!("a checkpoint came before the power cut, within {tail} octets of log"));
    }
    let (mail, messages) = rig.live()?;
    rig.server.kill()?;
    rig.device.cut_power()?;
    rig.device.mount()?;
    let before = rig.device.counters_now()?;
    let began = Instant::now();
    rig.server.start()?;
    let ready = began.elapsed().as_secs_f64();
    let read = rig.device.counters_now()?.since(before).read;
    if rig.live()? != (mail, messages) {
        return Err(format!("{messages} messages before the power cut, {} after it", rig.live()?.1));
    }
    Ok(Start { mail, tail, beyond: read.saturating_sub(tail), ready })
}

/// Nothing happens, with one client waiting for mail.
pub fn idle(report: &mut Report, rig: &mut Rig, minutes: u64) -> Result<(), String> {
    let mut waiting = Waiting::begin(rig)?;
    let began = Instant::now();
    let (mut last, mut since) = (rig.device.counters()?, Instant::now());
    let at_rest = if minutes < SHORT { BRIEFLY_AT_REST } else { AT_REST };
    let first = last;
    while since.elapsed() < at_rest && began.elapsed() < UNREST {
        waiting.sleep(Duration::from_secs(1))?;
        let now = rig.device.counters_now()?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    let before = rig.device.counters()?;
    report.put("from the end of work until rest", "B written", "", before.since(first).written as f64);
    report.put("from the end of work until rest", "minutes", "", since.duration_since(began).as_secs_f64() / 60.0);
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    while Instant::now() < until {
        waiting.sleep(Duration::from_secs(1).min(until.saturating_duration_since(Instant::now())))?;
    }
    let written = rig.device.counters()?.since(before).written;
    report.put(&format!("idle for {minutes} minutes"), "B written", "0", written as f64);
    waiting.end()?;
    ask(&mut waiting.wire, "LOGOUT")
}

/// A client that waits for mail.
struct Waiting {
    wire: Wire,
    since: Instant,
}

impl Waiting {
    fn begin(rig: &Rig) -> Result<Waiting, String> {
        let mut waiting = Waiting { wire: rig.server.open(0, "INBOX")?, since: Instant::now() };
        waiting.again()?;
        Ok(waiting)
    }

    fn again(&mut self) -> Result<(), String> {
        self.wire.send(b"wear IDLE\r\n")?;
        self.wire.skip_to("+ ")?;
        self.since = Instant::now();
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.wire.send(b"DONE\r\n")?;
        self.wire.skip_to("wear OK").map(drop)
    }

    fn sleep(&mut self, time: Duration) -> Result<(), String> {
        std::thread::sleep(time);
        if self.since.elapsed() < STILL_WAITING {
            return Ok(());
        }
        self.end()?;
        self.again()
    }
}

/// Memory of the daemon now, which depends on what it did since its start.
pub fn memory(report: &mut Report, rig: &Rig, since: &str) -> Result<(), String> {
    let (_, messages) = rig.live()?;
    if let Some((now, most)) = rig.server.memory() {
        let name = format!("memory of the daemon, {messages} messages, since its start {since}");
        report.put(&name, "MB", "", now as f64 / 1e6);
        report.put(&format!("{name}: at most"), "MB", "", most as f64 / 1e6);
    }
    Ok(())
}
