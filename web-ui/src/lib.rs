//! Setup and status pages: askama pages behind embedded-svc handlers, served by tiny_http on a Unix socket.
//!
//! Knows settings, board and auth; does not know that mail exists. A request passes [`site`]'s checks in one order: its path
//! has a page, its `Host` is ours, the visitor may see the page, the form is one of ours; then the page answers with a value.

mod answer;
mod clock;
mod connection;
mod form;
mod host;
mod limits;
mod pages;
mod server;
mod session;
mod site;
mod tries;
mod upload;

pub use server::Server;

use board::network::{Outlook, Seen};
use settings::network::Change;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

/// What the pages are given.
pub struct Context {
    /// What the owner can configure.
    pub settings: Arc<settings::Settings>,
    /// The hardware.
    pub board: Arc<dyn board::Board>,
    /// The box's certificate authority, for download: PEM text, and DER with its SHA-256 for display.
    pub authority_pem: String,
    /// The same as DER.
    pub authority_der: Vec<u8>,
    /// The mail ports as clients on the LAN reach them.
    pub ports: Ports,
    /// Names and addresses at which the box can be asked and its certificate is valid now; they change with the network.
    /// Loopback ones alone if it listens on this machine only.
    pub server_names: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Body of `GET /metrics` (OpenMetrics).
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the daemon is healthy, with a word on what is not, for `GET /health`.
    pub health: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The time.
    pub time: Time,
    /// New versions.
    pub updates: Updates,
    /// The network, where it is ours to change.
    pub networking: Networking,
    /// Switching off and restarting.
    pub power: Power,
    /// What is wrong, on a box that cannot open its data: then there is one page about that and no other.
    pub trouble: Option<Trouble>,
}

/// A box that cannot open its data. Whoever has the setup code, which its console shows, may mend it.
pub struct Trouble {
    /// What is wrong, in a sentence.
    pub why: String,
    /// What can still be saved.
    pub downloads: Vec<Download>,
    /// Mends, and restarts the box soon afterwards; nothing where nobody can. The error says why not.
    pub mend: Option<Box<MendData>>,
}

/// Mends, or says why not.
pub type MendData = dyn Fn(Mend) -> Result<(), String> + Send + Sync;
/// Begins to read something, or says why it cannot be read.
pub type Open = dyn Fn() -> Result<Box<dyn io::Read + Send>, String> + Send + Sync;

/// Something that can still be saved.
pub struct Download {
    /// The file's name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub what: &'static str,
    /// Begins to read it.
    pub open: Box<Open>,
}

/// What can be done to damaged data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Repair the file system.
    Repair,
    /// Erase everything.
    Afresh,
}

/// The time that the box asks the network for.
pub struct Time {
    /// What is known of it; nothing on a machine that keeps its time itself.
    pub known: Box<dyn Fn() -> Option<KnownTime> + Send + Sync>,
    /// Asks at once: another server was chosen.
    pub ask: Box<dyn Fn() + Send + Sync>,
}

/// What is known of the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownTime {
    /// Who told it, and when, seconds since 1970.
    pub last: Option<(String, i64)>,
    /// Why it was not told when it was last asked for.
    pub trouble: Option<String>,
}

/// Changes the network; each error is a sentence without its full stop.
pub struct Networking {
    /// How it is; an error on a machine that keeps its network itself.
    pub look: Box<dyn Fn() -> Result<Outlook, String> + Send + Sync>,
    /// Tries a change, soon after it has returned.
    pub attempt: Box<Attempt>,
    /// What is tried is kept.
    pub confirm: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What is tried is taken back.
    pub go_back: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Which Wi-Fis there are, the strongest first.
    pub scan: Box<dyn Fn() -> Result<Vec<Seen>, String> + Send + Sync>,
}

/// Tries a change of the network.
pub type Attempt = dyn Fn(&Change) -> Result<(), String> + Send + Sync;

/// A machine that keeps its network itself.
impl Default for Networking {
    fn default() -> Networking {
        let no = || "this machine keeps its network itself".to_owned();
        Networking {
            look: Box::new(move || Err(no())),
            attempt: Box::new(move |_| Err(no())),
            confirm: Box::new(move || Err(no())),
            go_back: Box::new(move || Err(no())),
            scan: Box::new(move || Err(no())),
        }
    }
}

/// Ends what the machine does, in good order.
pub struct Power {
    /// Whether that is ours to do.
    pub possible: Box<dyn Fn() -> bool + Send + Sync>,
    /// Does it, soon after it has returned; the error says why not.
    pub end: Box<EndMachine>,
}

/// Ends what the machine does, or says why not.
pub type EndMachine = dyn Fn(Ending) -> Result<(), String> + Send + Sync;

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The machine is off.
    Off,
    /// It starts again.
    Restart,
}

/// A machine that is switched off by other means.
impl Default for Power {
    fn default() -> Power {
        Power {
            possible: Box::new(|| false),
            end: Box::new(|_| Err("this machine is switched off by other means".into())),
        }
    }
}

/// Takes a bundle; what was done, or why not.
pub type Install = dyn Fn(&mut dyn io::Read) -> Result<String, String> + Send + Sync;

/// Installs new versions.
pub struct Updates {
    /// Whether this machine can.
    pub possible: Box<dyn Fn() -> bool + Send + Sync>,
    /// Reads a bundle to its end and installs it: what was done, or why not. The machine restarts soon afterwards.
    pub install: Box<Install>,
    /// Begins to fetch a bundle from this address and to install it; an error is a sentence about the address.
    pub fetch: Box<Fetch>,
    /// How far that is, or what came of it.
    pub fetching: Box<dyn Fn() -> Fetching + Send + Sync>,
    /// Ends it, if it is not whole yet.
    pub cancel: Box<dyn Fn() + Send + Sync>,
}

/// A machine that cannot be updated.
impl Default for Updates {
    fn default() -> Updates {
        Updates {
            possible: Box::new(|| false),
            install: Box::new(|_| Err("this machine takes no updates".into())),
            fetch: Box::new(|_| Err("This machine takes no updates.".into())),
            fetching: Box::new(|| Fetching::Nothing),
            cancel: Box::new(|| ()),
        }
    }
}

/// Begins to fetch from an address.
pub type Fetch = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// An update that is fetched from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetching {
    /// None was asked for.
    Nothing,
    /// Octets that came, and how many there will be if the server tells.
    Running {
        /// Came.
        got: u64,
        /// Will have come.
        total: Option<u64>,
    },
    /// What was done.
    Installed(String),
    /// Not installed.
    Failed {
        /// The address that was typed.
        address: String,
        /// Why, a sentence without its full stop.
        why: String,
    },
}

/// Port numbers.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// IMAP with TLS.
    pub imaps: u16,
    /// POP3 with TLS.
    pub pop3s: u16,
    /// Submission with TLS.
    pub submissions: u16,
    /// Submission with STARTTLS.
    pub submission: u16,
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// The pages over HTTPS.
    pub https: u16,
}

/// Serves the pages on `listener` until the handle is dropped. Requests carry `X-Client`, the peer's address, set by the front.
/// The listener's socket file is removed with the handle.
pub fn serve(context: Context, listener: UnixListener) -> io::Result<Server> {
    let site = site::Site::new(context, Box::new(clock::SystemClock)).map_err(|e| io::Error::other(e.to_string()))?;
    Server::start(site, listener)
}

#[cfg(test)]
mod tests;
