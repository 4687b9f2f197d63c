//! The radio's program, wpa_supplicant, over its control socket: what it has joined, and which Wi-Fis there are.
//!
//! A command is a datagram and so is its answer; events, which begin with `<`, come in between once they were asked for. What is
//! heard was sent by strangers over the air: names are octets, everything is bounded.

use crate::limits;
use board::network::{Lock, Radio, Seen};
use settings::network::Ssid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Its sockets, one for each radio (`init.d/S40network`).
const SOCKETS: &str = "/run/wpa_supplicant";
/// Where our ends lie.
const OWN: &str = "/run";

/// What the radio is doing; nothing without one.
pub fn radio() -> Option<Radio> {
    let mut control = Control::open(&socket(Path::new(SOCKETS))?, Path::new(OWN), limits::SUPPLICANT).ok()?;
    control.radio().ok()
}

/// Which Wi-Fis there are, the strongest first.
pub fn scan() -> Result<Vec<Seen>, String> {
    let socket = socket(Path::new(SOCKETS)).ok_or("this box has no radio that works")?;
    let fault = |e: io::Error| format!("the radio does not answer: {e}");
    let mut control = Control::open(&socket, Path::new(OWN), limits::SUPPLICANT).map_err(fault)?;
    control.scan(limits::SCAN).map_err(fault)
}

fn socket(folder: &Path) -> Option<PathBuf> {
    // Some builds have another one for Wi-Fi Direct, which sees nothing.
    let radio = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b"p2p-");
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.filter(|entry| radio(&entry.file_name())).map(|entry| entry.path()).min()
}

/// A connection.
struct Control {
    socket: UnixDatagram,
    /// Our own end, which is a file.
    own: PathBuf,
    patience: Duration,
}

impl Control {
    fn open(theirs: &Path, folder: &Path, patience: Duration) -> io::Result<Control> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = folder.join(format!("roost-radio-{}-{number}", std::process::id()));
        match fs::remove_file(&own) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let control = Control { socket: UnixDatagram::bind(&own)?, own, patience };
        control.socket.connect(theirs)?;
        control.socket.set_write_timeout(Some(patience))?;
        Ok(control)
    }

    /// The next datagram, until then.
    fn hear(&self, until: Instant) -> io::Result<Vec<u8>> {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        self.socket.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let mut buffer = vec![0; limits::RADIO_ANSWER];
        let n = self.socket.recv(&mut buffer)?;
        buffer.truncate(n);
        Ok(buffer)
    }

    fn ask(&mut self, command: &str) -> io::Result<Vec<u8>> {
        self.socket.send(command.as_bytes())?;
        let until = Instant::now() + self.patience;
        loop {
            let heard = self.hear(until)?;
            if !heard.starts_with(b"<") {
                return Ok(heard);
            }
        }
    }

    fn radio(&mut self) -> io::Result<Radio> {
        let (mut radio, mut joined) = (Radio::default(), false);
        for line in self.ask("STATUS")?.split(|octet| *octet == b'\n') {
            joined |= line == b"wpa_state=COMPLETED";
            if let Some(name) = line.strip_prefix(b"ssid=") {
                radio.joined = Ssid::new(&unescape(name)).ok();
            }
        }
        if !joined {
            radio.joined = None;
            let networks = self.ask("LIST_NETWORKS")?;
            radio.refused = networks.windows(DISABLED.len()).any(|part| part == DISABLED);
            // After a wrong password for WPA3 nothing is disabled: the access point is left alone for a while.
            radio.refused = radio.refused || self.ask("BSSID_IGNORE")?.contains(&b':');
        }
        Ok(radio)
    }

    fn scan(&mut self, patience: Duration) -> io::Result<Vec<Seen>> {
        let until = Instant::now() + patience;
        if self.ask("ATTACH")? != b"OK\n" {
            return Err(io::Error::other("it does not tell of events"));
        }
        // One that is busy scanning will tell of that.
        let begun = self.ask("SCAN")?;
        if begun != b"OK\n" && begun != b"FAIL-BUSY\n" {
            return Err(io::Error::other("it does not look around"));
        }
        loop {
            let heard = match self.hear(until) {
                // What it knows already is better than nothing.
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
                heard => heard?,
            };
            if is_over(&heard) {
                break;
            }
        }
        Ok(understand(&self.ask("SCAN_RESULTS")?))
    }
}

/// Whether an event tells of the end of a scan, and not of its beginning.
fn is_over(event: &[u8]) -> bool {
    let told = |name: &[u8]| event.windows(name.len()).any(|part| part == name);
    told(b"CTRL-EVENT-SCAN-RESULTS") || told(b"CTRL-EVENT-SCAN-FAILED")
}

/// The flag of a network that did not let us in.
const DISABLED: &[u8] = b"[TEMP-DISABLED]";

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.own) {
            tracing::debug!("{}: {e}", self.own.display());
        }
    }
}

/// The lines of `SCAN_RESULTS`: address, frequency, signal, flags and name, with tabs between them. A Wi-Fi with several
/// stations is shown once, as strong as the strongest; those that hide their names are not shown.
fn understand(text: &[u8]) -> Vec<Seen> {
    let mut found: BTreeMap<Ssid, Seen> = BTreeMap::new();
    for line in text.split(|octet| *octet == b'\n').skip(1) {
        let parts: Vec<&[u8]> = line.splitn(5, |octet| *octet == b'\t').collect();
        let [_, _, signal, flags, name] = parts.as_slice() else { continue };
        let signal = std::str::from_utf8(signal).ok().and_then(|text| text.parse().ok());
        let (Some(signal), Ok(ssid)) = (signal, Ssid::new(&unescape(name))) else { continue };
        if ssid.octets().iter().all(|octet| *octet == 0) {
            continue;
        }
        let seen = Seen { ssid: ssid.clone(), signal, lock: lock(&String::from_utf8_lossy(flags)) };
        match found.get(&ssid) {
            Some(known) if known.signal >= signal => {}
            _ => drop(found.insert(ssid, seen)),
        }
    }
    let mut found: Vec<Seen> = found.into_values().collect();
    found.sort_by_key(|seen| std::cmp::Reverse(seen.signal));
    found.truncate(limits::WIFIS);
    found
}

/// What the flags say, such as `[WPA2-PSK-CCMP][ESS]`.
fn lock(flags: &str) -> Lock {
    let mut locks =
        flags.split(['[', ']']).filter(|flag| ["WPA", "RSN", "WEP", "OWE"].iter().any(|w| flag.starts_with(w)));
    let ours = |flag: &str| {
        let modern = (flag.starts_with("WPA2") || flag.starts_with("RSN")) && flag.contains("CCMP");
        modern && (flag.contains("PSK") || flag.contains("SAE"))
    };
    match (locks.clone().any(ours), locks.next()) {
        (true, _) => Lock::Password,
        (false, Some(_)) => Lock::Other,
        (false, None) => Lock::Open,
    }
}

/// A name as it was sent: the program writes what is no printable ASCII as `\x00` and the like. What it would not write stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (octet, length) = match (first, after) {
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'"', ..]) => (b'"', 2),
            (b'\\', [b'e', ..]) => (0x1b, 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'x', high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            (octet, _) => (*octet, 1),
        };
        octets.push(octet);
        rest = &rest[length..];
    }
    octets
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| digit.try_into().ok())
}

#[cfg(test)]
mod tests;
