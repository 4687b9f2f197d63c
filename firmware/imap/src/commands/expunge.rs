//! EXPUNGE, UID EXPUNGE and CLOSE (RFC 3501 §6.4.2, §6.4.3; RFC 4315 §2.1). The EXPUNGE responses come from catching up.

use crate::answer::Answer;
use crate::codec::command::Numbers;
use crate::codec::sequence::SequenceSet;
use crate::session::{Session, State};
use crate::view::{Enabled, View};
use ::store::{Expunge, Store};

/// Removes the messages with `\Deleted`, or those of them that the UIDs name.
pub fn run(store: &Store, view: &View, enabled: Enabled, uids: Option<&SequenceSet>) -> Result<Answer, Answer> {
    if view.read_only {
        return Err(read_only());
    }
    match uids {
        None => store.expunge(view.mailbox, Expunge::Deleted)?,
        Some(set) => {
            let places = view.places(Numbers::Uid, set).ok_or_else(super::no_such_number)?;
            store.expunge(view.mailbox, Expunge::DeletedAmong(&view.uids_at(&places)))?
        }
    };
    let done = Answer::ok("EXPUNGE completed");
    if !enabled.qresync {
        return Ok(done);
    }
    // RFC 7162 §3.2.7, §3.2.9
    let highest = store.status(view.mailbox)?.highest_modseq.0;
    Ok(done.with_code(format!("HIGHESTMODSEQ {highest}")))
}

/// Leaves the mailbox; what has `\Deleted` goes without a word, unless the mailbox was opened with EXAMINE.
pub fn close(session: &mut Session, store: &Store) -> Result<Answer, Answer> {
    if let State::Selected(user, view) = &session.state {
        let (user, mailbox, read_only) = (*user, view.mailbox, view.read_only);
        session.state = State::Authenticated(user);
        if !read_only {
            store.expunge(mailbox, Expunge::Deleted)?;
        }
    }
    Ok(Answer::ok("CLOSE completed"))
}

/// The answer to a change of a mailbox opened with EXAMINE.
pub fn read_only() -> Answer {
    Answer { status: crate::answer::Status::No, code: None, text: "The mailbox was opened read-only".into() }
}
