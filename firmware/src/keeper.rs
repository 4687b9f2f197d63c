//! `roost keep`: the small process with root's rights that watches over the box. It feeds the hardware watchdog, probes the
//! daemon and acts on what `board::health` concludes, marks a new slot good or goes back, and takes updates and the time
//! over a socket that only root and the daemon can use. What comes over that socket is checked before it is believed
//! (`board::bundle`). Light and button are `front_panel`'s.

use crate::clock::RELEASED;
use crate::control::{Answer, Wire, read_line, reply};
use crate::disk_health::{watch_disk, watch_log};
use crate::front_panel::{Lamp, pattern, shine, watch_button};
use crate::{limits, network, probe, trouble};
use board::blocks::Device;
use board::bundle::Refusal;
use board::health::{Action, Health, Patience};
use board::light::{Light, Pattern};
use board::mending::Mend;
use board::slots::Slots;
use board::watchdog::{INTERVAL as TICK, Watchdog};
use embedded_svc::io::Write as _;
use embedded_svc::ota::{Ota, OtaUpdate};
use rustix::system::RebootCommand;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where the keeper listens.
pub const SOCKET: &str = "/run/roost-keeper.sock";
/// The start script writes here which partition the data is on.
const PARTITION: &str = "/run/data-partition";
/// The folder that the daemon has when it has no data (`trouble`).
const TROUBLE: &str = "/run/roost-trouble";
/// The supervisor writes the daemon's process here.
const DAEMON_PID: &str = "/run/roost.pid";
/// Tells the guard in `rcS`, which restarts a box on trial without it, that this version is good.
const GOOD: &str = "/run/roost-good";
/// Keeps the time over a power cut.
const CLOCK_SCRIPT: &str = "/etc/init.d/S30clock";

/// How to keep.
#[derive(Debug, Clone)]
pub struct Options {
    /// The daemon's data.
    pub data: PathBuf,
    /// Added to every standard port.
    pub port_offset: u16,
    /// How long a change of the network waits to be confirmed.
    pub confirm: Duration,
}

/// What the keeper can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Which slot runs, what is in the other.
    Status,
    /// A bundle follows, to the end of the stream; after success the box restarts into it.
    Install,
    /// The time, milliseconds since 1970, as the network says.
    SetTime { unix_ms: u64 },
    /// The box restarts and repairs the file system of its data.
    Repair,
    /// The box restarts and erases its data.
    Afresh,
    /// The box restarts.
    Restart,
    /// The box switches itself off.
    PowerOff,
    /// The octets of the data partition; they follow the answer, to the end of the stream.
    Partition,
}

/// Sets the machine's clock.
type SetClock = fn(Duration) -> Result<(), String>;

/// Tells whoever stands before the console.
pub type Say = &'static (dyn Fn(&str) + Sync);

pub type Shared = Arc<Mutex<Slots<Device>>>;

/// Keeps the box; ends only with an error. On a machine without slots, which is none of our boards, nothing is ever restarted
/// but the daemon.
pub fn keep(options: &Options, say: Say) -> Result<(), String> {
    let slots = match Slots::of_this_machine(store::FORMAT, Box::new(restart)) {
        Ok(slots) => Some(Arc::new(Mutex::new(slots))),
        Err(why) => {
            say(&format!("keeper: {why}"));
            None
        }
    };
    // What is wrong with it must not keep the rest from being watched over.
    if let Err(why) = network::keep(&options.data, options.confirm, say) {
        say(&format!("keeper: {why}"));
    }
    let watchdog = slots.as_ref().and_then(|_| Watchdog::start());
    let mut on_trial = false;
    if let Some(slots) = &slots {
        on_trial = lock(slots).on_trial().map_err(|e| format!("boot state: {e}"))?;
        if on_trial {
            let slots = lock(slots);
            say(&format!("keeper: slot {}, version {}, has to prove itself", slots.running(), slots.version()));
        } else {
            tell_guard(say);
        }
        listen(slots.clone(), &options.data, say)?;
    }
    let lamp: Lamp = Arc::new(Mutex::new(slots.as_ref().and_then(|_| Light::find(Path::new("/")))));
    shine(&lamp, Pattern::Starting, say);
    if slots.is_some() {
        watch_button(options.data.clone(), lamp.clone(), say);
        watch_disk(options.data.clone());
        watch_log(options.data.clone());
    }
    watch(options, Health::new(patience(), on_trial), watchdog, (slots.as_ref(), &lamp), say)
}

