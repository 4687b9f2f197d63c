//! The settings as types, and the changes that keep them consistent.

use crate::host::Host;
use crate::limits;
use crate::name::{Name, NameError};
use crate::setup_code::SetupCode;
use auth::password::{PasswordError, PasswordHash, Secret};
use auth::{Account, AccountId, Address, Domain};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// Everything the owner configured. Accounts are in order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What strangers are shown of accounts that do not exist is made of it; `None` only in files of before there was one.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Where a box without a clock of its own asks for the time; without one, where the network says, or a public server.
    #[serde(default)]
    pub time_server: Option<Host>,
}

/// Why an account or a device cannot be added; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountError {
    /// The address belongs to an account already.
    Taken(Address),
    /// Too many accounts.
    TooMany,
    /// The name of the person or the device is no name.
    Name(NameError),
    /// There is no account with this address.
    Unknown(Address),
    /// The account has a device of this name.
    DeviceTaken(Name),
    /// The device gets no password: too many devices, or a name that is too long.
    Device(PasswordError),
}

impl Config {
    /// The settings of a new box: a fresh setup code and nothing else.
    pub fn unclaimed() -> Config {
        Config {
            setup_code: Some(SetupCode::generate()),
            owner: None,
            domain: None,
            accounts: Vec::new(),
            next_account: 1,
            secret: Some(Secret::generate()),
            time_server: None,
        }
    }

    /// Adds an account with no credentials yet; `name` may be empty. Its domain becomes a local domain.
    pub fn add_account(&mut self, address: Address, name: &str) -> Result<AccountId, AccountError> {
        let name = if name.trim().is_empty() { Default::default() } else { Name::parse(name)?.into() };
        if self.account(&address).is_some() {
            return Err(AccountError::Taken(address));
        }
        let next = self.next_account.checked_add(1).ok_or(AccountError::TooMany)?;
        if self.accounts.len() >= limits::ACCOUNTS {
            return Err(AccountError::TooMany);
        }
        let id = AccountId(self.next_account);
        self.next_account = next;
        self.accounts.push(Account {
            id,
            address,
            aliases: Vec::new(),
            name,
            password: None,
            password_for_mail: false,
            app_passwords: Vec::new(),
        });
        Ok(id)
    }

    /// The account with this address or alias.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.iter().find(|account| has_address(account, address))
    }

    /// The same, to change it.
    pub fn account_mut(&mut self, address: &Address) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| has_address(account, address))
    }

    /// Removes an account; its number is never used again.
    pub fn remove_account(&mut self, address: &Address) -> Option<Account> {
        let at = self.accounts.iter().position(|account| has_address(account, address))?;
        Some(self.accounts.remove(at))
    }

    /// Gives a device of this account its own random password: the text, to be shown once.
    pub fn add_app_password(&mut self, address: &Address, device: &Name, now: i64) -> Result<String, AccountError> {
        let account = self.account_mut(address).ok_or_else(|| AccountError::Unknown(address.clone()))?;
        if account.app_passwords.iter().any(|p| p.name == device.as_str()) {
            return Err(AccountError::DeviceTaken(device.clone()));
        }
        account.add_app_password(device.as_str(), now).map_err(AccountError::Device)
    }

    /// Takes a device's password away; whether there was one of this name.
    pub fn remove_app_password(&mut self, address: &Address, device: &str) -> bool {
        let Some(account) = self.account_mut(address) else { return false };
        let before = account.app_passwords.len();
        account.app_passwords.retain(|p| p.name != device);
        account.app_passwords.len() < before
    }

    /// The domains whose mail stays here: the household's and those of accounts.
    pub fn domains(&self) -> Vec<Domain> {
        let addresses = self.accounts.iter().flat_map(|a| std::iter::once(&a.address).chain(&a.aliases));
        let mut seen = HashSet::new();
        self.domain.iter().chain(addresses.map(Address::domain)).filter(|d| seen.insert(*d)).cloned().collect()
    }

    /// Whether these settings make sense as a whole; what is wrong otherwise.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.accounts.len() > limits::ACCOUNTS {
            return Err(format!("more than {} accounts", limits::ACCOUNTS));
        }
        let (mut numbers, mut addresses) = (HashSet::new(), HashSet::new());
        for account in &self.accounts {
            if account.id.0 >= self.next_account || !numbers.insert(account.id) {
                return Err(format!("account number {} is given twice", account.id.0));
            }
            for address in std::iter::once(&account.address).chain(&account.aliases) {
                if !addresses.insert(address) {
                    return Err(format!("address {address} is given twice"));
                }
            }
            if account.app_passwords.len() > auth::limits::APP_PASSWORDS {
                return Err(format!("account {} has too many devices", account.address));
            }
        }
        Ok(())
    }
}

fn has_address(account: &Account, address: &Address) -> bool {
    account.address == *address || account.aliases.contains(address)
}

