//! Tests of the exchanges, with a small SCRAM client of their own.

use super::*;
use crate::account::AccountId;
use crate::address::Address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use std::num::NonZeroU32;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn tls() -> ChannelBinding {
    ChannelBinding { tls_exporter: Some([7; 32]), tls_server_end_point: Some([8; 32]) }
}

/// A directory with anna (two devices) and ben (none), and anna's passwords.
fn household() -> (Arc<Directory>, [String; 2]) {
    let account = |id, address| Account {
        id: AccountId(id),
        address: Address::parse(address).unwrap(),
        aliases: Vec::new(),
        name: "".into(),
        password: None,
        password_for_mail: false,
        app_passwords: Vec::new(),
    };
    let mut anna = account(1, "anna@example.org");
    anna.aliases.push(Address::parse("info@example.org").unwrap());
    let passwords = ["phone", "laptop"].map(|device| anna.add_app_password(device, 0).unwrap());
    let directory = Directory::new();
    directory.replace(vec![anna, account(2, "ben@example.org")], vec![]);
    (Arc::new(directory), passwords)
}

fn start(directory: &Arc<Directory>, mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
    Exchange::start(mechanism, initial, directory, &tls(), PEER, NOW)
}

/// One word per outcome.
fn word(step: &Step) -> &'static str {
    match step {
        Step::Challenge(_) => "challenge",
        Step::Accepted { account, .. } if account.id.0 == 1 => "anna",
        Step::Accepted { .. } => "somebody",
        Step::Refused { .. } => "refused",
        Step::Throttled { .. } => "throttled",
        Step::Malformed => "malformed",
    }
}

fn challenge(step: Step) -> String {
    match step {
        Step::Challenge(challenge) => String::from_utf8(challenge).unwrap(),
        step => panic!("{step:?}"),
    }
}

#[test]
fn names_of_mechanisms() {
    for mechanism in Mechanism::offered(&tls()) {
        assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
    }
    for name in ["", "CRAM-MD5", "PLAIN ", "SCRAM-SHA-256-PLUS-PLUS"] {
        assert_eq!(Mechanism::parse(name), None, "{name}");
    }
}

#[test]
fn plain() {
    let (directory, [password, _]) = household();
    let outcome = |message: &str| {
        let message = message.replace('|', "\0").replace("PW", &password);
        let at_once = word(&start(&directory, Mechanism::Plain, Some(message.as_bytes())).1);
        let (mut exchange, first) = start(&directory, Mechanism::Plain, None);
        assert_eq!(challenge(first), "");
        assert_eq!(word(&exchange.step(message.as_bytes(), NOW)), at_once, "{message}");
        assert_eq!(word(&exchange.step(message.as_bytes(), NOW)), "malformed", "it is over");
        at_once
    };
    for right in ["|anna|PW", "|anna@example.org|PW", "anna|anna|PW", "info@example.org|anna|PW"] {
        assert_eq!(outcome(right), "anna", "{right}");
    }
    for wrong in ["|anna|PWx", "|ghost|PW", "ben|anna|PW", "ghost|anna|PW", "|ben|PW"] {
        assert_eq!(outcome(wrong), "refused", "{wrong}");
    }
    for stray in ["", "|", "||", "anna|PW", "||PW", "|anna|", "|anna|PW|", "|anna|PW|x"] {
        assert_eq!(outcome(stray), "malformed", "{stray}");
    }
    assert_eq!(word(&start(&directory, Mechanism::Plain, Some(b"\0anna\0\xff")).1), "malformed");
    let long = [b"\0anna\0".to_vec(), vec![b'x'; limits::SASL_MESSAGE]].concat();
    assert_eq!(word(&start(&directory, Mechanism::Plain, Some(&long)).1), "malformed");
}

