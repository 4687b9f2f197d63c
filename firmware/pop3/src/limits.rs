//! Every limit this crate enforces.
