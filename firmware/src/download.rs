//! Fetches an update from an address that the owner typed in, over HTTP or HTTPS (RFC 9112, RFC 8446).
//!
//! What comes is a stream for the keeper, which believes nothing of it but a signature; nothing of it is ever shown. So plain HTTP will
//! do, and what is kept in bounds here is the effort: time, octets, redirects, a pace that a server has to keep. An address
//! that leads back to this machine is refused wherever it comes from, the owner, a redirect or a name server.

use crate::limits;
use rustls::CertificateError;
use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, BodyReader, Error, Timeout};

/// Where an update is: an address that begins with `https://` or `http://`, without a name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Uri);

impl Source {
    /// Understands what was typed; the error is a sentence for who typed it.
    pub fn parse(typed: &str) -> Result<Source, &'static str> {
        let typed = typed.trim();
        if !Source::is_meant(typed) {
            return Err("Please enter an address that begins with https:// or http://.");
        }
        if typed.len() > limits::ADDRESS {
            return Err("This address is too long.");
        }
        let uri: Uri = typed.parse().map_err(|_| "This is not an address that can be asked for a file.")?;
        match (uri.host(), uri.authority()) {
            (Some(host), Some(authority)) if !host.is_empty() && !authority.as_str().contains('@') => Ok(Source(uri)),
            (Some(_), Some(_)) => Err("Please enter the address without a name and password."),
            _ => Err("This address names no server."),
        }
    }

    /// Whether an address is what was meant, and not a file.
    pub fn is_meant(text: &str) -> bool {
        let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        begins("https://") || begins("http://")
    }

    /// The server. The rest of an address may be a secret of its own and does not go into a log.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }
}

/// Why there is no update to be had from there. `Display` is a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The name servers do not know it, or do not answer.
    NoSuchHost(String),
    /// It is this machine.
    LeadsHere(String),
    /// Nobody listens there.
    Refused(String),
    /// No packet gets there.
    Unreachable(String),
    /// It does not prove to be who it should be; why, as far as that helps.
    Certificate(String, &'static str),
    /// Whatever answers, it is not HTTP, or not TLS.
    Gibberish(String),
    /// A status that is no success.
    Status(String, u16),
    /// It leads elsewhere too often.
    Redirects,
    /// It leads to something that is no address of a file.
    Nowhere(String),
    /// More octets than any update.
    TooLarge,
    /// It did not answer in time, fell silent, or sends next to nothing.
    TooSlow(String),
    /// It ended, or was cut off, before it was whole.
    EndsEarly(String),
    /// The owner has changed their mind.
    Cancelled,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoSuchHost(host) => {
                write!(f, "there is no server called {host}, or the name servers do not answer")
            }
            Trouble::LeadsHere(host) => write!(f, "{host} leads back to this box"),
            Trouble::Refused(host) => write!(f, "{host} takes no connections there"),
            Trouble::Unreachable(host) => write!(f, "{host} cannot be reached"),
            Trouble::Certificate(host, why) => write!(f, "the certificate of {host} is not trusted: {why}"),
            Trouble::Gibberish(host) => write!(f, "what answers at {host} is no web server"),
            Trouble::Status(host, status @ (404 | 410)) => write!(f, "{host} has no such file ({status})"),
            Trouble::Status(host, status @ (401 | 403 | 407)) => {
                write!(f, "{host} does not give this file to everybody ({status})")
            }
            Trouble::Status(host, status) => write!(f, "{host} answers with status {status} instead of a file"),
            Trouble::Redirects => f.write_str("the address leads from one place to the next too often"),
            Trouble::Nowhere(host) => write!(f, "{host} leads to something that is not on the web"),
            Trouble::TooLarge => f.write_str("the file is larger than any update"),
            Trouble::TooSlow(host) => write!(f, "{host} does not answer, or sends too slowly"),
            Trouble::EndsEarly(host) => write!(f, "{host} ended the connection before the file was whole"),
            Trouble::Cancelled => f.write_str("it was cancelled"),
        }
    }
}
impl std::error::Error for Trouble {}

