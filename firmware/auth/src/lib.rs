//! Who may do what: accounts, app passwords, passwords that people choose, SASL (RFC 4422), throttling.
//!
//! Knows no protocol's wire and no file: `settings` keeps the records, sessions feed the exchanges.

pub mod account;
pub mod address;
pub mod directory;
pub mod limits;
pub mod password;
pub mod sasl;
pub mod throttle;

pub use account::{Account, AccountId, AppPassword};
pub use address::{Address, Domain};
pub use directory::{Directory, Login};
