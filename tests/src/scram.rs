//! The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 9266).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// One exchange.
#[derive(Debug)]
pub struct Scram {
    password: String,
    /// The GS2 header, and what the channel is bound to.
    header: &'static str,
    bound: Vec<u8>,
    bare: String,
    /// What the server must say in the end.
    signature: String,
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

impl Scram {
    /// For this user; with an exporter of the TLS connection the login is bound to it.
    pub fn new(user: &str, password: &str, exporter: Option<[u8; 32]>) -> Scram {
        let header = if exporter.is_some() { "p=tls-exporter,," } else { "n,," };
        // A nonce for tests: it need not be random, but it must come back longer.
        let bare = format!("n={user},r=a-nonce-of-the-tests");
        let bound = [header.as_bytes(), exporter.as_ref().map_or(&[][..], |e| &e[..])].concat();
        Scram { password: password.to_owned(), header, bound, bare, signature: String::new() }
    }

    /// The client's first message.
    pub fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// The client's last message, in answer to the server's first.
    pub fn last(&mut self, challenge: &str) -> Result<String, String> {
        let fault = || format!("a wrong challenge: {challenge}");
        let field = |name| challenge.split(',').find_map(|field: &str| field.strip_prefix(name)).ok_or_else(fault);
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        let own = self.bare.split_once(",r=").map_or("", |(_, nonce)| nonce);
        if !nonce.starts_with(own) || nonce.len() == own.len() {
            return Err(fault());
        }
        let salt = STANDARD.decode(salt).map_err(|_| fault())?;
        let rounds: NonZeroU32 = rounds.parse().map_err(|_| fault())?;
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, self.password.as_bytes(), &mut salted);
        let unproven = format!("c={},r={nonce}", STANDARD.encode(&self.bound));
        let signed = format!("{},{challenge},{unproven}", self.bare);
        let key = mac(&salted, b"Client Key");
        let signature = mac(digest::digest(&digest::SHA256, &key).as_ref(), signed.as_bytes());
        let proof: Vec<u8> = key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        self.signature = STANDARD.encode(mac(&mac(&salted, b"Server Key"), signed.as_bytes()));
        Ok(format!("{unproven},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server knows the password too.
    pub fn check(&self, last: &str) -> Result<(), String> {
        if last == format!("v={}", self.signature) { Ok(()) } else { Err(format!("a wrong signature: {last}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677() {
        let mut client = Scram::new("user", "pencil", None);
        client.bare = "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned();
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = client.last(challenge).unwrap();
        assert!(last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{last}");
        client.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(client.last("r=other,s=AAAA,i=1").is_err() && client.check("v=").is_err());
    }
}
