//! The clients: each does one thing after another, by chance, until the server is gone.

use super::model::{Ask, Flags, Model, Number, Uid};
use super::session::{Answer, Session};
use super::{ACCOUNTS, MAILBOXES, Place, account_of, address};
use crate::Protocol;
use crate::lmtp::Sender;
use crate::random::Random;
use crate::wire::Reach;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Messages and octets of them from which a client rather expunges.
const ENOUGH: (usize, usize) = (40, 1_200_000);
/// Deliveries that nobody has looked at; more do not come.
const UNSEEN: usize = 60;
const FLAGS: [&str; 8] =
    ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "$Label1", "$Label2", "private"];

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Mixed,
    /// Only flags are changed: no delivery makes them durable.
    FlagsOnly,
}

/// The clients' common knowledge.
#[derive(Debug)]
pub struct Load<'a> {
    /// What was told and asked.
    pub model: &'a Mutex<Model>,
    /// The power is being cut: from now on anything may fail.
    pub over: AtomicBool,
    /// What they do.
    pub kind: Kind,
    /// How long a client waits between two things at most, in milliseconds.
    pub pause: u64,
}

/// How a client ends: `Ok` when the server is gone.
type End = Result<(), String>;

impl Load<'_> {
    fn model(&self) -> MutexGuard<'_, Model> {
        // A panic elsewhere is reported there.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, random: &mut Random) {
        if self.pause > 0 {
            std::thread::sleep(Duration::from_millis(random.below(self.pause)));
        }
    }

    /// A client's error counts unless the power is being cut.
    fn end(&self, who: &str, ended: Result<(), String>) {
        let over = self.over.load(SeqCst);
        let mut model = self.model();
        match ended {
            Err(why) if !over => model.faults.push(format!("{who}: {why}")),
            ended => model.note(&format!("{who}: ended, {ended:?}")),
        }
    }

    /// Delivers until the server is gone.
    pub fn deliver(&self, reach: &Reach, mut random: Random) {
        let ended = self.deliveries(reach, &mut random);
        self.end("lmtp", ended);
    }

    fn deliveries(&self, reach: &Reach, random: &mut Random) -> End {
        let mut sender = Sender::new(reach.connect(Protocol::Lmtp, Ipv4Addr::LOCALHOST)?)?;
        while !self.over.load(SeqCst) {
            self.rest(random);
            if self.model().deliveries.len() > UNSEEN {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let mut accounts = vec![random.below(ACCOUNTS as u64) as usize];
            if random.chance(10) {
                accounts = (0..ACCOUNTS).collect();
            }
            let (number, text, asked) = {
                let mut model = self.model();
                let (number, text) = model.compose();
                let asked = model.send(number, &accounts);
                (number, text, asked)
            };
            let to: Vec<String> = accounts.iter().map(|account| address(*account)).collect();
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            let answers = sender.deliver(&to, &text)?;
            let mut model = self.model();
            for (account, answer) in accounts.iter().zip(answers) {
                match answer.starts_with("250 ") {
                    true => model.sent(number, *account, asked),
                    false => return Err(format!("message {number} to {account}: {answer}")),
                }
            }
        }
        Ok(())
    }

    /// Uses a mailbox after another until the server is gone.
    pub fn use_mail(&self, client: usize, session: Session, random: Random) {
        let mut user = User { load: self, client, session, random, place: Place::inbox(account_of(client)), seen: 0 };
        let ended = user.run();
        self.end(&format!("client {client}"), ended);
    }
}

/// An IMAP client.
struct User<'a> {
    load: &'a Load<'a>,
    client: usize,
    session: Session,
    random: Random,
    /// The selected mailbox.
    place: Place,
    /// UIDs in INBOX up to here were looked at.
    seen: Uid,
}

