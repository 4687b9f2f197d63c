//! Mounts of our own: they and what lies on them end with this process and those it starts, whatever happens.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set for the process that has mounts of its own.
const PRIVATE: &str = "ROOST_OWN_MOUNTS";

/// Starts this program again with mounts of its own, if that is allowed; returns in the program that has them.
pub fn enter() {
    if !rustix::process::geteuid().is_root() || entered() {
        return;
    }
    if run("unshare", &["--mount", "true"]).is_ok() {
        let exe = std::env::current_exe().expect("a process knows its file");
        let error = Command::new("unshare")
            .args(["--mount", "--"])
            .arg(exe)
            .args(std::env::args_os().skip(1))
            .env(PRIVATE, "1")
            .exec();
        eprintln!("unshare: {error}");
    }
}

/// Whether mounts are our own.
pub fn entered() -> bool {
    std::env::var_os(PRIVATE).is_some()
}

/// Runs a program to its end, also one that only root has in its path; answers what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output =
        Command::new(program).args(arguments).env("PATH", path).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
