//! SMTP reception (RFC 5321): mail for local addresses from anybody, and nothing else.

use super::*;

#[test]
fn greeting_and_offer() {
    let mut talk = Talk::new(Role::Reception, Security::Plain);
    let mut out = Vec::new();
    assert_eq!(talk.session.greet(now(), &mut out), Next::Read);
    assert_eq!(out, b"220 box.home.example ESMTP Roost\r\n");
    talk.check(
        "> ehlo there.example
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250-LIMITS RCPTMAX=100
         < 250 STARTTLS
         > HELO there.example
         < 250 box.home.example
         > HELO
         < 501 Say HELO with the name of your host
         > EHLO two words
         < 501 Say it with the name of your host",
    );
    assert!(!talk.closed);
}

#[test]
fn a_message_comes_through_unchanged() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<bob@elsewhere.example> SIZE=100 BODY=8BITMIME
         < 250 2.1.0 <bob@elsewhere.example> sender ok
         > RCPT TO:<Anna+shop@Home.Example>
         < 250 2.1.5 <Anna+shop@Home.Example> recipient ok
         > DATA
         < 354 Go ahead, end with a dot alone on a line
         > Subject: hi
         >
         > ..one dot
         > ünïcode
         > .
         < 250 2.0.0 Delivered, $id
         > QUIT
         < 221 2.0.0 Good-bye",
    );
    assert!(talk.closed);
    let expected = "Return-Path: <bob@elsewhere.example>\r\n\
                    Received: from there ([192.0.2.7])\r\n\tby box.home.example with ESMTP id $id\r\n\
                    \tfor <Anna+shop@Home.Example>;\r\n\tSat, 21 Nov 2026 11:47:43 +0000\r\n\
                    Subject: hi\r\n\r\n.one dot\r\nünïcode\r\n";
    assert_eq!(talk.inbox(ANNA), [expected]);
    assert_eq!(talk.inbox(BEN), Vec::<String>::new());
}

#[test]
fn pipelining_in_one_packet() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<>
         > RCPT TO:<nobody@home.example>
         > RCPT TO:<anna@home.example>
         > RCPT TO:<a.nna@home.example>
         > RCPT TO:<ben@home.example>
         > DATA
         < 250 2.1.0 <> sender ok
         < 550 5.1.1 <nobody@home.example>: there is no such address here
         < 250 2.1.5 <anna@home.example> recipient ok
         < 250 2.1.5 <a.nna@home.example> recipient ok
         < 250 2.1.5 <ben@home.example> recipient ok
         < 354 Go ahead, end with a dot alone on a line
         > a: b
         > .
         > MAIL FROM:<x@y.example>
         > RSET
         > NOOP anything
         > QUIT
         > NOOP
         < 250 2.0.0 Delivered, $id
         < 250 2.1.0 <x@y.example> sender ok
         < 250 2.0.0 Forgotten
         < 250 2.0.0 Still here
         < 221 2.0.0 Good-bye",
    );
    assert_eq!(talk.sent_to(ANNA), ["a: b\r\n"], "one copy for two addresses of one account");
    assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
    assert!(talk.inbox(BEN)[0].starts_with("Return-Path: <>\r\n"));
    assert!(!talk.inbox(BEN)[0].contains("for <"), "no recipient learns of the others");
}

#[test]
fn never_a_relay() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<anna@home.example>
         < 250 2.1.0 <anna@home.example> sender ok
         > RCPT TO:<bob@elsewhere.example>
         < 550 5.7.1 <bob@elsewhere.example>: relaying is denied, mail is taken for local domains only
         > RCPT TO:<@home.example:bob@elsewhere.example>
         < 550 5.7.1 <bob@elsewhere.example>: relaying is denied, mail is taken for local domains only
         > RCPT TO:<anna@[192.0.2.1]>
         < 550 5.7.1 <anna@[192.0.2.1]>: relaying is denied, mail is taken for local domains only
         > RCPT TO:<bob%elsewhere.example@home.example>
         < 550 5.1.1 <bob%elsewhere.example@home.example>: there is no such address here
         > RCPT TO:<\"bob@elsewhere.example\"@home.example>
         < 550 5.1.1 <\"bob@elsewhere.example\"@home.example>: there is no such address here
         > DATA
         < 503 5.5.1 No recipient was accepted
         > AUTH PLAIN AGFubmEAc2VjcmV0
         < 502 5.5.1 Mail programs log in on port 587 or 465",
    );
}

