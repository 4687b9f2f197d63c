//! The time from the network (SNTP, RFC 4330), for boards without a clock. On a machine that is none of our boards nobody is
//! asked: it keeps its time itself.
//!
//! Asked are the server that the owner chose, or those that the network announces (DHCP, RFC 2132 §8.3), or a public
//! pool. Anybody between could lie, so a small correction needs one answer, a large one two that agree, and no answer
//! from before our release or after 2099 counts. The system's clock is the keeper's to set; ours follows (`clock`).

use crate::clock::{Clock, Learned, Moment, RELEASED, unix};
use crate::limits;
use rsntp::{AsyncSntpClient, Config};
use settings::{Host, Settings};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// The network's script writes the announced servers here, one a line (`udhcpc/default.script`).
pub const ANNOUNCED: &str = "/run/network/time-servers";
/// The public servers, if nobody names others.
const PUBLIC: &str = "pool.ntp.org";
/// The servers' port.
pub const PORT: u16 = 123;

/// What the system's clock is set by.
type SetSystem = dyn Fn(SystemTime) -> Result<(), String> + Send + Sync;

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Who told the time, and when that was, seconds since 1970.
    pub last: Option<(String, i64)>,
    /// Why it is not known, or was not when we last asked.
    pub trouble: Option<String>,
}

/// Asks for the time.
pub struct NetworkTime {
    clock: Arc<Clock>,
    settings: Arc<Settings>,
    announced: PathBuf,
    port: u16,
    set_system: Box<SetSystem>,
    known: Mutex<Known>,
    /// Rung when there is a reason not to wait any longer.
    now: Notify,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// The time is right, or on its way there.
    Right,
    /// The daemon has to start anew to be right.
    StartAnew,
}

/// One server's answer.
#[derive(Debug, Clone, Copy)]
struct Said {
    by: SocketAddr,
    truth: Moment,
}

impl NetworkTime {
    /// Asks for these settings; `announced` is the file with the network's servers.
    pub fn new(
        (clock, settings): (Arc<Clock>, Arc<Settings>),
        announced: &Path,
        port: u16,
        set_system: Box<SetSystem>,
    ) -> NetworkTime {
        let (known, now) = (Mutex::default(), Notify::new());
        NetworkTime { clock, settings, announced: announced.to_owned(), port, set_system, known, now }
    }

    /// What is known.
    pub fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next round begin.
    pub fn ask_now(&self) {
        self.now.notify_one();
    }

    /// Asks again and again while `possible`; returns when the daemon has to start anew.
    pub async fn run(self: &Arc<NetworkTime>, possible: impl Fn() -> bool) {
        let mut retry = limits::TIME_RETRY;
        loop {
            let pause = match possible().then(|| self.round()) {
                // The keeper may be a moment behind us.
                None => limits::TIME_RETRY,
                Some(round) => match round.await {
                    Ok(Round::StartAnew) => return,
                    Ok(Round::Right) => {
                        retry = limits::TIME_RETRY;
                        limits::TIME_CHECK
                    }
                    Err(()) => {
                        let pause = retry;
                        retry = (retry * 2).min(limits::TIME_RETRY_LAST);
                        pause
                    }
                },
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.now.notified() => retry = limits::TIME_RETRY,
            }
        }
    }