/// How far a download has come; shared by who fetches and who watches.
#[derive(Debug, Default)]
pub struct Progress {
    got: AtomicU64,
    /// Zero if the server does not tell.
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Octets that came, and how many there will be if the server tells.
    pub fn now(&self) -> (u64, Option<u64>) {
        let total = self.total.load(Ordering::Relaxed);
        (self.got.load(Ordering::Relaxed), (total > 0).then_some(total))
    }
}

/// Bounds of a download.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A name is found, a connection made, an answer begun, within this time each; a longer silence ends it.
    pub silence: Duration,
    /// So many octets come within the time.
    pub pace: (u64, Duration),
    /// All of it takes no longer.
    pub time: Duration,
    /// Octets.
    pub size: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        let (silence, pace) = (limits::DOWNLOAD_SILENCE, limits::DOWNLOAD_PACE);
        Bounds { silence, pace, time: limits::DOWNLOAD_TIME, size: limits::UPLOAD as u64 }
    }
}

/// Asks for one file.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    bounds: Bounds,
    progress: Arc<Progress>,
    /// The server that was asked last: redirects lead to others.
    asked: Arc<Mutex<String>>,
}

impl Client {
    /// A client that trusts the well-known authorities and does not reach this machine.
    pub fn new() -> Client {
        Client::with(Bounds::default(), RootCerts::WebPki, None)
    }

    fn with(bounds: Bounds, roots: RootCerts, exempt: Option<IpAddr>) -> Client {
        let asked = Arc::new(Mutex::new(String::new()));
        let resolver = Elsewhere { names: DefaultResolver::default(), asked: asked.clone(), exempt };
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(limits::REDIRECTS)
            .max_response_header_size(limits::WEB_HEAD)
            .max_idle_connections(0)
            .user_agent(concat!("Roost/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(bounds.silence))
            .timeout_connect(Some(bounds.silence))
            .timeout_per_write(Some(bounds.silence))
            .timeout_recv_response(Some(bounds.silence))
            .timeout_per_read(Some(bounds.silence))
            .timeout_global(Some(bounds.time))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        Client { agent, bounds, progress: Arc::default(), asked }
    }

    /// How far it has come.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Ends it wherever it is; whoever reads is told so.
    pub fn cancel(&self) {
        self.progress.cancelled.store(true, Ordering::Relaxed);
        self.agent.clone().shutdown();
    }

    /// Asks for the file; returns when it begins to come.
    pub fn fetch(&self, source: &Source) -> Result<Download, Trouble> {
        let answer = self.agent.get(&source.0).call().map_err(|e| self.understand(&e))?;
        let status = answer.status();
        if status != ureq::http::StatusCode::OK {
            return Err(Trouble::Status(self.host(), status.as_u16()));
        }
        let body: Body = answer.into_body();
        let total = body.content_length();
        if total.is_some_and(|total| total > self.bounds.size) {
            return Err(Trouble::TooLarge);
        }
        self.progress.total.store(total.unwrap_or(0), Ordering::Relaxed);
        let (progress, bounds, host) = (self.progress.clone(), self.bounds, self.host());
        Ok(Download {
            body: body.into_reader(),
            progress,
            bounds,
            host,
            waited: Duration::ZERO,
            came: 0,
            trouble: None,
        })
    }

    fn host(&self) -> String {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn understand(&self, e: &Error) -> Trouble {
        if self.progress.cancelled.load(Ordering::Relaxed) { Trouble::Cancelled } else { understand(e, self.host()) }
    }
}

/// What an error of the HTTP client means.
fn understand(e: &Error, host: String) -> Trouble {
    match e {
        Error::Other(inner) => match inner.downcast_ref::<Trouble>() {
            Some(trouble) => trouble.clone(),
            None => Trouble::Gibberish(host),
        },
        Error::HostNotFound => Trouble::NoSuchHost(host),
        // As long as nothing was sent, it is the way there that fails.
        Error::Timeout(Timeout::Resolve) => Trouble::NoSuchHost(host),
        Error::Timeout(Timeout::Connect) => Trouble::Unreachable(host),
        Error::Timeout(_) => Trouble::TooSlow(host),
        Error::TooManyRedirects => Trouble::Redirects,
        Error::BadUri(_) | Error::RedirectFailed => Trouble::Nowhere(host),
        Error::Rustls(e) => of_tls(e, host),
        Error::Io(e) => of_connection(e, host),
        _ => Trouble::Gibberish(host),
    }
}

fn of_connection(e: &io::Error, host: String) -> Trouble {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidData, TimedOut, UnexpectedEof,
    };
    if let Some(inner) = e.get_ref() {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return of_tls(tls, host);
        }
        if let Some(error) = inner.downcast_ref::<Error>() {
            return understand(error, host);
        }
    }
    match e.kind() {
        ConnectionRefused => Trouble::Refused(host),
        TimedOut => Trouble::TooSlow(host),
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => Trouble::EndsEarly(host),
        InvalidData => Trouble::Gibberish(host),
        _ => Trouble::Unreachable(host),
    }
}

fn of_tls(e: &rustls::Error, host: String) -> Trouble {
    let rustls::Error::InvalidCertificate(certificate) = e else { return Trouble::Gibberish(host) };
    let why = match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it is no longer valid",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is the time of this box right?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is another server’s",
        CertificateError::UnknownIssuer => "no authority that this box knows has signed it",
        _ => "it is faulty",
    };
    Trouble::Certificate(host, why)
}