#[test]
fn the_postmaster_is_always_there() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<>
         > RCPT TO:<Postmaster>
         > RCPT TO:<POSTMASTER@home.example>
         > RCPT TO:<postmaster@elsewhere.example>
         < 250 2.1.0 <> sender ok
         < 250 2.1.5 <postmaster> recipient ok
         < 250 2.1.5 <POSTMASTER@home.example> recipient ok
         < 550 5.7.1 <postmaster@elsewhere.example>: relaying is denied, mail is taken for local domains only
         > BDAT 6 LAST
         > a: b
         < 250 2.0.0 Delivered, $id",
    );
    assert_eq!(talk.sent_to(ANNA), ["a: b\r\n"]);
    let domains = vec![Domain::parse("home.example").unwrap()];
    talk.context.directory.replace(Vec::new(), domains);
    talk.check(
        "> MAIL FROM:<>
         < 250 2.1.0 <> sender ok
         > RCPT TO:<postmaster>
         < 550 5.1.1 <postmaster>: there is no such address here",
    );
}

#[test]
fn order_and_syntax() {
    let mut talk = Talk::new(Role::Reception, Security::Plain);
    talk.check(
        "> MAIL FROM:<a@b.example>
         < 503 5.5.1 Say EHLO first
         > EHLO there
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250-LIMITS RCPTMAX=100
         < 250 STARTTLS
         > RCPT TO:<anna@home.example>
         < 503 5.5.1 MAIL has to come first
         > DATA
         < 503 5.5.1 MAIL has to come first
         > MAIL
         < 501 5.5.4 Say MAIL FROM:<address>
         > MAIL TO:<a@b.example>
         < 501 5.5.4 Say MAIL FROM:<address>
         > MAIL FROM: <a@b.example>
         < 501 5.1.7 MAIL FROM: an address stands in angle brackets
         > MAIL FROM:<a@b.example> FOO=1
         < 555 5.5.4 A parameter is not known here
         > MAIL FROM:<a@b.example> BODY=BINARYMIME
         < 555 5.6.1 BODY= may be 7BIT or 8BITMIME here
         > mail from:<a@b.example>   size=10
         < 250 2.1.0 <a@b.example> sender ok
         > MAIL FROM:<a@b.example>
         < 503 5.5.1 A message is on its way already; RSET forgets it
         > STARTTLS
         < 503 5.5.1 Not while a message is on its way
         > RCPT TO:anna@home.example
         < 501 5.1.3 RCPT TO: an address stands in angle brackets
         > RCPT TO:<anna@home.example> NOTIFY=NEVER
         < 555 5.5.4 A parameter is not known here
         > LHLO there
         < 502 5.5.1 This is no LMTP: say EHLO
         > FOO
         < 500 5.5.1 Unknown command
         >
         < 500 5.5.1 Unknown command",
    );
    assert!(!talk.closed);
}

#[test]
fn general_commands() {
    let mut talk = Talk::reception();
    talk.check(
        "> VRFY anna
         < 252 2.0.0 Send mail to find out
         > VRFY
         < 501 5.5.4 Say VRFY with an address
         > EXPN staff
         < 502 5.5.1 There are no mailing lists here
         > HELP
         < 214 2.0.0 Commands: HELO EHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT
         > RSET now
         < 501 5.5.4 RSET stands alone
         > QUIT now
         < 501 5.5.4 QUIT stands alone
         > DATA now
         < 503 5.5.1 MAIL has to come first",
    );
}

#[test]
fn a_hello_forgets_the_message() {
    let mut talk = Talk::reception();
    talk.envelope();
    talk.check(
        "> HELO again
         < 250 box.home.example
         > RCPT TO:<anna@home.example>
         < 503 5.5.1 MAIL has to come first",
    );
}

#[test]
fn odd_lines() {
    let mut talk = Talk::reception();
    let long = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(limits::LINE));
    assert_eq!(talk.send(long.as_bytes()), "500 5.5.2 The line is too long\r\n250 2.0.0 Still here\r\n");
    assert_eq!(talk.send(b"NOOP\nNOOP\n"), "500 5.5.2 Lines have to end with CR LF\r\n");
    assert_eq!(talk.send(b"\r\nNOOP\r\n"), "250 2.0.0 Still here\r\n");
    assert_eq!(talk.send(b"NOOP \xff\r\n"), "500 5.5.2 The line is not UTF-8\r\n");
    assert_eq!(talk.send(b"NOOP a\rb\r\n"), "500 5.5.2 The line has control characters in it\r\n");
    assert_eq!(talk.send(b"NOOP a\0b\r\n"), "500 5.5.2 The line has control characters in it\r\n");
    assert_eq!(talk.send(b"NOOP  \r\n"), "250 2.0.0 Still here\r\n");
    let answer = talk.send(&vec![b'x'; limits::DISCARDED_LINE + limits::LINE + 1]);
    assert!(answer.ends_with("421 4.7.0 The line does not end, closing the connection\r\n"), "{answer}");
    assert!(talk.closed);
}

