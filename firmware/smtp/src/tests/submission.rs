//! Submission (RFC 6409): who may send what as whom, and what is added.

use super::*;

/// Sends one message to Ben; answers the reply and what arrived without our trace lines.
fn submit(talk: &mut Talk, message: &str) -> (String, Vec<String>) {
    talk.envelope();
    talk.send(b"DATA\r\n");
    let reply = talk.send(format!("{message}.\r\n").as_bytes());
    (reply, talk.sent_to(BEN))
}

const FROM: &str = "From: <anna@home.example>\r\n";
const DATE: &str = "Date: Sat, 21 Nov 2026 11:47:43 +0000\r\n";
const MESSAGE_ID: &str = "Message-ID: <$id@box.home.example>\r\n";

#[test]
fn login_comes_first() {
    let mut talk = Talk::new(Role::Submission, Security::Plain);
    talk.check(
        "> EHLO laptop
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250-LIMITS RCPTMAX=100
         < 250 STARTTLS
         > MAIL FROM:<anna@home.example>
         < 530 5.7.0 Say STARTTLS and log in first
         > AUTH PLAIN AGFubmEAc2VjcmV0
         < 538 5.7.11 Say STARTTLS first: passwords are taken only over TLS
         > STARTTLS
         < 220 2.0.0 Ready for TLS
         > EHLO laptop
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250-LIMITS RCPTMAX=100
         < 250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
         > MAIL FROM:<anna@home.example>
         < 530 5.7.0 Log in first
         > RCPT TO:<ben@home.example>
         < 503 5.5.1 MAIL has to come first",
    );
}

#[test]
fn between_local_accounts() {
    let mut talk = Talk::submission();
    let message = "From: Anna <Anna@Home.Example>\r\nDate: x\r\nMessage-ID: <y>\r\nBcc: z\r\n\r\nhi\r\n";
    let (reply, arrived) = submit(&mut talk, message);
    assert_eq!(reply, "250 2.0.0 Delivered, $id\r\n");
    assert_eq!(arrived, [message]);
    assert!(talk.inbox(BEN)[0].starts_with(
        "Return-Path: <anna@home.example>\r\nReceived: from laptop ([192.0.2.7])\r\n\tby box.home.example with ESMTPSA id $id\r\n"
    ));
    assert_eq!(talk.session.account(), Some(AccountId(ANNA)));
}

#[test]
fn other_domains_are_not_set_up() {
    let mut talk = Talk::submission();
    talk.envelope();
    talk.check(
        "> RCPT TO:<bob@elsewhere.example>
         < 550 5.7.1 <bob@elsewhere.example>: sending to other domains is not set up on this box yet
         > RCPT TO:<nobody@home.example>
         < 550 5.1.1 <nobody@home.example>: there is no such address here",
    );
}

#[test]
fn what_mail_programs_do_wrong_and_may() {
    let mut talk = Talk::submission();
    talk.check(
        "> MAIL FROM: <anna@home.example> AUTH=<> BODY=8BITMIME
         < 250 2.1.0 <anna@home.example> sender ok
         > RCPT TO: <grün@home.example>
         < 250 2.1.5 <gr?n@home.example> recipient ok
         > RSET
         < 250 2.0.0 Forgotten
         > MAIL FROM:<a.nna@home.example> SMTPUTF8
         < 250 2.1.0 <a.nna@home.example> sender ok
         > RCPT TO:<ben@home.example>
         < 250 2.1.5 <ben@home.example> recipient ok
         > DATA
         < 354 Go ahead, end with a dot alone on a line
         > From: grün <anna@home.example>
         > Date: x
         > Message-ID: <y>
         >
         > grün
         > .
         < 250 2.0.0 Delivered, $id",
    );
}

