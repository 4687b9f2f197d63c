//! Messages of a mailbox in the catalogue: neighbouring UIDs share one row of the table, each written as what differs from the one before.
//!
//! A message then takes some fifteen octets instead of sixty, a change of many flags writes a quarter of the pages, and a view of a large mailbox
//! reads two words for thirty-two messages.

use crate::StoreError;
use crate::catalogue::{KeywordBits, Row, damaged};
use crate::record::SEEN;
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

type Result<T, E = StoreError> = std::result::Result<T, E>;
type Bytes = &'static [u8];

/// (mailbox, UID / [`UIDS`]) to a [`Page`].
pub const MESSAGES: TableDefinition<(u32, u32), Bytes> = TableDefinition::new("messages");
/// UIDs of one page.
pub const UIDS: u32 = 32;
/// Which of them there are, and which of those have `\Seen`.
const WORDS: usize = 8;

/// The page that a UID is on.
pub fn page_of(uid: u32) -> u32 {
    uid / UIDS
}

/// What a message differs in from the one before it on its page.
#[derive(Serialize, Deserialize)]
struct Step<'a> {
    bits: u8,
    modseq: i64,
    internal_date: i64,
    /// From the internal date.
    save_date: i64,
    size: u64,
    blob: i64,
    /// As many octets as are needed.
    keywords: &'a [u8],
}

const BEFORE: Row = Row { modseq: 0, bits: 0, internal_date: 0, save_date: 0, size: 0, blob: 0, keywords: [0; 4] };

fn step_back(from: i64, to: i64) -> i64 {
    to.wrapping_sub(from)
}

fn octets(keywords: &KeywordBits) -> ([u8; 32], usize) {
    let mut out = [0; 32];
    for (chunk, word) in out.chunks_exact_mut(8).zip(keywords) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let unused = out.iter().rev().take_while(|b| **b == 0).count();
    (out, out.len() - unused)
}

/// Messages with neighbouring UIDs.
#[derive(Debug, Clone, Default)]
pub struct Page {
    rows: [Option<Row>; UIDS as usize],
}

impl Page {
    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Page> {
        let mut page = Page::default();
        for entry in Rows::new(bytes)? {
            let (n, row) = entry?;
            page.rows[n as usize] = Some(row);
        }
        Ok(page)
    }

    /// Its octets; nothing if it is empty.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let (mut there, mut seen) = (0u32, 0u32);
        let mut out = vec![0; WORDS];
        let mut before = BEFORE;
        for (n, row) in self.rows.iter().enumerate().filter_map(|(n, row)| Some((n, row.as_ref()?))) {
            there |= 1 << n;
            seen |= u32::from(row.bits & SEEN != 0) << n;
            let (keywords, len) = octets(&row.keywords);
            let step = Step {
                bits: row.bits,
                modseq: step_back(before.modseq as i64, row.modseq as i64),
                internal_date: step_back(before.internal_date, row.internal_date),
                save_date: step_back(row.internal_date, row.save_date),
                size: row.size,
                blob: step_back(before.blob as i64, row.blob as i64),
                keywords: &keywords[..len],
            };
            out = postcard::to_extend(&step, out).map_err(|_| damaged())?;
            before = *row;
        }
        out[..4].copy_from_slice(&there.to_le_bytes());
        out[4..WORDS].copy_from_slice(&seen.to_le_bytes());
        Ok(if there == 0 { Vec::new() } else { out })
    }

    /// The message with this UID.
    pub fn slot(&mut self, uid: u32) -> &mut Option<Row> {
        &mut self.rows[(uid % UIDS) as usize]
    }

    /// The same, to read.
    pub fn get(&self, uid: u32) -> Option<Row> {
        self.rows[(uid % UIDS) as usize]
    }
}

/// The two words at the start of a page.
fn words(bytes: &[u8]) -> Result<(u32, u32)> {
    let (words, _) = bytes.split_first_chunk::<WORDS>().ok_or_else(damaged)?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| words[at + i]));
    Ok((word(0), word(4)))
}

/// The messages of a page's octets, by their places.
struct Rows<'a> {
    rest: &'a [u8],
    left: u32,
    before: Row,
}