    /// Asks once. What is wrong is logged when it begins.
    pub async fn round(self: &Arc<NetworkTime>) -> Result<Round, ()> {
        let outcome = match self.answer().await {
            Ok(said) => self.take(said).await,
            Err(why) => Err(why),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = outcome.as_ref().err().cloned();
        if let Some(why) = trouble.as_ref().filter(|_| known.trouble != trouble) {
            tracing::warn!("the time is not known: {why}");
        }
        known.trouble = trouble;
        let (round, by) = outcome.map_err(|_| ())?;
        known.last = Some((by.ip().to_string(), self.clock.unix()));
        Ok(round)
    }

    /// One answer that can be believed.
    async fn answer(&self) -> Result<Said, String> {
        let addresses = self.addresses().await?;
        let (mut first, mut trouble): (Option<Said>, _) = (None, "no server answers".to_owned());
        // Each a second time: where there is one server only, it has to say it twice.
        for address in addresses.iter().chain(&addresses) {
            let said = match ask(*address).await {
                Ok(said) => said,
                Err(why) => {
                    trouble = format!("{}: {why}", address.ip());
                    continue;
                }
            };
            let ours = self.clock.now();
            if apart(said.truth.time_at(Instant::now()), ours) <= limits::TIME_TRUST {
                return Ok(said);
            }
            match first {
                Some(first) if apart(first.truth.time_at(said.truth.at), said.truth.time) <= limits::TIME_AGREE => {
                    return Ok(said);
                }
                Some(first) => trouble = format!("{} and {} do not agree", first.by.ip(), said.by.ip()),
                None => first = Some(said),
            }
        }
        Err(trouble)
    }

    /// The addresses of the servers, those first that are asked first.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let servers = match &self.settings.get().time_server {
            Some(chosen) => vec![chosen.clone()],
            None => announced(&self.announced),
        };
        let public = servers.is_empty().then_some(PUBLIC);
        let mut addresses = Vec::new();
        let mut trouble = String::new();
        for server in servers.iter().map(Host::as_str).chain(public) {
            match tokio::net::lookup_host((server, self.port)).await {
                Ok(found) => addresses.extend(found),
                Err(e) => trouble = format!("{server}: {e}"),
            }
        }
        addresses.truncate(limits::TIME_SERVERS);
        if addresses.is_empty() { Err(trouble) } else { Ok(addresses) }
    }

    /// Makes it the time, of the system and ours.
    async fn take(self: &Arc<NetworkTime>, said: Said) -> Result<(Round, SocketAddr), String> {
        let off = apart(SystemTime::now(), said.truth.time_at(Instant::now()));
        if off > limits::TIME_OFF {
            let this = self.clone();
            let set = move || (this.set_system)(said.truth.time_at(Instant::now()));
            let set = tokio::task::spawn_blocking(set).await.map_err(|e| e.to_string())?;
            set.map_err(|why| format!("the system's clock cannot be set: {why}"))?;
        }
        let learned = self.clock.learn(said.truth);
        if let Learned::Behind(by) | Learned::Ahead(by) | Learned::FarAhead(by) = learned
            && by > limits::TIME_AGREE
        {
            let side = if matches!(learned, Learned::Behind(_)) { "behind" } else { "ahead of" };
            tracing::info!("the clock was {} s {side} the time of {}", by.as_secs(), said.by.ip());
            // Else a power cut would bring the wrong time back.
            self.clock.save().map_err(|e| format!("the time cannot be written down: {e}"))?;
        }
        let round = if matches!(learned, Learned::FarAhead(_)) { Round::StartAnew } else { Round::Right };
        Ok((round, said.by))
    }
}

/// Asks one server.
async fn ask(server: SocketAddr) -> Result<Said, String> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let config = Config::default().bind_address((any, 0).into()).timeout(limits::TIME_ANSWER);
    let answer = AsyncSntpClient::with_config(config).synchronize(server).await.map_err(|e| e.to_string())?;
    let offset = answer.clock_offset();
    let by = offset.abs_as_std_duration().map_err(|e| e.to_string())?;
    let at = Instant::now();
    let (now, behind) = (SystemTime::now(), offset.signum() >= 0);
    let time = if behind { now.checked_add(by) } else { now.checked_sub(by) };
    let time = time.filter(|time| (RELEASED..limits::LAST_TIME).contains(&unix(*time)));
    Ok(Said { by: server, truth: Moment { time: time.ok_or("it tells a time that cannot be")?, at } })
}

/// The servers that the network announces.
fn announced(file: &Path) -> Vec<Host> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(limits::TIME_ANNOUNCED).read_to_string(&mut text));
    match read {
        Ok(_) => text.split_ascii_whitespace().filter_map(|name| Host::parse(name).ok()).collect(),
        Err(_) => Vec::new(),
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|e| e.duration())
}

impl std::fmt::Debug for NetworkTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkTime").field("known", &self.known()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
