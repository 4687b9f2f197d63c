//! What the store gives back is what it got, octet for octet: each message of the corpus and of the household's, and what becomes of it when
//! it is not quite as it should be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::disk::{Disk, Memory};
use store::{AccountId, BlobId, Flags, MailboxId, MailboxName, Options, Store, Target, Uid};
use system_tests::corpus::{self, Mail};
use system_tests::household;
use system_tests::random::Random;

const ACCOUNT: AccountId = AccountId(1);
/// Learning runs beside the writer, at a low priority.
const PATIENCE: Duration = Duration::from_secs(120);
/// A message as an attachment is at least so long: shorter ones are kept as text.
const LONG: usize = 5_000;
/// Where a segment's header names its dictionary (LOG-FORMAT.md).
const DICTIONARY: u64 = 28;

/// A message that was delivered.
struct Held {
    name: String,
    bytes: Vec<u8>,
    blob: BlobId,
}

/// A store on a disk in memory, and what it has to have.
struct Kept {
    disk: Arc<Memory>,
    store: Store,
    inbox: MailboxId,
    random: Random,
    held: Vec<Held>,
    looks: usize,
}

fn open(disk: &Arc<Memory>) -> Store {
    let disk: Arc<dyn Disk> = disk.clone();
    Store::on_disk(disk, Options { reserve: 0, ..Options::default() }).unwrap()
}

impl Kept {
    fn new(seed: u64) -> Kept {
        let disk = Arc::new(Memory::new());
        let store = open(&disk);
        store.ensure_account(ACCOUNT, 0).unwrap();
        let inbox = store.mailbox(ACCOUNT, &MailboxName::inbox()).unwrap().unwrap().id;
        Kept { disk, store, inbox, random: Random::new(seed), held: Vec::new(), looks: 0 }
    }

    /// In pieces as a connection brings them, which end anywhere.
    fn deliver(&mut self, name: String, bytes: Vec<u8>) {
        let mut draft = self.store.draft().unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let most = *self.random.pick(&[3, 100, 4_000, 70_000]);
            let (now, later) = rest.split_at((1 + self.random.below(most) as usize).min(rest.len()));
            draft.write(now).unwrap();
            rest = later;
        }
        let target = Target { mailbox: self.inbox, flags: Flags::default(), internal_date: 0, save_date: 0 };
        let uid: Uid = self.store.deliver(draft, &[target]).unwrap()[0].as_ref().unwrap().uid;
        let blob = self.store.message(self.inbox, uid).unwrap().unwrap().blob;
        self.held.push(Held { name, bytes, blob });
    }

    /// Everything is there: in one piece or, each other time, bit by bit; and any part of it.
    fn compare(&mut self, when: &str) {
        self.looks += 1;
        for (n, Held { name, bytes, blob }) in self.held.iter().enumerate() {
            let len = bytes.len() as u64;
            let mut whole = Vec::new();
            if (n + self.looks).is_multiple_of(2) {
                self.store.read(*blob, 0..u64::MAX, &mut whole).unwrap();
            } else {
                bit_by_bit(&self.store, *blob, len, &mut whole);
            }
            same(&whole, bytes, name, when);
            let from = self.random.below(len + 1);
            let to = from + self.random.below(len - from + 1);
            let mut part = Vec::new();
            self.store.read(*blob, from..to, &mut part).unwrap();
            same(&part, &bytes[from as usize..to as usize], &format!("{name} [{from}..{to}]"), when);
        }
    }

    fn reopen(&mut self) {
        self.store.close().unwrap();
        self.store = open(&self.disk);
    }

    /// How many dictionaries the log's segments are written with.
    fn dictionaries(&self) -> usize {
        let mut numbers = BTreeSet::new();
        for name in self.disk.list("log").unwrap().iter().filter(|name| name.parse::<u32>().is_ok()) {
            let mut number = [0; 4];
            self.disk.open(&format!("log/{name}"), false).unwrap().read(DICTIONARY, &mut number).unwrap();
            numbers.insert(number);
        }
        numbers.len()
    }

    /// Mail goes on coming until some of it is compressed with a dictionary of the store's own.
    fn learn(&mut self) {
        let late = Instant::now() + PATIENCE;
        let mut n = 1_000_000;
        while self.dictionaries() < 2 {
            assert!(Instant::now() < late, "no dictionary was learned from {} messages", self.held.len());
            self.deliver(format!("small {n}"), household::small(n));
            n += 1;
        }
    }
}

fn bit_by_bit(store: &Store, blob: BlobId, len: u64, out: &mut Vec<u8>) {
    while (out.len() as u64) < len {
        let from = out.len() as u64;
        store.read_some(blob, from..len, out).unwrap();
        assert!(out.len() as u64 > from, "nothing at {from} of {len}");
    }
}

