//! AUTH (RFC 4954) in all its forms.

use super::*;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

fn client() -> Talk {
    let mut talk = Talk::new(Role::Submission, Security::Tls(binding()));
    talk.send(b"EHLO laptop\r\n");
    talk
}

fn base64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

fn plain() -> String {
    base64(format!("\0anna@home.example\0{}", anna().1))
}

#[test]
fn plain_at_once_and_when_asked() {
    let mut talk = client();
    talk.check(&format!(
        "> auth plain {}\n< 235 2.7.0 Logged in\n> AUTH PLAIN\n< 503 5.5.1 You are logged in already",
        plain()
    ));
    let mut talk = client();
    talk.check(&format!("> AUTH PLAIN\n< 334 \n> {}\n< 235 2.7.0 Logged in", plain()));
    talk.envelope();
    talk.check("> AUTH PLAIN\n< 503 5.5.1 Not while a message is on its way");
}

/// Outlook sends the name with the command.
#[test]
fn login_with_and_without_the_name() {
    let password = base64(&anna().1);
    let name = base64("anna@home.example");
    let script = format!("> {name}\n< 334 UGFzc3dvcmQ6\n> {password}\n< 235 2.7.0 Logged in");
    client().check(&format!("> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n{script}"));
    client().check(&format!("> AUTH LOGIN {name}\n< 334 UGFzc3dvcmQ6\n> {password}\n< 235 2.7.0 Logged in"));
    client().check("> AUTH LOGIN dXNlcg==\n< 334 UGFzc3dvcmQ6\n> *\n< 501 5.7.0 The login is cancelled");
}

#[test]
fn cancelled_and_malformed() {
    let mut talk = client();
    talk.check(
        "> AUTH PLAIN
         < 334 
         > *
         < 501 5.7.0 The login is cancelled
         > AUTH PLAIN ***
         < 501 5.5.2 The answer is no base64
         > AUTH PLAIN
         < 334 
         > no base64
         < 501 5.5.2 The answer is no base64
         > AUTH PLAIN =
         < 501 5.5.2 The answer is malformed
         > AUTH PLAIN QQ==
         < 501 5.5.2 The answer is malformed
         > AUTH
         < 501 5.5.4 Say AUTH with a mechanism and at most one answer
         > AUTH PLAIN a b
         < 501 5.5.4 Say AUTH with a mechanism and at most one answer
         > AUTH CRAM-MD5
         < 504 5.5.4 That mechanism is not on offer
         > AUTH LOGIN
         < 334 VXNlcm5hbWU6",
    );
    let long = format!("{}\r\nNOOP\r\n", "A".repeat(limits::AUTH_LINE));
    assert_eq!(talk.send(long.as_bytes()), "500 5.5.6 The answer is too long\r\n250 2.0.0 Still here\r\n");
    assert_eq!(talk.delays, 0);
}

#[test]
fn wrong_passwords_are_slow_and_few() {
    let mut talk = client();
    let wrong = format!("AUTH PLAIN {}\r\n", base64("\0anna@home.example\0wrong"));
    for n in 1..limits::FAILED_LOGINS as usize {
        // What was sent ahead is answered after the wait.
        let answer = talk.send(format!("{wrong}NOOP\r\n").as_bytes());
        assert_eq!(answer, "535 5.7.8 Wrong name or password\r\n250 2.0.0 Still here\r\n");
        assert_eq!(talk.delays, n);
    }
    let answer = talk.send(format!("{wrong}NOOP\r\n").as_bytes());
    let last = "535 5.7.8 Wrong name or password\r\n421 4.7.0 Too many failed logins, closing the connection\r\n";
    assert_eq!(answer, last);
    assert!(talk.closed);
}

