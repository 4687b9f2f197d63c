//! Transcripts, real programs, setup pages, the emulated board, benchmarks: what the tests in `tests/` share.
//!
//! A transcript ([`transcript`]) is played by [`play`] against one of three targets: sessions in memory ([`memory`]), a
//! daemon on this machine ([`daemon`], over [`wire`]), or the emulated board (over the same [`wire`]).

pub mod clients;
pub mod corpus;
pub mod cuts;
pub mod daemon;
pub mod dovecot;
pub mod exchange;
pub mod household;
pub mod ledger;
pub mod lmtp;
pub mod maildir;
pub mod memory;
pub mod own_mounts;
pub mod pattern;
pub mod play;
pub mod random;
pub mod scram;
pub mod transcript;
pub mod visitor;
pub mod wire;

use std::path::PathBuf;

/// The domain of every account that tests make.
pub const DOMAIN: &str = "home.example";
/// The password of every account that tests make.
pub const PASSWORD: &str = "Tr4nscript-horse";

/// The folder of this crate: transcripts, clients, corpus.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The doors of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// IMAP, plain until STARTTLS.
    Imap,
    /// IMAP over TLS.
    Imaps,
    /// POP3, plain until STLS.
    Pop3,
    /// POP3 over TLS.
    Pop3s,
    /// SMTP reception.
    Smtp,
    /// Submission, plain until STARTTLS.
    Submission,
    /// Submission over TLS.
    Submissions,
    /// LMTP.
    Lmtp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 8] = [
        Protocol::Imap,
        Protocol::Imaps,
        Protocol::Pop3,
        Protocol::Pop3s,
        Protocol::Smtp,
        Protocol::Submission,
        Protocol::Submissions,
        Protocol::Lmtp,
    ];

    /// Its name in transcripts.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Imap => "imap",
            Protocol::Imaps => "imaps",
            Protocol::Pop3 => "pop3",
            Protocol::Pop3s => "pop3s",
            Protocol::Smtp => "smtp",
            Protocol::Submission => "submission",
            Protocol::Submissions => "submissions",
            Protocol::Lmtp => "lmtp",
        }
    }

    /// Its standard port; the daemon adds its offset.
    pub fn port(self) -> u16 {
        match self {
            Protocol::Imap => 143,
            Protocol::Imaps => 993,
            Protocol::Pop3 => 110,
            Protocol::Pop3s => 995,
            Protocol::Smtp => 25,
            Protocol::Submission => 587,
            Protocol::Submissions => 465,
            Protocol::Lmtp => 24,
        }
    }

    /// Whether it begins with TLS.
    pub fn implicit_tls(self) -> bool {
        matches!(self, Protocol::Imaps | Protocol::Pop3s | Protocol::Submissions)
    }

    /// By its name in transcripts.
    pub fn parse(name: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|p| p.name() == name)
    }
}
