//! The update bundle: a signed manifest and the contents of a root slot, checked while they come in, in bounded memory.
//!
//! | octets | what |
//! |---|---|
//! | 8 | `ROOSTUP1` |
//! | 4 | length of the manifest, little-endian |
//! | 64 | Ed25519 signature (RFC 8032) of `roost update 1`, a zero octet and the manifest |
//! | … | the manifest, JSON: see [`Manifest`] |
//! | … | the slot's contents, as many octets as the manifest says, and nothing after them |
//!
//! The manifest has the SHA-256 of each 256 KiB of the contents. Nothing of a bundle is believed before the signature of its
//! manifest was found right, and no chunk is handed on before its hash was: garbage never reaches the flash.

use crate::limits;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Read, Write};

/// Octets that have a hash of their own.
pub const CHUNK: usize = 256 * 1024;

const MAGIC: &[u8; 8] = b"ROOSTUP1";
const HEAD: usize = 8 + 4 + 64;
/// A signature for another purpose is none for an update.
const PURPOSE: &[u8] = b"roost update 1\0";

/// What a bundle is for and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The board it is built for.
    pub board: String,
    /// Its version, at most 24 printable ASCII characters.
    pub version: String,
    /// When it was built, Unix seconds.
    pub built: i64,
    /// The store format that its daemon writes.
    pub store_format: u32,
    /// The oldest store format that its daemon opens.
    pub store_reads: u32,
    /// Octets of the contents.
    pub size: u64,
    /// SHA-256 of each chunk.
    pub chunks: Vec<Hash>,
}

/// SHA-256, as hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

/// What an update has to be like here.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Public keys; one of them has signed.
    pub keys: Vec<[u8; 32]>,
    /// This board.
    pub board: String,
    /// The store format that is on the data partition.
    pub store_format: u32,
    /// Octets of a slot.
    pub capacity: u64,
}

/// Why a bundle is refused.
#[derive(Debug)]
pub enum Refusal {
    /// It is something else.
    NotABundle,
    /// No key of ours signed it, or it was changed.
    Signature,
    /// The manifest cannot be understood.
    Manifest(String),
    /// It is for another board.
    Board(String),
    /// Its daemon could not open the mail that is here.
    StoreFormat {
        /// What its daemon writes.
        theirs: u32,
        /// The oldest it opens.
        reads: u32,
        /// What is here.
        ours: u32,
    },
    /// It is larger than a slot.
    TooLarge,
    /// A chunk is not the one that was signed.
    Chunk(u64),
    /// It ended early.
    CutShort,
    /// There is something behind its end.
    TooLong,
    /// The flash does not give back what was written.
    ReadBack(u64),
    /// The slot that runs has to prove itself first: the other is the way back.
    OnTrial,
    /// This machine has no slots.
    NoSlots(String),
    /// The storage failed.
    Storage(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotABundle => f.write_str("this is no update bundle"),
            Refusal::Signature => f.write_str("the update is not signed by a key that this box trusts"),
            Refusal::Manifest(why) => write!(f, "the update's description is wrong: {why}"),
            Refusal::Board(theirs) => write!(f, "the update is for another board: {theirs}"),
            Refusal::StoreFormat { theirs, reads, ours } => write!(
                f,
                "the update could not read the mail here: it knows store formats {reads} to {theirs}, here is {ours}"
            ),
            Refusal::TooLarge => f.write_str("the update is larger than its place"),
            Refusal::Chunk(n) => write!(f, "the update is damaged in part {n}"),
            Refusal::CutShort => f.write_str("the update ends too early"),
            Refusal::TooLong => f.write_str("there is something behind the update's end"),
            Refusal::ReadBack(n) => write!(f, "the storage does not keep what is written to it (part {n})"),
            Refusal::OnTrial => {
                f.write_str("the running version has not proved itself yet; please try again in a quarter of an hour")
            }
            Refusal::NoSlots(why) => write!(f, "this machine takes no updates: {why}"),
            Refusal::Storage(e) => write!(f, "the storage failed: {e}"),
        }
    }
}
impl std::error::Error for Refusal {}
impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Refusal {
        Refusal::Storage(e)
    }
}

impl Hash {
    /// The hash of these octets.
    pub fn of(bytes: &[u8]) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Hash(hash)
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}
impl TryFrom<String> for Hash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Hash, &'static str> {
        from_hex(&text).map(Hash).ok_or("a hash is not 64 hexadecimal digits")
    }
}
impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        to_hex(&hash.0)
    }
}

/// Octets as hexadecimal digits.
pub fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 octets from their hexadecimal digits.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

impl Manifest {
    fn parse(bytes: &[u8]) -> Result<Manifest, Refusal> {
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| Refusal::Manifest(e.to_string()))?;
        manifest.valid().map(|()| manifest)
    }

    /// Whether it makes sense by itself.
    pub fn valid(&self) -> Result<(), Refusal> {
        let name = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !name(&self.version) || self.version.len() > limits::VERSION || !name(&self.board) {
            return Err(Refusal::Manifest("version and board are short words".into()));
        }
        if self.size == 0 || self.size.div_ceil(CHUNK as u64) != self.chunks.len() as u64 {
            return Err(Refusal::Manifest("its hashes are not as many as its parts".into()));
        }
        Ok(())
    }

    fn check(&self, policy: &Policy) -> Result<(), Refusal> {
        if self.board != policy.board {
            return Err(Refusal::Board(self.board.clone()));
        }
        if !(self.store_reads..=self.store_format).contains(&policy.store_format) {
            let (theirs, reads, ours) = (self.store_format, self.store_reads, policy.store_format);
            return Err(Refusal::StoreFormat { theirs, reads, ours });
        }
        if self.size > policy.capacity {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }

    /// Octets of a chunk.
    pub(crate) fn chunk_len(&self, n: usize) -> usize {
        let rest = self.size.saturating_sub(n as u64 * CHUNK as u64);
        usize::try_from(rest).map_or(CHUNK, |rest| rest.min(CHUNK))
    }
}

