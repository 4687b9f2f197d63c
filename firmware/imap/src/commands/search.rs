//! SEARCH (RFC 3501 §6.4.4, §7.2.5; RETURN: RFC 4731; MODSEQ: RFC 7162 §3.1.5), a slice at a time.

use super::matching::{Candidate, Test};
use super::{Step, enable};
use crate::answer::{Answer, Status};
use crate::codec::command::{Numbers, Search, SearchKey, SearchReturn, Tag};
use crate::codec::encode::{put, string};
use crate::codec::sequence::Runs;
use crate::limits;
use crate::session::User;
use crate::view::{self, Places, View};
use ::store::{Message, Store};
use std::collections::VecDeque;

/// A SEARCH in progress.
pub struct Job {
    numbers: Numbers,
    returns: Option<SearchReturn>,
    /// For the ESEARCH response.
    tag: Tag,
    test: Test,
    /// Whether the answer tells the highest MODSEQ of what was found.
    with_modseq: bool,
    places: Places,
    rows: VecDeque<(u32, Message)>,
    found: Vec<u32>,
    /// MODSEQs of the first and last found and the highest of all found.
    modseqs: Option<(u64, u64, u64)>,
}

/// Begins a SEARCH.
pub fn begin(
    view: &View,
    user: &mut User,
    numbers: Numbers,
    tag: &Tag,
    args: Search,
    out: &mut Vec<u8>,
) -> Result<Job, Answer> {
    let with_modseq = asks_modseq(&args.key);
    let charset = args.charset.as_deref();
    let bad_charset = |_| Answer {
        status: Status::No,
        code: Some("BADCHARSET (UTF-8 US-ASCII ISO-8859-1 WINDOWS-1252)".into()),
        text: "Unknown charset".into(),
    };
    // A charset is checked also where no string needs it.
    Test::new(SearchKey::Header(Vec::new(), Vec::new()), charset, view).map_err(bad_charset)?;
    let test = Test::new(args.key, charset, view).map_err(bad_charset)?;
    if with_modseq {
        enable::condstore(user, view, out);
    }
    Ok(Job {
        numbers,
        returns: args.returns,
        tag: tag.clone(),
        test,
        with_modseq,
        places: Places::all(view),
        rows: VecDeque::new(),
        found: Vec::new(),
        modseqs: None,
    })
}

fn asks_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => keys.iter().any(asks_modseq),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        SearchKey::Not(key) => asks_modseq(key),
        _ => false,
    }
}

impl Job {
    /// Looks at some messages. Those that are gone, or cannot be read, are not found.
    pub fn step(&mut self, store: &Store, view: &View, out: &mut Vec<u8>) -> Step {
        if self.rows.is_empty() {
            let Some(places) = self.places.take(limits::SEARCH_ROWS) else {
                self.put_found(out);
                return Step::Done(Answer::ok("SEARCH completed"));
            };
            match view::rows(store, view, places) {
                Ok(rows) => self.rows = rows.into(),
                Err(error) => return Step::Done(error.into()),
            }
        }
        let mut read = 0;
        while let Some((sequence, row)) = self.rows.pop_front() {
            let mut candidate = Candidate::new(store, sequence, &row, view.is_recent(row.uid));
            match candidate.passes(&self.test) {
                Ok(true) => self.find(sequence, &row),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "imap: a message cannot be searched"),
            }
            let candidate_read = candidate.read;
            read += candidate_read;
            if read > limits::SEARCH_OCTETS {
                break;
            }
        }
        Step::More
    }

    fn find(&mut self, sequence: u32, row: &Message) {
        let number = if self.numbers == Numbers::Uid { row.uid.get() } else { sequence };
        self.found.push(number);
        let modseq = row.modseq.0;
        let (first, _, highest) = self.modseqs.unwrap_or((modseq, modseq, modseq));
        self.modseqs = Some((first, modseq, highest.max(modseq)));
    }

    /// Writes SEARCH, also if nothing was found, or ESEARCH.
    fn put_found(&mut self, out: &mut Vec<u8>) {
        match self.returns {
            None => {
                out.extend_from_slice(b"* SEARCH");
                for number in &self.found {
                    put!(out, " {number}");
                }
                if let (true, Some((_, _, highest))) = (self.with_modseq, self.modseqs) {
                    put!(out, " (MODSEQ {highest})");
                }
                out.extend_from_slice(b"\r\n");
            }
            Some(returns) => self.put_esearch(returns, out),
        }
    }

    /// RFC 4731 §3.1. The tag is quoted: new Outlook needs it so.
    fn put_esearch(&self, returns: SearchReturn, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* ESEARCH (TAG ");
        string(self.tag.as_bytes(), out);
        out.push(b')');
        if self.numbers == Numbers::Uid {
            out.extend_from_slice(b" UID");
        }
        if let (Some(first), Some(last)) = (self.found.first(), self.found.last()) {
            if returns.min {
                put!(out, " MIN {first}");
            }
            if returns.max {
                put!(out, " MAX {last}");
            }
            if returns.all {
                put!(out, " ALL {}", Runs::from_ascending(self.found.iter().copied()));
            }
        }
        if returns.count {
            put!(out, " COUNT {}", self.found.len());
        }
        if let (true, Some((first, last, highest))) = (self.with_modseq, self.modseqs) {
            // RFC 7162 §3.1.10: of the messages that the answer names.
            let modseq = match returns {
                SearchReturn { all: true, .. } | SearchReturn { count: true, .. } => highest,
                SearchReturn { min: true, max: true, .. } => first.max(last),
                SearchReturn { min: true, .. } => first,
                _ => last,
            };
            put!(out, " MODSEQ {modseq}");
        }
        out.extend_from_slice(b"\r\n");
    }
}
