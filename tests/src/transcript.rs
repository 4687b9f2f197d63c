//! Transcripts: what clients say and what the server must answer, one readable file per behaviour.
//!
//! ```text
//! # A delivery wakes a client in IDLE (RFC 2177)          the first line: title and RFC
//! only memory tcp                                         not on the other targets (memory, tcp, board)
//! positive imap IDLE                                      shows that what IMAP announces works, and
//! negative imap IDLE                                      that its misuse is refused; `tests/capabilities.rs` reads it
//! account alice                                           a fresh account; $alice is its address
//! device alice                                            the same, but only an app password logs in (memory only)
//! mail alice INBOX (\Seen)                                a message put there beforehand, by IMAP APPEND
//! | Subject: one
//! |
//! | text
//! deliver alice A subject                                 a message delivered now, by LMTP
//! connect a imaps as alice in INBOX                       connects, greets, logs in, selects, unless these are left out
//! connect b lmtp greeted                                  connects and greets only
//! a> 1 IDLE                                               send a line
//! a> 1 APPEND INBOX {*}                                   send a line with a literal: the lines that follow; {*+} does
//! | Subject: two                                          not wait for the server to agree; {{300 x}} is 300 times x
//! a= 1 NOOP\r\n2 NOOP\r\n                                 send exactly these bytes: \r \n \t \0 \\ \xNN
//! a< + ...                                                the next line is this; `...` at the end is anything
//! a< * OK [UIDVALIDITY $validity] ...                     $name is bound at first and compared later
//! a<< * 1 EXISTS                                          neighbouring `<<` lines come in any order
//! a~ * CAPABILITY IDLE !STARTTLS                          the next line has these words and not those with `!`
//! a.. 1 OK ...                                            skip lines until this one
//! a* starttls                                             TLS begins here
//! a* scram alice 1 AUTHENTICATE SCRAM-SHA-256             logs a device in by SCRAM, all but the last answer;
//!                                                         `!alice`: with a wrong password
//! a* close                                                the client hangs up
//! a* silence                                              the client says nothing for too long (memory only)
//! a! closed                                               the server has hung up
//! ```
//!
//! Variables are `$` and a word in lower case, so `$Forwarded` is itself; `$$` is a dollar sign. An account `alice` gives
//! `$alice`, `$alice_local`, `$alice_length` (octets of the address), `$alice_base64` and `$alice_plain` (a SASL PLAIN response); every transcript has `$domain`,
//! `$password` and `$password_base64`. A value of a variable has no space, quote, or bracket of any kind.

use crate::Protocol;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug)]
pub struct Transcript {
    /// Where it is.
    pub path: PathBuf,
    /// Its first line.
    pub title: String,
    /// The targets it can run on; empty is all.
    pub only: Vec<String>,
    /// Its steps with their line numbers.
    pub steps: Vec<(usize, Step)>,
    /// What it shows about what a door announces.
    pub shows: Vec<Shown>,
}

/// What a transcript shows about capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where they are announced.
    pub door: Protocol,
    /// As they are announced, without their values.
    pub capabilities: Vec<String>,
    /// Whether they do what they should; otherwise that their misuse is refused.
    pub positive: bool,
}

/// One line, or one block of lines that belong together.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// `account`
    Account(String),
    /// `device`
    Device(String),
    /// `mail ACCOUNT MAILBOX FLAGS`
    Mail {
        /// Whose.
        account: String,
        /// Where to.
        mailbox: String,
        /// With parentheses, or nothing.
        flags: String,
        /// With CRLF.
        body: Vec<u8>,
    },
    /// `deliver ACCOUNT SUBJECT`
    Deliver {
        /// To whom.
        account: String,
        /// The subject.
        subject: String,
    },
    /// `connect`
    Connect {
        /// What the transcript calls it.
        name: String,
        /// The door.
        protocol: Protocol,
        /// Whether the runner deals with the greeting.
        greeted: bool,
        /// Who logs in.
        login: Option<String>,
        /// The mailbox to select.
        select: Option<String>,
    },
    /// A step of one connection.
    On(String, Action),
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// `>`: text, and the literal if it ends with `{*}` or `{*+}`.
    Send(String, Option<Vec<u8>>),
    /// `=`
    Raw(String),
    /// `<`
    Expect(String),
    /// Neighbouring `<<` with their line numbers.
    ExpectAll(Vec<(usize, String)>),
    /// `..`
    SkipTo(String),
    /// `~`
    Words(Vec<String>),
    /// `* starttls`
    StartTls,
    /// `* scram ACCOUNT COMMAND`: who logs in, and the command up to the mechanism.
    Scram(String, String),
    /// `* close`
    Close,
    /// `* silence`
    Silence,
    /// `! closed`
    Closed,
}

