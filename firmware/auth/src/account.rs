//! The records of accounts and their credentials, as `settings` keeps them.

use crate::address::Address;
use crate::password::{PasswordHash, ScramKeys};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Number of an account; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountId(pub u32);

/// One person's (or machine's) account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its main address, also its login name.
    pub address: Address,
    /// Further addresses it receives for and may send from.
    #[serde(default)]
    pub aliases: Vec<Address>,
    /// The person's name, for the pages and device profiles.
    #[serde(default)]
    pub name: SmolStr,
    /// A password the person chose (Argon2id), if any.
    #[serde(default)]
    pub password: Option<PasswordHash>,
    /// Whether mail programs may log in with `password` too.
    #[serde(default)]
    pub password_for_mail: bool,
    /// One per device.
    #[serde(default)]
    pub app_passwords: Vec<AppPassword>,
}

/// A random 128-bit password of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPassword {
    /// What the owner calls the device.
    pub name: SmolStr,
    /// Unix seconds.
    pub created: i64,
    /// SHA-256 of the random password: enough, as it has 128 bits.
    pub verifier: [u8; 32],
    /// Keys for SCRAM-SHA-256.
    pub scram: ScramKeys,
}

impl AppPassword {
    /// Makes a new random password: the text to show once (lower-case base32 in groups of four joined by `-`) and its record.
    pub fn generate(_name: &str, _now: i64) -> (String, AppPassword) {
        todo!()
    }
}