#[test]
fn errors_end_the_connection_at_last() {
    let mut talk = Talk::reception();
    for _ in 0..limits::ERRORS {
        assert_eq!(talk.send(b"FOO\r\n"), "500 5.5.1 Unknown command\r\n");
    }
    assert_eq!(talk.send(b"FOO\r\nNOOP\r\n"), "421 4.7.0 Too many errors, closing the connection\r\n");
    assert!(talk.closed);
}

#[test]
fn guessing_addresses_ends_the_connection() {
    let mut talk = Talk::reception();
    talk.check("> MAIL FROM:<>\n< 250 2.1.0 <> sender ok");
    for _ in 1..limits::UNKNOWN_RECIPIENTS {
        assert!(talk.send(b"RCPT TO:<x@home.example>\r\n").starts_with("550 5.1.1 "));
    }
    let last = talk.send(b"RCPT TO:<x@home.example>\r\n");
    assert!(last.ends_with("421 4.7.0 Too many unknown recipients, closing the connection\r\n"), "{last}");
    assert!(talk.closed);
}

#[test]
fn too_many_recipients() {
    let mut talk = Talk::reception();
    talk.check("> MAIL FROM:<>\n< 250 2.1.0 <> sender ok");
    for _ in 0..limits::RECIPIENTS {
        assert!(talk.send(b"RCPT TO:<anna@home.example>\r\n").starts_with("250 "));
    }
    talk.check(
        "> RCPT TO:<anna@home.example>
         < 452 4.5.3 One message has at most 100 recipients
         > BDAT 6 LAST
         > a: b
         < 250 2.0.0 Delivered, $id",
    );
    assert_eq!(talk.inbox(ANNA).len(), 1);
}

#[test]
fn http_is_shown_the_door() {
    for method in ["GET / HTTP/1.1", "post / HTTP/1.1", "CONNECT a:25 HTTP/1.1"] {
        let mut talk = Talk::new(Role::Reception, Security::Plain);
        let answer = talk.send(format!("{method}\r\nEHLO there\r\n").as_bytes());
        assert_eq!(answer, "554 5.5.1 This is a mail server and speaks no HTTP\r\n");
        assert!(talk.closed);
    }
}

#[test]
fn tls_from_the_start_is_not_left_waiting() {
    let mut talk = Talk::new(Role::Reception, Security::Plain);
    assert_eq!(talk.send(b"\x16\x03\x01\x02\x00"), "");
    assert!(talk.closed);
}

#[test]
fn starttls_forgets_all_that_came_early() {
    let mut talk = Talk::reception();
    talk.check("> STARTTLS now\n< 501 5.5.4 STARTTLS stands alone");
    assert_eq!(talk.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<x@y.example>\r\n"), "220 2.0.0 Ready for TLS\r\n");
    talk.check(
        "> MAIL FROM:<x@y.example>
         < 503 5.5.1 Say EHLO first
         > EHLO there
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250 LIMITS RCPTMAX=100
         > STARTTLS
         < 503 5.5.1 TLS is on already",
    );
    talk.envelope();
    talk.check("> BDAT 6 LAST\n> a: b\n< 250 2.0.0 Delivered, $id");
    assert!(talk.inbox(BEN)[0].contains("with ESMTPS id"));
}

#[test]
fn half_a_line_does_not_survive_starttls() {
    let mut talk = Talk::reception();
    assert_eq!(talk.send(b"STARTTLS\r\nNO"), "220 2.0.0 Ready for TLS\r\n");
    assert_eq!(talk.send(b"OP\r\n"), "500 5.5.1 Unknown command\r\n");
}

#[test]
fn utf8_addresses_only_when_asked_for() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<jörg@elsewhere.example>
         < 553 5.6.7 This address needs SMTPUTF8
         > MAIL FROM:<j@elsewhere.example>
         < 250 2.1.0 <j@elsewhere.example> sender ok
         > RCPT TO:<grün@home.example>
         < 553 5.6.7 <gr?n@home.example>: the address needs SMTPUTF8
         > RSET
         < 250 2.0.0 Forgotten
         > MAIL FROM:<jörg@elsewhere.example> SMTPUTF8
         < 250 2.1.0 <jörg@elsewhere.example> sender ok
         > RCPT TO:<Grün@home.example>
         < 250 2.1.5 <Grün@home.example> recipient ok
         > BDAT 6 LAST
         > a: b
         < 250 2.0.0 Delivered, $id",
    );
    assert!(talk.inbox(3)[0].contains("with UTF8SMTP id $id\r\n\tfor <Grün@home.example>;"));
}

