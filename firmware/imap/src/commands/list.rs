//! LIST (RFC 3501 §6.3.8; LIST-EXTENDED: RFC 5258, LIST-STATUS: RFC 5819, SPECIAL-USE: RFC 6154, CHILDREN: RFC 3348).
//!
//! Special uses and `\HasChildren` come with every answer: Apple Mail finds its folders only by plain LIST.

use super::names::{self, Known};
use super::pattern::Pattern;
use super::{Env, Step, status};
use crate::answer::Answer;
use crate::codec::command::{List, ListSelect, StatusItem};
use crate::codec::encode::{self, put};
use crate::limits;
use ::store::{MailboxId, MailboxName, SpecialUse, Store};
use conversation::HIGH_WATER;
use std::collections::{BTreeMap, BTreeSet};

/// The rows of a LIST or LSUB that are still to be written.
pub struct Job {
    /// `LIST` or `LSUB`
    command: &'static str,
    /// What becomes of each name, found as it is asked for.
    names: Box<dyn Iterator<Item = Option<Row>> + Send>,
    status: Option<Vec<StatusItem>>,
}

/// One row.
pub struct Row {
    pub name: MailboxName,
    pub attributes: Vec<&'static str>,
    /// The CHILDINFO of RFC 5258 §3.5, ready to be written.
    pub child_info: &'static str,
    /// For STATUS.
    pub mailbox: Option<MailboxId>,
}

impl Job {
    /// Will write these rows.
    pub fn new(
        command: &'static str,
        names: impl Iterator<Item = Option<Row>> + Send + 'static,
        status: Option<Vec<StatusItem>>,
    ) -> Job {
        Job { command, names: Box::new(names), status }
    }

    /// Looks at some names, and writes rows while there is room.
    pub fn step(&mut self, store: &Store, out: &mut Vec<u8>) -> Step {
        for _ in 0..limits::LIST_NAMES {
            if out.len() > HIGH_WATER {
                break;
            }
            let Some(name) = self.names.next() else {
                return Step::Done(Answer::ok(if self.command == "LIST" {
                    "LIST completed"
                } else {
                    "LSUB completed"
                }));
            };
            let Some(row) = name else { continue };
            put!(out, "* {} ({}) \"/\" ", self.command, row.attributes.join(" "));
            encode::mailbox(row.name.as_str(), out);
            put!(out, "{}\r\n", row.child_info);
            // RFC 5819 §2: a mailbox that cannot be asked has no STATUS; it may have gone just now.
            if let (Some(items), Some(mailbox)) = (&self.status, row.mailbox)
                && let Ok(counters) = store.status(mailbox)
            {
                status::put(&row.name, items, &counters, out);
            }
        }
        Step::More
    }
}

/// Finds the names that LIST asks for.
pub fn begin(env: Env<'_>, args: List, out: &mut Vec<u8>) -> Result<Job, Answer> {
    if !args.extended && args.patterns.iter().all(String::is_empty) {
        // RFC 3501 §6.3.8: an empty pattern asks for the separator.
        out.extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
        return Ok(Job::new("LIST", std::iter::empty(), None));
    }
    let patterns: Vec<Pattern> = args.patterns.iter().map(|text| Pattern::new(text)).collect();
    let matches = move |name: &MailboxName| patterns.iter().any(|pattern| pattern.matches(name.as_str()));
    let names = names::all(env)?;
    let parents = match args.select.recursive {
        true => parents_of_hidden(&names, args.select, &matches),
        false => BTreeSet::new(),
    };
    let status = args.returns.status.clone();
    let listed = move |(name, known): (MailboxName, Known)| {
        matches(&name).then(|| row(&name, &known, &args, parents.contains(&name))).flatten()
    };
    Ok(Job::new("LIST", names.into_iter().map(listed), status))
}

/// Levels above the names that are selected and match no pattern (RFC 5258 §3.1: RECURSIVEMATCH). What is listed itself needs
/// no word at its parents (§3.5: "suppress redundant CHILDINFO").
fn parents_of_hidden(
    names: &BTreeMap<MailboxName, Known>,
    select: ListSelect,
    matches: impl Fn(&MailboxName) -> bool,
) -> BTreeSet<MailboxName> {
    let selected = names.iter().filter(|(_, known)| selects(select, known)).map(|(name, _)| name);
    names::above(selected.filter(|name| !matches(name)))
}

/// Whether a name is what the selection options ask for.
fn selects(select: ListSelect, known: &Known) -> bool {
    let special = known.mailbox.as_ref().is_some_and(|mailbox| mailbox.special_use.is_some());
    (known.subscribed || !select.subscribed) && (special || !select.special_use)
}

/// The row of a name that matches a pattern, if it is to be listed; `parent`: of something that is selected and not listed.
fn row(name: &MailboxName, known: &Known, args: &List, parent: bool) -> Option<Row> {
    let select = args.select;
    let selective = select.subscribed || select.special_use;
    let exists = known.mailbox.is_some();
    // Without selection, a level that only holds mailboxes is listed, a name that is only subscribed is not.
    let selected = if selective { selects(select, known) } else { exists || known.has_children };
    if !selected && !parent {
        return None;
    }
    let mut attributes = Vec::new();
    if !exists {
        // RFC 5258 §3: \NonExistent implies \Noselect; clients of RFC 3501 know only the latter.
        attributes.extend(["\\NonExistent", "\\Noselect"]);
    }
    if args.returns.subscribed && known.subscribed {
        attributes.push("\\Subscribed");
    }
    attributes.push(if known.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    attributes.extend(special_use(known));
    let child_info = match (parent, select.subscribed, select.special_use) {
        (false, ..) => "",
        (true, true, true) => " (\"CHILDINFO\" (\"SUBSCRIBED\" \"SPECIAL-USE\"))",
        (true, true, false) => " (\"CHILDINFO\" (\"SUBSCRIBED\"))",
        (true, false, _) => " (\"CHILDINFO\" (\"SPECIAL-USE\"))",
    };
    Some(Row { name: name.clone(), attributes, child_info, mailbox: known.mailbox.as_ref().map(|mailbox| mailbox.id) })
}

/// The special use of a mailbox as an attribute.
pub fn special_use(known: &Known) -> Option<&'static str> {
    Some(match known.mailbox.as_ref()?.special_use? {
        SpecialUse::Archive => "\\Archive",
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Trash => "\\Trash",
    })
}
