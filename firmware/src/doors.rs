//! The listeners: which protocol stands behind which port, and how many may come in.

use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::connection;
use crate::limits;
use conversation::{Peer, Security, Session};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A protocol on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Imap,
    Imaps,
    Pop3,
    Pop3s,
    Smtp,
    Submission,
    Submissions,
    Lmtp,
}

/// A web port; see `web_front`.
pub const HTTP: u16 = 80;
/// See [`HTTP`].
pub const HTTPS: u16 = 443;

impl Door {
    /// Every mail door.
    pub const ALL: [Door; 8] =
        [Door::Imap, Door::Imaps, Door::Pop3, Door::Pop3s, Door::Smtp, Door::Submission, Door::Submissions, Door::Lmtp];

    /// Its standard port (RFC 8314 for the ones that begin with TLS; 24 is "any private mail system", used for LMTP).
    pub fn port(self) -> u16 {
        match self {
            Door::Imap => 143,
            Door::Imaps => 993,
            Door::Pop3 => 110,
            Door::Pop3s => 995,
            Door::Smtp => 25,
            Door::Submission => 587,
            Door::Submissions => 465,
            Door::Lmtp => 24,
        }
    }
    /// Its name, for logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Door::Imap => "imap",
            Door::Imaps => "imaps",
            Door::Pop3 => "pop3",
            Door::Pop3s => "pop3s",
            Door::Smtp => "smtp",
            Door::Submission => "submission",
            Door::Submissions => "submissions",
            Door::Lmtp => "lmtp",
        }
    }
    /// Whether TLS comes first.
    pub fn tls_first(self) -> bool {
        matches!(self, Door::Imaps | Door::Pop3s | Door::Submissions)
    }
    /// What to say when there are too many connections.
    pub fn too_many(self) -> &'static [u8] {
        match self {
            Door::Imap | Door::Imaps => imap::TOO_MANY,
            Door::Pop3 | Door::Pop3s => pop3::TOO_MANY,
            Door::Smtp | Door::Submission | Door::Submissions | Door::Lmtp => smtp::TOO_MANY,
        }
    }
}

/// What every connection is given.
#[derive(Debug)]
pub struct Reception {
    /// What IMAP sessions share.
    pub imap: Arc<imap::Context>,
    /// What POP3 sessions share.
    pub pop3: Arc<pop3::Context>,
    /// What SMTP and LMTP sessions share.
    pub smtp: Arc<smtp::Context>,
    /// TLS for mail.
    pub tls: Arc<rustls::ServerConfig>,
    /// For the channel binding.
    pub certificates: Arc<Certificates>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Who is in.
    pub guests: Arc<Guests>,
    /// Room for those who are told that there is none.
    pub farewells: Arc<Semaphore>,
    /// Turns true when the daemon stops.
    pub stopping: watch::Receiver<bool>,
}

impl Reception {
    /// A session for a client at this door.
    pub fn session(&self, door: Door, ip: IpAddr, security: Security, waker: store::Waker) -> Box<dyn Session> {
        let peer = Peer { ip, security };
        let smtp = |role, peer| Box::new(smtp::Session::new(self.smtp.clone(), role, peer));
        match door {
            Door::Imap | Door::Imaps => Box::new(imap::Session::new(self.imap.clone(), peer, waker)),
            Door::Pop3 | Door::Pop3s => Box::new(pop3::Session::new(self.pop3.clone(), peer)),
            Door::Smtp => smtp(smtp::Role::Reception, peer),
            Door::Submission | Door::Submissions => smtp(smtp::Role::Submission, peer),
            Door::Lmtp => smtp(smtp::Role::Lmtp, peer),
        }
    }
}

/// Opens a port on one address, or on every address of the machine.
pub async fn bind(listen: Option<IpAddr>, port: u16, name: &str) -> Result<TcpListener, String> {
    let fault = |address: SocketAddr, e: std::io::Error| format!("{name}: port {port} on {}: {e}", address.ip());
    if let Some(ip) = listen {
        let address = SocketAddr::new(ip, port);
        return TcpListener::bind(address).await.map_err(|e| fault(address, e));
    }
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match TcpListener::bind(both).await {
        Err(e) if e.kind() != std::io::ErrorKind::AddrInUse && e.kind() != std::io::ErrorKind::PermissionDenied => {
            // A kernel without IPv6.
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            TcpListener::bind(address).await.map_err(|e| fault(address, e))
        }
        other => other.map_err(|e| fault(both, e)),
    }
}

