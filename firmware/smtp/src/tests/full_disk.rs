//! What clients are told when the store takes no more.

use super::*;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use store::disk::{Disk, DiskFile};

/// A disk that can be full.
#[derive(Debug, Default)]
struct Card {
    memory: Memory,
    full: AtomicBool,
}

impl Disk for Card {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        self.memory.open(name, create)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.memory.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to)
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.memory.list(folder)
    }
    fn sync_names(&self) -> io::Result<()> {
        self.memory.sync_names()
    }
    fn free(&self) -> io::Result<u64> {
        if self.full.load(Ordering::Relaxed) { Ok(0) } else { self.memory.free() }
    }
}

fn on(card: &Arc<Card>, options: Options, role: Role) -> Talk {
    let store = Store::on_disk(card.clone(), options).unwrap();
    let mut talk = Talk::with_store(store, role, Security::Plain);
    talk.send(if role == Role::Lmtp { b"LHLO mta\r\n" } else { b"EHLO there\r\n" });
    talk
}

#[test]
fn a_full_disk_is_a_temporary_failure() {
    for role in [Role::Reception, Role::Lmtp] {
        let card = Arc::new(Card::default());
        let mut talk = on(&card, Options::default(), role);
        let to = if role == Role::Lmtp { "<ben@home.example> " } else { "" };
        let refusal = format!("452 4.3.1 {to}There is no space left for new mail, try again later\r\n");
        card.full.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            talk.envelope();
            talk.send(b"DATA\r\n");
            assert_eq!(talk.send(b"a: b\r\n.\r\n"), refusal);
            talk.envelope();
            assert_eq!(talk.send(b"BDAT 6 LAST\r\na: b\r\n"), refusal);
        }
        card.full.store(false, Ordering::Relaxed);
        talk.envelope();
        assert!(talk.send(b"BDAT 6 LAST\r\na: b\r\n").starts_with("250 2.0.0 "));
        assert_eq!(talk.sent_to(BEN), ["a: b\r\n"]);
    }
}

#[test]
fn the_store_may_have_a_smaller_limit() {
    let options = Options { max_message: 1000, ..Options::default() };
    let mut talk = on(&Arc::default(), options, Role::Reception);
    talk.envelope();
    talk.send(b"DATA\r\n");
    let message = format!("a: b\r\n\r\n{}\r\n.\r\n", "x".repeat(1000));
    assert_eq!(talk.send(message.as_bytes()), "552 5.3.4 The message is too large for this box\r\n");
    talk.envelope();
    assert!(talk.send(b"BDAT 6 LAST\r\na: b\r\n").starts_with("250 2.0.0 "));
}
