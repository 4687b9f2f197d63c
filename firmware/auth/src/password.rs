//! Verifiers: Argon2id for chosen passwords, SCRAM-SHA-256 keys (RFC 5802, RFC 7677) and SHA-256 for random ones.

use crate::limits;
use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Condvar, Mutex, PoisonError};

/// An Argon2id hash in PHC string form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(String);

/// A random key of this box, kept with its accounts: what strangers are shown of accounts that do not exist is made of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

/// SCRAM-SHA-256 stored keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramKeys {
    /// Salt.
    pub salt: Vec<u8>,
    /// Iterations.
    pub iterations: u32,
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// ServerKey.
    pub server_key: [u8; 32],
}

/// Why a password cannot be set; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordError(pub &'static str);

impl Secret {
    /// A new one.
    pub fn generate() -> Secret {
        Secret(random())
    }
    /// A key made of it for this text.
    pub(crate) fn keyed(&self, text: &str) -> [u8; 32] {
        hmac_sha256(&self.0, text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl PasswordHash {
    /// Hashes a chosen password: at least 8 characters, at most `limits::PASSWORD` octets.
    pub fn new(password: &str) -> Result<PasswordHash, PasswordError> {
        if password.len() > limits::PASSWORD {
            return Err(PasswordError("The password is too long."));
        }
        let password = prepared(password);
        if password.chars().count() < limits::PASSWORD_MIN {
            return Err(PasswordError("The password has fewer than 8 characters."));
        }
        let (salt, mut hash) = (random::<16>(), [0; 32]);
        if !argon2id(&Params::DEFAULT, password.as_bytes(), &salt, &mut hash) {
            return Err(PasswordError("There is too little memory to set a password just now."));
        }
        let (memory, passes, lanes) = (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST);
        let [salt, hash] = [&salt[..], &hash].map(|octets| STANDARD_NO_PAD.encode(octets));
        Ok(PasswordHash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")))
    }
    /// Whether it is the password. Takes tens of milliseconds and about 19 MiB; at most two run at a time in a process.
    pub fn verify(&self, password: &str) -> bool {
        if password.len() > limits::PASSWORD {
            return false;
        }
        self.check(prepared(password).as_bytes()).unwrap_or(false)
    }
    /// `None` if it is no hash of ours.
    fn check(&self, password: &[u8]) -> Option<bool> {
        let hash = phc::PasswordHash::new(&self.0).ok().filter(|hash| hash.algorithm == ARGON2ID_IDENT)?;
        let (params, salt, expected) = (Params::try_from(&hash).ok()?, hash.salt?, hash.hash?);
        let mut found = vec![0; expected.len()];
        let ran = hash.version == Some(Version::V0x13.into()) && argon2id(&params, password, salt.as_ref(), &mut found);
        // Outputs are compared without telling by the time where they differ.
        Some(ran && phc::Output::new(&found).ok()? == expected)
    }
    /// The PHC string, to bind what is remembered about a password to the very hash it was checked against.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes as long as [`PasswordHash::verify`], for accounts that do not exist or have no such password.
pub(crate) fn pretend_to_verify(password: &str) {
    let mut out = [0; 32];
    let ran = argon2id(&Params::DEFAULT, prepared(password).as_bytes(), &[0; 16], &mut out);
    std::hint::black_box((ran, out));
}

/// One run of Argon2id; whether there was memory for it. Its blocks are asked for in one piece larger than allocators keep
/// for later (the C library of a PC keeps up to 32 MiB per thread, and so a run's memory for every thread that ever ran one);
/// what is not used of it is never touched and costs nothing.
fn argon2id(params: &Params, password: &[u8], salt: &[u8], out: &mut [u8]) -> bool {
    let _slot = Slot::take();
    let mut blocks: Vec<Block> = Vec::new();
    if blocks.try_reserve_exact(params.block_count().max(limits::ARGON2_BLOCKS)).is_err() {
        return false;
    }
    blocks.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into_with_memory(password, salt, out, &mut blocks).is_ok()
}

impl ScramKeys {
    /// The keys of a password (RFC 5802 §3). Cheap enough only for `iterations` of our own choice.
    pub(crate) fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> ScramKeys {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared(password).as_bytes(), &mut salted);
        ScramKeys {
            salt: salt.to_vec(),
            iterations: iterations.get(),
            stored_key: sha256(&hmac_sha256(&salted, b"Client Key")),
            server_key: hmac_sha256(&salted, b"Server Key"),
        }
    }
}

/// SASLprep (RFC 4013), so that the same word typed on different keyboards is the same password. What SASLprep forbids
/// stays as it is: it is somebody's password all the same.
pub(crate) fn prepared(text: &str) -> Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    octets(digest::digest(&digest::SHA256, data).as_ref())
}

pub(crate) fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    octets(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

fn octets(of: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(of);
    out
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (x, y)| std::hint::black_box(all | (x ^ y)));
    std::hint::black_box(difference) == 0
}

/// Random octets from the system.
#[expect(
    clippy::expect_used,
    reason = "without randomness from the system nothing safe can be made; the supervisor restarts"
)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).expect("the system gives random octets");
    octets
}

