//! An IMAP client that keeps every answer.

use super::model::{Flags, Uid};
use crate::Protocol;
use crate::play::Line as _;
use crate::wire::{Reach, Wire};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A connection that is logged in, with QRESYNC.
#[derive(Debug)]
pub struct Session {
    wire: Wire,
    tag: u32,
}

/// An untagged answer; of a literal in it only the last is kept.
#[derive(Debug)]
pub struct Untagged {
    /// Its text without literals.
    pub text: String,
    /// The literal.
    pub literal: Option<Vec<u8>>,
}

/// The answer to a command.
#[derive(Debug)]
pub struct Answer {
    /// All untagged answers.
    pub untagged: Vec<Untagged>,
    /// The tagged one, without its tag.
    pub end: String,
}

impl Answer {
    /// Whether the command was done.
    pub fn is_ok(&self) -> bool {
        self.end.starts_with("OK ")
    }

    /// The number behind a word, wherever it is said.
    pub fn number(&self, word: &str) -> Option<u64> {
        self.untagged.iter().map(|line| &line.text).chain([&self.end]).find_map(|text| number_after(text, word))
    }

    /// The FETCH answers with a UID.
    pub fn fetched(&self) -> impl Iterator<Item = (Uid, &Untagged)> {
        let fetches = self.untagged.iter().filter(|line| line.text.contains(" FETCH ("));
        fetches.filter_map(|line| Some((number_after(&line.text, "UID ")? as Uid, line)))
    }

    /// UIDVALIDITY and pairs of COPYUID (RFC 4315 section 3).
    pub fn copy_uid(&self) -> Option<(u32, Vec<(Uid, Uid)>)> {
        let mut texts = self.untagged.iter().map(|line| &line.text).chain([&self.end]);
        let said = texts.find_map(|text| text.split_once("[COPYUID ")?.1.split_once(']').map(|(said, _)| said))?;
        let mut words = said.split(' ');
        let validity = words.next()?.parse().ok()?;
        let (from, to) = (numbers(words.next()?)?, numbers(words.next()?)?);
        (from.len() == to.len()).then(|| (validity, from.into_iter().zip(to).collect()))
    }

    /// UIDVALIDITY and UID of APPENDUID.
    pub fn append_uid(&self) -> Option<(u32, Uid)> {
        let said = self.end.split_once("[APPENDUID ")?.1.split_once(']')?.0;
        let (validity, uid) = said.split_once(' ')?;
        Some((validity.parse().ok()?, uid.parse().ok()?))
    }

    /// Flags, where they were said, and MODSEQs of the last FETCH of each message.
    pub fn flags(&self) -> BTreeMap<Uid, (Option<Flags>, u64)> {
        let each = self.fetched().filter_map(|(uid, line)| Some((uid, (flags(&line.text), modseq(&line.text)?))));
        each.collect()
    }
}

/// The flags of a FETCH, without `\Recent`.
pub fn flags(text: &str) -> Option<Flags> {
    let list = text.split_once("FLAGS (")?.1.split_once(')')?.0;
    Some(list.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent").map(str::to_owned).collect())
}

/// The MODSEQ of a FETCH.
pub fn modseq(text: &str) -> Option<u64> {
    number_after(text, "MODSEQ (")
}

fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.split_once(word)?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// `1,3:5` as numbers.
fn numbers(set: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        all.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(all)
}

impl Session {
    /// Logs in.
    pub fn login(reach: &Reach, user: &str, password: &str) -> Result<Session, String> {
        let mut wire = reach.connect(Protocol::Imaps, Ipv4Addr::LOCALHOST)?;
        wire.skip_to("* OK")?;
        let mut session = Session { wire, tag: 0 };
        for command in [format!("LOGIN {user} {password}"), "ENABLE QRESYNC".to_owned()] {
            let answer = session.ask(&command)?;
            if !answer.is_ok() {
                return Err(format!("{command}: {}", answer.end));
            }
        }
        Ok(session)
    }

    /// Sends a command and reads its answer.
    pub fn ask(&mut self, command: &str) -> Result<Answer, String> {
        self.begin(command)?;
        self.answer()
    }

    /// Appends a message.
    pub fn append(&mut self, mailbox: &str, flags: &Flags, text: &[u8]) -> Result<Answer, String> {
        let flags = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        self.begin(&format!("APPEND {mailbox} ({flags}) {{{}}}", text.len()))?;
        let mut before = Vec::new();
        loop {
            let line = self.line()?;
            if line.text.starts_with('+') {
                break;
            }
            if let Some(end) = line.text.strip_prefix(&format!("{} ", self.tag)) {
                return Ok(Answer { untagged: before, end: end.to_owned() });
            }
            before.push(line);
        }
        self.wire.send(text)?;
        self.wire.send(b"\r\n")?;
        self.answer()
    }

    fn begin(&mut self, command: &str) -> Result<(), String> {
        self.tag += 1;
        self.wire.send(format!("{} {command}\r\n", self.tag).as_bytes())
    }

    fn answer(&mut self) -> Result<Answer, String> {
        let mut untagged = Vec::new();
        loop {
            let line = self.line()?;
            if let Some(end) = line.text.strip_prefix(&format!("{} ", self.tag)) {
                return Ok(Answer { untagged, end: end.to_owned() });
            }
            untagged.push(line);
        }
    }

    fn line(&mut self) -> Result<Untagged, String> {
        let (mut text, mut literal) = (String::new(), None);
        loop {
            let line = self.wire.read_line()?.ok_or("the server has hung up")?;
            let line = String::from_utf8_lossy(&line);
            let size = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
            match size.and_then(|(before, size)| Some((before, size.parse().ok()?))) {
                Some((before, size)) => {
                    text += before;
                    literal = Some(self.wire.read_exact(size)?);
                }
                None => return Ok(Untagged { text: text + &line, literal }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[&str], end: &str) -> Answer {
        let untagged = lines.iter().map(|line| Untagged { text: (*line).to_owned(), literal: None }).collect();
        Answer { untagged, end: end.to_owned() }
    }

    #[test]
    fn answers_are_understood() {
        let lines = ["* OK [COPYUID 9 1,4:5 7:9] Moved", "* 3 FETCH (UID 12 MODSEQ (88) FLAGS (\\Seen \\Recent one))"];
        let said = answer(&lines, "OK [APPENDUID 9 31] done");
        assert_eq!(said.copy_uid(), Some((9, vec![(1, 7), (4, 8), (5, 9)])));
        assert_eq!(said.append_uid(), Some((9, 31)));
        let flags = Flags::from(["\\Seen".to_owned(), "one".to_owned()]);
        assert_eq!(said.flags(), BTreeMap::from([(12, (Some(flags), 88))]));
        assert_eq!(answer(&["* OK [UIDNEXT 4] x"], "OK").number("UIDNEXT "), Some(4));
        assert_eq!(answer(&["* OK [COPYUID 9 1:2 7] Moved"], "OK").copy_uid(), None);
    }
}
