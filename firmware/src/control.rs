//! The control socket: how the command line talks to the running daemon, or to the data itself when none runs.
//!
//! One request is one line of JSON, the answer is lines of JSON: any number of `{"line":…}`, then `{"done":…}` or
//! `{"error":…}`. An import goes on with messages, each a line of JSON (see [`Arriving`]) and its octets, each answered.
//! Both ways end in [`serve`]: without a daemon it runs on a thread of the same process, over a pair of sockets.

use crate::data_dir::{DataDir, House};
use crate::endurance;
use crate::limits;
use auth::Address;
use auth::password::PasswordHash;
use serde::{Deserialize, Serialize};
use settings::{SetupCode, UpdateError};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// A new account with a password that mail programs may use.
    AccountAdd { address: Address, password: String },
    /// The addresses of all accounts.
    AccountList,
    /// Removes an account and its mail.
    AccountRemove { address: Address },
    /// Another password.
    AccountPassword { address: Address, password: String },
    /// A new device's password; the answer shows it.
    AppPasswordAdd { address: Address, name: String },
    /// Whoever has the new setup code, which the answer shows, chooses the owner's password anew.
    OwnerReset,
    /// Messages follow.
    Import { account: Address },
    /// Verifies everything; if asked to and the log is whole, the catalogue is made anew at the next start.
    Check { rebuild: bool },
    /// The store's counters, and an estimate of the card's life from the octets that its maker promises; those that the daemon was
    /// told if none are named.
    Stats { endurance: Option<u64> },
    /// Whether the store takes mail; name and password for one login from this machine, if there is an account.
    Probe,
}

/// One message of an import; its octets follow the line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arriving {
    /// Where it goes, made if missing.
    pub mailbox: String,
    /// Its flags.
    pub flags: store::Flags,
    /// INTERNALDATE, Unix seconds.
    pub internal_date: i64,
    /// Octets.
    pub size: u64,
}

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Something to print.
    Line(String),
    /// Well done.
    Done,
    /// Not done, and why.
    Error(String),
}

/// Asks, and prints what comes back.
pub fn ask(data: &Path, request: Request, print: &mut dyn FnMut(&str)) -> Result<(), String> {
    let mut wire = Wire::connect(data)?;
    wire.send(&request)?;
    loop {
        match wire.answer()? {
            Answer::Line(line) => print(&line),
            Answer::Done => return Ok(()),
            Answer::Error(why) => return Err(why),
        }
    }
}

/// The asking end.
#[derive(Debug)]
pub struct Wire {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// The thread that answers when there is no daemon; it ends with the connection.
    local: Option<std::thread::JoinHandle<()>>,
}

impl Wire {
    /// Reaches the daemon, or opens the data.
    pub fn connect(data: &Path) -> Result<Wire, String> {
        let dir = DataDir::new(data);
        if let Ok(stream) = UnixStream::connect(dir.control_socket()) {
            return Wire::new(stream, None);
        }
        if !data.is_dir() {
            return Err(format!("{}: no such data directory", data.display()));
        }
        let house = dir.open()?;
        let (ours, theirs) = UnixStream::pair().map_err(|e| format!("control socket: {e}"))?;
        let local = std::thread::spawn(move || {
            serve(theirs, &house);
            house.close();
        });
        Wire::new(ours, Some(local))
    }

    /// Reaches the daemon, which has to be there and to answer each time within `patience`.
    pub fn to_daemon(data: &Path, patience: std::time::Duration) -> Result<Wire, String> {
        let stream = UnixStream::connect(DataDir::new(data).control_socket());
        let stream = stream.map_err(|e| format!("no daemon answers: {e}"))?;
        let limited = stream.set_read_timeout(Some(patience)).and(stream.set_write_timeout(Some(patience)));
        limited.map_err(|e| format!("control socket: {e}"))?;
        Wire::new(stream, None)
    }

    /// The asking end of a connection.
    pub fn new(stream: UnixStream, local: Option<std::thread::JoinHandle<()>>) -> Result<Wire, String> {
        let writer = stream.try_clone().map_err(|e| format!("control socket: {e}"))?;
        Ok(Wire { reader: BufReader::new(stream), writer, local })
    }
    /// Sends one line.
    pub fn send(&mut self, what: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_vec(what).map_err(|e| e.to_string())?;
        line.push(b'\n');
        self.send_bytes(&line)
    }
    /// Sends octets as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.writer.write_all(bytes).map_err(|e| format!("control socket: {e}"))
    }
    /// Nothing more is sent.
    pub fn end_of_data(&mut self) -> Result<(), String> {
        self.writer.shutdown(std::net::Shutdown::Write).map_err(|e| format!("control socket: {e}"))
    }
    /// The next line of the answer.
    pub fn answer(&mut self) -> Result<Answer, String> {
        read_line(&mut self.reader)?.ok_or_else(|| "the daemon hung up".to_owned())
    }
}

