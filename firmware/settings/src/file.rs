//! The settings' file: one redb table with one value, versioned JSON, written by one durable commit per change.

use crate::{Config, SettingsError, limits};
use auth::password::Secret;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("settings");
const KEY: &str = "config";
/// Raised when an older program would misread what this one writes.
const VERSION: u32 = 1;

/// The open file; its lock keeps other processes out.
#[derive(Debug)]
pub(crate) struct File {
    database: Database,
}

/// What is read first, whatever the version.
#[derive(Deserialize)]
struct Stamp {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved<C> {
    version: u32,
    config: C,
}

impl File {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<(File, Config), SettingsError> {
        if !path.try_exists().map_err(|e| storage(path, e))? {
            create(path)?;
        }
        let file = File { database: open_database(path)? };
        let mut config = file.load().map_err(|e| named(path, e))?;
        config.check().map_err(|e| SettingsError::Inconsistent(format!("{}: {e}", path.display())))?;
        if config.secret.is_none() {
            config.secret = Some(Secret::generate());
            file.save(&config).map_err(|e| named(path, e))?;
        }
        Ok((file, config))
    }

    /// Saves durably.
    pub(crate) fn save(&self, config: &Config) -> Result<(), SettingsError> {
        let saved = serde_json::to_vec(&Saved { version: VERSION, config }).map_err(plain)?;
        if saved.len() > limits::SAVED {
            return Err(SettingsError::Storage("they are too large".into()));
        }
        let transaction = self.database.begin_write().map_err(plain)?;
        transaction.open_table(TABLE).map_err(plain)?.insert(KEY, &*saved).map_err(plain)?;
        transaction.commit().map_err(plain)
    }

    fn load(&self) -> Result<Config, SettingsError> {
        let transaction = self.database.begin_read().map_err(plain)?;
        let table = transaction.open_table(TABLE).map_err(plain)?;
        let saved = table.get(KEY).map_err(plain)?.ok_or_else(|| SettingsError::Storage("it is empty".into()))?;
        let stamp: Stamp = serde_json::from_slice(saved.value()).map_err(plain)?;
        if stamp.version != VERSION {
            let version = stamp.version;
            return Err(SettingsError::Version(format!(
                "it has version {version}, this program knows version {VERSION}"
            )));
        }
        let saved: Saved<Config> = serde_json::from_slice(saved.value()).map_err(plain)?;
        Ok(saved.config)
    }
}

/// Makes the file beside its place and moves it there: a power cut in between leaves either nothing or a whole file.
fn create(path: &Path) -> Result<(), SettingsError> {
    let draft = path.with_extension("redb.new");
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(storage(&draft, e)),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(|e| storage(&draft, e))?;
    let file = File { database: open_database(&draft)? };
    file.save(&Config::unclaimed()).map_err(|e| named(&draft, e))?;
    drop(file);
    fs::rename(&draft, path).map_err(|e| storage(path, e))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(|e| storage(folder, e))
}

fn open_database(path: &Path) -> Result<Database, SettingsError> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(|e| storage(path, e))?;
    let backend = FileBackend::new(file).map_err(|e| storage(path, e))?;
    let mut builder = Database::builder();
    // The file is small, so every page is checked: a damaged one gives an error here instead of nonsense later.
    builder.set_cache_size(limits::CACHE).set_check_integrity_on_open(true);
    builder.create_with_backend(backend).map_err(|e| match e {
        redb::DatabaseError::DatabaseAlreadyOpen => storage(path, "another process uses it"),
        redb::DatabaseError::UpgradeRequired(version) => {
            SettingsError::Version(format!("{}: file format {version}", path.display()))
        }
        e => storage(path, e),
    })
}

fn plain(e: impl std::fmt::Display) -> SettingsError {
    SettingsError::Storage(e.to_string())
}

fn storage(path: &Path, e: impl std::fmt::Display) -> SettingsError {
    SettingsError::Storage(format!("{}: {e}", path.display()))
}

/// Adds the file's name, which the commit path does not know.
fn named(path: &Path, e: SettingsError) -> SettingsError {
    match e {
        SettingsError::Version(what) => SettingsError::Version(format!("{}: {what}", path.display())),
        SettingsError::Storage(what) => storage(path, what),
        SettingsError::Inconsistent(what) => SettingsError::Inconsistent(format!("{}: {what}", path.display())),
    }
}

#[cfg(test)]
impl File {
    /// Writes any bytes where the settings are, as another version would.
    pub(crate) fn write_raw(path: &Path, value: &[u8]) {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TABLE).unwrap().insert(KEY, value).unwrap();
        transaction.commit().unwrap();
    }
}