#[test]
fn login() {
    let (directory, [password, _]) = household();
    let (mut exchange, first) = start(&directory, Mechanism::Login, None);
    assert_eq!(challenge(first), "Username:");
    assert_eq!(challenge(exchange.step(b"anna", NOW)), "Password:");
    assert_eq!(word(&exchange.step(password.as_bytes(), NOW)), "anna");
    let (mut exchange, first) = start(&directory, Mechanism::Login, Some(b"anna"));
    assert_eq!(challenge(first), "Password:");
    assert_eq!(word(&exchange.step(b"wrong", NOW)), "refused");
    assert_eq!(word(&exchange.step(password.as_bytes(), NOW)), "malformed");
    assert_eq!(word(&start(&directory, Mechanism::Login, Some(b"")).1), "malformed");
    let (mut exchange, _) = start(&directory, Mechanism::Login, Some(b"anna"));
    assert_eq!(word(&exchange.step(b"", NOW)), "malformed");
}

/// The client's final message for a password (RFC 5802 §3), and the signature the server must answer with.
fn client_final(bare: &str, challenge: &str, bound: &[u8], password: &str) -> (String, String) {
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt, iterations) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
    let (salt, iterations) = (STANDARD.decode(salt).unwrap(), iterations.parse::<NonZeroU32>().unwrap());
    let mut salted = [0; 32];
    let algorithm = ring::pbkdf2::PBKDF2_HMAC_SHA256;
    ring::pbkdf2::derive(algorithm, iterations, &salt, password.as_bytes(), &mut salted);
    let client_key = password::hmac_sha256(&salted, b"Client Key");
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
    let signed = format!("{bare},{challenge},{without_proof}");
    let signature = password::hmac_sha256(&password::sha256(&client_key), signed.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    let server = password::hmac_sha256(&password::hmac_sha256(&salted, b"Server Key"), signed.as_bytes());
    (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(server)))
}

/// A whole exchange; `bound` is what the client believes the channel binding data to be.
fn scram(
    directory: &Arc<Directory>,
    mechanism: Mechanism,
    header: &str,
    user: &str,
    bound: &[u8],
    pass: &str,
) -> String {
    let bare = format!("n={user},r=clientnonce");
    let (mut exchange, first) = start(directory, mechanism, Some(format!("{header}{bare}").as_bytes()));
    let Step::Challenge(challenge) = first else { return word(&first).to_owned() };
    let bound = [header.as_bytes(), bound].concat();
    let (last, server) = client_final(&bare, std::str::from_utf8(&challenge).unwrap(), &bound, pass);
    match exchange.step(last.as_bytes(), NOW) {
        Step::Accepted { account, data } => {
            assert_eq!(data, Some(server.into_bytes()));
            account.address.to_string()
        }
        step => word(&step).to_owned(),
    }
}

#[test]
fn scram_accepts_every_device() {
    let (directory, passwords) = household();
    for password in &passwords {
        for user in ["anna", "anna@example.org", "info@example.org"] {
            assert_eq!(scram(&directory, Mechanism::ScramSha256, "n,,", user, b"", password), "anna@example.org");
        }
    }
    let answer = |header, user, password| scram(&directory, Mechanism::ScramSha256, header, user, b"", password);
    assert_eq!(answer("n,,", "anna", "wrong"), "refused");
    assert_eq!(answer("n,,", "ben", &passwords[0]), "refused");
    assert_eq!(answer("n,,", "ghost", &passwords[0]), "refused");
    assert_eq!(answer("n,a=info@example.org,", "anna", &passwords[0]), "anna@example.org");
    assert_eq!(answer("n,a=ben,", "anna", &passwords[0]), "refused", "nobody acts for somebody else");
    assert_eq!(answer("y,,", "anna", &passwords[0]), "refused", "-PLUS was announced");
    assert_eq!(answer("p=tls-exporter,,", "anna", &passwords[0]), "malformed");
}

