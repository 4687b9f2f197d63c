//! The target on this machine: the `roost` binary on 127.0.0.1, its data in a temporary directory.

use crate::play::{Line, Target};
use crate::wire::{Reach, Wire};
use crate::{PASSWORD, Protocol};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A daemon is ready, or gone, within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The ports a daemon opens, before the offset.
const PORTS: [u16; 11] = [25, 24, 110, 143, 465, 587, 993, 995, 80, 443, 4190];
/// The last line with words of what a daemon says when it is ready.
const WELCOME_ENDS: [&str; 2] = ["Setup code:", "Its pages:"];
/// Starts the daemon and ends it when the test's process ends, however that happens: standard input closes then. Removes
/// `$0` after it, if that names a directory.
const KEEPER: &str = r#""$@" </dev/null & pid=$!; echo "pid $pid"; exec >/dev/null 2>&1; read -r _; kill "$pid"; wait
if [ -n "$0" ]; then rm -rf "$0"; fi"#;

/// A running daemon; stopped when dropped.
#[derive(Debug)]
pub struct Daemon {
    data: PathBuf,
    /// Removed with the daemon, unless the data belongs to the test.
    _own_data: Option<tempfile::TempDir>,
    offset: u16,
    reach: Reach,
    process: Option<Process>,
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Process {
    keeper: Child,
    /// Closing it stops the daemon.
    stdin: Option<ChildStdin>,
    pid: Pid,
    /// Ends when the daemon's output ends: when it is gone.
    gone: Mutex<Receiver<()>>,
}

/// The `roost` binary of this build, brought up to date once per test process; `ROOST_BIN` names another.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("ROOST_BIN") {
        Some(path) => PathBuf::from(path),
        None => built(&["--package", "roost"], "roost"),
    })
}

/// The pages of a board that is a fake, on a port of this machine: web-ui's example.
pub fn preview() -> PathBuf {
    built(&["--package", "web-ui", "--example", "preview"], "examples/preview")
}

/// Builds something as this process was built; where it lies below the profile's directory.
fn built(what: &[&str], path: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its file");
    let profile = exe.ancestors().find(|p| p.ends_with("debug") || p.ends_with("release")).expect("a cargo target");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]).args(what);
    cargo.arg("--target-dir").arg(profile.parent().expect("below the target directory"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo told this process about this crate would make ring seem changed, and all that stands on it.
    for (name, _) in std::env::vars_os() {
        let of_this_crate = ["OUT_DIR", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_", "CARGO_BIN_"];
        if of_this_crate.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().expect("cargo runs").success(), "`cargo build` of {what:?} failed");
    profile.join(path)
}

/// Runs a command of the command line to its end, with this on its standard input.
pub fn roost(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("timeout")
        .arg("60")
        .arg(binary())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    // A command that does not read its input closes it; that is no fault.
    drop(child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
    child.wait_with_output().expect("a child can be waited for")
}

/// Adds an account with [`PASSWORD`] by the command line.
pub fn add_account(data: &Path, address: &str) -> Result<(), String> {
    let data = data.to_str().ok_or("a path in UTF-8")?;
    let output = roost(&["account", "add", address, "--password-stdin", "--data", data], &format!("{PASSWORD}\n"));
    if output.status.success() {
        return Ok(());
    }
    Err(format!("account add {address}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// An offset at which every port is free now. Others may take one in between: then the start fails and is tried again.
pub fn free_offset() -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let spread = u16::try_from(std::process::id() % 1000).expect("below 1000");
    loop {
        let mut next = NEXT.lock().expect("no test panics with this lock");
        // A thousand apart: no two ports of `PORTS` are, so two daemons that are only about to start do not meet. Below the
        // range from which the kernel takes the ports of clients (32768 and up).
        let offset = 6000 + spread + *next % 22 * 1000;
        *next = next.wrapping_add(1);
        drop(next);
        let listeners = PORTS.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port + offset)));
        if listeners.iter().all(Result::is_ok) {
            return offset;
        }
    }
}

impl Daemon {
    /// Starts one with fresh data.
    pub fn start() -> Daemon {
        let own = tempfile::tempdir().expect("a temporary directory");
        let data = own.path().join("data");
        let mut daemon = Daemon::start_in(&data);
        daemon._own_data = Some(own);
        daemon
    }

    /// The daemon that the tests of one process share; it ends, and its data goes, with the process.
    pub fn shared() -> &'static Daemon {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        DAEMON.get_or_init(|| {
            let scratch = tempfile::tempdir().expect("a temporary directory").keep();
            Daemon::start_somewhere(&scratch.join("data"), Some(&scratch))
        })
    }

    /// Starts one on this data.
    pub fn start_in(data: &Path) -> Daemon {
        Daemon::start_somewhere(data, None)
    }

    fn start_somewhere(data: &Path, scratch: Option<&Path>) -> Daemon {
        for last in [false, false, true] {
            match Daemon::try_start(data, free_offset(), scratch) {
                Ok(daemon) => return daemon,
                Err(why) if why.contains("port ") && !last => {}
                Err(why) => panic!("the daemon does not start: {why}"),
            }
        }
        unreachable!("the last try returns or panics")
    }

    /// Starts one on this data and these ports; `scratch` is removed after its end.
    fn try_start(data: &Path, offset: u16, scratch: Option<&Path>) -> Result<Daemon, String> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let process = spawn(data, offset, scratch, &log)?;
        let ca = data.join("certificates/authority.pem");
        let reach = Reach::new(|protocol| protocol.port() + offset, &ca, Duration::from_secs(60))?;
        Ok(Daemon { data: data.to_owned(), _own_data: None, offset, reach, process: Some(process), log })
    }

    /// Starts it again after [`Daemon::stop`] or [`Daemon::kill`], on the same data and ports.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        self.process = Some(spawn(&self.data, self.offset, None, &self.log).unwrap_or_else(|why| panic!("{why}")));
    }

    /// Stops it with SIGTERM and waits until it is gone.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        drop(process.stdin.take());
        process.wait_until_gone();
    }

    /// Kills it with SIGKILL, at whatever it is doing.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        kill_process(process.pid, Signal::KILL).expect("our own child can be killed");
        drop(process.stdin.take());
        process.wait_until_gone();
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// How to reach it.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What is added to every port.
    pub fn offset(&self) -> u16 {
        self.offset
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.process.as_ref().expect("it runs").pid.as_raw_nonzero().get()
    }

    /// Connects as a client at 127.0.0.1, or panics.
    pub fn dial(&self, protocol: Protocol) -> Wire {
        self.reach.dial(protocol)
    }

    /// Adds an account while it runs; answers the address.
    pub fn add_account(&self, local: &str) -> String {
        let address = format!("{local}@{}", crate::DOMAIN);
        add_account(&self.data, &address).unwrap_or_else(|why| panic!("{why}"));
        address
    }

    /// Panics if any part of it has: a connection that ends is not always noticed by its client.
    pub fn assert_sound(&self) {
        let log = self.log();
        assert!(!log.iter().any(|line| line.contains("panicked at")), "the daemon panicked:\n{}", log.join("\n"));
    }

    /// What it logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no test panics with this lock").clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            process.wait_until_gone();
        }
        if !std::thread::panicking() {
            self.assert_sound();
        } else {
            eprintln!("the daemon's log:\n{}", self.log().join("\n"));
        }
    }
}

