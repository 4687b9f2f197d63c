//! Reads the Maildirs that mail programs write.

use std::collections::BTreeMap;
use std::path::Path;

/// Every message of a Maildir (`cur` and `new`) by its file name.
pub fn messages(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["cur", "new"] {
        let entries = std::fs::read_dir(dir.join(part)).unwrap_or_else(|e| panic!("{}/{part}: {e}", dir.display()));
        for entry in entries {
            let entry = entry.expect("a directory can be read");
            let bytes = std::fs::read(entry.path()).expect("a message can be read");
            found.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
    }
    found
}

/// Takes off the trace lines that final delivery puts before a message (RFC 5321 section 4.4): one `Return-Path:` and one
/// `Received:`, in this order, in a message with these line ends. `None` if it does not begin so.
pub fn without_trace<'a>(message: &'a [u8], line_end: &str) -> Option<&'a [u8]> {
    let rest = field(message, b"Return-Path: <", line_end)?;
    field(rest, b"Received: ", line_end)
}

/// Takes off a header field with its folded lines.
fn field<'a>(message: &'a [u8], name: &[u8], line_end: &str) -> Option<&'a [u8]> {
    if !message.starts_with(name) {
        return None;
    }
    let mut at = 0;
    loop {
        let rest = &message[at..];
        let end = rest.windows(line_end.len()).position(|w| w == line_end.as_bytes())?;
        at += end + line_end.len();
        if !matches!(message.get(at), Some(b' ' | b'\t')) {
            return Some(&message[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_the_trace_and_nothing_else() {
        let message = b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y; now\r\nReceived: z\r\n\r\nbody\r\n";
        assert_eq!(without_trace(message, "\r\n").unwrap(), b"Received: z\r\n\r\nbody\r\n");
        assert!(without_trace(b"Received: x\r\n\r\n", "\r\n").is_none());
    }
}
