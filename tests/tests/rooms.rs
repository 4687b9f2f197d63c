//! Which crate may use which: the table of the design, held against the manifests. A new arrow is a visible decision.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folder, crate, and the rooms it may use. `*` is all.
const ROOMS: &[(&str, &str, &[&str])] = &[
    ("firmware", "roost", &["*"]),
    ("firmware/message", "message", &[]),
    ("firmware/auth", "auth", &[]),
    ("firmware/conversation", "conversation", &["auth"]),
    ("firmware/store", "store", &["message"]),
    ("firmware/imap", "imap", &["conversation", "store", "message", "auth"]),
    ("firmware/pop3", "pop3", &["conversation", "store", "message", "auth"]),
    ("firmware/smtp", "smtp", &["conversation", "store", "message", "auth"]),
    ("firmware/settings", "settings", &["auth"]),
    ("web-ui", "web-ui", &["settings", "board", "auth"]),
    ("board", "board", &["settings"]),
    ("qemu", "qemu", &[]),
    ("tests", "system-tests", &["*"]),
];

/// Names that say nothing about what belongs inside.
const FORBIDDEN_NAMES: &[&str] = &["common", "util", "utils", "types", "core"];

#[test]
fn every_arrow_is_in_the_table() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().map(|(_, name, may)| (*name, *may)).collect();
    let mut faults = Vec::new();
    for (folder, name, may) in ROOMS {
        let manifest = Manifest::read(&workspace().join(folder).join("Cargo.toml"));
        assert_eq!(&manifest.name, name, "{folder}/Cargo.toml names another crate");
        for (section, used) in &manifest.dependencies {
            let allowed = !rooms.contains_key(used.as_str()) || may.contains(&"*") || may.contains(&used.as_str());
            if !allowed {
                faults.push(format!("{folder}/Cargo.toml [{section}]: `{name}` may not use `{used}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_member_is_in_the_table() {
    let text = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let list = text.split_once("\nmembers = [").unwrap().1.split_once(']').unwrap().0;
    let members: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let table: BTreeSet<&str> = ROOMS.iter().map(|(folder, ..)| *folder).collect();
    assert_eq!(members, table);
}

#[test]
fn names_say_what_is_inside() {
    for (folder, name, _) in ROOMS {
        let last = folder.rsplit('/').next().unwrap();
        assert!(!FORBIDDEN_NAMES.contains(&last) && !FORBIDDEN_NAMES.contains(name), "{folder}: choose a telling name");
    }
}

#[test]
fn rooms_inherit_the_workspace_lints() {
    for (folder, name, _) in ROOMS.iter().filter(|(_, name, _)| *name != "system-tests") {
        let text = std::fs::read_to_string(workspace().join(folder).join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{name} does not inherit the workspace's lints");
    }
}

#[test]
fn protocol_crates_ban_clocks_sockets_and_threads() {
    for room in ["message", "conversation", "auth", "imap", "pop3", "smtp"] {
        let path = workspace().join("firmware").join(room).join("clippy.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for banned in ["std::time::SystemTime::now", "std::time::Instant::now", "std::thread::spawn"] {
            assert!(text.contains(banned), "{} does not ban {banned}", path.display());
        }
        assert!(text.contains("std::net::TcpStream"), "{} does not ban sockets", path.display());
    }
}

#[test]
fn every_external_crate_says_what_it_is_for() {
    let text = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let section = text.split_once("[workspace.dependencies]").unwrap().1.split_once("\n[").unwrap().0;
    for line in section.lines().filter(|l| l.contains('=') && !l.contains("path = ")) {
        assert!(line.contains("# "), "no reason beside it: {line}");
    }
}

struct Manifest {
    name: String,
    /// Section and crate.
    dependencies: Vec<(String, String)>,
}

impl Manifest {
    /// Reads what this test needs of a manifest: section headers and `key = value` lines.
    fn read(path: &Path) -> Manifest {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut section = String::new();
        let mut manifest = Manifest { name: String::new(), dependencies: Vec::new() };
        for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
                if let Some((table, name)) = section.split_once("dependencies.") {
                    manifest.dependencies.push((format!("{table}dependencies"), name.to_owned()));
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let key = key.trim();
                if section == "package" && key == "name" {
                    manifest.name = value.trim().trim_matches('"').to_owned();
                } else if section.ends_with("dependencies") {
                    let name = key.split('.').next().unwrap_or(key);
                    manifest.dependencies.push((section.clone(), name.to_owned()));
                }
            }
        }
        manifest
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
