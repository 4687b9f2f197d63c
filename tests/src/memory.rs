//! The target in memory: sessions over a store in memory, driven as the connection loop drives them.

use crate::play::{Line, Target};
use crate::{DOMAIN, PASSWORD, Protocol};
use auth::password::PasswordHash;
use auth::sasl::ChannelBinding;
use auth::{Account, AccountId, Address, Directory, Domain};
use conversation::{Next, Peer, Security, Session};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// Nothing in memory takes so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The binding of every simulated TLS connection.
const EXPORTER: [u8; 32] = [7; 32];

/// A server in memory.
#[derive(Debug)]
pub struct Memory {
    store: store::Store,
    directory: Arc<Directory>,
    accounts: Mutex<Vec<Account>>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Memory {
        let directory = Arc::new(Directory::new());
        directory.replace(Vec::new(), vec![domain()]);
        Memory { store: store::Store::in_memory(), directory, accounts: Mutex::new(Vec::new()) }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

fn domain() -> Domain {
    Domain::parse(DOMAIN).expect("the domain of the tests is one")
}

/// The hash of the one password, made once: it is slow on purpose.
fn hash() -> PasswordHash {
    static HASH: OnceLock<PasswordHash> = OnceLock::new();
    HASH.get_or_init(|| PasswordHash::new(PASSWORD).expect("the password of the tests is one")).clone()
}

impl Target for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn account(&self, address: &str) -> Result<(), String> {
        let mut accounts = self.accounts.lock().expect("no test panics with this lock");
        let account = self.new_account(&accounts, address)?;
        accounts.push(Account { password: Some(hash()), password_for_mail: true, ..account });
        self.directory.replace(accounts.clone(), vec![domain()]);
        Ok(())
    }

    fn device(&self, address: &str) -> Result<String, String> {
        let mut accounts = self.accounts.lock().expect("no test panics with this lock");
        let mut account = self.new_account(&accounts, address)?;
        let password = account.add_app_password("phone", 0).map_err(|e| e.to_string())?;
        accounts.push(account);
        self.directory.replace(accounts.clone(), vec![domain()]);
        Ok(password)
    }

    fn connect(&self, protocol: Protocol, from: Ipv4Addr) -> Result<Box<dyn Line>, String> {
        let binding = ChannelBinding { tls_exporter: Some(EXPORTER), tls_server_end_point: None };
        let security = if protocol.implicit_tls() { Security::Tls(binding) } else { Security::Plain };
        let peer = Peer { ip: IpAddr::V4(from), security };
        let bell = Arc::new(Bell::default());
        let session = self.session(protocol, peer, bell.clone());
        let mut pipe = Pipe { session, bell, out: Vec::new(), shown: Vec::new(), next: Next::Read };
        pipe.next = pipe.session.greet(SystemTime::now(), &mut pipe.out);
        pipe.go_on();
        Ok(Box::new(pipe))
    }
}

impl Memory {
    /// Nobody can log in to it yet.
    fn new_account(&self, others: &[Account], address: &str) -> Result<Account, String> {
        Ok(Account {
            id: AccountId(u32::try_from(others.len()).map_err(|e| e.to_string())? + 1),
            address: Address::parse(address).map_err(|e| e.to_string())?,
            aliases: Vec::new(),
            name: Default::default(),
            password: None,
            password_for_mail: false,
            app_passwords: Vec::new(),
        })
    }

