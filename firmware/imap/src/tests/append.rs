//! APPEND and literals.

use super::*;
use crate::limits;

#[test]
fn append_with_and_without_waiting() {
    play(
        "
        anna> a APPEND INBOX (\\Seen $Work) \" 7-Feb-1994 21:52:25 -0800\" {4}
        anna< + Ready for the literal
        anna> abcd
        anna< a OK [APPENDUID ... 1] APPEND completed
        anna> b APPEND {5}
        anna< + Ready for the literal
        anna> INBOX {3+}
        anna> x
        anna> 
        anna< b OK [APPENDUID ... 2] APPEND completed
        anna> c SELECT INBOX
        anna< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)
        anna< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] ...
        anna< * 2 EXISTS
        anna< * 2 RECENT
        anna< * OK [UNSEEN 2] ...
        anna< * OK [UIDVALIDITY ...] ...
        anna< * OK [UIDNEXT 3] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< c OK ...
        anna> d FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])
        anna< * 1 FETCH (FLAGS (\\Seen \\Recent $Work) INTERNALDATE \" 8-Feb-1994 05:52:25 +0000\" BODY[] {4}
        anna< abcd)
        anna< d OK FETCH completed
        anna> e APPEND INBOX {1+}
        anna> x
        anna< * 3 EXISTS
        anna< * 3 RECENT
        anna< e OK [APPENDUID ... 3] APPEND completed
        ",
    );
}

#[test]
fn refusals_come_before_the_message() {
    play(
        "
        anna> a APPEND Missing {10}
        anna< a NO [TRYCREATE] No such mailbox
        anna> b APPEND INBOX {52428801}
        anna< b NO [TOOBIG] The message is too large
        anna> c APPEND INBOX {0}
        anna< c NO An empty message is no message
        anna> d APPEND INBOX (\\Seen {10}
        anna< d BAD ...
        anna> e APPEND INBOX \"yesterday\" {10}
        anna< e BAD Malformed date
        anna> f APPEND INBOX (\\Recent) {10}
        anna< f BAD \\Recent cannot be set
        anna> g APPEND INBOX \"text\"
        anna< g BAD ...
        anna> h APPEND a//b {10}
        anna< h NO [CANNOT] ...
        anna> i APPEND INBOX x{10}
        anna< i BAD The message must be a literal
        anna> j NOOP
        anna< j OK NOOP completed
        ",
    );
}

#[test]
fn what_was_not_waited_for_is_thrown_away() {
    play(
        "
        anna> a APPEND Missing {10+}
        anna> 123
        anna> x NOOP
        anna< a NO [TRYCREATE] No such mailbox
        anna> b LOGIN {9999+}
        anna> x
        anna> {5+}
        anna> b NOOP
        ",
    );
}

#[test]
fn one_message_at_a_time() {
    play(
        "
        anna> a APPEND INBOX {1+}
        anna> x {1}
        anna< a BAD Only one message can be appended at a time
        anna> b APPEND INBOX {1+}
        anna> x {1+}
        anna> y
        anna< b BAD Only one message can be appended at a time
        anna> c APPEND INBOX {1+}
        anna> x y
        anna< c BAD Unexpected text after the message
        anna> d STATUS INBOX (MESSAGES)
        anna< * STATUS INBOX (MESSAGES 0)
        anna< d OK STATUS completed
        ",
    );
}

#[test]
fn a_mailbox_that_goes_while_the_message_comes() {
    let mut world = World::new();
    world.send("anna", b"a APPEND Junk {4+}\r\nab");
    world.send("anna2", b"a DELETE Junk\r\n");
    assert_eq!(world.send("anna", b"cd\r\n"), "a NO [TRYCREATE] No such mailbox\r\n");
}

#[test]
fn a_big_message_streams_in() {
    let mut world = World::new();
    let big = "0123456789abcdef".repeat(64 * 1024);
    world.send("anna", format!("a APPEND INBOX {{{}+}}\r\n", big.len()).as_bytes());
    for packet in big.as_bytes().chunks(9_999) {
        assert_eq!(world.send("anna", packet), "");
    }
    assert!(world.send("anna", b"\r\n").starts_with("a OK [APPENDUID "));
    world.play("anna> b STATUS INBOX (SIZE)\nanna< * STATUS INBOX (SIZE 1048576)\nanna< b OK STATUS completed");
}

#[test]
fn literals_over_the_limit() {
    play(
        "
        anna> a CREATE {8193}
        anna< a BAD [TOOBIG] Literal too large
        anna> b SELECT {8193}
        anna< b BAD [TOOBIG] Literal too large
        anna> c FOO {5}
        anna< c BAD Unknown command
        anna> d FETCH {5}
        anna< d BAD Command not allowed in this state
        anna> {5}
        anna< * BAD A command begins with a tag
        anna> e CREATE {209715201+}
        anna< * BYE [TOOBIG] Literal far too large
        ",
    );
}

#[test]
fn long_lines() {
    let mut world = World::new();
    let long = "x".repeat(limits::COMMAND);
    assert_eq!(world.send("anna", format!("a NOOP {long}\r\n").as_bytes()), "a BAD [LIMIT] Command line too long\r\n");
    assert_eq!(world.send("anna", format!("{long}\r\n").as_bytes()), "* BAD A command begins with a tag\r\n");
    let ids = vec!["1234567"; 8_000].join(",");
    assert_eq!(
        world.send("anna", format!("b UID FETCH {ids} UID\r\n").as_bytes()),
        "b BAD Command not allowed in this state\r\n"
    );
    world.client("raw").take();
    assert_eq!(
        world.send("raw", format!("c LOGIN {}\r\n", &long[..35_000]).as_bytes()),
        "c BAD [LIMIT] Command line too long\r\n"
    );
    assert_eq!(world.send("raw", b"d AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert_eq!(world.send("raw", format!("{long}\r\n").as_bytes()), "d BAD [LIMIT] Command line too long\r\n");
}

#[test]
fn an_account_over_its_quota() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "0123456789");
    let limits = store::QuotaLimits { octets: Some(15), messages: None };
    world.context.store.set_quota(store::AccountId(1), limits).unwrap();
    world.play(
        "
        anna> a APPEND INBOX {10+}
        anna> 0123456789
        anna< a NO [OVERQUOTA] The account may not hold more mail
        ",
    );
    world.send("anna", b"b SELECT INBOX\r\n");
    world.play(
        "
        anna> c COPY 1 Trash
        anna< c NO [OVERQUOTA] The account may not hold more mail
        anna> d MOVE 1 Trash
        anna< * OK [COPYUID ... 1 1] ...
        anna< * 1 EXPUNGE
        anna< * 0 RECENT
        anna< d OK ...
        ",
    );
}
