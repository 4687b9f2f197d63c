//! Properties: where packets are cut makes no difference; nothing a client sends does harm.

use super::*;
use proptest::prelude::*;

/// What random conversations are made of. STARTTLS is missing: what it discards depends on the packets, as it must.
const WORDS: &[&str] = &[
    "EHLO there\r\n",
    "HELO there\r\n",
    "LHLO there\r\n",
    "MAIL FROM:<anna@home.example>\r\n",
    "MAIL FROM:<> SIZE=5\r\n",
    "RCPT TO:<anna@home.example>\r\n",
    "RCPT TO:<ben@home.example>\r\n",
    "RCPT TO:<x@y.example>\r\n",
    "DATA\r\n",
    "RSET\r\n",
    "BDAT 6\r\na: b\r\n",
    "BDAT 6 LAST\r\na: b\r\n",
    "BDAT 3\r\n",
    "BDAT x\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "GET /\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "AUTH LOGIN\r\n",
    "*\r\n",
    "=\r\n",
    ".\r\n",
    "..\r\n",
    "\r\n",
    "\n",
    "\r",
    ".",
    "\0",
    "Subject: x\r\n",
    "Received: y\r\n",
    "From: ben@home.example\r\n",
    "ü",
    "\u{1}\r\n",
];

/// Plays a conversation in packets; answers the replies, whether it was closed, and what arrived.
fn play(role: Role, bytes: &[u8], cuts: &[usize]) -> (String, bool, Vec<String>) {
    let mut talk = match role {
        Role::Reception => Talk::reception(),
        Role::Submission => Talk::submission(),
        Role::Lmtp => Talk::lmtp(),
    };
    let mut replies = String::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() && !talk.closed {
        let (packet, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
        replies.push_str(&talk.send(packet));
        rest = more;
    }
    let arrived = [talk.inbox(ANNA), talk.inbox(BEN)].concat();
    (replies, talk.closed, arrived)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Reception), Just(Role::Submission), Just(Role::Lmtp)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn cuts_do_not_matter(
        role in role(),
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..30),
        cuts in proptest::collection::vec(1usize..20, 1..5),
    ) {
        let bytes = words.concat().into_bytes();
        let whole = play(role, &bytes, &[usize::MAX]);
        prop_assert_eq!(&play(role, &bytes, &[1]), &whole);
        prop_assert_eq!(&play(role, &bytes, &cuts), &whole);
    }

    #[test]
    fn any_bytes_are_survived(role in role(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        play(role, &bytes, &[7]);
    }

    #[test]
    fn a_message_comes_out_as_it_went_in(
        lines in proptest::collection::vec("[.a\u{e9}\t]{0,10}", 0..20),
        cuts in proptest::collection::vec(1usize..20, 1..5),
    ) {
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let stuffed: String = lines.iter().map(|line| {
            let dot = if line.starts_with('.') { "." } else { "" };
            format!("{dot}{line}\r\n")
        }).collect();
        let bytes = format!("MAIL FROM:<>\r\nRCPT TO:<ben@home.example>\r\nDATA\r\n{stuffed}.\r\n");
        let (_, _, arrived) = play(Role::Reception, bytes.as_bytes(), &cuts);
        prop_assert_eq!(arrived.len(), 1);
        prop_assert_eq!(arrived[0].split_once(" +0000\r\n").unwrap().1, message);
    }
}
