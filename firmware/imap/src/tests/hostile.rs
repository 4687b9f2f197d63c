//! What no client should send.

use super::*;
use crate::limits;
use proptest::prelude::*;

#[test]
fn malformed_commands_are_answered_and_the_session_lives() {
    play(
        "
        anna> 
        anna< * BAD A command begins with a tag
        anna> a
        anna< a BAD Unknown command
        anna> + NOOP
        anna< * BAD A command begins with a tag
        anna> a+b NOOP
        anna< * BAD A command begins with a tag
        anna> (a) NOOP
        anna< * BAD A command begins with a tag
        anna> a FOO
        anna< a BAD Unknown command
        anna> b NOOP x
        anna< b BAD Unexpected text after the arguments
        anna> c noop
        anna< c OK NOOP completed
        anna> d LOGOUTX
        anna< d BAD Unknown command
        anna> * NOOP
        anna< * BAD A command begins with a tag
        anna> e DONE
        anna< e BAD Unknown command
        anna> f NOOP  
        anna< f OK NOOP completed
        ",
    );
}

#[test]
fn many_bad_commands_end_in_bye() {
    let mut world = World::new();
    for round in 0..3 {
        let last = round == 2;
        for _ in 0..limits::BAD_COMMANDS - u32::from(!last) {
            world.client("anna").receive(b"a FOO\r\n");
        }
        let reply = world.client("anna").take();
        assert_eq!(reply.contains("* BYE "), last);
        if !last {
            assert_eq!(world.send("anna", b"b NOOP\r\n"), "b OK NOOP completed\r\n");
        }
    }
    assert_eq!(world.client("anna").next, Next::Close);
}

#[test]
fn every_command_in_every_state() {
    let commands = [
        "CAPABILITY",
        "NOOP",
        "ID NIL",
        "STARTTLS",
        "AUTHENTICATE X",
        "LOGIN a b",
        "ENABLE X",
        "SELECT x",
        "EXAMINE x",
        "CREATE a//",
        "DELETE a//",
        "RENAME a// b//",
        "SUBSCRIBE a//",
        "UNSUBSCRIBE a//",
        "LIST \"\" x",
        "LSUB \"\" x",
        "NAMESPACE",
        "STATUS x (MESSAGES)",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "SEARCH ALL",
        "UID SEARCH ALL",
        "FETCH 1 UID",
        "UID FETCH 1 UID",
        "STORE 1 FLAGS ()",
        "UID STORE 1 FLAGS ()",
        "COPY 1 x",
        "UID COPY 1 x",
        "MOVE 1 x",
        "UID MOVE 1 x",
    ];
    let anytime = ["CAPABILITY", "NOOP", "ID NIL"];
    let before = ["STARTTLS", "AUTHENTICATE X", "LOGIN a b"];
    let selected = &commands[18..];
    for (client, setup) in [("raw", ""), ("anna", ""), ("anna", "s SELECT INBOX\r\n")] {
        for command in commands {
            let mut world = World::new();
            world.client(client).take();
            world.send(client, setup.as_bytes());
            let reply = world.send(client, format!("a {command}\r\n").as_bytes());
            let refused = reply.ends_with("a BAD Command not allowed in this state\r\n");
            let legal = anytime.contains(&command)
                || match (client, setup) {
                    ("raw", _) => before.contains(&command),
                    (_, "") => !before.contains(&command) && !selected.contains(&command),
                    _ => !before.contains(&command),
                };
            assert_eq!(refused, !legal, "{client} {setup} {command}: {reply}");
        }
    }
}

#[test]
fn an_idle_session_holds_little() {
    let mut world = World::new();
    world.mail("anna", "INBOX", "x");
    let client = world.client("anna");
    client.receive(format!("a NOOP {}\r\nb SELECT INBOX\r\nc IDLE\r\n", "x".repeat(60_000)).as_bytes());
    assert!(client.take().ends_with("+ idling\r\n"));
    assert!(size_of::<Session>() < 1_024, "{}", size_of::<Session>());
    assert_eq!(client.session.buffered(), 0);
}

