//! Conversations in memory: `> ` lines are sent, `< ` lines are the whole answer, `(…)` is what the connection loop does.

mod logins;
mod mail;
mod robustness;

use super::*;
use auth::{Account, AccountId, Address};
use conversation::Session as _;
use store::{Flags, MailboxName, Store, Target};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const BINDING: [u8; 32] = [7; 32];

/// A box with two accounts and their mail.
struct Household {
    context: Arc<Context>,
    /// Anna's app password.
    password: String,
}

impl Household {
    fn new() -> Household {
        let account = |id, address| Account {
            id: AccountId(id),
            address: Address::parse(address).unwrap(),
            aliases: Vec::new(),
            name: "".into(),
            password: None,
            password_for_mail: false,
            app_passwords: Vec::new(),
        };
        let (mut anna, ben) = (account(1, "anna@example.org"), account(2, "ben@example.org"));
        let password = anna.add_app_password("phone", 0).unwrap();
        let directory = auth::Directory::new();
        directory.replace(vec![anna, ben], vec![]);
        let context =
            Context { store: Store::in_memory(), directory: Arc::new(directory), host: "mail.example.org".into() };
        Household { context: Arc::new(context), password }
    }

    /// A box where anna has these messages.
    fn with(messages: &[&str]) -> Household {
        let household = Household::new();
        for message in messages {
            household.deliver(message.as_bytes());
        }
        household
    }

    fn store(&self) -> &Store {
        &self.context.store
    }

    fn inbox(&self) -> store::MailboxId {
        self.store().ensure_account(store::AccountId(1), 0).unwrap();
        self.store().mailbox(store::AccountId(1), &MailboxName::inbox()).unwrap().unwrap().id
    }

    fn deliver(&self, message: &[u8]) {
        self.deliver_copies(message, 1);
    }

    fn deliver_copies(&self, message: &[u8], copies: usize) {
        let mut draft = self.store().draft().unwrap();
        draft.write(message).unwrap();
        let target = Target { mailbox: self.inbox(), flags: Flags::default(), internal_date: 0, save_date: 0 };
        let answers = self.store().deliver(draft, &vec![target; copies]).unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }

    /// Anna's messages as the store has them.
    fn rows(&self) -> Vec<store::Message> {
        self.store().messages(self.inbox(), store::Uid::MIN..=store::Uid::MAX, usize::MAX).unwrap()
    }

    fn tls() -> ChannelBinding {
        ChannelBinding { tls_exporter: Some(BINDING), tls_server_end_point: None }
    }

    fn connect(&self, security: Security) -> Client {
        let peer = Peer { ip: "127.0.0.1".parse().unwrap(), security };
        let mut session = Session::new(self.context.clone(), peer);
        let mut out = Vec::new();
        assert_eq!(session.greet(NOW, &mut out), Next::Read);
        assert_eq!(out, b"+OK mail.example.org POP3 ready\r\n");
        Client { session, piece: usize::MAX, password: self.password.clone() }
    }

    /// A connection with TLS where anna is logged in.
    fn log_in(&self) -> Client {
        let mut client = self.connect(Security::Tls(Household::tls()));
        let answer = client.say(&format!("USER anna\r\nPASS {}\r\n", self.password));
        assert!(answer.starts_with("+OK and the password\r\n+OK "), "{answer}");
        client
    }
}

/// The connection loop and the client at its other end.
struct Client {
    session: Session,
    /// Octets that arrive at a time.
    piece: usize,
    password: String,
}

impl Client {
    /// Sends text and answers all that comes back.
    fn say(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&self.say_bytes(text.as_bytes())).into_owned()
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        for piece in bytes.chunks(self.piece.min(bytes.len().max(1))) {
            let mut out = Vec::new();
            let next = self.session.receive(piece, NOW, &mut out);
            if !self.follow(next, out, &mut answer) {
                break;
            }
        }
        answer
    }

    /// What the connection loop does; `false`: the connection is closed.
    fn follow(&mut self, mut next: Next, mut out: Vec<u8>, answer: &mut Vec<u8>) -> bool {
        loop {
            assert!(out.len() < 2 * HIGH_WATER, "the reply buffer is bounded");
            if let Next::Delay(time) = next {
                answer.extend_from_slice(format!("({time:?})\r\n").as_bytes());
            }
            answer.append(&mut out);
            next = match next {
                Next::Read => return true,
                Next::Resume | Next::Delay(_) => self.session.resume(NOW, &mut out),
                Next::StartTls => {
                    answer.extend_from_slice(b"(handshake)\r\n");
                    self.session.secured(Household::tls(), NOW, &mut out)
                }
                Next::Close => {
                    answer.extend_from_slice(b"(closed)\r\n");
                    return false;
                }
            };
        }
    }

    /// Plays a script. `PW` is anna's password. Lines sent without an answer between them go in one packet.
    fn play(&mut self, script: &str) {
        let lines: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let sent = take(&mut rest, ">").replace("PW", &self.password);
            let expected = take(&mut rest, "<");
            assert_eq!(self.say(&sent), expected, "after {sent:?}, {} octets at a time", self.piece);
        }
    }
}

/// The lines at the beginning of `rest` with this mark, without it.
fn take(rest: &mut &[&str], mark: &str) -> String {
    let count = rest.iter().take_while(|line| line.starts_with(mark)).count();
    let (lines, others) = rest.split_at(count);
    *rest = others;
    assert!(count > 0, "the script wants a line with {mark}");
    lines.iter().map(|line| line[1..].strip_prefix(' ').unwrap_or(&line[1..]).to_owned() + "\r\n").collect()
}

/// Plays a script in a fresh household, the bytes arriving in different pieces.
fn play(security: &Security, messages: &[&str], script: &str) {
    for piece in [usize::MAX, 1, 3] {
        let mut client = Household::with(messages).connect(security.clone());
        client.piece = piece;
        client.play(script);
    }
}

/// The same, logged in.
fn play_logged_in(messages: &[&str], script: &str) {
    for piece in [usize::MAX, 1, 3] {
        let mut client = Household::with(messages).log_in();
        client.piece = piece;
        client.play(script);
    }
}
