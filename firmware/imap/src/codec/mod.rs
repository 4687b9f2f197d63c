//! The wire form of IMAP4rev1 (RFC 3501 §9) and of the extensions in `commands`: bytes to values and values to bytes.
//!
//! [`framing`] cuts the stream of bytes into commands, [`parse`] turns one command into a [`command::Command`],
//! [`encode`] and [`structure`] write what goes back. Nothing here knows sessions, mailboxes or the store's contents.

pub mod command;
pub mod encode;
pub mod framing;
pub mod lexer;
pub mod parse;
mod parse_fetch;
mod parse_list;
mod parse_search;
#[cfg(test)]
mod roundtrip;
pub mod sequence;
pub mod structure;
pub mod utf7;

pub use lexer::{Bad, Lexer};
