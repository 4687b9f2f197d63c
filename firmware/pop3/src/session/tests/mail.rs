//! TRANSACTION and UPDATE.

use super::*;
use store::Expunge;

const ONE: &str = "Subject: one\r\n\r\n.hidden\r\nend\r\n";
const TWO: &str = "Subject: two\r\n\r\nno line end";

#[test]
fn stat_list_and_uidl_tell_numbers_and_sizes() {
    let household = Household::with(&[ONE, TWO]);
    let validity = household.store().snapshot(household.inbox()).unwrap().uid_validity.0;
    let mut client = household.log_in();
    client.play(
        "> STAT
         < +OK 2 57
         > LIST
         < +OK 2 messages (57 octets)
         < 1 30
         < 2 27
         < .
         > LIST 2
         < +OK 2 27
         > LIST 3
         < -ERR no such message
         > LIST 0
         < -ERR no such message
         > LIST 99999999999999999999
         < -ERR no such message
         > LIST -1
         < -ERR this is not a number
         > LIST 1 2
         < -ERR wrong number of arguments
         > STAT 1
         < -ERR wrong number of arguments
         > UIDL 3
         < -ERR no such message
         > NOOP
         < +OK
         > NOOP 1
         < -ERR wrong number of arguments",
    );
    let [one, two] = [1, 2].map(|uid| format!("{uid} {validity}.{uid}\r\n"));
    assert_eq!(client.say("UIDL\r\n"), format!("+OK 2 messages (57 octets)\r\n{one}{two}.\r\n"));
    assert_eq!(client.say("UIDL 2\r\n"), format!("+OK {two}"));
    assert_eq!(household.log_in().say("UIDL 1\r\n"), format!("+OK {one}"), "the same in every session");
}

#[test]
fn an_empty_maildrop() {
    play_logged_in(
        &[],
        "> STAT
         < +OK 0 0
         > LIST
         < +OK 0 messages (0 octets)
         < .
         > UIDL
         < +OK 0 messages (0 octets)
         < .
         > RETR 1
         < -ERR no such message",
    );
}

#[test]
fn retr_and_top() {
    play_logged_in(
        &[ONE, TWO, ""],
        "> RETR 1
         < +OK 30 octets
         < Subject: one
         <
         < ..hidden
         < end
         < .
         > RETR 2
         < +OK 27 octets
         < Subject: two
         <
         < no line end
         < .
         > RETR 3
         < +OK 0 octets
         < .
         > TOP 1 0
         < +OK top of message follows
         < Subject: one
         <
         < .
         > top 1 1
         < +OK top of message follows
         < Subject: one
         <
         < ..hidden
         < .
         > TOP 2 100
         < +OK top of message follows
         < Subject: two
         <
         < no line end
         < .
         > TOP 1
         < -ERR wrong number of arguments
         > TOP 1 x
         < -ERR this is not a number
         > TOP 1 -1
         < -ERR this is not a number
         > TOP 4 0
         < -ERR no such message
         > RETR
         < -ERR wrong number of arguments
         > RETR one
         < -ERR this is not a number",
    );
}

#[test]
fn reading_leaves_flags_alone() {
    let household = Household::with(&[ONE]);
    let before = household.rows();
    household.log_in().say("RETR 1\r\nTOP 1 5\r\nQUIT\r\n");
    assert_eq!(household.rows(), before);
    assert!(!before[0].flags.seen);
}

#[test]
fn dele_hides_rset_brings_back_quit_removes() {
    let household = Household::with(&[ONE, TWO, ONE]);
    let mut client = household.log_in();
    client.play(
        "> DELE 2
         < +OK message 2 marked as deleted
         > DELE 2
         < -ERR the message is marked as deleted
         > RETR 2
         < -ERR the message is marked as deleted
         > LIST 2
         < -ERR the message is marked as deleted
         > STAT
         < +OK 2 60
         > LIST
         < +OK 2 messages (60 octets)
         < 1 30
         < 3 30
         < .
         > RSET
         < +OK 3 messages (87 octets)
         > DELE 3
         > DELE 1
         < +OK message 3 marked as deleted
         < +OK message 1 marked as deleted
         > DELE 4
         < -ERR no such message",
    );
    assert_eq!(household.rows().len(), 3, "not before QUIT");
    client.play("> QUIT\n< +OK good-bye, 2 messages removed\n< (closed)");
    let left: Vec<_> = household.rows().iter().map(|row| row.uid.get()).collect();
    assert_eq!(left, [2]);
    assert!(household.log_in().say("LIST\r\n").contains("\r\n1 27\r\n.\r\n"), "numbers begin anew");
}

#[test]
fn without_quit_nothing_is_removed() {
    let household = Household::with(&[ONE]);
    let mut dropped = household.log_in();
    dropped.say("DELE 1\r\nQUI");
    drop(dropped);
    let mut silent = household.log_in();
    silent.say("DELE 1\r\n");
    let mut out = Vec::new();
    assert_eq!(silent.session.idle_limit(), Duration::from_secs(600));
    assert_eq!(silent.session.timed_out(NOW, &mut out), Next::Close);
    assert!(out.is_empty(), "silently (RFC 1939 §3)");
    let mut clumsy = household.log_in();
    let answer = clumsy.say(&format!("DELE 1\r\n{}", "X\r\n".repeat(limits::BAD_COMMANDS as usize)));
    assert!(answer.ends_with("(closed)\r\n"));
    let mut stopped = household.log_in();
    stopped.say("DELE 1\r\n");
    assert_eq!(stopped.session.shutting_down(NOW, &mut out), Next::Close);
    assert_eq!(out, b"-ERR [SYS/TEMP] the server is stopping, try again later\r\n");
    assert_eq!(household.rows().len(), 1);
}

