//! The network, as the keeper sees to it. What the owner changes is tried first: unless it is confirmed through the changed
//! network in time, the box goes back to what worked. Confirmed means written down: what is only tried lies in RAM, so a power cut ends it.
//!
//! The daemon asks over a socket of its own (an update on the other would keep it waiting). What is asked is checked here once
//! more; the work is done by the start script, from the file.

use crate::control::{Answer, Wire, read_line, reply};
use crate::keeper::Say;
use crate::limits;
use crate::supplicant;
use board::network::{Outlook, Seen, Trial};
use serde::{Deserialize, Serialize};
use settings::network::{Change, Network};
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

/// What the keeper does about the network.
struct Warden {
    kept: PathBuf,
    tried: PathBuf,
    /// So long a change waits for its owner, and the answer to who asked for it comes before the change.
    patience: Duration,
    pause: Duration,
    apply: Box<Apply>,
    stage: Mutex<Stage>,
    rung: Condvar,
    say: Say,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Settled {
        went_back: bool,
    },
    /// The answer is on its way; then the change is made.
    Begun(Network),
    Tried(Network, Instant),
    GoingBack {
        asked: bool,
    },
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
    let warden = Arc::new(Warden::new((kept, tried), (patience, limits::LAST_WORD), Box::new(apply), say));
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
        apply: Box<Apply>,
        say: Say,
    ) -> Warden {
        // A keeper that ended in the middle of a trial left it to us.
        let left = tried.exists();
        let stage = if left { Stage::GoingBack { asked: false } } else { Stage::Settled { went_back: false } };
        Warden { kept, tried, patience, pause, apply, stage: Mutex::new(stage), rung: Condvar::new(), say }
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
        let mut stage = self.stage();
        loop {
            stage = match stage.clone() {
                Stage::Settled { .. } => self.rung.wait(stage).unwrap_or_else(PoisonError::into_inner),
                Stage::Begun(network) => {
                    drop(stage);
                    // Whoever asked hears the answer before the network goes.
                    std::thread::sleep(self.pause);
                    (self.say)("network: trying what the owner chose");
                    self.make(&self.tried);
                    let mut stage = self.stage();
                    if matches!(*stage, Stage::Begun(_)) {
                        *stage = Stage::Tried(network, Instant::now() + self.patience);
                    }
                    stage
                }
                Stage::Tried(_, until) => match until.checked_duration_since(Instant::now()) {
                    None => {
                        *stage = Stage::GoingBack { asked: false };
                        stage
                    }
                    Some(left) => self.rung.wait_timeout(stage, left).unwrap_or_else(PoisonError::into_inner).0,
                },
                Stage::GoingBack { asked } => {
                    drop(stage);
                    if asked {
                        std::thread::sleep(self.pause);
                    }
                    (self.say)("network: going back to what worked");
                    self.make(&self.kept);
                    if let Err(e) = fs::remove_file(&self.tried) {
                        (self.say)(&format!("network: {}: {e}", self.tried.display()));
                    }
                    let mut stage = self.stage();
                    *stage = Stage::Settled { went_back: !asked };
                    stage
                }
            };
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
            Stage::Settled { .. } | Stage::GoingBack { .. } => None,
            Stage::Begun(network) => Some(Trial { network: network.without_secrets(), seconds: None }),
            Stage::Tried(network, until) => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                Some(Trial { network: network.without_secrets(), seconds: Some(left) })
            }
        };
        let went_back = matches!(stage, Stage::Settled { went_back: true } | Stage::GoingBack { asked: false });
        Outlook { kept: self.kept().without_secrets(), trial, went_back, radio: supplicant::radio() }
    }

    fn attempt(&self, change: Change) -> Result<(), String> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Settled { .. }) {
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
        write(&self.kept, &network.to_text()).map_err(|e| format!("{}: {e}", self.kept.display()))?;
        if let Err(e) = fs::remove_file(&self.tried) {
            (self.say)(&format!("network: {}: {e}", self.tried.display()));
        }
        (self.say)("network: what was tried is kept");
        *stage = Stage::Settled { went_back: false };
        self.rung.notify_all();
        Ok(())
    }

    fn go_back(&self) -> Result<(), String> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Tried(..)) {
            return Err("nothing is being tried".into());
        }
        *stage = Stage::GoingBack { asked: true };
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
