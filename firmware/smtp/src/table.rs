//! The commands: name, at which doors they are known, and in which states they are legal.

use crate::Role;
use crate::commands::{auth, bdat, data, general, hello, mail, rcpt, starttls};
use crate::session::Session;
use crate::state::Phase;
use conversation::Next;
use std::time::SystemTime;

/// Runs a command with what followed its name.
type Run = fn(&mut Session, &str, SystemTime, &mut Vec<u8>) -> Next;

/// One command.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name in capitals.
    pub(crate) name: &'static str,
    /// The doors where it is known.
    pub(crate) doors: &'static [Role],
    /// The states in which it is legal.
    pub(crate) legal: &'static [Phase],
    /// What it does.
    pub(crate) run: Run,
}

const SMTP: &[Role] = &[Role::Reception, Role::Submission];
const SUBMISSION: &[Role] = &[Role::Submission];
const LMTP: &[Role] = &[Role::Lmtp];
const ALL: &[Role] = &[Role::Reception, Role::Submission, Role::Lmtp];

const ALWAYS: &[Phase] = &[Phase::Fresh, Phase::Greeted, Phase::Envelope, Phase::Chunks];
const OUTSIDE: &[Phase] = &[Phase::Fresh, Phase::Greeted];
const GREETED: &[Phase] = &[Phase::Greeted];
const ENVELOPE: &[Phase] = &[Phase::Envelope];
const MESSAGE: &[Phase] = &[Phase::Envelope, Phase::Chunks];

const fn row(name: &'static str, doors: &'static [Role], legal: &'static [Phase], run: Run) -> Row {
    Row { name, doors, legal, run }
}

/// All of them.
pub(crate) const COMMANDS: &[Row] = &[
    //  name       doors       legal in  does
    row("HELO", SMTP, ALWAYS, hello::helo),
    row("EHLO", SMTP, ALWAYS, hello::ehlo),
    row("LHLO", LMTP, ALWAYS, hello::ehlo),
    row("STARTTLS", ALL, OUTSIDE, starttls::run),
    row("AUTH", SUBMISSION, GREETED, auth::run),
    row("MAIL", ALL, GREETED, mail::run),
    row("RCPT", ALL, ENVELOPE, rcpt::run),
    row("DATA", ALL, ENVELOPE, data::run),
    row("BDAT", ALL, MESSAGE, bdat::run),
    row("RSET", ALL, ALWAYS, general::rset),
    row("NOOP", ALL, ALWAYS, general::noop),
    row("VRFY", ALL, ALWAYS, general::vrfy),
    row("EXPN", ALL, ALWAYS, general::expn),
    row("HELP", ALL, ALWAYS, general::help),
    row("QUIT", ALL, ALWAYS, general::quit),
];

/// The command with this name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

impl Row {
    /// Why the command is not to be had at this door.
    pub(crate) fn elsewhere(&self, role: Role) -> &'static str {
        match (self.name, role) {
            ("AUTH", Role::Reception) => "Mail programs log in on port 587 or 465",
            ("AUTH", _) => "No login is needed here",
            ("LHLO", _) => "This is no LMTP: say EHLO",
            _ => "This is LMTP: say LHLO",
        }
    }

    /// Why the command is not legal now.
    pub(crate) fn too_early_or_late(&self, phase: Phase, role: Role) -> &'static str {
        match (phase, self.name) {
            (Phase::Fresh, _) if role == Role::Lmtp => "Say LHLO first",
            (Phase::Fresh, _) => "Say EHLO first",
            (Phase::Greeted, _) => "MAIL has to come first",
            (Phase::Chunks, "DATA" | "RCPT") => "The message has begun with BDAT",
            (_, "MAIL") => "A message is on its way already; RSET forgets it",
            _ => "Not while a message is on its way",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find("mAiL").map(|row| row.name), Some("MAIL"));
        assert!(find("MAILX").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn names_are_unique() {
        for (i, row) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..i].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
