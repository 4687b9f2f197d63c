//! Two sessions and one mailbox (RFC 2180).

use super::*;

/// Two sessions with the same mailbox of `count` messages selected.
fn two(count: usize) -> World {
    let mut world = World::new();
    for n in 1..=count {
        world.mail("anna", "INBOX", &format!("Subject: {n}\r\n\r\nbody {n}\r\n"));
    }
    world.send("anna1", b"a SELECT INBOX\r\n");
    world.send("anna2", b"a SELECT INBOX\r\n");
    world
}

/// The second session removes message 2 of 3.
fn one_gone() -> World {
    let mut world = two(3);
    world.send("anna2", b"x UID STORE 2 +FLAGS.SILENT \\Deleted\r\ny EXPUNGE\r\n");
    world
}

#[test]
fn fetch_by_number_does_not_report_expunge() {
    one_gone().play(
        "
        anna1> a FETCH 1:3 UID
        anna1< * 1 FETCH (UID 1)
        anna1< * 3 FETCH (UID 3)
        anna1< a OK [EXPUNGEISSUED] Some of these messages are gone
        anna1> b FETCH 3 BODY.PEEK[TEXT]
        anna1< * 3 FETCH (BODY[TEXT] {8}
        anna1< body 3
        anna1< )
        anna1< b OK FETCH completed
        anna1> c NOOP
        anna1< * 2 EXPUNGE
        anna1< * 2 RECENT
        anna1< c OK NOOP completed
        anna1> d FETCH 1:2 UID
        anna1< * 1 FETCH (UID 1)
        anna1< * 2 FETCH (UID 3)
        anna1< d OK FETCH completed
        ",
    );
}

#[test]
fn store_and_search_by_number_do_not_report_expunge() {
    one_gone().play(
        "
        anna1> a STORE 1:3 +FLAGS (\\Seen)
        anna1< * 1 FETCH (FLAGS (\\Seen \\Recent))
        anna1< * 3 FETCH (FLAGS (\\Seen \\Recent))
        anna1< a OK [EXPUNGEISSUED] ...
        anna1> b SEARCH ALL
        anna1< * SEARCH 1 3
        anna1< b OK SEARCH completed
        anna1> c FETCH 2 FLAGS
        anna1< c NO [EXPUNGEISSUED] These messages are gone
        anna1> c1 STORE 2 +FLAGS (\\Seen)
        anna1< c1 NO [EXPUNGEISSUED] These messages are gone
        anna1> c2 STORE 2:3 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)
        anna1< * OK [HIGHESTMODSEQ ...] ...
        anna1< c2 OK [MODIFIED 3] ...
        anna1> d COPY 1:3 Trash
        anna1< * 2 EXPUNGE
        anna1< * 2 RECENT
        anna1< d NO [EXPUNGEISSUED] ...
        anna1> e COPY 1:2 Trash
        anna1< e OK [COPYUID ... 1,3 1:2] COPY completed
        ",
    );
}

#[test]
fn commands_by_uid_report_expunge_and_pass_over_what_is_gone() {
    for (command, answer) in [
        ("UID FETCH 2 FLAGS", "OK FETCH completed"),
        ("UID STORE 2 +FLAGS (\\Seen)", "OK STORE completed"),
        ("UID COPY 2 Trash", "OK COPY completed"),
        ("UID MOVE 2 Trash", "OK MOVE completed"),
        ("UID EXPUNGE 2", "OK EXPUNGE completed"),
    ] {
        one_gone().play(&format!(
            "
            anna1> a {command}
            anna1< * 2 EXPUNGE
            anna1< * 2 RECENT
            anna1< a {answer}
            "
        ));
    }
    one_gone().play(
        "
        anna1> a UID SEARCH ALL
        anna1< * SEARCH 1 3
        anna1< * 2 EXPUNGE
        anna1< * 2 RECENT
        anna1< a OK SEARCH completed
        ",
    );
}

#[test]
fn new_mail_is_told_while_expunge_waits() {
    let mut world = one_gone();
    world.mail("anna", "INBOX", "Subject: 4\r\n\r\n");
    world.play(
        "
        anna1> a FETCH 1 UID
        anna1< * 1 FETCH (UID 1)
        anna1< * 4 EXISTS
        anna1< * 4 RECENT
        anna1< a OK FETCH completed
        anna1> b FETCH 4 UID
        anna1< * 4 FETCH (UID 4)
        anna1< b OK FETCH completed
        anna1> c CHECK
        anna1< * 2 EXPUNGE
        anna1< * 3 RECENT
        anna1< c OK CHECK completed
        ",
    );
}

#[test]
fn commands_by_uid_find_what_only_another_session_was_told_of() {
    for (command, answer) in [
        ("UID STORE 2 -FLAGS.SILENT (\\Seen)", "* 2 FETCH (UID 2 MODSEQ (...))\nanna1< a OK STORE completed"),
        ("UID FETCH 2 UID", "* 2 FETCH (UID 2)\nanna1< a OK FETCH completed"),
        ("UID FETCH 2:* UID", "* 2 FETCH (UID 2)\nanna1< a OK FETCH completed"),
        (
            "UID STORE 2:9 +FLAGS (\\Seen)",
            "* 2 FETCH (UID 2 MODSEQ (...) FLAGS (\\Deleted \\Seen))\nanna1< a OK STORE completed",
        ),
        ("UID COPY 2 Trash", "a OK [COPYUID ... 2 1] COPY completed"),
        ("UID MOVE 2 Trash", "* OK [COPYUID ... 2 1] Moved\nanna1< * VANISHED 2\nanna1< a OK MOVE completed"),
        ("UID EXPUNGE 2", "* VANISHED 2\nanna1< a OK [HIGHESTMODSEQ ...] EXPUNGE completed"),
    ] {
        let mut world = two(1);
        world.send("anna1", b"e ENABLE QRESYNC\r\n");
        world.mail("anna", "INBOX", "Subject: 2\r\n\r\n");
        world.send("anna2", b"n NOOP\r\ns UID STORE 2 +FLAGS.SILENT (\\Deleted)\r\n");
        world.play(&format!(
            "
            anna1> a {command}
            anna1< * 2 EXISTS
            anna1< * 1 RECENT
            anna1< {answer}
            "
        ));
    }
}

