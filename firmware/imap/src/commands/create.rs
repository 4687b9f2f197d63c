//! CREATE, DELETE and RENAME (RFC 3501 §6.3.3-5; CREATE-SPECIAL-USE: RFC 6154 §3).

use super::{Env, names};
use crate::answer::Answer;
use crate::codec::command::{Mailbox, UseAttribute};
use crate::session::State;
use ::store::StoreError;

/// Makes a mailbox and its missing parents.
pub fn create(env: Env<'_>, name: Mailbox, uses: &[UseAttribute]) -> Result<Answer, Answer> {
    let name = name?;
    let special_use = match uses {
        [] => None,
        [UseAttribute::Known(one)] => Some(*one),
        _ => return Err(Answer::no("USEATTR", "No mailbox here can have this special use")),
    };
    if special_use.is_some() && env.store.mailboxes(env.account)?.iter().any(|other| other.special_use == special_use) {
        return Err(Answer::no("USEATTR", "Another mailbox has this special use"));
    }
    env.store.create_mailbox(env.account, &name, special_use, env.now)?;
    Ok(Answer::ok("CREATE completed"))
}

/// Deletes a mailbox. Its children stay, and its name with them; deleting such a name is an error (RFC 3501 §6.3.4).
pub fn delete(env: Env<'_>, name: Mailbox, state: &mut State) -> Result<Answer, Answer> {
    let name = name?;
    let Some(mailbox) = env.store.mailbox(env.account, &name)? else {
        return Err(if names::has_children(env, &name)? {
            Answer::no("NONEXISTENT", "Only mailboxes below this name exist")
        } else {
            StoreError::NoSuchMailbox.into()
        });
    };
    env.store.delete_mailbox(env.account, &name)?;
    if let State::Selected(user, view) = state
        && view.mailbox == mailbox.id
    {
        *state = State::Authenticated(*user);
    }
    Ok(Answer::ok("DELETE completed"))
}

/// Renames a mailbox and those below it; from INBOX only the messages go.
pub fn rename(env: Env<'_>, from: Mailbox, to: Mailbox) -> Result<Answer, Answer> {
    let (from, to) = (from?, to?);
    if to.is_below(&from) && !from.is_inbox() {
        return Err(Answer::no("CANNOT", "A mailbox cannot become its own child"));
    }
    env.store.rename_mailbox(env.account, &from, &to, env.now)?;
    Ok(Answer::ok("RENAME completed"))
}
