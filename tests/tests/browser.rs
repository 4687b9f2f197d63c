//! The setup pages in headless Chromium: from claim to first mail, `browser/setup.mjs` against the daemon; and those that only a
//! board has, `browser/board.mjs` against the preview.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use system_tests::clients::run;
use system_tests::daemon::{Daemon, preview};
use system_tests::here;

/// Seconds for packages that a new machine lacks.
const INSTALLING: u32 = 900;
/// Seconds for the run, on a machine that does much else.
const RUNNING: u32 = 300;

#[test]
fn an_owner_sets_the_box_up_and_the_first_mail_arrives() {
    let browser = here().join("browser");
    run(INSTALLING, &mut Command::new(browser.join("install.sh"))).well();

    let daemon = Daemon::start();
    let code = setup_code(&daemon.log());
    let pages = format!("https://localhost:{}/", daemon.offset() + 443);
    let screenshots = screenshots("screenshots");
    let mut setup = Command::new("node");
    setup.arg(browser.join("setup.mjs")).args([&pages, &code]).arg(&screenshots);
    let ran = run(RUNNING, &mut setup).well();

    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let strings = |key: &str| -> Vec<String> { serde_json::from_value(report[key].clone()).unwrap() };
    let photographs = std::fs::read_dir(&screenshots).unwrap().count();
    assert!(photographs == 4 * strings("pages").len() && photographs > 0, "{photographs} screenshots");
    let secrets = strings("secrets");
    assert_eq!(secrets.len(), 3, "the owner's password and a password for each of two devices");
    for line in daemon.log().iter().filter(|line| !line.contains("Setup code:")) {
        assert!(!line.contains(&code) && !secrets.iter().any(|s| line.contains(s)), "a secret in the log: {line}");
    }
}

#[test]
fn the_pages_of_a_board_work_by_keyboard() {
    let browser = here().join("browser");
    run(INSTALLING, &mut Command::new(browser.join("install.sh"))).well();
    let mut preview = Command::new(preview()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(preview.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut pages = Command::new("node");
    // The one name that the browser may ask.
    let url = said["url"].as_str().unwrap().replace("127.0.0.1", "localhost");
    pages.arg(browser.join("board.mjs")).args([&url, said["code"].as_str().unwrap()]);
    let ran = run(RUNNING, pages.arg(screenshots("screenshots-board")));
    preview.kill().unwrap();
    preview.wait().unwrap();
    ran.well();
}

fn setup_code(log: &[String]) -> String {
    let line = log.iter().find_map(|line| line.trim().strip_prefix("Setup code:"));
    line.unwrap_or_else(|| panic!("no setup code:\n{}", log.join("\n"))).trim().to_owned()
}

/// An empty directory for them, beside what cargo builds.
fn screenshots(name: &str) -> std::path::PathBuf {
    let exe = std::env::current_exe().unwrap();
    let target = exe.ancestors().find(|p| p.ends_with("debug") || p.ends_with("release")).and_then(Path::parent);
    let folder = target.expect("tests run in a cargo target").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
