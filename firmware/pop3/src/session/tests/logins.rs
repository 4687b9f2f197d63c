//! Everything before TRANSACTION: capabilities, STLS, USER, PASS, AUTH.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

const PLAIN: Security = Security::Plain;
const ENCRYPTED: fn() -> Security = || Security::Tls(Household::tls());

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn without_tls_no_password_is_taken_and_none_is_asked_for() {
    play(
        &PLAIN,
        &[],
        "> CAPA
         < +OK capabilities follow
         < TOP
         < UIDL
         < RESP-CODES
         < AUTH-RESP-CODE
         < PIPELINING
         < EXPIRE NEVER
         < IMPLEMENTATION Roost
         < STLS
         < .
         > USER anna
         < -ERR [SYS/PERM] no passwords over an unencrypted connection: use STLS first
         > PASS PW
         < -ERR [SYS/PERM] no passwords over an unencrypted connection: use STLS first
         > AUTH PLAIN
         < -ERR [SYS/PERM] no passwords over an unencrypted connection: use STLS first
         > AUTH
         < +OK mechanisms follow
         < .
         > QUIT
         < +OK good-bye
         < (closed)",
    );
}

#[test]
fn with_tls_there_are_passwords_and_mechanisms() {
    let capabilities = "> capa
         < +OK capabilities follow
         < TOP
         < UIDL
         < RESP-CODES
         < AUTH-RESP-CODE
         < PIPELINING
         < EXPIRE NEVER
         < IMPLEMENTATION Roost
         < USER
         < SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
         < .
         ";
    let before = format!(
        "{capabilities}
         > AUTH
         < +OK mechanisms follow
         < SCRAM-SHA-256-PLUS
         < SCRAM-SHA-256
         < PLAIN
         < LOGIN
         < .
         > STLS
         < -ERR the connection is encrypted already"
    );
    play(&ENCRYPTED(), &[], &before);
    play_logged_in(&[], &format!("{capabilities}\n> STLS\n< -ERR you are logged in already"));
}

#[test]
fn without_channel_binding_there_is_no_plus() {
    play(
        &Security::Tls(ChannelBinding::default()),
        &[],
        "> AUTH
         < +OK mechanisms follow
         < SCRAM-SHA-256
         < PLAIN
         < LOGIN
         < .
         > AUTH SCRAM-SHA-256-PLUS
         < -ERR this mechanism is not offered",
    );
}

#[test]
fn stls_encrypts_and_then_passwords_work() {
    play(
        &PLAIN,
        &["A: 1\r\n\r\nx\r\n"],
        "> STLS now
         < -ERR wrong number of arguments
         > STLS
         < +OK begin TLS
         < (handshake)
         > STLS
         < -ERR the connection is encrypted already
         > USER anna
         < +OK and the password
         > PASS PW
         < +OK 1 messages (11 octets)",
    );
}

#[test]
fn what_was_said_before_encryption_does_not_count() {
    let household = Household::new();
    let mut client = household.connect(PLAIN);
    let injected = client.say("STLS\r\nUSER anna\r\nCAPA\r\nUSER be");
    assert_eq!(injected, "+OK begin TLS\r\n(handshake)\r\n");
    client.play("> n\n< -ERR unknown command\n> PASS PW\n< -ERR the name comes first: USER");
    let mut client = household.connect(PLAIN);
    let mut out = Vec::new();
    assert_eq!(client.session.receive(b"STLS\r\n", NOW, &mut out), Next::StartTls);
    client.session.input.push(b"CAPA\r\n");
    assert_eq!(client.session.secured(Household::tls(), NOW, &mut out), Next::Read);
    assert_eq!(client.session.receive(b"NOOP\r\n", NOW, &mut out), Next::Read);
    assert_eq!(out, b"+OK begin TLS\r\n-ERR log in first\r\n");
}

#[test]
fn user_and_pass() {
    play(
        &ENCRYPTED(),
        &[],
        "> PASS PW
         < -ERR the name comes first: USER
         > USER
         < -ERR an argument is missing
         > USER anna
         < +OK and the password
         > PASS
         < -ERR an argument is missing
         > PASS wrong
         < (300ms)
         < -ERR [AUTH] wrong name or password
         > PASS PW
         < -ERR the name comes first: USER
         > USER ghost@example.org
         < +OK and the password
         > PASS two words
         < (300ms)
         < -ERR [AUTH] wrong name or password
         > USER ben
         > USER ANNA@Example.Org
         < +OK and the password
         < +OK and the password
         > pass PW
         < +OK 0 messages (0 octets)
         > USER anna
         < -ERR you are logged in already",
    );
}

