//! Clocks that are wrong by a year, or show 1970, without a network that tells the time: the board serves under certificates that
//! clients with the right time believe, and mail keeps its order. Needs the developer image: `make board-image`.

use qemu::{Board, Disk, Image, Options};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use system_tests::corpus::Mail;
use system_tests::exchange::{assert_same, deliver_all, fetch_all, imap_login, small_mails, untagged, without_traces};
use system_tests::wire::Reach;
use system_tests::{DOMAIN, PASSWORD};

/// A slow machine under load; a board is up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(300);
const DISK: u64 = 1 << 30;
const DATA: &str = "/data/roost";
/// The start, counted from 0, before which the power was cut.
const AFTER_CUT: usize = 2;
const YEAR: u64 = 365 * 86_400;

/// What IMAP says of a mailbox and its mail.
#[derive(Debug)]
struct Told {
    uid_validity: u64,
    highest: u64,
    /// UID, MODSEQ and INTERNALDATE's year of each, in order.
    mails: Vec<(u64, u64, i64)>,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A time as QEMU takes it.
fn as_clock(unix: u64) -> String {
    let output =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{unix}"), "+%Y-%m-%dT%H:%M:%S"]).output();
    String::from_utf8(output.expect("date is there").stdout).unwrap().trim().to_owned()
}

fn boot(image: &Image, disk: &Disk, clock: u64) -> Board {
    let options = Options { clock: Some(as_clock(clock)), ..Options::default() };
    let board = Board::boot(image, disk, &options).expect("the board starts");
    board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
    board
}

fn told(board: &Board, command: &str) -> String {
    board.run_within(command, PATIENCE).expect("the shell answers").success().expect(command).to_owned()
}

/// The client's clock is right, and it trusts what the box said at its first start.
fn reach(board: &Board, ca: &Path) -> Reach {
    Reach::new(|protocol| board.port(protocol.port()).unwrap(), ca, PATIENCE).unwrap()
}

fn look(reach: &Reach, user: &str) -> Told {
    let number = |text: &str, before: &str| -> u64 {
        let rest = text.split_once(before).unwrap_or_else(|| panic!("{before} in {text}")).1;
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let mut imap = imap_login(reach, user, "Trash");
    let status = untagged(&mut imap, "1 STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)", "1");
    let status = status.iter().find(|line| line.starts_with("* STATUS")).expect("an answer");
    untagged(&mut imap, "2 SELECT INBOX", "2");
    let mut mails = untagged(&mut imap, "3 FETCH 1:* (UID MODSEQ INTERNALDATE)", "3");
    mails.pop();
    // "21-Nov-2026 21:00:00 +0000"
    let year = |line: &str| -> i64 { line.split_once("INTERNALDATE \"").unwrap().1[7..11].parse().unwrap() };
    let mails = mails.iter().map(|line| (number(line, "UID "), number(line, "MODSEQ ("), year(line))).collect();
    Told { uid_validity: number(status, "UIDVALIDITY "), highest: number(status, "HIGHESTMODSEQ "), mails }
}

#[test]
fn a_year_ahead_a_year_behind_and_1970_are_no_harm() {
    let (image, dir) = (Image::developer().expect("make board-image"), tempfile::tempdir().unwrap());
    let (user, ca) = (format!("anna@{DOMAIN}"), dir.path().join("authority.pem"));
    let mails: Vec<Mail> = small_mails(10);
    let year: i64 = as_clock(now())[..4].parse().unwrap();
    // A box that begins its life with each of these clocks, and meets the others later.
    for first in [0, 2, 3] {
        let clocks = [now() + YEAR, now() - YEAR, 0, now()];
        let disk = Disk::create(&image, dir.path().join("disk.img"), DISK).expect("a disk");
        let mut before: Option<Told> = None;
        let mut latest = 0;
        for n in 0..clocks.len() {
            let clock = clocks[(first + n) % clocks.len()];
            let board = boot(&image, &disk, clock);
            if n == 0 {
                told(&board, &format!("echo {PASSWORD} | roost account add {user} --password-stdin --data {DATA}"));
                std::fs::write(&ca, told(&board, &format!("cat {DATA}/certificates/authority.pem"))).unwrap();
            }
            let shown: u64 = told(&board, "date +%s").trim().parse().unwrap();
            // After a power cut a board without a clock goes on at the time that was last written down.
            let known = if n == AFTER_CUT { 0 } else { latest };
            assert!(shown + 60 >= known.max(clock), "time runs backwards: {shown} after {known}");
            latest = shown;
            let reach = reach(&board, &ca);
            deliver_all(&reach, &user, &mails[2 * n..2 * n + 2]).expect("mail is taken");
            let seen = look(&reach, &user);
            println!("clock {}: {} mails, MODSEQ {}", as_clock(clock), seen.mails.len(), seen.highest);
            assert_eq!(seen.mails.len(), 2 * n + 2);
            // In the order in which they came, whatever was the time.
            assert!(seen.mails.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{seen:?}");
            assert!(seen.mails.chunks(2 * AFTER_CUT).all(|mails| mails.is_sorted_by_key(|mail| mail.2)), "{seen:?}");
            assert!(seen.mails.iter().all(|mail| (year..=year + 1).contains(&mail.2)), "{seen:?}");
            if let Some(before) = before {
                assert_eq!(seen.uid_validity, before.uid_validity);
                assert!(
                    seen.highest > before.highest && seen.mails.starts_with(&before.mails),
                    "{seen:?} after {before:?}"
                );
            }
            before = Some(seen);
            match n + 1 {
                AFTER_CUT | 4 => board.cut_power(),
                _ => board.power_off().expect("it stops"),
            }
        }
        let board = boot(&image, &disk, now());
        assert_same(&mails[..8], without_traces(&fetch_all(&reach(&board, &ca), &user), "\r\n"));
        assert!(told(&board, &format!("roost check --data {DATA}")).contains("all is well"));
        board.cut_power();
    }
}