/// Probes, acts, feeds the watchdog.
fn watch(
    options: &Options,
    mut health: Health,
    mut watchdog: Option<Watchdog>,
    (slots, lamp): (Option<&Shared>, &Lamp),
    say: Say,
) -> Result<(), String> {
    let began = Instant::now();
    let (ask, asked) = channel::<()>();
    let (tell, told) = channel();
    let (data, offset) = (options.data.clone(), options.port_offset);
    // A thread of its own: a daemon that answers slowly must not starve the watchdog.
    std::thread::spawn(move || while asked.recv().is_ok() && tell.send(probe::probe(&data, offset)).is_ok() {});
    let (mut next, mut waiting, mut last) = (began, false, Ok(()));
    loop {
        if let Some(watchdog) = watchdog.as_mut().filter(|_| health.feed()) {
            watchdog.feed().map_err(|e| format!("watchdog: {e}"))?;
        }
        if !waiting && Instant::now() >= next {
            ask.send(()).map_err(|_| "the probe's thread ended".to_owned())?;
            waiting = true;
        }
        match told.recv_timeout(TICK) {
            Ok(outcome) => {
                if let Some(why) = outcome.as_ref().err().filter(|_| outcome != last) {
                    say(&format!("keeper: not healthy: {why}"));
                }
                (last, waiting) = (outcome, false);
                act(health.probed(began.elapsed(), last.is_ok()), slots, say);
                let in_trouble = Path::new(TROUBLE).join(trouble::SOCKET).exists();
                if let Some(pattern) = pattern(last.is_ok(), health.was_healthy(), in_trouble) {
                    shine(lamp, pattern, say);
                }
                let soon = health.on_trial() || last.is_err();
                next = Instant::now() + if soon { limits::PROBE_TRIAL } else { limits::PROBE };
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the probe's thread ended".into()),
        }
    }
}

/// What the health asks for.
fn act(action: Action, slots: Option<&Shared>, say: Say) {
    let trouble = match (action, slots) {
        (Action::MarkGood, Some(slots)) => {
            let mut slots = lock(slots);
            let done = slots.mark_running_slot_valid();
            say(&format!("keeper: slot {}, version {}, is good", slots.running(), slots.version()));
            done.map(|()| tell_guard(say)).map_err(|e| e.to_string())
        }
        (Action::GoBack, Some(slots)) => {
            say("keeper: this version does not work, going back to the other");
            Err(lock(slots).mark_running_slot_invalid_and_reboot().to_string())
        }
        (Action::EndDaemon, _) => {
            say("keeper: the mail daemon does not answer, ending it");
            end_daemon()
        }
        (Action::RestartBoard, Some(_)) => {
            say("keeper: the box does not get well, restarting it");
            Err(restart().to_string())
        }
        (Action::Wait, _) | (_, None) => Ok(()),
    };
    if let Err(why) = trouble {
        say(&format!("keeper: {why}"));
    }
}

/// Tells the guard of a version on trial that there is nothing more to guard.
fn tell_guard(say: Say) {
    if let Err(e) = fs::write(GOOD, "") {
        say(&format!("keeper: {GOOD}: {e}"));
    }
}

/// Ends the daemon, also one that was stopped; the supervisor starts it again.
fn end_daemon() -> Result<(), String> {
    let pid = fs::read_to_string(DAEMON_PID).map_err(|e| format!("{DAEMON_PID}: {e}"))?;
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("{DAEMON_PID}: no process"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).map_err(|e| e.to_string())
}

/// Restarts, as [`end_machine`] does.
fn restart() -> std::io::Error {
    end_machine("/sbin/reboot", RebootCommand::Restart)
}

/// Ends what the machine does by a program, in good order; by force if that does not come about. Does not return unless even that
/// failed.
fn end_machine(program: &str, by_force: RebootCommand) -> std::io::Error {
    if std::process::Command::new(program).status().is_ok_and(|status| status.success()) {
        std::thread::sleep(limits::RESTART);
    }
    rustix::fs::sync();
    match rustix::system::reboot(by_force) {
        Ok(()) => std::io::ErrorKind::Interrupted.into(),
        Err(e) => e.into(),
    }
}

/// How patient to be: `roost.prove=SECONDS` on the kernel's command line makes everything as many times shorter, for tests.
fn patience() -> Patience {
    let normal = Patience::default();
    let arguments = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    shortened(normal, &arguments).unwrap_or(normal)
}

fn shortened(normal: Patience, arguments: &str) -> Option<Patience> {
    let seconds = arguments.split_ascii_whitespace().find_map(|word| word.strip_prefix("roost.prove="))?;
    let prove = Duration::from_secs(seconds.parse().ok().filter(|seconds| (1..=600).contains(seconds))?);
    let scale = |time: Duration| time.mul_f64(prove.as_secs_f64() / normal.prove.as_secs_f64());
    let [prove, trial, daemon, board] = [normal.prove, normal.trial, normal.daemon, normal.board].map(scale);
    Some(Patience { prove, trial, daemon, board })
}

pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers on the socket.
fn listen(slots: Shared, data: &Path, say: Say) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("{SOCKET}: {e}");
    match fs::remove_file(SOCKET) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fault(e)),
        _ => {}
    }
    let listener = UnixListener::bind(SOCKET).map_err(fault)?;
    // The daemon's group is the one that its data belongs to.
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o660)).map_err(fault)?;
    if let Ok(data) = fs::metadata(data).or_else(|_| fs::metadata(TROUBLE)) {
        std::os::unix::fs::chown(SOCKET, None, Some(data.gid())).map_err(fault)?;
    }
    std::thread::spawn(move || serve(&listener, &slots, set_clock, say));
    Ok(())
}

