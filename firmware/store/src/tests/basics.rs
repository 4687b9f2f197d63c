//! Each operation once, in memory.

use crate::*;

const ME: AccountId = AccountId(1);

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn put(store: &Store, mailbox: MailboxId, body: &[u8]) -> Uid {
    let mut draft = store.draft().unwrap();
    draft.write(body).unwrap();
    let target = Target { mailbox, flags: Flags::default(), internal_date: 5, save_date: 6 };
    store.deliver(draft, &[target]).unwrap().remove(0).unwrap().uid
}

fn inbox(store: &Store) -> MailboxId {
    store.ensure_account(ME, 100).unwrap();
    store.mailbox(ME, &MailboxName::inbox()).unwrap().unwrap().id
}

#[test]
fn a_message_comes_out_as_it_went_in() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    for body in [vec![], b"hello\r\n".to_vec(), vec![7; 300_000]] {
        let uid = put(&store, inbox, &body);
        let row = store.message(inbox, uid).unwrap().unwrap();
        let mut out = Vec::new();
        store.read(row.blob, 0..u64::MAX, &mut out).unwrap();
        assert!(out == body);
        assert_eq!(row.size, body.len() as u64);
    }
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
