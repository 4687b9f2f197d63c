//! What accounts and mailboxes have besides mail: quotas, rights, annotations, the outgoing queue, what readers have seen, threads, what vanished.

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

fn envelope(recipients: &[(&str, i64)]) -> Envelope {
    let recipient =
        |(address, next): &(&str, i64)| Recipient { address: (*address).into(), next: *next, ..Recipient::default() };
    let recipients = recipients.iter().map(recipient).collect();
    Envelope { account: ME, sender: "me@example.org".into(), parameters: "".into(), recipients, now: 1 }
}

fn body_of(store: &Store, blob: BlobId) -> Vec<u8> {
    let mut out = Vec::new();
    store.read(blob, 0..u64::MAX, &mut out).unwrap();
    out
}

#[test]
fn a_queued_message_shares_its_body_with_the_copy_in_sent() {
    let disk = Sim::new();
    let store = open(&disk);
    inbox(&store);
    let sent = mailbox(&store, "Sent");
    let large = [b'x'; 9_000];
    let to = envelope(&[("a@example.net", 10), ("b@example.net", 5)]);
    let (id, copies) = store.enqueue(draft(&store, &large), &[target(sent, Flags::default())], to.clone()).unwrap();
    let copy = copies[0].as_ref().unwrap().uid;
    let queued = store.queued(id).unwrap().unwrap();
    assert_eq!(queued, Queued { id, blob: queued.blob, size: 9_000, envelope: to });
    assert_eq!(store.message(sent, copy).unwrap().unwrap().blob, queued.blob);
    assert_eq!(store.quota(ME).unwrap().messages, 1, "the queue is not the account's mail");
    // the copy goes, the message stays
    store.expunge(sent, Expunge::These(&[copy])).unwrap();
    let answer: smol_str::SmolStr = "451 later, \u{e9}".repeat(60).into();
    let attempt = |recipient, state, next| Attempt { recipient, state, next, answer: answer.clone() };
    store.note_attempts(id, &[attempt(1, RecipientState::Waiting, 99)]).unwrap();
    assert_eq!(store.next_due().unwrap(), Some(10));
    assert!(store.due(9, 9).unwrap().is_empty());
    everywhere(&disk, store, |store| {
        let queued = store.due(10, 9).unwrap().remove(0);
        let second = &queued.envelope.recipients[1];
        assert_eq!((second.attempts, second.next, second.state), (1, 99, RecipientState::Waiting));
        assert!(answer.starts_with(second.answer.as_str()) && second.answer.len() > limits::QUEUE_ANSWER - 2);
        assert_eq!(body_of(store, queued.blob), large);
    });
    let store = open(&disk);
    let both = [attempt(0, RecipientState::Sent, 0), attempt(1, RecipientState::Failed, 0)];
    store.note_attempts(id, &both).unwrap();
    // nothing is left to wait for: it is to be taken out
    assert_eq!((store.next_due().unwrap(), store.due(0, 9).unwrap().len()), (Some(i64::MIN), 1));
    store.dequeue(id).unwrap();
    assert_eq!((store.queue(None, 9).unwrap(), store.next_due().unwrap()), (Vec::new(), None));
    assert!(matches!(store.dequeue(id), Err(StoreError::NoSuchMessage)));
    assert!(matches!(store.note_attempts(id, &both), Err(StoreError::NoSuchMessage)));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn what_a_mailbox_holds_can_be_queued() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    let message = put(&store, inbox, b"forward me");
    let woken = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = woken.clone();
    let watch = store.watch_queue(Arc::new(move || {
        count.fetch_add(1, Relaxed);
    }));
    let id = store.enqueue_message(inbox, message, envelope(&[("a@example.net", 1)])).unwrap();
    assert_eq!(woken.load(Relaxed), 1);
    drop(watch);
    store.expunge(inbox, Expunge::These(&[message])).unwrap();
    let missing = store.enqueue_message(inbox, message, envelope(&[("a@example.net", 1)]));
    assert!(matches!(missing, Err(StoreError::NoSuchMessage)));
    everywhere(&disk, store, |store| {
        assert_eq!(body_of(store, store.queued(id).unwrap().unwrap().blob), b"forward me");
    });
    // a mailbox that refuses its copy does not keep the message from going out
    let store = open(&disk);
    store.set_quota(ME, QuotaLimits { octets: None, messages: Some(0) }).unwrap();
    let copy = target(inbox, Flags::default());
    let (id, copies) = store.enqueue(draft(&store, b"m"), &[copy], envelope(&[("a@example.net", 1)])).unwrap();
    assert!(matches!(copies[0], Err(StoreError::OverQuota)));
    assert_eq!(body_of(&store, store.queued(id).unwrap().unwrap().blob), b"m");
    store.remove_account(ME).unwrap();
    assert_eq!(store.queue(None, 9).unwrap(), []);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn the_queue_is_bounded() {
    let store = Store::in_memory();
    inbox(&store);
    let enqueue = |to| store.enqueue(draft(&store, b"m"), &[], to).map(|(id, _)| id);
    let good = envelope(&[("a@example.net", 1)]);
    for bad in [
        envelope(&[]),
        envelope(&[("", 1)]),
        envelope(&[("a\r\n@b", 1)]),
        envelope(&[(&"x".repeat(limits::QUEUE_ADDRESS + 1), 1)]),
        envelope(&vec![("a@b", 1); limits::QUEUE_RECIPIENTS + 1]),
        Envelope { parameters: "x".repeat(limits::QUEUE_PARAMETERS + 1).into(), ..good.clone() },
    ] {
        assert!(matches!(enqueue(bad.clone()), Err(StoreError::Limit(_))), "{bad:?}");
    }
    assert!(matches!(enqueue(Envelope { account: OTHER, ..good.clone() }), Err(StoreError::NoSuchMailbox)));
    let ids: Vec<QueueId> = (0..limits::QUEUE_MESSAGES).map(|_| enqueue(good.clone()).unwrap()).collect();
    assert!(ids.is_sorted());
    assert!(matches!(enqueue(good.clone()), Err(StoreError::Limit(_))));
    let rest: Vec<QueueId> = store.queue(Some(ids[1]), 3).unwrap().iter().map(|q| q.id).collect();
    assert_eq!(rest, ids[2..5]);
    store.dequeue(ids[0]).unwrap();
    enqueue(good).unwrap();
}

#[test]
fn who_shares_a_mailbox_has_seen_for_himself() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    store.ensure_account(OTHER, 1).unwrap();
    let uids: Vec<Uid> = (0..12).map(|n| put(&store, inbox, &[n])).collect();
    let before = store.status(inbox).unwrap().highest_modseq;
    store.set_seen(inbox, ME, &uids[..2], true, None).unwrap();
    let done = store.set_seen(inbox, OTHER, &[uids[4], uids[5], uids[7], uid(99)], true, None).unwrap();
    let rows: Vec<_> = done.rows.iter().map(|m| (m.uid, m.flags.seen, m.modseq.0 - before.0)).collect();
    assert_eq!(rows, [(uids[4], true, 2), (uids[5], true, 2), (uids[7], true, 2)]);
    // the owner is told of his own changes alone
    let changed = |changes: Changes| changes.changed.iter().map(|m| m.uid.get()).collect::<Vec<_>>();
    assert_eq!(changed(store.changes_since(inbox, before).unwrap()), [1, 2]);
    assert_eq!(changed(store.changes_since_for(inbox, ME, before).unwrap()), [1, 2]);
    assert_eq!(store.status(inbox).unwrap().unseen, 10);
    assert_eq!((store.unseen_for(inbox, ME).unwrap(), store.unseen_for(inbox, OTHER).unwrap()), (10, 9));
    // somebody else's MODSEQ is in the way, as the reader has seen it
    let done = store.set_seen(inbox, OTHER, &[uids[4], uids[6]], false, Some(before)).unwrap();
    assert_eq!(done.modified, [uids[4]]);
    // a lone message changes back and forth
    store.set_seen(inbox, OTHER, &[uids[5]], false, None).unwrap();
    let now = store.status(inbox).unwrap().highest_modseq;
    store.set_seen(inbox, OTHER, &[uids[5]], false, None).unwrap();
    assert_eq!(store.status(inbox).unwrap().highest_modseq, now, "nothing changed");
    store.expunge(inbox, Expunge::These(&[uids[4]])).unwrap();
    assert!(matches!(store.set_seen(inbox, AccountId(9), &uids, true, None), Err(StoreError::NoSuchMailbox)));
    everywhere(&disk, store, |store| {
        let rows = store.messages_for(inbox, OTHER, Uid::MIN..=Uid::MAX, 99).unwrap();
        let seen: Vec<u32> = rows.iter().filter(|m| m.flags.seen).map(|m| m.uid.get()).collect();
        assert_eq!((seen, store.unseen_for(inbox, OTHER).unwrap()), (vec![8], 10));
        // told of the first two, which the owner changed, and of what the reader changed
        let told = changed(store.changes_since_for(inbox, OTHER, before).unwrap());
        assert_eq!(told, [1, 2, 6, 8]);
    });
    let store = open(&disk);
    store.remove_account(OTHER).unwrap();
    assert_eq!(store.unseen_for(inbox, OTHER).unwrap(), 11);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_seen_is_kept_in_few_runs() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    store.ensure_account(OTHER, 1).unwrap();
    let first = put(&store, inbox, b"m");
    for _ in 0..13 {
        // each doubles them: the page of 4096 UIDs ends in between
        let all: Vec<Uid> = store.snapshot(inbox).unwrap().uids;
        store.copy(inbox, &all, inbox, 1).unwrap();
    }
    let all: Vec<Uid> = store.snapshot(inbox).unwrap().uids;
    assert_eq!((all.len(), first), (8192, uid(1)));
    for part in all[4_000..4_200].chunks(2) {
        store.set_seen(inbox, OTHER, part, true, None).unwrap();
    }
    assert_eq!(store.unseen_for(inbox, OTHER).unwrap(), 8192 - 200);
    assert!(crate::seen::runs_of(&store, inbox, OTHER) <= 2 * limits::SEEN_RUNS);
    store.set_seen(inbox, OTHER, &all, true, None).unwrap();
    assert_eq!(store.unseen_for(inbox, OTHER).unwrap(), 0);
    let every_other: Vec<Uid> = all.iter().copied().step_by(2).collect();
    store.expunge(inbox, Expunge::These(&every_other)).unwrap();
    assert_eq!(store.unseen_for(inbox, OTHER).unwrap(), 0);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

fn mail(own: &str, references: &[&str]) -> Vec<u8> {
    let references: Vec<String> = references.iter().map(|id| format!("<{id}@a>")).collect();
    format!("Message-ID: <{own}@a>\r\nReferences: {}\r\n\r\n{own}\r\n", references.join("\r\n ")).into_bytes()
}

#[test]
fn answers_are_in_the_thread_of_their_question() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    store.ensure_account(OTHER, 1).unwrap();
    let others = store.mailbox(OTHER, &MailboxName::inbox()).unwrap().unwrap().id;
    let messages = [
        mail("1", &[]),
        mail("2", &["1"]),
        // its question comes later, and another answer too
        mail("5", &["3", "4"]),
        mail("3", &[]),
        mail("6", &["3"]),
        // alone
        b"Subject: no ids\r\n\r\n".to_vec(),
        b"Subject: no ids\r\n\r\n".to_vec(),
        // a second copy
        mail("2", &[]),
        // of two threads, that of the nearer
        mail("7", &["3", "1"]),
    ];
    for message in &messages {
        let both = [inbox, others].map(|m| target(m, Flags::default()));
        store.deliver(draft(&store, message), &both).unwrap();
    }
    // answered by somebody who has only the answer
    let answer = store.copy(others, &[uid(2)], mailbox(&store, "Archive"), 1).unwrap().uids[0].1;
    everywhere(&disk, store, |store| {
        for (account, mailbox) in [(ME, inbox), (OTHER, others)] {
            let blobs: Vec<BlobId> =
                store.messages(mailbox, Uid::MIN..=Uid::MAX, 99).unwrap().iter().map(|m| m.blob).collect();
            let threads = store.threads(account, &blobs).unwrap();
            let first: Vec<usize> =
                threads.iter().map(|thread| threads.iter().position(|t| t == thread).unwrap()).collect();
            assert_eq!(first, [0, 0, 2, 2, 2, 5, 6, 0, 0]);
        }
        let archive = mailbox(store, "Archive");
        let copy = store.message(archive, answer).unwrap().unwrap().blob;
        assert_eq!(copy.object_id(), store.message(inbox, uid(2)).unwrap().unwrap().blob.object_id());
        assert_ne!(archive.object_id(), inbox.object_id());
    });
    let store = open(&disk);
    let first = store.message(inbox, uid(1)).unwrap().unwrap().blob;
    let second = store.message(inbox, uid(2)).unwrap().unwrap().blob;
    assert_eq!(store.threads(ME, &[second]).unwrap()[0].object_id(), format!("T{:x}", first.0));
    // the thread outlives the message it began with
    store.expunge(inbox, Expunge::These(&[uid(1)])).unwrap();
    let next = put(&store, inbox, &mail("8", &["2"]));
    let next = store.message(inbox, next).unwrap().unwrap().blob;
    assert_eq!(store.threads(ME, &[next]).unwrap()[0].0, first.0);
    store.remove_account(OTHER).unwrap();
    assert_eq!(store.threads(OTHER, &[second]).unwrap()[0].0, second.0);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn ids_of_long_ago_are_forgotten() {
    let store = Store::in_memory();
    let inbox = inbox(&store);
    let thread = |own: &str, references: &[&str]| {
        let uid = put(&store, inbox, &mail(own, references));
        let blob = store.message(inbox, uid).unwrap().unwrap().blob;
        (blob.0, store.threads(ME, &[blob]).unwrap()[0].0)
    };
    let (question, _) = thread("question", &[]);
    let known = limits::THREAD_GENERATION * u64::from(limits::THREAD_GENERATIONS - 1);
    for n in 0..known {
        assert_eq!(thread(&format!("a{n}"), &["question"]).1, question);
    }
    for n in 0..limits::THREAD_GENERATION {
        thread(&format!("b{n}"), &[]);
    }
    let (late, its) = thread("late", &["question"]);
    assert_eq!(late, its, "a thread of its own");
    let young = format!("a{}", known - 1);
    assert_eq!(thread("later", &[young.as_str()]).1, question, "by one that is still known");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn what_vanished_is_remembered_down_to_a_floor() {
    let disk = Sim::new();
    let store = open(&disk);
    let inbox = inbox(&store);
    let all: Vec<Uid> = (0..80).map(|n| put(&store, inbox, &[n])).collect();
    let mut before = Vec::new();
    // one by one, and never two neighbours
    for uid in all.iter().step_by(2).take(limits::VANISHED + 1) {
        before.push(store.status(inbox).unwrap().highest_modseq);
        store.expunge(inbox, Expunge::These(&[*uid])).unwrap();
    }
    let went: Vec<u32> = (0..=limits::VANISHED as u32).map(|n| 1 + n * 2).collect();
    let kept = limits::VANISHED / 4 * 3;
    everywhere(&disk, store, |store| {
        for (n, since) in before.iter().enumerate() {
            let told = gone(&store.changes_since(inbox, *since).unwrap());
            // since the start of the store it is known exactly; after it, down to the floor
            let exact = told == went[n..];
            assert!(exact || n + kept <= limits::VANISHED && told == went, "{n}: {told:?}");
        }
    });
    let store = open(&disk);
    assert_eq!(gone(&store.changes_since(inbox, before[went.len() - kept]).unwrap()), went[went.len() - kept..]);
    assert_eq!(gone(&store.changes_since(inbox, before[went.len() - kept - 1]).unwrap()), went);
    // more at once than is remembered at all; MODSEQs begin anew with the first change after a start
    put(&store, inbox, b"one more");
    let since = store.status(inbox).unwrap().highest_modseq;
    let many: Vec<Uid> = all.iter().copied().skip(went.len() * 2).step_by(2).collect();
    assert!(many.len() > limits::VANISHED);
    store.expunge(inbox, Expunge::These(&many)).unwrap();
    assert_eq!(gone(&store.changes_since(inbox, since).unwrap()).len(), many.len(), "it was just now");
    store.close().unwrap();
    let store = open(&disk);
    assert_eq!(gone(&store.changes_since(inbox, since).unwrap()).len(), many.len() + went.len());
    // the table is as small as that; the next one is remembered
    let since = store.status(inbox).unwrap().highest_modseq;
    store.expunge(inbox, Expunge::These(&[uid(2)])).unwrap();
    everywhere(&disk, store, |store| {
        assert_eq!(gone(&store.changes_since(inbox, since).unwrap()), [2]);
    });
}