#[test]
fn too_large_by_its_own_word() {
    let mut talk = Talk::reception();
    talk.check(
        "> MAIL FROM:<a@b.example> SIZE=52428801
         < 552 5.3.4 Messages may have at most 52428800 octets
         > MAIL FROM:<a@b.example> SIZE=99999999999999999999
         < 552 5.3.4 Messages may have at most 52428800 octets
         > MAIL FROM:<a@b.example> SIZE=52428800
         < 250 2.1.0 <a@b.example> sender ok",
    );
}

#[test]
fn too_large_when_it_comes() {
    let whole = format!("552 5.3.4 Messages may have at most {} octets\r\n", limits::MESSAGE);
    for (octets, answer) in [(limits::MESSAGE, "250 2.0.0 Delivered, $id\r\n"), (limits::MESSAGE + 1, &whole)] {
        let mut talk = Talk::reception();
        talk.envelope();
        talk.check("> DATA\n< 354 Go ahead, end with a dot alone on a line");
        let block = vec![b'x'; 1024 * 1024];
        let mut left = octets - 2; // the last line end
        while left > 0 {
            let size = left.min(block.len() as u64);
            assert_eq!(talk.send(&block[..size as usize]), "");
            left -= size;
        }
        assert_eq!(talk.send(b"\r\n.\r\n"), answer);
        talk.check("> NOOP\n< 250 2.0.0 Still here");
        assert_eq!(talk.inbox(BEN).len(), usize::from(answer.starts_with('2')));
    }
}

#[test]
fn loops_are_cut() {
    for (hops, answer) in [
        (limits::HOPS, "250 2.0.0 Delivered, $id\r\n"),
        (limits::HOPS + 1, "554 5.4.6 The message goes round in circles: more than 50 Received fields\r\n"),
    ] {
        let mut talk = Talk::reception();
        talk.envelope();
        talk.send(b"DATA\r\n");
        let message = format!("{}\r\nReceived: in the body\r\n.\r\n", "Received: from a\r\n\tby b\r\n".repeat(hops));
        assert_eq!(talk.send(message.as_bytes()), answer);
    }
}

#[test]
fn last_words() {
    let mut talk = Talk::reception();
    let mut out = Vec::new();
    assert_eq!(talk.session.idle_limit(), limits::IDLE);
    assert_eq!(talk.session.timed_out(now(), &mut out), Next::Close);
    assert_eq!(out, b"421 4.4.2 box.home.example Nothing came for too long, closing the connection\r\n");
    let mut talk = Talk::reception();
    talk.envelope();
    talk.send(b"DATA\r\nSubject: half");
    out.clear();
    assert_eq!(talk.session.idle_limit(), limits::IDLE_DATA);
    assert_eq!(talk.session.shutting_down(now(), &mut out), Next::Close);
    assert_eq!(out, b"421 4.3.2 box.home.example is shutting down, try again later\r\n");
    assert_eq!(talk.send(b"\r\n.\r\n"), "", "closed is closed");
    assert_eq!(talk.inbox(BEN), Vec::<String>::new());
}

#[test]
fn much_output_waits_for_the_client() {
    let mut talk = Talk::reception();
    let mut out = Vec::new();
    let commands = b"NOOP\r\n".repeat(20_000);
    let mut next = talk.session.receive(&commands, now(), &mut out);
    let mut answers = 0;
    while next == Next::Resume {
        assert!(out.len() < conversation::HIGH_WATER + 100);
        answers += out.len();
        out.clear();
        next = talk.session.resume(now(), &mut out);
    }
    assert_eq!(next, Next::Read);
    assert_eq!(answers + out.len(), 20_000 * "250 2.0.0 Still here\r\n".len());
}