/// What follows the answer.
impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(out)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Err(e) = self.writer.shutdown(std::net::Shutdown::Both) {
            tracing::debug!("control socket: {e}");
        }
        if let Some(local) = self.local.take()
            && local.join().is_err()
        {
            tracing::error!("the store's thread failed");
        }
    }
}

/// A fault with the address of an account in place of the number by which the store knows it.
fn named(fault: &str, accounts: &[auth::Account]) -> String {
    const OF: &str = "account ";
    let Some((before, rest)) = fault.rsplit_once(OF) else { return fault.to_owned() };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..end].parse();
    match accounts.iter().find(|account| number == Ok(account.id.0)) {
        Some(account) => format!("{before}{}{}", account.address, &rest[end..]),
        None => fault.to_owned(),
    }
}

/// Sends one line of an answer.
pub fn reply(mut writer: impl Write, answer: &Answer) -> Result<(), String> {
    let mut line = serde_json::to_vec(answer).map_err(|e| e.to_string())?;
    line.push(b'\n');
    writer.write_all(&line).map_err(|e| format!("control socket: {e}"))
}

/// Reads one line; nothing at the end of the connection.
pub fn read_line<T: for<'a> Deserialize<'a>>(reader: &mut impl BufRead) -> Result<Option<T>, String> {
    let mut line = Vec::new();
    reader.take(limits::CONTROL_LINE).read_until(b'\n', &mut line).map_err(|e| format!("control socket: {e}"))?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(|e| format!("control socket: {e}"))
}

/// Answers one client until it hangs up.
pub fn serve(stream: UnixStream, house: &House) {
    let Ok(writer) = stream.try_clone() else { return };
    let mut desk = Desk { house, reader: BufReader::new(stream), writer };
    let last = match read_line(&mut desk.reader) {
        Ok(Some(request)) => desk.handle(request),
        Ok(None) => return,
        Err(why) => Err(why),
    };
    let answer = match last {
        Ok(()) => Answer::Done,
        Err(why) => Answer::Error(why),
    };
    if let Err(e) = desk.say(&answer) {
        tracing::debug!("{e}");
    }
}

