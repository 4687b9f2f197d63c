//! The settings' life on disk and in the directory.

use super::*;
use auth::{Address, Domain};
use std::convert::Infallible;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn add(settings: &Settings, who: &str) {
    settings.update(|config| config.add_account(address(who), "Anna")).unwrap();
}

#[test]
fn a_new_file_has_a_code_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    let code = Settings::open(&path).unwrap().get().setup_code.clone().unwrap();
    let again = Settings::open(&path).unwrap();
    assert_eq!(again.get().setup_code.as_ref(), Some(&code));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_was_saved_is_read_again_and_the_directory_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    {
        let settings = Settings::open(&path).unwrap();
        add(&settings, "anna@home.internal");
        let directory = settings.directory();
        assert!(directory.resolve(&address("anna@home.internal")).is_some());
        assert!(directory.is_local(&Domain::parse("home.internal").unwrap()));
    }
    let settings = Settings::open(&path).unwrap();
    let directory = settings.directory();
    assert!(directory.resolve(&address("anna@home.internal")).is_some(), "in step from the start");
    settings.update(|c| c.remove_account(&address("anna@home.internal")).ok_or("gone")).unwrap();
    assert!(directory.resolve(&address("anna@home.internal")).is_none());
    assert!(!directory.is_local(&Domain::parse("home.internal").unwrap()));
}

#[test]
fn a_refused_change_changes_nothing() {
    let settings = Settings::in_memory();
    let before = settings.get();
    let refused = settings.update(|config| {
        config.setup_code = None;
        Err::<(), _>("no")
    });
    assert!(matches!(refused, Err(UpdateError::Refused("no"))));
    assert_eq!(*settings.get(), *before);
    let inconsistent = settings.update(|config| {
        config.add_account(address("anna@home.internal"), "").unwrap();
        config.next_account = 0;
        Ok::<_, Infallible>(())
    });
    assert!(matches!(inconsistent, Err(UpdateError::Storage(SettingsError::Inconsistent(_)))));
    assert_eq!(*settings.get(), *before);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    let settings = Settings::open(&path).unwrap();
    add(&settings, "anna@home.internal");
    let before = std::fs::read(&path).unwrap();
    settings.update(|_| Ok::<_, Infallible>(())).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    drop(Settings::open(&path).unwrap());
    File::write_raw(&path, br#"{"version":2,"config":{"anything":true}}"#);
    let error = Settings::open(&path).unwrap_err();
    assert!(matches!(error, SettingsError::Version(_)));
    assert!(error.to_string().contains("settings.redb") && error.to_string().contains("version 2"), "{error}");
    File::write_raw(&path, b"nonsense");
    assert!(matches!(Settings::open(&path).unwrap_err(), SettingsError::Storage(_)));
}

#[test]
fn a_file_in_use_or_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    let open = Settings::open(&path).unwrap();
    let error = Settings::open(&path).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(open);
    std::fs::write(&path, b"not a database at all, only text").unwrap();
    assert!(matches!(Settings::open(&path).unwrap_err(), SettingsError::Storage(_)));
    assert!(matches!(Settings::open(&folder.path().join("no/such/settings.redb")), Err(SettingsError::Storage(_))));
}

#[test]
fn a_torn_draft_of_the_first_start_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    std::fs::write(path.with_extension("redb.new"), vec![0u8; 8192]).unwrap();
    assert!(Settings::open(&path).unwrap().get().setup_code.is_some());
}

#[test]
fn two_changes_at_once_both_happen() {
    let settings = Arc::new(Settings::in_memory());
    std::thread::scope(|scope| {
        for who in ["anna", "ben", "cleo", "dan"] {
            let settings = settings.clone();
            scope.spawn(move || add(&settings, &format!("{who}@home.internal")));
        }
    });
    assert_eq!(settings.get().accounts.len(), 4);
}

#[test]
fn what_unknown_users_are_shown_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.redb");
    let ghost = |settings: Settings| settings.directory().scram_keys("ghost@home.internal");
    let first = ghost(Settings::open(&path).unwrap());
    assert_eq!(ghost(Settings::open(&path).unwrap()), first);
    // A file of before there was a secret gets one, and keeps it.
    let config = Config { secret: None, ..Config::unclaimed() };
    let saved = serde_json::json!({ "version": 1, "config": config });
    File::write_raw(&path, &serde_json::to_vec(&saved).unwrap());
    let second = ghost(Settings::open(&path).unwrap());
    assert_ne!(second, first);
    assert_eq!(ghost(Settings::open(&path).unwrap()), second);
}