impl<'a> Rows<'a> {
    fn new(bytes: &'a [u8]) -> Result<Rows<'a>> {
        let (there, _) = words(bytes)?;
        Ok(Rows { rest: &bytes[WORDS..], left: there, before: BEFORE })
    }

    fn step(&mut self) -> Result<Row> {
        let (step, rest) = postcard::take_from_bytes::<Step<'_>>(self.rest).map_err(|_| damaged())?;
        let mut keywords = [0; 32];
        keywords.get_mut(..step.keywords.len()).ok_or_else(damaged)?.copy_from_slice(step.keywords);
        let internal_date = self.before.internal_date.wrapping_add(step.internal_date);
        let row = Row {
            bits: step.bits,
            modseq: self.before.modseq.wrapping_add_signed(step.modseq),
            internal_date,
            save_date: internal_date.wrapping_add(step.save_date),
            size: step.size,
            blob: self.before.blob.wrapping_add_signed(step.blob),
            keywords: std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|k| keywords[i * 8 + k]))),
        };
        (self.rest, self.before) = (rest, row);
        Ok(row)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<(u32, Row)>;
    fn next(&mut self) -> Option<Result<(u32, Row)>> {
        if self.left == 0 {
            return None;
        }
        let n = self.left.trailing_zeros();
        self.left &= self.left - 1;
        let row = self.step();
        if row.is_err() {
            self.left = 0;
        }
        Some(row.map(|row| (n, row)))
    }
}

/// The messages on a page with their UIDs, ascending.
pub fn on_page(page: u32, bytes: &[u8]) -> Result<impl Iterator<Item = Result<(u32, Row)>> + '_> {
    let first = page.saturating_mul(UIDS);
    Ok(Rows::new(bytes)?.map(move |entry| entry.map(|(n, row)| (first + n, row))))
}

/// One message.
pub fn row(t: &impl ReadableTable<(u32, u32), Bytes>, mailbox: u32, uid: u32) -> Result<Option<Row>> {
    let Some(bytes) = t.get((mailbox, page_of(uid)))? else { return Ok(None) };
    for entry in on_page(page_of(uid), bytes.value())? {
        let (found, row) = entry?;
        if found >= uid {
            return Ok((found == uid).then_some(row));
        }
    }
    Ok(None)
}

/// Messages of a mailbox, ascending, given to `each` until it says `false`.
pub fn rows(
    t: &impl ReadableTable<(u32, u32), Bytes>,
    mailbox: u32,
    (first, last): (u32, u32),
    mut each: impl FnMut(u32, Row) -> Result<bool>,
) -> Result<()> {
    if first > last {
        return Ok(());
    }
    for entry in t.range((mailbox, page_of(first))..=(mailbox, page_of(last)))? {
        let (key, bytes) = entry?;
        for entry in on_page(key.value().1, bytes.value())? {
            let (uid, row) = entry?;
            if uid > last || uid >= first && !each(uid, row)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// UIDs from `first` on, ascending, and whether they have `\Seen`: what the first words of the pages tell.
pub fn uids(
    t: &impl ReadableTable<(u32, u32), Bytes>,
    mailbox: u32,
    first: u32,
    mut each: impl FnMut(u32, bool),
) -> Result<()> {
    for entry in t.range((mailbox, page_of(first))..=(mailbox, u32::MAX))? {
        let (key, bytes) = entry?;
        let ((mut there, seen), start) = (words(bytes.value())?, key.value().1.saturating_mul(UIDS));
        while there != 0 {
            let n = there.trailing_zeros();
            there &= there - 1;
            if start + n >= first {
                each(start + n, seen >> n & 1 == 1);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_row() -> impl Strategy<Value = Row> {
        let numbers = (any::<u64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<u64>());
        (any::<u8>(), numbers, any::<[u64; 4]>()).prop_map(|(bits, n, keywords)| Row {
            bits,
            modseq: n.0,
            internal_date: n.1,
            save_date: n.2,
            size: n.3,
            blob: n.4,
            keywords,
        })
    }

    proptest! {
        #[test]
        fn a_page_is_read_as_it_was_written(rows in prop::collection::btree_map(0..UIDS, any_row(), 0..=32)) {
            let mut page = Page::default();
            for (uid, row) in &rows {
                *page.slot(*uid) = Some(*row);
            }
            let bytes = page.encode().unwrap();
            prop_assert_eq!(bytes.is_empty(), rows.is_empty());
            if !rows.is_empty() {
                let read = Page::decode(&bytes).unwrap();
                prop_assert_eq!(read.rows, page.rows);
                let listed: Vec<(u32, Row)> = on_page(0, &bytes).unwrap().map(Result::unwrap).collect();
                prop_assert_eq!(listed, rows.into_iter().collect::<Vec<_>>());
            }
        }

        #[test]
        fn damaged_octets_are_refused_or_read_as_something(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Page::decode(&bytes);
        }
    }

    #[test]
    fn mail_as_it_comes_takes_few_octets() {
        let mut page = Page::default();
        for n in 0..UIDS {
            let date = 1_790_000_000 + i64::from(n) * 2_000;
            let n = u64::from(n);
            let row = Row {
                modseq: 100_000 + n,
                internal_date: date,
                save_date: date + 1,
                size: 10_000,
                blob: (9 << 32) + n * 3,
                ..BEFORE
            };
            *page.slot(n as u32) = Some(row);
        }
        let len = page.encode().unwrap().len();
        assert!(len < 32 * 12, "{len}");
    }
}
