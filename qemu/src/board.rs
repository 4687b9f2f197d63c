//! The board: a QEMU process, and with it an nbdkit process where unflushed writes are to be lost.

use crate::console::{Console, Line};
use crate::disk::{Cache, Disk, Image};
use crate::forward::{parse_usernet, rules};
use crate::qmp::{BlockStats, Qmp};
use crate::shell::{Output, Shell};
use crate::{Context, Error, Result, wait_for_greeting};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The ports of the board that are forwarded: a developer's SSH, mail and web.
pub const GUEST_PORTS: [u16; 11] = [22, 24, 25, 80, 110, 143, 443, 465, 587, 993, 995];

/// What the network behind [`Options::second_cable`] gives the first who asks for an address.
pub const SECOND_ADDRESS: &str = "10.9.9.15";

/// What QEMU calls the cables.
const CABLE: &str = "net";
/// See [`CABLE`].
const SECOND_CABLE: &str = "second";
/// What QEMU calls the board's own disk, whatever it is attached to.
const DISK: &str = "disk";
/// How long a process may take to open its socket.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a clean shutdown may take: the daemon gets 30 seconds.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Which ports of this machine lead to the board's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ports {
    /// Free ones, which the board then tells.
    #[default]
    Free,
    /// The board's plus this number.
    Offset(u16),
}

/// What runs first when the power is switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// QEMU loads the image's kernel; slot A is the root. A board that restarts is off. An image without such a kernel
    /// (Buildroot's) starts its boot loader.
    #[default]
    Kernel,
    /// The image's boot loader chooses the slot and loads the kernel from it. A board that restarts starts again.
    Loader,
}

/// Which board it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Machine {
    /// QEMU's own.
    #[default]
    Virt,
    /// A Raspberry Pi 3 B with Buildroot's image for Raspberry Pis, as far as QEMU has one: it starts at U-Boot ([`Start`] has no
    /// say), its cable is on USB, it has its own 1 GB of RAM, no clock and no shell, and its watchdog, at which QEMU restarts it, is
    /// switched off in the device tree. The size of its disk is a power of two; QEMU's card never flushes, so its cache is [`Cache::Kept`],
    /// and nobody counts what it is asked for.
    Pi3,
}

/// Where the board's network cable leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Network {
    /// QEMU: it gives an address and forwards [`GUEST_PORTS`]; the board reaches nothing but who connects to it.
    #[default]
    Forwarded,
    /// A tap interface of this machine. Nothing is forwarded: who is on that network reaches the board itself.
    Tap(String),
    /// Nothing: the board has no socket for a cable. Only its console and its shell are left.
    None,
}

/// How to start a board.
#[derive(Debug, Clone)]
pub struct Options {
    /// The board.
    pub machine: Machine,
    /// Ports of this machine.
    pub ports: Ports,
    /// The other end of its cable.
    pub network: Network,
    /// It has a second cable, which leads to a network of QEMU's as well: for tests in which the board is
    /// somebody else too, such as an access point.
    pub second_cable: bool,
    /// RAM.
    pub memory_mib: u32,
    /// What runs first.
    pub start: Start,
    /// The board's disk is on NVMe; [`Start::Kernel`] only.
    pub nvme: bool,
    /// More disks, read-only: a USB stick.
    pub more_disks: Vec<PathBuf>,
    /// Added to the kernel's command line, for example `roost.log=console`; the boot loader has its own.
    pub kernel_arguments: String,
    /// The console is this process' terminal too.
    pub interactive: bool,
    /// What the board's clock shows when the power is switched on, as `2001-02-03T04:05:06`; this machine's time without.
    pub clock: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            machine: Machine::Virt,
            ports: Ports::Free,
            network: Network::Forwarded,
            second_cable: false,
            memory_mib: 512,
            start: Start::Kernel,
            nvme: false,
            more_disks: Vec::new(),
            kernel_arguments: String::new(),
            interactive: false,
            clock: None,
        }
    }
}

/// A running board. Dropping it cuts its power.
#[derive(Debug)]
pub struct Board {
    // Ended in this order: unflushed writes go first.
    processes: Vec<Process>,
    began: Instant,
    console: Arc<Console>,
    qmp: Mutex<Qmp>,
    shell: Mutex<Shell>,
    ports: BTreeMap<u16, u16>,
    second_ports: BTreeMap<u16, u16>,
    sockets: SocketDirectory,
}