impl From<NameError> for AccountError {
    fn from(e: NameError) -> AccountError {
        AccountError::Name(e)
    }
}
impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountError::Taken(address) => write!(f, "{address} is taken: another account has this address."),
            AccountError::TooMany => {
                write!(f, "There is no room for another account: {} is the limit.", limits::ACCOUNTS)
            }
            AccountError::Name(e) => e.fmt(f),
            AccountError::Unknown(address) => write!(f, "There is no account {address}."),
            AccountError::DeviceTaken(name) => {
                write!(f, "There is already a device called “{name}”. Please choose another name.")
            }
            AccountError::Device(e) => e.fmt(f),
        }
    }
}
impl std::error::Error for AccountError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn an_account_comes_and_goes_and_its_number_stays_used() {
        let mut config = Config::unclaimed();
        config.domain = Some(Domain::parse("home.internal").unwrap());
        let anna = config.add_account(address("anna@home.internal"), " Anna  ").unwrap();
        config.add_account(address("ben@example.org"), "").unwrap();
        assert_eq!(config.account(&address("ANNA@home.internal")).unwrap().name, "Anna");
        assert_eq!(
            config.add_account(address("anna@home.internal"), "Another"),
            Err(AccountError::Taken(address("anna@home.internal")))
        );
        let domains: Vec<_> = config.domains().iter().map(|d| d.to_string()).collect();
        assert_eq!(domains, ["home.internal", "example.org"]);
        assert_eq!(config.remove_account(&address("anna@home.internal")).unwrap().id, anna);
        assert!(config.remove_account(&address("anna@home.internal")).is_none());
        assert_ne!(config.add_account(address("anna@home.internal"), "").unwrap(), anna);
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn an_alias_is_an_address_too() {
        let mut config = Config::unclaimed();
        config.add_account(address("anna@home.internal"), "Anna").unwrap();
        config.account_mut(&address("anna@home.internal")).unwrap().aliases.push(address("office@example.org"));
        assert!(matches!(config.add_account(address("office@example.org"), ""), Err(AccountError::Taken(_))));
        assert_eq!(config.domains().len(), 2);
    }

    #[test]
    fn a_device_has_one_password_and_loses_it() {
        let mut config = Config::unclaimed();
        let anna = address("anna@home.internal");
        let phone = Name::parse("Phone").unwrap();
        assert_eq!(config.add_app_password(&anna, &phone, 0), Err(AccountError::Unknown(anna.clone())));
        config.add_account(anna.clone(), "").unwrap();
        let text = config.add_app_password(&anna, &phone, 7).unwrap();
        assert!(text.len() >= 26);
        assert_eq!(config.account(&anna).unwrap().app_passwords[0].created, 7);
        assert_eq!(config.add_app_password(&anna, &phone, 8), Err(AccountError::DeviceTaken(phone)));
        config.add_app_password(&anna, &Name::parse("Laptop").unwrap(), 8).unwrap();
        let devices = &config.account(&anna).unwrap().app_passwords;
        assert_eq!(devices[0].scram.salt, devices[1].scram.salt, "a SCRAM server sends one salt for all devices");
        assert!(config.remove_app_password(&anna, "Phone"));
        assert!(!config.remove_app_password(&anna, "Phone"));
    }

    #[test]
    fn there_is_a_limit_to_accounts() {
        let mut config = Config::unclaimed();
        for i in 0..limits::ACCOUNTS {
            config.add_account(address(&format!("a{i}@home.internal")), "").unwrap();
        }
        assert_eq!(config.add_account(address("b@home.internal"), ""), Err(AccountError::TooMany));
        config.accounts.clear();
        config.next_account = u32::MAX;
        assert_eq!(config.add_account(address("b@home.internal"), ""), Err(AccountError::TooMany));
    }

    #[test]
    fn inconsistent_settings_are_noticed() {
        let mut config = Config::unclaimed();
        config.add_account(address("anna@home.internal"), "").unwrap();
        let mut twice = config.clone();
        twice.accounts.push(config.accounts[0].clone());
        assert!(twice.check().is_err());
        config.next_account = 1;
        assert!(config.check().is_err());
    }

    proptest! {
        #[test]
        fn any_history_is_consistent(steps in proptest::collection::vec((any::<bool>(), 0u8..6), 0..40)) {
            let mut config = Config::unclaimed();
            for (add, who) in steps {
                let who = address(&format!("p{who}@home.internal"));
                let existed = config.account(&who).is_some();
                let changed = if add { config.add_account(who, "x").is_ok() } else { config.remove_account(&who).is_some() };
                prop_assert_eq!(changed, existed != add);
                prop_assert_eq!(config.check(), Ok(()));
                prop_assert!(config.accounts.is_sorted_by_key(|a| a.id));
            }
        }
    }
}
