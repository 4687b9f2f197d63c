//! The network, as the keeper sees to it. What the owner changes is tried first: unless it is confirmed through the changed
//! network in time, the box goes back to what worked. Confirmed means written down: what is only tried lies in RAM, so a power cut ends it.
//!
//! The daemon asks over a socket of its own (an update on the other would keep it waiting). What is asked is checked here once
//! more; the work is done by the start script, from the file.

use crate::control::{Answer, Wire, read_line, reply};
use crate::keeper::Say;
use crate::limits;
use crate::supplicant;
use board::network::{Outlook, Radio, Seen, Trial};
use serde::{Deserialize, Serialize};
use settings::network::{Change, Network, Ssid};
use std::fs;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where it listens.
pub const SOCKET: &str = "/run/roost-network.sock";
/// What was confirmed.
const KEPT: &str = "/data/network";
/// What is being tried.
const TRIED: &str = "/run/network/tried";
/// Does the work.
const SCRIPT: &str = "/etc/init.d/S40network";

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// How it is: an [`Outlook`].
    Look,
    /// Try this.
    Try(Change),
    /// Whoever says so has come through what is being tried.
    Confirm,
    /// Back to what was.
    GoBack,
    /// Which Wi-Fis there are: a list of [`Seen`].
    Scan,
}

/// Brings the network into the state that a file describes.
type Apply = dyn Fn(&Path) -> Result<(), String> + Send + Sync;
/// What the radio is doing.
type Listen = dyn Fn() -> Option<Radio> + Send + Sync;

/// What the keeper does about the network.
struct Warden {
    kept: PathBuf,
    tried: PathBuf,
    /// So long a change waits for its owner, and the answer to who asked for it comes before the change.
    patience: Duration,
    pause: Duration,
    apply: Box<Apply>,
    radio: Box<Listen>,
    stage: Mutex<Stage>,
    rung: Condvar,
    say: Say,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// How the last trial ended, if nobody said so.
    Settled(Option<End>),
    /// The answer is on its way; then the change is made.
    Begun(Network),
    Tried(Network, Instant),
    GoingBack(Option<End>),
}

/// The end of a trial that nobody confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct End {
    /// The Wi-Fi that did not let the box in.
    refused: Option<Ssid>,
}

/// Begins to listen, on a machine whose network is ours to change. `patience` is how long a change waits for its owner.
pub fn keep(data: &Path, patience: Duration, say: Say) -> Result<(), String> {
    if !Path::new(SCRIPT).exists() {
        return Ok(());
    }
    let apply = |file: &Path| {
        let status = Command::new(SCRIPT).arg("apply").arg(file).stdin(Stdio::null()).status();
        match status.map_err(|e| format!("{SCRIPT}: {e}"))? {
            status if status.success() => Ok(()),
            status => Err(format!("{SCRIPT}: {status}")),
        }
    };
    let (kept, tried) = (PathBuf::from(KEPT), PathBuf::from(TRIED));
    let warden = Arc::new(Warden::new(
        (kept, tried),
        (patience, limits::LAST_WORD),
        (Box::new(apply), Box::new(supplicant::radio)),
        say,
    ));
    let listener = bind(data).map_err(|e| format!("{SOCKET}: {e}"))?;
    let worker = warden.clone();
    std::thread::spawn(move || worker.work());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(why) = warden.answer(&stream) {
                say(&format!("network: {why}"));
            }
        }
    });
    Ok(())
}

/// The socket is the daemon's to use, and nobody else's.
fn bind(data: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(SOCKET) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(SOCKET)?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o660))?;
    if let Ok(data) = fs::metadata(data) {
        std::os::unix::fs::chown(SOCKET, None, Some(data.gid()))?;
    }
    Ok(listener)
}

