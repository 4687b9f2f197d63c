//! SELECT, EXAMINE, CREATE, DELETE, RENAME, STATUS, CLOSE, UNSELECT.

use super::*;

#[test]
fn the_exact_answer_to_select() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "Subject: a\r\n\r\nb\r\n");
    world.play(
        "
        anna> a SELECT inbox
        anna< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
        anna< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ...
        anna< * 1 EXISTS
        anna< * 1 RECENT
        anna< * OK [UNSEEN 1] ...
        anna< * OK [UIDVALIDITY ...] ...
        anna< * OK [UIDNEXT 2] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< a OK [READ-WRITE] SELECT completed
        anna> b EXAMINE \"InBoX\"
        anna< * OK [CLOSED] The mailbox selected before is closed
        anna< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
        anna< * OK [PERMANENTFLAGS ()] ...
        anna< * 1 EXISTS
        anna< * 0 RECENT
        anna< * OK [UNSEEN 1] ...
        anna< * OK [UIDVALIDITY ...] ...
        anna< * OK [UIDNEXT 2] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< b OK [READ-ONLY] EXAMINE completed
        anna> c STORE 1 +FLAGS (\\Seen)
        anna< c NO The mailbox was opened read-only
        anna> d EXPUNGE
        anna< d NO The mailbox was opened read-only
        anna> e MOVE 1 Trash
        anna< e NO The mailbox was opened read-only
        anna> f SELECT Missing
        anna< * OK [CLOSED] The mailbox selected before is closed
        anna< f NO [NONEXISTENT] No such mailbox
        # RFC 3501 6.3.1: after a failed SELECT no mailbox is selected
        anna> g FETCH 1 FLAGS
        anna< g BAD Command not allowed in this state
        anna> h SELECT \"\"
        anna< h NO [CANNOT] ...
        anna> i SELECT
        anna< i BAD Missing argument
        anna> j SELECT INBOX (X)
        anna< j BAD Unknown parameter
        ",
    );
}

#[test]
fn examine_leaves_recent_alone() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "a");
    let recent = |reply: String| reply.lines().any(|line| line == "* 1 RECENT");
    assert!(recent(world.send("anna1", b"a EXAMINE INBOX\r\n")));
    assert!(recent(world.send("anna2", b"a SELECT INBOX\r\n")));
    assert!(!recent(world.send("anna1", b"a EXAMINE INBOX\r\n")));
    world.play("anna2> b FETCH 1 FLAGS\nanna2< * 1 FETCH (FLAGS (\\Recent))\nanna2< b OK FETCH completed");
}

#[test]
fn create_delete_rename() {
    play(
        "
        anna> a CREATE Work/2026/
        anna< a OK CREATE completed
        anna> b CREATE Work
        anna< b NO [ALREADYEXISTS] ...
        anna> c CREATE inbox
        anna< c NO [ALREADYEXISTS] ...
        anna> d CREATE a//b
        anna< d NO [CANNOT] ...
        anna> e CREATE \"Entw&APw-rfe 2\"
        anna< e OK CREATE completed
        anna> f LIST \"\" Entw*
        anna< * LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe 2\"
        anna< f OK LIST completed
        anna> g CREATE \"R&D\"
        anna< g OK CREATE completed
        anna> h LIST \"\" \"R&-D\"
        anna< * LIST (\\HasNoChildren) \"/\" R&-D
        anna< h OK LIST completed
        anna> i RENAME Work Arbeit/Alt
        anna< i OK RENAME completed
        anna> j LIST \"\" Arbeit*
        anna< * LIST (\\HasChildren) \"/\" Arbeit
        anna< * LIST (\\HasChildren) \"/\" Arbeit/Alt
        anna< * LIST (\\HasNoChildren) \"/\" Arbeit/Alt/2026
        anna< j OK LIST completed
        anna> k RENAME Missing X
        anna< k NO [NONEXISTENT] ...
        anna> l RENAME Arbeit Sent
        anna< l NO [ALREADYEXISTS] ...
        anna> m RENAME Arbeit Arbeit/X
        anna< m NO [CANNOT] ...
        anna> n DELETE Arbeit/Alt
        anna< n OK DELETE completed
        anna> o LIST \"\" Arbeit/%
        anna< * LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" Arbeit/Alt
        anna< o OK LIST completed
        anna> p DELETE Arbeit/Alt
        anna< p NO [NONEXISTENT] Only mailboxes below this name exist
        anna> q SELECT Arbeit/Alt
        anna< q NO [NONEXISTENT] ...
        anna> r DELETE Arbeit/Alt/2026
        anna< r OK DELETE completed
        anna> s LIST \"\" Arbeit*
        anna< * LIST (\\HasNoChildren) \"/\" Arbeit
        anna< s OK LIST completed
        anna> t DELETE INBOX
        anna< t NO [CANNOT] Not possible with INBOX
        anna> u DELETE Arbeit/Alt
        anna< u NO [NONEXISTENT] No such mailbox
        anna> v CREATE
        anna< v BAD Missing argument
        anna> w RENAME a
        anna< w BAD Missing argument
        anna> x DELETE a b
        anna< x BAD Unexpected text after the arguments
        ",
    );
}

