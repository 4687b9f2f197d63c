//! Each operation once, in memory, and what is particular about it.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn seen() -> Flags {
    Flags { seen: true, ..Flags::default() }
}

fn deleted() -> Flags {
    Flags { deleted: true, ..Flags::default() }
}

#[test]
fn a_message_comes_out_as_it_went_in() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    for body in [vec![], b"hello\r\n".to_vec(), vec![7; 300_000]] {
        let uid = put(&store, inbox, &body);
        assert!(get(&store, inbox, uid) == body);
    }
    let large = store.message(inbox, uid(3)).unwrap().unwrap().blob;
    let mut part = b"x".to_vec();
    store.read(large, 65_530..65_545, &mut part).unwrap();
    assert_eq!(part, [b"x".to_vec(), vec![7; 15]].concat());
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(store.stats().messages, 3);
    assert_eq!(store.stats().message_bytes, 300_007);
}

#[test]
fn an_account_begins_with_its_mailboxes() {
    let store = Store::in_memory();
    store.ensure_account(ME, 1_700_000_000).unwrap();
    store.ensure_account(ME, 1_800_000_000).unwrap();
    let boxes = store.mailboxes(ME).unwrap();
    let names: Vec<_> = boxes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]);
    assert!(boxes.iter().all(|m| m.subscribed));
    assert_eq!(boxes[0].special_use, Some(SpecialUse::Archive));
    assert!(boxes.iter().all(|m| m.uid_validity.0.get() >= 1_700_000_000 && m.uid_validity.0.get() < 1_800_000_000));
    assert_eq!(store.mailboxes(AccountId(2)).unwrap(), []);
}

#[test]
fn one_delivery_to_several_mailboxes_answers_each() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let (gone, sent) = (MailboxId(99), mailbox(&store, "Sent"));
    let targets = [inbox, gone, sent, inbox].map(|m| target(m, keywords(&["$a"])));
    let answers = store.deliver(draft(&store, b"m"), &targets).unwrap();
    assert_eq!(answers[0].as_ref().unwrap().uid, uid(1));
    assert!(matches!(answers[1], Err(StoreError::NoSuchMailbox)));
    assert_eq!(answers[2].as_ref().unwrap().uid, uid(1));
    assert_eq!(answers[3].as_ref().unwrap().uid, uid(2));
    assert_eq!(store.stats().mail_bytes, 1);
    assert_eq!(store.status(inbox).unwrap().highest_modseq, ModSeq(3));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_draft_over_the_limit_is_void() {
    let options = Options { max_message: 10, ..Options::default() };
    let store = Store::on_disk(Arc::new(disk::Memory::new()), options).unwrap();
    let inbox = inbox(&store);
    let mut draft = store.draft().unwrap();
    draft.write(&[0; 10]).unwrap();
    assert!(matches!(draft.write(&[0]), Err(StoreError::TooLarge)));
    assert!(matches!(store.deliver(draft, &[target(inbox, seen())]), Err(StoreError::TooLarge)));
    assert_eq!(store.status(inbox).unwrap().messages, 0);
}