    fn session(&self, protocol: Protocol, peer: Peer, bell: Arc<Bell>) -> Box<dyn Session> {
        let (store, directory, host) = (self.store.clone(), self.directory.clone(), "roost.home.example".into());
        match protocol {
            Protocol::Imap | Protocol::Imaps => {
                let waker: store::Waker = Arc::new(move || bell.ring());
                Box::new(imap::Session::new(Arc::new(imap::Context { store, directory, host }), peer, waker))
            }
            Protocol::Pop3 | Protocol::Pop3s => {
                Box::new(pop3::Session::new(Arc::new(pop3::Context { store, directory, host }), peer))
            }
            Protocol::Smtp | Protocol::Submission | Protocol::Submissions | Protocol::Lmtp => {
                let role = match protocol {
                    Protocol::Smtp => smtp::Role::Reception,
                    Protocol::Lmtp => smtp::Role::Lmtp,
                    _ => smtp::Role::Submission,
                };
                Box::new(smtp::Session::new(Arc::new(smtp::Context { store, directory, host }), role, peer))
            }
        }
    }
}

/// Rung by the store's writer when a session should wake.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().expect("no test panics with this lock") = true;
        self.heard.notify_all();
    }

    /// Waits until it rings; false if it does not.
    fn wait(&self, limit: Duration) -> bool {
        let rung = self.rung.lock().expect("no test panics with this lock");
        let (mut rung, _) =
            self.heard.wait_timeout_while(rung, limit, |rung| !*rung).expect("no test panics with this lock");
        std::mem::take(&mut *rung)
    }
}

/// A connection to a session in memory.
struct Pipe {
    session: Box<dyn Session>,
    bell: Arc<Bell>,
    /// What the session wrote and the loop has not taken yet.
    out: Vec<u8>,
    /// What the client can see.
    shown: Vec<u8>,
    next: Next,
}

impl Pipe {
    /// Does what the connection loop does until it would wait; delays pass at once.
    fn go_on(&mut self) {
        loop {
            self.shown.append(&mut self.out);
            match self.next {
                Next::Resume | Next::Delay(_) => {
                    self.next = self.session.resume(SystemTime::now(), &mut self.out);
                }
                Next::Read | Next::StartTls | Next::Close => return,
            }
        }
    }
}

impl Line for Pipe {
    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self.next {
            Next::Read => {
                self.next = self.session.receive(bytes, SystemTime::now(), &mut self.out);
                self.go_on();
                Ok(())
            }
            // As on a real connection, bytes to somebody who has hung up are lost.
            Next::Close => Ok(()),
            _ => Err("the server waits for TLS".to_owned()),
        }
    }

    fn read_line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.shown.windows(2).position(|w| w == b"\r\n") {
                let line = self.shown[..end].to_vec();
                self.shown.drain(..end + 2);
                return Ok(Some(line));
            }
            if self.next == Next::Close {
                let rest = String::from_utf8_lossy(&self.shown);
                return if rest.is_empty() { Ok(None) } else { Err(format!("an unfinished line at the end: {rest}")) };
            }
            if !self.bell.wait(deadline.saturating_duration_since(Instant::now())) {
                return Err("nothing came".to_owned());
            }
            if self.next == Next::Read {
                self.next = self.session.wake(SystemTime::now(), &mut self.out);
                self.go_on();
            }
        }
    }

    fn start_tls(&mut self) -> Result<(), String> {
        if self.next != Next::StartTls {
            return Err(format!("the server did not begin TLS but {:?}", self.next));
        }
        if !self.shown.is_empty() {
            return Err(format!("plaintext after the go-ahead: {}", String::from_utf8_lossy(&self.shown)));
        }
        let binding = ChannelBinding { tls_exporter: Some(EXPORTER), tls_server_end_point: None };
        self.next = self.session.secured(binding, SystemTime::now(), &mut self.out);
        self.go_on();
        Ok(())
    }

    fn exporter(&self) -> Option<[u8; 32]> {
        Some(EXPORTER)
    }

    fn silence(&mut self) -> Result<(), String> {
        let limit = self.session.idle_limit();
        if limit < Duration::from_secs(60) {
            return Err(format!("an idle limit of {limit:?} is too short for anybody"));
        }
        self.next = self.session.timed_out(SystemTime::now() + limit, &mut self.out);
        self.go_on();
        Ok(())
    }
}
