//! How octets of messages become octets of PART records and back: zstd with a dictionary, base64 (RFC 4648 §4) undone.

use crate::disk::lock;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The number of the dictionary this version writes with.
pub const DICTIONARY: u32 = 1001;
/// That dictionary (`dictionary/train.py`); every segment carries a copy of the one it was written with.
pub const DICTIONARY_BYTES: &[u8] = include_bytes!("../dictionary/1001.zdict");
/// Octets as they are.
const PLAIN: u32 = 0;
/// zstd's levels: text is worth more time than attachments, most of which are compressed already (adr/0005).
const TEXT: i32 = 6;
const ATTACHMENT: i32 = 3;
/// Compressors and decompressors kept for the next caller.
const KEPT: usize = 2;

/// What tells equal attachments: a keyed hash of their octets.
pub type Hash = [u8; 16];

/// Some octets of a message, ready for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Octets of the message it stands for.
    pub len: u32,
    /// 0, or how many characters the lines of base64 have that it stands for.
    pub line: u8,
    /// Octets before compression.
    pub raw: u32,
    /// 0, or the dictionary it is compressed with.
    pub coding: u32,
    /// What is stored.
    pub data: Vec<u8>,
    /// By which others can share it.
    pub hash: Option<Hash>,
}

type Encoder = LazyLock<EncoderDictionary<'static>>;
static FOR_TEXT: Encoder = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_BYTES, TEXT));
static FOR_ATTACHMENTS: Encoder = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_BYTES, ATTACHMENT));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY_BYTES));

/// Compresses and decompresses.
pub struct Codec {
    key: hmac::Key,
    /// Octets of an attachment from which messages share it.
    shared: usize,
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

/// A dictionary found in a segment.
pub type Dictionary = Arc<DecoderDictionary<'static>>;

/// Makes a dictionary usable.
pub fn dictionary(bytes: &[u8]) -> Dictionary {
    Arc::new(DecoderDictionary::copy(bytes))
}

impl Codec {
    /// For the store with this number.
    pub fn new(store: u64, shared: usize) -> Codec {
        Codec {
            shared,
            key: hmac::Key::new(hmac::HMAC_SHA256, &store.to_le_bytes()),
            compressors: Mutex::default(),
            decompressors: Mutex::default(),
        }
    }

    /// Octets of a message as they are.
    pub fn text(&self, bytes: Vec<u8>) -> io::Result<Piece> {
        let len = bytes.len() as u32;
        let (coding, data) = self.compress(bytes, &FOR_TEXT)?;
        Ok(Piece { len, line: 0, raw: len, coding, data, hash: None })
    }

    /// Octets that the message has as `len` octets of base64 in lines of `line` characters.
    pub fn attachment(&self, bytes: Vec<u8>, line: u8) -> io::Result<Piece> {
        let raw = bytes.len() as u32;
        let len = encoded_len(bytes.len(), line) as u32;
        let hash = (bytes.len() >= self.shared).then(|| self.hash(&bytes));
        let (coding, data) = self.compress(bytes, &FOR_ATTACHMENTS)?;
        Ok(Piece { len, line, raw, coding, data, hash })
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        let tag = hmac::sign(&self.key, bytes);
        std::array::from_fn(|i| tag.as_ref()[i])
    }

    /// Rows of a snapshot: the dictionary used, 0 for none, and what is stored.
    pub fn rows(&self, bytes: Vec<u8>) -> io::Result<(u32, Vec<u8>)> {
        self.compress(bytes, &FOR_ATTACHMENTS)
    }

    /// The dictionary used, 0 for none, and what is stored.
    fn compress(&self, bytes: Vec<u8>, encoder: &'static Encoder) -> io::Result<(u32, Vec<u8>)> {
        let kept = lock(&self.compressors).pop();
        let mut compressor = match kept {
            Some(compressor) => compressor,
            None => Compressor::new(ATTACHMENT)?,
        };
        compressor.set_prepared_dictionary(encoder)?;
        let mut data = Vec::with_capacity(zstd::compress_bound(bytes.len()));
        compressor.compress_to_buffer(&bytes, &mut data)?;
        keep(&self.compressors, compressor);
        let gained = data.len() + data.len() / 32 < bytes.len();
        Ok(if gained {
            data.shrink_to_fit();
            (DICTIONARY, data)
        } else {
            (PLAIN, bytes)
        })
    }

