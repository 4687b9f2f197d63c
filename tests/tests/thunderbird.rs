//! Thunderbird against the daemon, as the page of devices says to set it up.

use std::process::Command;
use system_tests::clients::{python, run};
use system_tests::daemon::{Daemon, roost};
use system_tests::lmtp::Sender;
use system_tests::{Protocol, here};

#[test]
fn thunderbird_reads_writes_and_files_mail() {
    run(900, Command::new(here().join("../qemu/packages.sh")).arg("thunderbird")).well();
    let daemon = Daemon::start();
    let anna = daemon.add_account("anna");
    let data = daemon.data().to_str().unwrap();
    let made = roost(&["app-password", "add", &anna, "Laptop", "--data", data], "");
    let password = String::from_utf8(made.stdout).unwrap();
    let mail = b"From: Ben <ben@elsewhere.example>\r\nSubject: Welcome\r\nMessage-ID: <1@elsewhere.example>\r\n\r\nGood morning.\r\n";
    Sender::new(daemon.dial(Protocol::Lmtp)).unwrap().deliver_one(&anna, mail).unwrap();

    let ran = run(300, &mut python("thunderbird.py", daemon.reach(), &anna, password.trim())).well();
    println!("{}", ran.said);
    let log = daemon.log().join("\n");
    for said in ["imap: logged in", "submission: logged in"] {
        assert!(log.contains(said), "{said}:\n{log}");
    }
}