#[test]
fn a_wrong_password_is_told_only_after_the_wait() {
    let mut talk = client();
    let mut out = Vec::new();
    let wrong = format!("AUTH PLAIN {}\r\n", base64("\0nobody@home.example\0wrong"));
    let next = talk.session.receive(wrong.as_bytes(), now(), &mut out);
    assert!(matches!(next, Next::Delay(d) if d > Duration::ZERO), "{next:?}");
    assert_eq!(talk.session.resume(now(), &mut out), Next::Read);
    assert_eq!(talk.session.account(), None);
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The client's side of RFC 5802 §3: the last message, from the server's first.
fn scram_final(gs2: &str, bound: &[u8], first_bare: &str, server_first: &str, password: &str) -> String {
    let field = |key: &str| server_first.split(',').find_map(|f| f.strip_prefix(key)).unwrap();
    let iterations: NonZeroU32 = field("i=").parse().unwrap();
    let salt = STANDARD.decode(field("s=")).unwrap();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let client_key = keyed(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let channel = base64([gs2.as_bytes(), bound].concat());
    let without_proof = format!("c={channel},r={}", field("r="));
    let signature = keyed(stored_key.as_ref(), &format!("{first_bare},{server_first},{without_proof}"));
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, s)| key ^ s).collect();
    format!("{without_proof},p={}", base64(proof))
}

/// Logs in; answers the session before the client's empty last line.
fn scram(mechanism: &str, gs2: &str, bound: &[u8], password: &str) -> (Talk, String) {
    let mut talk = client();
    let first_bare = "n=anna@home.example,r=fyko+d2lbbFgONRv9qkxdawL";
    let challenge = talk.send(format!("AUTH {mechanism} {}\r\n", base64(format!("{gs2}{first_bare}"))).as_bytes());
    let server_first = STANDARD.decode(challenge.strip_prefix("334 ").unwrap().trim_end()).unwrap();
    let last = scram_final(gs2, bound, first_bare, str::from_utf8(&server_first).unwrap(), password);
    let answer = talk.send(format!("{}\r\n", base64(last)).as_bytes());
    (talk, answer)
}

#[test]
fn scram_with_and_without_channel_binding() {
    for (mechanism, gs2, bound) in
        [("SCRAM-SHA-256", "n,,", &[][..]), ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[7; 32][..])]
    {
        let (mut talk, answer) = scram(mechanism, gs2, bound, &anna().1);
        let words = STANDARD.decode(answer.strip_prefix("334 ").unwrap().trim_end()).unwrap();
        assert!(words.starts_with(b"v="), "{mechanism}");
        assert_eq!(talk.session.account(), None, "the login is not over yet");
        talk.check("> \n< 235 2.7.0 Logged in");
        assert_eq!(talk.session.account(), Some(AccountId(ANNA)));
    }
}

#[test]
fn scram_refused() {
    let (talk, answer) = scram("SCRAM-SHA-256", "n,,", &[], "wrong");
    assert_eq!((answer.as_str(), talk.delays), ("535 5.7.8 Wrong name or password\r\n", 1));
    let (_, answer) = scram("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[8; 32], &anna().1);
    assert!(answer.starts_with("535 ") || answer.starts_with("501 "), "another connection's binding: {answer}");
    let (mut talk, _) = scram("SCRAM-SHA-256", "n,,", &[], &anna().1);
    talk.check("> QQ==\n< 501 5.5.2 The answer had to be empty");
    assert_eq!(talk.session.account(), None);
    let (mut talk, _) = scram("SCRAM-SHA-256", "n,,", &[], &anna().1);
    talk.check("> *\n< 501 5.7.0 The login is cancelled");
    assert_eq!(talk.session.account(), None);
}

#[test]
fn a_throttled_login_is_told_from_a_wrong_password() {
    let mut talk = client();
    let context = talk.session.context.clone();
    let here = talk.session.peer.ip;
    let wrong = |n: u32| context.directory.login("anna", &format!("wrong {n}"), here, super::now());
    (0..::auth::limits::THROTTLE_PAIR).for_each(|n| drop(wrong(n)));
    let right = base64(format!("\0anna\0{}", anna().1));
    talk.check(&format!("> AUTH PLAIN {right}\n< 454 4.7.0 Too many wrong passwords, try again later"));
    assert_eq!((talk.session.account(), talk.delays), (None, 1));
}
