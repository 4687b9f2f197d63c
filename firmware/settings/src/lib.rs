//! What the owner can configure, as types: loaded, checked and saved atomically (one redb file, one durable commit per change).

mod config;
mod file;
mod host;
pub mod limits;
mod name;
pub mod network;
mod setup_code;

pub use config::{AccountError, Config};
pub use host::{Host, HostError};
pub use name::{Name, NameError};
pub use setup_code::SetupCode;

use auth::password::Secret;
use file::File;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The settings of one box. Holds the accounts' [`auth::Directory`] in step with what is saved.
#[derive(Debug)]
pub struct Settings {
    /// Locked for the whole of a change, so that two changes cannot start from the same copy. `None`: in memory only.
    file: Mutex<Option<File>>,
    current: RwLock<Arc<Config>>,
    directory: Arc<auth::Directory>,
}

/// Why settings cannot be read or saved.
#[derive(Debug)]
pub enum SettingsError {
    /// Written by a version this one does not know.
    Version(String),
    /// The file cannot be read or written.
    Storage(String),
    /// They contradict themselves.
    Inconsistent(String),
}

/// Why a change was not made; nothing was saved.
#[derive(Debug)]
pub enum UpdateError<E> {
    /// The change itself was refused.
    Refused(E),
    /// It could not be saved.
    Storage(SettingsError),
}

impl Settings {
    /// Opens or makes `settings.redb` at this path; a new one has a fresh setup code and nothing else.
    pub fn open(path: &Path) -> Result<Settings, SettingsError> {
        let (file, config) = File::open(path)?;
        Ok(Settings::new(Some(file), config))
    }

    /// Settings that live in memory: for a box that cannot open its own, and for tests.
    pub fn in_memory() -> Settings {
        Settings::new(None, Config::unclaimed())
    }

    fn new(file: Option<File>, config: Config) -> Settings {
        let secret = config.secret.clone().unwrap_or_else(Secret::generate);
        let settings = Settings {
            file: Mutex::new(file),
            current: RwLock::new(Arc::new(config)),
            directory: Arc::new(auth::Directory::with_secret(secret)),
        };
        settings.tell_directory(&settings.get());
        settings
    }

    /// The settings as they are now.
    pub fn get(&self) -> Arc<Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the settings: `change` works on a copy, which is checked and saved durably before anybody sees it.
    /// A change that changes nothing writes nothing.
    pub fn update<T, E>(&self, change: impl FnOnce(&mut Config) -> Result<T, E>) -> Result<T, UpdateError<E>> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.get();
        let mut config = Config::clone(&old);
        let answer = change(&mut config).map_err(UpdateError::Refused)?;
        if config == *old {
            return Ok(answer);
        }
        config.check().map_err(|e| UpdateError::Storage(SettingsError::Inconsistent(e)))?;
        if let Some(file) = &*file {
            file.save(&config).map_err(UpdateError::Storage)?;
        }
        let config = Arc::new(config);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        self.tell_directory(&config);
        Ok(answer)
    }

    /// The accounts for the protocols, kept in step.
    pub fn directory(&self) -> Arc<auth::Directory> {
        self.directory.clone()
    }

    fn tell_directory(&self, config: &Config) {
        self.directory.replace(config.accounts.clone(), config.domains());
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Version(what) => write!(f, "the settings are of another version: {what}"),
            SettingsError::Storage(what) => write!(f, "the settings cannot be read or saved: {what}"),
            SettingsError::Inconsistent(what) => write!(f, "the settings contradict themselves: {what}"),
        }
    }
}
impl std::error::Error for SettingsError {}

impl<E: fmt::Display> fmt::Display for UpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateError::Refused(e) => e.fmt(f),
            UpdateError::Storage(e) => e.fmt(f),
        }
    }
}
impl<E: fmt::Debug + fmt::Display> std::error::Error for UpdateError<E> {}

#[cfg(test)]
mod tests;
