//! Mail within mail: only CRLF.CRLF ends a message, and a lone CR or LF from outside refuses it.

use super::*;

const ENDS: [&str; 9] =
    ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n", "\n\n.\r\n", "\r\n.\r\r\n"];
const HIDDEN: &str = "MAIL FROM:<boss@home.example>\r\nRCPT TO:<anna@home.example>\r\nDATA\r\nSubject: hidden\r\n";

fn smuggle(talk: &mut Talk, end: &str) -> String {
    talk.envelope();
    talk.send(b"DATA\r\n");
    talk.send(format!("Subject: x\r\n\r\ntext{end}{HIDDEN}\r\n.\r\n").as_bytes())
}

#[test]
fn refused_from_outside_and_from_mail_programs() {
    for end in ENDS {
        for mut talk in [Talk::reception(), Talk::submission()] {
            let answer = smuggle(&mut talk, end);
            if end.contains('\0') {
                assert_eq!(answer, "250 2.0.0 Delivered, $id\r\n", "a NUL is no line end: {end:?}");
            } else {
                let refusal = "550 5.6.11 The message has a CR or LF in it that is not part of a CR LF\r\n";
                assert_eq!(answer, refusal, "{end:?}");
                assert_eq!(talk.inbox(BEN), Vec::<String>::new(), "{end:?}");
            }
            assert_eq!(talk.inbox(ANNA), Vec::<String>::new(), "{end:?}");
            talk.check("> NOOP\n< 250 2.0.0 Still here");
        }
    }
}

#[test]
fn kept_byte_for_byte_in_lmtp() {
    for end in ENDS {
        let mut talk = Talk::lmtp();
        assert_eq!(smuggle(&mut talk, end), "250 2.0.0 <ben@home.example> delivered, $id\r\n", "{end:?}");
        // The dot at the start of a line is the sender's stuffing, whatever follows it.
        let kept = end.replace("\r\n.", "\r\n");
        assert_eq!(talk.sent_to(BEN), [format!("Subject: x\r\n\r\ntext{kept}{HIDDEN}\r\n")], "{end:?}");
    }
}

#[test]
fn a_lone_cr_at_the_very_end_of_a_chunk() {
    let mut talk = Talk::reception();
    talk.envelope();
    let answer = talk.send(b"BDAT 5 LAST\r\na: b\rNOOP\r\n");
    assert!(answer.starts_with("550 5.6.11 "), "{answer}");
    assert!(answer.ends_with("250 2.0.0 Still here\r\n"), "{answer}");
}

#[test]
fn a_line_end_may_be_cut_by_chunks() {
    let mut talk = Talk::reception();
    talk.envelope();
    let answer = talk.send(b"BDAT 5\r\na: b\rBDAT 1 LAST\r\n\n");
    assert_eq!(answer, "250 2.0.0 5 octets so far\r\n250 2.0.0 Delivered, $id\r\n");
    assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
}
