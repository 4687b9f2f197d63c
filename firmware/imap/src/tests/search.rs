//! SEARCH and UID SEARCH.

use super::*;

fn mails() -> World {
    let mut world = World::new();
    let mut append = |args: &str, message: &str| {
        let command = format!("a APPEND INBOX {args} {{{}+}}\r\n{message}\r\n", message.len());
        let reply = world.send("anna", command.as_bytes());
        assert!(reply.starts_with("a OK "), "{reply}");
    };
    append(
        "(\\Seen \\Answered) \" 1-Feb-2026 23:30:00 +0000\"",
        "From: Anna Müller <anna@example.org>\r\nTo: ben@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus?= Rom\r\n\
         Date: Sun, 1 Feb 2026 00:30:00 +0200\r\nX-Spam: no\r\n\r\nSonne und Meer\r\n",
    );
    append(
        "(\\Flagged $Work) \" 2-Feb-2026 10:00:00 +0000\"",
        "From: Ben <ben@example.net>\r\nCc: carla@example.com\r\nBcc: dora@example.com\r\nSubject: Report\r\n\
         Date: Tue, 3 Feb 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
         --x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Der Umsatz w=E4chst\r\n--x\r\nContent-Type: text/plain; name=Tabelle.txt\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         WmFobGVu\r\n--x--\r\n",
    );
    append("(\\Deleted \\Draft) \" 3-Feb-2026 00:00:00 +0000\"", "Subject: x\r\n\r\nshort\r\n");
    world.send("anna", b"a SELECT INBOX\r\n");
    world
}

/// Searches and their answers, in one world.
fn searches(cases: &[(&str, &str)]) {
    let mut world = mails();
    for (key, found) in cases {
        let reply = world.send("anna", format!("a SEARCH {key}\r\n").as_bytes());
        let space = if found.is_empty() { "" } else { " " };
        assert_eq!(reply, format!("* SEARCH{space}{found}\r\na OK SEARCH completed\r\n"), "{key}");
    }
}

