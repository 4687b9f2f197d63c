//! Attachments are stored once for all who have them, and come back octet by octet.

use super::*;
use crate::body::to_base64;

/// Octets that do not compress.
fn noise(seed: u64, octets: usize) -> Vec<u8> {
    let mut random = super::sim::Random::new(seed);
    (0..octets).map(|_| (random.next() >> 32) as u8).collect()
}

fn with_attachment(subject: &str, octets: &[u8], line: u8) -> Vec<u8> {
    let mut message =
        format!("Subject: {subject}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n").into_bytes();
    message.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
    to_base64(octets, line, &mut message);
    message.extend_from_slice(b"--b--\r\n");
    message
}

fn body_bytes(store: &Store) -> u64 {
    store.stats().mail_bytes
}

#[test]
fn a_second_copy_of_an_attachment_is_not_written() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    store.ensure_account(AccountId(2), 1).unwrap();
    let other = store.mailbox(AccountId(2), &name("INBOX")).unwrap().unwrap().id;
    let octets = noise(1, 200_000);
    let messages = [
        with_attachment("first", &octets, 76),
        with_attachment("a second one for someone else", &octets, 76),
        with_attachment("as long lines as another program makes", &octets, 64),
    ];
    let first = put(&store, inbox, &messages[0]);
    let before = body_bytes(&store);
    assert!((200_000..201_000).contains(&before), "{before}");
    let second = put(&store, other, &messages[1]);
    assert!(body_bytes(&store) - before < 300, "{}", body_bytes(&store) - before);
    let third = put(&store, inbox, &messages[2]);
    assert_eq!(get(&store, inbox, first), messages[0]);
    assert_eq!(get(&store, other, second), messages[1]);
    assert_eq!(get(&store, inbox, third), messages[2]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    // those who still have it keep it
    store.expunge(inbox, Expunge::These(&[first])).unwrap();
    assert_eq!(get(&store, other, second), messages[1]);
    store.expunge(other, Expunge::These(&[second])).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    // what none has any more is written anew
    let before = body_bytes(&store);
    let again = put(&store, inbox, &messages[0]);
    assert!(body_bytes(&store) - before >= 200_000);
    assert_eq!(get(&store, inbox, again), messages[0]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn any_range_of_a_message_can_be_read() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let message = with_attachment("ranges", &noise(2, 150_000), 76);
    let uid = put(&store, inbox, &message);
    let row = store.message(inbox, uid).unwrap().unwrap();
    let mut random = super::sim::Random::new(3);
    for _ in 0..50 {
        let from = random.below(message.len() as u64);
        let to = (from + random.below(70_000)).min(message.len() as u64);
        let mut out = b"before".to_vec();
        store.read(row.blob, from..to, &mut out).unwrap();
        assert_eq!(out[6..], message[from as usize..to as usize]);
    }
}

#[test]
fn a_long_range_can_be_read_piece_by_piece() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let message = with_attachment("pieces", &noise(2, 150_000), 76);
    let uid = put(&store, inbox, &message);
    let row = store.message(inbox, uid).unwrap().unwrap();
    let (mut out, mut steps) = (message[..100].to_vec(), 0);
    while (out.len() as u64) < row.size {
        let before = out.len();
        store.read_some(row.blob, out.len() as u64..row.size, &mut out).unwrap();
        assert!(out.len() > before);
        steps += 1;
    }
    assert_eq!(out, message);
    assert!((3..10).contains(&steps), "{steps}");
    let mut none = Vec::new();
    store.read_some(row.blob, row.size..row.size + 10, &mut none).unwrap();
    assert!(none.is_empty());
    store.read_some(row.blob, 5..7, &mut none).unwrap();
    assert_eq!(none, message[5..7]);
}

#[test]
fn a_message_that_is_nothing_but_a_shared_attachment() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let mut message = Vec::new();
    to_base64(&noise(4, 5_700), 76, &mut message);
    let uids = [put(&store, inbox, &message), put(&store, inbox, &message), put(&store, inbox, b"")];
    assert_eq!(get(&store, inbox, uids[0]), message);
    assert_eq!(get(&store, inbox, uids[1]), message);
    assert_eq!(get(&store, inbox, uids[2]), b"");
    let blobs: std::collections::BTreeSet<_> =
        uids.iter().map(|u| store.message(inbox, *u).unwrap().unwrap().blob).collect();
    assert_eq!(blobs.len(), 3);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
