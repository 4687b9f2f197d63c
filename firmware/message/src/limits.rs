//! Every limit this crate enforces. What lies beyond a limit is still carried byte for byte; it is only not described.

/// Bytes of one header block that are interpreted; the rest of a longer header is skipped over.
pub const HEADER_BYTES: usize = 256 * 1024;
/// Nesting of multiparts and message/rfc822 parts; deeper ones are described as leaves.
pub const DEPTH: usize = 32;
/// Parts of one message; the ones beyond stay inside the body of the last.
pub const PARTS: usize = 1_000;
/// Bytes of memory that the descriptions of one message's parts may take; what comes later is described by its type alone.
pub const WEIGHT: usize = 4 * 1024 * 1024;
/// Bytes of a multipart's boundary (RFC 2046 §5.1.1 allows 70); with a longer one it is described as a leaf.
pub const BOUNDARY: usize = 256;
/// Addresses in one address header of an Envelope.
pub const ADDRESSES: usize = 2_000;
/// Parameters of one Content-Type or Content-Disposition; tags of one Content-Language.
pub const PARAMS: usize = 64;
/// Combining characters in a row that are put in canonical order for searching (UAX #15, Stream-Safe Text Format).
pub const COMBINING: usize = 30;