impl Warden {
    fn new(
        (kept, tried): (PathBuf, PathBuf),
        (patience, pause): (Duration, Duration),
        (apply, radio): (Box<Apply>, Box<Listen>),
        say: Say,
    ) -> Warden {
        // A keeper that ended in the middle of a trial left it to us.
        let left = tried.exists();
        let stage = if left { Stage::GoingBack(Some(End::default())) } else { Stage::Settled(None) };
        Warden { kept, tried, patience, pause, apply, radio, stage: Mutex::new(stage), rung: Condvar::new(), say }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was confirmed; the default if that cannot be read, as the start script does.
    fn kept(&self) -> Network {
        let text = match fs::read_to_string(&self.kept) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Network::default(),
            Err(e) => {
                (self.say)(&format!("network: {}: {e}", self.kept.display()));
                return Network::default();
            }
        };
        Network::from_text(&text).unwrap_or_else(|why| {
            (self.say)(&format!("network: {}: {why}", self.kept.display()));
            Network::default()
        })
    }

    /// Makes changes, waits, takes them back; for ever.
    fn work(&self) {
        // Whether the Wi-Fi that is tried does not let the box in.
        let mut refused = false;
        let mut stage = self.stage();
        loop {
            stage = match stage.clone() {
                Stage::Settled(_) => self.rung.wait(stage).unwrap_or_else(PoisonError::into_inner),
                Stage::Begun(network) => {
                    drop(stage);
                    // Whoever asked hears the answer before the network goes.
                    std::thread::sleep(self.pause);
                    (self.say)("network: trying what the owner chose");
                    self.make(&self.tried);
                    refused = false;
                    let mut stage = self.stage();
                    if matches!(*stage, Stage::Begun(_)) {
                        *stage = Stage::Tried(network, Instant::now() + self.patience);
                    }
                    stage
                }
                Stage::Tried(network, until) => {
                    drop(stage);
                    // The radio's program does not tell of it while it tries again.
                    if let Some(radio) = (self.radio)() {
                        refused = radio.refused || (refused && radio.joined.is_none());
                    }
                    let wifi = network.wifi.filter(|_| refused).map(|wifi| wifi.ssid);
                    self.wait_for_owner(until, End { refused: wifi })
                }
                Stage::GoingBack(end) => {
                    drop(stage);
                    // Who asked for it hears the answer first.
                    if end.is_none() {
                        std::thread::sleep(self.pause);
                    }
                    (self.say)("network: going back to what worked");
                    self.make(&self.kept);
                    if let Err(e) = fs::remove_file(&self.tried) {
                        (self.say)(&format!("network: {}: {e}", self.tried.display()));
                    }
                    let mut stage = self.stage();
                    *stage = Stage::Settled(end);
                    stage
                }
            };
        }
    }

