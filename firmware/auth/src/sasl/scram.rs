//! The messages of SCRAM-SHA-256 (RFC 5802 §5-7, RFC 7677) and what the server computes from them.

use super::ChannelBinding;
use crate::limits;
use crate::password::{self, ScramKeys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `client-first-message`, parsed.
#[derive(Debug)]
pub(super) struct First {
    flag: Flag,
    authzid: String,
    pub(super) user: String,
    nonce: String,
    /// `gs2-header`, as it came: the client repeats it in its final message.
    header: String,
    /// `client-first-message-bare`, part of what is signed.
    bare: String,
}

/// `gs2-cbind-flag`
#[derive(Debug, PartialEq, Eq)]
enum Flag {
    /// The client does not bind channels.
    No,
    /// It would, but believes that the server does not.
    ServerDoesNot,
    /// It does, with the binding of this name.
    Yes(String),
}

/// Why a first message does not fit the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BindingError {
    /// Flag and mechanism contradict each other.
    Malformed,
    /// Somebody removed -PLUS from the list the client saw, or a binding that this connection does not have.
    Refused,
}

/// The exchange after `server-first-message`.
#[derive(Debug)]
pub(super) struct Challenged {
    pub(super) user: String,
    pub(super) authzid: String,
    /// What the decoded `c=` must be: header and channel binding data.
    bound: Vec<u8>,
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
    /// `client-first-message-bare "," server-first-message ","`
    signed: String,
}

/// `client-final-message`, parsed.
#[derive(Debug)]
pub(super) struct Final {
    bound: Vec<u8>,
    proof: [u8; 32],
    without_proof: String,
}

/// A server nonce: 144 random bits.
pub(super) fn nonce() -> String {
    STANDARD.encode(password::random::<18>())
}