/// One of the few places where Argon2 may run: memory on the board is small.
struct Slot;

static SLOTS: (Mutex<u32>, Condvar) = (Mutex::new(limits::ARGON2_AT_ONCE), Condvar::new());

impl Slot {
    fn take() -> Slot {
        let free = SLOTS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = SLOTS.1.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        #[cfg(test)]
        RUNS.with(|runs| runs.set(runs.get() + 1));
        Slot
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *SLOTS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        SLOTS.1.notify_one();
    }
}

#[cfg(test)]
thread_local! {
    /// Argon2 runs of this thread: what the tests hold instead of a clock.
    pub(crate) static RUNS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(..)")
    }
}
impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the test suite of the reference implementation.
    #[test]
    fn hashes_of_others_are_understood() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(PasswordHash(text.into()).verify("password"));
        for wrong in
            ["$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "", "$argon2id$"]
        {
            assert!(!PasswordHash(wrong.into()).verify("password"), "{wrong}");
        }
    }

    #[test]
    fn a_chosen_password_is_argon2id_and_salted() {
        let hash = PasswordHash::new("correct horse").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(hash.verify("correct horse"));
        assert!(!hash.verify("correct horsf"));
        assert_ne!(PasswordHash::new("correct horse").unwrap(), hash);
        assert!(!format!("{hash:?}").contains("argon2"));
    }

    #[test]
    fn a_password_is_the_same_from_every_keyboard() {
        let hash = PasswordHash::new("pa\u{00df} gr\u{00fc}n 8").unwrap();
        assert!(hash.verify("pa\u{00df} gru\u{0308}n\u{00a0}8"));
        assert!(!hash.verify("pass gr\u{00fc}n 8"));
    }

    #[test]
    fn short_and_long_passwords_are_refused_before_hashing() {
        let before = RUNS.get();
        assert!(PasswordHash::new("1234567").is_err());
        assert!(PasswordHash::new("\u{fc}\u{fc}\u{fc}\u{fc}").is_err(), "characters count, not octets");
        assert!(PasswordHash::new(&"a".repeat(limits::PASSWORD + 1)).is_err());
        assert_eq!(RUNS.get(), before);
        let hash = PasswordHash::new(&"a".repeat(limits::PASSWORD)).unwrap();
        assert!(!hash.verify(&"a".repeat(limits::PASSWORD + 1)));
    }

    #[test]
    fn a_damaged_hash_verifies_nothing() {
        assert!(!PasswordHash(String::new()).verify("password"));
        assert!(!PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$AAAA".into()).verify("password"));
    }

    #[test]
    fn argon2_runs_on_more_threads_than_slots() {
        let done = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| pretend_to_verify("x"))).collect();
            runs.into_iter().map(|run| run.join()).filter(Result::is_ok).count()
        });
        assert_eq!(done, 4);
    }

    #[test]
    fn comparison_finds_every_difference() {
        let a = sha256(b"a");
        assert!(same(&a, &a));
        for bit in 0..256 {
            let mut b = a;
            b[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&a, &b));
        }
    }
}
