//! NOOP, RSET, QUIT, HELP, VRFY, EXPN (RFC 5321 §4.1.1.5-10).

use crate::reply;
use crate::session::Session;
use crate::table::COMMANDS;
use conversation::Next;
use std::mem;
use std::time::SystemTime;

/// `NOOP [anything]`
pub(crate) fn noop(_session: &mut Session, _arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    reply::line(out, "250 2.0.0", "Still here");
    Next::Read
}

/// `RSET` forgets the message, not the login.
pub(crate) fn rset(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if !arguments.is_empty() {
        return session.error(out, "501 5.5.4", "RSET stands alone");
    }
    session.state = mem::take(&mut session.state).reset();
    reply::line(out, "250 2.0.0", "Forgotten");
    Next::Read
}

/// `QUIT`
pub(crate) fn quit(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if !arguments.is_empty() {
        return session.error(out, "501 5.5.4", "QUIT stands alone");
    }
    session.close(out, "221 2.0.0", "Good-bye")
}

/// `HELP [command]`
pub(crate) fn help(session: &mut Session, _arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    let known = COMMANDS.iter().filter(|row| row.doors.contains(&session.role));
    let names: Vec<&str> = known.map(|row| row.name).collect();
    reply::line(out, "214 2.0.0", format_args!("Commands: {}", names.join(" ")));
    Next::Read
}

/// `VRFY name` tells nobody which addresses exist (RFC 5321 §7.3).
pub(crate) fn vrfy(session: &mut Session, arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    if arguments.is_empty() {
        return session.error(out, "501 5.5.4", "Say VRFY with an address");
    }
    reply::line(out, "252 2.0.0", "Send mail to find out");
    Next::Read
}

/// `EXPN list`: there are no lists.
pub(crate) fn expn(session: &mut Session, _arguments: &str, _now: SystemTime, out: &mut Vec<u8>) -> Next {
    session.error(out, "502 5.5.1", "There are no mailing lists here")
}
