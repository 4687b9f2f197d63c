//! A log written before there were quotas, rights, annotations, a queue and threads is read as it was.
//!
//! `format-2.zst` holds the files of a store of the first slice, with a snapshot in them, and what could be read from it.

use super::properties::options;
use super::*;
use crate::disk::{Disk, Memory};
use crate::open::open_tuned;
use crate::tuning::Tuning;

/// UID, MODSEQ, whether seen, keywords, save date, body.
type Row = (u32, u64, bool, Vec<String>, i64, Vec<u8>);
/// Account, name, highest MODSEQ, messages.
type Mailboxes = Vec<(u32, String, u64, Vec<Row>)>;

fn read(store: &Store) -> Mailboxes {
    let body = |blob| {
        let mut body = Vec::new();
        store.read(blob, 0..u64::MAX, &mut body).unwrap();
        body
    };
    let row = |m: Message| {
        let keywords = m.flags.keywords.iter().map(|k| k.as_str().to_owned()).collect();
        (m.uid.get(), m.modseq.0, m.flags.seen, keywords, m.save_date, body(m.blob))
    };
    let mut found = Mailboxes::new();
    for account in super::model::ACCOUNTS {
        for mailbox in store.mailboxes(account).unwrap() {
            let rows = store.messages(mailbox.id, Uid::MIN..=Uid::MAX, usize::MAX).unwrap();
            let highest = store.status(mailbox.id).unwrap().highest_modseq.0;
            found.push((account.0, mailbox.name.as_str().to_owned(), highest, rows.into_iter().map(row).collect()));
        }
    }
    found
}

#[test]
fn a_log_of_the_first_slice_is_read() {
    let raw = zstd::bulk::decompress(include_bytes!("format-2.zst"), 4 << 20).unwrap();
    let (files, wanted): (Vec<(String, Vec<u8>)>, Mailboxes) = postcard::from_bytes(&raw).unwrap();
    let disk = Memory::new();
    for (name, bytes) in &files {
        disk.open(name, true).unwrap().write(0, bytes).unwrap();
    }
    let open = || {
        let tuning = Tuning { segment: 64 * 1024, part: 1_500, attachment: 300, ..Tuning::default() };
        open_tuned(Arc::new(disk.clone()), options(), tuning).unwrap()
    };
    let store = open();
    assert!(crate::snapshot::find(&store.inner.shared.segments).unwrap().is_some());
    assert!(wanted.iter().map(|(.., rows)| rows.len()).sum::<usize>() > 50);
    assert!(read(&store) == wanted);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    // what was not counted then is counted now
    let octets = |account| {
        let rows = wanted.iter().filter(|(a, ..)| *a == account).flat_map(|(.., rows)| rows);
        rows.map(|row| row.5.len() as u64).sum::<u64>()
    };
    assert_eq!(
        (store.quota(AccountId(1)).unwrap().octets, store.quota(AccountId(2)).unwrap().octets),
        (octets(1), octets(2))
    );
    // and it goes on from there
    let (account, name, ..) = wanted.iter().find(|(.., rows)| !rows.is_empty()).unwrap();
    let mailbox = store.mailbox(AccountId(*account), &super::name(name)).unwrap().unwrap().id;
    let uid = put(&store, mailbox, b"Message-ID: <new@a>\r\n\r\nnew\r\n");
    store.close().unwrap();
    disk.remove(crate::catalogue::FILE).unwrap();
    let store = open();
    assert_eq!(get(&store, mailbox, uid), b"Message-ID: <new@a>\r\n\r\nnew\r\n");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
