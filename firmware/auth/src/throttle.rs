//! Back-off after failed logins, per peer address and per account; bounded memory.