impl Board {
    /// Switches a board on with a disk in it. The console goes to [`Disk::console_path`], behind what earlier boards with this
    /// disk said.
    pub fn boot(image: &Image, disk: &Disk, options: &Options) -> Result<Self> {
        let sockets = SocketDirectory::create()?;
        let mut processes = Vec::new();
        let drive = match disk.cache() {
            Cache::Kept => format!("file={},format=raw,cache=writeback", option_value(disk.path())),
            Cache::Volatile => {
                processes.push(start_nbdkit(disk, &sockets)?);
                format!("file=nbd+unix:///?socket={},format=raw,cache=none", sockets.nbd().display())
            }
        };
        let began = Instant::now();
        let mut qemu = start_qemu(image, &drive, &sockets, options)?;
        let output = qemu.child.stdout.take().ok_or_else(|| Error::new("QEMU has no console"))?;
        let file = OpenOptions::new().create(true).append(true).open(disk.console_path())?;
        let copy: Box<dyn Write + Send> =
            if options.interactive { Box::new(std::io::stdout()) } else { Box::new(std::io::sink()) };
        let console = Console::follow(output, file, copy, began)?;
        let shell = Shell::new(qemu.connect(&sockets.shell())?);
        let opened = Qmp::open(qemu.connect(&sockets.qmp())?);
        let mut qmp = opened.map_err(|error| qemu.reason_to_end().unwrap_or(error))?;
        let forwardings = qmp.human("info usernet")?;
        let [ports, second_ports] = [CABLE, SECOND_CABLE].map(|cable| parse_usernet(&forwardings, cable));
        processes.push(qemu);
        let (qmp, shell) = (Mutex::new(qmp), Mutex::new(shell));
        Ok(Self { processes, began, console, qmp, shell, ports, second_ports, sockets })
    }

    /// Which port of this machine leads to which of the board: board's port to ours, on 127.0.0.1.
    pub fn ports(&self) -> &BTreeMap<u16, u16> {
        &self.ports
    }

    /// The port of 127.0.0.1 that leads to one of [`GUEST_PORTS`].
    pub fn port(&self, guest: u16) -> Result<u16> {
        self.ports.get(&guest).copied().ok_or_else(|| Error::new(format!("port {guest} of the board is not forwarded")))
    }

    /// The port of 127.0.0.1 that leads to one of [`GUEST_PORTS`] at [`SECOND_ADDRESS`].
    pub fn second_port(&self, guest: u16) -> Result<u16> {
        let port = self.second_ports.get(&guest).copied();
        port.ok_or_else(|| Error::new(format!("port {guest} is not forwarded to a second cable")))
    }

    /// Pulls the cable out, or plugs it in.
    pub fn plug_cable(&self, plugged: bool) -> Result<()> {
        self.qmp("set_link", serde_json::json!({ "name": CABLE, "up": plugged })).map(drop)
    }

    /// Time since the power was switched on.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// The first line of the console that contains `text`, at once or within `timeout`.
    pub fn wait_for_console(&self, text: &str, timeout: Duration) -> Result<Line> {
        self.console.wait_for(text, timeout)
    }

    /// How many lines the console has said.
    pub fn console_length(&self) -> usize {
        self.console.count()
    }

    /// The first line of the console from number `from` on that contains one of `texts`.
    pub fn wait_for_any(&self, from: usize, texts: &[&str], timeout: Duration) -> Result<Line> {
        let wanted = |line: &str| texts.iter().any(|text| line.contains(text));
        self.console.wait_for_from(from, wanted, &texts.join(" or "), timeout)
    }

    /// The board is about to restart by itself: the next command waits for the shell of the next start.
    pub fn expect_restart(&self) {
        lock(&self.shell).forget();
    }

    /// What the console has said so far.
    pub fn console(&self) -> Vec<Line> {
        self.console.lines()
    }

    /// Waits until the service on a board's port greets with a line that begins with `prefix`; the console's last lines
    /// are in the error.
    pub fn wait_for_greeting(&self, guest_port: u16, prefix: &str, timeout: Duration) -> Result<String> {
        let greeting = wait_for_greeting(self.port(guest_port)?, prefix, timeout);
        greeting.map_err(|error| Error::new(format!("{error}; console:\n{}", self.console.tail())))
    }