#[test]
fn flags_and_sets() {
    searches(&[
        ("ALL", "1 2 3"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3"),
        ("ANSWERED", "1"),
        ("UNANSWERED", "2 3"),
        ("DELETED", "3"),
        ("UNDELETED", "1 2"),
        ("DRAFT", "3"),
        ("UNDRAFT", "1 2"),
        ("FLAGGED", "2"),
        ("UNFLAGGED", "1 3"),
        ("KEYWORD $work", "2"),
        ("UNKEYWORD $Work", "1 3"),
        ("KEYWORD nosuch", ""),
        ("RECENT", "1 2 3"),
        ("NEW", "2 3"),
        ("OLD", ""),
        ("2:*", "2 3"),
        ("7:9", ""),
        ("1,3 UNSEEN", "3"),
        ("UID 2", "2"),
        ("UID *", "3"),
        ("NOT SEEN", "2 3"),
        ("NOT (SEEN ANSWERED)", "2 3"),
        ("OR SEEN DRAFT", "1 3"),
        ("OR (SEEN UNSEEN) OR DRAFT DELETED", "3"),
        ("(SEEN)", "1"),
        ("seen  all", "1"),
        ("LARGER 300", "2"),
        ("SMALLER 30", "3"),
        ("SMALLER 4294967295", "1 2 3"),
    ]);
}

#[test]
fn dates() {
    searches(&[
        ("BEFORE 2-Feb-2026", "1"),
        ("ON 2-Feb-2026", "2"),
        ("SINCE 2-Feb-2026", "2 3"),
        ("ON \"3-Feb-2026\"", "3"),
        // The Date header's day is the one written there, whatever its zone; without a Date header there is none.
        ("SENTON 1-Feb-2026", "1"),
        ("SENTBEFORE 3-Feb-2026", "1"),
        ("SENTSINCE 1-Feb-2026", "1 2"),
        ("NOT SENTSINCE 1-Jan-1990", "3"),
    ]);
}

#[test]
fn strings() {
    searches(&[
        ("FROM anna", "1"),
        ("FROM \"M\u{fc}LLER\"", "1"),
        ("TO EXAMPLE.NET", "1"),
        ("CC carla", "2"),
        ("BCC dora", "2"),
        ("SUBJECT \"aus Rom\"", "1"),
        ("CHARSET UTF-8 SUBJECT \"GR\u{dc}\u{df}E\"", "1"),
        ("CHARSET utf-8 SUBJECT {6+}\r\ngr\u{fc}\u{df}", "1"),
        ("SUBJECT \"\"", "1 2 3"),
        ("HEADER X-Spam NO", "1"),
        ("HEADER x-spam \"\"", "1"),
        ("HEADER Message-ID \"\"", ""),
        ("BODY meer", "1"),
        ("CHARSET UTF-8 BODY \"w\u{e4}CHST\"", "2"),
        ("BODY zahlen", "2"),
        ("BODY tabelle.txt", "2"),
        ("BODY report", ""),
        ("TEXT report", "2"),
        ("TEXT short", "3"),
        ("BODY \"\"", "1 2 3"),
        ("NOT TEXT report", "1 3"),
        ("OR BODY meer BODY zahlen", "1 2"),
        ("TEXT e UNSEEN SUBJECT x", "3"),
    ]);
}

#[test]
fn by_uid_and_with_result_options() {
    let mut world = mails();
    world.send("anna", b"a STORE 1 +FLAGS.SILENT \\Deleted\r\nb UID EXPUNGE 1\r\n");
    world.play(
        "
        anna> a UID SEARCH ALL
        anna< * SEARCH 2 3
        anna< a OK SEARCH completed
        anna> b SEARCH RETURN () ALL
        anna< * ESEARCH (TAG \"b\") ALL 1:2
        anna< b OK SEARCH completed
        anna> c UID SEARCH RETURN (MIN MAX COUNT) ALL
        anna< * ESEARCH (TAG \"c\") UID MIN 2 MAX 3 COUNT 2
        anna< c OK SEARCH completed
        anna> d SEARCH RETURN (MIN MAX ALL COUNT) KEYWORD none
        anna< * ESEARCH (TAG \"d\") COUNT 0
        anna< d OK SEARCH completed
        anna> e SEARCH RETURN (ALL) CHARSET UTF-8 FROM ben
        anna< * ESEARCH (TAG \"e\") ALL 1
        anna< e OK SEARCH completed
        anna> f SEARCH RETURN (COLOUR) ALL
        anna< f BAD Unknown result option
        ",
    );
}

#[test]
fn charsets() {
    let mut world = mails();
    world.play(
        "
        anna> a SEARCH CHARSET X-NONE TEXT x
        anna< a NO [BADCHARSET (UTF-8 US-ASCII ISO-8859-1 WINDOWS-1252)] Unknown charset
        anna> b SEARCH CHARSET X-NONE ALL
        anna< b NO [BADCHARSET ...] Unknown charset
        anna> c SEARCH CHARSET US-ASCII SUBJECT report
        anna< * SEARCH 2
        anna< c OK SEARCH completed
        ",
    );
    world.client("anna").receive(b"d SEARCH CHARSET ISO-8859-1 BODY \"W\xc4CHST\"\r\n");
    assert_eq!(world.client("anna").take(), "* SEARCH 2\r\nd OK SEARCH completed\r\n");
}

#[test]
fn malformed_searches() {
    mails().play(
        "
        anna> a SEARCH
        anna< a BAD Missing argument
        anna> b SEARCH COLOUR red
        anna< b BAD Unknown search key
        anna> c SEARCH (SEEN
        anna< c BAD Missing closing parenthesis
        anna> d SEARCH SEEN)
        anna< d BAD Missing search key
        anna> e SEARCH NOT
        anna< e BAD Missing argument
        anna> f SEARCH OR SEEN
        anna< f BAD Missing argument
        anna> g SEARCH ON 31-Foo-2026
        anna< g BAD Malformed date
        anna> h SEARCH LARGER x
        anna< h BAD Missing number
        anna> i SEARCH ()
        anna< i BAD Missing search key
        anna> j SEARCH CHARSET
        anna< j BAD ...
        anna> k SEARCH HEADER Subject
        anna< k BAD Missing argument
        anna> l SEARCH 0
        anna< l BAD Number must not be 0
        anna> m SEARCH ALL,SEEN
        anna< m BAD ...
        ",
    );
}

#[test]
fn search_has_limits() {
    let mut world = mails();
    let deep = format!("a SEARCH {}SEEN\r\n", "NOT ".repeat(5_000));
    assert_eq!(world.send("anna", deep.as_bytes()), "a BAD Search keys nested too deep\r\n");
    let deep = format!("a SEARCH {}\r\n", "(".repeat(5_000));
    assert_eq!(world.send("anna", deep.as_bytes()), "a BAD Search keys nested too deep\r\n");
    let many = format!("a SEARCH {}\r\n", "SEEN ".repeat(1_001));
    assert_eq!(world.send("anna", many.as_bytes()), "a BAD Too many search keys\r\n");
    let many = format!("a SEARCH {}\r\n", "BODY x ".repeat(33));
    assert_eq!(world.send("anna", many.as_bytes()), "a BAD Too many search keys\r\n");
    let fine = format!("a SEARCH {}\r\n", "SEEN ".repeat(1_000));
    assert_eq!(world.send("anna", fine.as_bytes()), "* SEARCH 1\r\na OK SEARCH completed\r\n");
}

#[test]
fn many_messages_are_dealt_with_in_slices() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "Subject: x\r\n\r\ny\r\n");
    world.send("anna", b"a SELECT INBOX\r\n");
    for _ in 0..11 {
        world.send("anna", b"b COPY 1:* INBOX\r\n");
    }
    let client = world.client("anna");
    let mut out = Vec::new();
    assert_eq!(client.session.receive(b"c SEARCH RETURN (COUNT) SUBJECT x\r\n", now(), &mut out), Next::Resume);
    assert!(out.is_empty());
    while client.session.resume(now(), &mut out) == Next::Resume {}
    assert_eq!(String::from_utf8_lossy(&out), "* ESEARCH (TAG \"c\") COUNT 2048\r\nc OK SEARCH completed\r\n");
    let reply = world.send("anna", b"d STORE 1:* +FLAGS (\\Seen)\r\ne NOOP\r\n");
    assert_eq!(reply.matches("FLAGS (\\Seen \\Recent)").count(), 2048);
    assert!(reply.ends_with("d OK STORE completed\r\ne OK NOOP completed\r\n"));
    let reply = world.send("anna", b"f UID FETCH 1:* FLAGS\r\n");
    assert_eq!(reply.lines().count(), 2049);
}

#[test]
fn addresses_are_found_as_the_envelope_tells_them() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "From: <user (comment)@ (comment) example.org>\r\nTo: \"A \\\"B\\\" C\" <d@e>\r\n\r\n");
    world.send("anna", b"s SELECT INBOX\r\n");
    world.play(
        "
        anna> a SEARCH FROM user@example.org TO {7+}
        anna> A \"B\" C HEADER From user@example.org FROM comment
        anna< * SEARCH 1
        anna< a OK SEARCH completed
        anna> b SEARCH FROM user@example.com
        anna< * SEARCH
        anna< b OK SEARCH completed
        anna> c SEARCH SUBJECT user@example.org
        anna< * SEARCH
        anna< c OK SEARCH completed
        ",
    );
}
