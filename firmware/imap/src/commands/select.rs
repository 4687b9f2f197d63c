//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2; CONDSTORE: RFC 7162 §3.1.8).

use super::Env;
use crate::answer::Answer;
use crate::codec::command::Select;
use crate::codec::encode::put;
use crate::session::{Session, State};
use crate::view::View;

/// Leaves the selected mailbox, whatever comes then, and opens this one. The order of the untagged answers is the usual
/// one: K-9 showed an empty inbox after an unusual one.
pub fn run(
    session: &mut Session,
    env: Env<'_>,
    args: Select,
    read_only: bool,
    out: &mut Vec<u8>,
) -> Result<Answer, Answer> {
    let Some(mut user) = session.state.user() else { return Err(Answer::bad("Log in first")) };
    session.state = State::Authenticated(user);
    let name = args.mailbox?;
    let mailbox = env.store.mailbox(env.account, &name)?.ok_or(::store::StoreError::NoSuchMailbox)?;
    let (view, snapshot) = View::open(env.store, mailbox.id, read_only)?;
    user.enabled.condstore |= args.condstore;
    view.put_flag_lists(out);
    put!(out, "* {} EXISTS\r\n* {} RECENT\r\n", view.count(), view.recent_count());
    if let Some(first) = snapshot.first_unseen.and_then(|uid| view.sequence_of(uid)) {
        put!(out, "* OK [UNSEEN {first}] First unseen message\r\n");
    }
    put!(out, "* OK [UIDVALIDITY {}] UIDs are valid\r\n", snapshot.uid_validity.0);
    put!(out, "* OK [UIDNEXT {}] Next UID\r\n", snapshot.uid_next.get());
    put!(out, "* OK [HIGHESTMODSEQ {}] Highest modification sequence\r\n", snapshot.highest_modseq.0);
    session.state = State::Selected(user, view);
    Ok(if read_only {
        Answer::ok("EXAMINE completed").with_code("READ-ONLY")
    } else {
        Answer::ok("SELECT completed").with_code("READ-WRITE")
    })
}
