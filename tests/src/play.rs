//! Plays a transcript against a target.

use crate::pattern::{self, Variables};
use crate::scram::Scram;
use crate::transcript::{Action, Fault, Step, Transcript};
use crate::{DOMAIN, PASSWORD, Protocol, here};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server to talk to.
pub trait Target {
    /// Its name in `only` lines: memory, tcp or board.
    fn name(&self) -> &'static str;
    /// Makes an account with [`PASSWORD`].
    fn account(&self, address: &str) -> Result<(), String>;
    /// Makes an account that only an app password logs in to; answers that.
    fn device(&self, _address: &str) -> Result<String, String> {
        Err("this target makes no such accounts".to_owned())
    }
    /// Knocks at a door; `from` is the client's address, where the target can choose it.
    fn connect(&self, protocol: Protocol, from: Ipv4Addr) -> Result<Box<dyn Line>, String>;
}

/// A connection as a client has it.
pub trait Line {
    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// The next line without its CRLF; `None` once the server has hung up. Waits, within a limit.
    fn read_line(&mut self) -> Result<Option<Vec<u8>>, String>;
    /// Begins TLS.
    fn start_tls(&mut self) -> Result<(), String>;
    /// What both ends of a TLS connection know and nobody else (RFC 9266).
    fn exporter(&self) -> Option<[u8; 32]> {
        None
    }
    /// Lets the idle limit of the server pass.
    fn silence(&mut self) -> Result<(), String> {
        Err("this target cannot be silent for so long".to_owned())
    }
}

/// Numbers transcripts within a process: each has its own accounts and its own client address.
static SCENES: AtomicU32 = AtomicU32::new(1);

/// Reads the transcript with this name (`imap/idle`) and plays it.
pub fn play_named(name: &str, target: &dyn Target) {
    let path = here().join("transcripts").join(name).with_extension("txt");
    if let Err(Fault(fault)) = Transcript::read(&path).and_then(|transcript| play(&transcript, target)) {
        panic!("{fault}");
    }
}

/// Plays a transcript. `Ok` also if it is not for this target.
pub fn play(transcript: &Transcript, target: &dyn Target) -> Result<(), Fault> {
    if !transcript.only.is_empty() && !transcript.only.iter().any(|t| t == target.name()) {
        return Ok(());
    }
    let mut player = Player::new(target);
    for (number, step) in &transcript.steps {
        player.step(*number, step).map_err(|Wrong { line, why }| {
            let (path, title) = (transcript.path.display(), &transcript.title);
            Fault(format!("{path}:{line}: {why}\n  in: {title}\n{}", player.history()))
        })?;
    }
    Ok(())
}

struct Wrong {
    line: usize,
    why: String,
}

struct Player<'a> {
    target: &'a dyn Target,
    scene: u32,
    from: Ipv4Addr,
    variables: Variables,
    lines: BTreeMap<String, Box<dyn Line>>,
    /// The last things said, for the report of a fault.
    said: Vec<String>,
}