#[test]
fn rename_inbox_moves_its_messages() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "a");
    world.send("anna2", b"a SELECT INBOX\r\n");
    world.play(
        "
        anna> a RENAME INBOX Old/2026
        anna< a OK RENAME completed
        anna> b STATUS Old/2026 (MESSAGES)
        anna< * STATUS Old/2026 (MESSAGES 1)
        anna< b OK STATUS completed
        anna> c STATUS inbox (MESSAGES)
        anna< * STATUS INBOX (MESSAGES 0)
        anna< c OK STATUS completed
        anna2> b NOOP
        anna2< * 1 EXPUNGE
        anna2< * 0 RECENT
        anna2< b OK NOOP completed
        anna> d RENAME Old INBOX
        anna< d NO ...
        ",
    );
}

#[test]
fn create_with_a_special_use() {
    play(
        "
        anna> a CREATE Papierkorb (USE (\\Trash))
        anna< a NO [USEATTR] Another mailbox has this special use
        anna> b DELETE Trash
        anna< b OK DELETE completed
        anna> c CREATE Papierkorb (USE (\\Trash))
        anna< c OK CREATE completed
        anna> d LIST \"\" Papierkorb
        anna< * LIST (\\HasNoChildren \\Trash) \"/\" Papierkorb
        anna< d OK LIST completed
        anna> e CREATE X (USE (\\Flagged))
        anna< e NO [USEATTR] ...
        anna> f CREATE X (USE (\\Archive \\Junk))
        anna< f NO [USEATTR] ...
        anna> g CREATE X (USE)
        anna< g BAD Missing argument
        anna> h CREATE X (COLOUR (red))
        anna< h BAD Unknown parameter
        anna> i STATUS X (MESSAGES)
        anna< i NO [NONEXISTENT] ...
        ",
    );
}

#[test]
fn status_of_every_item() {
    let mut world = World::new();
    world.mail("anna", "Sent", "abc");
    world.play(
        "
        anna> a STATUS Sent (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE APPENDLIMIT HIGHESTMODSEQ)
        anna< * STATUS Sent (MESSAGES 1 RECENT 1 UIDNEXT 2 UIDVALIDITY ... UNSEEN 1 SIZE 3 APPENDLIMIT 52428800 HIGHESTMODSEQ ...)
        anna< a OK STATUS completed
        anna> b STATUS Sent ()
        anna< b BAD Missing status items
        anna> c STATUS Sent (MESSAGES COLOUR)
        anna< c BAD Unknown status item
        anna> d STATUS Missing (MESSAGES)
        anna< d NO [NONEXISTENT] ...
        anna> e STATUS Sent MESSAGES
        anna< e BAD Missing parenthesis
        ",
    );
}

#[test]
fn close_and_unselect() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "a");
    world.mail("anna", "INBOX", "b");
    for command in ["b STORE 1 +FLAGS.SILENT (\\Deleted)", "c UNSELECT"] {
        world.send("anna", b"a SELECT INBOX\r\n");
        world.send("anna", format!("{command}\r\n").as_bytes());
    }
    world.play(
        "
        anna> d STATUS INBOX (MESSAGES)
        anna< * STATUS INBOX (MESSAGES 2)
        anna< d OK STATUS completed
        anna> e CLOSE
        anna< e BAD Command not allowed in this state
        ",
    );
    world.send("anna", b"a EXAMINE INBOX\r\n");
    world.play("anna> b CLOSE\nanna< b OK CLOSE completed");
    world.send("anna", b"a SELECT INBOX\r\n");
    world.play(
        "
        anna> f CHECK
        anna< f OK CHECK completed
        anna> g CLOSE
        anna< g OK CLOSE completed
        anna> h STATUS INBOX (MESSAGES)
        anna< * STATUS INBOX (MESSAGES 1)
        anna< h OK STATUS completed
        ",
    );
}

#[test]
fn a_mailbox_deleted_by_its_own_session_is_left() {
    let mut world = World::new();
    world.send("anna", b"a SELECT Junk\r\n");
    world.play(
        "
        anna> b DELETE Junk
        anna< b OK DELETE completed
        anna> c CHECK
        anna< c BAD Command not allowed in this state
        anna> d NOOP
        anna< d OK NOOP completed
        ",
    );
}

#[test]
fn a_level_without_mailbox_is_renamed_with_what_is_below() {
    play(
        "
        anna> a CREATE a/b/c
        anna< a OK CREATE completed
        anna> b DELETE a
        anna< b OK DELETE completed
        anna> c RENAME a z/y
        anna< c OK RENAME completed
        anna> d LIST \"\" (a* z*)
        anna< * LIST (\\HasChildren) \"/\" z
        anna< * LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" z/y
        anna< * LIST (\\HasChildren) \"/\" z/y/b
        anna< * LIST (\\HasNoChildren) \"/\" z/y/b/c
        anna< d OK LIST completed
        anna> e RENAME a q
        anna< e NO [NONEXISTENT] No such mailbox
        ",
    );
}