/// What is wrong, with file and line.
#[derive(Debug)]
pub struct Fault(pub String);

impl Transcript {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Transcript, Fault> {
        let text = std::fs::read_to_string(path).map_err(|e| Fault(format!("{}: {e}", path.display())))?;
        Transcript::parse(path, &text)
    }

    /// Reads a text.
    pub fn parse(path: &Path, text: &str) -> Result<Transcript, Fault> {
        let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line)).peekable();
        let title = match lines.next() {
            Some((_, line)) if line.starts_with("# ") => line[2..].to_owned(),
            _ => return Err(Fault(format!("{}:1: the first line must be `# Title (RFC ...)`", path.display()))),
        };
        let mut transcript =
            Transcript { path: path.to_owned(), title, only: Vec::new(), steps: Vec::new(), shows: Vec::new() };
        while let Some((number, line)) = lines.next() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(targets) = line.strip_prefix("only ") {
                transcript.only = targets.split_whitespace().map(str::to_owned).collect();
                continue;
            }
            if let Some(shown) = parse_shown(line) {
                transcript.shows.push(shown.map_err(|why| Fault(format!("{}:{number}: {why}", path.display())))?);
                continue;
            }
            let mut body = Vec::new();
            let takes_body = line.starts_with("mail ") || line.ends_with("{*}") || line.ends_with("{*+}");
            while let Some((_, text)) = lines.next_if(|(_, l)| takes_body && (l.starts_with("| ") || *l == "|")) {
                body.extend_from_slice(text.get(2..).unwrap_or("").as_bytes());
                body.extend_from_slice(b"\r\n");
            }
            let step = parse_step(line, body).map_err(|why| Fault(format!("{}:{number}: {why}", path.display())))?;
            transcript.push(number, step);
        }
        Ok(transcript)
    }

    /// Adds a step; neighbouring `<<` of one connection become one.
    fn push(&mut self, number: usize, step: Step) {
        if let (Step::On(name, Action::ExpectAll(more)), Some((_, Step::On(last, Action::ExpectAll(all))))) =
            (&step, self.steps.last_mut())
            && name == last
        {
            all.extend(more.iter().map(|(_, pattern)| (number, pattern.clone())));
            return;
        }
        let step = match step {
            Step::On(name, Action::ExpectAll(all)) => {
                Step::On(name, Action::ExpectAll(all.into_iter().map(|(_, p)| (number, p)).collect()))
            }
            other => other,
        };
        self.steps.push((number, step));
    }
}

fn parse_shown(line: &str) -> Option<Result<Shown, String>> {
    let mut words = line.split_whitespace();
    let positive = match words.next() {
        Some("positive") => true,
        Some("negative") => false,
        _ => return None,
    };
    let door = words.next().and_then(Protocol::parse);
    let capabilities: Vec<String> = words.map(str::to_owned).collect();
    Some(match door {
        Some(door) if !door.implicit_tls() && !capabilities.is_empty() => Ok(Shown { door, capabilities, positive }),
        _ => Err(format!("cannot read `{line}`")),
    })
}

fn parse_step(line: &str, body: Vec<u8>) -> Result<Step, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["account", name] => Ok(Step::Account((*name).to_owned())),
        ["device", name] => Ok(Step::Device((*name).to_owned())),
        ["mail", account, mailbox, flags @ ..] => Ok(Step::Mail {
            account: (*account).to_owned(),
            mailbox: (*mailbox).to_owned(),
            flags: flags.join(" "),
            body,
        }),
        ["deliver", account, subject @ ..] => {
            Ok(Step::Deliver { account: (*account).to_owned(), subject: subject.join(" ") })
        }
        ["connect", name, protocol, rest @ ..] => parse_connect(name, protocol, rest),
        _ => parse_action(line, body),
    }
}

