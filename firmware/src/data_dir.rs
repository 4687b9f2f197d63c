//! The data directory: what lies where, and opening it for one process.

use crate::clock::Clock;
use crate::limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parts that live in the data directory, opened.
#[derive(Debug, Clone)]
pub struct House {
    /// The mail.
    pub store: store::Store,
    /// What the owner configured.
    pub settings: Arc<settings::Settings>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Octets that the maker of its card promises can be written to it, if the daemon was told.
    pub endurance: Option<u64>,
}

/// Where things lie.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// Why the data cannot be opened.
#[derive(Debug)]
pub enum Unopened {
    /// Another process has it: that passes.
    InUse(String),
    /// It is not as this program left it.
    Damaged(String),
}

impl From<String> for Unopened {
    fn from(why: String) -> Unopened {
        Unopened::Damaged(why)
    }
}

impl From<Unopened> for String {
    fn from(unopened: Unopened) -> String {
        let (Unopened::InUse(why) | Unopened::Damaged(why)) = unopened;
        why
    }
}

impl DataDir {
    /// A data directory at this path.
    pub fn new(path: &Path) -> DataDir {
        DataDir(path.to_path_buf())
    }
    /// The socket that the command line talks to.
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
    /// The socket between the HTTPS front and the pages.
    pub fn web_socket(&self) -> PathBuf {
        self.0.join("web.sock")
    }
    /// The authority's certificate and the keys.
    pub fn certificates(&self) -> PathBuf {
        self.0.join("certificates")
    }

    /// The last known time.
    pub fn clock(&self) -> PathBuf {
        self.0.join("clock")
    }

    /// Before a panic of the catalogue's code ends the program, it is noted for the next start.
    pub fn note_panics(&self) {
        let (dir, before) = (self.0.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(place) = panic.location() {
                store::note_panic(&dir, place.file());
            }
            before(panic);
        }));
    }

    /// Opens store, settings and clock. Errors name what is at fault: in use, another version, the disk.
    pub fn open(&self) -> Result<House, Unopened> {
        make_private_dir(&self.0)?;
        let options = store::Options {
            max_message: limits::MESSAGE + smtp::limits::ADDED,
            reserve: limits::RESERVE,
            ..Default::default()
        };
        let store = store::Store::open(&self.0, options).map_err(|e| match e {
            store::OpenError::InUse(_) => Unopened::InUse(e.to_string()),
            e => Unopened::Damaged(e.to_string()),
        })?;
        let file = self.0.join("settings.redb");
        let settings = settings::Settings::open(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(House { store, settings: Arc::new(settings), clock: Arc::new(Clock::open(&self.clock())), endurance: None })
    }
}

impl House {
    /// Makes an account's mailboxes.
    pub fn ensure_mailboxes(&self, account: auth::AccountId) -> Result<(), String> {
        self.store.ensure_account(store::AccountId(account.0), self.clock.unix()).map_err(|e| e.to_string())
    }
    /// Writes everything down and ends the writer.
    pub fn close(&self) {
        if let Err(e) = self.store.close() {
            tracing::error!("the store did not close cleanly: {e}");
        }
        if let Err(e) = self.clock.save() {
            tracing::warn!("the time could not be written down: {e}");
        }
    }
}

/// Makes a directory that only its owner may enter.
pub fn make_private_dir(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| format!("{}: {e}", path.display()))
}
