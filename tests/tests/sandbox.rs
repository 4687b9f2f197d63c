//! The running daemon holds no privilege and is confined, in every one of its threads. That it can do its work all the same is what
//! all other tests show, and what it cannot do is tested where it is confined (`firmware/src/sandbox.rs`).

use std::path::Path;
use system_tests::Protocol;
use system_tests::daemon::Daemon;

/// Bit of the one capability that a daemon may keep: CAP_NET_BIND_SERVICE.
const LOW_PORTS: u64 = 1 << 10;

/// A field of a `status` file of /proc.
fn field(status: &str, name: &str) -> String {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name} in\n{status}")).trim().to_owned()
}

#[test]
fn every_thread_of_the_daemon_is_confined() {
    let daemon = Daemon::start();
    // Its store, its TLS, its pages have run by now.
    daemon.add_account("confined");
    daemon.dial(Protocol::Imaps).skip_to("* OK").unwrap();
    let threads = Path::new("/proc").join(daemon.pid().to_string()).join("task");
    let mut seen = 0;
    for thread in std::fs::read_dir(threads).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let name = field(&status, "Name");
        assert_eq!(field(&status, "NoNewPrivs"), "1", "{name}");
        assert_eq!(field(&status, "Seccomp"), "2", "{name}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let held = u64::from_str_radix(&field(&status, set), 16).unwrap();
            assert_eq!(held & !LOW_PORTS, 0, "{name}: {set}");
        }
        seen += 1;
    }
    assert!(seen >= 3, "{seen} threads");
    let said: Vec<_> = daemon.log().into_iter().filter(|line| line.contains("sandbox: ")).collect();
    assert!(matches!(said.as_slice(), [line] if line.contains("kept to its files")), "{said:?}");
}