fn parse_connect(name: &str, protocol: &str, rest: &[&str]) -> Result<Step, String> {
    let protocol = Protocol::parse(protocol).ok_or_else(|| format!("no protocol `{protocol}`"))?;
    let (greeted, login, select) = match rest {
        [] => (false, None, None),
        ["greeted"] => (true, None, None),
        ["as", account] => (true, Some((*account).to_owned()), None),
        ["as", account, "in", mailbox] => (true, Some((*account).to_owned()), Some((*mailbox).to_owned())),
        _ => return Err(format!("cannot read `{}`", rest.join(" "))),
    };
    Ok(Step::Connect { name: name.to_owned(), protocol, greeted, login, select })
}

fn parse_action(line: &str, body: Vec<u8>) -> Result<Step, String> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return Err(format!("cannot read `{line}`"));
    }
    // Every sign ends at a space or at the end of the line; what follows the space is text, kept as it is.
    let (sign, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let text = text.to_owned();
    let action = match (sign, text.as_str()) {
        (">", t) if t.ends_with("{*}") || t.ends_with("{*+}") => Action::Send(text, Some(body)),
        (">", _) => Action::Send(text, None),
        ("=", _) => Action::Raw(text),
        ("<", _) => Action::Expect(text),
        ("<<", _) => Action::ExpectAll(vec![(0, text)]),
        ("..", _) => Action::SkipTo(text),
        ("~", t) => Action::Words(t.split_whitespace().map(str::to_owned).collect()),
        ("*", "starttls") => Action::StartTls,
        ("*", t) if t.starts_with("scram ") => match t.splitn(3, ' ').collect::<Vec<_>>()[..] {
            [_, account, command] => Action::Scram(account.to_owned(), command.to_owned()),
            _ => return Err(format!("cannot read `{line}`")),
        },
        ("*", "close") => Action::Close,
        ("*", "silence") => Action::Silence,
        ("!", "closed") => Action::Closed,
        _ => return Err(format!("cannot read `{line}`")),
    };
    Ok(Step::On(name.to_owned(), action))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Transcript, Fault> {
        Transcript::parse(Path::new("x.txt"), text)
    }

    #[test]
    fn reads_every_kind_of_line() {
        let t = parse(concat!(
            "# Title (RFC 1)\n# more\nonly memory\npositive imap IDLE\naccount alice\nmail alice INBOX (\\Seen)\n| A: b\n|\n| c\n",
            "connect a imaps as alice in INBOX\na> 1 APPEND INBOX {*}\n| x\na<< b\na<< c\na< d ...\na! closed\n"
        ))
        .unwrap();
        assert_eq!(t.title, "Title (RFC 1)");
        assert_eq!(t.only, ["memory"]);
        assert_eq!(t.shows, [Shown { door: Protocol::Imap, capabilities: vec!["IDLE".into()], positive: true }]);
        assert_eq!(t.steps.len(), 7);
        let Step::Mail { body, flags, .. } = &t.steps[1].1 else { panic!("{:?}", t.steps[1]) };
        assert_eq!((body.as_slice(), flags.as_str()), (&b"A: b\r\n\r\nc\r\n"[..], "(\\Seen)"));
        let Step::On(_, Action::Send(_, Some(literal))) = &t.steps[3].1 else { panic!("{:?}", t.steps[3]) };
        assert_eq!(literal, b"x\r\n");
        let both = Action::ExpectAll(vec![(13, "b".into()), (14, "c".into())]);
        assert_eq!(t.steps[4].1, Step::On("a".into(), both));
    }

    #[test]
    fn keeps_the_spaces_of_a_line() {
        let t = parse("# T\na>  two \na>\n").unwrap();
        assert_eq!(t.steps[0].1, Step::On("a".into(), Action::Send(" two ".into(), None)));
        assert_eq!(t.steps[1].1, Step::On("a".into(), Action::Send(String::new(), None)));
    }

    #[test]
    fn names_the_line_it_cannot_read() {
        for (text, line) in [
            ("no title\n", 1),
            ("# T\nconnect a gopher\n", 2),
            ("# T\n\na? x\n", 3),
            ("# T\n| x\n", 2),
            ("# T\npositive imaps IDLE\n", 2),
        ] {
            let Err(Fault(fault)) = parse(text) else { panic!("{text:?} was read") };
            assert!(fault.starts_with(&format!("x.txt:{line}: ")), "{fault}");
        }
    }
}
