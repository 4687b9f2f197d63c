//! How octets of messages become octets of PART records and back: zstd with a dictionary, base64 (RFC 4648 §4) undone.

use crate::dictionary::{Choice, Known, What};
use crate::limits;
use crate::pool::Pool;
use crate::record::{PART_HEADER, PartHead};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::borrow::Cow;
use std::io;
use zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_error_name};

/// Octets as they are.
const PLAIN: u32 = 0;
/// Compressors, and decompressors, at work at a time: as many as a board has cores. More would take memory and wait for a core.
const AT_WORK: usize = 4;

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
    /// The dictionary it is compressed with, if it is.
    pub with: Option<Known>,
    /// What is stored.
    pub data: Vec<u8>,
    /// By which others can share it.
    pub hash: Option<Hash>,
}

impl Piece {
    /// 0, or the number of the dictionary it is compressed with.
    pub fn coding(&self) -> u32 {
        self.with.as_ref().map_or(PLAIN, |with| with.number)
    }

    fn what(&self) -> What {
        if self.line == 0 { What::Text } else { What::Attachment }
    }
}

/// Compresses and decompresses.
pub struct Codec {
    key: hmac::Key,
    /// Octets of an attachment from which messages share it.
    shared: usize,
    /// What the log is written with.
    pub dictionary: Choice,
    compressors: Pool<CCtx<'static>>,
    decompressors: Pool<DCtx<'static>>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

impl Codec {
    /// For the store with this number.
    pub fn new(store: u64, shared: usize) -> Codec {
        Codec {
            shared,
            key: hmac::Key::new(hmac::HMAC_SHA256, &store.to_le_bytes()),
            dictionary: Choice::new(),
            compressors: Pool::new(AT_WORK),
            decompressors: Pool::new(AT_WORK),
        }
    }

    /// Octets of a message as they are.
    pub fn text(&self, bytes: Vec<u8>) -> io::Result<Piece> {
        let len = bytes.len() as u32;
        let (with, data) = self.compress(bytes, What::Text)?;
        Ok(Piece { len, line: 0, raw: len, with, data, hash: None })
    }

    /// Octets that the message has as `len` octets of base64 in lines of `line` characters.
    pub fn attachment(&self, bytes: Vec<u8>, line: u8) -> io::Result<Piece> {
        let raw = bytes.len() as u32;
        let len = encoded_len(bytes.len(), line) as u32;
        let hash = (bytes.len() >= self.shared).then(|| self.hash(&bytes));
        let (with, data) = self.compress(bytes, What::Attachment)?;
        Ok(Piece { len, line, raw, with, data, hash })
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        let tag = hmac::sign(&self.key, bytes);
        std::array::from_fn(|i| tag.as_ref()[i])
    }

    /// Rows of a snapshot: the dictionary used, 0 for none, and what is stored.
    pub fn rows(&self, bytes: Vec<u8>) -> io::Result<(u32, Vec<u8>)> {
        let (with, data) = self.compress(bytes, What::Attachment)?;
        Ok((with.map_or(PLAIN, |with| with.number), data))
    }

