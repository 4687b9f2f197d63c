//! SIGTERM ends the daemon cleanly, whenever it comes.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use system_tests::daemon::{binary, free_offset};

/// The race between the announcement and the signal was lost about once in twenty starts.
const STARTS: usize = 12;

#[test]
fn a_signal_that_comes_the_moment_it_is_ready_stops_it_cleanly() {
    let data = tempfile::tempdir().unwrap();
    let offset = free_offset().to_string();
    for start in 0..STARTS {
        // `timeout` hands the signal on, and ends a daemon that has not heard it.
        let mut daemon = Command::new("timeout")
            .arg("30")
            .arg(binary())
            .args(["serve", "--listen", "127.0.0.1", "--port-offset", &offset, "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(" is ready")), "start {start}: it is not ready");
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        let status = daemon.wait().unwrap();
        assert!(status.success(), "start {start}: {status}");
    }
}
