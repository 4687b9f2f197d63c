//! QRESYNC (RFC 7162 §3.2).

use super::*;

/// A mailbox of six messages, of which 2 and 5 go and 3 changes after `modseq`.
fn history() -> (World, String, String) {
    let mut world = World::new();
    for n in 1..=6 {
        world.mail("anna", "INBOX", &format!("Subject: {n}\r\n\r\n"));
    }
    let reply = world.send("anna2", b"a SELECT INBOX\r\n");
    let code = |name: &str| {
        let (_, rest) = reply.split_once(name).unwrap();
        rest.split_once(']').unwrap().0.to_owned()
    };
    let (validity, modseq) = (code("[UIDVALIDITY "), code("[HIGHESTMODSEQ "));
    world.send("anna2", b"b STORE 2,5 +FLAGS.SILENT \\Deleted\r\nc EXPUNGE\r\nd UID STORE 3 +FLAGS.SILENT \\Seen\r\n");
    (world, validity, modseq)
}

#[test]
fn select_tells_what_happened_since() {
    let (mut world, validity, modseq) = history();
    world.play(&format!(
        "
        anna> a SELECT INBOX (QRESYNC ({validity} {modseq}))
        anna< a BAD QRESYNC is not enabled
        anna> b ENABLE QRESYNC
        anna< * ENABLED QRESYNC
        anna< b OK ENABLE completed
        anna> c SELECT INBOX (QRESYNC ({validity} {modseq}))
        anna< * FLAGS ...
        anna< * OK [PERMANENTFLAGS ...
        anna< * 4 EXISTS
        anna< * 0 RECENT
        anna< * OK [UNSEEN 1] ...
        anna< * OK [UIDVALIDITY {validity}] ...
        anna< * OK [UIDNEXT 7] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< * VANISHED (EARLIER) 2,5
        anna< * 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (...))
        anna< c OK [READ-WRITE] SELECT completed
        anna> d EXAMINE INBOX (QRESYNC ({validity} {modseq} 4:6 (1 1)))
        anna< * OK [CLOSED] ...
        anna< * FLAGS ...
        anna< * OK [PERMANENTFLAGS ...
        anna< * 4 EXISTS
        anna< * 0 RECENT
        anna< * OK [UNSEEN 1] ...
        anna< * OK [UIDVALIDITY {validity}] ...
        anna< * OK [UIDNEXT 7] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< * VANISHED (EARLIER) 5
        anna< d OK [READ-ONLY] EXAMINE completed
        anna> e SELECT INBOX (QRESYNC (1 {modseq}))
        anna< * OK [CLOSED] ...
        anna< * FLAGS ...
        anna< * OK [PERMANENTFLAGS ...
        anna< * 4 EXISTS
        anna< * 0 RECENT
        anna< * OK [UNSEEN 1] ...
        anna< * OK [UIDVALIDITY {validity}] ...
        anna< * OK [UIDNEXT 7] ...
        anna< * OK [HIGHESTMODSEQ ...] ...
        anna< e OK [READ-WRITE] SELECT completed
        anna> f SELECT INBOX (QRESYNC (1))
        anna< f BAD Missing argument
        anna> g SELECT INBOX (QRESYNC 1 2)
        anna< g BAD Missing parenthesis
        "
    ));
}

#[test]
fn fetch_tells_what_vanished() {
    let (mut world, _, modseq) = history();
    world.send("anna", b"a ENABLE QRESYNC\r\nb SELECT INBOX\r\n");
    world.play(&format!(
        "
        anna> a UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)
        anna< * VANISHED (EARLIER) 2,5
        anna< * 2 FETCH (UID 3 MODSEQ (...) FLAGS (\\Seen))
        anna< a OK FETCH completed
        anna> b UID FETCH 1:4 (UID) (VANISHED CHANGEDSINCE {modseq})
        anna< * VANISHED (EARLIER) 2
        anna< * 2 FETCH (MODSEQ (...) UID 3)
        anna< b OK FETCH completed
        anna> c FETCH 1 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)
        anna< c BAD VANISHED needs ...
        anna> d UID FETCH 1 (FLAGS) (VANISHED)
        anna< d BAD VANISHED needs ...
        "
    ));
    world.send("anna3", b"a SELECT INBOX\r\n");
    world.play(
        "
        anna3> c UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)
        anna3< c BAD VANISHED needs ...
        ",
    );
}

