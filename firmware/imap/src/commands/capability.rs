//! CAPABILITY (RFC 3501 §6.1.1). What is announced is whole and tested.

use crate::answer::Answer;
use crate::codec::encode::put;
use crate::limits;
use auth::Directory;
use conversation::Security;

/// Announced in every state.
const ALWAYS: &str = "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE \
                      CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH CONDSTORE QRESYNC";

/// The capabilities of the moment.
pub fn list(security: &Security, directory: &Directory, logged_in: bool) -> String {
    let mut list = format!("{ALWAYS} APPENDLIMIT={}", limits::APPEND);
    match security {
        _ if logged_in => {}
        Security::Plain => list.push_str(" STARTTLS LOGINDISABLED"),
        Security::Tls(binding) => {
            list.push_str(" SASL-IR");
            for mechanism in directory.mechanisms(binding) {
                list.push_str(" AUTH=");
                list.push_str(mechanism.name());
            }
        }
    }
    list
}

/// The command.
pub fn run(capabilities: &str, out: &mut Vec<u8>) -> Answer {
    put!(out, "* CAPABILITY {capabilities}\r\n");
    Answer::ok("CAPABILITY completed")
}
