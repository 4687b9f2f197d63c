//! COPY and MOVE (RFC 3501 §6.4.7, RFC 6851) with COPYUID (RFC 4315 §3).

use super::{Env, expunge, no_such_number};
use crate::answer::{Answer, Status};
use crate::codec::command::{Mailbox, Numbers};
use crate::codec::encode::put;
use crate::codec::sequence::{Runs, SequenceSet};
use crate::view::View;
use ::store::{Copied, MailboxId, StoreError, Uid};

/// Copies messages, all or none.
pub fn copy(env: Env<'_>, view: &View, numbers: Numbers, set: &SequenceSet, to: Mailbox) -> Result<Answer, Answer> {
    let (uids, target) = prepare(env, view, numbers, set, to)?;
    let copied = env.store.copy(view.mailbox, &uids, target, env.now).map_err(|e| Answer::from(e).or_try_create())?;
    let done = Answer::ok("COPY completed");
    Ok(if copied.uids.is_empty() { done } else { done.with_code(copy_uid(&copied)) })
}

/// Moves messages, all or none. COPYUID comes before the EXPUNGEs (RFC 6851 §4.3): clients show phantoms otherwise.
pub fn move_messages(
    env: Env<'_>,
    view: &View,
    numbers: Numbers,
    set: &SequenceSet,
    to: Mailbox,
    out: &mut Vec<u8>,
) -> Result<Answer, Answer> {
    if view.read_only {
        return Err(expunge::read_only());
    }
    let (uids, target) = prepare(env, view, numbers, set, to)?;
    let moved =
        env.store.move_messages(view.mailbox, &uids, target, env.now).map_err(|e| Answer::from(e).or_try_create())?;
    if !moved.uids.is_empty() {
        put!(out, "* OK [{}] Moved\r\n", copy_uid(&moved));
    }
    Ok(Answer::ok("MOVE completed"))
}

/// The UIDs that the set names and the target. A message that is gone but still has its number makes the command fail
/// (RFC 2180 §4.4.1); a UID without message does not (RFC 3501 §6.4.8).
fn prepare(
    env: Env<'_>,
    view: &View,
    numbers: Numbers,
    set: &SequenceSet,
    to: Mailbox,
) -> Result<(Vec<Uid>, MailboxId), Answer> {
    let places = view.places(numbers, set).ok_or_else(no_such_number)?;
    let uids = view.uids_at(&places);
    let target = env.store.mailbox(env.account, &to?)?.ok_or(StoreError::NoSuchMailbox);
    let target = target.map_err(|e| Answer::from(e).or_try_create())?;
    if numbers == Numbers::Sequence && view.some_gone(&uids) {
        return Err(Answer::no("EXPUNGEISSUED", "Some of these messages are gone"));
    }
    Ok((uids, target.id))
}

/// `COPYUID validity sources targets`: both ascending, so that they pair.
fn copy_uid(copied: &Copied) -> String {
    let sources = Runs::from_ascending(copied.uids.iter().map(|(from, _)| from.get()));
    let targets = Runs::from_ascending(copied.uids.iter().map(|(_, to)| to.get()));
    format!("COPYUID {} {sources} {targets}", copied.uid_validity.0)
}

/// The answer to a command about messages of which some are gone (RFC 2180 §4.1, §4.2; RFC 5530 §3). Programs show a NO to
/// people: it is for those who got nothing of what they asked for.
pub fn some_gone(others: bool) -> Answer {
    let (status, text) = match others {
        true => (Status::Ok, "Some of these messages are gone"),
        false => (Status::No, "These messages are gone"),
    };
    Answer { status, code: Some("EXPUNGEISSUED".into()), text: text.into() }
}