/// The next connection; waits a little when the system has no room for one.
pub async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(e) = prepare(&stream) {
                    tracing::debug!("no options of TCP: {e}");
                }
                return (stream, peer.ip().to_canonical());
            }
            Err(e) => {
                tracing::warn!("cannot accept a connection: {e}");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers leave at once, and a client that is gone without a word is noticed within minutes: a phone that leaves the house
/// would else keep its places for as long as it may be silent.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, limits::KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(stream, limits::KEEP_ALIVE_AGAIN)?;
    Ok(sockopt::set_tcp_keepcnt(stream, limits::KEEP_ALIVE_TRIES)?)
}

/// Serves one door until the daemon stops.
pub async fn serve(door: Door, listener: TcpListener, reception: Arc<Reception>) {
    let mut stopping = reception.stopping.clone();
    loop {
        tokio::select! {
            (stream, ip) = accept(&listener) => match reception.guests.enter(ip) {
                Some(place) => {
                    tokio::spawn(connection::run(door, stream, reception.clone(), place));
                }
                None => {
                    tracing::warn!(door = door.name(), %ip, "refused: too many connections");
                    turn_away(door, stream, &reception);
                }
            },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Says why, in the protocol's words: where TLS comes first only after the handshake, and only to a few at a time.
fn turn_away(door: Door, stream: TcpStream, reception: &Arc<Reception>) {
    let Ok(permit) = reception.farewells.clone().try_acquire_owned() else { return };
    let reception = reception.clone();
    tokio::spawn(async move {
        connection::turn_away(door, stream, &reception).await;
        drop(permit);
    });
}

/// Counts who is connected, in all, per address and per account.
#[derive(Debug, Default)]
pub struct Guests {
    all: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    accounts: Mutex<HashMap<auth::AccountId, usize>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    guests: Arc<Guests>,
    ip: IpAddr,
    account: Option<auth::AccountId>,
}

impl Guests {
    /// A place for one more connection from this address, if there is one.
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= limits::CONNECTIONS {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if !count_up(&self.addresses, ip, limits::CONNECTIONS_PER_ADDRESS) {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place { guests: self.clone(), ip, account: None })
    }
    /// Connections now.
    pub fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Place {
    /// The client logged in: whether the account has room for one more connection.
    pub fn logged_in(&mut self, account: auth::AccountId) -> bool {
        if self.account == Some(account) {
            return true;
        }
        self.leave_account();
        let room = count_up(&self.guests.accounts, account, limits::CONNECTIONS_PER_ACCOUNT);
        if room {
            self.account = Some(account);
        }
        room
    }
    fn leave_account(&mut self) {
        if let Some(account) = self.account.take() {
            count_down(&self.guests.accounts, account);
        }
    }
    /// Where the client is.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave_account();
        count_down(&self.guests.addresses, self.ip);
        self.guests.all.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count_up<K: std::hash::Hash + Eq>(counts: &Mutex<HashMap<K, usize>>, key: K, limit: usize) -> bool {
    let Ok(mut counts) = counts.lock() else { return false };
    let n = counts.entry(key).or_insert(0);
    let room = *n < limit;
    *n += usize::from(room);
    room
}

fn count_down<K: std::hash::Hash + Eq>(counts: &Mutex<HashMap<K, usize>>, key: K) {
    let Ok(mut counts) = counts.lock() else { return };
    if let Some(n) = counts.get_mut(&key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_gone_is_noticed() {
        use rustix::net::sockopt;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, ip) = accept(&listener).await;
        assert!(ip.is_loopback() && stream.nodelay().unwrap() && sockopt::socket_keepalive(&stream).unwrap());
        let tries = sockopt::tcp_keepcnt(&stream).unwrap();
        let silence = sockopt::tcp_keepidle(&stream).unwrap() + sockopt::tcp_keepintvl(&stream).unwrap() * tries;
        assert!(silence <= std::time::Duration::from_secs(600), "{silence:?}");
    }

    #[test]
    fn one_address_and_one_account_have_their_limits_and_places_come_back() {
        let guests = Arc::new(Guests::default());
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut places: Vec<Place> =
            (0..limits::CONNECTIONS_PER_ADDRESS).map(|_| guests.enter(here).unwrap()).collect();
        assert!(guests.enter(here).is_none());
        assert!(guests.enter(IpAddr::from([127, 0, 0, 2])).is_some(), "another address still has room");
        let account = auth::AccountId(1);
        assert!(places.iter_mut().take(limits::CONNECTIONS_PER_ACCOUNT).all(|p| p.logged_in(account)));
        assert!(!places[limits::CONNECTIONS_PER_ACCOUNT].logged_in(account));
        assert!(places[0].logged_in(account), "asking again takes no second place");
        drop(places);
        assert_eq!(guests.count(), 0);
        assert!(guests.addresses.lock().unwrap().is_empty() && guests.accounts.lock().unwrap().is_empty());
    }
}