struct Desk<'h> {
    house: &'h House,
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Desk<'_> {
    fn say(&mut self, answer: &Answer) -> Result<(), String> {
        reply(&mut self.writer, answer)
    }
    fn line(&mut self, text: impl Into<String>) -> Result<(), String> {
        self.say(&Answer::Line(text.into()))
    }

    fn handle(&mut self, request: Request) -> Result<(), String> {
        match request {
            Request::AccountAdd { address, password } => self.account_add(&address, &password),
            Request::AccountList => {
                let settings = self.house.settings.get();
                settings.accounts.iter().try_for_each(|a| self.line(a.address.to_string()))
            }
            Request::AccountRemove { address } => self.account_remove(&address),
            Request::AccountPassword { address, password } => self.account_password(&address, &password),
            Request::AppPasswordAdd { address, name } => self.app_password_add(&address, &name),
            Request::OwnerReset => self.owner_reset(),
            Request::Import { account } => self.import(&account),
            Request::Check { rebuild } => self.check(rebuild),
            Request::Probe => self.probe(),
            Request::Stats { endurance } => {
                let endurance = endurance.or(self.house.endurance);
                let stats = endurance::with_estimates(&self.house.store.stats(), endurance);
                self.line(stats.map_err(|e| e.to_string())?.to_string())
            }
        }
    }

    fn account_add(&mut self, address: &Address, password: &str) -> Result<(), String> {
        let hash = PasswordHash::new(password).map_err(|e| e.to_string())?;
        let id = self.change(|config| {
            let id = config.add_account(address.clone(), "").map_err(|e| e.to_string())?;
            set_password(config, address, hash)?;
            Ok(id)
        })?;
        self.house.ensure_mailboxes(id)?;
        tracing::info!(account = %address, "account added");
        Ok(())
    }

    fn account_remove(&mut self, address: &Address) -> Result<(), String> {
        // First nobody can log in or receive any more, then the mail goes: a cut in between leaves mail without an owner, never the reverse.
        let account = self.change(|config| config.remove_account(address).ok_or_else(|| unknown(address)))?;
        self.house.store.remove_account(store::AccountId(account.id.0)).map_err(|e| e.to_string())?;
        tracing::info!(account = %address, "account removed");
        Ok(())
    }

    fn account_password(&mut self, address: &Address, password: &str) -> Result<(), String> {
        let hash = PasswordHash::new(password).map_err(|e| e.to_string())?;
        self.change(|config| set_password(config, address, hash))?;
        tracing::info!(account = %address, "password changed");
        Ok(())
    }

    fn app_password_add(&mut self, address: &Address, name: &str) -> Result<(), String> {
        let now = self.house.clock.unix();
        let password = self.change(|config| {
            let account = config.account_mut(address).ok_or_else(|| unknown(address))?;
            account.add_app_password(name, now).map_err(|e| e.to_string())
        })?;
        tracing::info!(account = %address, device = name, "app password added");
        self.line(password)
    }

    fn owner_reset(&mut self) -> Result<(), String> {
        let code = SetupCode::generate();
        let shown = code.as_str().to_owned();
        self.change(|config| {
            (config.owner, config.setup_code) = (None, Some(code));
            Ok(())
        })?;
        tracing::warn!("the owner's password was forgotten; the box waits for its setup code");
        self.line(format!("Setup code:  {shown}"))
    }

    fn probe(&mut self) -> Result<(), String> {
        self.house.store.health().map_err(|e| format!("store: {e}"))?;
        match self.house.settings.directory().lend(self.house.clock.now()) {
            Some((user, password)) => self.line(user).and_then(|()| self.line(password)),
            None => Ok(()),
        }
    }

    fn check(&mut self, rebuild: bool) -> Result<(), String> {
        let store = &self.house.store;
        let faults = if rebuild { store.rebuild_when_opened() } else { store.check() }.map_err(|e| e.to_string())?;
        let settings = self.house.settings.get();
        for fault in &faults {
            self.line(named(fault, &settings.accounts))?;
        }
        match (faults.len(), rebuild) {
            (0, false) => self.line("all is well"),
            (0, true) => self.line("the log is whole; the catalogue will be made anew from it at the next start"),
            (n, false) => Err(format!("{n} faults found")),
            (n, true) => {
                Err(format!("{n} faults found in the log; the catalogue stays, for it may know what the log has lost"))
            }
        }
    }

    fn import(&mut self, account: &Address) -> Result<(), String> {
        let id = self.house.settings.get().account(account).ok_or_else(|| unknown(account))?.id;
        self.house.ensure_mailboxes(id)?;
        let id = store::AccountId(id.0);
        self.line("ready")?;
        while let Some(arriving) = read_line::<Arriving>(&mut self.reader)? {
            let outcome = self.import_one(id, &arriving);
            // After a refusal the octets that were not read would be taken for requests: the import ends there.
            outcome?;
            self.line("")?;
        }
        Ok(())
    }

    fn import_one(&mut self, account: store::AccountId, arriving: &Arriving) -> Result<(), String> {
        let fault = |e: store::StoreError| e.to_string();
        let now = self.house.clock.unix();
        let store = &self.house.store;
        let name =
            store::MailboxName::parse(&arriving.mailbox).map_err(|e| format!("{}: {}", arriving.mailbox, e.0))?;
        let mailbox = match store.mailbox(account, &name).map_err(fault)? {
            Some(mailbox) => mailbox,
            None => store.create_mailbox(account, &name, None, now).map_err(fault)?,
        };
        let mut draft = store.draft().map_err(fault)?;
        let mut rest = (&mut self.reader).take(arriving.size);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = rest.read(&mut buffer).map_err(|e| format!("control socket: {e}"))?;
            if n == 0 {
                break;
            }
            draft.write(&buffer[..n]).map_err(fault)?;
        }
        if draft.len() != arriving.size {
            return Err("the message broke off".into());
        }
        let target = store::Target {
            mailbox: mailbox.id,
            flags: arriving.flags.clone(),
            internal_date: arriving.internal_date,
            save_date: now,
        };
        store
            .deliver(draft, &[target])
            .map_err(fault)?
            .into_iter()
            .try_for_each(|answer| answer.map(|_| ()))
            .map_err(fault)
    }

    fn change<T>(&self, change: impl FnOnce(&mut settings::Config) -> Result<T, String>) -> Result<T, String> {
        self.house.settings.update(change).map_err(|e| match e {
            UpdateError::Refused(why) => why,
            UpdateError::Storage(e) => format!("settings: {e}"),
        })
    }
}

fn unknown(address: &Address) -> String {
    format!("{address}: no such account")
}

fn set_password(config: &mut settings::Config, address: &Address, hash: PasswordHash) -> Result<(), String> {
    let account = config.account_mut(address).ok_or_else(|| unknown(address))?;
    account.password = Some(hash);
    account.password_for_mail = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_address_of_its_account() {
        let mut config = settings::Config::unclaimed();
        let address = Address::parse("ada@home.example").unwrap();
        let id = config.add_account(address, "").unwrap().0;
        let accounts = &config.accounts;
        let fault = |id: u32| format!("message 3 in \"account 9\" of account {id} cannot be read");
        assert_eq!(named(&fault(id), accounts), "message 3 in \"account 9\" of ada@home.example cannot be read");
        assert_eq!(named(&format!("account {id}"), accounts), "ada@home.example");
        let other = id * 10;
        assert_eq!(named(&fault(other), accounts), fault(other));
        assert_eq!(named("the log is damaged", accounts), "the log is damaged");
    }
}
