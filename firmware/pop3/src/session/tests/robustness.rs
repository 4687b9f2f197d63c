//! Wrong commands, wrong states, wrong lengths, and bytes that mean nothing.

use super::*;
use proptest::prelude::*;

#[test]
fn every_command_knows_its_state() {
    let household = Household::new();
    for command in ["STAT", "LIST", "UIDL", "DELE 1", "RSET", "NOOP", "RETR 1", "TOP 1 0"] {
        let mut client = household.connect(Security::Tls(Household::tls()));
        assert_eq!(client.say(&format!("{command}\r\n")), "-ERR log in first\r\n", "{command}");
    }
    for command in ["USER anna", "PASS x", "AUTH PLAIN", "APOP a b", "STLS"] {
        let mut client = household.log_in();
        assert_eq!(client.say(&format!("{command}\r\n")), "-ERR you are logged in already\r\n", "{command}");
    }
}

#[test]
fn what_is_no_command() {
    play_logged_in(
        &[],
        "> LAST
         < -ERR unknown command
         >
         < -ERR unknown command
         > STATS
         < -ERR unknown command
         > UTF8
         < -ERR unknown command
         > LANG
         < -ERR unknown command
         > CAPA 1
         < -ERR wrong number of arguments
         > QUIT now
         < -ERR wrong number of arguments
         > RSET 1
         < -ERR wrong number of arguments
         > noop
         < +OK",
    );
}

#[test]
fn wrong_commands_are_forgiven_ten_times_in_all() {
    let mut client = Household::new().connect(Security::Plain);
    for _ in 1..limits::BAD_COMMANDS {
        assert_eq!(client.say("X\r\nUSER a\r\n").lines().count(), 2);
    }
    assert_eq!(client.say("X\r\nCAPA\r\n"), "-ERR too many wrong commands, good-bye\r\n(closed)\r\n");
}

#[test]
fn long_lines() {
    for piece in [usize::MAX, 1] {
        let mut client = Household::new().connect(Security::Plain);
        client.piece = piece;
        let long = "x".repeat(limits::LINE + 1);
        assert_eq!(
            client.say(&format!("{long}\r\nQUIT\r\n")),
            "-ERR the line is too long\r\n+OK good-bye\r\n(closed)\r\n"
        );
    }
    let mut client = Household::new().connect(Security::Plain);
    let endless = "x".repeat(limits::ENDLESS_LINE + limits::LINE + 2);
    assert_eq!(client.say(&endless), "-ERR the line is too long, good-bye\r\n(closed)\r\n");
    let mut client = Household::new().connect(Security::Plain);
    let much = "CAPA\r\n".repeat(limits::PENDING / 6 + 1);
    assert_eq!(client.say(&much), "-ERR too many commands at once, good-bye\r\n(closed)\r\n");
}

#[test]
fn many_commands_in_one_packet_are_answered_in_order_and_in_pieces() {
    let mut client = Household::new().log_in();
    let answer = client.say(&"NOOP\r\nSTAT\r\n".repeat(10_000));
    assert!(answer == "+OK\r\n+OK 0 0\r\n".repeat(10_000));
}

#[test]
fn strangers_have_less_patience_to_expect() {
    let mut client = Household::new().connect(Security::Plain);
    assert_eq!(client.session.idle_limit(), limits::IDLE_BEFORE_LOGIN);
    let mut out = Vec::new();
    assert_eq!(client.session.timed_out(NOW, &mut out), Next::Close);
    assert_eq!(client.session.wake(NOW, &mut out), Next::Read);
    assert!(out.is_empty());
}

#[test]
fn a_session_prints_no_secret() {
    let household = Household::new();
    let mut client = household.connect(Security::Tls(Household::tls()));
    client.say(&format!("USER anna\r\nPASS {}", household.password));
    assert_eq!(format!("{:?}", client.session), "Session { peer: 127.0.0.1, phase: Authorization, .. }");
}

fn command() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "CAPA",
        "STAT",
        "LIST",
        "LIST 1",
        "LIST 2",
        "UIDL",
        "UIDL 2",
        "RETR 1",
        "RETR 2",
        "TOP 1 1",
        "TOP 2 0",
        "DELE 1",
        "DELE 2",
        "RSET",
        "NOOP",
        "USER anna",
        "PASS wrong",
        "AUTH",
        "AUTH PLAIN",
        "*",
        "=",
        "QUIT",
        "",
        "junk",
        "RETR 999999999999",
    ]);
    words.prop_map(|word| format!("{word}\r\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_same_commands_get_the_same_answers_however_they_arrive(
        commands in prop::collection::vec(command(), 1..20), piece in 1usize..12, logged_in: bool,
    ) {
        let [whole, pieces] = [usize::MAX, piece].map(|piece| {
            let household = Household::with(&["A: 1\r\n\r\n.x\r\n", "B: 2\r\n\r\ny"]);
            let mut client = match logged_in {
                true => household.log_in(),
                false => household.connect(Security::Tls(Household::tls())),
            };
            client.piece = piece;
            // A delay is shown before what else was answered to the same packet.
            let answer = client.say(&commands.concat());
            answer.lines().filter(|line| !line.starts_with('(')).collect::<Vec<_>>().join("\n")
        });
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn stray_bytes_are_answered_in_words(bytes in prop::collection::vec(any::<u8>(), 0..300), logged_in: bool) {
        let household = Household::with(&["A: 1\r\n\r\nx\r\n"]);
        let mut client = match logged_in {
            true => household.log_in(),
            false => household.connect(Security::Plain),
        };
        for line in client.say(&String::from_utf8_lossy(&bytes)).lines() {
            prop_assert!(line.starts_with("-ERR ") || line == "(closed)", "{}", line);
        }
        let answer = client.say_bytes(&bytes);
        prop_assert!(answer.is_empty() || answer.ends_with(b"\r\n"));
    }
}