    /// Runs a shell command as root (developer image only), for two minutes at most.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.run_within(command, Duration::from_secs(120))
    }

    /// Runs a shell command as root (developer image only).
    pub fn run_within(&self, command: &str, timeout: Duration) -> Result<Output> {
        lock(&self.shell).run(command, timeout)
    }

    /// What the board's own disk was asked for since the power was switched on; an error where QEMU does not count it.
    pub fn block_stats(&self) -> Result<BlockStats> {
        let counted = self.all_block_stats()?.remove(DISK).filter(|counters| *counters != BlockStats::default());
        counted.ok_or_else(|| Error::new("QEMU has counted nothing of the board's disk"))
    }

    /// The same of each disk by its name: [`Options::more_disks`] are `more0` and so on.
    pub fn all_block_stats(&self) -> Result<BTreeMap<String, BlockStats>> {
        lock(&self.qmp).block_stats()
    }

    /// A QMP command, for what this crate has no method for.
    pub fn qmp(&self, command: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        lock(&self.qmp).execute(command, arguments)
    }

    /// Has every read from a [`Cache::Volatile`] disk fail, or no longer.
    pub fn fail_reads(&self, fail: bool) -> Result<()> {
        let failing = self.sockets.failing();
        Ok(if fail { File::create(failing).map(drop) } else { std::fs::remove_file(failing) }?)
    }

    /// Cuts the power, now. What the board had not flushed is lost if its disk is [`Cache::Volatile`].
    pub fn cut_power(self) {
        drop(self);
    }

    /// Shuts down in good order (developer image only) and waits for the end.
    pub fn power_off(mut self) -> Result<()> {
        // The shell does not outlive the command: whether it worked is seen from the end of the console.
        lock(&self.shell).send("poweroff")?;
        self.wait_until_off(SHUTDOWN_TIMEOUT)
    }

    /// Waits until the board is off by itself.
    pub fn wait_until_off(&mut self, timeout: Duration) -> Result<()> {
        self.console.wait_for_end(timeout)?;
        let qemu = self.processes.last_mut().ok_or_else(|| Error::new("no QEMU"))?;
        let status = qemu.child.wait()?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("QEMU: {status}: {}", qemu.errors()))) }
    }
}

fn start_qemu(image: &Image, drive: &str, sockets: &SocketDirectory, options: &Options) -> Result<Process> {
    let offset = match options.ports {
        Ports::Free => None,
        Ports::Offset(offset) => Some(offset),
    };
    let program = std::env::var("ROOST_QEMU").unwrap_or_else(|_| "qemu-system-aarch64".into());
    let mut command = Command::new(program);
    command.args(["-nodefaults", "-display", "none"]);
    match options.machine {
        Machine::Virt => virt(&mut command, image, drive, options)?,
        Machine::Pi3 => pi3(&mut command, image, drive, &sockets.0)?,
    }
    let cable = match &options.network {
        // restrict: the board reaches nothing but the connections that come in.
        Network::Forwarded => Some(format!("user,id={CABLE},restrict=on{}", rules(&GUEST_PORTS, offset)?)),
        Network::Tap(interface) => Some(format!("tap,id={CABLE},ifname={interface},script=no,downscript=no")),
        Network::None => None,
    };
    command.args(["-chardev", &format!("socket,id=shell,path={},server=on,wait=off", sockets.shell().display())]);
    let (card, console) = match options.machine {
        Machine::Virt => ("virtio-net-device", &["-device", "virtconsole,chardev=shell"][..]),
        Machine::Pi3 => ("usb-net", &[][..]),
    };
    match &cable {
        Some(cable) => command.args(["-netdev", cable, "-device", &format!("{card},netdev={CABLE}")]),
        None => command.args(["-nic", "none"]),
    };
    command.args(console);
    command.args(["-qmp", &format!("unix:{},server=on,wait=off", sockets.qmp().display())]);
    let terminal = options.interactive && std::io::stdin().is_terminal();
    command.stdin(if terminal { Stdio::inherit() } else { Stdio::null() }).stdout(Stdio::piped());
    Process::start(command, "qemu-system-arm", sockets.0.join("qemu.err"))
}

/// QEMU's own board.
fn virt(command: &mut Command, image: &Image, drive: &str, options: &Options) -> Result<()> {
    command.args(["-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", &options.memory_mib.to_string()]);
    command.args(["-serial", "stdio", "-device", "virtio-rng-device", "-device", "virtio-serial-device"]);
    match options.start {
        Start::Kernel if image.has_kernel() => {
            command.arg("-no-reboot").arg("-kernel").arg(image.kernel()).arg("-initrd").arg(image.initrd());
            let (arguments, root) =
                (&options.kernel_arguments, if options.nvme { "/dev/nvme0n1p2" } else { "/dev/vda2" });
            command.arg("-append").arg(format!("console=ttyAMA0 root={root} quiet panic=-1 {arguments}"));
        }
        Start::Kernel | Start::Loader => _ = command.arg("-bios").arg(image.loader()),
    }
    // The kernel counts QEMU's virtio slots from the last: what is said last is its first disk.
    for (n, path) in options.more_disks.iter().enumerate().rev() {
        let drive = format!("file={},format=raw,readonly=on,if=none,id=more{n}", option_value(path));
        command.args(["-drive", &drive, "-device", &format!("virtio-blk-device,drive=more{n}")]);
    }
    let device = if options.nvme { "nvme,serial=roost" } else { "virtio-blk-device" };
    command.args(["-drive", &format!("{drive},if=none,id={DISK}"), "-device", &format!("{device},drive={DISK}")]);
    // What is said last is its first interface.
    if options.second_cable {
        let rules = rules(&GUEST_PORTS, None)?;
        let cable = format!("user,id={SECOND_CABLE},net=10.9.9.0/24,dhcpstart={SECOND_ADDRESS},restrict=on{rules}");
        command.args(["-netdev", &cable, "-device", &format!("virtio-net-device,netdev={SECOND_CABLE}")]);
    }
    if let Some(clock) = &options.clock {
        command.args(["-rtc", &format!("base={clock}")]);
    }
    Ok(())
}

