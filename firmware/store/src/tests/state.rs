//! What an account has besides mail: quotas.

use super::properties::{options, small};
use super::sim::Sim;
use super::*;
use crate::disk::Disk;
use crate::open::open_tuned;

const OTHER: AccountId = AccountId(2);

fn open(disk: &Sim) -> Store {
    open_tuned(Arc::new(disk.clone()), options(), small()).unwrap()
}

/// The same must be there after a restart, and without the catalogue.
fn everywhere(disk: &Sim, store: Store, test: impl Fn(&Store)) {
    test(&store);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    store.close().unwrap();
    let store = open(disk);
    test(&store);
    store.close().unwrap();
    disk.remove(crate::catalogue::FILE).unwrap();
    let store = open(disk);
    test(&store);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_quota_is_exact_and_obeyed() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    let archive = mailbox(&store, "Archive");
    let limits = QuotaLimits { octets: Some(1_000), messages: None };
    store.set_quota(ME, limits).unwrap();
    let first = put(&store, inbox, &[b'x'; 400]);
    store.copy(inbox, &[first], archive, 1).unwrap();
    assert_eq!(store.quota(ME).unwrap(), Quota { octets: 800, messages: 2, limits });
    assert!(matches!(store.copy(inbox, &[first], archive, 1), Err(StoreError::OverQuota)));
    // of one delivery to two mailboxes the first fits
    let both = [inbox, archive].map(|m| target(m, Flags::default()));
    let answers = store.deliver(draft(&store, &[b'y'; 150]), &both).unwrap();
    assert!(matches!((&answers[0], &answers[1]), (Ok(_), Err(StoreError::OverQuota))));
    // moving is no more than before
    store.move_messages(inbox, &[first], archive, 1).unwrap();
    assert_eq!(store.quota(ME).unwrap().octets, 950);
    // an account over its limit keeps what it has
    let limits = QuotaLimits { octets: None, messages: Some(2) };
    store.set_quota(ME, limits).unwrap();
    let answers = store.deliver(draft(&store, b"z"), &both).unwrap();
    assert!(matches!((&answers[0], &answers[1]), (Err(StoreError::OverQuota), Err(StoreError::OverQuota))));
    store.expunge(archive, Expunge::These(&[uid(1), uid(2)])).unwrap();
    put(&store, inbox, b"z");
    assert!(matches!(store.set_quota(OTHER, limits), Err(StoreError::NoSuchMailbox)));
    assert_eq!(store.quota(OTHER).unwrap(), Quota::default());
    everywhere(&disk, store, |store| {
        assert_eq!(store.quota(ME).unwrap(), Quota { octets: 151, messages: 2, limits });
    });
}
