//! STATUS (RFC 3501 §6.3.10; SIZE: RFC 8438, APPENDLIMIT: RFC 7889, HIGHESTMODSEQ: RFC 7162).

use super::{Env, enable};
use crate::answer::Answer;
use crate::codec::command::{Mailbox, StatusItem};
use crate::codec::encode::{self, put};
use crate::limits;
use crate::session::Session;
use ::store::{MailboxName, Status, StoreError};

/// Counters of a mailbox, selected or not.
pub fn run(
    session: &mut Session,
    env: Env<'_>,
    name: Mailbox,
    items: &[StatusItem],
    out: &mut Vec<u8>,
) -> Result<Answer, Answer> {
    let name = name?;
    let mailbox = env.store.mailbox(env.account, &name)?.ok_or(StoreError::NoSuchMailbox)?;
    let status = env.store.status(mailbox.id)?;
    if items.contains(&StatusItem::HighestModSeq) {
        enable::from_any_state(&mut session.state, out);
    }
    put(&name, items, &status, out);
    Ok(Answer::ok("STATUS completed"))
}

/// Writes one STATUS response.
pub fn put(name: &MailboxName, items: &[StatusItem], status: &Status, out: &mut Vec<u8>) {
    out.extend_from_slice(b"* STATUS ");
    encode::mailbox(name.as_str(), out);
    for (i, item) in items.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b" (" } else { b" " });
        match item {
            StatusItem::Messages => put!(out, "MESSAGES {}", status.messages),
            StatusItem::Recent => put!(out, "RECENT {}", status.recent),
            StatusItem::UidNext => put!(out, "UIDNEXT {}", status.uid_next.get()),
            StatusItem::UidValidity => put!(out, "UIDVALIDITY {}", status.uid_validity.0),
            StatusItem::Unseen => put!(out, "UNSEEN {}", status.unseen),
            StatusItem::Size => put!(out, "SIZE {}", status.size),
            StatusItem::AppendLimit => put!(out, "APPENDLIMIT {}", limits::APPEND),
            StatusItem::HighestModSeq => put!(out, "HIGHESTMODSEQ {}", status.highest_modseq.0),
        }
    }
    out.extend_from_slice(b")\r\n");
}
