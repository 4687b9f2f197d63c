//! Every shell script of the project passes shellcheck, and those of the board are ones that BusyBox' shell can read.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The scripts under version control whose first line names an interpreter, with that line.
fn scripts() -> Vec<(PathBuf, String)> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = git.output().expect("git lists the files");
    let names = String::from_utf8(listed.stdout).expect("file names are text");
    let first_line = |name: &str| {
        let path = root().join(name);
        let bytes =
            path.symlink_metadata().ok().filter(|found| found.is_file()).and_then(|_| std::fs::read(&path).ok())?;
        let line = String::from_utf8_lossy(bytes.split(|&byte| byte == b'\n').next()?).into_owned();
        (line.starts_with("#!") && line.ends_with("sh")).then_some((path, line))
    };
    names.split('\0').filter(|name| !name.is_empty()).filter_map(first_line).collect()
}

/// Whether a tool is there; where tests must not be skipped (CI, `make test`) it has to be.
fn have(tool: &str) -> bool {
    let found = Command::new(tool).arg("--help").output().is_ok();
    let required = ["CI", "ROOST_TEST_ALL"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(found || !required, "{tool} is missing: qemu/packages.sh shellcheck busybox");
    if !found {
        // Past the test runner's capture, so that somebody sees it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {tool} is missing: qemu/packages.sh shellcheck busybox");
    }
    found
}

fn assert_passes(mut command: Command, path: &Path) {
    let output = command.arg(path).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{said}", path.display());
}

#[test]
fn shellcheck_finds_nothing() {
    let scripts = scripts();
    assert!(scripts.len() >= 10, "only {} scripts found", scripts.len());
    if !have("shellcheck") {
        return;
    }
    for (path, interpreter) in &scripts {
        let mut command = Command::new("shellcheck");
        // BusyBox' shell is ash, whose nearest relative that shellcheck knows is dash.
        command.args(if interpreter == "#!/bin/sh" { ["-s", "dash"] } else { ["-s", "bash"] });
        assert_passes(command, path);
    }
}

#[test]
fn busybox_can_read_the_scripts_of_the_board() {
    let board: Vec<_> = scripts().into_iter().filter(|(_, interpreter)| interpreter == "#!/bin/sh").collect();
    assert!(board.len() >= 8, "only {} scripts found", board.len());
    if !have("busybox") {
        return;
    }
    for (path, _) in &board {
        let mut command = Command::new("busybox");
        command.args(["sh", "-n"]);
        assert_passes(command, path);
    }
}

#[test]
fn scripts_are_executable() {
    use std::os::unix::fs::PermissionsExt;
    for (path, _) in scripts() {
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}", path.display());
    }
}