#[test]
fn large_items_asked_for_again_and_again_leave_one_by_one() {
    let mut world = World::new();
    let part = format!("--b\r\nContent-Type: text/plain; name={}\r\n\r\nx\r\n", "n".repeat(400));
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    world.mail("anna", "INBOX", &format!("{head}{}", part.repeat(300)));
    world.send("anna", b"s SELECT INBOX\r\n");
    let session = &mut world.client("anna").session;
    let command = format!("a FETCH 1 ({})\r\n", ["BODYSTRUCTURE"; 100].join(" "));
    let (mut out, mut longest, mut all) = (Vec::new(), 0, 0);
    let mut next = session.receive(command.as_bytes(), now(), &mut out);
    loop {
        (longest, all) = (longest.max(out.len()), all + out.len());
        out.clear();
        match next {
            Next::Resume => next = session.resume(now(), &mut out),
            _ => break,
        }
    }
    assert!(all > 100 * 400 * 300, "all of them: {all}");
    assert!(longest < 5 * conversation::HIGH_WATER, "{longest} at once");
}

/// Pieces of commands, so that some are right and many are nearly so.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z]{1,2} ",
        prop::sample::select(vec![
            "UID ",
            "FETCH ",
            "STORE ",
            "SEARCH ",
            "LIST ",
            "LSUB ",
            "SELECT INBOX",
            "EXAMINE ",
            "STATUS ",
            "APPEND INBOX ",
            "COPY ",
            "MOVE ",
            "IDLE",
            "DONE",
            "NOOP",
            "EXPUNGE",
            "CREATE ",
            "DELETE ",
            "RENAME ",
            "1:* ",
            "1,2 ",
            "(",
            ")",
            "\"",
            "\\",
            "{3}",
            "{2+}",
            "{99999+}",
            "\r\n",
            "\r\n",
            "\r\n",
            "a ",
            "b ",
            "BODY[",
            "BODY.PEEK[1.2]",
            "]",
            "<0.5>",
            "FLAGS ",
            "+FLAGS ",
            "(\\Seen) ",
            "\\Deleted ",
            "OR ",
            "NOT ",
            "TEXT x ",
            "HEADER a b ",
            "RETURN ",
            "(ALL) ",
            "CHARSET ",
            "UTF-8 ",
            "ENVELOPE",
            "BODYSTRUCTURE",
            "\"\" ",
            "* ",
            "% ",
            "&AOQ-",
            "&",
            "INBOX",
            "Trash",
            "AUTHENTICATE PLAIN",
            "=",
            "(USE (\\Trash))",
            "CHANGEDSINCE 1",
        ])
        .prop_map(str::to_owned),
        "[\\x00-\\x7f]{0,4}",
    ];
    let noise = proptest::collection::vec(any::<u8>(), 0..8);
    proptest::collection::vec(prop_oneof![9 => piece.prop_map(String::into_bytes), 1 => noise], 0..60)
        .prop_map(|pieces| pieces.concat())
}

/// Feeds bytes cut as told to a logged-in session with one message selected; what it said until it read or closed.
fn fed(bytes: &[u8], cut: usize) -> String {
    let mut world = World::new();
    world.mail("anna", "INBOX", "Subject: a\r\n\r\nb\r\n");
    world.send("anna", b"s SELECT INBOX\r\n");
    let mut all = String::new();
    for packet in bytes.chunks(cut) {
        if world.client("anna").next == Next::Close {
            break;
        }
        all.push_str(&world.send("anna", packet));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_upset_a_session(bytes in bytes(), cut in 1usize..9) {
        prop_assert_eq!(fed(&bytes, usize::MAX), fed(&bytes, cut));
    }
}
