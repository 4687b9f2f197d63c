//! What is remembered of messages that are gone, so that a client that was away hears of them (RFC 7162 §3.2): ranges of UIDs with the
//! MODSEQ of their removal, the latest of each mailbox. Of what went up to the floor nothing is remembered: then all UIDs that were
//! given out and are not there are said to have gone, which is as much as a client must hear (§3.2.5.1).

use crate::catalogue::{Reader, Tables, VANISHED};
use crate::model::{MailboxId, ModSeq};
use crate::record::{Ranges, joined};
use crate::{StoreError, limits, pages, reader};
use redb::{ReadableTable, TableDefinition};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Mailbox to its floor and how many ranges it has above it.
pub const FLOORS: TableDefinition<u32, (u64, u32)> = TableDefinition::new("floors");

/// Messages go with this MODSEQ.
pub fn expunge(t: &mut Tables<'_>, mailbox: u32, modseq: u64, uids: &Ranges) -> Result<()> {
    let (mut floor, mut count) = t.txn.open_table(FLOORS)?.get(mailbox)?.map_or((0, 0), |v| v.value());
    if uids.len() > limits::VANISHED {
        forget_mailbox(t, mailbox)?;
        (floor, count) = (modseq, 0);
    } else {
        for (first, last) in uids {
            count += u32::from(t.vanished.insert((mailbox, modseq, *first), *last)?.is_none());
        }
    }
    if count as usize > limits::VANISHED {
        let mut old = Vec::new();
        for entry in t.vanished.range((mailbox, 0, 0)..=(mailbox, u64::MAX, u32::MAX))? {
            let key = entry?.0.value();
            // what went at the same time is forgotten together
            if count as usize <= limits::VANISHED / 4 * 3 && key.1 != floor {
                break;
            }
            floor = key.1;
            count -= 1;
            old.push(key);
        }
        old.into_iter().try_for_each(|key| t.vanished.remove(key).map(drop))?;
    }
    t.txn.open_table(FLOORS)?.insert(mailbox, (floor, count))?;
    Ok(())
}

/// A row of a snapshot.
pub fn load(t: &mut Tables<'_>, (mailbox, modseq, first): (u32, u64, u32), last: u32) -> Result<()> {
    t.vanished.insert((mailbox, modseq, first), last)?;
    let mut floors = t.txn.open_table(FLOORS)?;
    let (floor, count) = floors.get(mailbox)?.map_or((0, 0), |v| v.value());
    floors.insert(mailbox, (floor, count + 1))?;
    Ok(())
}

/// A row of a snapshot, which comes after those.
pub fn load_floor(t: &mut Tables<'_>, mailbox: u32, floor: u64) -> Result<()> {
    let mut floors = t.txn.open_table(FLOORS)?;
    let count = floors.get(mailbox)?.map_or(0, |v| v.value().1);
    floors.insert(mailbox, (floor, count))?;
    Ok(())
}

/// A mailbox goes, or all that it remembers.
pub fn forget_mailbox(t: &mut Tables<'_>, mailbox: u32) -> Result<()> {
    t.vanished.retain_in((mailbox, 0, 0)..=(mailbox, u64::MAX, u32::MAX), |_, _| false)?;
    t.txn.open_table(FLOORS)?.remove(mailbox)?;
    Ok(())
}

/// What went after a MODSEQ, of UIDs below the next one.
pub fn since(reader: &Reader<'_>, mailbox: MailboxId, since: ModSeq, uid_next: u32) -> Result<Ranges> {
    let floor = match reader::table(reader, FLOORS)? {
        Some(t) => t.get(mailbox.0)?.map_or(0, |v| v.value().0),
        None => 0,
    };
    let mut gone = Ranges::new();
    if since.0 < floor {
        let mut next = 1_u32;
        let mut up_to = |uid: u32| {
            if next < uid {
                gone.push((next, uid - 1));
            }
            next = uid.saturating_add(1);
        };
        pages::uids(&reader::messages_in(reader)?, mailbox.0, 0, |uid, _| up_to(uid))?;
        up_to(uid_next);
        return Ok(gone);
    }
    let Some(table) = reader::table(reader, VANISHED)? else { return Ok(gone) };
    let after = (mailbox.0, since.0.saturating_add(1), 0);
    for entry in table.range(after..=(mailbox.0, u64::MAX, u32::MAX))? {
        let (first, last) = entry?;
        gone.push((first.value().2, last.value()));
    }
    Ok(joined(gone))
}
