//! Reads what is there after a start.

use super::model::{Flags, Number, Uid};
use super::session::{self, Session};
use super::{Place, mail};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A message as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which one it is, or what is wrong with it.
    pub number: Result<Number, String>,
    /// Its flags.
    pub flags: Flags,
    /// Its MODSEQ.
    pub modseq: u64,
}

/// A mailbox as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// UIDVALIDITY.
    pub validity: u32,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub modseq: u64,
    /// The messages.
    pub rows: BTreeMap<Uid, Row>,
}

/// Reads a whole mailbox. `known`: the texts of all messages that could be there.
pub fn look(session: &mut Session, place: Place, known: impl Fn(Number) -> Option<Arc<[u8]>>) -> Result<Seen, String> {
    let selected = session.ask(&format!("SELECT {}", place.name()))?;
    let number =
        |word| selected.number(word).ok_or_else(|| format!("SELECT {place} does not say {word}: {selected:?}"));
    let exists = selected.untagged.iter().find_map(|line| line.text.strip_prefix("* ")?.strip_suffix(" EXISTS"));
    let exists: usize = exists.and_then(|n| n.parse().ok()).ok_or_else(|| format!("SELECT {place}: no EXISTS"))?;
    let mut seen = Seen {
        validity: number("UIDVALIDITY ")? as u32,
        uid_next: number("UIDNEXT ")? as Uid,
        modseq: number("HIGHESTMODSEQ ")?,
        rows: BTreeMap::new(),
    };
    if exists > 0 {
        let fetched = session.ask("UID FETCH 1:* (UID MODSEQ FLAGS BODY.PEEK[])")?;
        for (uid, line) in fetched.fetched() {
            let octets = line.literal.as_deref().unwrap_or_default();
            let (flags, modseq) = (session::flags(&line.text), session::modseq(&line.text));
            let (flags, modseq) = flags.zip(modseq).ok_or_else(|| format!("FETCH: {:?}", line.text))?;
            seen.rows.insert(uid, Row { number: mail::number_of(octets, &known), flags, modseq });
        }
        if !fetched.is_ok() {
            return Err(format!("FETCH of {place}: {}", fetched.end));
        }
    }
    match seen.rows.len() == exists {
        true => Ok(seen),
        false => Err(format!("{place} has {exists} messages, FETCH shows {}", seen.rows.len())),
    }
}