#[test]
fn flags_change_and_unchanged_since_holds_them_back() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    put(&store, inbox, b"1");
    put(&store, inbox, b"2");
    let before = store.status(inbox).unwrap().highest_modseq;
    let change = FlagChange::Add(Flags { keywords: keywords(&["Work"]).keywords, ..seen() });
    let done = store.change_flags(inbox, &[uid(2), uid(1), uid(9), uid(2)], &change, Some(ModSeq(2))).unwrap();
    assert_eq!(numbers(&done.modified), [2]);
    assert_eq!(done.rows.len(), 2);
    assert!(done.rows[0].flags.seen && !done.rows[1].flags.seen);
    assert_eq!(done.rows[0].modseq, ModSeq(before.0 + 1));
    // nothing changes: no new MODSEQ; keywords are spelled as first seen
    let same = FlagChange::Add(keywords(&["WORK"]));
    let done = store.change_flags(inbox, &[uid(1)], &same, None).unwrap();
    assert_eq!(done.rows[0].modseq, ModSeq(before.0 + 1));
    assert_eq!(done.rows[0].flags.keywords.first().unwrap().as_str(), "Work");
    let done = store.change_flags(inbox, &[uid(1)], &FlagChange::Remove(seen()), None).unwrap();
    assert_eq!(done.rows[0].flags, keywords(&["work"]));
    let done = store.change_flags(inbox, &[uid(1)], &FlagChange::Replace(deleted()), None).unwrap();
    assert_eq!(done.rows[0].flags, deleted());
    let status = store.status(inbox).unwrap();
    assert_eq!((status.unseen, status.deleted), (2, 1));
    assert_eq!(store.snapshot(inbox).unwrap().keywords, [Keyword::parse("work").unwrap()]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn keywords_have_a_limit() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    put(&store, inbox, b"1");
    let words: Vec<String> = (0..=limits::KEYWORDS).map(|n| format!("k{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let add = |words: &[&str]| store.change_flags(inbox, &[uid(1)], &FlagChange::Add(keywords(words)), None);
    assert!(matches!(add(&words), Err(StoreError::Limit(_))));
    assert_eq!(add(&words[1..]).unwrap().rows[0].flags.keywords.len(), limits::KEYWORDS);
    let answers = store.deliver(draft(&store, b"2"), &[target(inbox, keywords(&words[..1]))]).unwrap();
    assert!(matches!(answers[0], Err(StoreError::Limit(_))));
    assert_eq!(get(&store, inbox, uid(1)), b"1");
}

#[test]
fn copy_shares_the_body_and_keeps_flags() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let sent = mailbox(&store, "Sent");
    store.deliver(draft(&store, b"body"), &[target(inbox, keywords(&["x", "y"]))]).unwrap();
    put(&store, inbox, b"other");
    let written = store.stats().mail_bytes;
    let copied = store.copy(inbox, &[uid(2), uid(1), uid(7)], sent, 77).unwrap();
    assert_eq!(copied.uids, [(uid(1), uid(1)), (uid(2), uid(2))]);
    assert_eq!(store.stats().mail_bytes, written);
    let (a, b) = (store.message(inbox, uid(1)).unwrap().unwrap(), store.message(sent, uid(1)).unwrap().unwrap());
    assert_eq!((a.blob, &a.flags, a.internal_date), (b.blob, &b.flags, b.internal_date));
    assert_eq!(b.save_date, 77);
    assert!(matches!(store.copy(inbox, &[uid(1)], MailboxId(99), 1), Err(StoreError::NoSuchMailbox)));
    assert_eq!(store.copy(inbox, &[uid(7)], sent, 1).unwrap().uids, []);
    let same = store.copy(sent, &[uid(1)], sent, 78).unwrap();
    assert_eq!(same.uids, [(uid(1), uid(3))]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn move_takes_away_from_the_source() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let trash = mailbox(&store, "Trash");
    for _ in 0..3 {
        put(&store, inbox, b"m");
    }
    let since = store.snapshot(inbox).unwrap().highest_modseq;
    let moved = store.move_messages(inbox, &[uid(1), uid(3)], trash, 7).unwrap();
    assert_eq!(moved.uids, [(uid(1), uid(1)), (uid(3), uid(2))]);
    assert_eq!(numbers(&store.snapshot(inbox).unwrap().uids), [2]);
    assert_eq!(gone(&store.changes_since(inbox, since).unwrap()), [1, 3]);
    assert_eq!(get(&store, trash, uid(2)), b"m");
    let within = store.move_messages(inbox, &[uid(2)], inbox, 7).unwrap();
    assert_eq!(within.uids, [(uid(2), uid(4))]);
    assert_eq!(numbers(&store.snapshot(inbox).unwrap().uids), [4]);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn expunge_removes_what_it_is_told() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    for _ in 0..5 {
        put(&store, inbox, b"m");
    }
    let blob = store.message(inbox, uid(1)).unwrap().unwrap().blob;
    store.change_flags(inbox, &[uid(1), uid(2), uid(4)], &FlagChange::Add(deleted()), None).unwrap();
    assert_eq!(numbers(&store.expunge(inbox, Expunge::DeletedAmong(&[uid(1), uid(3)])).unwrap()), [1]);
    assert_eq!(numbers(&store.expunge(inbox, Expunge::These(&[uid(5), uid(9)])).unwrap()), [5]);
    assert_eq!(numbers(&store.expunge(inbox, Expunge::Deleted).unwrap()), [2, 4]);
    assert_eq!(numbers(&store.expunge(inbox, Expunge::Deleted).unwrap()), []);
    let status = store.status(inbox).unwrap();
    assert_eq!((status.messages, status.deleted, status.uid_next), (1, 0, uid(6)));
    // a view that still shows it can read it
    store.read(blob, 0..1, &mut Vec::new()).unwrap();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn changes_since_any_moment() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    for _ in 0..4 {
        put(&store, inbox, b"m");
    }
    let since = store.snapshot(inbox).unwrap().highest_modseq;
    assert_eq!(store.changes_since(inbox, since).unwrap(), Changes { highest_modseq: since, ..Changes::default() });
    store.change_flags(inbox, &[uid(2)], &FlagChange::Add(seen()), None).unwrap();
    store.expunge(inbox, Expunge::These(&[uid(3)])).unwrap();
    put(&store, inbox, b"n");
    let check = |since: ModSeq, changed: &[u32], vanished: &[u32]| {
        for _ in 0..2 {
            let changes = store.changes_since(inbox, since).unwrap();
            assert_eq!(changes.changed.iter().map(|m| m.uid.get()).collect::<Vec<_>>(), changed);
            assert_eq!(gone(&changes), vanished);
            // once more from the tables instead of from memory
            store.inner.shared.recent.clear();
        }
    };
    check(since, &[2, 5], &[3]);
    check(ModSeq(since.0 + 1), &[5], &[3]);
    check(ModSeq(since.0 + 2), &[5], &[]);
    check(ModSeq(0), &[1, 2, 4, 5], &[3]);
    check(ModSeq(u64::MAX), &[], &[]);
}

#[test]
fn mailboxes_are_made_with_parents_and_deleted_without_children() {
    let store = Store::in_memory();
    inbox(&store);
    let made = store.create_mailbox(ME, &name("a/b/c"), Some(SpecialUse::Archive), 200).unwrap();
    assert_eq!((made.name.as_str(), made.special_use, made.subscribed), ("a/b/c", Some(SpecialUse::Archive), false));
    assert!(store.mailbox(ME, &name("a/b")).unwrap().is_some());
    assert!(matches!(store.create_mailbox(ME, &name("a"), None, 200), Err(StoreError::Exists)));
    put(&store, made.id, b"x");
    store.set_subscribed(ME, &name("a/b"), true).unwrap();
    store.delete_mailbox(ME, &name("a/b")).unwrap();
    assert!(store.mailbox(ME, &name("a/b")).unwrap().is_none());
    assert!(store.mailbox(ME, &name("a/b/c")).unwrap().is_some());
    assert!(store.subscriptions(ME).unwrap().contains(&name("a/b")));
    assert!(matches!(store.delete_mailbox(ME, &name("a/b")), Err(StoreError::NoSuchMailbox)));
    assert!(matches!(store.delete_mailbox(ME, &name("inbox")), Err(StoreError::Inbox)));
    let again = store.create_mailbox(ME, &name("a/b"), None, 200).unwrap();
    assert!(again.uid_validity.0 > made.uid_validity.0);
    assert!(again.subscribed);
    store.delete_mailbox(ME, &name("a/b/c")).unwrap();
    assert!(matches!(store.snapshot(made.id), Err(StoreError::NoSuchMailbox)));
    assert_eq!(store.stats().messages, 0);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn rename_takes_children_along() {
    let store = Store::in_memory();
    inbox(&store);
    let made = store.create_mailbox(ME, &name("a/b/c"), None, 200).unwrap();
    store.create_mailbox(ME, &name("ax"), None, 200).unwrap();
    store.rename_mailbox(ME, &name("a"), &name("x/y"), 200).unwrap();
    let names: Vec<_> = store.mailboxes(ME).unwrap().into_iter().map(|m| m.name).collect();
    for there in ["x", "x/y", "x/y/b", "x/y/b/c", "ax"] {
        assert!(names.contains(&name(there)), "{there}");
    }
    assert!(!names.iter().any(|n| n.as_str() == "a" || n.as_str().starts_with("a/")));
    let after = store.mailbox(ME, &name("x/y/b/c")).unwrap().unwrap();
    assert_eq!((after.id, after.uid_validity), (made.id, made.uid_validity));
    let rename = |from: &str, to: &str| store.rename_mailbox(ME, &name(from), &name(to), 200);
    assert!(matches!(rename("x/y", "ax"), Err(StoreError::Exists)));
    assert!(matches!(rename("x/y", "INBOX"), Err(StoreError::Inbox)));
    assert!(matches!(rename("nix", "neu"), Err(StoreError::NoSuchMailbox)));
    assert!(matches!(rename("x", "x/z"), Err(StoreError::Limit(_))));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn renaming_inbox_leaves_an_empty_inbox() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    put(&store, inbox, b"1");
    put(&store, inbox, b"2");
    let since = store.snapshot(inbox).unwrap().highest_modseq;
    store.rename_mailbox(ME, &name("INBOX"), &name("old/mail"), 300).unwrap();
    assert_eq!(mailbox(&store, "INBOX"), inbox);
    assert_eq!(store.status(inbox).unwrap().messages, 0);
    assert_eq!(gone(&store.changes_since(inbox, since).unwrap()), [1, 2]);
    let old = mailbox(&store, "old/mail");
    assert_eq!(get(&store, old, uid(2)), b"2");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn an_account_goes_with_all_it_has() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    put(&store, inbox, b"1");
    store.ensure_account(AccountId(2), 100).unwrap();
    store.remove_account(ME).unwrap();
    assert_eq!(store.mailboxes(ME).unwrap(), []);
    assert_eq!(store.subscriptions(ME).unwrap(), []);
    assert_eq!(store.mailboxes(AccountId(2)).unwrap().len(), 6);
    assert_eq!(store.stats().messages, 0);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn recent_messages_are_claimed_once() {
    let disk = Arc::new(disk::Memory::new());
    let store = Store::on_disk(disk.clone(), Options::default()).unwrap();
    let inbox = inbox(&store);
    put(&store, inbox, b"1");
    put(&store, inbox, b"2");
    assert_eq!(store.status(inbox).unwrap().recent, 2);
    assert_eq!(store.claim_recent(inbox).unwrap(), uid(1));
    assert_eq!(store.claim_recent(inbox).unwrap(), uid(3));
    put(&store, inbox, b"3");
    assert_eq!(store.status(inbox).unwrap().recent, 1);
    store.close().unwrap();
    let store = Store::on_disk(disk, Options::default()).unwrap();
    assert_eq!(store.status(inbox).unwrap().recent, 1);
    assert_eq!(store.claim_recent(inbox).unwrap(), uid(3));
    assert_eq!(store.claim_recent(inbox).unwrap(), uid(4));
}

#[test]
fn watchers_are_woken_after_the_commit() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let woken = Arc::new(AtomicU32::new(0));
    let (told, seen_by) = (woken.clone(), store.clone());
    // readers see the change when the waker is called
    let waker = move || told.store(seen_by.status(inbox).unwrap().messages, Relaxed);
    let watch = store.watch(inbox, Arc::new(waker));
    put(&store, inbox, b"1");
    assert_eq!(woken.load(Relaxed), 1);
    put(&store, mailbox(&store, "Sent"), b"1");
    assert_eq!(woken.load(Relaxed), 1);
    put(&store, inbox, b"2");
    assert_eq!(woken.load(Relaxed), 2);
    drop(watch);
    put(&store, inbox, b"3");
    assert_eq!(woken.load(Relaxed), 2);
}

#[test]
fn rows_in_a_range_up_to_a_limit() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    for _ in 0..5 {
        put(&store, inbox, b"m");
    }
    let rows = |a, b, limit| {
        let rows = store.messages(inbox, uid(a)..=uid(b), limit).unwrap();
        rows.iter().map(|m| m.uid.get()).collect::<Vec<_>>()
    };
    assert_eq!(rows(2, 4, 9), [2, 3, 4]);
    assert_eq!(rows(2, u32::MAX, 2), [2, 3]);
    assert_eq!(rows(4, 2, 9), []);
    assert_eq!(rows(1, 5, 0), []);
}

#[test]
fn after_close_everything_is_refused() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let draft = draft(&store, b"1");
    store.close().unwrap();
    assert!(matches!(store.deliver(draft, &[target(inbox, seen())]), Err(StoreError::Stopped)));
    assert!(matches!(store.draft(), Err(StoreError::Stopped)));
    assert!(matches!(store.snapshot(inbox), Err(StoreError::Stopped)));
    assert!(matches!(store.close(), Err(StoreError::Stopped)));
}

#[test]
fn structure_is_read_once() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let uid = put(&store, inbox, b"Subject: hi\r\n\r\nbody\r\n");
    let blob = store.message(inbox, uid).unwrap().unwrap().blob;
    let first = store.structure(blob).unwrap();
    assert_eq!(first.1.body, 15..21);
    assert!(Arc::ptr_eq(&first, &store.structure(blob).unwrap()));
}

