//! STORE (RFC 3501 §6.4.6; UNCHANGEDSINCE: RFC 7162 §3.1.3), some messages at a time.

use super::{Step, copy::some_gone, enable, expunge, no_such_number};
use crate::answer::Answer;
use crate::codec::command::{Numbers, StoreFlags};
use crate::codec::sequence::Runs;
use crate::limits;
use crate::session::User;
use crate::view::{Enabled, Places, View};
use ::store::{ModSeq, Store, Uid};

/// A STORE in progress.
pub struct Job {
    numbers: Numbers,
    args: StoreFlags,
    places: Places,
    /// Numbers of the messages that UNCHANGEDSINCE protected.
    modified: Vec<u32>,
    /// Whether some of the messages are gone, and whether some are not.
    gone: bool,
    found: bool,
}

/// Begins a STORE.
pub fn begin(
    view: &View,
    user: &mut User,
    numbers: Numbers,
    args: StoreFlags,
    out: &mut Vec<u8>,
) -> Result<Job, Answer> {
    let places = view.places(numbers, &args.set).ok_or_else(no_such_number)?;
    if view.read_only {
        return Err(expunge::read_only());
    }
    if args.unchanged_since.is_some() {
        enable::condstore(user, view, out);
    }
    Ok(Job { numbers, args, places, modified: Vec::new(), gone: false, found: false })
}

impl Job {
    /// Changes the next messages. What others did meanwhile is told at once, so that no list of it grows.
    pub fn step(&mut self, store: &Store, view: &mut View, enabled: Enabled, out: &mut Vec<u8>) -> Step {
        let Some(places) = self.places.take(limits::STORE_ROWS) else { return Step::Done(self.answer()) };
        let uids = view.uids(places).to_vec();
        match self.change(store, view, &uids, enabled, out) {
            Ok(()) => Step::More,
            Err(answer) => Step::Done(answer),
        }
    }

    fn change(
        &mut self,
        store: &Store,
        view: &mut View,
        uids: &[Uid],
        enabled: Enabled,
        out: &mut Vec<u8>,
    ) -> Result<(), Answer> {
        if self.args.silent {
            // What others did is told even so (RFC 3501 §6.4.6), or the client's idea of the flags would be wrong.
            view.catch_up(store, false, enabled, out)?;
        }
        let since = self.args.unchanged_since.map(ModSeq);
        let changed = store.change_flags(view.mailbox, uids, &self.args.change, since)?;
        // There is a row of every message that exists, also of those left alone.
        self.gone |= changed.rows.len() < uids.len();
        self.found |= !changed.rows.is_empty();
        let number = |uid: &Uid| match self.numbers {
            Numbers::Uid => Some(uid.get()),
            Numbers::Sequence => view.sequence_of(*uid),
        };
        self.modified.extend(changed.modified.iter().filter_map(number));
        view.announce_keywords(&changed.rows, out);
        let told = changed.rows.iter().filter(|row| changed.modified.binary_search(&row.uid).is_err());
        for row in told {
            if !self.args.silent {
                view.put_flags(row, self.numbers == Numbers::Uid, enabled, out);
            } else if enabled.condstore {
                // RFC 7162 §3.1.3: the new MODSEQ is told also if the flags are not.
                view.put_modseq(row, self.numbers == Numbers::Uid, enabled, out);
            }
        }
        view.know(&changed);
        Ok(view.catch_up(store, false, enabled, out)?)
    }

    fn answer(&mut self) -> Answer {
        if !self.modified.is_empty() {
            let modified = Runs::from_ascending(std::mem::take(&mut self.modified));
            return Answer::ok("Conditional STORE failed for some").with_code(format!("MODIFIED {modified}"));
        }
        match self.numbers {
            Numbers::Sequence if self.gone => some_gone(self.found),
            _ => Answer::ok("STORE completed"),
        }
    }
}
