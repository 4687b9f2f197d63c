//! The servers that are measured, behind one face: our daemon, and its peer.

use crate::flash::Flash;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};
use system_tests::daemon::{Daemon, roost};
use system_tests::play::Line as _;
use system_tests::wire::{Reach, Wire};
use system_tests::{DOMAIN, Protocol};

/// A running server with accounts `desk0`, `desk1` and so on.
pub trait Server {
    /// Whether it is ours.
    fn is_roost(&self) -> bool;
    /// How to reach it.
    fn reach(&self) -> &Reach;
    /// All its processes.
    fn processes(&self) -> Vec<i32>;
    /// The password of an account.
    fn password(&self, account: usize) -> &str;
    /// What it counted itself since the start, if it tells.
    fn counted(&self) -> Option<Counted>;
    /// Stops it in good order and waits for its end.
    fn stop(self: Box<Self>);
    /// Stops it in good order and starts it again, with nothing of its disk in memory.
    fn restart(self: Box<Self>, flash: &mut Flash) -> Result<Box<dyn Server>, String>;
}

/// What a server counts.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// Octets written.
    pub bytes: u64,
    /// Flushes of its log.
    pub syncs: u64,
}

/// The address of an account.
pub fn address(account: usize) -> String {
    format!("desk{account}@{DOMAIN}")
}

/// Logs in, from this address of the loopback network.
pub fn log_in(server: &dyn Server, account: usize, from: Ipv4Addr) -> Result<Wire, String> {
    let mut wire = server.reach().connect(Protocol::Imaps, from)?;
    wire.skip_to("* OK")?;
    ask(&mut wire, &format!("LOGIN {} {}", address(account), server.password(account)))?;
    Ok(wire)
}

/// Gives a command and waits for its end; answers the octets that came.
pub fn ask(wire: &mut Wire, command: &str) -> Result<u64, String> {
    // No line of our mail begins with this tag.
    wire.send(format!("bench {command}\r\n").as_bytes())?;
    let (octets, last) = wire.count_to("bench ")?;
    if last.starts_with("bench OK") { Ok(octets) } else { Err(format!("{command}: {last}")) }
}

/// Our daemon.
#[derive(Debug)]
pub struct Roost {
    daemon: Daemon,
    passwords: Vec<String>,
}

impl Roost {
    /// Starts it on fresh data with so many accounts.
    pub fn start(data: &Path, accounts: usize) -> Roost {
        let daemon = Daemon::start_in(data);
        let passwords = (0..accounts).map(|n| {
            daemon.add_account(&format!("desk{n}"));
            app_password(data, &address(n))
        });
        let passwords = passwords.collect();
        Roost { daemon, passwords }
    }

    /// Stops it in good order and starts it again, with nothing of its disk in memory; answers how long the start took.
    pub fn start_cold(&mut self, flash: &mut Flash) -> Result<Duration, String> {
        self.daemon.stop();
        flash.cool()?;
        let began = Instant::now();
        self.daemon.start_again();
        Ok(began.elapsed())
    }

    /// Kills it and starts it again; answers how long the start took.
    pub fn crash(&mut self) -> Duration {
        self.daemon.kill();
        let began = Instant::now();
        self.daemon.start_again();
        began.elapsed()
    }

    /// One of the store's counters.
    pub fn counter(&self, name: &str) -> u64 {
        let data = self.daemon.data().to_str().expect("a path in UTF-8");
        let output = roost(&["stats", "--json", "--data", data], "");
        let stats: Value = serde_json::from_slice(&output.stdout).expect("stats are JSON");
        stats[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {stats}"))
    }
}

/// Starts a daemon on fresh data and stops it; answers how long the start took.
pub fn first_start(data: &Path) -> Duration {
    let began = Instant::now();
    let daemon = Daemon::start_in(data);
    let took = began.elapsed();
    drop(daemon);
    took
}

fn app_password(data: &Path, address: &str) -> String {
    let output =
        roost(&["app-password", "add", address, "bench", "--data", data.to_str().expect("a path in UTF-8")], "");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "app-password add: {}", String::from_utf8_lossy(&output.stderr));
    text.trim().to_owned()
}

impl Server for Roost {
    fn is_roost(&self) -> bool {
        true
    }
    fn reach(&self) -> &Reach {
        self.daemon.reach()
    }
    fn processes(&self) -> Vec<i32> {
        vec![self.daemon.pid()]
    }
    fn password(&self, account: usize) -> &str {
        &self.passwords[account]
    }
    fn counted(&self) -> Option<Counted> {
        let bytes = self.counter("log_bytes") + self.counter("catalogue_bytes");
        Some(Counted { bytes, syncs: self.counter("log_syncs") })
    }
    fn stop(mut self: Box<Self>) {
        self.daemon.stop();
    }
    fn restart(mut self: Box<Self>, flash: &mut Flash) -> Result<Box<dyn Server>, String> {
        self.start_cold(flash)?;
        Ok(self)
    }
}