#[test]
fn a_modseq_is_not_told_twice() {
    let mut disk = super::sim::Sim::new();
    let open = |disk: &super::sim::Sim| Store::on_disk(std::sync::Arc::new(disk.clone()), Options::default()).unwrap();
    let store = open(&disk);
    let (inbox, one) = (inbox(&store), uid(1));
    put(&store, inbox, b"Subject: one\r\n\r\n");
    let flagged = |store: &Store| {
        let flags = Flags { flagged: true, ..Flags::default() };
        let is = store.message(inbox, one).unwrap().unwrap().flags.flagged;
        let change = if is { FlagChange::Remove(flags) } else { FlagChange::Add(flags) };
        store.change_flags(inbox, &[one], &change, None).unwrap().rows[0].modseq
    };
    let mut told = vec![flagged(&store)];
    store.close().unwrap();
    for _ in 0..3 {
        let store = open(&disk);
        told.extend([flagged(&store), flagged(&store), flagged(&store), flagged(&store)]);
        // all but the first of them are lost
        disk.die();
        drop(store);
        disk = disk.reboot(&mut super::sim::Random::new(told.len() as u64));
    }
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
}

#[test]
fn the_catalogue_is_made_anew_when_asked_for_unless_the_log_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), Options::default()).unwrap();
    let store = open();
    let inbox = inbox(&store);
    let kept = put(&store, inbox, b"Subject: kept\r\n\r\n");
    // stays as it is when it is compressed
    let noise: Vec<u8> = (0u32..200).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let lost = put(&store, inbox, &noise);
    let txn = store.inner.shared.catalogue.write().unwrap();
    txn.open_table(crate::pages::MESSAGES).unwrap().pop_last().unwrap();
    txn.commit().unwrap();
    assert!(!store.check().unwrap().is_empty());
    assert_eq!(store.rebuild_when_opened().unwrap(), Vec::<String>::new());
    store.close().unwrap();
    let store = open();
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    assert_eq!(get(&store, inbox, kept), b"Subject: kept\r\n\r\n");
    assert_eq!(get(&store, inbox, lost), noise);
    put(&store, inbox, b"shows that what came before was durable");
    // an octet of a message, while the catalogue knows it
    let log = dir.path().join(crate::segment::path(1));
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(8).rposition(|word| *word == noise[8..16]).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert!(!store.rebuild_when_opened().unwrap().is_empty());
    store.close().unwrap();
    let store = open();
    assert_eq!(store.messages(inbox, Uid::MIN..=Uid::MAX, usize::MAX).unwrap().len(), 3);
}
