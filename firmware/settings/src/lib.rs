//! What the owner can configure, as types: loaded, checked and saved atomically (one redb file, one durable commit per change).

mod config;

pub use config::{AccountError, Config, SetupCode};

use std::path::Path;
use std::sync::Arc;

/// The settings of one box. Holds the accounts' [`auth::Directory`] in step with what is saved.
#[derive(Debug)]
pub struct Settings {}

/// Why settings cannot be read or saved.
#[derive(Debug)]
pub enum SettingsError {
    /// Written by a version this one does not know.
    Version(String),
    /// The file cannot be read or written.
    Storage(String),
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
    pub fn open(_path: &Path) -> Result<Settings, SettingsError> {
        todo!()
    }
    /// Settings that live in memory, for tests.
    pub fn in_memory() -> Settings {
        todo!()
    }
    /// The settings as they are now.
    pub fn get(&self) -> Arc<Config> {
        todo!()
    }
    /// Changes the settings: `change` works on a copy, which is checked and saved durably before anybody sees it.
    pub fn update<T, E>(&self, _change: impl FnOnce(&mut Config) -> Result<T, E>) -> Result<T, UpdateError<E>> {
        todo!()
    }
    /// The accounts for the protocols, kept in step.
    pub fn directory(&self) -> Arc<auth::Directory> {
        todo!()
    }
}
