//! Internet messages (RFC 5322) and MIME (RFC 2045-2049, 2183, 2231): what a mail program asks about a message's inside.
//!
//! Everything here is pure: bytes in, values out. Nothing fails: any sequence of bytes is a message, a damaged one
//! is described as far as it makes sense. Bytes are kept as they came (encoded-words, 8-bit, odd line ends).

mod address;
mod builder;
mod charset;
pub mod date;
mod encoded;
pub mod envelope;
mod fold;
pub mod header;
pub mod limits;
mod mime;
pub mod section;
pub mod structure;
pub mod text;
mod transfer;

pub use envelope::{Address, Envelope};
pub use section::{Section, SectionText};
pub use structure::{Builder, Content, Disposition, Param, Part};
