//! Learning a dictionary from the store's own mail: from samples all over it, beside the writer, when enough mail has come.
//!
//! Nothing of it hangs on a clock or on chance: the same store learns the same.

use crate::catalogue::{self, BLOBS, BlobRow};
use crate::dictionary;
use crate::model::BlobId;
use crate::record::Extent;
use crate::tuning::Tuning;
use crate::writer::Shared;
use crate::{StoreError, limits};
use redb::TableError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// How nice the thread is to others.
const NICE: i32 = 15;
/// Restarts of the store, the latest, whose mail is looked at: records are numbered anew after each.
const STARTS: usize = 64;
/// A step through the messages in which no two neighbours come one after the other; it and [`limits::SAMPLED`] have no
/// common divisor.
const STRIDE: u64 = 197;

/// Decides when to learn.
#[derive(Debug)]
pub struct Learner {
    /// At so many octets of text.
    next: u64,
    at_work: Option<JoinHandle<()>>,
}

impl Learner {
    /// For a store that was just opened.
    pub fn new(tuning: &Tuning) -> Learner {
        Learner { next: tuning.learn, at_work: None }
    }

    /// Learns if enough mail has come since the store was opened, or since it learned last.
    pub fn learn_if_due(&mut self, shared: &Arc<Shared>) {
        let text = shared.log.text.load(Relaxed);
        if text < self.next || self.at_work.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.next = text.saturating_mul(limits::LEARN_AGAIN);
        if !shared.segments.tuning.learn_aside {
            return learn(shared);
        }
        let with = shared.clone();
        let thread = std::thread::Builder::new().name("dictionary".into()).spawn(move || {
            // of this thread alone; mail is more urgent, but it goes without
            let _ = rustix::process::nice(NICE);
            learn(&with);
        });
        self.at_work = thread.inspect_err(|e| tracing::warn!("no dictionary is learned: {e}")).ok();
    }
}

fn learn(shared: &Shared) {
    let samples = match samples(shared) {
        Ok(samples) => samples,
        Err(StoreError::Stopped) => return,
        Err(e) => return tracing::warn!("no dictionary is learned: {e}"),
    };
    let (choice, tuning) = (&shared.segments.codec.dictionary, &shared.segments.tuning);
    let octets: usize = samples.iter().map(Vec::len).sum();
    match dictionary::learn(&samples, &choice.present(), tuning.dictionary, tuning.gain) {
        Some((bytes, before, after)) => {
            tracing::info!(
                "a dictionary of {} octets was learned from {octets} octets of mail: others become {after} octets by it, {before} before",
                bytes.len()
            );
            choice.learned(bytes);
        }
        None => tracing::debug!("{octets} octets of mail teach nothing new"),
    }
}

/// The beginnings of texts of messages from all over the store.
fn samples(shared: &Shared) -> Result<Vec<Vec<u8>>> {
    let numbers = numbers(shared)?;
    let count: u64 = numbers.iter().map(|(first, last)| last - first + 1).sum();
    let (mut found, mut seen, mut octets) = (Vec::new(), BTreeSet::new(), 0);
    for n in 0..limits::SAMPLED {
        let nth = (u128::from(n * STRIDE % limits::SAMPLED) * u128::from(count) / u128::from(limits::SAMPLED)) as u64;
        let Some((blob, extent)) = text_from(shared, number(&numbers, nth))?.filter(|(blob, _)| seen.insert(*blob))
        else {
            continue;
        };
        // what is damaged or was just moved is no sample
        let Ok(mut text) = shared.segments.read_extent(BlobId(blob), &extent) else { continue };
        text.truncate(limits::SAMPLE);
        octets += text.len();
        found.push(text);
        if octets >= limits::SAMPLES {
            break;
        }
    }
    Ok(found)
}

/// First and last numbers that messages have, for each of the latest starts of the store.
fn numbers(shared: &Shared) -> Result<Vec<(u64, u64)>> {
    let reader = shared.read_catalogue()?;
    let blobs = match reader.open_table(BLOBS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        other => other?,
    };
    let (mut found, mut end) = (Vec::new(), u64::MAX);
    while found.len() < STARTS {
        let Some(last) = blobs.range(..end)?.next_back().transpose()?.map(|(id, _)| id.value()) else { break };
        let start = last >> 32 << 32;
        let first = blobs.range(start..=last)?.next().transpose()?.map_or(last, |(id, _)| id.value());
        found.push((first, last));
        end = start;
    }
    Ok(found)
}

/// The `nth` of these numbers.
fn number(numbers: &[(u64, u64)], mut nth: u64) -> u64 {
    for (first, last) in numbers {
        let count = last - first + 1;
        if nth < count {
            return first + nth;
        }
        nth -= count;
    }
    0
}

/// The first living message from this number on, and where its text begins.
fn text_from(shared: &Shared, number: u64) -> Result<Option<(u64, Extent)>> {
    let reader = shared.read_catalogue()?;
    let blobs = match reader.open_table(BLOBS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        other => other?,
    };
    let Some(entry) = blobs.range(number..)?.next() else { return Ok(None) };
    let (id, row) = entry?;
    let row: BlobRow = catalogue::value(row.value())?;
    let text = row.extents.into_iter().find(|extent| extent.line == 0 && extent.len > 0 && extent.shared.is_none());
    Ok(text.filter(|_| row.references > 0).map(|extent| (id.value(), extent)))
}
