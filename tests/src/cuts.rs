//! What was acknowledged outlives the power: several clients deliver, append, copy, move, mark and expunge until the server is
//! gone; then all mailboxes are looked at and held against what the clients were told.
//!
//! [`model`] knows what was told and what was only asked for, [`load`] makes the clients, [`look`] reads what is there, [`verdict`]
//! says whether that may be. What may be: deliveries, APPEND, COPY, MOVE and EXPUNGE count once they are acknowledged. Flags count 5
//! seconds after they were acknowledged (`store::limits::LAZY_FLUSH`), or once an operation of the other kind that was begun later
//! is acknowledged, whoever asked for it; flags that are lost are lost from the last change backwards. Of an
//! operation that was not acknowledged everything happened or nothing; a STORE may have come to some message in the order of UIDs.

pub mod load;
pub mod look;
pub mod mail;
pub mod model;
pub mod session;
pub mod verdict;

/// The mailboxes of every account that are used.
pub const MAILBOXES: [&str; 3] = ["INBOX", "Archive", "Trash"];
/// How many accounts.
pub const ACCOUNTS: usize = 3;
/// Clients of IMAP; more than accounts, so that two share one.
pub const CLIENTS: usize = 5;

/// The account of a client.
pub fn account_of(client: usize) -> usize {
    client % ACCOUNTS
}

/// Which of an account's clients takes care of a message that was delivered.
pub fn client_for(account: usize, number: u64) -> usize {
    let clients: Vec<usize> = (0..CLIENTS).filter(|client| account_of(*client) == account).collect();
    clients[(number % clients.len() as u64) as usize]
}

/// An account's address.
pub fn address(account: usize) -> String {
    format!("cut{account}@{}", crate::DOMAIN)
}

/// A mailbox of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which account.
    pub account: usize,
    /// Which of [`MAILBOXES`].
    pub mailbox: usize,
}

impl Place {
    /// Where deliveries go.
    pub fn inbox(account: usize) -> Place {
        Place { account, mailbox: 0 }
    }

    /// Every mailbox.
    pub fn all() -> impl Iterator<Item = Place> {
        (0..ACCOUNTS).flat_map(|account| (0..MAILBOXES.len()).map(move |mailbox| Place { account, mailbox }))
    }

    /// Its name in IMAP.
    pub fn name(self) -> &'static str {
        MAILBOXES[self.mailbox]
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.account, self.name())
    }
}