    /// A piece as the segment takes it that is written now: compressed anew if the dictionary changed since its caller
    /// compressed it.
    pub fn for_now<'a>(&self, piece: &'a Piece) -> Cow<'a, Piece> {
        let present = self.dictionary.present();
        let Some(with) = piece.with.as_ref().filter(|with| **with != present) else { return Cow::Borrowed(piece) };
        let again = self.unpack(with, piece.raw as usize, &piece.data).and_then(|bytes| {
            let (with, data) = self.compress(bytes, piece.what()).ok()?;
            Some(Piece { with, data, ..*piece })
        });
        // what was compressed can be decompressed; were it not so, readers would find the dictionary in older segments
        again.map_or(Cow::Borrowed(piece), Cow::Owned)
    }

    /// The payload of a PART to be copied as the segment takes it that is written now; `None` if it is not what it says.
    pub fn part_for_now(
        &self,
        payload: Vec<u8>,
        what: What,
        found: impl FnOnce(u32) -> Option<Known>,
    ) -> Option<Vec<u8>> {
        let (head, data) = PartHead::decode(&payload)?;
        if [PLAIN, self.dictionary.present().number].contains(&head.coding) {
            return Some(payload);
        }
        let mut bytes = Vec::new();
        self.decompress(head.coding, head.raw as usize, data, found, &mut bytes)?;
        let (with, data) = self.compress(bytes, what).ok()?;
        let coding = with.map_or(PLAIN, |with| with.number);
        let mut payload = Vec::with_capacity(PART_HEADER + data.len());
        payload.extend_from_slice(&PartHead { coding, ..head }.encode());
        payload.extend_from_slice(&data);
        Some(payload)
    }

    /// The dictionary used, if one was, and what is stored.
    fn compress(&self, bytes: Vec<u8>, what: What) -> io::Result<(Option<Known>, Vec<u8>)> {
        let with = self.dictionary.present();
        let mut data = Vec::with_capacity(compress_bound(bytes.len()));
        let mut taken = self.compressors.take(CCtx::try_create);
        let compressor = taken.as_deref_mut().and_then(Option::as_mut);
        let (Some(encoder), Some(compressor)) = (with.encoder(what), compressor) else {
            return Ok((None, bytes));
        };
        let done = compressor.compress_using_cdict(&mut data, &bytes, encoder);
        done.map_err(|code| io::Error::other(get_error_name(code)))?;
        drop(taken);
        let gained = data.len() + data.len() / 32 < bytes.len();
        Ok(if gained {
            data.shrink_to_fit();
            (Some(with), data)
        } else {
            (None, bytes)
        })
    }

    /// Appends the octets before compression to `out`; `None` if the data is not what it says.
    pub fn decompress(
        &self,
        coding: u32,
        raw: usize,
        data: &[u8],
        found: impl FnOnce(u32) -> Option<Known>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if coding == PLAIN {
            out.extend_from_slice(data);
            return (raw == data.len()).then_some(());
        }
        let present = self.dictionary.present();
        let with = if present.number == coding { present } else { found(coding)? };
        let bytes = self.unpack(&with, raw, data)?;
        if out.is_empty() {
            *out = bytes
        } else {
            out.extend_from_slice(&bytes)
        }
        Some(())
    }

    /// The octets before compression; `None` if the data is not what it says.
    fn unpack(&self, with: &Known, raw: usize, data: &[u8]) -> Option<Vec<u8>> {
        if raw > limits::RECORD {
            return None;
        }
        let mut bytes = Vec::with_capacity(raw);
        let mut taken = self.decompressors.take(DCtx::try_create)?;
        taken.as_mut()?.decompress_using_ddict(&mut bytes, data, &with.decoder).ok()?;
        drop(taken);
        (bytes.len() == raw).then_some(bytes)
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
    use crate::dictionary::{BUILT_IN, Dictionary, learn};

    #[test]
    fn what_was_compressed_with_another_dictionary_is_compressed_again() {
        let codec = Codec::new(7, 2000);
        let samples: Vec<Vec<u8>> =
            (0..30).map(|n| format!("The boiler of flat {n} is out of order").repeat(9).into()).collect();
        let piece = codec.text(samples[0].clone()).unwrap();
        assert_eq!(codec.for_now(&piece), Cow::Borrowed(&piece));
        let head = PartHead { blob: 3, position: 4, coding: piece.coding(), raw: piece.raw };
        let payload = [&head.encode()[..], &piece.data].concat();
        assert_eq!(codec.part_for_now(payload.clone(), What::Text, |_| None).unwrap(), payload);
        codec.dictionary.learned(learn(&samples, &codec.dictionary.present(), 1_000, -100).unwrap().0);
        let present = codec.dictionary.begin(2);
        let again = codec.for_now(&piece).into_owned();
        assert_eq!((again.coding(), again.len, again.raw), (present.number, piece.len, piece.raw));
        let copy = codec.part_for_now(payload.clone(), What::Text, |_| Some(Dictionary::built_in())).unwrap();
        let (copied, data) = PartHead::decode(&copy).unwrap();
        assert_eq!((copied, data), (PartHead { coding: present.number, ..head }, &again.data[..]));
        let mut back = Vec::new();
        codec.decompress(again.coding(), again.raw as usize, &again.data, |_| None, &mut back).unwrap();
        assert_eq!(back, samples[0]);
        // without its dictionary nothing can be copied
        assert_eq!(codec.part_for_now(payload, What::Text, |_| None), None);
    }

    #[test]
    fn text_becomes_smaller_and_comes_back() {
        let codec = Codec::new(7, 2000);
        let text = b"Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.net (Postfix) with ESMTPS id 4\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n".to_vec();
        let piece = codec.text(text.clone()).unwrap();
        assert!(piece.coding() == BUILT_IN && piece.data.len() < text.len() / 2, "{}", piece.data.len());
        let mut back = b"x".to_vec();
        codec.decompress(piece.coding(), text.len(), &piece.data, |_| None, &mut back).unwrap();
        assert_eq!(back[1..], text);
        assert!(codec.decompress(piece.coding(), 3, &piece.data, |_| None, &mut Vec::new()).is_none());
        assert!(codec.decompress(99, text.len(), &piece.data, |_| None, &mut Vec::new()).is_none());
        assert!(codec.decompress(BUILT_IN, text.len(), b"garbage", |_| None, &mut Vec::new()).is_none());
    }

    #[test]
    fn what_does_not_become_smaller_stays_as_it_is() {
        let codec = Codec::new(7, 2000);
        let noise: Vec<u8> =
            (0..999_u64).map(|n| ((n + 9).pow(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        let piece = codec.text(noise.clone()).unwrap();
        assert_eq!((piece.coding(), piece.data), (0, noise));
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
