//! Why a command is refused, and the one place where that becomes words (RFC 1939 §3, RFC 2449 §8, RFC 3206).

use store::StoreError;

/// Why a command is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The client's fault: no command, or not now. Too many of them end the connection.
    Bad(&'static str),
    /// Not possible, through nobody's fault.
    No(&'static str),
    /// Wrong name or password.
    Login,
    /// Too many wrong logins before.
    Throttled,
    /// A password over an unencrypted connection.
    Unencrypted,
    /// Another program removed the message meanwhile.
    Gone,
    /// What was marked as deleted could not be removed.
    Update(StoreError),
    /// The store's fault.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl Refusal {
    /// Appends the reply.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (code, text) = self.words();
        for piece in ["-ERR ", code, text, "\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Refusal::Bad(text) | Refusal::No(text) => ("", text),
            Refusal::Login => ("[AUTH] ", "wrong name or password"),
            Refusal::Throttled => ("[SYS/TEMP] ", "too many wrong passwords, try again later"),
            Refusal::Unencrypted => ("[SYS/PERM] ", "no passwords over an unencrypted connection: use STLS first"),
            Refusal::Gone => ("", "the message is gone, another program removed it"),
            Refusal::Update(StoreError::Stopped) => {
                ("[SYS/TEMP] ", "the store has stopped, the deleted messages may or may not be removed")
            }
            Refusal::Update(_) => ("[SYS/TEMP] ", "none of the deleted messages could be removed"),
            Refusal::Store(StoreError::Damaged(_)) => ("[SYS/PERM] ", "the message is damaged on the disk"),
            Refusal::Store(StoreError::Full) => ("[SYS/TEMP] ", "the disk is full"),
            Refusal::Store(_) => ("[SYS/TEMP] ", "the mail cannot be reached just now, try again later"),
        }
    }
}
