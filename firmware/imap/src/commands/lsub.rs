//! LSUB, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7, §6.3.9).

use super::list::{Job, Row, special_use};
use super::pattern::Pattern;
use super::{Env, names};
use crate::answer::Answer;
use crate::codec::command::Mailbox;

/// Finds the subscribed names; a level that only `%` made visible is `\Noselect`. Outlook wants the special uses here too.
pub fn begin(env: Env<'_>, pattern: &str) -> Result<Job, Answer> {
    let pattern = Pattern::new(pattern);
    let names = names::all(env)?;
    let subscribed = || names.iter().filter(|(_, known)| known.subscribed);
    let mut rows: Vec<Row> = subscribed()
        .filter(|(name, _)| pattern.matches(name.as_str()))
        .map(|(name, known)| Row {
            name: name.clone(),
            attributes: special_use(known).into_iter().collect(),
            child_info: "",
            mailbox: None,
        })
        .collect();
    if pattern.has_level() {
        let levels = names::above(subscribed().map(|(name, _)| name)).into_iter();
        let levels = levels.filter(|name| pattern.matches(name.as_str()));
        let levels = levels.filter(|name| !names.get(name).is_some_and(|known| known.subscribed));
        rows.extend(levels.map(|name| Row { name, attributes: vec!["\\Noselect"], child_info: "", mailbox: None }));
        rows.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(Job::new("LSUB", rows.into_iter().map(Some), None))
}

/// Subscribes or unsubscribes a name. It need not exist (RFC 3501 §6.3.6 lets the server choose).
pub fn subscribe(env: Env<'_>, name: Mailbox, subscribed: bool) -> Result<Answer, Answer> {
    env.store.set_subscribed(env.account, &name?, subscribed)?;
    Ok(Answer::ok(if subscribed { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" }))
}
