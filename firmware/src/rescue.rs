//! `roost rescue`: mail out of a copied folder of log segments, without anything else of the data directory.

use std::io;
use std::path::{Path, PathBuf};
use store::Rescued;

/// Writes every message to OUT/ACCOUNT/MAILBOX/UID.eml; accounts have numbers here, since their addresses are in the settings.
pub fn rescue(from: &Path, to: &Path, say: &mut dyn FnMut(&str)) -> Result<(), String> {
    let (mut written, mut damaged) = (0_u64, 0_u64);
    let done = store::rescue(from, |message| {
        let path = place(to, &message);
        match &message.body {
            Ok(octets) => {
                write(&path, octets).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
                written += 1;
            }
            Err(e) => {
                say(&format!("{}: {e}", path.display()));
                damaged += 1;
            }
        }
        Ok(())
    });
    done.map_err(|e| e.to_string())?;
    say(&format!("{written} messages written to {}", to.display()));
    if damaged == 0 { Ok(()) } else { Err(format!("{damaged} messages cannot be read")) }
}

/// The same as one file, which is made while it is read: a tar whose last entry, REPORT.txt, says how much is missing.
pub fn as_tar(from: &Path) -> Result<Box<dyn io::Read + Send>, String> {
    let (reader, writer) = io::pipe().map_err(|e| e.to_string())?;
    let from = from.to_path_buf();
    let thread = std::thread::Builder::new().name("rescue".into()).spawn(move || {
        if let Err(e) = write_tar(&from, writer) {
            tracing::warn!("the mail could not be saved: {e}");
        }
    });
    thread.map(|_| Box::new(reader) as Box<dyn io::Read + Send>).map_err(|e| e.to_string())
}

fn write_tar(from: &Path, out: impl io::Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    let (mut written, mut missing, mut gone) = (0_u64, String::new(), None);
    let done = store::rescue(from, |message| {
        let path = place(Path::new(""), &message);
        match &message.body {
            Ok(octets) => {
                let date = u64::try_from(message.internal_date).unwrap_or(0);
                append(&mut tar, &path, date, octets).inspect_err(|e| gone = Some(e.kind()))?;
                written += 1;
            }
            Err(e) => missing.push_str(&format!("{}: {e}\n", path.display())),
        }
        Ok(())
    });
    if let Some(gone) = gone {
        return Err(gone.into());
    }
    let unread = done.err().map(|e| format!("The rest of the log cannot be read: {e}\n")).unwrap_or_default();
    let damaged = missing.lines().count();
    let report = format!("{written} messages are in this file, {damaged} cannot be read.\n{missing}{unread}");
    append(&mut tar, Path::new("REPORT.txt"), crate::clock::RELEASED, report.as_bytes())?;
    tar.finish()
}

fn append(tar: &mut tar::Builder<impl io::Write>, path: &Path, date: u64, octets: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(octets.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(date);
    tar.append_data(&mut header, path, octets)
}

fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, octets)
}

/// A folder for each level of the mailbox's name; none leads out of where it should be.
fn place(to: &Path, message: &Rescued) -> PathBuf {
    let mut path = to.join(message.account.0.to_string());
    for level in message.mailbox.as_str().split('/') {
        path.push(if level.starts_with('.') { format!("_{level}") } else { level.to_owned() });
    }
    path.join(format!("{}.eml", message.uid.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{AccountId, Flags, MailboxName, Options, Store, Target};

    #[test]
    fn mail_comes_out_of_a_copied_log() {
        let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(data.path(), Options::default()).unwrap();
        store.ensure_account(AccountId(7), 1).unwrap();
        let name = MailboxName::parse("../up/.hidden").unwrap();
        let mailbox = store.create_mailbox(AccountId(7), &name, None, 1).unwrap().id;
        let mut draft = store.draft().unwrap();
        draft.write(b"Subject: x\r\n\r\nhello\r\n").unwrap();
        let target = Target { mailbox, flags: Flags::default(), internal_date: 1, save_date: 1 };
        store.deliver(draft, &[target]).unwrap().remove(0).unwrap();
        store.close().unwrap();
        let mut said = Vec::new();
        rescue(&data.path().join("log"), out.path(), &mut |line| said.push(line.to_owned())).unwrap();
        let path = out.path().join("7/_../up/_.hidden/1.eml");
        assert_eq!(std::fs::read(path).unwrap(), b"Subject: x\r\n\r\nhello\r\n");
        assert_eq!(said, [format!("1 messages written to {}", out.path().display())]);
        // As the repair of a file system leaves it, below the data's folder.
        let found = data.path().join("found/131");
        std::fs::create_dir_all(&found).unwrap();
        std::fs::rename(data.path().join("log/0000000001"), found.join("4711")).unwrap();
        let mut tar = tar::Archive::new(as_tar(data.path()).unwrap());
        let mut entries = tar.entries().unwrap();
        let mut next = || {
            let mut entry = entries.next().unwrap().unwrap();
            let (path, mut text) = (entry.path().unwrap().display().to_string(), String::new());
            io::Read::read_to_string(&mut entry, &mut text).unwrap();
            (path, text)
        };
        assert_eq!(next(), ("7/_../up/_.hidden/1.eml".into(), "Subject: x\r\n\r\nhello\r\n".into()));
        assert_eq!(next(), ("REPORT.txt".into(), "1 messages are in this file, 0 cannot be read.\n".into()));
        let mut empty = String::new();
        io::Read::read_to_string(&mut as_tar(out.path()).unwrap(), &mut empty).unwrap();
        assert!(empty.contains("0 messages are in this file") && empty.contains("no segment of a log"), "{empty}");
        let error = rescue(out.path(), out.path(), &mut |_| ()).unwrap_err();
        assert!(error.contains("no segment of a log is here"), "{error}");
    }
}
