//! AUTHENTICATE SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) by a client of its own.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// The client's last message and the server's last words, in base64.
fn last(bare: &str, challenge: &str, bound: &[u8], password: &str) -> (String, String) {
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt) = (fields.next().unwrap(), STANDARD.decode(fields.next().unwrap()).unwrap());
    let mut salted = [0; 32];
    let rounds = fields.next().unwrap().parse().unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
    let key = mac(&salted, b"Client Key");
    let unproven = format!("c={},r={nonce}", STANDARD.encode(bound));
    let signed = format!("{bare},{challenge},{unproven}");
    let signature = mac(digest::digest(&digest::SHA256, &key).as_ref(), signed.as_bytes());
    let proof: Vec<u8> = key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    let server = format!("v={}", STANDARD.encode(mac(&mac(&salted, b"Server Key"), signed.as_bytes())));
    (STANDARD.encode(format!("{unproven},p={}", STANDARD.encode(proof))), STANDARD.encode(server))
}

/// The answer to a whole exchange, with the last words of a server that knows the password.
fn log_in(client: &str, mechanism: &str, header: &str, bound: &[u8], password: Option<&str>) -> (String, String) {
    let mut world = World::new();
    world.client(client).take();
    let password = password.map_or(world.password.clone(), str::to_owned);
    let bare = "n=anna,r=clientnonce";
    let first = STANDARD.encode(format!("{header}{bare}"));
    let reply = world.send(client, format!("a AUTHENTICATE {mechanism} {first}\r\n").as_bytes());
    let Some(challenge) = reply.strip_prefix("+ ") else { return (reply, String::new()) };
    let challenge = String::from_utf8(STANDARD.decode(challenge.trim()).unwrap()).unwrap();
    let (message, server) = last(bare, &challenge, &[header.as_bytes(), bound].concat(), &password);
    let reply = world.send(client, format!("{message}\r\n").as_bytes());
    if !reply.starts_with("+ ") {
        return (reply, server);
    }
    assert_eq!(reply, format!("+ {server}\r\n"));
    (world.send(client, b"\r\n"), server)
}

#[test]
fn without_channel_binding() {
    let (reply, _) = log_in("raw", "SCRAM-SHA-256", "n,,", b"", None);
    assert!(reply.starts_with("a OK [CAPABILITY "), "{reply}");
    let (reply, _) = log_in("raw", "SCRAM-SHA-256", "n,,", b"", Some("wrong"));
    assert_eq!(reply, "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
}

#[test]
fn with_channel_binding() {
    let (reply, _) = log_in("rawbound", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &EXPORTER, None);
    assert!(reply.starts_with("a OK [CAPABILITY "), "{reply}");
    let (reply, _) = log_in("rawbound", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[9; 32], None);
    assert_eq!(reply, "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
    let (reply, _) = log_in("raw", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &EXPORTER, None);
    assert_eq!(reply, "a NO [CANNOT] Unknown mechanism\r\n");
    let mut world = World::new();
    assert!(world.client("rawbound").take().contains(" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 "));
}

#[test]
fn the_servers_last_words_want_an_empty_answer() {
    let mut world = World::new();
    world.client("raw").take();
    let bare = "n=anna,r=clientnonce";
    let reply = world
        .send("raw", format!("a AUTHENTICATE SCRAM-SHA-256 {}\r\n", STANDARD.encode(format!("n,,{bare}"))).as_bytes());
    let challenge = String::from_utf8(STANDARD.decode(reply[2..].trim()).unwrap()).unwrap();
    let (message, _) = last(bare, &challenge, b"n,,", &world.password);
    world.send("raw", format!("{message}\r\n").as_bytes());
    assert_eq!(world.send("raw", b"eA==\r\n"), "a BAD An empty answer was expected\r\n");
    assert!(world.client("raw").session.account().is_none());
}
