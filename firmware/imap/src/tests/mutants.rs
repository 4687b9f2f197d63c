//! Valid conversations with a few octets changed: every answer is well-formed, and memory stays small.

use super::*;
use crate::limits;
use proptest::prelude::*;

/// A mailbox with messages that are hard to describe.
fn world() -> World {
    let mut world = World::new();
    for message in [
        "From: \"a\\\"b\" <x@y>, (c) d@e\r\nSubject: =?utf-8?q?=C3=A9?= \\ \"\r\n\r\nbody\r\n",
        "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b\r\n\
         Content-Type: text/html; name=\"a\\\"\u{e9}\"\r\nContent-Disposition: attachment; filename=\"\r\n\r\n<p>\r\n--b--\r\n",
        "To: \u{e9}@\0, group: a@b;\r\nDate: \u{1}\r\nno header",
    ] {
        world.mail("anna", "INBOX", message);
    }
    world.send("anna", b"s CREATE \"a \\\"b\\\\\"\r\nt CREATE &AOQ-/x\r\nu SUBSCRIBE gone/y\r\nv SELECT INBOX\r\n");
    world
}

const COMMANDS: &[&str] = &[
    "a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY INTERNALDATE RFC822.SIZE UID)\r\n",
    "a UID FETCH 1,2:3 (BODY.PEEK[1.MIME] BODY[1.1] BODY[2]<1.2> BODY[HEADER.FIELDS (To \"a b\")])\r\n",
    "a FETCH * (RFC822 RFC822.HEADER BODY[TEXT] BODY[1.HEADER.FIELDS.NOT (x)])\r\n",
    "a FETCH 1:2 (FLAGS) (CHANGEDSINCE 1)\r\n",
    "a STORE 1:2 (UNCHANGEDSINCE 99) +FLAGS.SILENT (\\Seen $x)\r\n",
    "a UID STORE 2 -FLAGS \\Deleted kw\r\n",
    "a SEARCH CHARSET UTF-8 OR (FROM \"x\" NOT SEEN) SINCE 1-Jan-2020 TEXT {2+}\r\nbo\r\n",
    "a UID SEARCH RETURN (MIN MAX COUNT ALL) UID 1:* LARGER 3 HEADER Subject \"\"\r\n",
    "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% \"a*\") RETURN (CHILDREN STATUS (MESSAGES SIZE))\r\n",
    "a LSUB \"\" \"%\"\r\n",
    "a STATUS \"a \\\"b\\\\\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)\r\n",
    "a APPEND INBOX (\\Seen) \" 1-Jan-2020 00:00:00 +0100\" {5+}\r\na: b\n\r\n",
    "a APPEND {5+}\r\nINBOX {3+}\r\nxyz\r\n",
    "a COPY 1:2 Trash\r\n",
    "a UID MOVE 3 &AOQ-/x\r\n",
    "a RENAME Junk \"Sp am\"\r\n",
    "a DELETE Drafts\r\n",
    "a SELECT INBOX (CONDSTORE)\r\n",
    "a SELECT Trash (QRESYNC (1 2 1:3 (1 2)))\r\n",
    "a EXAMINE inbox\r\n",
    "a ENABLE CONDSTORE QRESYNC\r\n",
    "a ID (\"name\" \"x\" \"os\" NIL)\r\n",
    "a IDLE\r\nDONE\r\n",
    "a EXPUNGE\r\n",
    "a UID EXPUNGE 1:2\r\n",
    "a CREATE new (USE (\\Archive))\r\n",
    "a AUTHENTICATE PLAIN AGEAYg==\r\n",
    "a LOGIN {4+}\r\nanna \"x\\\"\"\r\n",
    "a CLOSE\r\n",
    "a NOOP\r\n",
];

/// What is done to the octets: where, and what.
fn mutated(mut bytes: Vec<u8>, changes: &[(u16, u8, u8)]) -> Vec<u8> {
    const SPECIAL: &[u8] = b"\"\\(){}[]<>*%+&,:.- \r\n\0\xff09AaZ";
    for &(at, what, byte) in changes {
        let at = usize::from(at) % bytes.len().max(1);
        let byte = SPECIAL[usize::from(byte) % SPECIAL.len()];
        match what % 4 {
            0 => drop(bytes.splice(at..(at + 1).min(bytes.len()), [byte])),
            1 => bytes.insert(at, byte),
            2 => drop(bytes.drain(at..(at + 1 + usize::from(what) / 16).min(bytes.len()))),
            _ => {
                let piece = bytes[at..(at + 8).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
    bytes
}

/// Takes one response off the front; what is wrong with it.
fn response(reply: &[u8]) -> Result<&[u8], &'static str> {
    let mut words = reply.splitn(3, |&b| b == b' ');
    let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let text = tag == b"+" || matches!(word, b"OK" | b"NO" | b"BAD" | b"BYE");
    let (mut depth, mut rest) = (0usize, reply);
    loop {
        let (&byte, after) = rest.split_first().ok_or("no end")?;
        rest = match byte {
            b'\r' if after.starts_with(b"\n") && depth == 0 => return Ok(&after[1..]),
            b' '..=b'~' if text => after,
            b'(' => (depth += 1, after).1,
            b')' => (depth = depth.checked_sub(1).ok_or("a closing parenthesis too many")?, after).1,
            b'"' => quoted(after)?,
            b'{' => literal(after)?,
            b' '..=b'~' => after,
            _ => return Err("an octet outside of strings"),
        };
    }
}

fn quoted(mut rest: &[u8]) -> Result<&[u8], &'static str> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'"' | b'\\', after @ ..] => after,
            [b'\\', ..] => return Err("a stray backslash"),
            [b'\t' | b' '..=b'~', after @ ..] => after,
            _ => return Err("an octet in a quoted string"),
        };
    }
}

fn literal(rest: &[u8]) -> Result<&[u8], &'static str> {
    let end = rest.windows(3).position(|w| w == b"}\r\n").ok_or("no literal")?;
    let size: usize = std::str::from_utf8(&rest[..end]).ok().and_then(|n| n.parse().ok()).ok_or("no size")?;
    let (octets, rest) = rest[end + 3..].split_at_checked(size).ok_or("a literal cut off")?;
    if octets.contains(&0) { Err("NUL in a literal") } else { Ok(rest) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_well_formed(
        commands in prop::collection::vec(prop::sample::select(COMMANDS), 1..8),
        changes in prop::collection::vec(any::<(u16, u8, u8)>(), 0..6),
        cut in 1usize..40,
        logged_in in prop::bool::weighted(0.9),
    ) {
        let bytes = mutated(commands.concat().into_bytes(), &changes);
        let (mut world, name) = if logged_in { (world(), "anna") } else { (World::new(), "raw") };
        world.client(name);
        for packet in bytes.chunks(cut) {
            let client = world.client(name);
            if client.next != Next::Read {
                break;
            }
            client.receive(packet);
            prop_assert!(client.session.buffered() <= limits::COMMAND + cut + 2);
        }
        let told = std::mem::take(&mut world.client(name).replies);
        let mut rest = &told[..];
        while !rest.is_empty() {
            match response(rest) {
                Ok(after) => rest = after,
                Err(why) => prop_assert!(false, "{}: {}", why, rest.escape_ascii()),
            }
        }
    }
}
