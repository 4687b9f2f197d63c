//! A data partition without room: new mail is put off, nothing is lost, reading and deleting go on, and what was deleted makes
//! room; also when the power fails while it is full. Needs the developer image: `make board-image`.

use qemu::{Board, Cache, Disk, Image, Options};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use system_tests::corpus::Mail;
use system_tests::exchange::{assert_same, fetch_all, imap_login, retrieve_all, untagged, without_traces};
use system_tests::lmtp::Sender;
use system_tests::play::Line as _;
use system_tests::random::Random;
use system_tests::wire::Reach;
use system_tests::{DOMAIN, PASSWORD, Protocol};

/// A slow machine under load; a large mail takes it some seconds.
const PATIENCE: Duration = Duration::from_secs(300);
/// As small as XFS takes a data partition.
const DISK: u64 = 544 << 20;
const DATA: &str = "/data/roost";
/// Octets of a mail that fills.
const LARGE: usize = 2 << 20;
/// MiB that mail may take, and what is kept back from it: the rest is taken beforehand, or everything would take an hour.
const ROOM: u64 = 100;

struct Full {
    image: Image,
    dir: tempfile::TempDir,
    disk: Disk,
    board: Option<Board>,
    user: String,
    /// What was acknowledged and not deleted.
    kept: Vec<Mail>,
    random: Random,
}

impl Full {
    fn new() -> Full {
        let (image, dir) = (Image::developer().expect("make board-image"), tempfile::tempdir().unwrap());
        let disk = Disk::create(&image, dir.path().join("disk.img"), DISK).expect("a disk").with_cache(Cache::Volatile);
        let (user, random) = (format!("anna@{DOMAIN}"), Random::new(7));
        let mut full = Full { image, dir, disk, board: None, user, kept: Vec::new(), random };
        full.power_on();
        full.told(&format!("echo {PASSWORD} | roost account add {} --password-stdin --data {DATA}", full.user));
        let ca = full.told(&format!("cat {DATA}/certificates/authority.pem"));
        std::fs::write(full.ca(), ca).unwrap();
        let free: u64 = full.told("df -m /data | awk 'END { print $4 }'").trim().parse().unwrap();
        full.told(&format!("fallocate -l {}M /data/taken && sync", free - ROOM));
        full
    }
    fn ca(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }
    fn board(&self) -> &Board {
        self.board.as_ref().expect("it is on")
    }
    fn power_on(&mut self) {
        let board = Board::boot(&self.image, &self.disk, &Options::default()).expect("the board starts");
        board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        self.board = Some(board);
    }
    fn cut_power(&mut self) {
        self.board.take().expect("it is on").cut_power();
        self.power_on();
    }
    fn told(&self, command: &str) -> String {
        self.board().run_within(command, PATIENCE).expect("the shell answers").success().expect(command).to_owned()
    }
    fn reach(&self) -> Reach {
        Reach::new(|protocol| self.board().port(protocol.port()).unwrap(), &self.ca(), PATIENCE).unwrap()
    }

    /// A mail that cannot be made smaller: letters and digits at random.
    fn mail(&mut self, size: usize) -> Mail {
        let name = format!("mail {}", self.random.below(u64::MAX));
        let mut bytes = format!("Subject: {name}\r\n\r\n").into_bytes();
        while bytes.len() < size {
            bytes.extend((0..76).map(|_| b'0' + self.random.below(75) as u8));
            bytes.extend(b"\r\n");
        }
        Mail { name, bytes }
    }

    /// Delivers; the refusal, if it is refused.
    fn deliver(&mut self, mail: Mail) -> Result<(), String> {
        let mut sender = Sender::new(self.reach().dial(Protocol::Lmtp))?;
        sender.deliver_one(&self.user, &mail.bytes)?;
        self.kept.push(mail);
        Ok(())
    }

    /// Delivers until nothing is taken any more, not even small mail; the last refusal.
    fn fill(&mut self) -> String {
        let mut refusal = String::new();
        for size in [LARGE, LARGE / 8, LARGE / 100, 2_000] {
            loop {
                let mail = self.mail(size);
                match self.deliver(mail) {
                    Ok(()) => {}
                    Err(why) => {
                        refusal = why;
                        break;
                    }
                }
            }
        }
        refusal
    }

    fn assert_kept(&self) {
        assert_same(&self.kept, without_traces(&fetch_all(&self.reach(), &self.user), "\r\n"));
    }

    /// A message by APPEND: the server's refusal, before or after the octets.
    fn append(&self) -> String {
        let mut imap = imap_login(&self.reach(), &self.user, "INBOX");
        let mail = b"Subject: append\r\n\r\nNot now.\r\n";
        imap.send(format!("1 APPEND INBOX {{{}}}\r\n", mail.len()).as_bytes()).unwrap();
        let mut line = String::from_utf8(imap.read_line().unwrap().expect("an answer")).unwrap();
        if line.starts_with('+') {
            imap.send(mail).unwrap();
            imap.send(b"\r\n").unwrap();
            line = imap.skip_to("1 ").unwrap();
        }
        line
    }
}

#[test]
fn a_full_disk_puts_mail_off_and_loses_none() {
    let mut full = Full::new();
    let refusal = full.fill();
    println!("{} mails, then: {refusal}", full.kept.len());
    assert!(refusal.contains("452 4.3.1") || refusal.contains("452 4.2.2"), "for a time: {refusal}");
    assert!(full.kept.len() > 20);
    full.assert_kept();
    let appended = full.append();
    assert!(appended.starts_with("1 NO"), "{appended}");
    println!("APPEND: {appended}");

    // The power fails while it is full, and it starts again.
    full.cut_power();
    full.assert_kept();
    let mail = full.mail(LARGE);
    assert!(full.deliver(mail).is_err(), "full is full");
    assert_same(&full.kept, without_traces(&retrieve_all(&full.reach(), &full.user), "\r\n"));

    // Flags, moves and expunges need little room, and make some.
    let mut imap = imap_login(&full.reach(), &full.user, "INBOX");
    untagged(&mut imap, "1 STORE 1:* +FLAGS.SILENT (\\Seen)", "1");
    untagged(&mut imap, "2 STORE 1:10 +FLAGS.SILENT (\\Deleted)", "2");
    untagged(&mut imap, "3 EXPUNGE", "3");
    drop(imap);
    full.kept.drain(..10);
    full.cut_power();
    full.assert_kept();
    let (began, before) = (Instant::now(), full.kept.len());
    while full.kept.len() < before + 3 {
        let mail = full.mail(LARGE);
        if let Err(why) = full.deliver(mail) {
            assert!(why.contains("452") && began.elapsed() < PATIENCE, "{why}");
        }
    }
    println!("mail is taken again {:?} after the start", began.elapsed());
    let appended = full.append();
    assert!(appended.starts_with("1 OK"), "{appended}");
    let mut imap = imap_login(&full.reach(), &full.user, "INBOX");
    untagged(&mut imap, "1 STORE * +FLAGS.SILENT (\\Deleted)", "1");
    untagged(&mut imap, "2 EXPUNGE", "2");
    // Full once more, and the power fails while it fills.
    full.fill();
    full.cut_power();
    full.assert_kept();
    assert!(full.told(&format!("roost check --data {DATA}")).contains("all is well"));
}
