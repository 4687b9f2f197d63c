//! What an account holds and may hold (RFC 9208 §5.1 and §5.2: STORAGE and MESSAGE): every copy counts with its whole size.

use crate::catalogue::{self, Tables};
use crate::model::AccountId;
use crate::record::Event;
use crate::writer::Shared;
use crate::{Store, StoreError, reader};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Account to [`Holdings`]; none for an account without mail and limits.
pub const HOLDINGS: TableDefinition<u32, &[u8]> = TableDefinition::new("holdings");

/// How much an account may hold; nothing is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuotaLimits {
    /// Octets of its messages.
    pub octets: Option<u64>,
    /// Its messages.
    pub messages: Option<u64>,
}

/// What an account holds, and how much it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Octets of its messages, each copy counted.
    pub octets: u64,
    /// Its messages, each copy counted.
    pub messages: u64,
    /// The limits.
    pub limits: QuotaLimits,
}

/// What is counted for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holdings {
    /// Octets of its messages.
    pub octets: u64,
    /// Its messages.
    pub messages: u64,
    /// How much of both it may have.
    pub limits: QuotaLimits,
    /// Octets of its rights and notes.
    pub slots: u64,
    /// Its messages in the outgoing queue.
    pub queued: u32,
    /// Ids of its messages there ever were.
    pub ids: u64,
}

impl Holdings {
    /// Takes more in, if it may.
    pub fn take(&mut self, octets: u64, messages: u64) -> Result<()> {
        let (octets, messages) = (self.octets.saturating_add(octets), self.messages.saturating_add(messages));
        let over = |n: u64, limit: Option<u64>| limit.is_some_and(|limit| n > limit);
        if over(octets, self.limits.octets) || over(messages, self.limits.messages) {
            return Err(StoreError::OverQuota);
        }
        (self.octets, self.messages) = (octets, messages);
        Ok(())
    }
}

/// The holdings of an account.
pub fn holdings(t: &impl ReadableTable<u32, &'static [u8]>, account: u32) -> Result<Holdings> {
    Ok(t.get(account)?.map(|v| catalogue::value(v.value())).transpose()?.unwrap_or_default())
}

/// A mailbox of an account had so many octets and messages, and has so many now.
pub fn recount(t: &mut Tables<'_>, account: u32, before: (u64, u32), now: (u64, u32)) -> Result<()> {
    if before == now {
        return Ok(());
    }
    let count = |n: u64, before: u64, now: u64| n.saturating_sub(before).saturating_add(now);
    let had = holdings(&t.holdings, account)?;
    let row = Holdings {
        octets: count(had.octets, before.0, now.0),
        messages: count(had.messages, before.1.into(), now.1.into()),
        ..had
    };
    put(t, account, &row)
}

/// Stores the holdings of an account.
pub fn put(t: &mut Tables<'_>, account: u32, row: &Holdings) -> Result<()> {
    if *row == Holdings::default() {
        t.holdings.remove(account)?;
    } else {
        t.holdings.insert(account, catalogue::stored(row)?.as_slice())?;
    }
    Ok(())
}

/// QUOTA.
pub fn limit(t: &mut Tables<'_>, account: u32, limits: &QuotaLimits) -> Result<()> {
    let had = holdings(&t.holdings, account)?;
    put(t, account, &Holdings { limits: *limits, ..had })
}

impl Shared {
    fn quota(&self, account: AccountId) -> Result<Quota> {
        let reader = self.read_catalogue()?;
        let row = match reader::table(&reader, HOLDINGS)? {
            Some(t) => holdings(&t, account.0)?,
            None => Holdings::default(),
        };
        Ok(Quota { octets: row.octets, messages: row.messages, limits: row.limits })
    }
}

/// All that is counted for an account.
#[cfg(test)]
pub fn holdings_of(store: &Store, account: AccountId) -> Holdings {
    let reader = store.inner.shared.read_catalogue().unwrap();
    holdings(&reader::table(&reader, HOLDINGS).unwrap().unwrap(), account.0).unwrap()
}

impl Store {
    /// What the account holds at this moment, and how much it may (RFC 9208). Reads one row.
    pub fn quota(&self, account: AccountId) -> Result<Quota> {
        self.inner.shared.quota(account)
    }

    /// Limits what the account may hold. What it has already stays, also where that is more; then nothing more comes in:
    /// deliveries, APPEND and COPY answer [`StoreError::OverQuota`].
    pub fn set_quota(&self, account: AccountId, limits: QuotaLimits) -> Result<()> {
        self.change(move |t| {
            t.check_account(account.0)?;
            let now = holdings(&t.holdings, account.0)?.limits;
            Ok(((now != limits).then_some((account.0, Event::Quota(limits))), ()))
        })
    }
}