impl Process {
    fn wait_until_gone(&mut self) {
        let gone = self.gone.get_mut().expect("no test panics with this lock");
        if gone.recv_timeout(PATIENCE).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("the daemon did not stop within {PATIENCE:?}");
            let _ = kill_process(self.pid, Signal::KILL);
        }
        drop(self.keeper.wait());
    }
}

/// Starts the binary and waits until it says that it is ready.
fn spawn(data: &Path, offset: u16, scratch: Option<&Path>, log: &Arc<Mutex<Vec<String>>>) -> Result<Process, String> {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .arg(scratch.unwrap_or(Path::new("")))
        .arg(binary())
        .args(["serve", "--listen", "127.0.0.1", "--port-offset", &offset.to_string(), "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("sh: {e}"))?;
    let stdin = keeper.stdin.take();
    let (say, lines) = channel();
    let (stay, gone) = channel();
    for pipe in [
        keeper.stdout.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>),
        keeper.stderr.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>),
    ] {
        let (say, stay, log) = (say.clone(), stay.clone(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe.expect("piped")).lines().map_while(Result::ok) {
                log.lock().expect("no test panics with this lock").push(line.clone());
                // Nobody listens any more once the daemon is ready.
                drop(say.send(line));
            }
            drop(stay);
        });
    }
    drop((say, stay));
    let (mut pid, mut ready) = (None, false);
    let deadline = Instant::now() + PATIENCE;
    // They come through different pipes: in either order.
    while !ready || pid.is_none() {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if WELCOME_ENDS.iter().any(|end| line.trim().starts_with(end)) => ready = true,
            Ok(line) => pid = pid.or(line.strip_prefix("pid ").and_then(|n| n.parse().ok()).and_then(Pid::from_raw)),
            Err(e) => {
                drop(stdin);
                drop(keeper.wait());
                let said = log.lock().expect("no test panics with this lock").join("\n");
                return Err(format!("the daemon is not ready ({e}):\n{said}"));
            }
        }
    }
    Ok(Process { keeper, stdin, pid: pid.ok_or("no pid")?, gone: Mutex::new(gone) })
}

impl Target for Daemon {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn account(&self, address: &str) -> Result<(), String> {
        add_account(&self.data, address)
    }

    fn connect(&self, protocol: Protocol, from: Ipv4Addr) -> Result<Box<dyn Line>, String> {
        Ok(Box::new(self.reach.connect(protocol, from)?))
    }
}
