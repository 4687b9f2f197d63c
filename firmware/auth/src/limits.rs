//! Every limit this crate enforces.

/// Octets of a local part (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART: usize = 64;
/// Octets of a domain (RFC 5321 §4.5.3.1.2).
pub const DOMAIN: usize = 255;
/// Octets of a password; longer ones are refused before any hashing.
pub const PASSWORD: usize = 1024;
/// App passwords per account.
pub const APP_PASSWORDS: usize = 64;
/// Octets of one decoded SASL message.
pub const SASL_MESSAGE: usize = 8 * 1024;