fn same(got: &[u8], wanted: &[u8], name: &str, when: &str) {
    if got != wanted {
        let at = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        panic!("{name}, {when}: {} octets for {}, other ones from {at} on", got.len(), wanted.len());
    }
}

/// What a message may become on its way.
fn mutants(message: &[u8], random: &mut Random) -> Vec<(&'static str, Vec<u8>)> {
    let at = |random: &mut Random| random.below(message.len() as u64) as usize;
    let octet = |random: &mut Random| random.below(255) as u8 + 1;
    let (mut changed, mut more, mut less) = (message.to_vec(), message.to_vec(), message.to_vec());
    changed[at(random)] ^= octet(random);
    more.insert(at(random), octet(random));
    less.remove(at(random));
    let mut all = vec![
        ("an octet changed", changed),
        ("an octet inserted", more),
        ("an octet removed", less),
        ("without CR", message.iter().copied().filter(|octet| *octet != b'\r').collect()),
        ("truncated", message[..at(random)].to_vec()),
    ];
    let (before, lines, after) = base64_lines(message);
    // 58 and 80 are no widths that are undone; 62 and 75 end within four characters
    let width = *random.pick(&[58, 60, 62, 64, 72, 75, 76, 80]);
    let wrapped = wrap(&lines, width);
    let around = |lines: &[u8]| [before, lines, after].concat();
    all.push(("other lines of base64", around(&wrapped)));
    all.push(("bad padding", around(&badly_padded(wrapped, random))));
    all
}

/// The longest run of base64 of a message without its line ends, and what is around it; a message without a long one becomes one.
fn base64_lines(message: &[u8]) -> (&[u8], Vec<u8>, &[u8]) {
    let (mut longest, mut run, mut at) = (0..0, 0..0, 0);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        let text = line.trim_ascii_end();
        let coded = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
        let goes_on = !text.is_empty() && text.iter().all(coded) && (!run.is_empty() || text.len() >= 60);
        let begin = if run.is_empty() { at } else { run.start };
        at += line.len();
        run = if goes_on { begin..at } else { at..at };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    if longest.len() < LONG {
        let own: Vec<u8> = message.iter().copied().cycle().take(message.len().max(LONG)).collect();
        return (b"Content-Transfer-Encoding: base64\r\n\r\n", STANDARD.encode(own).into_bytes(), b"\r\n.");
    }
    let lines = message[longest.clone()].iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    (&message[..longest.start], lines, &message[longest.end..])
}

fn wrap(base64: &[u8], width: usize) -> Vec<u8> {
    base64.chunks(width).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// As others write it: too little of it, too much, in the middle, or bits below it that stand for nothing.
fn badly_padded(mut lines: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let end = lines.trim_ascii_end().len();
    match random.below(4) {
        0 => lines.truncate(lines[..end].iter().rposition(|octet| *octet != b'=').map_or(0, |last| last + 1)),
        1 => lines.insert(end, b'='),
        2 => {
            let middle = random.below(end as u64) as usize;
            lines[middle] = b'=';
        }
        _ => lines[end - 4..end].copy_from_slice(*random.pick(&[b"QR==", b"QQF=", b"Q===", b"===="])),
    }
    lines
}

/// Delivers all, and what becomes of them, and looks at them again and again.
fn keep(seed: u64, mails: &[Mail]) {
    let mut kept = Kept::new(seed);
    for mail in mails {
        kept.deliver(mail.name.clone(), mail.bytes.clone());
    }
    kept.compare("delivered");
    kept.reopen();
    kept.compare("opened again");
    for mail in mails {
        for (what, bytes) in mutants(&mail.bytes, &mut kept.random) {
            kept.deliver(format!("{}, {what}", mail.name), bytes);
        }
    }
    kept.learn();
    for mail in mails {
        kept.deliver(format!("{} with the dictionary", mail.name), mail.bytes.clone());
    }
    kept.compare("with a dictionary");
    kept.reopen();
    kept.compare("opened again with a dictionary");
    kept.store.close().unwrap();
    kept.disk.remove("catalogue.redb").unwrap();
    kept.store = open(&kept.disk);
    kept.compare("from the log alone");
    assert_eq!(kept.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn the_corpus_comes_back_as_it_came() {
    keep(1, &corpus::messages());
}

#[test]
fn the_households_mail_comes_back_as_it_came() {
    let mails = (0..60).map(|n| ("mail", n, household::mail(n)));
    let mails = mails.chain((1_000..1_140).map(|n| ("small", n, household::small(n))));
    keep(2, &mails.map(|(kind, n, bytes)| Mail { name: format!("{kind} {n}"), bytes }).collect::<Vec<_>>());
}