/// Gives each connection a thread: what is asked while an update comes slowly need not wait for it, unless it is about the slots.
fn serve(listener: &UnixListener, slots: &Shared, set_clock: SetClock, say: Say) {
    let seats = Arc::new(());
    for stream in listener.incoming().flatten() {
        if Arc::strong_count(&seats) > limits::KEEPER_CONNECTIONS {
            // Whoever asked may have gone already.
            let _ = reply(&stream, &Answer::Error("the keeper is asked for too much at once".into()));
            continue;
        }
        let (slots, seat) = (slots.clone(), seats.clone());
        std::thread::spawn(move || {
            match answer(&stream, &slots, set_clock) {
                Ok(None) => {}
                Ok(Some((done, ending))) => {
                    say(&format!("keeper: {done}"));
                    // Whoever asked hears the answer before the network goes.
                    std::thread::sleep(limits::LAST_WORD);
                    let failed = match ending {
                        Ending::Restart => restart(),
                        Ending::PowerOff => end_machine("/sbin/poweroff", RebootCommand::PowerOff),
                    };
                    say(&format!("keeper: {failed}"));
                }
                Err(why) => say(&format!("keeper: {why}")),
            }
            drop(seat);
        });
    }
}

/// How the box ends what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Restart,
    PowerOff,
}

/// What was done for which the box has to end what it does, and how.
type Done = Option<(String, Ending)>;

/// Carries out one order.
fn answer(stream: &UnixStream, slots: &Shared, set_clock: SetClock) -> Result<Done, String> {
    let limited = stream.set_read_timeout(Some(limits::KEEPER)).and(stream.set_write_timeout(Some(limits::KEEPER)));
    limited.map_err(|e| e.to_string())?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let Some(order) = read_line(&mut reader)? else { return Ok(None) };
    let done = match order {
        Order::Status => status(slots),
        Order::Install => install(&mut reader, slots).map_err(|e| format!("an update was refused: {e}")),
        Order::SetTime { unix_ms } => believable(unix_ms).and_then(set_clock).map(|()| String::new()),
        Order::Repair => mend(slots, Mend::Repair, "the box restarts and repairs its data"),
        Order::Afresh => mend(slots, Mend::Afresh, "the box restarts and erases its data"),
        Order::Restart => Ok("the box restarts, as the owner asked".to_owned()),
        Order::PowerOff => Ok("the box switches itself off, as the owner asked".to_owned()),
        Order::Partition => return send_partition(stream, Path::new(PARTITION)).map(|()| None),
    };
    match done {
        Ok(line) => {
            // Done is done, also if nobody is there any more to hear of it.
            let heard = reply(stream, &Answer::Line(line.clone())).and_then(|()| reply(stream, &Answer::Done));
            match order {
                Order::Install | Order::Repair | Order::Afresh | Order::Restart => Ok(Some((line, Ending::Restart))),
                Order::PowerOff => Ok(Some((line, Ending::PowerOff))),
                Order::Status | Order::SetTime { .. } | Order::Partition => heard.map(|()| None),
            }
        }
        Err(why) => {
            // Who sent the update knows that it is about it.
            let said = why.strip_prefix("an update was refused: ").unwrap_or(&why).to_owned();
            reply(stream, &Answer::Error(said)).and(Err(why))
        }
    }
}

