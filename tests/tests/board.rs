//! The emulated board, from outside: every transcript, the corpus before and after power off, the setup code on the console.
//! Needs the developer image: `make test-board`.

use qemu::{Board, Disk, Image, Options};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use system_tests::corpus::{self, Mail};
use system_tests::exchange::{
    assert_same, deliver_all, fetch_all, fetchmail, mbsync_pull, retrieve_all, without_traces,
};
use system_tests::play::{Line, Target, play};
use system_tests::transcript::{Fault, Transcript};
use system_tests::wire::Reach;
use system_tests::{DOMAIN, PASSWORD, Protocol, here};

/// A slow machine under load; a board is up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Octets of the disk.
const DISK: u64 = 2 << 30;
/// Where the board has its data.
const DATA: &str = "/data/roost";
/// Transcripts played at the same time. Most of what they do is to wait for two emulated cores.
const AT_ONCE: usize = 3;

/// A board that serves, and how to reach it.
struct Served {
    board: Board,
    reach: Reach,
}

impl Served {
    /// Boots and waits for IMAP; the authority's certificate is kept in `dir`.
    fn boot(image: &Image, disk: &Disk, dir: &Path) -> Served {
        let board = Board::boot(image, disk, &Options::default()).expect("the board starts");
        board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        let ca = dir.join("authority.pem");
        std::fs::write(&ca, told(&board, &format!("cat {DATA}/certificates/authority.pem"))).expect("it can be kept");
        let port = |protocol: Protocol| board.port(protocol.port()).expect("every port is forwarded");
        let reach = Reach::new(port, &ca, PATIENCE).expect("the authority's certificate is one");
        Served { board, reach }
    }

    fn add_account(&self, local: &str) -> String {
        let address = format!("{local}@{DOMAIN}");
        self.account(&address).unwrap_or_else(|why| panic!("{why}"));
        address
    }
}

impl Target for Served {
    fn name(&self) -> &'static str {
        "board"
    }

    fn account(&self, address: &str) -> Result<(), String> {
        let command = format!("echo {PASSWORD} | roost account add {address} --password-stdin --data {DATA}");
        let output = self.board.run(&command).map_err(|e| e.to_string())?;
        output.success().map(drop).map_err(|e| e.to_string())
    }

    /// To the board all connections come from one address: QEMU's.
    fn connect(&self, protocol: Protocol, _: Ipv4Addr) -> Result<Box<dyn Line>, String> {
        Ok(Box::new(self.reach.connect(protocol, Ipv4Addr::LOCALHOST)?))
    }
}

fn told(board: &Board, command: &str) -> String {
    let output = board.run(command).expect("the shell answers");
    output.success().expect(command).to_owned()
}

fn image() -> Image {
    Image::developer().expect("make board-image")
}

#[test]
fn every_transcript_plays_against_the_board() {
    let (image, dir) = (image(), tempfile::tempdir().unwrap());
    let disk = Disk::create(&image, dir.path().join("disk.img"), DISK).expect("a disk");
    let served = Served::boot(&image, &disk, dir.path());
    let mut left = Vec::new();
    collect(&here().join("transcripts"), &mut left);
    let count = left.len();
    assert!(count >= 40, "only {count} transcripts");
    let (left, faults) = (Mutex::new(left), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // The guard must not live on while a transcript is played.
                let next = || left.lock().unwrap().pop();
                while let Some(path) = next() {
                    let began = Instant::now();
                    let played = Transcript::read(&path).and_then(|transcript| play(&transcript, &served));
                    println!("{:?} {} in {:?}", played.is_ok(), path.display(), began.elapsed());
                    if let Err(Fault(fault)) = played {
                        faults.lock().unwrap().push(fault);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {count} transcripts fail\n{}", faults.len(), faults.join("\n"));
}

/// All transcripts below a folder.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("the transcripts are there") {
        let path = entry.expect("a directory can be read").path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

#[test]
fn the_corpus_outlives_power_off_byte_for_byte() {
    let (image, dir) = (image(), tempfile::tempdir().unwrap());
    let disk = Disk::create(&image, dir.path().join("disk.img"), DISK).expect("a disk");
    let all = corpus::messages();
    // What mbsync and fetchmail cannot take is told in `real_programs.rs`; IMAP and POP3 themselves carry it all.
    let pick = |fit: fn(&Mail) -> bool| -> Vec<Mail> { all.iter().filter(|m| fit(m)).cloned().collect() };
    let (whole, proper) = (pick(Mail::header_ends), pick(Mail::has_proper_header));
    assert!(whole.len() >= corpus::AT_LEAST && proper.len() >= corpus::AT_LEAST);

    let served = Served::boot(&image, &disk, dir.path());
    let line = served.board.wait_for_console("Setup code:", PATIENCE).expect("the console shows it");
    let code = line.text.rsplit(' ').next().unwrap();
    assert!(code.len() == 9 && code.split('-').all(|half| half.len() == 4), "no setup code: {}", line.text);

    let users = ["octets", "mbsync", "fetchmail"].map(|local| served.add_account(local));
    for (user, mails) in users.iter().zip([&all, &whole, &proper]) {
        deliver_all(&served.reach, user, mails).unwrap_or_else(|why| panic!("{why}"));
    }
    let before = dir.path().join("before");
    assert_same(&whole, mbsync_pull(&served.reach, &users[1], &before));
    served.board.power_off().expect("it shuts down");

    let served = Served::boot(&image, &disk, dir.path());
    let by_imap = fetch_all(&served.reach, &users[0]);
    assert_same(&all, without_traces(&by_imap, "\r\n"));
    assert_eq!(by_imap, retrieve_all(&served.reach, &users[0]), "POP3 and IMAP give the same octets");
    // Once into a new Maildir, once into the one of before, which must not change: same UIDs, same UIDVALIDITY.
    assert_same(&whole, mbsync_pull(&served.reach, &users[1], &dir.path().join("after")));
    assert_same(&whole, mbsync_pull(&served.reach, &users[1], &before));
    assert_same(&proper, fetchmail(&served.reach, &users[2], dir.path()));
    served.board.power_off().expect("it shuts down again");
}
