//! BDAT (RFC 3030).

use super::*;

#[test]
fn chunks_are_taken_raw() {
    let mut talk = Talk::reception();
    talk.envelope();
    let answer = talk.send(b"BDAT 9\r\nA: b\r\n\r\n.BDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\nNOOP\r\n");
    let expected = "250 2.0.0 9 octets so far\r\n250 2.0.0 9 octets so far\r\n250 2.0.0 Delivered, $id\r\n250 2.0.0 Still here\r\n";
    assert_eq!(answer, expected);
    assert_eq!(talk.sent_to(BEN), ["A: b\r\n\r\n.\r\n.\r\n"]);
}

#[test]
fn an_empty_last_chunk() {
    let mut talk = Talk::reception();
    talk.envelope();
    assert_eq!(talk.send(b"BDAT 7\r\na: b\r\n\nBDAT 0 LAST\r\n").lines().count(), 2);
    talk.envelope();
    assert_eq!(
        talk.send(b"BDAT 6\r\na: b\r\nBDAT 0 LAST\r\n"),
        "250 2.0.0 6 octets so far\r\n250 2.0.0 Delivered, $id\r\n"
    );
    assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
}

#[test]
fn chunks_out_of_order_are_swallowed() {
    let mut talk = Talk::new(Role::Reception, Security::Plain);
    assert_eq!(talk.send(b"BDAT 6\r\nQUIT\r\nHELO x\r\n"), "503 5.5.1 Say EHLO first\r\n250 box.home.example\r\n");
    assert_eq!(talk.send(b"BDAT 6 LAST\r\nQUIT\r\n"), "503 5.5.1 MAIL has to come first\r\n");
    talk.check("> MAIL FROM:<>\n< 250 2.1.0 <> sender ok");
    assert_eq!(talk.send(b"BDAT 6 LAST\r\nQUIT\r\n"), "503 5.5.1 No recipient was accepted\r\n");
    talk.check("> RCPT TO:<anna@home.example>\n< 250 2.1.5 <anna@home.example> recipient ok");
    assert!(!talk.closed);
}

#[test]
fn mixing_is_refused() {
    let mut talk = Talk::reception();
    talk.envelope();
    talk.check(
        "> BDAT 6
         > a: b
         < 250 2.0.0 6 octets so far
         > DATA
         < 503 5.5.1 The message has begun with BDAT
         > RCPT TO:<anna@home.example>
         < 503 5.5.1 The message has begun with BDAT
         > MAIL FROM:<>
         < 503 5.5.1 A message is on its way already; RSET forgets it
         > NOOP
         < 250 2.0.0 Still here
         > RSET
         < 250 2.0.0 Forgotten
         > BDAT 6 LAST
         > a: b
         < 503 5.5.1 MAIL has to come first",
    );
    talk.envelope();
    talk.check(
        "> BDAT 6 LAST
         > a: b
         < 250 2.0.0 Delivered, $id
         > BDAT 6 LAST
         > a: b
         < 503 5.5.1 MAIL has to come first",
    );
    assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
}

#[test]
fn a_size_that_cannot_be_read_ends_the_connection() {
    for bad in ["BDAT", "BDAT x", "BDAT 6 FIRST", "BDAT -1", "BDAT 99999999999999999999999 LAST"] {
        let mut talk = Talk::reception();
        talk.envelope();
        let answer = talk.send(format!("{bad}\r\nQUIT\r\n").as_bytes());
        assert!(answer.starts_with("521 5.5.4 ") && answer.lines().count() == 1, "{answer}");
        assert!(talk.closed);
    }
}

#[test]
fn a_failing_chunk_ends_the_transaction() {
    let mut talk = Talk::reception();
    talk.envelope();
    let answer = talk.send(b"BDAT 6\r\na\nb\r\n\nBDAT 6 LAST\r\na: b\r\nNOOP\r\n");
    let expected = "550 5.6.11 The message has a CR or LF in it that is not part of a CR LF\r\n\
                    503 5.5.1 MAIL has to come first\r\n250 2.0.0 Still here\r\n";
    assert_eq!(answer, expected);
    assert_eq!(talk.inbox(BEN), Vec::<String>::new());
}

#[test]
fn a_chunk_over_the_limit() {
    let mut talk = Talk::reception();
    talk.envelope();
    let size = limits::MESSAGE + 1;
    assert_eq!(talk.send(format!("BDAT {size} LAST\r\n").as_bytes()), "");
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..50 {
        assert_eq!(talk.send(&block), "");
    }
    assert_eq!(talk.send(b"x"), "552 5.3.4 Messages may have at most 52428800 octets\r\n");
    talk.check("> NOOP\n< 250 2.0.0 Still here");
}

#[test]
fn not_logged_in() {
    let mut talk = Talk::new(Role::Submission, Security::Tls(binding()));
    talk.send(b"EHLO there\r\n");
    let answer = talk.send(b"MAIL FROM:<anna@home.example>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(answer, "530 5.7.0 Log in first\r\n503 5.5.1 MAIL has to come first\r\n250 2.0.0 Still here\r\n");
}
