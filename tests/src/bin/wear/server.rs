//! The servers that are measured, behind one face: our daemon and Dovecot, with accounts `desk0` and `desk1`.

use crate::device::Device;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use system_tests::daemon::{Daemon, roost};
use system_tests::dovecot::{self, Dovecot, Layout, Running};
use system_tests::lmtp::Sender;
use system_tests::play::Line as _;
use system_tests::wire::{Reach, Wire};
use system_tests::{DOMAIN, Protocol};

/// The answer to a command on ten thousand mails may take so long.
const PATIENCE: Duration = Duration::from_secs(900);
const ACCOUNTS: usize = 2;

/// What is measured.
#[derive(Debug, Clone)]
pub enum Subject {
    /// Our daemon.
    Roost,
    /// The peer, keeping mail in this way.
    Dovecot(Dovecot, Layout),
}

/// One that has data on a device, running or not.
#[derive(Debug)]
pub struct Server {
    subject: Subject,
    /// On the device.
    data: PathBuf,
    /// Elsewhere: what it needs to run.
    home: PathBuf,
    daemon: Option<Daemon>,
    dovecot: Option<Running>,
    reach: Option<Reach>,
    passwords: Vec<String>,
}

/// The address of an account.
pub fn address(account: usize) -> String {
    format!("desk{account}@{DOMAIN}")
}

impl Server {
    /// Starts it on fresh data and makes its accounts.
    pub fn new(subject: &Subject, device: &Device, home: &Path) -> Result<Server, String> {
        let mut server = Server {
            subject: subject.clone(),
            data: device.directory().join("data"),
            home: home.join("server"),
            daemon: None,
            dovecot: None,
            reach: None,
            passwords: Vec::new(),
        };
        match subject {
            Subject::Roost => {
                let daemon = Daemon::start_in(&server.data);
                for account in 0..ACCOUNTS {
                    daemon.add_account(&format!("desk{account}"));
                    server.passwords.push(app_password(&server.data, &address(account))?);
                }
                server.reach = Some(daemon.reach().clone());
                server.daemon = Some(daemon);
            }
            Subject::Dovecot(..) => {
                server.passwords = vec![dovecot::PASSWORD.to_owned(); ACCOUNTS];
                server.start()?;
            }
        }
        let mut wire = server.log_in(0)?;
        for mailbox in ["Kept", "Gone"] {
            ask(&mut wire, &format!("CREATE {mailbox}"))?;
        }
        ask(&mut wire, "LOGOUT")?;
        Ok(server)
    }

    /// Starts it again.
    pub fn start(&mut self) -> Result<(), String> {
        match (&self.subject, &mut self.daemon) {
            (Subject::Roost, Some(daemon)) => daemon.start_again(),
            (Subject::Roost, None) => return Err("it was never started".to_owned()),
            (Subject::Dovecot(dovecot, layout), _) => {
                let running = dovecot.start(&self.home, &self.data, layout)?;
                self.reach = Some(running.reach().clone());
                self.dovecot = Some(running);
            }
        }
        Ok(())
    }

    /// Stops it in good order.
    pub fn stop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.stop();
        }
        self.dovecot = None;
    }

    /// Kills our daemon at whatever it is doing.
    pub fn kill(&mut self) -> Result<(), String> {
        self.daemon.as_mut().map(Daemon::kill).ok_or_else(|| "not our daemon".to_owned())
    }

    fn reach(&self) -> Result<Reach, String> {
        let reach = self.reach.clone().ok_or("it does not run")?;
        Ok(Reach { patience: PATIENCE, ..reach })
    }

    /// A connection over LMTP that has said hello.
    pub fn sender(&self) -> Result<Sender, String> {
        Sender::new(self.reach()?.connect(Protocol::Lmtp, Ipv4Addr::LOCALHOST)?)
    }

    /// A connection over IMAP that is logged in.
    pub fn log_in(&self, account: usize) -> Result<Wire, String> {
        let mut wire = self.reach()?.connect(Protocol::Imaps, Ipv4Addr::LOCALHOST)?;
        wire.skip_to("* OK")?;
        ask(&mut wire, &format!("LOGIN {} {}", address(account), self.passwords[account]))?;
        Ok(wire)
    }

    /// A connection over IMAP with a mailbox selected.
    pub fn open(&self, account: usize, mailbox: &str) -> Result<Wire, String> {
        let mut wire = self.log_in(account)?;
        ask(&mut wire, &format!("SELECT {mailbox}"))?;
        Ok(wire)
    }

    /// Makes every flush of our daemon take longer, as on a card, until the answer is dropped.
    pub fn slow_flushes(&self, by: Duration) -> Result<Slow, String> {
        let pid = self.daemon.as_ref().ok_or("not our daemon")?.pid().to_string();
        let inject = format!("inject=fsync,fdatasync:delay_exit={}", by.as_micros());
        let arguments = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject, "-p", &pid];
        let strace = Command::new("strace").args(arguments).stdin(Stdio::null()).spawn();
        let slow = Slow(strace.map_err(|e| format!("strace: {e}"))?);
        let status = format!("/proc/{pid}/status");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::read_to_string(&status).is_ok_and(|text| text.contains("TracerPid:\t0\n")) {
            if Instant::now() > deadline {
                return Err("strace does not attach to the daemon".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(slow)
    }

    /// One of the counters of our store; `None` of a peer.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.daemon.as_ref()?;
        let output = roost(&["stats", "--json", "--data", &self.data.to_string_lossy()], "");
        let stats: Value = serde_json::from_slice(&output.stdout).ok()?;
        stats[name].as_u64()
    }

    /// Octets of memory of our daemon: what it alone holds now, and the most that it ever held.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let pid = self.daemon.as_ref()?.pid();
        let field = |file: &str, name: &str| -> Option<u64> {
            let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        Some((field("smaps_rollup", "Pss:")?, field("status", "VmHWM:")?))
    }
}

/// Flushes are slow while this lives.
#[derive(Debug)]
pub struct Slow(Child);

impl Drop for Slow {
    /// Lets the daemon go; `strace` must not be killed before it has.
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        drop(self.0.wait());
    }
}

fn app_password(data: &Path, address: &str) -> Result<String, String> {
    let output = roost(&["app-password", "add", address, "wear", "--data", &data.to_string_lossy()], "");
    if !output.status.success() {
        return Err(format!("app-password add: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Gives a command and waits until it is done.
pub fn ask(wire: &mut Wire, command: &str) -> Result<(), String> {
    wire.send(format!("wear {command}\r\n").as_bytes())?;
    let last = wire.skip_to("wear ")?;
    if last.starts_with("wear OK") { Ok(()) } else { Err(format!("{command}: {last}")) }
}
