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

/// Takes off the trace lines that final delivery puts before a message (RFC 5321 section 4.4): a `Return-Path:` and a
/// `Received:` that ends with the line of its date, in a message with these line ends. `None` if it does not begin so. A message that itself
/// begins with a space stays whole, though a reader must take its first line for one of these.
pub fn without_trace<'a>(message: &'a [u8], line_end: &str) -> Option<&'a [u8]> {
    let mut rest = message;
    for (begins, needed) in
        [("Return-Path: <", true), ("Received: from ", true), ("\tby ", true), ("\tfor <", false), ("\t", true)]
    {
        if !rest.starts_with(begins.as_bytes()) {
            (!needed).then_some(())?;
            continue;
        }
        let end = rest.windows(line_end.len()).position(|w| w == line_end.as_bytes())?;
        rest = &rest[end + line_end.len()..];
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_the_trace_and_nothing_else() {
        let trace = "Return-Path: <a@b>\r\nReceived: from x\r\n\tby y\r\n\tfor <c>;\r\n\tnow\r\n";
        for message in ["Received: z\r\n\r\nbody\r\n", " From: z\r\n", "\r\n", ""] {
            let whole = format!("{trace}{message}");
            assert_eq!(without_trace(whole.as_bytes(), "\r\n"), Some(message.as_bytes()));
        }
        assert!(without_trace(b"Received: x\r\n\r\n", "\r\n").is_none());
    }
}
