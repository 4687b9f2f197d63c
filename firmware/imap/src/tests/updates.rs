//! EXPUNGE, COPY, MOVE, IDLE and what is told unasked.

use super::*;

fn world_of(count: usize) -> World {
    let mut world = World::new();
    for n in 1..=count {
        world.mail("anna", "INBOX", &format!("Subject: {n}\r\n\r\nbody\r\n"));
    }
    world.send("anna", b"a SELECT INBOX\r\n");
    world
}

#[test]
fn expunge() {
    world_of(11).play(
        "
        anna> a STORE 3,4,7,11 +FLAGS.SILENT (\\Deleted)
        anna< a OK STORE completed
        anna> b EXPUNGE
        anna< * 3 EXPUNGE
        anna< * 3 EXPUNGE
        anna< * 5 EXPUNGE
        anna< * 8 EXPUNGE
        anna< * 7 RECENT
        anna< b OK EXPUNGE completed
        anna> c UID FETCH 7:9 UID
        anna< * 5 FETCH (UID 8)
        anna< * 6 FETCH (UID 9)
        anna< c OK FETCH completed
        anna> d EXPUNGE
        anna< d OK EXPUNGE completed
        anna> e STORE 1:2 +FLAGS.SILENT (\\Deleted)
        anna< e OK STORE completed
        anna> f UID EXPUNGE 2:3,99
        anna< * 2 EXPUNGE
        anna< * 6 RECENT
        anna< f OK EXPUNGE completed
        anna> g UID EXPUNGE
        anna< g BAD Missing argument
        anna> h UID EXPUNGE x
        anna< h BAD Missing number
        anna> i EXPUNGE 1
        anna< i BAD Unexpected text after the arguments
        ",
    );
}

#[test]
fn copy() {
    world_of(3).play(
        "
        anna> a COPY 1,3 Archive
        anna< a OK [COPYUID ... 1,3 1:2] COPY completed
        anna> b UID COPY 2:3 Archive
        anna< b OK [COPYUID ... 2:3 3:4] COPY completed
        anna> c UID COPY 99 Archive
        anna< c OK COPY completed
        anna> d COPY 1 Missing
        anna< d NO [TRYCREATE] No such mailbox
        anna> e COPY 4 Archive
        anna< e BAD No message has this number
        anna> f COPY 1 a//b
        anna< f NO [CANNOT] ...
        anna> g COPY 1
        anna< g BAD Missing argument
        anna> h COPY 1 INBOX
        anna< * 4 EXISTS
        anna< * 4 RECENT
        anna< h OK [COPYUID ... 1 4] COPY completed
        anna> i STATUS Archive (MESSAGES)
        anna< * STATUS Archive (MESSAGES 4)
        anna< i OK STATUS completed
        ",
    );
}

#[test]
fn moving_tells_the_new_uids_first() {
    world_of(4).play(
        "
        anna> a UID MOVE 2:3 Trash
        anna< * OK [COPYUID ... 2:3 1:2] Moved
        anna< * 2 EXPUNGE
        anna< * 2 EXPUNGE
        anna< * 2 RECENT
        anna< a OK MOVE completed
        anna> b UID MOVE 2 Trash
        anna< b OK MOVE completed
        anna> c MOVE 1 Missing
        anna< c NO [TRYCREATE] No such mailbox
        anna> d MOVE 1:2 Trash
        anna< * OK [COPYUID ... 1,4 3:4] Moved
        anna< * 1 EXPUNGE
        anna< * 1 EXPUNGE
        anna< * 0 RECENT
        anna< d OK MOVE completed
        anna> e MOVE 1 Trash
        anna< e BAD No message has this number
        anna> f MOVE 1
        anna< f BAD Missing argument
        ",
    );
}

#[test]
fn idle_tells_at_once() {
    let mut world = world_of(1);
    world.send("anna2", b"a SELECT INBOX\r\n");
    world.play(
        "
        anna> b IDLE
        anna< + idling
        anna2> b STORE 1 +FLAGS (\\Seen)
        anna2< * 1 FETCH (FLAGS (\\Seen))
        anna2< b OK STORE completed
        anna< * 1 FETCH (FLAGS (\\Seen \\Recent))
        anna2> c APPEND INBOX {1+}
        anna2> x
        anna2< * 2 EXISTS
        anna2< * 1 RECENT
        anna2< c OK ...
        anna< * 2 EXISTS
        anna< * 1 RECENT
        anna2> d STORE 1 +FLAGS.SILENT \\Deleted
        anna2< d OK STORE completed
        anna< * 1 FETCH (FLAGS (\\Deleted \\Seen \\Recent))
        anna2> e EXPUNGE
        anna2< * 1 EXPUNGE
        anna2< e OK EXPUNGE completed
        anna< * 1 EXPUNGE
        anna< * 0 RECENT
        anna> done
        anna< b OK IDLE completed
        anna> c IDLE
        anna< + idling
        anna> NOOP
        anna< c BAD Expected DONE
        anna> d NOOP
        anna< d OK NOOP completed
        anna> DONE
        anna< DONE BAD Unknown command
        ben> a IDLE
        ben< + idling
        ben> DONE
        ben< a OK IDLE completed
        raw< * OK ...
        raw> a IDLE
        raw< a BAD Command not allowed in this state
        ",
    );
}

#[test]
fn idle_begins_with_what_is_new() {
    let mut world = world_of(0);
    world.mail("anna", "INBOX", "x");
    world.play(
        "
        anna> a IDLE
        anna< + idling
        anna< * 1 EXISTS
        anna< * 1 RECENT
        anna> DONE
        anna< a OK IDLE completed
        ",
    );
}

#[test]
fn commands_in_the_packet_of_done_are_obeyed() {
    let mut world = world_of(1);
    world.send("anna", b"a IDLE\r\n");
    let reply = world.send("anna", b"DONE\r\nb NOOP\r\nc FETCH 1 UID\r\nd ID");
    assert_eq!(reply, "a OK IDLE completed\r\nb OK NOOP completed\r\n* 1 FETCH (UID 1)\r\nc OK FETCH completed\r\n");
    assert!(world.send("anna", b"LE\r\nDONE\r\n").ends_with("+ idling\r\nd OK IDLE completed\r\n"));
}

#[test]
fn byte_by_byte_is_the_same() {
    let mut world = world_of(2);
    let mut all = String::new();
    for byte in b"a FETCH 1:2 UID\r\nb IDLE\r\nDONE\r\nc APPEND INBOX {3}\r\nabc\r\nd LOGOUT\r\n" {
        let reply = world.send("anna", &[*byte]);
        all.push_str(&reply);
    }
    let all: Vec<&str> = all.lines().collect();
    assert_eq!(
        all[..5],
        ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "a OK FETCH completed", "+ idling", "b OK IDLE completed"]
    );
    assert_eq!(all[5..8], ["+ Ready for the literal", "* 3 EXISTS", "* 3 RECENT"]);
    assert!(all[8].starts_with("c OK [APPENDUID "));
    assert_eq!(all[9..], ["* BYE Logging out", "d OK LOGOUT completed"]);
}