#[test]
fn scram_plus_binds_the_channel() {
    let (directory, [password, _]) = household();
    let answer = |header, bound: &[u8]| scram(&directory, Mechanism::ScramSha256Plus, header, "anna", bound, &password);
    assert_eq!(answer("p=tls-exporter,,", &[7; 32]), "anna@example.org");
    assert_eq!(answer("p=tls-server-end-point,,", &[8; 32]), "anna@example.org");
    assert_eq!(answer("p=tls-exporter,,", &[9; 32]), "refused", "another connection");
    assert_eq!(answer("p=tls-exporter,,", b""), "refused");
    assert_eq!(answer("p=tls-unique,,", &[7; 32]), "refused");
    assert_eq!(answer("n,,", b""), "malformed");
    assert_eq!(answer("y,,", b""), "malformed");
}

#[test]
fn scram_without_initial_response_begins_with_an_empty_challenge() {
    let (directory, [password, _]) = household();
    let (mut exchange, first) = start(&directory, Mechanism::ScramSha256, None);
    assert_eq!(challenge(first), "");
    let challenge = challenge(exchange.step(b"n,,n=anna,r=x", NOW));
    assert!(challenge.starts_with("r=x") && challenge.ends_with(",i=4096"), "{challenge}");
    let (last, _) = client_final("n=anna,r=x", &challenge, b"n,,", &password);
    assert_eq!(word(&exchange.step(last.as_bytes(), NOW)), "anna");
    assert_eq!(word(&exchange.step(last.as_bytes(), NOW)), "malformed", "it is over");
}

#[test]
fn a_replayed_final_message_is_not_accepted() {
    let (directory, [password, _]) = household();
    let (mut exchange, first) = start(&directory, Mechanism::ScramSha256, Some(b"n,,n=anna,r=x"));
    let (last, _) = client_final("n=anna,r=x", &challenge(first), b"n,,", &password);
    assert_eq!(word(&exchange.step(last.as_bytes(), NOW)), "anna");
    let (mut exchange, first) = start(&directory, Mechanism::ScramSha256, Some(b"n,,n=anna,r=x"));
    assert_eq!(word(&first), "challenge");
    assert_eq!(word(&exchange.step(last.as_bytes(), NOW)), "malformed");
}

#[test]
fn a_device_removed_during_the_exchange_stays_out() {
    let (directory, [password, _]) = household();
    let (mut exchange, first) = start(&directory, Mechanism::ScramSha256, Some(b"n,,n=anna,r=x"));
    let (last, _) = client_final("n=anna,r=x", &challenge(first), b"n,,", &password);
    let mut anna = Account::clone(&directory.account(AccountId(1)).unwrap());
    anna.app_passwords.remove(0);
    directory.replace(vec![anna], vec![]);
    assert_eq!(word(&exchange.step(last.as_bytes(), NOW)), "refused");
}

#[test]
fn scram_failures_are_throttled_like_others() {
    let (directory, [password, _]) = household();
    for _ in 0..limits::THROTTLE_PAIR {
        assert_eq!(scram(&directory, Mechanism::ScramSha256, "n,,", "anna", b"", "wrong"), "refused");
    }
    assert_eq!(scram(&directory, Mechanism::ScramSha256, "n,,", "anna", b"", &password), "throttled");
    let plain = format!("\0anna\0{password}");
    assert_eq!(word(&start(&directory, Mechanism::Plain, Some(plain.as_bytes())).1), "throttled");
    assert!(matches!(directory.login("anna", &password, PEER, NOW), Login::Throttled { .. }));
}

proptest! {
    #[test]
    fn stray_messages_never_panic(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..4), which in 0..4usize) {
        let directory = Arc::new(Directory::new());
        let mechanism = Mechanism::offered(&tls())[which];
        let (mut exchange, _) = start(&directory, mechanism, None);
        for message in messages {
            let _ = exchange.step(&message, NOW);
        }
    }
    #[test]
    fn stray_scram_texts_never_panic(text in "[nyp=,ar\\-tls\u{fc}]{0,40}") {
        let directory = Arc::new(Directory::new());
        let _ = start(&directory, Mechanism::ScramSha256Plus, Some(text.as_bytes()));
    }
}