impl User<'_> {
    fn run(&mut self) -> End {
        self.select()?;
        while !self.load.over.load(SeqCst) {
            self.load.rest(&mut self.random);
            let own = self.load.model().own(self.client, self.place);
            let (count, octets) = self.load.model().burden(self.client);
            let much = count > ENOUGH.0 || octets > ENOUGH.1;
            if self.load.kind == Kind::FlagsOnly {
                match own.is_empty() || self.random.chance(4) {
                    true => self.move_on()?,
                    false => self.store(&own)?,
                }
                continue;
            }
            match self.random.below(100) {
                0..15 => self.look()?,
                15..24 => self.append()?,
                24..32 => self.move_on()?,
                _ if own.is_empty() => self.move_on()?,
                _ if much && self.random.chance(50) => self.expunge(&own)?,
                32..65 => self.store(&own)?,
                65..80 => self.copy(&own, true)?,
                80..88 => self.copy(&own, false)?,
                _ => self.expunge(&own)?,
            }
        }
        Ok(())
    }

    fn ask(&mut self, command: &str) -> Result<Answer, String> {
        let answer = self.session.ask(command)?;
        if answer.is_ok() { Ok(answer) } else { Err(format!("{command}: {}", answer.end)) }
    }

    /// The command that the model was told of. What fails while the power is being cut may have happened or not.
    fn asked(&mut self, ask: Ask, command: &str) -> Result<Answer, String> {
        self.load.model().ask(self.client, ask);
        let answer = self.session.ask(command)?;
        self.checked(answer)
    }

    fn checked(&mut self, answer: Answer) -> Result<Answer, String> {
        if answer.is_ok() {
            return Ok(answer);
        }
        if !self.load.over.load(SeqCst) {
            self.load.model().refused(self.client, &answer.end);
        }
        Err(answer.end)
    }

    fn select(&mut self) -> End {
        self.ask(&format!("SELECT {}", self.place.name())).map(drop)
    }

    /// To any mailbox, also the same.
    fn move_on(&mut self) -> End {
        self.place.mailbox = self.random.below(MAILBOXES.len() as u64) as usize;
        self.select()
    }

    /// Sees what was delivered.
    fn look(&mut self) -> End {
        if self.place.mailbox != 0 {
            self.place.mailbox = 0;
            self.select()?;
        }
        let first = self.seen + 1;
        let answer = self.ask(&format!("UID FETCH {first}:* (UID BODY.PEEK[HEADER.FIELDS (X-NUMBER)])"))?;
        let number = |literal: &[u8]| -> Option<Number> {
            let text = String::from_utf8_lossy(literal).into_owned();
            text.trim().rsplit(' ').next()?.parse().ok()
        };
        let found: Vec<(Uid, Number)> =
            answer.fetched().filter_map(|(uid, line)| Some((uid, number(line.literal.as_deref()?)?))).collect();
        self.seen = found.iter().map(|(uid, _)| *uid).max().unwrap_or(0).max(self.seen);
        self.load.model().found(self.client, &found);
        Ok(())
    }

    /// Some of its messages: mostly one, sometimes a handful, seldom most of them.
    fn some(&mut self, own: &[(Uid, usize)]) -> Vec<Uid> {
        let most = match self.random.below(10) {
            0..5 => 1,
            5..9 => 8,
            _ => 60,
        };
        let wanted = (self.random.below(most) + 1) as usize;
        let mut left: Vec<Uid> = own.iter().map(|(uid, _)| *uid).collect();
        while left.len() > wanted {
            left.swap_remove(self.random.below(left.len() as u64) as usize);
        }
        left.sort_unstable();
        left
    }

    fn some_flags(&mut self) -> Flags {
        let count = self.random.below(4);
        (0..count).map(|_| (*self.random.pick(&FLAGS)).to_owned()).collect()
    }

    fn store(&mut self, own: &[(Uid, usize)]) -> End {
        let uids = self.some(own);
        let flags = self.some_flags();
        let sign = *self.random.pick(&["+", "-", "", "+"]);
        let silent = if self.random.chance(50) { ".SILENT" } else { "" };
        self.mark(&uids, sign, &flags, silent)
    }

    fn mark(&mut self, uids: &[Uid], sign: &str, flags: &Flags, silent: &str) -> End {
        let wanted: BTreeMap<Uid, Flags> = {
            let model = self.load.model();
            let items = &model.mailboxes[&self.place].items;
            let change = |old: &Flags| match sign {
                "+" => old | flags,
                "-" => old - flags,
                _ => flags.clone(),
            };
            uids.iter().filter_map(|uid| Some((*uid, change(items.get(uid)?.flags())))).collect()
        };
        let words = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let command = format!("UID STORE {} {sign}FLAGS{silent} ({words})", set(uids));
        let answer = self.asked(Ask::Store(self.place, wanted), &command)?;
        self.load.model().stored(self.client, &answer.flags());
        Ok(())
    }

    fn copy(&mut self, own: &[(Uid, usize)], moved: bool) -> End {
        let uids = self.some(own);
        let to = Place { mailbox: self.random.below(MAILBOXES.len() as u64) as usize, ..self.place };
        let command = format!("UID {} {} {}", if moved { "MOVE" } else { "COPY" }, set(&uids), to.name());
        let answer = self.asked(Ask::Copy(self.place, uids, to, moved), &command)?;
        let (validity, pairs) = answer.copy_uid().unwrap_or_default();
        self.load.model().copied(self.client, validity, &pairs);
        Ok(())
    }

    fn expunge(&mut self, own: &[(Uid, usize)]) -> End {
        let uids = self.some(own);
        self.mark(&uids, "+", &Flags::from(["\\Deleted".to_owned()]), ".SILENT")?;
        self.asked(Ask::Expunge(self.place, uids.clone()), &format!("UID EXPUNGE {}", set(&uids)))?;
        self.load.model().expunged(self.client);
        Ok(())
    }

    fn append(&mut self) -> End {
        let to = Place { mailbox: self.random.below(MAILBOXES.len() as u64) as usize, ..self.place };
        let flags = self.some_flags();
        let text = {
            let mut model = self.load.model();
            let (number, text) = model.compose();
            model.ask(self.client, Ask::Append(to, number, flags.clone()));
            text
        };
        let answer = self.session.append(to.name(), &flags, &text)?;
        let answer = self.checked(answer)?;
        let (validity, uid) = answer.append_uid().unwrap_or_default();
        self.load.model().appended(self.client, validity, uid);
        Ok(())
    }
}

/// UIDs as IMAP writes them.
fn set(uids: &[Uid]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}