    /// Appends the octets before compression to `out`; `None` if the data is not what it says.
    pub fn decompress(
        &self,
        coding: u32,
        raw: usize,
        data: &[u8],
        found: impl FnOnce(u32) -> Option<Dictionary>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if coding == PLAIN {
            out.extend_from_slice(data);
            return (raw == data.len()).then_some(());
        }
        if raw > limits::RECORD {
            return None;
        }
        let mut bytes = Vec::with_capacity(raw);
        if coding == DICTIONARY {
            let kept = lock(&self.decompressors).pop();
            let mut decompressor = match kept {
                Some(decompressor) => decompressor,
                None => Decompressor::with_prepared_dictionary(&DECODER).ok()?,
            };
            decompressor.decompress_to_buffer(data, &mut bytes).ok()?;
            keep(&self.decompressors, decompressor);
        } else {
            let dictionary = found(coding)?;
            let mut decompressor = Decompressor::with_prepared_dictionary(&dictionary).ok()?;
            decompressor.decompress_to_buffer(data, &mut bytes).ok()?;
        }
        if bytes.len() != raw {
            return None;
        }
        if out.is_empty() {
            *out = bytes
        } else {
            out.extend_from_slice(&bytes)
        }
        Some(())
    }
}

fn keep<T>(pool: &Mutex<Vec<T>>, one: T) {
    let mut pool = lock(pool);
    if pool.len() < KEPT {
        pool.push(one);
    }
}

/// Octets of so much in lines of base64 of so many characters, each ended by CRLF.
pub fn encoded_len(octets: usize, line: u8) -> usize {
    let characters = octets.div_ceil(3) * 4;
    characters + 2 * characters.div_ceil(usize::from(line.max(1)))
}

/// Puts octets into lines of base64, each ended by CRLF.
pub fn to_base64(octets: &[u8], line: u8, out: &mut Vec<u8>) {
    let mut text = [0; u8::MAX as usize + 1];
    for chunk in octets.chunks(usize::from(line / 4).max(1) * 3) {
        let len = STANDARD.encode_slice(chunk, &mut text).unwrap_or(0);
        out.extend_from_slice(&text[..len]);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends what a line of base64 without its CRLF stands for; only if encoding it again makes the same line.
pub fn from_base64(line: &[u8], out: &mut Vec<u8>) -> bool {
    if line.is_empty() || !line.len().is_multiple_of(4) || line.len() > u8::MAX as usize {
        return false;
    }
    let mut octets = [0; 192];
    // the engine takes no other alphabet, no padding but the right one, and no bits that would be lost
    match STANDARD.decode_slice(line, &mut octets) {
        Ok(len) => {
            out.extend_from_slice(&octets[..len]);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_smaller_and_comes_back() {
        let codec = Codec::new(7, 2000);
        let text = b"Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.net (Postfix) with ESMTPS id 4\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n".to_vec();
        let piece = codec.text(text.clone()).unwrap();
        assert!(piece.coding == DICTIONARY && piece.data.len() < text.len() / 2, "{}", piece.data.len());
        let mut back = b"x".to_vec();
        codec.decompress(piece.coding, text.len(), &piece.data, |_| None, &mut back).unwrap();
        assert_eq!(back[1..], text);
        assert!(codec.decompress(piece.coding, 3, &piece.data, |_| None, &mut Vec::new()).is_none());
        assert!(codec.decompress(99, text.len(), &piece.data, |_| None, &mut Vec::new()).is_none());
        assert!(codec.decompress(DICTIONARY, text.len(), b"garbage", |_| None, &mut Vec::new()).is_none());
    }

    #[test]
    fn what_does_not_become_smaller_stays_as_it_is() {
        let codec = Codec::new(7, 2000);
        let noise: Vec<u8> =
            (0..999_u64).map(|n| ((n + 9).pow(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        let piece = codec.text(noise.clone()).unwrap();
        assert_eq!((piece.coding, piece.data), (0, noise));
        assert_eq!(codec.text(Vec::new()).unwrap().data, b"");
    }

    #[test]
    fn hashes_differ_from_store_to_store() {
        let octets = vec![1; 5000];
        let hash = |store| Codec::new(store, 2000).attachment(octets.clone(), 76).unwrap().hash.unwrap();
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
        assert_eq!(Codec::new(1, 2000).attachment(vec![1; 10], 76).unwrap().hash, None);
    }

    #[test]
    fn base64_is_exact() {
        for (n, line) in [(1, 76), (57, 76), (58, 76), (1000, 64), (114, 76)] {
            let octets: Vec<u8> = (0..n).map(|i| (i * 7) as u8).collect();
            let mut text = Vec::new();
            to_base64(&octets, line, &mut text);
            assert_eq!(text.len(), encoded_len(octets.len(), line));
            let mut back = Vec::new();
            for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                assert!(from_base64(line.strip_suffix(b"\r").unwrap(), &mut back));
            }
            assert_eq!(back, octets);
        }
        for bad in [&b"QUI"[..], b"QR==", b"QUJ=", b"QU==QUJD", b"QUJ-", b"", b"====", b"QUI=\r"] {
            assert!(!from_base64(bad, &mut Vec::new()), "{bad:?}");
        }
    }
}
