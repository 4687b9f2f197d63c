//! `roost import`: mail out of mbox files, Maildirs and single messages.
//!
//! An mbox is read with "From " lines after an empty line as separators and `>From ` unquoted by one `>` (mboxrd). A Maildir
//! brings its flags; Maildir++ folders (`.Sent`, `.Work.2026`) become mailboxes. Line ends become CRLF, as mail is stored.

use crate::control::{Answer, Arriving, Request, Wire};
use crate::limits;
use auth::Address;
use message::date::DateTime;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Brings everything under `paths` into the account's mailboxes.
pub fn import(data: &Path, account: Address, paths: &[PathBuf], print: &mut dyn FnMut(&str)) -> Result<(), String> {
    let mut found = Vec::new();
    for path in paths {
        survey(path, "INBOX", &mut found)?;
    }
    let total = found.iter().map(|f| f.size).sum();
    let bar = indicatif::ProgressBar::new(total);
    let mut wire = Wire::connect(data)?;
    wire.send(&Request::Import { account })?;
    expect_line(&mut wire)?;
    let mut count = 0u64;
    for source in &found {
        let mut send = |message: Vec<u8>| {
            bar.inc(message.len() as u64);
            count += 1;
            send_one(&mut wire, source, message)
        };
        let fault = |e: std::io::Error| format!("{}: {e}", source.path.display());
        match source.kind {
            Kind::One if source.size > limits::MESSAGE => {
                return Err(format!("{}: the message is too large", source.path.display()));
            }
            Kind::One => send(fs::read(&source.path).map_err(fault)?)?,
            Kind::Mbox => each_in_mbox(BufReader::new(fs::File::open(&source.path).map_err(fault)?), &mut send)
                .map_err(|why| format!("{}: {why}", source.path.display()))?,
        }
    }
    bar.finish_and_clear();
    print(&format!("{count} messages imported"));
    Ok(())
}

fn expect_line(wire: &mut Wire) -> Result<(), String> {
    match wire.answer()? {
        Answer::Line(_) => Ok(()),
        Answer::Done => Err("the daemon ended the import".into()),
        Answer::Error(why) => Err(why),
    }
}

fn send_one(wire: &mut Wire, source: &Source, message: Vec<u8>) -> Result<(), String> {
    let message = with_crlf(&message);
    let header = &message[..message.windows(4).position(|w| w == b"\r\n\r\n").map_or(message.len(), |p| p + 4)];
    let date = message::header::fields(header).find(|f| f.name.eq_ignore_ascii_case(b"date"));
    let date = date.and_then(|f| DateTime::parse_rfc5322(f.value)).map_or(source.modified, |d| d.unix);
    let size = message.len() as u64;
    wire.send(&Arriving { mailbox: source.mailbox.clone(), flags: source.flags.clone(), internal_date: date, size })?;
    wire.send_bytes(&message)?;
    expect_line(wire)
}

/// A file with mail in it.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    mailbox: String,
    kind: Kind,
    flags: store::Flags,
    modified: i64,
    size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Mbox,
}

/// Finds the mail under a path, in the order of names.
fn survey(path: &Path, mailbox: &str, found: &mut Vec<Source>) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("{}: {e}", path.display());
    let meta = fs::metadata(path).map_err(fault)?;
    if !meta.is_dir() {
        let modified =
            meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs() as i64);
        let kind = if looks_like_mbox(path).map_err(fault)? { Kind::Mbox } else { Kind::One };
        found.push(Source {
            path: path.to_path_buf(),
            mailbox: mailbox.to_owned(),
            kind,
            flags: maildir_flags(path),
            modified,
            size: meta.len(),
        });
        return Ok(());
    }
    let mut entries = fs::read_dir(path)
        .map_err(fault)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fault)?;
    entries.sort();
    let maildir = path.join("cur").is_dir() && path.join("new").is_dir();
    for entry in entries {
        let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        match name {
            "tmp" if maildir => {}
            _ if maildir && name.starts_with('.') && entry.join("cur").is_dir() => {
                survey(&entry, &name[1..].replace('.', "/"), found)?;
            }
            "cur" | "new" if maildir => survey(&entry, mailbox, found)?,
            // What else lies in a Maildir is an index of some program.
            _ if maildir || name.starts_with('.') => {}
            _ => survey(&entry, mailbox, found)?,
        }
    }
    Ok(())
}

fn looks_like_mbox(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(path)?, 5), &mut start)?;
    Ok(start == b"From ")
}

