//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2; CONDSTORE: RFC 7162 §3.1.8, QRESYNC: §3.2.5).

use super::{Env, Outcome, fetch};
use crate::answer::Answer;
use crate::codec::command::{Numbers, Qresync, Select};
use crate::codec::encode::put;
use crate::codec::sequence::{Bound, SequenceSet};
use crate::session::{Job, Session, State};
use crate::view::{self, View};
use ::store::{ModSeq, Snapshot, StoreError};

/// Leaves the selected mailbox, whatever comes then, and opens this one.
pub fn run(
    session: &mut Session,
    env: Env<'_>,
    args: Select,
    read_only: bool,
    out: &mut Vec<u8>,
) -> Result<Outcome, Answer> {
    let Some(mut user) = session.state.user() else { return Err(Answer::bad("Log in first")) };
    if args.qresync.is_some() && !user.enabled.qresync {
        return Err(Answer::bad("QRESYNC is not enabled"));
    }
    if matches!(session.state, State::Selected(..)) {
        // RFC 7162 §3.2.11: what follows is about the new mailbox. A server with the extension tells it always.
        out.extend_from_slice(b"* OK [CLOSED] The mailbox selected before is closed\r\n");
    }
    session.state = State::Authenticated(user);
    let name = args.mailbox?;
    let mailbox = env.store.mailbox(env.account, &name)?.ok_or(StoreError::NoSuchMailbox)?;
    let (view, snapshot) = View::open(env.store, mailbox.id, read_only)?;
    user.enabled.condstore |= args.condstore;
    describe(&view, &snapshot, out);
    let answer = if read_only {
        Answer::ok("EXAMINE completed").with_code("READ-ONLY")
    } else {
        Answer::ok("SELECT completed").with_code("READ-WRITE")
    };
    let outcome = match args.qresync {
        Some(known) if known.uid_validity == snapshot.uid_validity.0.get() => {
            Outcome::Work(Box::new(Job::Fetch(resync(env, &view, known, answer, out)?)))
        }
        _ => Outcome::Done(answer),
    };
    session.state = State::Selected(user, view);
    Ok(outcome)
}

/// The untagged answers in the usual order: K-9 showed an empty inbox after an unusual one.
fn describe(view: &View, snapshot: &Snapshot, out: &mut Vec<u8>) {
    view.put_flag_lists(out);
    put!(out, "* {} EXISTS\r\n* {} RECENT\r\n", view.count(), view.recent_count());
    if let Some(first) = snapshot.first_unseen.and_then(|uid| view.sequence_of(uid)) {
        put!(out, "* OK [UNSEEN {first}] First unseen message\r\n");
    }
    put!(out, "* OK [UIDVALIDITY {}] UIDs are valid\r\n", snapshot.uid_validity.0);
    put!(out, "* OK [UIDNEXT {}] Next UID\r\n", snapshot.uid_next.get());
    put!(out, "* OK [HIGHESTMODSEQ {}] Highest modification sequence\r\n", snapshot.highest_modseq.0);
}

/// Tells what vanished since the client was last here; what changed follows as a FETCH. Only of the messages it knows, if it
/// says which.
fn resync(env: Env<'_>, view: &View, known: Qresync, answer: Answer, out: &mut Vec<u8>) -> Result<fetch::Job, Answer> {
    let all = SequenceSet::new(vec![(Bound::Number(1), Bound::Number(u32::MAX))]);
    let uids = known.known_uids.unwrap_or(all);
    let vanished = env.store.changes_since(view.mailbox, ModSeq(known.modseq))?.vanished;
    view::put_vanished_earlier(&vanished, &uids.resolve_ever(), out);
    let places = view.places(Numbers::Uid, &uids).ok_or_else(super::no_such_number)?;
    Ok(fetch::resync(places, known.modseq, answer))
}
