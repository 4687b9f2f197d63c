//! What accounts and mailboxes have besides mail: quotas, rights, annotations.

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

#[test]
fn rights_belong_to_the_mailbox() {
    let disk = Sim::new();
    let store = open(&disk);
    inbox(&store);
    let made = store.create_mailbox(ME, &name("shared"), None, 1).unwrap().id;
    let (some, all) = (Rights::parse("rl").unwrap(), Rights::parse("cdlrswipa").unwrap());
    assert_eq!((some.to_string(), all), ("lr".into(), Rights::ALL));
    assert_eq!(Rights::parse("lz"), None);
    assert!(all.has(some) && !some.has(all) && all.without(all).is_empty() && some.with(all) == all);
    store.set_acl(made, "ben@example.org", all).unwrap();
    store.set_acl(made, "anyone", some).unwrap();
    store.set_acl(made, "ben@example.org", some).unwrap();
    store.set_acl(made, "-carl", some).unwrap();
    store.set_acl(made, "-carl", Rights::default()).unwrap();
    store.rename_mailbox(ME, &name("shared"), &name("ours"), 1).unwrap();
    for bad in ["", "a\nb", &"x".repeat(256)] {
        assert!(matches!(store.set_acl(made, bad, some), Err(StoreError::Limit(_))), "{bad}");
    }
    assert!(matches!(store.set_acl(MailboxId(99), "a", some), Err(StoreError::NoSuchMailbox)));
    assert!(matches!(store.acl(MailboxId(99)), Err(StoreError::NoSuchMailbox)));
    for n in 2..limits::ACL_ENTRIES {
        store.set_acl(made, &format!("x{n:02}"), some).unwrap();
    }
    assert!(matches!(store.set_acl(made, "y", some), Err(StoreError::Limit(_))));
    everywhere(&disk, store, |store| {
        let acl = store.acl(mailbox(store, "ours")).unwrap();
        assert_eq!(acl[..2], [("anyone".into(), some), ("ben@example.org".into(), some)]);
        assert_eq!(acl.len(), limits::ACL_ENTRIES);
    });
    let store = open(&disk);
    store.delete_mailbox(ME, &name("ours")).unwrap();
    assert_eq!(crate::quota::holdings_of(&store, ME).slots, 0);
}

#[test]
fn annotations_are_private_or_shared() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    store.ensure_account(OTHER, 1).unwrap();
    let (mine, ours) = ("/private/Comment", "/shared/vendor/x");
    let entry = |text| EntryName::parse(text).unwrap();
    for bad in ["/private", "/private/", "/shared//x", "/shared/x/", "/other/x", "/shared/*", "/shared/\u{e4}", "x"] {
        assert!(EntryName::parse(bad).is_err(), "{bad}");
    }
    for (account, value) in [(ME, b"1".as_slice()), (OTHER, b"2")] {
        for mailbox in [None, Some(inbox)] {
            store.set_metadata(account, mailbox, &entry(mine), Some(value)).unwrap();
            store.set_metadata(account, mailbox, &entry(ours), Some(value)).unwrap();
        }
    }
    let large = vec![0; limits::METADATA_VALUE];
    store.set_metadata(ME, None, &entry("/private/large"), Some(&large)).unwrap();
    let too_large = [large.as_slice(), b"!"].concat();
    let refused = store.set_metadata(ME, None, &entry("/private/large"), Some(&too_large));
    assert!(matches!(refused, Err(StoreError::Limit("octets of an annotation"))));
    store.set_metadata(ME, None, &entry("/private/large"), None).unwrap();
    let nobody = store.set_metadata(AccountId(9), None, &entry(mine), Some(b""));
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox)));
    everywhere(&disk, store, |store| {
        let of = |account, mailbox| -> Vec<(String, Vec<u8>)> {
            let found = store.metadata(account, mailbox).unwrap();
            found.into_iter().map(|(entry, value)| (entry.as_str().to_owned(), value)).collect()
        };
        let both = |a: &[u8], b: &[u8]| [("/private/comment".to_owned(), a.to_vec()), (ours.to_owned(), b.to_vec())];
        assert_eq!(of(ME, None), both(b"1", b"1"));
        assert_eq!(of(OTHER, None), both(b"2", b"2"));
        assert_eq!(of(ME, Some(inbox)), both(b"1", b"2"));
        assert_eq!(of(OTHER, Some(inbox)), both(b"2", b"2"));
    });
    let store = open(&disk);
    store.remove_account(OTHER).unwrap();
    assert_eq!(store.metadata(OTHER, Some(inbox)).unwrap().len(), 1, "what is shared stays");
    assert_eq!(store.metadata(OTHER, None).unwrap(), []);
    assert_eq!(crate::quota::holdings_of(&store, OTHER), Default::default());
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn slots_are_bounded() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let large = vec![0; limits::METADATA_VALUE];
    let mut stored = 0;
    let mut refused = None;
    for mailbox in [None, Some(inbox)]
        .into_iter()
        .chain((0..9).map(|n| Some(store.create_mailbox(ME, &name(&format!("m{n}")), None, 1).unwrap().id)))
    {
        for n in 0..=limits::METADATA_ENTRIES {
            let entry = EntryName::parse(&format!("/private/{n:03}")).unwrap();
            match store.set_metadata(ME, mailbox, &entry, Some(&large)) {
                Ok(()) => stored += 1,
                Err(e) => refused = Some(e.to_string()),
            }
        }
        if mailbox.is_none() {
            assert_eq!((stored, refused.as_deref()), (64, Some("over the limit: annotations of a mailbox")));
        }
    }
    assert_eq!(stored, limits::SLOTS / (large.len() as u64 + 12));
    assert_eq!(refused.as_deref(), Some("over the limit: octets of rights and annotations of an account"));
    // what is smaller than before is always taken
    let entry = EntryName::parse("/private/000").unwrap();
    store.set_metadata(ME, Some(inbox), &entry, Some(&large[1..])).unwrap();
}
