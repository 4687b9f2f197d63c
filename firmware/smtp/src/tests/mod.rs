//! Transcripts in memory: feed text, compare text. `> ` lines go out in one packet, `< ` lines have to be the whole answer.

mod bdat;
mod full_disk;
mod lmtp;
mod login;
mod properties;
mod reception;
mod smuggling;
mod submission;

use crate::{Context, Role, Session, limits};
use auth::sasl::ChannelBinding;
use auth::{Account, AccountId, Address, Directory, Domain};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversation::{Next, Peer, Security, Session as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::disk::Memory;
use store::{MailboxName, Options, Store, Uid};

/// Anna's account; she also is `a.nna@home.example`.
const ANNA: u32 = 1;
/// Ben's account.
const BEN: u32 = 2;

/// A session and what came of it.
struct Talk {
    session: Session,
    context: Arc<Context>,
    /// How often the session asked for a wait.
    delays: usize,
    closed: bool,
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_261_663)
}

fn binding() -> ChannelBinding {
    ChannelBinding { tls_exporter: Some([7; 32]), tls_server_end_point: None }
}

/// Anna's account and its app password, made once: its keys take time.
fn anna() -> &'static (Account, String) {
    static ANNA_ACCOUNT: OnceLock<(Account, String)> = OnceLock::new();
    ANNA_ACCOUNT.get_or_init(|| {
        let mut account = account(ANNA, "anna@home.example");
        account.aliases.push(Address::parse("a.nna@home.example").unwrap());
        let password = account.add_app_password("laptop", 0).unwrap();
        (account, password)
    })
}

fn account(id: u32, address: &str) -> Account {
    Account {
        id: AccountId(id),
        address: Address::parse(address).unwrap(),
        aliases: Vec::new(),
        name: "".into(),
        password: None,
        password_for_mail: false,
        app_passwords: Vec::new(),
    }
}

fn context(store: Store) -> Arc<Context> {
    let directory = Directory::new();
    let accounts = vec![anna().0.clone(), account(BEN, "ben@home.example"), account(3, "grün@home.example")];
    directory.replace(accounts, vec![Domain::parse("home.example").unwrap()]);
    Arc::new(Context { store, directory: Arc::new(directory), host: "box.home.example".into() })
}

impl Talk {
    fn new(role: Role, security: Security) -> Talk {
        let max_message = limits::MESSAGE + limits::ADDED;
        let options = Options { max_message, ..Options::default() };
        Talk::with_store(Store::on_disk(Arc::new(Memory::new()), options).unwrap(), role, security)
    }
    /// The same with a store made elsewhere.
    fn with_store(store: Store, role: Role, security: Security) -> Talk {
        let context = context(store);
        let peer = Peer { ip: "192.0.2.7".parse().unwrap(), security };
        let session = Session::new(context.clone(), role, peer);
        Talk { session, context, delays: 0, closed: false }
    }
    /// From outside, greeted.
    fn reception() -> Talk {
        let mut talk = Talk::new(Role::Reception, Security::Plain);
        talk.send(b"EHLO there\r\n");
        talk
    }
    /// Under TLS, logged in as Anna.
    fn submission() -> Talk {
        let mut talk = Talk::new(Role::Submission, Security::Tls(binding()));
        talk.send(b"EHLO laptop\r\n");
        let login = STANDARD.encode(format!("\0anna@home.example\0{}", anna().1));
        assert_eq!(talk.send(format!("AUTH PLAIN {login}\r\n").as_bytes()), "235 2.7.0 Logged in\r\n");
        talk
    }
    /// From a program at home, greeted.
    fn lmtp() -> Talk {
        let mut talk = Talk::new(Role::Lmtp, Security::Plain);
        talk.send(b"LHLO mta\r\n");
        talk
    }

    /// Does what the connection loop does; answers the replies.
    fn send(&mut self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        let mut next = self.session.receive(bytes, now(), &mut out);
        loop {
            next = match next {
                Next::Read => break,
                Next::Close => {
                    self.closed = true;
                    break;
                }
                Next::Delay(_) => {
                    self.delays += 1;
                    self.session.resume(now(), &mut out)
                }
                Next::Resume => self.session.resume(now(), &mut out),
                Next::StartTls => self.session.secured(binding(), now(), &mut out),
            }
        }
        without_ids(&String::from_utf8(out).unwrap())
    }

    /// Plays a transcript.
    fn check(&mut self, script: &str) {
        let mut lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty()).peekable();
        while lines.peek().is_some() {
            let (mut packet, mut expected) = (String::new(), String::new());
            while let Some(line) = lines.next_if(|line| line.starts_with('>')) {
                packet.push_str(line[1..].strip_prefix(' ').unwrap_or(""));
                packet.push_str("\r\n");
            }
            while let Some(line) = lines.next_if(|line| line.starts_with('<')) {
                expected.push_str(&line[2..]);
                expected.push_str("\r\n");
            }
            assert!(!packet.is_empty(), "neither > nor <: {:?}", lines.peek());
            assert_eq!(self.send(packet.as_bytes()), expected, "after {packet:?}");
        }
    }

    /// Opens a transaction to Anna (and more), up to before DATA.
    fn envelope(&mut self) {
        self.check(
            "> MAIL FROM:<anna@home.example>
             < 250 2.1.0 <anna@home.example> sender ok
             > RCPT TO:<ben@home.example>
             < 250 2.1.5 <ben@home.example> recipient ok",
        );
    }

    /// The whole messages in somebody's inbox, ids masked.
    fn inbox(&self, account: u32) -> Vec<String> {
        let store = &self.context.store;
        let account = store::AccountId(account);
        let Some(mailbox) = store.mailbox(account, &MailboxName::inbox()).unwrap() else { return Vec::new() };
        let rows = store.messages(mailbox.id, Uid::MIN..=Uid::MAX, 1000).unwrap();
        let read = |row: &store::Message| {
            let mut bytes = Vec::new();
            store.read(row.blob, 0..row.size, &mut bytes).unwrap();
            without_ids(&String::from_utf8_lossy(&bytes))
        };
        rows.iter().map(read).collect()
    }

    /// The messages in somebody's inbox as they were sent, without our trace lines.
    fn sent_to(&self, account: u32) -> Vec<String> {
        let after_trace = |message: String| {
            let (_, sent) = message.split_once(" +0000\r\n").unwrap();
            sent.to_owned()
        };
        self.inbox(account).into_iter().map(after_trace).collect()
    }
}

/// Puts `$id` in the place of the names we give to messages: hexadecimal nanoseconds, a dot and a number.
fn without_ids(text: &str) -> String {
    let nanoseconds = now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let start = format!("{nanoseconds:x}.");
    let mut pieces = text.split(&start);
    let mut masked = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        masked.push_str("$id");
        masked.push_str(piece.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    masked
}
