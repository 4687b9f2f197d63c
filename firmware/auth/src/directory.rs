//! The accounts in memory: which account an address belongs to, and whether a login is right.

use crate::account::{Account, AccountId};
use crate::address::{Address, Domain};
use crate::password::ScramKeys;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// All accounts and domains, shared by every session; `settings` replaces its contents when the owner changes something.
#[derive(Debug, Default)]
pub struct Directory {}

/// The answer to a login attempt.
#[derive(Debug, Clone)]
pub enum Login {
    /// Right.
    Accepted(Arc<Account>),
    /// Unknown account or wrong password (indistinguishable, also in time); answer only after `delay`.
    Refused { delay: Duration },
    /// Too many failures from this address or for this account: not even checked; answer after `delay`.
    Throttled { delay: Duration },
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Directory {
        Directory::default()
    }
    /// Replaces accounts and local domains. Sessions that are logged in keep their account until they ask again.
    pub fn replace(&self, _accounts: Vec<Account>, _domains: Vec<Domain>) {
        todo!()
    }
    /// The account that receives for this address (main address or alias; `local+detail@` falls back to `local@`).
    pub fn resolve(&self, _address: &Address) -> Option<Arc<Account>> {
        todo!()
    }
    /// Who reads what is sent to the postmaster (RFC 5321 §4.5.1): the account that has `postmaster` at a local domain as its
    /// address or alias, else the account with the lowest number; `None` while there is no account.
    pub fn postmaster(&self) -> Option<Arc<Account>> {
        todo!()
    }
    /// Whether mail for this domain stays here.
    pub fn is_local(&self, _domain: &Domain) -> bool {
        todo!()
    }
    /// The account with this number, as it is now; `None` once removed.
    pub fn account(&self, _id: AccountId) -> Option<Arc<Account>> {
        todo!()
    }
    /// Checks a login name (the address; the bare local part is enough if only one account has it) and password.
    /// Failures are counted per peer address and per account.
    pub fn login(&self, _user: &str, _password: &str, _peer: IpAddr, _now: SystemTime) -> Login {
        todo!()
    }
    /// SCRAM keys of the account's devices, in order; for an unknown user, keys that look real and never match, the same at every call.
    pub fn scram_keys(&self, _user: &str) -> Vec<ScramKeys> {
        todo!()
    }
    /// Whether this address sent as by `account` (main address or alias).
    pub fn owns(&self, _account: &Account, _address: &Address) -> bool {
        todo!()
    }
}