    /// For some seconds; who is late finds that the box went back, and why.
    fn wait_for_owner(&self, until: Instant, end: End) -> MutexGuard<'_, Stage> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Tried(..)) {
            return stage;
        }
        match until.checked_duration_since(Instant::now()) {
            None => {
                *stage = Stage::GoingBack(Some(end));
                stage
            }
            Some(left) => {
                let waited = self.rung.wait_timeout(stage, left.min(limits::RADIO_CHECK));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn make(&self, file: &Path) {
        if let Err(why) = (self.apply)(file) {
            (self.say)(&format!("network: {why}"));
        }
    }

    /// Carries out one order.
    fn answer(&self, stream: &UnixStream) -> Result<(), String> {
        let limited = stream.set_read_timeout(Some(limits::KEEPER)).and(stream.set_write_timeout(Some(limits::KEEPER)));
        limited.map_err(|e| e.to_string())?;
        let Some(order) = read_line(&mut BufReader::new(stream))? else { return Ok(()) };
        let done = match order {
            Order::Look => serde_json::to_string(&self.look()).map_err(|e| e.to_string()),
            Order::Try(change) => self.attempt(change).map(|()| String::new()),
            Order::Confirm => self.confirm().map(|()| String::new()),
            Order::GoBack => self.go_back().map(|()| String::new()),
            Order::Scan => supplicant::scan().and_then(|seen| serde_json::to_string(&seen).map_err(|e| e.to_string())),
        };
        match done {
            Ok(line) => reply(stream, &Answer::Line(line)).and_then(|()| reply(stream, &Answer::Done)),
            Err(why) => reply(stream, &Answer::Error(why)),
        }
    }

    fn look(&self) -> Outlook {
        let stage = self.stage().clone();
        let trial = match &stage {
            Stage::Settled(_) | Stage::GoingBack(_) => None,
            Stage::Begun(network) => Some(Trial { network: network.without_secrets(), seconds: None }),
            Stage::Tried(network, until) => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                Some(Trial { network: network.without_secrets(), seconds: Some(left) })
            }
        };
        let (went_back, refused) = match stage {
            Stage::Settled(Some(end)) | Stage::GoingBack(Some(end)) => (true, end.refused),
            _ => (false, None),
        };
        Outlook { kept: self.kept().without_secrets(), trial, went_back, refused, radio: (self.radio)() }
    }

    /// Through a Wi-Fi that the box has not joined nobody has come, whatever they say over the cable.
    fn is_joined(&self, network: &Network) -> Result<(), String> {
        let Some(wifi) = network.wifi.as_ref().filter(|_| network.wifi != self.kept().wifi) else { return Ok(()) };
        match (self.radio)().is_some_and(|radio| radio.joined.as_ref() == Some(&wifi.ssid)) {
            true => Ok(()),
            false => Err(format!("the box has not joined “{}”", wifi.ssid)),
        }
    }

    fn attempt(&self, change: Change) -> Result<(), String> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Settled(_)) {
            return Err("another change is being tried".into());
        }
        let kept = self.kept();
        let next = kept.with(change);
        if next == kept {
            return Err("nothing would change".into());
        }
        write(&self.tried, &next.to_text()).map_err(|e| format!("{}: {e}", self.tried.display()))?;
        *stage = Stage::Begun(next);
        self.rung.notify_all();
        Ok(())
    }

    fn confirm(&self) -> Result<(), String> {
        let mut stage = self.stage();
        let Stage::Tried(network, _) = &*stage else {
            return Err(match &*stage {
                Stage::Begun(_) => "the change is still being made".into(),
                _ => "there is nothing to confirm; the box has gone back".into(),
            });
        };
        self.is_joined(network)?;
        write(&self.kept, &network.to_text()).map_err(|e| format!("{}: {e}", self.kept.display()))?;
        if let Err(e) = fs::remove_file(&self.tried) {
            (self.say)(&format!("network: {}: {e}", self.tried.display()));
        }
        (self.say)("network: what was tried is kept");
        *stage = Stage::Settled(None);
        self.rung.notify_all();
        Ok(())
    }

    fn go_back(&self) -> Result<(), String> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Tried(..)) {
            return Err("nothing is being tried".into());
        }
        *stage = Stage::GoingBack(None);
        self.rung.notify_all();
        Ok(())
    }
}

/// Writes a file that only root reads, so that it is there as a whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The asking end: what this machine's keeper answers.
pub fn order(order: &Order) -> Result<String, String> {
    let stream = UnixStream::connect(SOCKET).map_err(|_| "this machine keeps its network itself".to_owned())?;
    let limited = stream.set_read_timeout(Some(limits::KEEPER)).and(stream.set_write_timeout(Some(limits::KEEPER)));
    limited.map_err(|e| e.to_string())?;
    let mut wire = Wire::new(stream, None)?;
    wire.send(order)?;
    let mut said = String::new();
    loop {
        match wire.answer()? {
            Answer::Line(line) => said = line,
            Answer::Done => return Ok(said),
            Answer::Error(why) => return Err(why),
        }
    }
}

/// How it is.
pub fn look() -> Result<Outlook, String> {
    serde_json::from_str(&order(&Order::Look)?).map_err(|e| e.to_string())
}

/// Which Wi-Fis there are, the strongest first.
pub fn scan() -> Result<Vec<Seen>, String> {
    serde_json::from_str(&order(&Order::Scan)?).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