/// Finds addresses, but never this machine's.
#[derive(Debug)]
struct Elsewhere {
    names: DefaultResolver,
    asked: Arc<Mutex<String>>,
    /// The one that is taken for another machine: a test’s server.
    exempt: Option<IpAddr>,
}

impl Resolver for Elsewhere {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().to_owned();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&host);
        let trouble = |trouble: Trouble| Error::Other(Box::new(trouble));
        let found = match self.names.resolve(uri, config, timeout) {
            Err(Error::Io(_)) => return Err(trouble(Trouble::NoSuchHost(host))),
            other => other?,
        };
        let here = |address: IpAddr| is_here(address) && Some(address) != self.exempt;
        let leads_here = found.iter().any(|address| here(address.ip()));
        if leads_here { Err(trouble(Trouble::LeadsHere(host))) } else { Ok(found) }
    }
}

/// Whether an address is this machine's by itself, or nobody's in particular.
fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    address.is_loopback() || address.is_unspecified() || address.is_multicast() || broadcast
}

/// A file on its way. It ends where the server says that it ends, or in an error that [`Download::trouble`] explains.
pub struct Download {
    body: BodyReader<'static>,
    progress: Arc<Progress>,
    bounds: Bounds,
    host: String,
    /// Time spent waiting for the server since `came` was zero: what the storage takes is not its fault.
    waited: Duration,
    came: u64,
    trouble: Option<Trouble>,
}

impl Download {
    /// Why it ended early, if it did.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    fn piece(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let began = Instant::now();
        let read = self.body.read(buffer);
        self.waited += began.elapsed();
        // The end of a connection that we cut is not the end of the file.
        if self.progress.cancelled.load(Ordering::Relaxed) {
            return Err(Trouble::Cancelled);
        }
        let n = read.map_err(|e| of_connection(&e, self.host.clone()))?;
        self.came += n as u64;
        let (octets, time) = self.bounds.pace;
        if self.came >= octets {
            (self.came, self.waited) = (0, Duration::ZERO);
        } else if self.waited > time {
            return Err(Trouble::TooSlow(self.host.clone()));
        }
        let got = self.progress.got.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        if got > self.bounds.size { Err(Trouble::TooLarge) } else { Ok(n) }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(trouble) = &self.trouble {
            return Err(io::Error::other(trouble.clone()));
        }
        self.piece(buffer).map_err(|trouble| {
            self.trouble = Some(trouble.clone());
            io::Error::other(trouble)
        })
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("progress", &self.progress).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub mod tests;
