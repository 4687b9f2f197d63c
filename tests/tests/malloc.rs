//! What the daemon tells the C library's malloc, and that it is the same process afterwards.
#![cfg(target_env = "gnu")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use system_tests::daemon::{Daemon, binary, free_offset};

/// A process' environment. glibc puts an octet 0 between the tunables while it reads them.
fn environment(pid: i32) -> String {
    String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap()
}

#[test]
fn a_daemon_gives_memory_back() {
    // The process that the daemon's parent started is the one that became ready.
    let daemon = Daemon::start();
    let told = environment(daemon.pid());
    assert!(told.contains("GLIBC_TUNABLES=glibc.malloc.mmap_threshold=65536"), "{told}");
    assert!(told.contains("glibc.malloc.arena_max=1"), "{told}");
    let name = std::fs::read_to_string(format!("/proc/{}/comm", daemon.pid())).unwrap();
    assert_eq!(name.trim(), "roost");
}

#[test]
fn what_somebody_else_told_malloc_stays() {
    let (data, own) = (tempfile::tempdir().unwrap(), "glibc.malloc.arena_max=3");
    let mut daemon = Command::new(binary())
        .args(["serve", "--listen", "127.0.0.1", "--port-offset", &free_offset().to_string(), "--data"])
        .arg(data.path())
        .env("GLIBC_TUNABLES", own)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.any(|line| line.contains(" is ready"));
    let told = environment(i32::try_from(daemon.id()).unwrap());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(ready);
    assert!(told.contains(own) && !told.contains("mmap_threshold"), "{told}");
}