#[test]
fn sessions_have_their_own_snapshots() {
    let household = Household::with(&[ONE, TWO]);
    let (mut first, mut second) = (household.log_in(), household.log_in());
    first.play("> DELE 1\n< +OK message 1 marked as deleted");
    second.play("> STAT\n< +OK 2 57\n> DELE 2\n< +OK message 2 marked as deleted");
    first.play("> QUIT\n< +OK good-bye, 1 messages removed\n< (closed)");
    household.deliver(b"new");
    second.play(
        "> STAT
         < +OK 1 30
         > RETR 1
         < -ERR the message is gone, another program removed it
         > TOP 1 0
         < -ERR the message is gone, another program removed it
         > LIST 1
         < +OK 1 30
         > DELE 1
         < +OK message 1 marked as deleted
         > QUIT
         < +OK good-bye, 1 messages removed
         < (closed)",
    );
    assert!(household.log_in().say("LIST\r\n").ends_with(")\r\n1 3\r\n.\r\n"));
}

#[test]
fn a_message_removed_while_it_is_sent_arrives_whole_or_cut_off_without_an_end() {
    let household = Household::with(&[&format!("Subject: long\r\n\r\n{}", "line\r\n".repeat(50_000))]);
    let mut client = household.log_in();
    let mut out = Vec::new();
    assert_eq!(client.session.receive(b"RETR 1\r\n", NOW, &mut out), Next::Resume);
    household.store().expunge(household.inbox(), Expunge::These(&[store::Uid::MIN])).unwrap();
    let mut rest = Vec::new();
    client.follow(Next::Resume, out, &mut rest);
    let text = String::from_utf8(rest).unwrap();
    assert_eq!(text.ends_with("\r\n.\r\n"), text.matches("line\r\n").count() == 50_000);
}

#[test]
fn long_messages_are_sent_in_pieces_octet_for_octet() {
    let lines = (0..60_000).map(|n| format!("{}{n}\r\n", if n % 7 == 0 { "." } else { "" }));
    let message = format!("Subject: long\r\n\r\n{}", lines.collect::<String>());
    assert!(message.len() > 5 * HIGH_WATER);
    let mut client = Household::with(&[&message, ONE]).log_in();
    let answer = client.say("RETR 1\r\nLIST 2\r\n");
    let body = answer.strip_prefix(&format!("+OK {} octets\r\n", message.len())).expect("+OK");
    let body = body.strip_suffix(".\r\n+OK 2 30\r\n").expect("the next command is answered after the message");
    let received: String = body.split_inclusive('\n').map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
    assert!(received == message);
    let top = client.say("TOP 1 20000\r\n");
    assert_eq!(top.lines().count(), 1 + 2 + 20_000 + 1);
}

#[test]
fn any_octets_come_out_as_they_were_but_nul() {
    let message: Vec<u8> = (1..=255).chain([0, b'\r', b'\n']).collect();
    let household = Household::new();
    household.deliver(&message);
    let mut expected = b"+OK 258 octets\r\n".to_vec();
    expected.extend((1..=255).chain([0x80, b'\r', b'\n']).collect::<Vec<u8>>());
    expected.extend_from_slice(b".\r\n");
    assert_eq!(household.log_in().say_bytes(b"RETR 1\r\n"), expected);
}

#[test]
fn long_listings_are_sent_in_pieces() {
    let household = Household::new();
    household.deliver_copies(b"A: 1\r\n\r\n", 10_000);
    let mut client = household.log_in();
    client.say("DELE 9999\r\nDELE 2\r\n");
    let mut out = Vec::new();
    assert_eq!(client.session.receive(b"LIST\r\n", NOW, &mut out), Next::Resume);
    let mut answer = Vec::new();
    assert!(client.follow(Next::Resume, out, &mut answer));
    let expected: String = (1..=10_000).filter(|n| ![2, 9999].contains(n)).map(|n| format!("{n} 8\r\n")).collect();
    assert_eq!(String::from_utf8(answer).unwrap(), format!("+OK 9998 messages (79984 octets)\r\n{expected}.\r\n"));
    assert_eq!(client.say("UIDL\r\n").lines().count(), 10_000);
}

#[test]
fn stopping_in_the_middle_of_a_message_says_nothing_in_it() {
    let household = Household::with(&[&"x\r\n".repeat(100_000)]);
    let mut client = household.log_in();
    let mut out = Vec::new();
    assert_eq!(client.session.receive(b"RETR 1\r\n", NOW, &mut out), Next::Resume);
    out.clear();
    assert_eq!(client.session.shutting_down(NOW, &mut out), Next::Close);
    assert!(out.is_empty());
}

#[test]
fn a_stopped_store_is_said_so_and_nothing_is_lost() {
    let household = Household::with(&[ONE]);
    let mut client = household.log_in();
    client.say("DELE 1\r\n");
    household.store().close().unwrap();
    let answer = client.say("QUIT\r\n");
    assert!(answer.starts_with("-ERR [SYS/TEMP] ") && answer.ends_with("(closed)\r\n"), "{answer}");
}