#[test]
fn a_password_that_is_not_utf8_is_just_wrong() {
    let mut client = Household::new().connect(ENCRYPTED());
    let answer = client.say_bytes(b"USER \xe4nna\r\nPASS p\xe4ss\r\n");
    assert_eq!(answer, b"(300ms)\r\n+OK and the password\r\n-ERR [AUTH] wrong name or password\r\n");
}

#[test]
fn wrong_logins_get_slower_and_end_the_connection() {
    let household = Household::new();
    let mut client = household.connect(ENCRYPTED());
    for delay in ["300ms", "300ms", "1s", "2s"] {
        let expected = format!("({delay})\r\n+OK and the password\r\n-ERR [AUTH] wrong name or password\r\n");
        assert_eq!(client.say("USER anna\r\nPASS wrong\r\n"), expected);
    }
    let last = client.say("USER anna\r\nPASS wrong\r\nUSER anna\r\n");
    assert_eq!(last, "(4s)\r\n+OK and the password\r\n-ERR [AUTH] wrong name or password\r\n(closed)\r\n");
}

#[test]
fn too_many_wrong_logins_are_no_longer_checked() {
    let household = Household::new();
    let answer = (0..100).map(|_| household.connect(ENCRYPTED()).say("USER anna\r\nPASS wrong\r\n"));
    let throttled = answer.into_iter().find(|answer| answer.contains("[SYS/TEMP]")).expect("throttled at last");
    assert_eq!(
        throttled,
        "(5s)\r\n+OK and the password\r\n-ERR [SYS/TEMP] too many wrong passwords, try again later\r\n"
    );
}

#[test]
fn apop_is_not_offered() {
    play(&PLAIN, &[], "> APOP anna c4c9334bac560ecc979e58001b3e22fb\n< -ERR APOP is not offered, use AUTH or USER");
}

#[test]
fn auth_plain() {
    let household = Household::new();
    let right = base64(&format!("\0anna\0{}", household.password));
    let wrong = base64("\0anna\0wrong");
    let (ok, refused) = ("+OK 0 messages (0 octets)\r\n", "(300ms)\r\n-ERR [AUTH] wrong name or password\r\n");
    let say = |text: &str| household.connect(ENCRYPTED()).say(text);
    assert_eq!(say(&format!("AUTH PLAIN {right}\r\n")), ok);
    assert_eq!(say(&format!("auth plain\r\n{right}\r\n")), format!("+ \r\n{ok}"));
    assert_eq!(say(&format!("AUTH PLAIN {wrong}\r\n")), refused);
    assert_eq!(say("AUTH PLAIN =\r\n"), "-ERR this is not what the mechanism expects\r\n");
    assert_eq!(say("AUTH PLAIN\r\n*\r\nNOOP\r\n"), "+ \r\n-ERR AUTH cancelled\r\n-ERR log in first\r\n");
    assert_eq!(say("AUTH PLAIN\r\nno base64!\r\n"), "+ \r\n-ERR this is not base64\r\n");
    assert_eq!(say("AUTH PLAIN no-base64\r\n"), "-ERR this is not base64\r\n");
    assert_eq!(say(&format!("AUTH PLAIN {right} {right}\r\n")), "-ERR wrong number of arguments\r\n");
    assert_eq!(say("AUTH CRAM-MD5\r\n"), "-ERR this mechanism is not offered\r\n");
    assert_eq!(say("AUTH \u{fc}\r\n"), "-ERR this mechanism is not offered\r\n");
    let long = base64(&"x".repeat(limits::LINE));
    assert_eq!(
        say(&format!("AUTH PLAIN\r\n{long}\r\nNOOP\r\n")),
        "+ \r\n-ERR the line is too long\r\n-ERR log in first\r\n"
    );
    let mut client = household.log_in();
    assert_eq!(client.say(&format!("AUTH PLAIN {right}\r\n")), "-ERR you are logged in already\r\n");
}