#[test]
fn nobody_sends_as_somebody_else() {
    let mut talk = Talk::submission();
    talk.check(
        "> MAIL FROM:<ben@home.example>
         < 553 5.7.1 <ben@home.example>: you may send only from your own addresses
         > MAIL FROM:<anna@elsewhere.example>
         < 553 5.7.1 <anna@elsewhere.example>: you may send only from your own addresses",
    );
    for from in [
        "From: ben@home.example\r\n",
        "From: anna@home.example, Ben <ben@home.example>\r\n",
        "From: anna@home.example\r\nFROM : ben@home.example\r\n",
        "From: \"anna@home.example\" <ben@home.example>\r\n",
        "From:\r\n ben@home.example\r\n",
    ] {
        let (reply, arrived) = submit(&mut talk, &format!("{from}\r\nhi\r\n"));
        assert_eq!(
            reply, "550 5.7.1 From: <ben@home.example>: you may write only from your own addresses\r\n",
            "{from}"
        );
        assert!(arrived.is_empty());
    }
    let (reply, _) = submit(&mut talk, "From: x\u{e9}\u{7f}@y\r\n\r\nhi\r\n");
    assert!(reply.is_ascii() && reply.starts_with("550 5.7.1 From: <"), "{reply}");
    let (reply, _) = submit(&mut talk, "From: friends:;\r\n\r\nhi\r\n");
    assert_eq!(reply, "550 5.6.0 The From field names no address\r\n");
    let (reply, _) = submit(&mut talk, &format!("From: a.nna@home.example\r\n{DATE}{MESSAGE_ID}\r\nhi\r\n"));
    assert_eq!(reply, "250 2.0.0 Delivered, $id\r\n");
}

#[test]
fn missing_fields_are_added() {
    for (message, arrives) in [
        (
            "Subject: x\r\n\r\nDate: in the body\r\n",
            format!("{FROM}{DATE}{MESSAGE_ID}Subject: x\r\n\r\nDate: in the body\r\n"),
        ),
        (
            "from: anna@home.example\r\ndate: y\r\n\r\nhi\r\n",
            format!("{MESSAGE_ID}from: anna@home.example\r\ndate: y\r\n\r\nhi\r\n"),
        ),
        ("message-id: y\r\n", format!("{FROM}{DATE}message-id: y\r\n")),
        ("\r\nonly a body\r\n", format!("{FROM}{DATE}{MESSAGE_ID}\r\nonly a body\r\n")),
        ("only a body\r\n\r\nDate: y\r\n", format!("{FROM}{DATE}{MESSAGE_ID}\r\nonly a body\r\n\r\nDate: y\r\n")),
        ("", format!("{FROM}{DATE}{MESSAGE_ID}\r\n")),
    ] {
        let (reply, arrived) = submit(&mut Talk::submission(), message);
        assert_eq!(reply, "250 2.0.0 Delivered, $id\r\n");
        assert_eq!(arrived, [arrives]);
    }
}

#[test]
fn the_null_sender_writes_as_the_account() {
    let mut talk = Talk::submission();
    talk.check(
        "> MAIL FROM:<>
         < 250 2.1.0 <> sender ok
         > RCPT TO:<ben@home.example>
         < 250 2.1.5 <ben@home.example> recipient ok
         > BDAT 9 LAST
         > Date: x
         < 250 2.0.0 Delivered, $id",
    );
    assert_eq!(talk.sent_to(BEN), [format!("{FROM}{MESSAGE_ID}Date: x\r\n")]);
}

#[test]
fn a_header_without_end_is_refused() {
    let long = "a: b\r\n".repeat(limits::SUBMITTED_HEADER / 6 + 1);
    let (reply, arrived) = submit(&mut Talk::submission(), &long);
    assert_eq!(reply, "552 5.3.4 The header may have at most 131072 octets\r\n");
    assert!(arrived.is_empty());
    let body = format!("{FROM}{DATE}Message-ID: <y>\r\n\r\n{long}");
    let (reply, arrived) = submit(&mut Talk::submission(), &body);
    assert_eq!(reply, "250 2.0.0 Delivered, $id\r\n");
    assert_eq!(arrived, [body]);
}

#[test]
fn a_removed_account_sends_no_more() {
    let mut talk = Talk::submission();
    talk.context
        .directory
        .replace(vec![account(BEN, "ben@home.example")], vec![Domain::parse("home.example").unwrap()]);
    talk.check(
        "> MAIL FROM:<anna@home.example>
         < 530 5.7.0 Log in first",
    );
}
