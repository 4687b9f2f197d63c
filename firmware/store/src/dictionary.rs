//! Dictionaries of zstd (RFC 8878 §5): the built-in one, and those that a store learns from its own mail (adr/0005).

use crate::disk::lock;
use crate::limits;
use std::sync::{Arc, Mutex, OnceLock};
use zstd::zstd_safe::{CCtx, CDict, DDict, compress_bound};

/// The number of the dictionary that a store begins with (`dictionary/train.py`).
pub const BUILT_IN: u32 = 1001;
const BUILT_IN_BYTES: &[u8] = include_bytes!("../dictionary/1001.zdict");
/// zstd's levels: text is worth more time than attachments, most of which are compressed already (adr/0005).
const TEXT: i32 = 9;
const ATTACHMENT: i32 = 3;
/// One sample in so many is not learned from but tried on.
const TRIED: usize = 8;
/// What a dictionary in zstd's format begins with; its number follows.
const MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();

/// What is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Text of messages.
    Text,
    /// Attachments and rows of snapshots.
    Attachment,
}

/// A dictionary ready for use.
pub struct Dictionary {
    /// Within a store it stands for the same octets for ever.
    pub number: u32,
    /// Its octets.
    pub bytes: Vec<u8>,
    /// Made for reading.
    pub decoder: DDict<'static>,
    text: OnceLock<Option<CDict<'static>>>,
    attachment: OnceLock<Option<CDict<'static>>>,
}

/// A dictionary that several use.
pub type Known = Arc<Dictionary>;

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dictionary").field(&self.number).finish()
    }
}

impl PartialEq for Dictionary {
    fn eq(&self, other: &Dictionary) -> bool {
        self.number == other.number
    }
}

impl Eq for Dictionary {}

impl Dictionary {
    /// With these octets; `None` if zstd cannot use them.
    pub fn new(number: u32, bytes: Vec<u8>) -> Option<Known> {
        let decoder = DDict::try_create(&bytes)?;
        let (text, attachment) = (OnceLock::new(), OnceLock::new());
        Some(Arc::new(Dictionary { number, bytes, decoder, text, attachment }))
    }

    /// The built-in one.
    pub fn built_in() -> Known {
        let decoder = DDict::create(BUILT_IN_BYTES);
        let (text, attachment) = (OnceLock::new(), OnceLock::new());
        Arc::new(Dictionary { number: BUILT_IN, bytes: BUILT_IN_BYTES.to_vec(), decoder, text, attachment })
    }

    /// Made for writing, when that is first wanted.
    pub fn encoder(&self, what: What) -> Option<&CDict<'static>> {
        let (made, level) = match what {
            What::Text => (&self.text, TEXT),
            What::Attachment => (&self.attachment, ATTACHMENT),
        };
        made.get_or_init(|| CDict::try_create(&self.bytes, level)).as_ref()
    }

    /// Octets that these become by it.
    fn makes_of(&self, samples: &[&[u8]]) -> Option<usize> {
        let (encoder, mut context) = (self.encoder(What::Text)?, CCtx::try_create()?);
        let mut sum = 0;
        for sample in samples {
            let mut out = Vec::with_capacity(compress_bound(sample.len()));
            sum += context.compress_using_cdict(&mut out, sample, encoder).ok()?.min(sample.len());
        }
        Some(sum)
    }
}

/// What is written with, and what may be written with from the next segment on.
#[derive(Debug)]
pub struct Choice {
    present: Mutex<Known>,
    learned: Mutex<Option<Vec<u8>>>,
}

impl Choice {
    /// The built-in one.
    pub fn new() -> Choice {
        Choice { present: Mutex::new(Dictionary::built_in()), learned: Mutex::default() }
    }

    /// What is written with.
    pub fn present(&self) -> Known {
        lock(&self.present).clone()
    }

    /// The log goes on with this one.
    pub fn go_on_with(&self, dictionary: Known) {
        *lock(&self.present) = dictionary;
    }

    /// A better one waits for the next segment.
    pub fn learned(&self, bytes: Vec<u8>) {
        *lock(&self.learned) = Some(bytes);
    }