/// The flags in a Maildir file's name, after `:2,`.
fn maildir_flags(path: &Path) -> store::Flags {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    let has = |c| letters.contains(c);
    store::Flags {
        seen: has('S'),
        answered: has('R'),
        flagged: has('F'),
        deleted: has('T'),
        draft: has('D'),
        ..Default::default()
    }
}

fn each_in_mbox(mut reader: impl BufRead, send: &mut dyn FnMut(Vec<u8>) -> Result<(), String>) -> Result<(), String> {
    let (mut message, mut line, mut after_empty, mut begun) = (Vec::new(), Vec::new(), true, false);
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if n == 0 || (after_empty && is_separator(&line)) {
            if begun {
                // The empty line before the separator belongs to the mbox.
                let end = if message.ends_with(b"\r\n\r\n") { 2 } else { usize::from(message.ends_with(b"\n\n")) };
                message.truncate(message.len() - end);
                send(std::mem::take(&mut message))?;
            }
            if n == 0 {
                return Ok(());
            }
            (begun, after_empty) = (true, false);
            continue;
        }
        after_empty = line == b"\n" || line == b"\r\n";
        let quoted = line.iter().take_while(|b| **b == b'>').count();
        let from = usize::from(quoted > 0 && line[quoted..].starts_with(b"From "));
        message.extend_from_slice(&line[from..]);
        if message.len() as u64 > limits::MESSAGE {
            return Err("a message in it is too large".into());
        }
    }
}

/// `From sender Sat Nov 21 11:47:43 2026`: a sentence that begins with "From" has no time of day in it.
fn is_separator(line: &[u8]) -> bool {
    let digits = |at: &[u8]| at.iter().all(u8::is_ascii_digit);
    line.starts_with(b"From ") && line.windows(5).any(|w| digits(&w[..2]) && w[2] == b':' && digits(&w[3..]))
}

/// Lone LFs become CRLF.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut last = 0;
    for &b in bytes {
        if b == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(b);
        last = b;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(mbox: &str) -> Vec<String> {
        let mut messages = Vec::new();
        each_in_mbox(mbox.as_bytes(), &mut |m| {
            messages.push(String::from_utf8(m).unwrap());
            Ok(())
        })
        .unwrap();
        messages
    }

    #[test]
    fn an_mbox_is_split_and_unquoted() {
        let got = split(
            "From a Mon Nov  2 10:00:00 2026\nSubject: 1\n\nFrom here\n>From there\n>>From afar\n\nFrom b Tue Nov  3 10:00:00 2026\nSubject: 2\n\nx\n",
        );
        assert_eq!(got, ["Subject: 1\n\nFrom here\nFrom there\n>From afar\n", "Subject: 2\n\nx\n"]);
    }

    #[test]
    fn an_mbox_with_crlf_is_split_too() {
        let got = split(
            "From a Mon Nov  2 10:00:00 2026\r\nSubject: 1\r\n\r\nx\r\n\r\nFrom b 3 Nov 2026 10:00\r\nSubject: 2\r\n\r\ny\r\n\r\n",
        );
        assert_eq!(got, ["Subject: 1\r\n\r\nx\r\n", "Subject: 2\r\n\r\ny\r\n"]);
    }

    #[test]
    fn a_maildir_brings_flags_and_folders() {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["cur", "new", "tmp", ".Work.2026/cur", ".Work.2026/new"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        fs::write(dir.path().join("cur/1.host:2,FS"), "Subject: a\n\n").unwrap();
        fs::write(dir.path().join("tmp/2.host"), "half").unwrap();
        fs::write(dir.path().join("dovecot.index"), "x").unwrap();
        fs::write(dir.path().join(".Work.2026/new/3.host"), "Subject: b\n\n").unwrap();
        let mut found = Vec::new();
        survey(dir.path(), "INBOX", &mut found).unwrap();
        let mut got: Vec<_> =
            found.iter().map(|s| (s.mailbox.as_str(), s.flags.seen, s.flags.flagged, s.kind)).collect();
        got.sort_by_key(|g| g.0);
        assert_eq!(got, [("INBOX", true, true, Kind::One), ("Work/2026", false, false, Kind::One)]);
    }

    #[test]
    fn line_ends_become_crlf_once() {
        assert_eq!(with_crlf(b"a\nb\r\nc\rd"), b"a\r\nb\r\nc\rd");
    }
}