impl First {
    pub(super) fn parse(message: &str) -> Option<First> {
        let (flag, rest) = message.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let header = &message[..message.len() - bare.len()];
        let mut attributes = bare.split(',');
        // An extension the server would have to know (`m=`) comes before `n=`, and is none of those that exist.
        let user = sasl_name(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let printable = nonce.bytes().all(|b| b.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > limits::SCRAM_NONCE || !printable || !attributes.all(is_attribute) {
            return None;
        }
        Some(First {
            flag: Flag::parse(flag)?,
            authzid: if authzid.is_empty() { String::new() } else { sasl_name(authzid.strip_prefix("a=")?)? },
            user,
            nonce: nonce.to_owned(),
            header: header.to_owned(),
            bare: bare.to_owned(),
        })
    }

    /// The channel binding data this client must prove to see; empty without channel binding (RFC 5802 §6).
    pub(super) fn binding(&self, plus: bool, announced: bool, tls: &ChannelBinding) -> Result<Vec<u8>, BindingError> {
        match (&self.flag, plus) {
            (Flag::Yes(name), true) => match name.as_str() {
                "tls-exporter" => tls.tls_exporter,
                "tls-server-end-point" => tls.tls_server_end_point,
                _ => None,
            }
            .map(|data| data.to_vec())
            .ok_or(BindingError::Refused),
            (Flag::ServerDoesNot, false) if announced => Err(BindingError::Refused),
            (Flag::No | Flag::ServerDoesNot, false) => Ok(Vec::new()),
            (Flag::Yes(_), false) | (Flag::No | Flag::ServerDoesNot, true) => Err(BindingError::Malformed),
        }
    }

    /// `server-first-message`, and what to remember until the client answers.
    pub(super) fn challenge(
        self,
        binding: Vec<u8>,
        nonce: &str,
        salt: &[u8],
        iterations: u32,
    ) -> (Challenged, Vec<u8>) {
        let nonce = format!("{}{nonce}", self.nonce);
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        let challenged = Challenged {
            user: self.user,
            authzid: self.authzid,
            bound: [self.header.into_bytes(), binding].concat(),
            nonce,
            salt: salt.to_vec(),
            iterations,
            signed: format!("{},{server_first},", self.bare),
        };
        (challenged, server_first.into_bytes())
    }
}

impl Challenged {
    pub(super) fn parse_final(&self, message: &str) -> Option<Final> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let bound = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if nonce != self.nonce || !attributes.all(is_attribute) {
            return None;
        }
        let proof = STANDARD.decode(proof).ok()?.try_into().ok()?;
        Some(Final { bound, proof, without_proof: without_proof.to_owned() })
    }

    /// `server-final-message` if the client knows the password of one of these devices (RFC 5802 §3).
    pub(super) fn verify(&self, last: &Final, devices: &[ScramKeys]) -> Option<Vec<u8>> {
        let signed = format!("{}{}", self.signed, last.without_proof);
        let usable = |keys: &&ScramKeys| keys.salt == self.salt && keys.iterations == self.iterations;
        let matches = |keys: &&ScramKeys| {
            let signature = password::hmac_sha256(&keys.stored_key, signed.as_bytes());
            let client_key: [u8; 32] = std::array::from_fn(|at| last.proof[at] ^ signature[at]);
            password::same(&password::sha256(&client_key), &keys.stored_key)
        };
        let device = devices.iter().filter(usable).find(matches)?;
        // Another binding than ours: somebody sits between the client and us.
        if last.bound != self.bound {
            return None;
        }
        let signature = password::hmac_sha256(&device.server_key, signed.as_bytes());
        Some(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}

impl Flag {
    fn parse(text: &str) -> Option<Flag> {
        match text {
            "n" => Some(Flag::No),
            "y" => Some(Flag::ServerDoesNot),
            _ => {
                let name = text.strip_prefix("p=")?;
                let possible = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
                (!name.is_empty() && name.bytes().all(possible)).then(|| Flag::Yes(name.to_owned()))
            }
        }
    }
}

/// `saslname`: `=2C` is a comma and `=3D` an equals sign; no other `=` is possible. Not empty.
fn sasl_name(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut pieces = text.split('=');
    name.push_str(pieces.next()?);
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(2)?;
        name.push(match escape {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    (!name.is_empty()).then_some(name)
}

/// `attr-val` of an extension, which is ignored.
fn is_attribute(text: &str) -> bool {
    matches!(text.as_bytes(), [name, b'=', _, ..] if name.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

    fn device(password: &str) -> ScramKeys {
        ScramKeys::derive(password, &STANDARD.decode(SALT).unwrap(), NonZeroU32::new(4096).unwrap())
    }

    fn challenged(first: &str) -> (Challenged, String) {
        let first = First::parse(first).unwrap();
        let binding = first.binding(false, false, &ChannelBinding::default()).unwrap();
        let (challenged, challenge) = first.challenge(binding, SERVER_NONCE, &STANDARD.decode(SALT).unwrap(), 4096);
        (challenged, String::from_utf8(challenge).unwrap())
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn the_example_of_the_rfc() {
        let (challenged, challenge) = challenged(&format!("n,,n=user,r={CLIENT_NONCE}"));
        assert_eq!(challenge, format!("r={CLIENT_NONCE}{SERVER_NONCE},s={SALT},i=4096"));
        assert_eq!(challenged.user, "user");
        let last = format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let last = challenged.parse_final(&last).unwrap();
        let devices = [device("another device"), device("pencil")];
        let server = challenged.verify(&last, &devices).unwrap();
        assert_eq!(server, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(challenged.verify(&last, &[device("another device")]), None);
        let other_salt = ScramKeys { salt: vec![1; 16], ..device("pencil") };
        assert_eq!(challenged.verify(&last, &[other_salt]), None);
        assert_eq!(challenged.verify(&last, &[]), None);
    }

    #[test]
    fn a_final_message_must_answer_this_challenge() {
        let (challenged, _) = challenged(&format!("n,,n=user,r={CLIENT_NONCE}"));
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
        for stray in [
            format!("c=biws,r={CLIENT_NONCE},p={proof}"),
            format!("c=biws,r={nonce}x,p={proof}"),
            format!("c=biws,p={proof}"),
            format!("r={nonce},c=biws,p={proof}"),
            format!("c=b iws,r={nonce},p={proof}"),
            format!("c=biws,r={nonce},p={}", &proof[4..]),
            format!("c=biws,r={nonce},p={proof},x=y"),
            format!("c=biws,r={nonce},?,p={proof}"),
            format!("c=biws,r={nonce}"),
            String::new(),
        ] {
            assert!(challenged.parse_final(&stray).is_none(), "{stray}");
        }
        let other_header = challenged.parse_final(&format!("c=eSws,r={nonce},p={proof}")).unwrap();
        assert_eq!(challenged.verify(&other_header, &[device("pencil")]), None);
    }

    #[test]
    fn first_messages() {
        let first = First::parse("p=tls-exporter,a=me=3Dme,n=a=2Cb=3D,r=x,t=ignored").unwrap();
        assert_eq!((first.authzid.as_str(), first.user.as_str(), first.nonce.as_str()), ("me=me", "a,b=", "x"));
        assert_eq!(
            (first.header.as_str(), first.flag),
            ("p=tls-exporter,a=me=3Dme,", Flag::Yes("tls-exporter".into()))
        );
        let long = format!("n,,n=u,r={}", "x".repeat(limits::SCRAM_NONCE + 1));
        for stray in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=u",
            "n,,n=u,",
            "n,,n=u,r=",
            "n,,r=x,n=u",
            "n,,n=,r=x",
            "n,,m=x,n=u,r=x",
            "x,,n=u,r=x",
            "p=,,n=u,r=x",
            "p=tls exporter,,n=u,r=x",
            "n,u,n=u,r=x",
            "n,a=,n=u,r=x",
            "n,,n=u=,r=x",
            "n,,n=u=2,r=x",
            "n,,n=u=2c,r=x",
            "n,,n=u=\u{fc},r=x",
            "n,,n=u,r=x y",
            "n,,n=u,r=x\u{fc}",
            "n,,n=u,r=x,",
            "n,,n=u,r=x,yz",
            "N,,n=u,r=x",
            &long,
        ] {
            assert!(First::parse(stray).is_none(), "{stray}");
        }
    }

    #[test]
    fn channel_binding_is_what_the_connection_has() {
        let tls = ChannelBinding { tls_exporter: Some([1; 32]), tls_server_end_point: Some([2; 32]) };
        let tls12 = ChannelBinding { tls_exporter: None, ..tls.clone() };
        let binding = |flag: &str, plus, announced, tls: &ChannelBinding| {
            First::parse(&format!("{flag},,n=u,r=x")).unwrap().binding(plus, announced, tls)
        };
        assert_eq!(binding("p=tls-exporter", true, true, &tls), Ok(vec![1; 32]));
        assert_eq!(binding("p=tls-server-end-point", true, true, &tls), Ok(vec![2; 32]));
        assert_eq!(binding("p=tls-exporter", true, true, &tls12), Err(BindingError::Refused));
        assert_eq!(binding("p=tls-unique", true, true, &tls), Err(BindingError::Refused));
        assert_eq!(binding("n", false, true, &tls), Ok(vec![]));
        assert_eq!(binding("y", false, false, &tls), Ok(vec![]));
        assert_eq!(binding("y", false, true, &tls), Err(BindingError::Refused), "downgraded");
        for (flag, plus) in [("n", true), ("y", true), ("p=tls-exporter", false)] {
            assert_eq!(binding(flag, plus, true, &tls), Err(BindingError::Malformed), "{flag}");
        }
    }
}