    /// Whether one waits that is worth a segment begun before its time: the first of the store's own.
    pub fn is_urgent(&self) -> bool {
        lock(&self.learned).is_some() && lock(&self.present).number == BUILT_IN
    }

    /// This segment begins: answers what it is written with. What was learned has a number that none had before, since
    /// no segment ever had the number of this one; also if headers that would tell cannot be read any more.
    pub fn begin(&self, segment: u32) -> Known {
        if let Some(mut bytes) = lock(&self.learned).take() {
            let number = BUILT_IN.saturating_add(segment);
            if let Some((magic, rest)) = bytes.split_first_chunk_mut::<4>()
                && *magic == MAGIC
                && let Some(own) = rest.first_chunk_mut::<4>()
            {
                // every frame names it: nothing is decompressed with another
                *own = number.to_le_bytes();
                if let Some(dictionary) = Dictionary::new(number, bytes) {
                    self.go_on_with(dictionary);
                }
            }
        }
        self.present()
    }
}

/// A dictionary of at most `size` octets learned from most of these samples, if by it the others become smaller than by the
/// present one by so many percent; and what they become by the one and by the other.
pub fn learn(samples: &[Vec<u8>], present: &Dictionary, size: usize, gain: i64) -> Option<(Vec<u8>, usize, usize)> {
    let (mut octets, mut lengths, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (n, sample) in samples.iter().enumerate() {
        if n % TRIED == 0 {
            others.push(sample.as_slice());
        } else {
            octets.extend_from_slice(sample);
            lengths.push(sample.len());
        }
    }
    let bytes = zstd::dict::from_continuous(&octets, &lengths, size.min(limits::DICTIONARY)).ok()?;
    drop(octets);
    let learned = Dictionary::new(0, bytes)?;
    let (before, after) = (present.makes_of(&others)?, learned.makes_of(&others)?);
    let better = after as i64 * 100 <= before as i64 * (100 - gain);
    better.then(|| (learned.bytes.clone(), before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(seed: usize) -> Vec<Vec<u8>> {
        let words = ["garden", "invoice", "Tuesday", "boiler", "children", "platform", "concert", "umbrella"];
        let word = |n: usize| words[(n * n / 7 + n / 3 + seed) % words.len()];
        (0..40)
            .map(|n| (0..60).flat_map(|k| format!("{} {} ", word(n + k), word(k * n)).into_bytes()).collect())
            .collect()
    }

    #[test]
    fn what_is_learned_is_better_or_not_taken() {
        let built_in = Dictionary::built_in();
        let (bytes, before, after) = learn(&samples(0), &built_in, 2_048, 3).unwrap();
        assert!(bytes.len() <= 2_048 && after * 100 <= before * 97, "{before} {after}");
        // the same again is no better
        let own = Dictionary::new(5, bytes).unwrap();
        assert!(learn(&samples(0), &own, 2_048, 3).is_none());
        assert!(learn(&[], &built_in, 2_048, 3).is_none());
        assert!(learn(&vec![b"x".to_vec(); 20], &built_in, 2_048, 3).is_none());
    }

    #[test]
    fn a_learned_one_begins_with_a_segment_and_has_its_number() {
        let choice = Choice::new();
        assert_eq!((choice.begin(1).number, choice.is_urgent()), (BUILT_IN, false));
        let bytes = learn(&samples(0), &choice.present(), 2_048, 3).unwrap().0;
        choice.learned(bytes.clone());
        assert!(choice.is_urgent());
        assert_eq!(choice.present().number, BUILT_IN);
        let begun = choice.begin(7);
        assert_eq!((begun.number, begun.decoder.get_dict_id().unwrap().get()), (BUILT_IN + 7, BUILT_IN + 7));
        assert_eq!(choice.begin(8).number, BUILT_IN + 7);
        choice.learned(bytes);
        assert!(!choice.is_urgent());
        assert_eq!(choice.begin(9).number, BUILT_IN + 9);
        // what is no dictionary changes nothing
        choice.learned(b"garbage".to_vec());
        assert_eq!(choice.begin(10).number, BUILT_IN + 9);
    }
}
