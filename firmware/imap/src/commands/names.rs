//! The names of an account for LIST, LSUB and DELETE: mailboxes, subscriptions, and the levels above them.

use super::Env;
use ::store::{Mailbox, MailboxName, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// What stands behind a name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The mailbox, if it exists.
    pub mailbox: Option<Mailbox>,
    /// Whether the name is subscribed.
    pub subscribed: bool,
    /// Whether a mailbox exists below it.
    pub has_children: bool,
}

/// All names: mailboxes, their parents whether or not they exist, subscribed names, and the parents of those.
pub fn all(env: Env<'_>) -> Result<BTreeMap<MailboxName, Known>, StoreError> {
    let mut names: BTreeMap<MailboxName, Known> = BTreeMap::new();
    for mailbox in env.store.mailboxes(env.account)? {
        let mut above = mailbox.name.parent();
        while let Some(parent) = above {
            above = parent.parent();
            names.entry(parent).or_default().has_children = true;
        }
        let known = names.entry(mailbox.name.clone()).or_default();
        known.subscribed = mailbox.subscribed;
        known.mailbox = Some(mailbox);
    }
    let subscriptions = env.store.subscriptions(env.account)?;
    for name in above(subscriptions.iter()) {
        names.entry(name).or_default();
    }
    for name in subscriptions {
        names.entry(name).or_default().subscribed = true;
    }
    Ok(names)
}

/// Whether a mailbox exists below this name.
pub fn has_children(env: Env<'_>, name: &MailboxName) -> Result<bool, StoreError> {
    Ok(env.store.mailboxes(env.account)?.iter().any(|mailbox| mailbox.name.is_below(name)))
}

/// The levels above these names.
pub fn above<'n>(names: impl Iterator<Item = &'n MailboxName>) -> BTreeSet<MailboxName> {
    let mut all = BTreeSet::new();
    for name in names {
        let mut above = name.parent();
        // Where one level is known, those above it are.
        while let Some(parent) = above.filter(|parent| !all.contains(parent)) {
            above = parent.parent();
            all.insert(parent);
        }
    }
    all
}