/// Asks the next start to mend the data.
fn mend(slots: &Shared, mend: Mend, done: &str) -> Result<String, String> {
    lock(slots).mend_data(mend).map(|()| done.to_owned()).map_err(|e| e.to_string())
}

/// Sends the data partition that is named in a file; it may take an hour.
fn send_partition(stream: &UnixStream, named: &Path) -> Result<(), String> {
    let opened = fs::read_to_string(named).and_then(|name| fs::File::open(name.trim()));
    let mut partition = match opened {
        Ok(partition) => partition,
        Err(e) => return reply(stream, &Answer::Error(format!("the data partition: {e}"))),
    };
    let mut out = stream;
    reply(out, &Answer::Done)?;
    // Whoever reads it sees by its length how much of it was readable.
    if let Err(e) = std::io::copy(&mut partition, &mut out) {
        tracing::warn!("the data partition could not be read to its end: {e}");
    }
    Ok(())
}

/// The asking end of [`Order::Partition`].
pub fn partition() -> Result<Box<dyn Read + Send>, String> {
    let stream = UnixStream::connect(SOCKET).map_err(|_| "no keeper runs".to_owned())?;
    let mut wire = Wire::new(stream, None)?;
    wire.send(&Order::Partition)?;
    match wire.answer()? {
        Answer::Done => Ok(Box::new(wire)),
        Answer::Error(why) => Err(why),
        Answer::Line(line) => Err(line),
    }
}

/// Whether this machine has a keeper.
pub fn is_at_home() -> bool {
    Path::new(SOCKET).exists()
}

/// Whether this machine's keeper says that the running version has proved itself; `None` without a keeper.
pub fn is_proved() -> Option<bool> {
    let mut said = String::new();
    order(&Order::Status, std::io::empty(), &mut |line| said.push_str(line)).ok()?;
    let slots: serde_json::Value = serde_json::from_str(&said).ok()?;
    slots["running"]["state"].as_str().map(|state| state == "Valid")
}

/// A time, since 1970, that can be.
fn believable(unix_ms: u64) -> Result<Duration, String> {
    let time = Duration::from_millis(unix_ms);
    let can_be = (RELEASED..limits::LAST_TIME).contains(&time.as_secs());
    can_be.then_some(time).ok_or_else(|| "a time that cannot be".to_owned())
}

fn set_clock(time: Duration) -> Result<(), String> {
    let tv_sec = i64::try_from(time.as_secs()).map_err(|e| e.to_string())?;
    let time = rustix::time::Timespec { tv_sec, tv_nsec: time.subsec_nanos().into() };
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, time).map_err(|e| e.to_string())?;
    // For a start after a power cut. Its own trouble is no reason not to have the right time.
    let saved = std::process::Command::new(CLOCK_SCRIPT).arg("save").status();
    saved.map(drop).map_err(|e| format!("{CLOCK_SCRIPT}: {e}"))
}

/// Takes a bundle; one sentence on success.
pub(crate) fn install(bundle: &mut (impl Read + ?Sized), slots: &Shared) -> Result<String, Refusal> {
    let mut slots = lock(slots);
    let mut update = slots.initiate_update()?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match bundle.read(&mut buffer)? {
            0 => break,
            n => update.write_all(&buffer[..n])?,
        }
    }
    let version = update.manifest().map(|manifest| manifest.version.clone()).unwrap_or_default();
    update.complete()?;
    Ok(format!("version {version} is installed; the box restarts into it"))
}

fn status(slots: &Shared) -> Result<String, String> {
    let slots = lock(slots);
    let slot = |slot: Result<embedded_svc::ota::Slot, Refusal>| {
        let slot = slot.map_err(|e| e.to_string())?;
        let version = slot.firmware.map(|firmware| firmware.version.to_string());
        Ok::<_, String>(serde_json::json!({ "slot": slot.label, "state": slot.state, "version": version }))
    };
    let (running, other) = (slot(slots.get_running_slot())?, slot(slots.get_update_slot())?);
    Ok(serde_json::json!({ "running": running, "other": other }).to_string())
}

