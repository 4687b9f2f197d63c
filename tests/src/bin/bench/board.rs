//! The board: how large the binary is, how long a start takes in QEMU, what is in use before the daemon.

use crate::report::Report;
use qemu::{Board, Disk, Image, Options};
use std::path::PathBuf;
use std::time::Duration;
use system_tests::here;

const SECTION: &str = "The board (aarch64, emulated by QEMU: Cortex-A53, 512 MB)";
const PATIENCE: Duration = Duration::from_secs(120);
const DISK: u64 = 1 << 30;

/// Measures what has been built.
pub fn run(report: &mut Report) {
    match binary() {
        Some(size) => {
            report.row(SECTION, "size of the stripped binary", "MB").add(true, size as f64 / 1e6).aim("≤ 8");
        }
        None => report.remark("The size of the aarch64 binary is not known: make cross first."),
    }
    if let Err(why) = starts(report) {
        report.remark(format!("The board was not started, make board-image first: {why}"));
    }
}

/// Where `qemu/cross.sh` leaves it; the newer one, if there are two.
fn binary() -> Option<u64> {
    let cross = std::env::var_os("ROOST_CROSS_TARGET").map_or_else(|| here().join("../target/cross"), PathBuf::from);
    let built =
        ["rustup", "debian"].map(|toolchain| cross.join(toolchain).join("aarch64-unknown-linux-musl/release/roost"));
    let newest = built.iter().filter_map(|path| path.metadata().ok()).max_by_key(|m| m.modified().ok());
    newest.map(|m| m.len())
}

fn starts(report: &mut Report) -> Result<(), String> {
    let image = Image::developer().map_err(|e| e.to_string())?;
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let disk = Disk::create(&image, directory.path().join("disk.img"), DISK).map_err(|e| e.to_string())?;
    for start in ["first start", "second start", "second start"] {
        let board = Board::boot(&image, &disk, &Options::default()).map_err(|e| e.to_string())?;
        board.wait_for_greeting(143, "* OK", PATIENCE).map_err(|e| e.to_string())?;
        let seconds = board.uptime().as_secs_f64();
        report.row(SECTION, format!("power-on to the IMAP greeting, {start}"), "s").add(true, seconds).aim("≤ 15");
        if start == "first start" {
            let memory = memory_before_the_daemon(&board)?;
            // QEMU's old virtio-mmio gives each queue of the tests' console 1,024 pages. A board for people has none: 16 MB.
            report
                .row(SECTION, "memory in use before the daemon, 11 MB for the tests' console", "MB")
                .add(true, memory);
        }
        board.power_off().map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// What kernel, init and the keepers' shells hold, in MB: the daemon and its keeper are replaced by a program that sleeps.
fn memory_before_the_daemon(board: &Board) -> Result<f64, String> {
    // What `free` calls used: not what the kernel gives back when it is asked to, but what lies in tmpfs.
    const MEASURE: &str = r#"
        printf '#!/bin/sh\nexec sleep 9999\n' >/tmp/idle && chmod 755 /tmp/idle && mount --bind /tmp/idle /usr/bin/roost
        killall roost; sleep 3; sync; echo 3 >/proc/sys/vm/drop_caches
        awk '{ has[$1] = $2 } END { print has["MemTotal:"] - has["MemFree:"] - has["Buffers:"] - has["Cached:"] \
            - has["SReclaimable:"] + has["Shmem:"] }' /proc/meminfo"#;
    let output = board.run(MEASURE).map_err(|e| e.to_string())?;
    let said = output.success().map_err(|e| e.to_string())?;
    let kib: f64 = said.trim().parse().map_err(|_| format!("memory in use: {said:?}"))?;
    Ok(kib * 1024.0 / 1e6)
}