#[test]
fn recent_belongs_to_one_session() {
    let mut world = two(0);
    world.mail("anna", "INBOX", "a");
    world.play(
        "
        anna2> a NOOP
        anna2< * 1 EXISTS
        anna2< * 1 RECENT
        anna2< a OK NOOP completed
        anna1> a NOOP
        anna1< * 1 EXISTS
        anna1< * 0 RECENT
        anna1< a OK NOOP completed
        ",
    );
    world.mail("anna", "INBOX", "b");
    world.play(
        "
        anna1> b NOOP
        anna1< * 2 EXISTS
        anna1< * 1 RECENT
        anna1< b OK NOOP completed
        anna2> b NOOP
        anna2< * 2 EXISTS
        anna2< * 1 RECENT
        anna2< b OK NOOP completed
        anna1> c FETCH 1:2 FLAGS
        anna1< * 1 FETCH (FLAGS ())
        anna1< * 2 FETCH (FLAGS (\\Recent))
        anna1< c OK FETCH completed
        anna2> c SEARCH RECENT
        anna2< * SEARCH 1
        anna2< c OK SEARCH completed
        ",
    );
}

#[test]
fn others_changes_are_told_and_ones_own_are_not_repeated() {
    two(2).play(
        "
        anna1> a STORE 1 +FLAGS (\\Seen)
        anna1< * 1 FETCH (FLAGS (\\Seen \\Recent))
        anna1< a OK STORE completed
        anna1> b NOOP
        anna1< b OK NOOP completed
        anna2> b NOOP
        anna2< * 1 FETCH (FLAGS (\\Seen))
        anna2< b OK NOOP completed
        # A silent STORE tells what somebody else did.
        anna2> c STORE 1 +FLAGS.SILENT (\\Flagged)
        anna2< c OK STORE completed
        anna1> c STORE 1 +FLAGS.SILENT (\\Answered)
        anna1< * 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))
        anna1< c OK STORE completed
        anna2> d STORE 2 +FLAGS ($New)
        anna2< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $New)
        anna2< * OK [PERMANENTFLAGS ...] ...
        anna2< * 2 FETCH (FLAGS ($New))
        anna2< * 1 FETCH (FLAGS (\\Answered \\Flagged \\Seen))
        anna2< d OK STORE completed
        anna1> d NOOP
        anna1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $New)
        anna1< * OK [PERMANENTFLAGS ...] ...
        anna1< * 2 FETCH (FLAGS (\\Recent $New))
        anna1< d OK NOOP completed
        ",
    );
}

#[test]
fn a_deleted_mailbox_ends_the_sessions_in_it() {
    let mut world = World::new();
    world.send("anna1", b"a SELECT Junk\r\n");
    world.send("anna2", b"a SELECT Junk\r\nb IDLE\r\n");
    world.play(
        "
        anna3> a DELETE Junk
        anna3< a OK DELETE completed
        anna1> b NOOP
        anna1< * BYE The selected mailbox was deleted
        anna2< * BYE The selected mailbox was deleted
        ",
    );
    assert_eq!((world.client("anna1").next, world.client("anna2").next), (Next::Close, Next::Close));
}

#[test]
fn a_renamed_mailbox_stays_selected() {
    let mut world = World::new();
    world.send("anna1", b"a SELECT Junk\r\n");
    world.play(
        "
        anna2> a RENAME Junk Spam
        anna2< a OK RENAME completed
        anna1> b APPEND Spam {1+}
        anna1> x
        anna1< * 1 EXISTS
        anna1< * 1 RECENT
        anna1< b OK ...
        ",
    );
}

#[test]
fn accounts_do_not_see_each_other() {
    let mut world = two(1);
    world.play(
        "
        ben> a STATUS INBOX (MESSAGES)
        ben< * STATUS INBOX (MESSAGES 0)
        ben< a OK STATUS completed
        anna1> a CREATE Secret
        anna1< a OK CREATE completed
        ben> b SELECT Secret
        ben< b NO [NONEXISTENT] No such mailbox
        ",
    );
}

#[test]
fn messages_that_come_and_go_unseen_leave_no_trace() {
    let mut world = two(1);
    world.mail("anna", "INBOX", "x");
    world.send(
        "anna2",
        b"b STORE 2 +FLAGS.SILENT \\Deleted\r\nc NOOP\r\nd STORE 2 +FLAGS.SILENT \\Deleted\r\ne EXPUNGE\r\n",
    );
    world.play("anna1> b NOOP\nanna1< b OK NOOP completed");
    world.mail("anna", "INBOX", "y");
    world.play(
        "
        anna1> c NOOP
        anna1< * 2 EXISTS
        anna1< * 2 RECENT
        anna1< c OK NOOP completed
        anna1> d FETCH 2 UID
        anna1< * 2 FETCH (UID 3)
        anna1< d OK FETCH completed
        ",
    );
}