impl<'a> Player<'a> {
    fn new(target: &'a dyn Target) -> Player<'a> {
        let scene = SCENES.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, _] = (scene + 256).to_be_bytes();
        let variables = [("domain", DOMAIN), ("password", PASSWORD), ("password_base64", &STANDARD.encode(PASSWORD))];
        Player {
            target,
            scene,
            from: Ipv4Addr::new(127, a, b, scene.to_be_bytes()[3].max(2)),
            variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            lines: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    fn history(&self) -> String {
        let first = self.said.len().saturating_sub(25);
        self.said[first..].iter().map(|line| format!("  | {line}\n")).collect()
    }

    fn step(&mut self, number: usize, step: &Step) -> Result<(), Wrong> {
        let at = |why: String| Wrong { line: number, why };
        match step {
            Step::Account(name) => self.account(name).map_err(at),
            Step::Device(name) => self.device(name).map_err(at),
            Step::Mail { account, mailbox, flags, body } => self.mail(account, mailbox, flags, body).map_err(at),
            Step::Deliver { account, subject } => self.deliver(account, subject).map_err(at),
            Step::Connect { name, protocol, greeted, login, select } => {
                let mut talk = self.connect(*protocol).map_err(at)?;
                if *greeted {
                    self.begin(&mut *talk, *protocol, login.as_deref(), select.as_deref()).map_err(at)?;
                }
                self.lines.insert(name.clone(), talk);
                Ok(())
            }
            Step::On(name, action) => {
                let mut line = self.lines.remove(name).ok_or_else(|| at(format!("no connection `{name}`")))?;
                let outcome = self.act(number, name, &mut line, action);
                if *action != Action::Close {
                    self.lines.insert(name.clone(), line);
                }
                outcome
            }
        }
    }

    fn account(&mut self, name: &str) -> Result<(), String> {
        let address = self.name_account(name);
        self.target.account(&address)
    }

    fn device(&mut self, name: &str) -> Result<(), String> {
        let address = self.name_account(name);
        let password = self.target.device(&address)?;
        self.variables.insert(format!("{name}_device"), password);
        Ok(())
    }

    fn name_account(&mut self, name: &str) -> String {
        let local = format!("{name}-{}", self.scene);
        let address = format!("{local}@{DOMAIN}");
        let plain = STANDARD.encode(format!("\0{address}\0{PASSWORD}"));
        self.variables.insert(format!("{name}_base64"), STANDARD.encode(&address));
        self.variables.insert(format!("{name}_plain"), plain);
        self.variables.insert(format!("{name}_local"), local);
        self.variables.insert(format!("{name}_length"), address.len().to_string());
        self.variables.insert(name.to_owned(), address.clone());
        address
    }

    fn connect(&self, protocol: Protocol) -> Result<Box<dyn Line>, String> {
        self.target.connect(protocol, self.from)
    }

    fn fill(&self, text: &str) -> Result<String, String> {
        pattern::fill(text, &self.variables)
    }

    /// Greets, logs in and selects, where the transcript is not about that.
    fn begin(
        &self,
        line: &mut dyn Line,
        protocol: Protocol,
        login: Option<&str>,
        select: Option<&str>,
    ) -> Result<(), String> {
        let user = login.map(|name| self.fill(&format!("${name}"))).transpose()?;
        match protocol {
            Protocol::Imap | Protocol::Imaps => {
                exchange(line, None, "* OK")?;
                if let Some(user) = user {
                    exchange(line, Some(&format!("0 LOGIN {user} {PASSWORD}")), "0 OK")?;
                }
                if let Some(mailbox) = select {
                    exchange(line, Some(&format!("0 SELECT {mailbox}")), "0 OK")?;
                }
            }
            Protocol::Pop3 | Protocol::Pop3s => {
                exchange(line, None, "+OK")?;
                if let Some(user) = user {
                    exchange(line, Some(&format!("USER {user}")), "+OK")?;
                    exchange(line, Some(&format!("PASS {PASSWORD}")), "+OK")?;
                }
            }
            Protocol::Lmtp | Protocol::Smtp | Protocol::Submission | Protocol::Submissions => {
                let hello = if protocol == Protocol::Lmtp { "LHLO" } else { "EHLO" };
                exchange(line, None, "220 ")?;
                exchange(line, Some(&format!("{hello} client.example")), "250 ")?;
                if let Some(name) = login {
                    exchange(line, Some(&self.fill(&format!("AUTH PLAIN ${name}_plain"))?), "235 ")?;
                }
            }
        }
        Ok(())
    }

    /// Puts a message into a mailbox by IMAP, so that its bytes and flags are known exactly.
    fn mail(&self, account: &str, mailbox: &str, flags: &str, body: &[u8]) -> Result<(), String> {
        let body = self.fill(&String::from_utf8_lossy(body))?;
        let mut line = self.connect(Protocol::Imaps)?;
        self.begin(&mut *line, Protocol::Imaps, Some(account), None)?;
        exchange(&mut *line, Some(&format!("0 APPEND {mailbox} {flags} {{{}}}", body.len()).replace("  ", " ")), "+")?;
        exchange(&mut *line, Some(&body), "0 OK")?;
        exchange(&mut *line, Some("0 LOGOUT"), "0 OK")
    }

    /// Delivers a message by LMTP.
    fn deliver(&self, account: &str, subject: &str) -> Result<(), String> {
        let to = self.fill(&format!("${account}"))?;
        let mut line = self.connect(Protocol::Lmtp)?;
        self.begin(&mut *line, Protocol::Lmtp, None, None)?;
        exchange(&mut *line, Some("MAIL FROM:<bob@elsewhere.example>"), "250 ")?;
        exchange(&mut *line, Some(&format!("RCPT TO:<{to}>")), "250 ")?;
        exchange(&mut *line, Some("DATA"), "354 ")?;
        let message = format!(
            "From: Bob <bob@elsewhere.example>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\
             Date: Mon, 7 Sep 2026 12:00:00 +0200\r\nMessage-ID: <{subject}@elsewhere.example>\r\n\r\nhello\r\n."
        );
        exchange(&mut *line, Some(&message), "250 ")?;
        exchange(&mut *line, Some("QUIT"), "221 ")
    }

    fn act(&mut self, number: usize, name: &str, line: &mut Box<dyn Line>, action: &Action) -> Result<(), Wrong> {
        let at = |why: String| Wrong { line: number, why };
        match action {
            Action::Send(text, literal) => self.send(name, &mut **line, text, literal.as_deref()).map_err(at),
            Action::Raw(text) => {
                let bytes = self.fill(text).and_then(|t| pattern::unescape(&t)).map_err(at)?;
                self.said.push(format!("{name}= {}", show(&bytes)));
                line.send(&bytes).map_err(at)
            }
            Action::Expect(pattern) => self.expect(number, name, &mut **line, pattern),
            Action::ExpectAll(patterns) => self.expect_all(name, &mut **line, patterns),
            Action::SkipTo(pattern) => loop {
                let got = self.read(name, &mut **line).map_err(|why| at(format!("{why}\n  expected: {pattern}")))?;
                if pattern::matches(pattern, &got, &mut self.variables) {
                    return Ok(());
                }
            },
            Action::Words(words) => {
                let words = words.iter().map(|w| self.fill(w)).collect::<Result<Vec<_>, _>>().map_err(at)?;
                let got = self.read(name, &mut **line).map_err(at)?;
                let told = || at(format!("words differ\n  expected: {}\n  got:      {}", words.join(" "), show(&got)));
                pattern::has_words(&words, &got).then_some(()).ok_or_else(told)
            }
            Action::StartTls => line.start_tls().map_err(at),
            Action::Scram(account, command) => self.scram(&mut **line, account, command).map_err(at),
            Action::Close => Ok(()),
            Action::Silence => line.silence().map_err(at),
            Action::Closed => match line.read_line().map_err(at)? {
                None => Ok(()),
                Some(got) => Err(at(format!("the server has not hung up\n  got:      {}", show(&got)))),
            },
        }
    }

    fn send(&mut self, name: &str, line: &mut dyn Line, text: &str, literal: Option<&[u8]>) -> Result<(), String> {
        let Some(literal) = literal else {
            let text = self.fill(text)?;
            self.said.push(format!("{name}> {}", show(text.as_bytes())));
            return line.send(format!("{text}\r\n").as_bytes());
        };
        let literal = self.fill(&String::from_utf8_lossy(literal))?;
        let waits = text.ends_with("{*}");
        let (command, _) = text.rsplit_once("{*").ok_or("no literal")?;
        let command = format!("{}{{{}{}}}", self.fill(command)?, literal.len(), if waits { "" } else { "+" });
        self.said.push(format!("{name}> {command} and its literal"));
        line.send(format!("{command}\r\n").as_bytes())?;
        if waits {
            let got = self.read(name, line)?;
            if !got.starts_with(b"+") {
                return Err(format!("the literal is not wanted\n  expected: + ...\n  got:      {}", show(&got)));
            }
        }
        line.send(format!("{literal}\r\n").as_bytes())
    }

    /// Logs in by SCRAM; the answer to the whole is left to the transcript.
    fn scram(&mut self, line: &mut dyn Line, account: &str, command: &str) -> Result<(), String> {
        let name = account.trim_start_matches('!');
        let user = self.fill(&format!("${name}"))?;
        let password = if name == account { self.fill(&format!("${account}_device"))? } else { "wrong".to_owned() };
        let bound = command.ends_with("-PLUS").then(|| line.exporter().ok_or("no TLS to be bound to")).transpose()?;
        let mut client = Scram::new(&user, &password, bound);
        line.send(format!("{command} {}\r\n", STANDARD.encode(client.first())).as_bytes())?;
        let message = client.last(&challenge(line)?)?;
        line.send(format!("{}\r\n", STANDARD.encode(message)).as_bytes())?;
        if name != account {
            return Ok(());
        }
        client.check(&challenge(line)?)?;
        line.send(b"\r\n")
    }

    fn read(&mut self, name: &str, line: &mut dyn Line) -> Result<Vec<u8>, String> {
        let got = line.read_line()?.ok_or("the server has hung up")?;
        self.said.push(format!("{name}< {}", show(&got)));
        Ok(got)
    }

    fn expect(&mut self, number: usize, name: &str, line: &mut dyn Line, pattern: &str) -> Result<(), Wrong> {
        let wrong = |why: String| Wrong { line: number, why };
        let got = self.read(name, line).map_err(|why| wrong(format!("{why}\n  expected: {pattern}")))?;
        if pattern::matches(pattern, &got, &mut self.variables) {
            return Ok(());
        }
        let known = pattern::fill(pattern, &self.variables).unwrap_or_else(|_| pattern.to_owned());
        Err(wrong(format!("another line came\n  expected: {known}\n  got:      {}", show(&got))))
    }

    fn expect_all(&mut self, name: &str, line: &mut dyn Line, patterns: &[(usize, String)]) -> Result<(), Wrong> {
        let mut open: Vec<&(usize, String)> = patterns.iter().collect();
        while let Some((first, _)) = open.first() {
            let list = || open.iter().map(|(n, p)| format!("\n  expected: {p} (line {n})")).collect::<String>();
            let got = self.read(name, line).map_err(|why| Wrong { line: *first, why: format!("{why}{}", list()) })?;
            match open.iter().position(|(_, p)| pattern::matches(p, &got, &mut self.variables)) {
                Some(found) => drop(open.remove(found)),
                None => {
                    let why = format!("none of these lines came{}\n  got:      {}", list(), show(&got));
                    return Err(Wrong { line: *first, why });
                }
            }
        }
        Ok(())
    }
}

/// Reads a challenge of IMAP, POP3 or SMTP.
fn challenge(line: &mut dyn Line) -> Result<String, String> {
    let got = line.read_line()?.ok_or("the server has hung up")?;
    let encoded = got.strip_prefix(b"+ ").or_else(|| got.strip_prefix(b"334 "));
    let encoded = encoded.ok_or_else(|| format!("no challenge came but {}", show(&got)))?;
    String::from_utf8(STANDARD.decode(encoded).map_err(|e| e.to_string())?).map_err(|e| e.to_string())
}

/// Sends a line, if any, and skips to the one that begins so; anything that refuses is an error.
fn exchange(line: &mut dyn Line, text: Option<&str>, until: &str) -> Result<(), String> {
    if let Some(text) = text {
        line.send(format!("{text}\r\n").as_bytes())?;
    }
    let first_word = |t: &[u8]| t.split(|b| *b == b' ').next().unwrap_or_default().to_vec();
    let tag = first_word(until.as_bytes());
    loop {
        let got = line.read_line()?.ok_or("the server has hung up while the runner prepared the scene")?;
        if got.starts_with(until.as_bytes()) {
            return Ok(());
        }
        let refused = match tag.first() {
            Some(b'*') => true,
            Some(b'+') => got.starts_with(b"-ERR") || got.starts_with(b"0 "),
            Some(b'0') => first_word(&got) == tag,
            _ => got.first() >= Some(&b'4'),
        };
        if refused {
            let said = text.unwrap_or("the connection");
            return Err(format!("while the runner prepared the scene\n  sent:     {said}\n  got:      {}", show(&got)));
        }
    }
}

/// Bytes as text for a report; long ones are cut.
pub fn show(bytes: &[u8]) -> String {
    let text: String = bytes.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
    match text.char_indices().nth(300) {
        Some((cut, _)) => format!("{}... ({} octets)", &text[..cut], bytes.len()),
        None => text,
    }
}
