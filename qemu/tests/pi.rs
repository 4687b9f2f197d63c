//! The image for Raspberry Pis in QEMU's Pi 3: loader, kernel and root are the card's own. Needs `make image BOARD=rpi`, which is long:
//! `make test-pi`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use qemu::{Board, Disk, Image, Machine, Options};
use std::time::Duration;

/// QEMU's Pi takes a minute.
const PATIENCE: Duration = Duration::from_secs(600);
const GIB: u64 = 1 << 30;

fn boot(image: &Image, disk: &Disk) -> Board {
    let options = Options { machine: Machine::Pi3, ..Options::default() };
    let board = Board::boot(image, disk, &options).expect("the board starts");
    board.wait_for_console("roost: slot A", PATIENCE).expect("the loader takes the first slot");
    board
}

#[test]
fn a_card_starts_and_starts_again_after_a_power_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = Image::pi().expect("make image BOARD=rpi");
    let disk = Disk::create(&image, folder.path().join("card.img"), GIB).expect("a card");
    let shipped = disk.data_partition().expect("it has one");
    let board = boot(&image, &disk);
    for (port, service) in [(143, "* OK"), (110, "+OK"), (25, "220 "), (587, "220 ")] {
        board.wait_for_greeting(port, service, PATIENCE).expect("it serves");
    }
    assert!(disk.data_partition().expect("it has one").size > shipped.size, "the data partition has the whole card");
    assert!(
        board.block_stats().is_err(),
        "QEMU counts what a card is asked for by now, and Machine::Pi3 says it does not"
    );
    board.cut_power();

    let board = boot(&image, &disk);
    board.wait_for_greeting(143, "* OK", PATIENCE).expect("it serves again");
}
