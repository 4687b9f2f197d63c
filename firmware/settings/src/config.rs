//! The settings as types.

use auth::password::PasswordHash;
use auth::{Account, AccountId, Address, Domain};
use serde::{Deserialize, Serialize};

/// Everything the owner configured. Accounts are in order of their numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// The one-time code that claims the box; `None` once claimed.
    pub setup_code: Option<SetupCode>,
    /// The owner's password for the pages; `None` until claimed.
    pub owner: Option<PasswordHash>,
    /// The household's mail domain.
    pub domain: Option<Domain>,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The number the next account gets.
    pub next_account: u32,
}

/// The code shown on the console until the box is claimed: eight characters that cannot be confused, `XXXX-XXXX`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupCode(String);

/// Why an account cannot be added; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountError {
    /// The address belongs to an account already.
    Taken(Address),
    /// Too many accounts.
    TooMany,
}

impl Config {
    /// Adds an account with no credentials yet. Its domain becomes a local domain.
    pub fn add_account(&mut self, _address: Address, _name: &str) -> Result<AccountId, AccountError> {
        todo!()
    }
    /// The account with this address or alias.
    pub fn account(&self, _address: &Address) -> Option<&Account> {
        todo!()
    }
    /// The same, to change it.
    pub fn account_mut(&mut self, _address: &Address) -> Option<&mut Account> {
        todo!()
    }
    /// Removes an account; its number is never used again.
    pub fn remove_account(&mut self, _address: &Address) -> Option<Account> {
        todo!()
    }
    /// The domains whose mail stays here: the household's and those of accounts.
    pub fn domains(&self) -> Vec<Domain> {
        todo!()
    }
}

impl SetupCode {
    /// A fresh random code.
    pub fn generate() -> SetupCode {
        todo!()
    }
    /// As shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Compares what a person typed: case, spaces and dashes do not matter.
    pub fn matches(&self, _typed: &str) -> bool {
        todo!()
    }
}
