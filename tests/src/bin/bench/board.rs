//! The board: how large the binary is, how long a start takes in QEMU.

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
        report.row(SECTION, format!("power-on to the IMAP greeting, {start}"), "s").add(true, seconds);
        board.power_off().map_err(|e| e.to_string())?;
    }
    Ok(())
}