#[test]
fn auth_login() {
    let household = Household::new();
    let [user, right, wrong] = ["anna", &household.password, "wrong"].map(base64);
    let say = |text: &str| household.connect(ENCRYPTED()).say(text);
    let (name, word) = ("+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n");
    let ok = "+OK 0 messages (0 octets)\r\n";
    assert_eq!(say(&format!("AUTH LOGIN\r\n{user}\r\n{right}\r\n")), format!("{name}{word}{ok}"));
    assert_eq!(say(&format!("AUTH LOGIN {user}\r\n{right}\r\n")), format!("{word}{ok}"));
    let refused = format!("(300ms)\r\n{name}{word}-ERR [AUTH] wrong name or password\r\n");
    assert_eq!(say(&format!("AUTH LOGIN\r\n{user}\r\n{wrong}\r\n")), refused);
    assert_eq!(say("AUTH LOGIN\r\n\r\n"), format!("{name}-ERR this is not what the mechanism expects\r\n"));
    assert_eq!(say(&format!("AUTH LOGIN\r\n{user}\r\n*\r\n")), format!("{name}{word}-ERR AUTH cancelled\r\n"));
}

fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec()
}

/// A SCRAM client (RFC 5802 §3) up to its final message; answers what the server says then, and its right signature.
fn scram(client: &mut Client, mechanism: &str, header: &str, bound: &[u8], password: &str) -> (String, String) {
    let bare = "n=anna,r=clientnonce";
    let challenge = client.say(&format!("AUTH {mechanism} {}\r\n", base64(&format!("{header}{bare}"))));
    let Some(challenge) = challenge.strip_prefix("+ ") else { return (challenge, String::new()) };
    let challenge = String::from_utf8(STANDARD.decode(challenge.trim_end()).unwrap()).unwrap();
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt, iterations) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
    let mut salted = [0; 32];
    let salt = STANDARD.decode(salt).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations.parse().unwrap(), &salt, password.as_bytes(), &mut salted);
    let without_proof = format!("c={},r={nonce}", STANDARD.encode([header.as_bytes(), bound].concat()));
    let signed = format!("{bare},{challenge},{without_proof}");
    let key = hmac(&salted, "Client Key");
    let signature = hmac(digest::digest(&digest::SHA256, &key).as_ref(), &signed);
    let proof: Vec<u8> = key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    let answer = client.say(&format!("{}\r\n", base64(&format!("{without_proof},p={}", STANDARD.encode(proof)))));
    let server = hmac(&hmac(&salted, "Server Key"), &signed);
    (answer, format!("+ {}\r\n", base64(&format!("v={}", STANDARD.encode(server)))))
}

#[test]
fn auth_scram() {
    let household = Household::new();
    for (mechanism, header, bound) in
        [("SCRAM-SHA-256", "n,,", &[][..]), ("scram-sha-256-plus", "p=tls-exporter,,", &BINDING[..])]
    {
        let mut client = household.connect(ENCRYPTED());
        let (answer, signature) = scram(&mut client, mechanism, header, bound, &household.password);
        assert_eq!(answer, signature, "the server knows the password too");
        assert_eq!(client.say("\r\nNOOP\r\n"), "+OK 0 messages (0 octets)\r\n+OK\r\n");
        let mut client = household.connect(ENCRYPTED());
        let (answer, _) = scram(&mut client, mechanism, header, bound, "wrong");
        assert_eq!(answer, "(300ms)\r\n-ERR [AUTH] wrong name or password\r\n");
    }
    let mut client = household.connect(ENCRYPTED());
    let (answer, _) = scram(&mut client, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[8; 32], &household.password);
    assert_eq!(answer, "(300ms)\r\n-ERR [AUTH] wrong name or password\r\n", "somebody in the middle");
}

#[test]
fn scram_is_over_only_with_the_empty_response() {
    let household = Household::new();
    for (last, answer) in [
        ("*", "-ERR AUTH cancelled\r\n"),
        ("eA==", "-ERR an empty response was expected\r\n"),
        ("?", "-ERR this is not base64\r\n"),
    ] {
        let mut client = household.connect(ENCRYPTED());
        scram(&mut client, "SCRAM-SHA-256", "n,,", &[], &household.password);
        assert_eq!(client.session.account(), None);
        assert_eq!(client.say(&format!("{last}\r\nNOOP\r\n")), format!("{answer}-ERR log in first\r\n"));
    }
}

#[test]
fn the_session_says_whose_it_is() {
    let household = Household::new();
    assert_eq!(household.connect(ENCRYPTED()).session.account(), None);
    assert_eq!(household.log_in().session.account(), Some(AccountId(1)));
}