/// The asking end: gives an order to this machine's keeper, with what follows it.
pub fn order(order: &Order, mut follows: impl Read, print: &mut dyn FnMut(&str)) -> Result<(), String> {
    let stream = UnixStream::connect(SOCKET).map_err(|_| "this machine takes no updates: no keeper runs".to_owned())?;
    let mut wire = Wire::new(stream, None)?;
    wire.send(order)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = follows.read(&mut buffer).map_err(|e| format!("the update cannot be read: {e}"))?;
        // The keeper says why it hears no more.
        if n == 0 || wire.send_bytes(&buffer[..n]).is_err() {
            break;
        }
    }
    if let Err(why) = wire.end_of_data() {
        tracing::debug!("{why}");
    }
    loop {
        match wire.answer()? {
            Answer::Line(line) => print(&line),
            Answer::Done => return Ok(()),
            Answer::Error(why) => return Err(why),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use board::boot_state::SlotName;
    use board::bundle::{Manifest, Policy};
    use ring::signature::{Ed25519KeyPair, KeyPair};

    const CHUNK: usize = 256 * 1024;

    /// A box in files, with the key that its updates are signed with.
    pub fn slots(folder: &Path) -> (Shared, Ed25519KeyPair) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let mut public = [0; 32];
        public.copy_from_slice(key.public_key().as_ref());
        let device = |name: &str, size: u64| {
            let path = folder.join(name);
            fs::File::create(&path).unwrap().set_len(size).unwrap();
            Device::open(&path).unwrap()
        };
        let devices = (device("disk", 1 << 20), device("idle", 4 * CHUNK as u64));
        let policy = Policy { keys: vec![public], board: "virt".into(), store_format: 1, capacity: u64::MAX };
        let never = Box::new(|| std::io::Error::other("nothing restarts in a test"));
        let slots = Slots::new(devices, SlotName::A, "1.0", policy, never).unwrap();
        (Arc::new(Mutex::new(slots)), key)
    }

    fn bundle(key: &Ed25519KeyPair) -> Vec<u8> {
        bundle_for("virt", 1, key)
    }

    /// One for a board, by a daemon that writes and reads this store format alone.
    pub fn bundle_for(board: &str, format: u32, key: &Ed25519KeyPair) -> Vec<u8> {
        let contents = vec![42; CHUNK + 5];
        let (size, chunks) = board::bundle::hash(contents.as_slice()).unwrap();
        let (board, version) = (board.into(), "2.0".into());
        let manifest = Manifest { board, version, built: 0, store_format: format, store_reads: format, size, chunks };
        let mut bytes = Vec::new();
        board::bundle::write(&manifest, key, contents.as_slice(), &mut bytes).unwrap();
        bytes
    }

    /// Gives an order over a socket; what the keeper did, and what it said.
    fn ask(slots: &Shared, order: &Order, follows: &[u8]) -> (Result<Done, String>, Vec<Answer>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let slots = slots.clone();
        let keeper = std::thread::spawn(move || answer(&theirs, &slots, pretend));
        let mut wire = Wire::new(ours, None).unwrap();
        wire.send(order).unwrap();
        // A refusal may come before everything is sent.
        let _ = wire.send_bytes(follows);
        let _ = wire.end_of_data();
        let said = std::iter::from_fn(|| wire.answer().ok()).collect();
        (keeper.join().unwrap(), said)
    }

    /// Sets no clock, and refuses one time.
    fn pretend(time: Duration) -> Result<(), String> {
        if time.as_millis() % 1000 == 999 { Err("no such clock".into()) } else { Ok(()) }
    }

    #[test]
    fn the_clock_is_set_to_times_that_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, _) = slots(folder.path());
        let set = |unix_ms| ask(&slots, &Order::SetTime { unix_ms }, b"");
        assert!(matches!(set(RELEASED * 1000 + 5), (Ok(None), said) if matches!(said.as_slice(), [_, Answer::Done])));
        for unix_ms in [0, RELEASED * 1000 - 1, limits::LAST_TIME * 1000, u64::MAX] {
            let (done, said) = set(unix_ms);
            assert_eq!(done, Err("a time that cannot be".into()));
            assert!(matches!(said.as_slice(), [Answer::Error(_)]));
        }
        assert_eq!(set(RELEASED * 1000 + 999).0, Err("no such clock".into()));
    }

    #[test]
    fn the_box_ends_as_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, _) = slots(folder.path());
        for (order, ending) in [(Order::Restart, Ending::Restart), (Order::PowerOff, Ending::PowerOff)] {
            let (done, said) = ask(&slots, &order, b"");
            assert_eq!(done.unwrap().unwrap().1, ending);
            assert!(matches!(said.as_slice(), [Answer::Line(_), Answer::Done]), "told before it happens: {said:?}");
        }
    }

    #[test]
    fn an_update_over_the_socket_is_installed_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, key) = slots(folder.path());
        let (done, said) = ask(&slots, &Order::Install, &bundle(&key));
        assert!(matches!(done, Ok(Some((line, Ending::Restart))) if line.contains("version 2.0")));
        assert!(matches!(said.as_slice(), [Answer::Line(_), Answer::Done]));
        let (done, said) = ask(&slots, &Order::Status, b"");
        assert_eq!(done, Ok(None));
        let [Answer::Line(line), Answer::Done] = said.as_slice() else { panic!("{said:?}") };
        let status: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(status["running"]["version"], "1.0");
        assert_eq!((&status["other"]["version"], &status["other"]["state"]), (&"2.0".into(), &"Unverified".into()));
    }

    /// A keeper on a socket in this folder; what connects to it.
    fn served(folder: &Path, slots: Shared) -> impl Fn() -> Wire + use<> {
        let path = folder.join("keeper.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || serve(&listener, &slots, pretend, &|_| {}));
        move || Wire::new(UnixStream::connect(&path).unwrap(), None).unwrap()
    }

    #[test]
    fn the_clock_is_set_while_an_update_comes_slowly() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, key) = slots(folder.path());
        let connect = served(folder.path(), slots);
        let (mut update, mut clock) = (connect(), connect());
        update.send(&Order::Install).unwrap();
        let bundle = bundle(&key);
        update.send_bytes(&bundle[..bundle.len() / 2]).unwrap();
        clock.send(&Order::SetTime { unix_ms: RELEASED * 1000 }).unwrap();
        assert!(matches!([clock.answer(), clock.answer()], [Ok(Answer::Line(_)), Ok(Answer::Done)]));
        update.end_of_data().unwrap();
        assert!(matches!(update.answer(), Ok(Answer::Error(why)) if why.contains("early")));
    }

    #[test]
    fn there_are_not_many_seats_for_who_only_connects() {
        let folder = tempfile::tempdir().unwrap();
        let connect = served(folder.path(), slots(folder.path()).0);
        let idle: Vec<_> = (0..limits::KEEPER_CONNECTIONS).map(|_| connect()).collect();
        let mut one_more = connect();
        assert!(matches!(one_more.answer(), Ok(Answer::Error(why)) if why.contains("too much")));
        drop(idle);
    }

    #[test]
    fn an_update_that_is_refused_is_told_why() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, _) = slots(folder.path());
        let stranger = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        for (bytes, why) in [(bundle(&stranger), "signed"), (b"GIF89a".to_vec(), "early"), (vec![0; 1 << 20], "bundle")]
        {
            let (done, said) = ask(&slots, &Order::Install, &bytes);
            assert!(done.unwrap_err().contains(why));
            assert!(matches!(said.as_slice(), [Answer::Error(said)] if said.contains(why)), "{said:?}");
        }
        assert_eq!(lock(&slots).state().unwrap().sequence, 0);
    }

    #[test]
    fn patience_is_shortened_in_proportion() {
        let normal = Patience::default();
        let short = shortened(normal, "quiet roost.prove=18 panic=-1\n").unwrap();
        assert_eq!(short.prove, Duration::from_secs(18));
        assert_eq!(short.trial, normal.trial / 10);
        assert_eq!(short.board, normal.board / 10);
        for arguments in ["", "quiet", "roost.prove=", "roost.prove=0", "roost.prove=99999", "roost.prove=-1"] {
            assert_eq!(shortened(normal, arguments), None, "{arguments}");
        }
    }
}
