//! The records of accounts and their credentials, as `settings` keeps them.

use crate::address::Address;
use crate::limits;
use crate::password::{self, PasswordError, PasswordHash, ScramKeys};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::num::NonZeroU32;

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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl Account {
    /// Gives a device a new random password and answers the text to show once. All devices of an account share one SCRAM
    /// salt, because a SCRAM server sends the salt before it can know which device asks.
    pub fn add_app_password(&mut self, name: &str, now: i64) -> Result<String, PasswordError> {
        if self.app_passwords.len() >= limits::APP_PASSWORDS {
            return Err(PasswordError("This account has too many app passwords; remove one that is no longer used."));
        }
        if name.len() > limits::DEVICE_NAME || name.chars().any(char::is_control) {
            return Err(PasswordError("This name of a device is not possible."));
        }
        let salt = match self.app_passwords.first() {
            Some(first) => first.scram.salt.clone(),
            None => password::random::<16>().to_vec(),
        };
        let (text, record) = AppPassword::with_salt(name, now, &salt);
        self.app_passwords.push(record);
        Ok(text)
    }
    /// Whether mail programs may log in with a password that the person chose.
    pub(crate) fn chosen_password(&self) -> Option<&PasswordHash> {
        self.password.as_ref().filter(|_| self.password_for_mail)
    }
    /// Whether one of the app passwords is this text. Looks at all of them, whichever matches.
    pub(crate) fn has_app_password(&self, typed: &str) -> bool {
        let Some(text) = canonical(typed) else { return false };
        let verifier = password::sha256(text.as_bytes());
        self.app_passwords.iter().fold(false, |found, app| found | password::same(&app.verifier, &verifier))
    }
}

impl AppPassword {
    /// Makes a new random password: the text to show once (lower-case base32 in groups of four joined by `-`) and its record.
    /// For an account that has others already, [`Account::add_app_password`] is the right call.
    pub fn generate(name: &str, now: i64) -> (String, AppPassword) {
        AppPassword::with_salt(name, now, &password::random::<16>())
    }

    fn with_salt(name: &str, now: i64, salt: &[u8]) -> (String, AppPassword) {
        let text = shown(u128::from_be_bytes(password::random()));
        let iterations = NonZeroU32::new(limits::SCRAM_ITERATIONS).unwrap_or(NonZeroU32::MIN);
        let record = AppPassword {
            name: SmolStr::new(name),
            created: now,
            verifier: password::sha256(text.as_bytes()),
            scram: ScramKeys::derive(&text, salt, iterations),
        };
        (text, record)
    }
}

/// Crockford's base32: no letter in it looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters for 128 bits.
const CHARACTERS: u32 = 26;

fn shown(bits: u128) -> String {
    let mut text = String::new();
    for at in 0..CHARACTERS {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        let value = (bits >> (5 * (CHARACTERS - 1 - at))) & 31;
        text.push(char::from(ALPHABET[value as usize]));
    }
    text
}

/// An app password as it was shown, from what a person typed: case, spaces and dashes do not matter, and letters that are
/// not in the alphabet are read as the digits they look like. `None`: it cannot be an app password.
fn canonical(typed: &str) -> Option<String> {
    let mut bits = 0u128;
    let mut count = 0;
    for c in typed.chars().filter(|c| !c.is_whitespace() && !is_dash(*c)) {
        let c = match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        };
        let value = ALPHABET.iter().position(|&known| char::from(known) == c)?;
        // The first character holds 3 bits only; more would be lost by the shift.
        if count == CHARACTERS || count == 0 && value > 7 {
            return None;
        }
        bits = bits << 5 | value as u128;
        count += 1;
    }
    (count == CHARACTERS).then(|| shown(bits))
}

/// The hyphen, and what "smart" keyboards make of it.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

impl fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppPassword").field("name", &self.name).field("created", &self.created).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account() -> Account {
        Account {
            id: AccountId(1),
            address: Address::parse("anna@example.org").unwrap(),
            aliases: Vec::new(),
            name: SmolStr::default(),
            password: None,
            password_for_mail: false,
            app_passwords: Vec::new(),
        }
    }

    #[test]
    fn an_app_password_is_accepted_however_it_is_typed() {
        let mut account = account();
        let text = account.add_app_password("phone", 5).unwrap();
        assert_eq!(text.len(), 26 + 6);
        assert!(text.split('-').rev().skip(1).all(|group| group.len() == 4), "{text}");
        let bare = text.replace('-', "");
        for typed in [
            text.clone(),
            bare.clone(),
            text.to_uppercase(),
            text.replace('-', " "),
            text.replace('-', "\u{2013}"),
            format!(" {bare}\u{a0}"),
            text.replace('0', "O").replace('1', "l"),
        ] {
            assert!(account.has_app_password(&typed), "{typed}");
        }
        for typed in ["", "-", &bare[1..], &format!("{bare}0"), &format!("z{}", &bare[1..]), "password"] {
            assert!(!account.has_app_password(typed), "{typed}");
        }
        assert!(!account.has_app_password(&AppPassword::generate("other", 5).0));
    }

    #[test]
    fn devices_of_an_account_share_the_salt_and_nothing_else() {
        let mut account = account();
        let first = account.add_app_password("phone", 5).unwrap();
        let second = account.add_app_password("laptop", 6).unwrap();
        assert!(account.has_app_password(&first) && account.has_app_password(&second));
        let [a, b] = &account.app_passwords[..] else { panic!() };
        assert_eq!((&a.scram.salt, a.scram.iterations), (&b.scram.salt, b.scram.iterations));
        assert_ne!(a.scram.stored_key, b.scram.stored_key);
        assert_eq!((a.name.as_str(), a.created, b.name.as_str(), b.created), ("phone", 5, "laptop", 6));
        assert_ne!(AppPassword::generate("x", 0).1.scram.salt, a.scram.salt);
        assert!(!format!("{account:?}").contains("verifier"));
    }

    #[test]
    fn devices_are_limited() {
        let mut account = account();
        assert!(account.add_app_password(&"x".repeat(limits::DEVICE_NAME + 1), 0).is_err());
        assert!(account.add_app_password("a\nb", 0).is_err());
        account.app_passwords = vec![AppPassword::generate("x", 0).1; limits::APP_PASSWORDS];
        assert!(account.add_app_password("phone", 0).is_err());
    }

    proptest! {
        #[test]
        fn every_value_is_shown_and_read(bits: u128) {
            prop_assert_eq!(canonical(&shown(bits)), Some(shown(bits)));
        }
        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = canonical(&text);
        }
    }
}
