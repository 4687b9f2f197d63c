//! Verifiers: Argon2id for chosen passwords, SCRAM-SHA-256 keys (RFC 5802, RFC 7677) and SHA-256 for random ones.

use serde::{Deserialize, Serialize};

/// An Argon2id hash in PHC string form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(String);

/// SCRAM-SHA-256 stored keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl PasswordHash {
    /// Hashes a chosen password: at least 8 characters, at most `limits::PASSWORD` octets.
    pub fn new(_password: &str) -> Result<PasswordHash, PasswordError> {
        todo!()
    }
    /// Whether it is the password. Takes tens of milliseconds and about 19 MiB; at most two run at a time in a process.
    pub fn verify(&self, _password: &str) -> bool {
        todo!()
    }
}
