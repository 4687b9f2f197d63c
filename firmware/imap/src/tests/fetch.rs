//! FETCH, UID FETCH, STORE, UID STORE.

use super::*;

const NESTED: &str = "From: \"Anna\" <anna@example.org>\r\nTo: ben@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n--x\r\n\
Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n--x\r\nContent-Type: image/png\r\n\
Content-Disposition: attachment; filename=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--x--\r\n";

fn nested() -> World {
    let mut world = World::new();
    world.mail("anna", "INBOX", NESTED);
    world.mail("anna", "INBOX", "Subject: second\r\n\r\nbody\r\n");
    world.send("anna", b"a SELECT INBOX\r\n");
    world
}

#[test]
fn attributes() {
    nested().play(
        "
        anna> a FETCH 1:2 (FLAGS UID RFC822.SIZE)
        anna< * 1 FETCH (FLAGS (\\Recent) UID 1 RFC822.SIZE 477)
        anna< * 2 FETCH (FLAGS (\\Recent) UID 2 RFC822.SIZE 25)
        anna< a OK FETCH completed
        anna> b UID FETCH 2 FAST
        anna< * 2 FETCH (UID 2 FLAGS (\\Recent) INTERNALDATE \"21-Nov-2026 11:47:43 +0000\" RFC822.SIZE 25)
        anna< b OK FETCH completed
        anna> c FETCH 1 ENVELOPE
        anna< * 1 FETCH (ENVELOPE (\"Fri, 20 Nov 2026 10:00:00 +0100\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" ((\"Anna\" NIL \"anna\" \"example.org\")) ((\"Anna\" NIL \"anna\" \"example.org\")) ((\"Anna\" NIL \"anna\" \"example.org\")) ((NIL NIL \"ben\" \"example.org\")) NIL NIL NIL \"<1@example.org>\"))
        anna< c OK FETCH completed
        anna> d FETCH 1 BODYSTRUCTURE
        anna< * 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 28 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)(\"image\" \"png\" NIL NIL NIL \"base64\" 4 NIL (\"attachment\" (\"filename\" \"a.png\")) NIL NIL) \"mixed\" (\"boundary\" \"x\") NIL NIL NIL))
        anna< d OK FETCH completed
        anna> e FETCH 1 BODY
        anna< * 1 FETCH (BODY ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 5 1)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 28 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 1) 3)(\"image\" \"png\" NIL NIL NIL \"base64\" 4) \"mixed\"))
        anna< e OK FETCH completed
        anna> f FETCH 2 FULL
        anna< * 2 FETCH (FLAGS (\\Recent) INTERNALDATE \"...\" RFC822.SIZE 25 ENVELOPE (...) BODY (\"text\" \"plain\" ... \"7bit\" 6 1))
        anna< f OK FETCH completed
        anna> g FETCH 2 ALL
        anna< * 2 FETCH (FLAGS (\\Recent) INTERNALDATE \"...\" RFC822.SIZE 25 ENVELOPE (...))
        anna< g OK FETCH completed
        ",
    );
}

#[test]
fn sections() {
    nested().play(
        "
        anna> a FETCH 1 BODY.PEEK[1]
        anna< * 1 FETCH (BODY[1] {5}
        anna< Hello)
        anna< a OK FETCH completed
        anna> b FETCH 1 (BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[2.1] BODY.PEEK[2.TEXT])
        anna< * 1 FETCH (BODY[1.MIME] {43}
        anna< Content-Type: text/plain; charset=utf-8
        anna<
        anna<  BODY[2.HEADER] {18}
        anna< Subject: inner
        anna<
        anna<  BODY[2.1] {10}
        anna< inner body BODY[2.TEXT] {10}
        anna< inner body)
        anna< b OK FETCH completed
        anna> c FETCH 1 BODY.PEEK[HEADER.FIELDS (subject \"X-None\" To)]
        anna< * 1 FETCH (BODY[HEADER.FIELDS (subject X-None To)] {61}
        anna< To: ben@example.org
        anna< Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
        anna<
        anna< )
        anna< c OK FETCH completed
        anna> d FETCH 2 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]
        anna< * 2 FETCH (BODY[HEADER.FIELDS.NOT (Subject)] {2}
        anna<
        anna< )
        anna< d OK FETCH completed
        anna> e FETCH 1 (BODY.PEEK[4] BODY.PEEK[1.HEADER] BODY.PEEK[2.2] BODY.PEEK[1]<1.2> BODY.PEEK[1]<5.9> BODY.PEEK[1]<3.99>)
        anna< * 1 FETCH (BODY[4] NIL BODY[1.HEADER] NIL BODY[2.2] NIL BODY[1]<1> {2}
        anna< el BODY[1]<5> \"\" BODY[1]<3> {2}
        anna< lo)
        anna< e OK FETCH completed
        anna> f FETCH 2 (BODY.PEEK[]<0.7> RFC822.HEADER BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1])
        anna< * 2 FETCH (BODY[]<0> {7}
        anna< Subject RFC822.HEADER {19}
        anna< Subject: second
        anna<
        anna<  BODY[HEADER] {19}
        anna< Subject: second
        anna<
        anna<  BODY[TEXT] {6}
        anna< body
        anna<  BODY[1] {6}
        anna< body
        anna< )
        anna< f OK FETCH completed
        anna> g FETCH 1 BODY.PEEK[HEADER.FIELDS (To)]<0.2>
        anna< * 1 FETCH (BODY[HEADER.FIELDS (To)]<0> {2}
        anna< To)
        anna< g OK FETCH completed
        ",
    );
}

#[test]
fn the_whole_message_comes_as_it_is() {
    let mut world = nested();
    let reply = world.send("anna", b"a FETCH 1 BODY.PEEK[]\r\n");
    assert_eq!(reply, format!("* 1 FETCH (BODY[] {{{}}}\r\n{NESTED})\r\na OK FETCH completed\r\n", NESTED.len()));
}

#[test]
fn body_sets_seen_and_peek_does_not() {
    nested().play(
        "
        anna> a FETCH 2 BODY.PEEK[TEXT]
        anna< * 2 FETCH (BODY[TEXT] {6}
        anna< body
        anna< )
        anna< a OK FETCH completed
        anna> b FETCH 2 (BODY[TEXT])
        anna< * 2 FETCH (BODY[TEXT] {6}
        anna< body
        anna<  FLAGS (\\Seen \\Recent))
        anna< b OK FETCH completed
        anna> c FETCH 2 BODY[TEXT]
        anna< * 2 FETCH (BODY[TEXT] {6}
        anna< body
        anna< )
        anna< c OK FETCH completed
        anna> d STORE 2 -FLAGS.SILENT \\Seen
        anna< d OK STORE completed
        anna> e FETCH 2 (FLAGS RFC822.TEXT)
        anna< * 2 FETCH (FLAGS (\\Seen \\Recent) RFC822.TEXT {6}
        anna< body
        anna< )
        anna< e OK FETCH completed
        anna> f STORE 2 FLAGS.SILENT ()
        anna< f OK STORE completed
        anna> g FETCH 2 RFC822
        anna< * 2 FETCH (RFC822 {25}
        anna< Subject: second
        anna<
        anna< body
        anna<  FLAGS (\\Seen \\Recent))
        anna< g OK FETCH completed
        anna2> a EXAMINE INBOX
        anna2< * FLAGS ...
        anna2< * OK [PERMANENTFLAGS ()] ...
        anna2< * 2 EXISTS
        anna2< * 0 RECENT
        anna2< * OK [UNSEEN 1] ...
        anna2< * OK ...
        anna2< * OK ...
        anna2< * OK ...
        anna2< a OK ...
        anna2> b FETCH 1 (FLAGS BODY[1])
        anna2< * 1 FETCH (FLAGS () BODY[1] {5}
        anna2< Hello)
        anna2< b OK FETCH completed
        ",
    );
}

#[test]
fn malformed_fetches() {
    nested().play(
        "
        anna> a FETCH 1
        anna< a BAD Missing argument
        anna> b FETCH 1 ()
        anna< b BAD Nothing to fetch
        anna> c FETCH 1 COLOUR
        anna< c BAD Unknown data item
        anna> d FETCH 1 (FLAGS ALL)
        anna< d BAD Unknown data item
        anna> e FETCH 0 FLAGS
        anna< e BAD Number must not be 0
        anna> f FETCH 3 FLAGS
        anna< f BAD No message has this number
        anna> g FETCH 2:* FLAGS
        anna< * 2 FETCH (FLAGS (\\Recent))
        anna< g OK FETCH completed
        anna> h FETCH 1 BODY[
        anna< h BAD Malformed section
        anna> i FETCH 1 BODY[MIME]
        anna< i BAD Malformed section
        anna> j FETCH 1 BODY[0]
        anna< j BAD Number must not be 0
        anna> k FETCH 1 BODY[1.]
        anna< k BAD Malformed section
        anna> l FETCH 1 BODY[HEADER.FIELDS ()]
        anna< l BAD Missing field names
        anna> m FETCH 1 BODY[]<0.0>
        anna< m BAD Number must not be 0
        anna> n FETCH 1 (FLAGS
        anna< n BAD Missing closing parenthesis
        anna> o UID FETCH 77 FLAGS
        anna< o OK FETCH completed
        anna> p UID FETCH 77:* FLAGS
        anna< * 2 FETCH (UID 2 FLAGS (\\Recent))
        anna< p OK FETCH completed
        anna> q UID
        anna< q BAD Missing argument
        anna> r UID NOOP
        anna< r BAD Unknown command
        anna> s FETCH 1 FLAGS (COLOUR 1)
        anna< s BAD Unknown modifier
        ",
    );
}

#[test]
fn an_empty_mailbox_has_no_numbers() {
    let mut world = World::new();
    world.send("anna", b"a SELECT INBOX\r\n");
    world.play(
        "
        anna> a FETCH 1:* FLAGS
        anna< a BAD No message has this number
        anna> b UID FETCH 1:* FLAGS
        anna< b OK FETCH completed
        anna> c SEARCH 1:*
        anna< * SEARCH
        anna< c OK SEARCH completed
        anna> d STORE 1 +FLAGS (\\Seen)
        anna< d BAD No message has this number
        anna> e COPY * Trash
        anna< e BAD No message has this number
        ",
    );
}

#[test]
fn store() {
    nested().play(
        "
        anna> a STORE 1 +FLAGS (\\Flagged $Forwarded)
        anna< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded)
        anna< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded \\*)] ...
        anna< * 1 FETCH (FLAGS (\\Flagged \\Recent $Forwarded))
        anna< a OK STORE completed
        anna> b UID STORE 1:2 -FLAGS \\Flagged
        anna< * 1 FETCH (UID 1 FLAGS (\\Recent $Forwarded))
        anna< * 2 FETCH (UID 2 FLAGS (\\Recent))
        anna< b OK STORE completed
        anna> c STORE 1:2 FLAGS.SILENT (\\Answered \\Draft)
        anna< c OK STORE completed
        anna> d FETCH 1 FLAGS
        anna< * 1 FETCH (FLAGS (\\Answered \\Draft \\Recent))
        anna< d OK FETCH completed
        anna> e STORE 1 FLAGS ()
        anna< * 1 FETCH (FLAGS (\\Recent))
        anna< e OK STORE completed
        anna> f STORE 1 +FLAGS \\Seen \\Flagged
        anna< * 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))
        anna< f OK STORE completed
        anna> g STORE 1 +FLAGS (\\Recent)
        anna< g BAD \\Recent cannot be set
        anna> h STORE 1 +FLAGS (\\Colour)
        anna< h BAD Unknown system flag
        anna> i STORE 1 +FLAGS
        anna< i BAD Missing argument
        anna> j STORE 1 COLOUR (red)
        anna< j BAD Only flags can be stored
        anna> k STORE 3 FLAGS ()
        anna< k BAD No message has this number
        anna> l UID STORE 99 FLAGS ()
        anna< l OK STORE completed
        anna> m STORE 1 +FLAGS (a b
        anna< m BAD ...
        ",
    );
}

#[test]
fn a_long_reply_comes_in_slices_and_whole() {
    let mut world = World::new();
    let big: String = (0..6000).map(|n| format!("line {n} of a big message\r\n")).collect();
    let big = format!("Subject: big\r\n\r\n{big}");
    world.mail("anna", "INBOX", &big);
    world.mail("anna", "INBOX", &big);
    world.send("anna", b"a SELECT INBOX\r\n");
    let client = world.client("anna");
    let (mut all, mut out, mut slices) = (Vec::new(), Vec::new(), 0);
    let mut next = client.session.receive(b"a UID FETCH 1:* BODY.PEEK[]\r\nb NOOP\r\n", now(), &mut out);
    loop {
        assert!(out.len() <= 100 * 1024, "{}", out.len());
        all.append(&mut out);
        slices += 1;
        match next {
            Next::Resume => next = client.session.resume(now(), &mut out),
            other => break assert_eq!(other, Next::Read),
        }
    }
    assert!(slices > 4, "{slices}");
    let one = |n: u32| format!("* {n} FETCH (UID {n} BODY[] {{{}}}\r\n{big})\r\n", big.len());
    let expected = format!("{}{}a OK FETCH completed\r\nb OK NOOP completed\r\n", one(1), one(2));
    assert!(String::from_utf8(all).unwrap() == expected);
}

#[test]
fn nul_does_not_leave() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "a: b\r\n\r\nx\0y");
    world.send("anna", b"a SELECT INBOX\r\n");
    world.client("anna").receive(b"a FETCH 1 BODY.PEEK[TEXT]\r\n");
    let reply = std::mem::take(&mut world.client("anna").replies);
    assert!(reply.starts_with(b"* 1 FETCH (BODY[TEXT] {3}\r\nx\x80y)\r\n"));
}

#[test]
fn condstore() {
    let mut world = nested();
    let reply = world.send("anna", b"a FETCH 1 MODSEQ\r\n");
    assert!(reply.starts_with("* OK [HIGHESTMODSEQ "), "{reply}");
    world.play(
        "
        anna> b STORE 1 +FLAGS.SILENT \\Seen
        anna< * 1 FETCH (MODSEQ (...))
        anna< b OK STORE completed
        anna> c UID STORE 2 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)
        anna< c OK [MODIFIED 2] Conditional STORE failed for some
        anna> d STORE 2 (UNCHANGEDSINCE 9999) +FLAGS (\\Seen)
        anna< * 2 FETCH (MODSEQ (...) FLAGS (\\Seen \\Recent))
        anna< d OK STORE completed
        anna> e UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)
        anna< * 1 FETCH (UID 1 MODSEQ (...) FLAGS (\\Seen \\Recent))
        anna< * 2 FETCH (UID 2 MODSEQ (...) FLAGS (\\Seen \\Recent))
        anna< e OK FETCH completed
        anna> f FETCH 1:* (FLAGS) (CHANGEDSINCE 99999)
        anna< f OK FETCH completed
        anna> g FETCH 1 BODY[1]
        anna< * 1 FETCH (BODY[1] {5}
        anna< Hello)
        anna< g OK FETCH completed
        anna> h SEARCH MODSEQ 1
        anna< * SEARCH 1 2 (MODSEQ ...)
        anna< h OK SEARCH completed
        anna> i SEARCH MODSEQ \"/flags/\\\\draft\" all 99999
        anna< * SEARCH
        anna< i OK SEARCH completed
        anna> j SEARCH RETURN (MIN) MODSEQ 1
        anna< * ESEARCH (TAG \"j\") MIN 1 MODSEQ ...
        anna< j OK SEARCH completed
        anna> k STORE 1 (UNCHANGEDSINCE x) FLAGS ()
        anna< k BAD ...
        anna> l SEARCH MODSEQ \"/x\" all 1
        anna< l BAD Unknown metadata item
        ",
    );
    // What another session changes comes with its MODSEQ.
    world.send("anna2", b"a SELECT INBOX\r\nb STORE 1 +FLAGS \\Flagged\r\n");
    world.play(
        "
        anna> l NOOP
        anna< * 1 FETCH (MODSEQ (...) FLAGS (\\Flagged \\Seen \\Recent))
        anna< l OK NOOP completed
        ",
    );
    let reply = world.send("ben", b"a SELECT INBOX (CONDSTORE)\r\nb FETCH 1 MODSEQ\r\n");
    assert_eq!(reply.matches("HIGHESTMODSEQ").count(), 1, "{reply}");
}

#[test]
fn a_header_of_any_length_is_the_same_alone_and_beside_the_structure() {
    let mut world = World::new();
    // Within what is read at once; beyond it; beyond what is interpreted; without an end; without a field.
    for filling in [0, 1_000, 9_000] {
        let filling = "X: 0123456789 0123456789 0123456789\r\n".repeat(filling);
        world.mail("anna", "INBOX", &format!("Subject: long\r\n{filling}Last: x\r\n\r\nthe body\r\n"));
    }
    world.mail("anna", "INBOX", "Subject: only\r\nLast: x");
    world.mail("anna", "INBOX", "\r\nthe body\r\n");
    world.send("anna", b"a SELECT INBOX\r\n");
    let asked = [
        "BODY.PEEK[HEADER]",
        "BODY.PEEK[TEXT]",
        "BODY.PEEK[HEADER.FIELDS (SUBJECT LAST)]",
        "BODY.PEEK[TEXT]<3.2>",
        "ENVELOPE",
    ];
    for number in 1..=5 {
        for item in asked {
            let mut fetch = |items: &str| world.send("anna", format!("b FETCH {number} ({items})\r\n").as_bytes());
            let (alone, beside) = (fetch(item), fetch(&format!("BODY {item}")));
            let (_, alone) = alone.split_once("FETCH (").unwrap();
            assert!(
                beside.ends_with(&format!(" {alone}")),
                "{number}: {item}: {} and {} octets",
                alone.len(),
                beside.len()
            );
        }
    }
}
