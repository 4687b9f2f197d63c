//! LMTP (RFC 2033).

use super::*;

#[test]
fn greeting_and_offer() {
    let mut talk = Talk::new(Role::Lmtp, Security::Plain);
    let mut out = Vec::new();
    talk.session.greet(now(), &mut out);
    assert_eq!(out, b"220 box.home.example LMTP Roost\r\n");
    talk.check(
        "> EHLO mta
         < 502 5.5.1 This is LMTP: say LHLO
         > HELO mta
         < 502 5.5.1 This is LMTP: say LHLO
         > MAIL FROM:<>
         < 503 5.5.1 Say LHLO first
         > LHLO mta
         < 250-box.home.example
         < 250-PIPELINING
         < 250-SIZE 52428800
         < 250-8BITMIME
         < 250-ENHANCEDSTATUSCODES
         < 250-SMTPUTF8
         < 250-CHUNKING
         < 250-LIMITS RCPTMAX=100
         < 250 STARTTLS
         > AUTH PLAIN
         < 502 5.5.1 No login is needed here",
    );
}

#[test]
fn one_answer_per_recipient() {
    let mut talk = Talk::lmtp();
    talk.check(
        "> MAIL FROM:<bob@elsewhere.example>
         > RCPT TO:<anna@home.example>
         > RCPT TO:<nobody@home.example>
         > RCPT TO:<bob@elsewhere.example>
         > RCPT TO:<ben@home.example>
         > RCPT TO:<a.nna@home.example>
         > DATA
         < 250 2.1.0 <bob@elsewhere.example> sender ok
         < 250 2.1.5 <anna@home.example> recipient ok
         < 550 5.1.1 <nobody@home.example>: there is no such address here
         < 550 5.1.1 <bob@elsewhere.example>: the domain is not a local one
         < 250 2.1.5 <ben@home.example> recipient ok
         < 250 2.1.5 <a.nna@home.example> recipient ok
         < 354 Go ahead, end with a dot alone on a line
         > a: b
         > .
         < 250 2.0.0 <anna@home.example> delivered, $id
         < 250 2.0.0 <ben@home.example> delivered, $id
         < 250 2.0.0 <a.nna@home.example> delivered, $id",
    );
    assert_eq!(talk.sent_to(ANNA), ["a: b\r\n"], "one copy for two addresses of one account");
    assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
    assert!(talk.inbox(BEN)[0].contains("with LMTP id $id;"));
}

#[test]
fn no_recipient_no_data() {
    let mut talk = Talk::lmtp();
    talk.check(
        "> MAIL FROM:<>
         > RCPT TO:<nobody@home.example>
         > DATA
         < 250 2.1.0 <> sender ok
         < 550 5.1.1 <nobody@home.example>: there is no such address here
         < 503 5.5.1 No recipient was accepted",
    );
}

#[test]
fn a_refused_message_is_refused_for_each() {
    let mut talk = Talk::lmtp();
    talk.envelope();
    talk.check(
        "> RCPT TO:<anna@home.example>
         < 250 2.1.5 <anna@home.example> recipient ok
         > DATA
         < 354 Go ahead, end with a dot alone on a line",
    );
    let answer = talk.send(format!("{}.\r\n", "Received: x\r\n".repeat(51)).as_bytes());
    let why = "The message goes round in circles: more than 50 Received fields";
    assert_eq!(answer, format!("554 5.4.6 <ben@home.example> {why}\r\n554 5.4.6 <anna@home.example> {why}\r\n"));
}

#[test]
fn chunks_are_answered_once_and_the_last_for_each() {
    let mut talk = Talk::lmtp();
    talk.envelope();
    talk.check(
        "> RCPT TO:<anna@home.example>
         < 250 2.1.5 <anna@home.example> recipient ok
         > BDAT 6
         > a: b
         < 250 2.0.0 6 octets so far
         > BDAT 0 LAST
         < 250 2.0.0 <ben@home.example> delivered, $id
         < 250 2.0.0 <anna@home.example> delivered, $id",
    );
}

#[test]
fn nul_and_high_bytes_are_kept() {
    let mut talk = Talk::lmtp();
    talk.envelope();
    talk.send(b"DATA\r\n");
    talk.send(b"a: \0\xff\r\n\r\n\0\n\r\x80\r\n.\r\n");
    let store = &talk.context.store;
    let mailbox = store.mailbox(store::AccountId(BEN), &MailboxName::inbox()).unwrap().unwrap();
    let rows = store.messages(mailbox.id, Uid::MIN..=Uid::MAX, 10).unwrap();
    let mut bytes = Vec::new();
    store.read(rows[0].blob, 0..rows[0].size, &mut bytes).unwrap();
    assert!(bytes.ends_with(b"+0000\r\na: \0\xff\r\n\r\n\0\n\r\x80\r\n"), "{bytes:?}");
    assert_eq!(rows[0].internal_date, 1_795_261_663);
    assert!(!rows[0].flags.seen);
}

#[test]
fn a_stopped_store_is_a_temporary_failure() {
    let mut talk = Talk::lmtp();
    talk.envelope();
    talk.send(b"DATA\r\na: b\r\n");
    talk.context.store.close().unwrap();
    let answer = talk.send(b".\r\n");
    assert_eq!(answer, "451 4.3.0 <ben@home.example> The message could not be stored, try again later\r\n");
    talk.envelope();
    assert_eq!(talk.send(b"DATA\r\n"), "451 4.3.0 The message could not be stored, try again later\r\n");
    assert!(talk.send(b"BDAT 6 LAST\r\na: b\r\n").starts_with("451 4.3.0 <ben@home.example> "));
}

#[test]
fn an_account_removed_meanwhile_gets_no_mail() {
    let mut talk = Talk::lmtp();
    talk.envelope();
    talk.check(
        "> RCPT TO:<anna@home.example>
         < 250 2.1.5 <anna@home.example> recipient ok",
    );
    talk.context.directory.replace(vec![anna().0.clone()], vec![Domain::parse("home.example").unwrap()]);
    talk.check(
        "> BDAT 6 LAST
         > a: b
         < 451 4.3.0 <ben@home.example> The message could not be stored, try again later
         < 250 2.0.0 <anna@home.example> delivered, $id",
    );
    assert_eq!(talk.context.store.mailboxes(store::AccountId(BEN)).unwrap(), []);
    assert_eq!(talk.sent_to(ANNA), ["a: b\r\n"]);
}

#[test]
fn a_full_account_is_a_temporary_failure_of_its_own() {
    let mut talk = Talk::lmtp();
    talk.context.store.ensure_account(store::AccountId(BEN), 1).unwrap();
    let limits = store::QuotaLimits { octets: None, messages: Some(0) };
    talk.context.store.set_quota(store::AccountId(BEN), limits).unwrap();
    talk.envelope();
    talk.check(
        "> RCPT TO:<anna@home.example>
         < 250 2.1.5 <anna@home.example> recipient ok
         > BDAT 6 LAST
         > a: b
         < 452 4.2.2 <ben@home.example> The account is full, try again later
         < 250 2.0.0 <anna@home.example> delivered, $id",
    );
    assert_eq!(talk.sent_to(ANNA), ["a: b\r\n"]);
}
