//! What `roost-bundle sign` signs is verified by a program that is not ours.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

fn bundle(dir: &Path, arguments: &[&str]) -> bool {
    Command::new(env!("CARGO_BIN_EXE_roost-bundle")).current_dir(dir).args(arguments).output().unwrap().status.success()
}

fn verified(dir: &Path) -> bool {
    let words =
        "pkeyutl -verify -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig -pubin -keyform DER -inkey SHA256SUMS.der";
    Command::new("openssl").current_dir(dir).args(words.split(' ')).output().unwrap().status.success()
}

#[test]
fn openssl_verifies_a_signature_and_sees_a_changed_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sums = dir.join("SHA256SUMS");
    std::fs::write(&sums, "0123  roost-rpi.img.xz\n").unwrap();
    assert!(bundle(dir, &["key", "update.key"]));
    assert!(bundle(dir, &["sign", "--key", "update.key", "SHA256SUMS"]));
    assert!(verified(dir));
    std::fs::write(&sums, "4567  roost-rpi.img.xz\n").unwrap();
    assert!(!verified(dir));
    assert!(!bundle(dir, &["sign", "SHA256SUMS"]), "without a key");
    std::fs::File::create(&sums).unwrap().set_len(2 << 20).unwrap();
    assert!(!bundle(dir, &["sign", "--key", "update.key", "SHA256SUMS"]), "an image, not its sum");
}
