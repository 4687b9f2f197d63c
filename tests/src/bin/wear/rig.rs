//! One server with its data on one fresh device, and what a piece of work on it costs the device.

use crate::device::{Counters, Device, Format};
use crate::server::{Server, Subject, address};
use std::path::Path;
use std::time::{Duration, Instant};
use system_tests::household;
use system_tests::play::Line as _;

/// A store that wrote nothing for so long has nothing more to do by itself; it is waited for no longer than that. A flag is flushed
/// after five seconds.
const SETTLED: Duration = Duration::from_secs(6);
const UNSETTLED: Duration = Duration::from_secs(120);

/// Which mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mail {
    /// Without attachments.
    Small,
    /// The whole corpus.
    Whole,
    /// The corpus without mails whose attachments came before, so that nothing is there to be shared.
    New,
}

/// Whether a mail's attachments came with an earlier one.
fn came_before(n: u64) -> bool {
    household::files(n).first().is_some_and(|file| file / 4 != n)
}

impl Mail {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Mail::Small => "small mails",
            Mail::Whole => "the whole corpus",
            Mail::New => "the corpus without attachments that came before",
        }
    }

    fn compose(self, n: u64) -> Vec<u8> {
        match self {
            Mail::Small => household::small(n),
            Mail::Whole | Mail::New => household::mail(n),
        }
    }

    /// The account that gets it: what was attached to an earlier mail goes to the other one.
    fn account(self, n: u64) -> usize {
        match self {
            Mail::Small | Mail::New => 0,
            Mail::Whole => usize::from(came_before(n)),
        }
    }
}

/// Mails of the corpus, sent over so many connections; each sends its next when the last was acknowledged.
#[derive(Debug, Clone)]
pub struct Load {
    /// Which.
    pub mail: Mail,
    /// Their numbers.
    pub numbers: std::ops::Range<u64>,
    /// Connections at a time.
    pub parallel: usize,
}

/// What a piece of work cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// What reached the device to the last acknowledgement, and what reaches it anyway (a sync) at that moment.
    pub soon: Counters,
    /// To the end: the server stopped in good order, the file system unmounted.
    pub all: Counters,
    /// Flushes of our store's log and catalogue, to the last acknowledgement.
    pub syncs: Option<u64>,
    /// What our daemon held then, octets.
    pub memory: Option<u64>,
}

/// The server on its device.
#[derive(Debug)]
pub struct Rig {
    /// The card.
    pub device: Device,
    /// The server.
    pub server: Server,
    /// Octets in use on the device before the server came.
    pub empty: u64,
    // Last: the device lies in it.
    _home: tempfile::TempDir,
}

impl Rig {
    /// Formats a device below `place` and starts a server on it.
    pub fn new(place: &Path, subject: &Subject, format: Format) -> Result<Rig, String> {
        let home = tempfile::Builder::new().prefix("wear-").tempdir_in(place).map_err(|e| e.to_string())?;
        let device = Device::new(home.path(), format)?;
        let empty = device.used()?;
        let server = Server::new(subject, &device, home.path())?;
        Ok(Rig { device, server, empty, _home: home })
    }

    /// Does a piece of work and stops, unmounts, mounts and starts everything after it.
    pub fn measure(&mut self, work: impl FnOnce(&mut Rig) -> Result<(), String>) -> Result<Cost, String> {
        self.warm_up()?;
        let counters = |rig: &Rig| {
            ["log_syncs", "log_bytes", "catalogue_bytes", "checkpoints"].map(|name| rig.server.counter(name))
        };
        let first = counters(self);
        let before = self.device.counters()?;
        work(self)?;
        let last = counters(self);
        let soon = self.device.counters()?.since(before);
        let memory = self.server.memory().map(|(now, _)| now);
        let more = |at: usize| last[at].zip(first[at]).map(|(after, before)| after - before);
        // redb flushes what a checkpoint is made of, and then what makes it count
        let syncs = more(0).zip(more(3)).map(|(log, checkpoints)| log + 2 * checkpoints);
        if let ([_, Some(log), Some(catalogue), _], [_, Some(log_before), Some(catalogue_before), _]) = (last, first) {
            let (log, catalogue) = (log - log_before, catalogue - catalogue_before);
            eprintln!("wear: log {log} B, catalogue {catalogue} B; the device {soon:?}");
        }
        self.server.stop();
        self.device.unmount()?;
        let all = self.device.counters_now()?.since(before);
        self.device.mount()?;
        self.server.start()?;
        Ok(Cost { soon, all, syncs, memory })
    }

    /// Waits until our store has done what it does beside its work, such as giving space back.
    pub fn settle(&self) -> Result<(), String> {
        let written = || ["log_bytes", "catalogue_bytes"].map(|name| self.server.counter(name));
        let (mut last, mut since) = (written(), Instant::now());
        let began = since;
        while since.elapsed() < SETTLED {
            if began.elapsed() > UNSETTLED {
                return Err(format!("the store was busy with itself for {UNSETTLED:?}"));
            }
            std::thread::sleep(SETTLED / 10);
            let now = written();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Two mails for the second account: what a server writes once after its start is no part of the work. It may write that
    /// after the first, but it is done when the second is acknowledged.
    pub fn warm_up(&self) -> Result<(), String> {
        let mut sender = self.server.sender()?;
        (0..2).try_for_each(|n| sender.deliver_one(&address(1), &household::small(n)))
    }

    /// Delivers mails; answers their octets.
    pub fn deliver(&self, load: &Load) -> Result<u64, String> {
        let (server, stride) = (&self.server, load.parallel);
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..stride)
                .map(|first| {
                    let numbers = load.numbers.clone().skip(first).step_by(stride);
                    scope.spawn(move || {
                        let (mut sender, mut octets) = (server.sender()?, 0);
                        for n in numbers.filter(|n| load.mail != Mail::New || !came_before(*n)) {
                            let message = load.mail.compose(n);
                            octets += message.len() as u64;
                            sender.deliver_one(&address(load.mail.account(n)), &message)?;
                        }
                        Ok(octets)
                    })
                })
                .collect();
            senders.into_iter().map(|sender| sender.join().map_err(|_| "a sender broke off".to_owned())?).sum()
        })
    }

    /// Octets of the messages in all mailboxes of both accounts, and their number.
    pub fn live(&self) -> Result<(u64, u64), String> {
        let (mut octets, mut messages) = (0, 0);
        for account in 0..2 {
            let mut wire = self.server.log_in(account)?;
            wire.send(b"wear LIST \"\" * RETURN (STATUS (MESSAGES SIZE))\r\n")?;
            loop {
                let line = wire.read_line()?.ok_or("the server left during LIST")?;
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.starts_with("* STATUS") {
                    octets += item(&line, "SIZE")?;
                    messages += item(&line, "MESSAGES")?;
                } else if line.starts_with("wear OK") {
                    break;
                } else if line.starts_with("wear ") {
                    return Err(line);
                }
            }
        }
        Ok((octets, messages))
    }
}

/// The number after a name in an answer to STATUS.
fn item(status: &str, name: &str) -> Result<u64, String> {
    let number = || {
        let rest = status.rsplit_once(name)?.1.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    number().ok_or_else(|| status.to_owned())
}