/// See [`Machine::Pi3`].
fn pi3(command: &mut Command, image: &Image, drive: &str, scratch: &Path) -> Result<()> {
    let tree = scratch.join("board.dtb");
    std::fs::copy(image.device_tree("bcm2837-rpi-3-b"), &tree).context(|| "the device tree".into())?;
    let mut fdtput = Command::new("fdtput");
    let done = fdtput.args(["-t", "s"]).arg(&tree).args(["/soc/watchdog@7e100000", "status", "disabled"]).status();
    if !done.context(|| "cannot start fdtput (apt-get install device-tree-compiler)".into())?.success() {
        return Err(Error::new("the device tree has no watchdog"));
    }
    command.args(["-M", "raspi3b", "-serial", "null", "-serial", "stdio"]);
    command.arg("-kernel").arg(image.loader()).arg("-dtb").arg(tree);
    command.args(["-drive", &format!("{drive},if=sd,id={DISK}")]);
    Ok(())
}

/// Serves the disk through a cache that is written back on flushes only. It keeps what is not yet written in an unlinked
/// file of its own, which dies with it.
fn start_nbdkit(disk: &Disk, sockets: &SocketDirectory) -> Result<Process> {
    let mut command = Command::new("nbdkit");
    command
        .arg("-f")
        .arg("-U")
        .arg(sockets.nbd())
        .args(["--filter=error", "--filter=cache", "file"])
        .arg(disk.path())
        .args(["cache=writeback", "error-pread=EIO", "error-pread-rate=100%"])
        .arg(format!("error-file={}", sockets.failing().display()));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut nbdkit = Process::start(command, "nbdkit", sockets.0.join("nbdkit.err"))?;
    nbdkit.wait_for_socket(&sockets.nbd())?;
    Ok(nbdkit)
}

/// A comma in an option's value is doubled.
fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child process that ends with its owner.
#[derive(Debug)]
struct Process {
    child: Child,
    errors: PathBuf,
}

impl Process {
    fn start(mut command: Command, package: &str, errors: PathBuf) -> Result<Self> {
        command.stderr(File::create(&errors)?);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().context(|| format!("cannot start {name} (apt-get install {package})"))?;
        Ok(Self { child, errors })
    }

    /// What it said on its error channel.
    fn errors(&self) -> String {
        let text = std::fs::read(&self.errors).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Why it ended by itself, if it did: a port in use, for example, is found out after the sockets are open.
    fn reason_to_end(&mut self) -> Option<Error> {
        // Its sockets were closed under us, so it has ended or is about to.
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Some(Error::new(self.errors()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn wait_for_socket(&mut self, path: &Path) -> Result<()> {
        self.retry(path, || path.exists().then_some(()))
    }

    fn connect(&mut self, path: &Path) -> Result<UnixStream> {
        self.retry(path, || UnixStream::connect(path).ok())
    }

    /// Tries until it works, the process has ended, or it is too late.
    fn retry<T>(&mut self, path: &Path, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + SOCKET_TIMEOUT;
        loop {
            if let Some(done) = attempt() {
                return Ok(done);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::new(format!("it ended at once ({status}): {}", self.errors())));
            }
            if Instant::now() > deadline {
                return Err(Error::new(format!("no socket {}: {}", path.display(), self.errors())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for sockets: their paths must be short.
#[derive(Debug)]
struct SocketDirectory(PathBuf);

impl SocketDirectory {
    fn create() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("roost-board-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left over, or of a process that has the same number in a namespace of its own.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).context(|| path.display().to_string()),
            }
        }
    }

    fn qmp(&self) -> PathBuf {
        self.0.join("qmp")
    }

    fn shell(&self) -> PathBuf {
        self.0.join("shell")
    }

    fn nbd(&self) -> PathBuf {
        self.0.join("nbd")
    }

    /// While this is there, reads fail.
    fn failing(&self) -> PathBuf {
        self.0.join("failing")
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
