//! `read-log.py`, written from LOG-FORMAT.md alone, reads the same mail from the log.

use super::model::{Model, Op};
use super::properties::options;
use super::sim::Random;
use super::*;
use crate::open::open_tuned;
use crate::record::{HEADER, PART_HEADER};
use crate::tuning::Tuning;
use std::collections::BTreeMap;
use std::process::Command;

type Mail = BTreeMap<(u32, String, u32), Vec<u8>>;

fn ours(store: &Store) -> Mail {
    let mut mail = Mail::new();
    for account in super::model::ACCOUNTS {
        for mailbox in store.mailboxes(account).unwrap() {
            for row in store.messages(mailbox.id, Uid::MIN..=Uid::MAX, usize::MAX).unwrap() {
                let mut body = Vec::new();
                store.read(row.blob, 0..u64::MAX, &mut body).unwrap();
                mail.insert((account.0, mailbox.name.as_str().to_owned(), row.uid.get()), body);
            }
        }
    }
    mail
}

/// What the script read, and what it said of damage.
fn theirs(dir: &Path) -> (Mail, String) {
    let out = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("read-log.py");
    let done = Command::new("python3").arg(script).arg(dir.join("log")).arg(out.path()).output();
    let done = done.expect("this test needs python3");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!said.contains("Traceback") && done.status.success() == said.is_empty(), "{said}");
    let mut mail = Mail::new();
    let mut folders = vec![out.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(out.path()).unwrap().to_str().unwrap();
            let (account, rest) = inside.split_once('/').unwrap();
            let (mailbox, uid) = rest.strip_suffix(".eml").unwrap().rsplit_once('/').unwrap();
            let key = (account.parse().unwrap(), mailbox.to_owned(), uid.parse().unwrap());
            mail.insert(key, std::fs::read(&path).unwrap());
        }
    }
    (mail, said)
}

fn rescued(dir: &Path) -> Mail {
    let mut mail = Mail::new();
    rescue(&dir.join("log"), |message| {
        let key = (message.account.0, message.mailbox.as_str().to_owned(), message.uid.get());
        mail.insert(key, message.body.unwrap());
        Ok(())
    })
    .unwrap();
    mail
}

#[test]
fn a_folder_without_a_log_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = rescue(dir.path(), |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains(dir.path().to_str().unwrap()) && error.ends_with("no segment of a log is here"), "{error}");
}

fn open(dir: &Path) -> Store {
    open_with(dir, Tuning { segment: 32 * 1024, reclaim: 2_000, ..super::dictionary::learning() })
}

fn open_with(dir: &Path, tuning: Tuning) -> Store {
    let disk = Arc::new(crate::disk::Directory::open(dir).unwrap());
    open_tuned(disk, options(), tuning).map_err(|fault| fault.at(dir)).unwrap()
}

#[test]
fn a_stranger_reads_the_mail_from_the_log() {
    let can_unzip = ["import compression.zstd", "import zstandard"]
        .iter()
        .any(|import| Command::new("python3").args(["-c", import]).output().is_ok_and(|o| o.status.success()))
        || Command::new("zstd").arg("-V").output().is_ok();
    // bodies that do not compress can be read in any case
    let zipped = |body: &[u8]| body.ends_with(b"\r\n") || body.starts_with(b"M");
    let compressible = |op: &Op| matches!(op, Op::Deliver(_, body) | Op::Enqueue(_, body, _) if zipped(body));
    let (mut given_back, mut dictionaries) = (0, 0);
    for seed in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random::new(seed), Model::default());
        for _ in 0..4 {
            let store = open(dir.path());
            for _ in 0..40 {
                let op = Op::random(&mut random, &model, 8_000);
                let remove = matches!(op, Op::Remove(_));
                if !remove && (can_unzip || !compressible(&op)) && op.run(&store).is_ok() {
                    model.run(&op);
                }
            }
            given_back += store.inner.shared.reclaims.load(std::sync::atomic::Ordering::Relaxed);
            let mail = ours(&store);
            dictionaries = dictionaries.max(super::dictionary::carried(&store).len());
            store.close().unwrap();
            let (read, damage) = theirs(dir.path());
            assert_eq!(damage, "");
            assert_eq!(read.keys().collect::<Vec<_>>(), mail.keys().collect::<Vec<_>>());
            assert!(read == mail);
            assert!(rescued(dir.path()) == mail);
        }
    }
    assert!(given_back > 0 || !can_unzip, "no log has a snapshot");
    assert!(dictionaries > 1 || !can_unzip, "no log has two dictionaries");
}

/// Octets that do not compress: a reader without zstd has them too.
fn noise(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..700).map(|_| random.below(256) as u8).collect()
}

#[test]
fn a_damaged_record_costs_a_stranger_its_message_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Tuning::default());
    let inbox = inbox(&store);
    let uids: Vec<Uid> = (1..=12).map(|seed| put(&store, inbox, &noise(seed))).collect();
    let mail = ours(&store);
    assert_eq!(mail.len(), uids.len());
    store.close().unwrap();
    let segment = dir.path().join("log/0000000001");
    let whole = std::fs::read(&segment).unwrap();
    let body = noise(5);
    let octets = whole.windows(body.len()).position(|w| w == body).unwrap();
    let part = octets - HEADER - PART_HEADER;
    // the record after it is the one that says where the message went
    let deliver = (octets + body.len()).next_multiple_of(8);
    assert_eq!((whole[part + 28], whole[deliver + 28]), (2, 3), "kinds of records (LOG-FORMAT.md)");
    let places = [part, part + 9, part + 17, octets, octets + 699, deliver + 1, deliver + 24, deliver + HEADER + 2];
    for (n, at) in places.into_iter().enumerate() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << n;
        std::fs::write(&segment, flipped).unwrap();
        let (read, said) = theirs(dir.path());
        let lost: Vec<u32> = mail.keys().filter(|key| !read.contains_key(*key)).map(|key| key.2).collect();
        assert_eq!(lost, [uids[4].get()], "bit {n} of octet {at}: {said}");
        assert!(read.iter().all(|(key, body)| mail[key] == *body), "bit {n} of octet {at}");
        // of a message whose DELIVER is gone nobody knows
        assert_eq!(said.contains(&format!("INBOX/{}: ", uids[4].get())), at < deliver, "{said}");
    }
}