#[test]
fn vanished_takes_the_place_of_expunge() {
    let (mut world, ..) = history();
    world.send("anna", b"a ENABLE QRESYNC\r\nb SELECT INBOX\r\n");
    world.play(
        "
        anna2> e STORE 1:2 +FLAGS.SILENT \\Deleted
        anna2< e OK STORE completed
        anna> c NOOP
        anna< * 1 FETCH (UID 1 MODSEQ (...) FLAGS (\\Deleted))
        anna< * 2 FETCH (UID 3 MODSEQ (...) FLAGS (\\Deleted \\Seen))
        anna< c OK NOOP completed
        anna> d EXPUNGE
        anna< * VANISHED 1,3
        anna< d OK [HIGHESTMODSEQ ...] EXPUNGE completed
        anna> e UID MOVE 4 Trash
        anna< * OK [COPYUID ... 4 1] Moved
        anna< * VANISHED 4
        anna< e OK MOVE completed
        anna> f STORE 1 +FLAGS (\\Seen)
        anna< * 1 FETCH (UID 6 MODSEQ (...) FLAGS (\\Seen))
        anna< f OK STORE completed
        anna2> f NOOP
        anna2< * 1 EXPUNGE
        anna2< * 1 EXPUNGE
        anna2< * 1 EXPUNGE
        anna2< ...
        anna2< ...
        anna2< f OK NOOP completed
        ",
    );
}

#[test]
fn all_that_vanished_is_told_also_above_what_is_left() {
    let mut world = World::new();
    for _ in 0..3 {
        world.mail("anna", "INBOX", "x");
    }
    world.send("anna", b"a ENABLE QRESYNC\r\nb SELECT INBOX\r\nc STORE 2:3 +FLAGS.SILENT (\\Deleted)\r\nd EXPUNGE\r\n");
    world.play(
        "
        anna> a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4 VANISHED)
        anna< * VANISHED (EARLIER) 2:3
        anna< a OK FETCH completed
        anna> b UID FETCH 1:2 (FLAGS) (CHANGEDSINCE 4 VANISHED)
        anna< * VANISHED (EARLIER) 2
        anna< b OK FETCH completed
        ",
    );
}

#[test]
fn who_was_away_longer_than_is_remembered_hears_of_all_that_is_gone() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "m");
    let store = world.context.store.clone();
    let inbox = store.mailbox(store::AccountId(1), &store::MailboxName::inbox()).unwrap().unwrap();
    for _ in 0..14 {
        let all = store.snapshot(inbox.id).unwrap().uids;
        store.copy(inbox.id, &all, inbox.id, 1).unwrap();
    }
    let all = store.snapshot(inbox.id).unwrap().uids;
    let since = store.status(inbox.id).unwrap().highest_modseq.0;
    let odd: Vec<store::Uid> = all.iter().copied().step_by(2).collect();
    // more than is remembered in memory, too
    assert!(odd.len() > store::limits::VANISHED.max(store::limits::RECENT_CHANGES / 8 + 1));
    let (first, rest) = odd.split_at(1);
    store.expunge(inbox.id, store::Expunge::These(first)).unwrap();
    store.expunge(inbox.id, store::Expunge::These(rest)).unwrap();
    world.send("anna", b"a ENABLE QRESYNC\r\n");
    let command = format!("b SELECT INBOX (QRESYNC ({} {since} 1:10))\r\n", inbox.uid_validity.0);
    let told = world.send("anna", command.as_bytes());
    assert!(told.contains("* VANISHED (EARLIER) 1,3,5,7,9\r\n"), "{told}");
}