/// Something of a bundle that can be relied on.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The manifest, signed and for this box.
    Manifest(&'a Manifest),
    /// The chunk with this number.
    Chunk(usize, &'a [u8]),
}

/// Checks a bundle that comes in pieces of any size.
#[derive(Debug)]
pub struct Receiver {
    policy: Policy,
    buffer: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Head,
    Manifest { length: usize, signature: [u8; 64] },
    Chunks { manifest: Manifest, next: usize },
}

impl Receiver {
    /// One that holds bundles to this policy.
    pub fn new(policy: Policy) -> Receiver {
        Receiver { policy, buffer: Vec::new(), stage: Stage::Head }
    }

    /// The manifest, once it is there.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.stage {
            Stage::Chunks { manifest, .. } => Some(manifest),
            _ => None,
        }
    }

    /// Takes octets off the front of `bytes`: up to the end of the next piece, or all. After a refusal nothing must be pushed.
    pub fn push<'a>(&'a mut self, bytes: &mut &[u8]) -> Result<Option<Piece<'a>>, Refusal> {
        let wanted = match &self.stage {
            Stage::Head => HEAD,
            Stage::Manifest { length, .. } => *length,
            Stage::Chunks { manifest, next } => manifest.chunk_len(*next),
        };
        if self.buffer.len() >= wanted {
            self.buffer.clear();
        }
        if wanted == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(Refusal::TooLong) };
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(wanted - self.buffer.len()));
        self.buffer.extend_from_slice(taken);
        *bytes = rest;
        if self.buffer.len() < wanted { Ok(None) } else { self.complete() }
    }

    fn complete(&mut self) -> Result<Option<Piece<'_>>, Refusal> {
        match &mut self.stage {
            Stage::Head => {
                self.stage = head(&self.buffer)?;
                self.buffer.clear();
                Ok(None)
            }
            Stage::Manifest { signature, .. } => {
                let manifest = signed(&self.policy, &self.buffer, signature)?;
                self.buffer.clear();
                self.stage = Stage::Chunks { manifest, next: 0 };
                Ok(self.manifest().map(Piece::Manifest))
            }
            Stage::Chunks { manifest, next } => {
                let n = *next;
                if manifest.chunks.get(n) != Some(&Hash::of(&self.buffer)) {
                    return Err(Refusal::Chunk(n as u64));
                }
                *next += 1;
                // Its octets stay in the buffer until the next push.
                Ok(Some(Piece::Chunk(n, &self.buffer)))
            }
        }
    }

    /// Ends it: the manifest of a bundle that is whole.
    pub fn finish(self) -> Result<Manifest, Refusal> {
        match self.stage {
            Stage::Chunks { manifest, next } if next == manifest.chunks.len() => Ok(manifest),
            _ => Err(Refusal::CutShort),
        }
    }
}

fn head(bytes: &[u8]) -> Result<Stage, Refusal> {
    if bytes[..8] != *MAGIC {
        return Err(Refusal::NotABundle);
    }
    let length = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    if length == 0 || length > limits::MANIFEST {
        return Err(Refusal::Manifest("its length".into()));
    }
    let mut signature = [0; 64];
    signature.copy_from_slice(&bytes[12..HEAD]);
    Ok(Stage::Manifest { length, signature })
}

fn signed(policy: &Policy, bytes: &[u8], signature: &[u8]) -> Result<Manifest, Refusal> {
    let message = [PURPOSE, bytes].concat();
    let by = |key: &[u8; 32]| UnparsedPublicKey::new(&ED25519, key).verify(&message, signature).is_ok();
    if !policy.keys.iter().any(by) {
        return Err(Refusal::Signature);
    }
    let manifest = Manifest::parse(bytes)?;
    manifest.check(policy)?;
    Ok(manifest)
}

/// Reads a slot's contents for their hashes, a chunk at a time; the size and the hashes.
pub fn hash(mut contents: impl Read) -> io::Result<(u64, Vec<Hash>)> {
    let (mut size, mut chunks, mut buffer) = (0, Vec::new(), Vec::with_capacity(CHUNK));
    loop {
        buffer.clear();
        let n = contents.by_ref().take(CHUNK as u64).read_to_end(&mut buffer)?;
        if n == 0 {
            return Ok((size, chunks));
        }
        size += n as u64;
        chunks.push(Hash::of(&buffer));
    }
}

/// Writes a bundle with these contents.
pub fn write(manifest: &Manifest, key: &Ed25519KeyPair, mut contents: impl Read, mut to: impl Write) -> io::Result<()> {
    let text = serde_json::to_vec(manifest)?;
    let length = u32::try_from(text.len()).ok().filter(|n| *n as usize <= limits::MANIFEST);
    let length = length.ok_or_else(|| io::Error::other("the contents are too large for a bundle"))?;
    to.write_all(MAGIC)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(key.sign(&[PURPOSE, &text].concat()).as_ref())?;
    to.write_all(&text)?;
    io::copy(&mut contents, &mut to)?;
    to.flush()
}
