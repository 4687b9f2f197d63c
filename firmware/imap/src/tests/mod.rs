//! Sessions over a store in memory: text in, text out.
//!
//! A script is lines `who> text` (a line of a client) and `who< text` (the next line of the reply; `...` stands for any
//! text). Everything that comes must be expected. `who` is a name: `anna1` and `anna2` are two logged-in sessions of one
//! account, names that begin with `raw` are connections with TLS before login, those with `plain` have no TLS.

mod append;
mod fetch;
mod hostile;
mod lists;
mod login;
mod mailboxes;
mod mutants;
mod races;
mod resync;
mod scram;
mod search;
mod updates;

use crate::{Context, Session};
use auth::sasl::ChannelBinding;
use auth::{Account, Address, Directory, Domain};
use conversation::{Next, Peer, Security, Session as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-11-21T11:47:43Z
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_261_663)
}

/// The channel binding of connections with `bound` in their name.
pub const EXPORTER: [u8; 32] = [7; 32];

/// A store, the accounts anna and ben, and their connections.
pub struct World {
    pub context: Arc<Context>,
    pub password: String,
    pub clients: BTreeMap<String, Client>,
}

/// One connection.
pub struct Client {
    pub session: Session,
    /// Replies not yet expected.
    pub replies: Vec<u8>,
    pub next: Next,
    woken: Arc<AtomicBool>,
}

impl Client {
    fn new(context: &Arc<Context>, security: Security) -> Client {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        let waker: store::Waker = Arc::new(move || flag.store(true, Ordering::SeqCst));
        let peer = Peer { ip: [127, 0, 0, 1].into(), security };
        let mut session = Session::new(context.clone(), peer, waker);
        let mut replies = Vec::new();
        let next = session.greet(now(), &mut replies);
        Client { session, replies, next, woken }
    }

    /// What the connection loop does, without waiting.
    pub fn receive(&mut self, bytes: &[u8]) {
        assert_eq!(self.next, Next::Read, "the session does not read");
        let mut out = Vec::new();
        self.next = self.session.receive(bytes, now(), &mut out);
        self.replies.append(&mut out);
        self.settle();
    }

    fn settle(&mut self) {
        let mut out = Vec::new();
        loop {
            self.next = match self.next {
                Next::Resume | Next::Delay(_) => self.session.resume(now(), &mut out),
                Next::StartTls => self.session.secured(Default::default(), now(), &mut out),
                Next::Read | Next::Close => break,
            };
            self.replies.append(&mut out);
        }
    }

    fn wake(&mut self) {
        if self.woken.swap(false, Ordering::SeqCst) && self.next == Next::Read {
            let mut out = Vec::new();
            self.next = self.session.wake(now(), &mut out);
            self.replies.append(&mut out);
            self.settle();
        }
    }

    /// The replies so far.
    pub fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.replies)).into_owned()
    }
}

fn account(id: u32, address: &str) -> (Account, String) {
    let mut account = Account {
        id: auth::AccountId(id),
        address: Address::parse(address).unwrap(),
        aliases: Vec::new(),
        name: "".into(),
        password: None,
        password_for_mail: false,
        app_passwords: Vec::new(),
    };
    let password = account.add_app_password("test", 0).unwrap();
    (account, password)
}

impl World {
    pub fn new() -> World {
        let (anna, password) = account(1, "anna@example.org");
        let (mut ben, _) = account(2, "ben@example.org");
        ben.app_passwords = anna.app_passwords.clone();
        let directory = Arc::new(Directory::new());
        directory.replace(vec![anna, ben], vec![Domain::parse("example.org").unwrap()]);
        let context = Context { store: store::Store::in_memory(), directory, host: "mail.example.org".into() };
        World { context: Arc::new(context), password, clients: BTreeMap::new() }
    }

    /// The connection of this name, made when it is first named.
    pub fn client(&mut self, name: &str) -> &mut Client {
        if !self.clients.contains_key(name) {
            let plain = name.starts_with("plain");
            let tls_exporter = name.contains("bound").then_some(EXPORTER);
            let binding = ChannelBinding { tls_exporter, tls_server_end_point: None };
            let security = if plain { Security::Plain } else { Security::Tls(binding) };
            let mut client = Client::new(&self.context, security);
            if !plain && !name.starts_with("raw") {
                let user = name.trim_end_matches(|c: char| c.is_ascii_digit());
                client.replies.clear();
                client.receive(format!("login LOGIN {user} {}\r\n", self.password).as_bytes());
                let reply = client.take();
                assert!(reply.starts_with("login OK [CAPABILITY IMAP4rev1 "), "{reply}");
            }
            self.clients.insert(name.to_owned(), client);
        }
        self.clients.get_mut(name).unwrap()
    }

    /// Sends bytes and answers the reply.
    pub fn send(&mut self, name: &str, bytes: &[u8]) -> String {
        self.client(name).receive(bytes);
        let reply = self.client(name).take();
        self.wake();
        reply
    }

    /// Appends a message to a mailbox by a session of its own.
    pub fn mail(&mut self, user: &str, mailbox: &str, message: &str) {
        let command = format!("mail APPEND {mailbox} {{{}+}}\r\n{message}\r\n", message.len());
        let reply = self.send(&format!("{user}99"), command.as_bytes());
        assert!(reply.starts_with("mail OK [APPENDUID "), "{reply}");
    }

    fn wake(&mut self) {
        self.clients.values_mut().for_each(Client::wake);
    }

    /// Plays a script.
    pub fn play(&mut self, script: &str) -> &mut World {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let at = line.find(['<', '>']).unwrap_or_else(|| panic!("no direction: {line}"));
            let (who, text) = (&line[..at], line[at + 1..].strip_prefix(' ').unwrap_or(&line[at + 1..]));
            if line.as_bytes()[at] == b'>' {
                let waiting = self.client(who).take();
                assert_eq!(waiting, "", "{who} was told more before {line}");
                self.client(who).receive(format!("{text}\r\n").as_bytes());
                self.wake();
            } else {
                let told = self.next_line(who);
                assert!(like(&told, text), "{line}\nwas told: {told}\nand then: {}", self.client(who).take());
            }
        }
        for (name, client) in &mut self.clients {
            let rest = client.take();
            assert_eq!(rest, "", "{name} was told more");
        }
        self
    }

    fn next_line(&mut self, who: &str) -> String {
        let replies = &mut self.client(who).replies;
        let Some(end) = replies.windows(2).position(|pair| pair == b"\r\n") else {
            return String::from_utf8_lossy(&std::mem::take(replies)).into_owned() + "(nothing)";
        };
        let line: Vec<u8> = replies.drain(..end + 2).collect();
        String::from_utf8_lossy(&line[..end]).into_owned()
    }
}

/// Whether a line is as expected; `...` stands for any text.
fn like(line: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once("...") else { return line == pattern };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split("...").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match line.find(piece) {
            Some(at) => line = &line[at + piece.len()..],
            None => return false,
        }
    }
    line.ends_with(last)
}

/// Plays a script in a new world.
pub fn play(script: &str) {
    World::new().play(script);
}
