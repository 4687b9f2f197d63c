//! Tests of the store as a whole.

mod basics;
mod crash;
mod damage;
mod dictionary;
mod faults;
mod independent;
mod log_end;
mod model;
mod model_state;
mod older;
mod properties;
mod sharing;
mod sim;
mod space;
mod state;

use crate::*;

const ME: AccountId = AccountId(1);

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn numbers(uids: &[Uid]) -> Vec<u32> {
    uids.iter().map(|u| u.get()).collect()
}

fn gone(changes: &Changes) -> Vec<u32> {
    changes.vanished.iter().flat_map(|(first, last)| first.get()..=last.get()).collect()
}

fn target(mailbox: MailboxId, flags: Flags) -> Target {
    Target { mailbox, flags, internal_date: 5, save_date: 6 }
}

fn draft(store: &Store, body: &[u8]) -> Draft {
    let mut draft = store.draft().unwrap();
    draft.write(body).unwrap();
    draft
}

fn put(store: &Store, mailbox: MailboxId, body: &[u8]) -> Uid {
    store.deliver(draft(store, body), &[target(mailbox, Flags::default())]).unwrap().remove(0).unwrap().uid
}

fn get(store: &Store, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    let row = store.message(mailbox, uid).unwrap().unwrap();
    let mut out = Vec::new();
    store.read(row.blob, 0..u64::MAX, &mut out).unwrap();
    assert_eq!(out.len() as u64, row.size);
    out
}

fn inbox(store: &Store) -> MailboxId {
    store.ensure_account(ME, 100).unwrap();
    mailbox(store, "INBOX")
}

fn mailbox(store: &Store, text: &str) -> MailboxId {
    store.mailbox(ME, &name(text)).unwrap().unwrap().id
}

fn keywords(words: &[&str]) -> Flags {
    Flags { keywords: words.iter().map(|w| Keyword::parse(w).unwrap()).collect(), ..Flags::default() }
}
