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
        let error = rescue(out.path(), out.path(), &mut |_| ()).unwrap_err();
        assert!(error.contains("no segment of a log is here"), "{error}");
    }
}
